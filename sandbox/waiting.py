"""Long polls: who waits for a message of which queue, and when they are woken.

A wait ends when a message is ready for it: on a send or a return at once, at the end of a delay or
of a visibility timeout by one timer a queue.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import TYPE_CHECKING

from sandbox.errors import Refused, over_limit

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.message import Message
    from sandbox.queue import Queue


class _Line:
    """Those who wait at one queue, in order, each with how many messages it would take."""

    __slots__ = ("due", "timer", "waiters")

    def __init__(self) -> None:
        self.waiters: deque[tuple[asyncio.Future[None], int]] = deque()
        self.timer: asyncio.TimerHandle | None = None
        self.due: float | None = None


class Waiting:
    """All long polls."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lines: dict[str, _Line] = {}

    async def receive(
        self,
        queue: Queue,
        *,
        limit: int,
        visibility: float,
        wait: float,
        gone: Callable[[], bool],
    ) -> list[Message]:
        """Receive at once or within `wait` seconds; a client that is gone receives nothing."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + wait
        while not gone():
            taken = queue.receive(self._clock(), limit, visibility)
            if queue.dead_letters is not None:
                self.wake(queue.dead_letters)
            if taken:
                self.wake(queue)  # some of it may be handed out once more
            if taken or loop.time() >= deadline:
                if wait == 0:
                    _check_in_flight(queue, taken)
                return taken
            await self._stand_in_line(queue, limit, deadline)
        self.wake(queue)
        return []

    def wake(self, queue: Queue) -> None:
        """Wake as many waiters as the ready messages are enough for."""
        line = self._lines.get(queue.uid)
        if line is None or not line.waiters:
            return
        queue.settle(self._clock())
        available = queue.receivable
        while available > 0 and line.waiters:
            waiter, limit = line.waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                available -= limit
        self._set_timer(queue, line)

    def dismiss(self, queue: Queue) -> None:
        """Send everybody away empty: the queue is gone."""
        if (line := self._lines.pop(queue.uid, None)) is not None:
            if line.timer is not None:
                line.timer.cancel()
            for waiter, _ in line.waiters:
                if not waiter.done():
                    waiter.set_exception(Refused("QueueDoesNotExist", "The queue was deleted."))

    async def _stand_in_line(self, queue: Queue, limit: int, deadline: float) -> None:
        loop = asyncio.get_running_loop()
        line = self._lines.setdefault(queue.uid, _Line())
        waiter: asyncio.Future[None] = loop.create_future()
        line.waiters.append((waiter, limit))
        self._set_timer(queue, line)
        try:
            async with asyncio.timeout_at(deadline):
                await waiter
        except TimeoutError:
            return
        except asyncio.CancelledError:
            # The client left; if it had just been woken, the message is the next one's.
            loop.call_soon(self.wake, queue)
            raise
        finally:
            self._leave(line, waiter, limit)

    @staticmethod
    def _leave(line: _Line, waiter: asyncio.Future[None], limit: int) -> None:
        try:
            line.waiters.remove((waiter, limit))
        except ValueError:
            return  # it was woken

    def _set_timer(self, queue: Queue, line: _Line) -> None:
        due = queue.next_due() if line.waiters else None
        if due == line.due:
            return
        if line.timer is not None:
            line.timer.cancel()
        line.due, line.timer = due, None
        if due is not None:
            # At least a millisecond: a loop may fire early by its resolution, then this runs again.
            delay = max(due - self._clock(), 0.001)
            line.timer = asyncio.get_running_loop().call_later(delay, self._on_timer, queue, line)

    def _on_timer(self, queue: Queue, line: _Line) -> None:
        line.due = line.timer = None
        self.wake(queue)


def _check_in_flight(queue: Queue, taken: list[Message]) -> None:
    if not taken and queue.ready and queue.receivable <= 0:
        raise over_limit()
