"""In which order a batch tries the queues: evenly, and those in trouble last. Pure.

Without it a dead queue would cost every batch that meets it first half of its time. A queue that
failed rests; when the rest is over, one batch tries it first and all others still try it last until
that one has come back, so that a queue which stays dead delays one batch every few seconds.
"""

from collections import Counter
from collections.abc import Sequence

REST = 5.0
"""Seconds for which a queue that failed is tried last."""


class Rota:
    """Whose turn it is among the queues, by what became of the calls so far."""

    def __init__(self, queues: Sequence[str], *, room: int, rest: float = REST) -> None:
        """`room`: calls open at one queue from which on the others go first.

        It keeps a queue that hangs from holding all places in flight before its first time-out.
        """
        self._queues = list(queues)
        self._room = room
        self._rest = rest
        self._turn = 0
        self._rests_until: dict[str, float] = {}
        self._open: Counter[str] = Counter()

    def order(self, now: float) -> list[str]:
        """All queues, in the order in which the next batch should try them."""
        at = self._turn % len(self._queues)
        self._turn += 1
        turn = self._queues[at:] + self._queues[:at]
        if not self._rests_until and not self._crowded():
            return turn
        probed = next((q for q in turn if self._rests_until.get(q, now + 1) <= now), None)
        if probed is not None:
            self._rests_until[probed] = now + self._rest
        return sorted(turn, key=lambda queue: self._rank(queue, probed))

    def began(self, queue: str) -> None:
        """A call to the queue is open."""
        self._open[queue] += 1

    def ended(self, queue: str, *, worked: bool, now: float) -> None:
        """A call is over; it worked if the queue took anything."""
        self._open[queue] -= 1
        if worked:
            self._rests_until.pop(queue, None)
        else:
            self._rests_until[queue] = now + self._rest

    def _crowded(self) -> bool:
        return any(count >= self._room for count in self._open.values())

    def _rank(self, queue: str, probed: str | None) -> int:
        if queue == probed:
            return 0
        if queue in self._rests_until:
            return 3
        return 2 if self._open[queue] >= self._room else 1
