"""Lets callers share calls: what is asked while a call is under way goes along in the next one.

One call of a group is under way at a time, so what is told in order is written in order. A call
that fails takes everything that waits for it along: each waits about two time-outs at most.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from gomail.ledger import LedgerUnavailable

MOST = 100
"""Items in one call: about 1 ms of the server's time."""
ROOM = 10_000
"""Items that may wait; whoever comes after them is refused."""

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class Group(Generic[Item, Answer]):
    """Callers of one operation on items, each answered with an item's answer.

    Args:
        call: answers items, in their order.
        droppable: a caller that goes on before its turn takes its items back.
        most: items in one call.
    """

    def __init__(
        self,
        call: Callable[[Sequence[Item]], Awaitable[list[Answer]]],
        *,
        droppable: bool = False,
        most: int = MOST,
    ) -> None:
        self._call, self._droppable, self._most = call, droppable, most
        self._waiting: deque[tuple[Sequence[Item], asyncio.Future[list[Answer]]]] = deque()
        self._size = 0
        self._run: asyncio.Task[None] | None = None
        self._closed = False

    async def ask(self, items: Sequence[Item]) -> list[Answer]:
        """The items' answers, in order.

        Raises:
            LedgerUnavailable: not done, or nobody knows; or too many wait.
        """
        if len(items) <= self._most:
            return await self._join(items) if items else []
        answers: list[Answer] = []
        for start in range(0, len(items), self._most):
            answers += await self._join(items[start : start + self._most])
        return answers

    async def close(self) -> None:
        """Take nothing more, and wait for what is pending."""
        self._closed = True
        if self._run:
            await asyncio.wait({self._run})

    async def _join(self, items: Sequence[Item]) -> list[Answer]:
        if self._closed:
            raise LedgerUnavailable("the ledger is closed")
        if self._size + len(items) > ROOM:
            raise LedgerUnavailable(f"{self._size} items wait for the ledger already")
        loop = asyncio.get_running_loop()
        answers: asyncio.Future[list[Answer]] = loop.create_future()
        self._waiting.append((items, answers))
        self._size += len(items)
        if self._run is None:
            self._run = loop.create_task(self._serve())
        return await answers

    async def _serve(self) -> None:
        while self._waiting:
            await self._share(self._take())
        self._run = None

    def _take(self) -> list[tuple[Sequence[Item], "asyncio.Future[list[Answer]]"]]:
        taken: list[tuple[Sequence[Item], asyncio.Future[list[Answer]]]] = []
        size = 0
        while self._waiting and (not taken or size + len(self._waiting[0][0]) <= self._most):
            items, answers = self._waiting.popleft()
            self._size -= len(items)
            if not (self._droppable and answers.done()):
                taken.append((items, answers))
                size += len(items)
        return taken

    async def _share(
        self, taken: Sequence[tuple[Sequence[Item], "asyncio.Future[list[Answer]]"]]
    ) -> None:
        if not taken:
            return
        try:
            answers = await self._call([item for items, _ in taken for item in items])
        except Exception as error:  # noqa: BLE001 - each caller gets it; the group serves on
            self._fail(taken, error)
            return
        start = 0
        for items, future in taken:
            if not future.done():
                future.set_result(answers[start : start + len(items)])
            start += len(items)

    def _fail(
        self,
        taken: Sequence[tuple[Sequence[Item], "asyncio.Future[list[Answer]]"]],
        error: Exception,
    ) -> None:
        failed = [future for _, future in taken]
        if isinstance(error, LedgerUnavailable):  # it would be so for those behind, too
            failed += [future for _, future in self._waiting]
            self._waiting.clear()
            self._size = 0
        for future in failed:
            if not future.done():
                future.set_exception(
                    LedgerUnavailable(str(error)) if isinstance(error, LedgerUnavailable) else error
                )
