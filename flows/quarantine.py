"""Sends suspects one after the other, so that one which ends the process takes no other along.

An email is suspect when two processes that had begun to send it are gone without telling what came
of it (`gomail.ledger.SUSPECT`). Most suspects were only beside the one that is to blame. The ledger
has noted nothing of them this time, so that they wait here at no risk; each begins once the
one before is settled, which is recorded by then. Whoever is under way at a third death was
therefore the only suspect in its process.
"""

from collections import deque
from collections.abc import Callable

from flows.desk import Lane
from flows.loop import Loop
from flows.mail import Letter, Routed

LOOK = 0.1
"""Seconds between two looks at whether the one under way is settled."""

Begin = Callable[[Lane, Routed], bool]
"""Begins with a suspect, or decides what becomes of it without; False: not yet."""


class Quarantine:
    """Suspects that wait, and the one that is under way. Runs on the loop."""

    def __init__(self, loop: Loop, begin: Begin, *, monotonic: Callable[[], float]) -> None:
        self._loop, self._begin, self._monotonic = loop, begin, monotonic
        self._waiting: deque[tuple[Lane, Routed]] = deque()
        self._under_way: Letter | None = None
        self._looking = False

    def add(self, lane: Lane, routed: Routed) -> None:
        """Have it begin when its turn comes."""
        self._waiting.append((lane, routed))
        if not self._looking:
            self._look()

    def clear(self) -> list[tuple[Lane, Routed]]:
        """Whoever still waits; nobody does any more."""
        waiting = list(self._waiting)
        self._waiting.clear()
        return waiting

    def _look(self) -> None:
        if self._under_way is not None and self._is_over(self._under_way):
            self._under_way = None
        if self._under_way is None and self._waiting:
            lane, routed = self._waiting[0]
            if self._begin(lane, routed):
                self._waiting.popleft()
                self._under_way = routed.letter
        self._looking = bool(self._waiting) or self._under_way is not None
        if self._looking:
            self._loop.later(LOOK, self._look)

    def _is_over(self, letter: Letter) -> bool:
        """Whether it is settled, or was to be by now: a queue may be long in confirming."""
        return not letter.receipts or self._monotonic() >= letter.deadline
