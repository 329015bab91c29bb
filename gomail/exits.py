"""One provider as the router of one worker sees it: room, pause, pace, share. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ceil, inf

from gomail.outcome import Outcome, OutcomeClass
from gomail.pace import Pace
from gomail.settlement import FAILED_HERE

FIRST_ROOM = 16
"""Messages in hand a provider may have at first: a dead one wastes about 33 calls, not 250."""
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""Seconds a throttled provider rests that did not say how long; doubling."""
QUOTA_PAUSE = 900.0
HORIZON = 1.0
"""Seconds: what a provider may be sent within its rate up to then is received for it."""
LATEST = 2 * HORIZON
"""Seconds: what has been received waits this long for its turn, because other processes may have
taken turns meanwhile; what would wait longer goes back."""
AT_ONCE = 0.05
"""Seconds: a turn within the rate that is no further away counts as now."""
FIRST_SHARE = 0.05
"""Of its share: what a provider that has just recovered begins with."""
SLOW_SHARE = 0.1
"""Of its share: what a slow provider keeps, so that it is seen when it is fast again."""
MAIL_OF_LATE = 50
"""Messages of late: the weight of one falls off with them."""
SENDS_TO_JUDGE, SENDS_OF_LATE = 20, 50
"""Sends before a provider may count as slow, and of late: the weight of one falls off with them."""


@dataclass(frozen=True, slots=True)
class OutletRules:
    """How one provider takes part; the meanings are those of `providers` in the settings."""

    weight: float = 1.0
    priority: int = 1
    rate: float | None = None
    burst: int = 1
    quota: int | None = None
    rate_share: float = 1.0
    idempotent: bool = False
    """Whether it recognises a repeated send: what is unknown is best repeated there."""


@dataclass(frozen=True, slots=True)
class Manners:
    """How providers come back and how slow ones are known; as `health` in the settings."""

    ramp: float = 60.0
    slow_after: float = 3.0
    slow_ratio: float = 0.2


@dataclass(slots=True)
class Exit:
    """One provider as one worker sees it."""

    name: str
    weight: float = 1.0
    priority: int = 1
    idempotent: bool = False
    pace: Pace = field(default_factory=Pace)
    """Shared by all workers of the process."""
    healthy: bool = True
    verdict: int = 0
    room: int = FIRST_ROOM
    untroubled: bool = True
    """No send of this process has failed there yet: the room grows by two for each acceptance."""
    in_hand: int = 0
    finish: float = 0.0
    """Virtual time at which the service it has received is used up."""
    paused_until: float = -inf
    pause: float = FIRST_PAUSE
    """The next pause, should it be throttled again without saying for how long."""
    probed_at: float = -inf
    next_probe_at: float = -inf
    last_probe_good: bool = False
    returned_at: float = -inf
    """When it became healthy again."""
    behind: float = 0.0
    """Messages by which it is behind its share of what all could have taken, within bounds."""
    suits: float = 1.0
    """The part of the mail of late that it could carry."""
    slow: bool = False
    slow_part: float = 0.0
    """The part of the sends of late that took long."""
    timed: int = 0
    """Sends that were timed, up to `SENDS_OF_LATE`."""

    @property
    def free(self) -> int:
        """Messages it could still take."""
        return max(0, self.room - self.in_hand)

    def free_in_time(self, now: float) -> int:
        """Messages it could still take and send soon, within its rate."""
        return int(min(self.free, self.pace.free(now, HORIZON)))

    def saw(self, *, suitable: bool) -> None:
        """Learn of a message that it could carry or not."""
        self.suits += (suitable - self.suits) / MAIL_OF_LATE

    def most_in_time(self, now: float) -> int:
        """Its room, or less where its rate does not fill it."""
        rate = self.pace.rate(now)
        return self.room if rate is None else min(self.room, ceil(rate * HORIZON))

    def is_paused(self, now: float) -> bool:
        """Whether it asked to be left alone, or its quota is used up."""
        return now < self.paused_until or self.pace.is_used_up(now)

    def strength(self, now: float, manners: Manners, *, others_are_faster: bool) -> float:
        """Its weight just now: less while it is coming back, and while it is slow alone."""
        strength = self.weight
        if manners.ramp and now < self.returned_at + manners.ramp:
            strength *= max(FIRST_SHARE, (now - self.returned_at) / manners.ramp)
        return strength * SLOW_SHARE if self.slow and others_are_faster else strength

    def took(self, seconds: float, manners: Manners) -> None:
        """Learn how long a send took; slow and fast again have a gap between them."""
        self.timed = min(SENDS_OF_LATE, self.timed + 1)
        self.slow_part += ((seconds > manners.slow_after) - self.slow_part) / self.timed
        limit = manners.slow_ratio / 2 if self.slow else manners.slow_ratio
        self.slow = self.timed >= SENDS_TO_JUDGE and self.slow_part > limit

    def throttle(self, asked: float | None, now: float) -> None:
        """Rest for as long as it asks, else twice as long each time; and be slower afterwards."""
        self.pace.throttled(now)
        if asked is not None:
            self.rest(asked, now)
        elif now >= self.paused_until:  # what was under way at the first throttle says no more
            self.rest(self.pause, now)
            self.pause = min(LONGEST_PAUSE, self.pause * 2)

    def rest(self, seconds: float, now: float) -> None:
        """Get nothing for a while; a shorter rest does not end a longer one."""
        self.paused_until = max(self.paused_until, now + seconds)

    def probed(self, outcome: Outcome) -> None:
        """Learn what a probe brought."""
        if outcome.kind in {*FAILED_HERE, OutcomeClass.ACCEPTED}:
            self.last_probe_good = outcome.kind is OutcomeClass.ACCEPTED

    def become(self, *, healthy: bool, verdict: int, now: float) -> None:
        """Take over a new verdict, and start anew with it."""
        if healthy and not self.healthy:
            self.returned_at = now
        self.healthy, self.verdict = healthy, verdict
        self.last_probe_good = False
        self.probed_at = now
        self.slow, self.slow_part, self.timed = False, 0.0, 0


def paces(outlets: Mapping[str, OutletRules], *, shared: bool) -> dict[str, Pace]:
    """A pace for each provider; where nobody shares rates out, this process's part of it."""
    return {
        name: Pace(
            _part(rules.rate, 1.0 if shared else rules.rate_share),
            rules.burst,
            None if shared or rules.quota is None else max(1, int(rules.quota * rules.rate_share)),
        )
        for name, rules in outlets.items()
    }


def _part(rate: float | None, share: float) -> float | None:
    return None if rate is None else rate * share
