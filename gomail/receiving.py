"""How many receives of one queue run at once: the backlog decides. Pure.

Every receive is a long poll, so an idle queue costs three requests a minute. Full receives, or old
messages, say that more is waiting: the width doubles. Thin ones say the opposite: it falls by one.
The queue's own count of waiting messages lets the width jump after an idle time. Where messages
come one by one, but quickly, the next receive waits a little so that it brings several.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

BATCH = 10
OLD = 0.3
"""Seconds: a message that waited longer than this before its first receive was queueing."""
FEW = 4
"""Messages a pause waits for at most; beyond that the receive that is saved costs more delay."""
MEMORY = 0.5
"""Seconds over which the rate of arrival is taken."""
DEPTH_INTERVAL = 5.0
"""Seconds between two questions for the queue's depth."""


@dataclass(frozen=True, slots=True)
class Catch:
    """What one receive brought."""

    asked: int
    got: int
    youngest: float | None
    """Seconds the most recent of its first-time messages had waited; None without any."""

    @property
    def is_full(self) -> bool:
        """Whether it brought nine tenths of what it asked for: more is waiting."""
        return self.got * BATCH >= self.asked * (BATCH - 1) > 0


def catch(asked: int, first_time_ages: Iterable[float], got: int) -> Catch:
    """Sum up a receive."""
    return Catch(asked, got, min(first_time_ages, default=None))


class Width:
    """The number of concurrent receives for one partition, between 1 and `most`."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._full = False
        self._depth_asked_at = -math.inf
        self.value = 1

    def after(self, caught: Catch) -> None:
        """Follow what a receive brought."""
        self._full = caught.is_full
        queueing = caught.youngest is not None and caught.youngest > OLD
        if self._full or queueing:
            self.value = min(self._most, self.value * 2)
        elif caught.got * 2 < caught.asked:
            self.value = max(1, self.value - 1)

    def asks_depth(self, now: float) -> bool:
        """Whether to ask the queue how many are waiting; remembers that it was asked."""
        if not self._full or self.value == self._most:
            return False
        if now - self._depth_asked_at < DEPTH_INTERVAL:
            return False
        self._depth_asked_at = now
        return True

    def jump(self, waiting: int) -> None:
        """Open as many receives as the waiting messages fill."""
        self.value = max(self.value, min(self._most, math.ceil(waiting / BATCH)))


class Pause:
    """How long the next receive waits for company: `longest` seconds at most.

    The rate of arrival decays over `MEMORY` seconds. Where it says that no further message comes
    within the pause, there is none: the message would only be late.
    """

    def __init__(self, longest: float) -> None:
        self._longest = longest
        self._rate = 0.0
        self._noted_at = -math.inf

    def after(self, caught: Catch, now: float) -> float:
        """Seconds to wait after this catch; `now` is monotonic."""
        decay = math.exp((self._noted_at - now) / MEMORY) if caught.got or self._rate else 0.0
        self._rate = self._rate * decay + caught.got / MEMORY
        self._noted_at = now
        if caught.is_full or self._rate * self._longest < 1:
            return 0.0
        return min(self._longest, FEW / self._rate)
