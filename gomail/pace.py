"""How fast one provider may be sent to: its rate, what throttles make of it, its quota. Pure.

The rate is kept by the generic cell rate algorithm (ITU-T I.371), a token bucket that says when
instead of whether: what was taken so far is paid for at `due`. Everything counts recipients, as
providers do (Amazon SES, page on sending quotas). Times are monotonic seconds, passed in.

An answer that throttles halves the rate, which then grows slowly (additive increase, multiplicative
decrease; Chiu and Jain 1989), so that many processes without a common ledger find their parts.
"""

from collections import deque
from math import inf, isfinite

FASTER = 0.02
"""Of the rate at which it was throttled: by how much the rate grows a second."""
SLOWER = 0.5
LEAST = 0.5
"""Recipients a second that remain however often a provider throttles."""
UNTRIED = 10.0
"""Recipients a second that a provider without a rate is taken to allow at least when it throttles
for the first time: what it has just accepted says little after a pause."""
ONCE = 1.0
"""Seconds: what was under way when the first was throttled says no more."""
HOUR = 3_600.0
HOURS = 24


class Pace:
    """One provider's, for all workers of one process.

    Args:
        rate: most recipients a second; None for any.
        burst: recipients that may follow each other at once.
        quota: most recipients in 24 hours, of this process; None for any.
    """

    def __init__(self, rate: float | None = None, burst: int = 1, quota: int | None = None) -> None:
        self.due = -inf
        self._allowed, self._burst, self._quota = rate, burst, quota
        self._throttled_at = -inf
        self._throttled_rate = 0.0
        self._meter = Meter()
        self._hours: deque[tuple[float, int]] = deque()
        self._left: int | None = None

    def rate(self, now: float) -> float | None:
        """Recipients a second that are in force; None for any."""
        slowed = self._slowed(now)
        if slowed is None:
            return self._allowed
        return slowed if self._allowed is None else min(slowed, self._allowed)

    def _slowed(self, now: float) -> float | None:
        """The rate that throttles have left; None where they are forgotten."""
        if not isfinite(self._throttled_at):
            return None
        grown = SLOWER + FASTER * (now - self._throttled_at)
        # Without a rate to return to, twice what was once too much is as good as none.
        return max(LEAST, self._throttled_rate * grown) if grown < 2 else None  # noqa: PLR2004

    def wait(self, now: float) -> float:
        """Seconds until the next recipient may be sent to; 0 for now."""
        rate = self.rate(now)
        if rate is None:
            return 0.0
        return max(0.0, self.due - (self._burst - 1) / rate - now)

    def take(self, count: int, now: float) -> float:
        """When these recipients may be sent to; they are paid for from then on."""
        self._count(count, now)
        rate = self.rate(now)
        if rate is None:
            return now
        at = now + self.wait(now)
        self.due = max(now, self.due) + count / rate
        return at

    def free(self, now: float, horizon: float) -> float:
        """Recipients that may still be sent to within `horizon` seconds; `inf` for any."""
        if self.is_used_up(now):
            return 0
        rate = self.rate(now)
        if rate is None:
            return inf
        wait = self.wait(now)
        return 0 if wait > horizon else int(1 + (horizon - wait) * rate)

    def postpone(self, at: float, count: int, now: float) -> None:
        """Learn from whoever shares the rate out that what was taken may only be sent `at`."""
        if (rate := self.rate(now)) is not None:
            self.due = max(self.due, at + count / rate)

    # -- what comes back ---------------------------------------------------------------------

    def accepted(self, count: int, now: float) -> None:
        """Recipients that the provider has taken."""
        self._meter.add(count, now)

    def throttled(self, now: float) -> None:
        """Send at half the rate at which the provider said that it is too fast."""
        if now - self._throttled_at < ONCE:
            return
        in_force = self.rate(now)
        if in_force is None:
            in_force = max(UNTRIED, self._meter.rate(now))
        self._throttled_rate = in_force
        self._throttled_at = now

    def allow(self, rate: float | None, left: int | None) -> None:
        """Take over what the account is allowed, and how much of its quota is left."""
        self._allowed, self._left = rate, left

    # -- quota -------------------------------------------------------------------------------

    def is_used_up(self, now: float) -> bool:
        """Whether no recipient is left of the quota."""
        return not self.fits(1, now)

    def fits(self, count: int, now: float) -> bool:
        """Whether so many recipients are left of the quota."""
        if self._left is not None and count > self._left:
            return False
        return self._quota is None or self._used(now) + count <= self._quota

    def _used(self, now: float) -> int:
        while self._hours and self._hours[0][0] <= now - (HOURS + 1) * HOUR:
            self._hours.popleft()
        return sum(count for _, count in self._hours)

    def _count(self, count: int, now: float) -> None:
        if self._left is not None:
            self._left -= count
        if self._quota is None:
            return
        if self._hours and now - self._hours[-1][0] < HOUR:
            began, before = self._hours.pop()
            self._hours.append((began, before + count))
        else:
            self._hours.append((now, count))


class Meter:
    """Recipients a second, over the last one to two seconds."""

    def __init__(self) -> None:
        self._began = -inf
        self._now = self._before = 0

    def add(self, count: int, now: float) -> None:
        """These were sent to now."""
        self._turn(now)
        self._now += count

    def rate(self, now: float) -> float:
        """The rate of late."""
        self._turn(now)
        return (self._before + self._now) / (1 + now - self._began)

    def _turn(self, now: float) -> None:
        if now - self._began >= 1:
            self._before = self._now if now - self._began < 2 else 0  # noqa: PLR2004 - seconds
            self._began, self._now = now, 0
