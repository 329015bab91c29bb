"""One call at a time: what comes while it is under way goes with the next, and nobody waits long.

Ledgers answer many questions at the price of one. Under load this makes calls of a few dozen out of
batches of five; when it is quiet nothing waits for company.
"""

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Generic, TypeVar

from flows.loop import Loop

T = TypeVar("T")

Then = Callable[[], None]


class Line(Generic[T]):
    """Items for one kind of call, and who waits for them. Runs on the loop.

    Args:
        loop: where it runs.
        call: takes items; must not raise.
        patience: seconds after which whoever waits goes on, though the call is still under way.
        late: told with what items somebody went on before their call had even begun.
        overdue: told with what items somebody went on before their call had ended.
    """

    def __init__(
        self,
        loop: Loop,
        call: Callable[[Sequence[T]], Coroutine[Any, Any, None]],
        *,
        patience: float,
        late: Callable[[Sequence[T]], None],
        overdue: Callable[[Sequence[T]], None] = lambda _: None,
    ) -> None:
        self._loop, self._call, self._patience = loop, call, patience
        self._late, self._overdue = late, overdue
        self._busy = False
        self._called: Sequence[T] = ()
        """The items of the call that is under way."""
        self._items: list[T] = []
        self._waiting: list[Then] = []
        self._answered: Then = lambda: None
        """Stops the clock of those who wait for a turn; it goes with them into their call."""

    def add(self, items: Sequence[T], then: Then) -> None:
        """Have items told; `then` is called when they were, or when patience has run out."""
        self._items += items
        if not self._waiting:
            clock = self._loop.loop.call_later(self._patience, self._run_out, self._waiting)
            self._answered = clock.cancel
        self._waiting.append(then)
        if not self._busy:
            self._begin()

    def _run_out(self, waiting: list[Then]) -> None:
        """These go on, whether the call before theirs takes too long or their own."""
        if waiting is self._waiting:
            items, self._items, self._waiting = self._items, [], []
            self._late(items)
        else:
            self._overdue(self._called)
        _go_on(waiting)

    def _begin(self) -> None:
        self._busy = True
        items, self._items = self._items, []
        self._called = items
        waiting, self._waiting = self._waiting, []
        self._loop.spawn(self._turn(items, waiting, self._answered))

    async def _turn(self, items: Sequence[T], waiting: list[Then], answered: Then) -> None:
        try:
            await self._call(items)
        finally:
            answered()
            self._busy = False
            if self._waiting:
                self._begin()
            _go_on(waiting)


def _go_on(waiting: list[Then]) -> None:
    """Call everyone once: whoever has gone on is taken off the list."""
    going = waiting.copy()
    waiting.clear()
    for then in going:
        then()
