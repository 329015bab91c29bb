"""Which provider gets which message, and how many messages may be received. Pure.

Each provider is an `Exit` with a room of its own for messages in hand and a pace. Those of the
highest priority that can take a message now share it: shares follow the weights by start-time fair
queueing (Goyal, Vin, Cheng 1996): the exit with the least service received for its weight is next,
and one that could take nothing gathers no debt. An unhealthy provider beside a healthy one gets
probes only. Time is passed in (monotonic seconds), randomness too. One worker owns one `Router`.
"""

from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from enum import StrEnum

from gomail.exits import (
    AT_ONCE,
    FIRST_PAUSE,
    FIRST_ROOM,
    LATEST,
    QUOTA_PAUSE,
    Exit,
    Manners,
    OutletRules,
)
from gomail.outcome import Outcome, OutcomeClass
from gomail.pace import Pace
from gomail.settlement import FAILED_HERE, NEVER_HERE
from gomail.value import value

USED_TO_GROW = 0.8
BATCH = 10
"""Messages a receive asks for."""
LONE_PROBE_AFTER = 30.0
"""Seconds without a probe after which even a lone message is one."""
RECENT = 10
MOST_BEHIND = 400.0
"""Messages: a provider that is further behind its share is no little later but slow, and gets no
room from the others."""
LOOK_INTERVAL = 0.1
"""Seconds between two looks at mail that hardly suits those that have room."""
ALL_OF_IT = 0.99
"""A provider that could carry more than this part of the mail is taken to carry all of it."""


class Way(StrEnum):
    """Why a message goes where it goes."""

    SHARE = "share"
    PROBE = "probe"


@value
class Choice:
    """Where one message goes: `exit` is None where nobody has room for it now."""

    exit: Exit | None
    way: Way = Way.SHARE
    at: float = float("-inf")
    """From when on it may be sent, within the provider's rate."""


@value
class Candidate:
    """What routing needs to know of one message."""

    outcomes: Mapping[str, OutcomeClass]
    """The last outcome at each provider that has tried it."""
    eligible: Collection[str] | None = None
    """Providers that could carry it; None for all."""
    recipients: int = 1


NOBODY = Choice(None)


class Router:
    """The exits of one worker and the shares between them."""

    def __init__(
        self,
        outlets: Mapping[str, OutletRules],
        *,
        paces: Mapping[str, Pace] | None = None,
        manners: Manners | None = None,
        most_room: int = 256,  # a provider, where weights are equal and all are ready
        probe_interval: float = 1.0,
        random: Callable[[], float],
    ) -> None:
        self._by_name = {
            name: Exit(
                name,
                rules.weight,
                rules.priority,
                rules.idempotent,
                pace=paces[name] if paces else Pace(rules.rate, rules.burst, rules.quota),
                room=min(FIRST_ROOM, most_room),
            )
            for name, rules in outlets.items()
        }
        self.exits = tuple(self._by_name.values())
        self._manners = manners or Manners()
        self.most_room = most_room
        self._probe_interval = probe_interval
        self._random = random
        self._virtual = 0.0
        self._picky = False
        self._trickle_at = self._look_at = float("-inf")
        self._recent: deque[bool] = deque(maxlen=RECENT)

    def exit(self, name: str) -> Exit:
        """The exit of that name."""
        return self._by_name[name]

    def ready(self, now: float) -> list[Exit]:
        """Those that are healthy and not paused."""
        return [way for way in self.exits if way.healthy and not way.is_paused(now)]

    def shares(self, now: float) -> dict[str, float]:
        """The part of the mail that each gets just now, while all have room; sums up to 1 or 0."""
        serving = self.ready(now) or self._ill(now)
        first = min((way.priority for way in serving), default=0)
        strengths = {
            way.name: self._strength(way, serving, now)
            for way in serving
            if way.priority == first or not way.healthy
        }
        total = sum(strengths.values())
        return {way.name: strengths.get(way.name, 0.0) / (total or 1.0) for way in self.exits}

    # -- receiving ---------------------------------------------------------------------------

    def capacity(self, now: float) -> int:
        """The rooms of all that may take mail, used or not, as far as their rates fill them."""
        return sum(way.most_in_time(now) for way in self.ready(now) or self._ill(now))

    def _ill(self, now: float) -> list[Exit]:
        """Those that are unhealthy and not paused."""
        return [way for way in self.exits if not way.healthy and not way.is_paused(now)]

    def allowance(self, wanted: int, unrouted: int, now: float, *, readers: int = 0) -> int:
        """How many messages a receive may ask for: `wanted`, fewer while all are ill, or none.

        `unrouted` are the messages received or asked for that no exit holds yet. Where capacity is
        less than one for each of `readers`, one more may ask for one, so that none has to wait
        until the long poll of another ends.
        """
        ready = self.ready(now)
        if not ready:
            return self._allowance_of_the_ill(self._ill(now), wanted, unrouted, now)
        free = sum(way.free_in_time(now) for way in ready)
        if free - unrouted < wanted:
            narrow = self.capacity(now) < readers and unrouted < readers and free > 0
            return 1 if narrow else 0
        # Room for mail that does not come must not draw in mail that others have no room for; but
        # something may wait behind that, so it is looked at, batch after batch.
        if int(sum(way.suits * way.free_in_time(now) for way in ready)) - unrouted >= wanted:
            return wanted
        if now < self._look_at:
            return 0
        self._look_at = now + LOOK_INTERVAL
        return wanted

    def _allowance_of_the_ill(
        self, ill: Sequence[Exit], wanted: int, unrouted: int, now: float
    ) -> int:
        free = sum(way.free_in_time(now) for way in ill) - unrouted
        if free <= 0:
            return 0
        if len(ill) == len(self.exits):  # as they come back, so does the mail
            share = sum(self._recent) / RECENT
            rooms = sum(way.room for way in ill)
            if (by_share := min(wanted, int(rooms * share) - (rooms - free))) > 0:
                return by_share
        if now < self._trickle_at:
            return 0
        self._trickle_at = now + self._jittered_interval()
        return min(wanted, free, len(ill))

    # -- sharing out -------------------------------------------------------------------------

    def route(self, batch: Sequence[Candidate], now: float) -> list[Choice]:
        """Choose for each message of a batch; whoever is chosen has it in hand."""
        ready = self.ready(now)
        self._see(batch)
        probes = self._probes(batch, ready, now)
        if not any(way.healthy for way in self.exits):
            ready = self._ill(now)
        choices = [
            probes[index] if index in probes else self._share(candidate, ready, now)
            for index, candidate in enumerate(batch)
        ]
        if len(ready) > 1:
            self._count(batch, choices, ready, now)
        return choices

    def _count(
        self,
        batch: Sequence[Candidate],
        choices: Sequence[Choice],
        ready: Sequence[Exit],
        now: float,
    ) -> None:
        """Note who is behind its share of the mail that all of the highest priority could take."""
        first = min(way.priority for way in ready)
        sharing = [way for way in ready if way.priority == first]
        got = Counter(
            choice.exit.name
            for candidate, choice in zip(batch, choices, strict=True)
            if choice.exit and candidate.eligible is None and not candidate.outcomes
        )
        total = sum(got[way.name] for way in sharing)
        strengths = [self._strength(way, ready, now) for way in sharing]
        for way, strength in zip(sharing, strengths, strict=True):
            behind = way.behind + total * strength / sum(strengths) - got[way.name]
            way.behind = max(-MOST_BEHIND, min(MOST_BEHIND, behind))

    def _see(self, batch: Sequence[Candidate]) -> None:
        """Learn for whom mail comes; where all could carry all of it there is nothing to learn."""
        self._picky = self._picky or any(one.eligible is not None for one in batch)
        if self._picky:
            for way in self.exits:
                for candidate in batch:
                    way.saw(suitable=_may_take(way, candidate))
            self._picky = any(way.suits < ALL_OF_IT for way in self.exits)

    def _probes(
        self, batch: Sequence[Candidate], ready: Sequence[Exit], now: float
    ) -> dict[int, Choice]:
        probes: dict[int, Choice] = {}
        if not any(way.healthy for way in self.exits):
            return probes
        for way in self.exits:
            if way.healthy or not self._may_probe(way, now):
                continue
            lone = len(batch) < 2 and not self._takes_lone_probe(way, now)  # noqa: PLR2004
            for index, candidate in enumerate(batch):
                if index not in probes and _is_probe(way, candidate, ready, now, lone=lone):
                    self._probe(way, now)
                    at = way.pace.take(candidate.recipients, now)
                    probes[index] = Choice(way, Way.PROBE, at)
                    break
        return probes

    def _may_probe(self, way: Exit, now: float) -> bool:
        if way.in_hand or now < way.next_probe_at or way.is_paused(now):
            return False
        return way.pace.wait(now) <= AT_ONCE

    def _takes_lone_probe(self, way: Exit, now: float) -> bool:
        return way.last_probe_good or now - way.probed_at >= LONE_PROBE_AFTER

    def _probe(self, way: Exit, now: float) -> None:
        way.in_hand += 1
        way.probed_at = now
        way.next_probe_at = now + self._jittered_interval()

    def _jittered_interval(self) -> float:
        return self._probe_interval * (0.8 + 0.4 * self._random())

    def _share(self, candidate: Candidate, ready: Sequence[Exit], now: float) -> Choice:
        able = [way for way in ready if _may_take(way, candidate)]
        if candidate.outcomes:
            able = self._preferred(able, candidate)
        count = candidate.recipients
        able = [way for way in able if way.in_hand < way.room and way.pace.fits(count, now)]
        best = self._first_of_highest_priority(able, now) or self._soonest(able, now)
        if best is None:
            return NOBODY
        self._virtual = max(best.finish, self._virtual)
        best.finish = self._virtual + 1 / self._strength(best, ready, now)
        best.in_hand += 1
        return Choice(best, at=best.pace.take(candidate.recipients, now))

    @staticmethod
    def _preferred(able: list[Exit], candidate: Candidate) -> list[Exit]:
        """Who should have a message that somebody has tried before, with room or without."""
        outcomes = candidate.outcomes
        again = [
            way for way in able if way.idempotent and outcomes.get(way.name) is OutcomeClass.UNKNOWN
        ]
        fresh = [way for way in able if outcomes.get(way.name) not in FAILED_HERE]
        return again or fresh or able  # whom all have failed starts again with any of them

    @staticmethod
    def _first_of_highest_priority(able: Iterable[Exit], now: float) -> Exit | None:
        best: Exit | None = None
        for way in able:
            if (best is None or _rank(way) < _rank(best)) and way.pace.wait(now) <= AT_ONCE:
                best = way
        return best

    @staticmethod
    def _soonest(able: Iterable[Exit], now: float) -> Exit | None:
        """Who can take a message within its rate before long, where nobody can now."""
        in_time = [way for way in able if way.pace.wait(now) <= LATEST]
        return min(in_time, key=lambda way: way.pace.wait(now), default=None)

    def _strength(self, way: Exit, ready: Iterable[Exit], now: float) -> float:
        faster = way.slow and any(not one.slow for one in ready)
        return way.strength(now, self._manners, others_are_faster=faster)

    # -- what comes back ---------------------------------------------------------------------

    def note(
        self,
        name: str,
        outcome: Outcome,
        way: Way,
        now: float,
        *,
        verdict: int | None = None,
        unrouted: int = 0,
        recipients: int = 1,
        seconds: float | None = None,
    ) -> None:
        """Let an outcome change the provider's room, pause, pace, share and probes.

        `seconds` is how long the send took, where that is known.

        An outcome of a send that was routed under an earlier `verdict` changes its pause only.

        A room grows while it is nearly used up: to 80 %, or so that no further receive fits in.
        In use is also what has been received or asked for and may still come to this provider:
        long polls of idle queues hold room too.
        """
        exit_ = self.exit(name)
        current = verdict is None or verdict == exit_.verdict
        match outcome.kind:
            case OutcomeClass.ACCEPTED:
                exit_.pause = FIRST_PAUSE
                exit_.pace.accepted(recipients, now)
                self._recent.append(True)
                if current:
                    self._grow(exit_, exit_.in_hand + unrouted / len(self.exits), now)
            case OutcomeClass.FAILED | OutcomeClass.UNKNOWN:
                self._recent.append(False)
                if current:
                    exit_.room, exit_.untroubled = max(1, exit_.room - 1), False
            case OutcomeClass.THROTTLED:
                exit_.throttle(outcome.retry_after, now)
            case OutcomeClass.QUOTA:
                exit_.rest(outcome.retry_after or QUOTA_PAUSE, now)
            case OutcomeClass.REFUSED | OutcomeClass.UNSUITABLE:
                pass  # the message's fault changes nothing for its provider
        if current and way is Way.PROBE:
            exit_.probed(outcome)
        if current and seconds is not None:
            exit_.took(seconds, self._manners)

    def _grow(self, way: Exit, used: float, now: float) -> None:
        most = self._most_room(way, now)
        if way.room > most:
            way.room -= 1
        elif used >= USED_TO_GROW * way.room or way.room - used < BATCH:
            way.room = min(most, way.room + (2 if way.untroubled else 1))

    def _most_room(self, way: Exit, now: float) -> int:
        """Its part, by weight, of what all providers together may have in hand.

        Those that are ready share the parts of those that are not: beside a dead provider the
        others must be able to carry all the mail. With a backlog all rooms are full, and whoever
        settles a little sooner gets a little more: so who is a little behind its share may have
        more in hand, up to a quarter, and who is ahead less.
        """
        ready = self.ready(now)
        if way not in ready:
            return self.most_room
        weights = sum(one.weight for one in ready)
        part = self.most_room * len(self.exits) * way.weight / weights
        lent = max(-part / 4, min(part / 4, way.behind))
        if abs(way.behind) >= MOST_BEHIND:
            lent = 0.0
        return max(FIRST_ROOM, int(part + lent))

    def release(self, names: Iterable[str]) -> None:
        """Take back the room of messages that are settled."""
        for name in names:
            self.exit(name).in_hand -= 1

    def publish(self, name: str, *, healthy: bool, verdict: int, now: float) -> None:
        """Take over a verdict; an older one than is known changes nothing."""
        way = self.exit(name)
        if verdict <= way.verdict:
            return
        way.become(healthy=healthy, verdict=verdict, now=now)
        for one in self.exits:
            one.room = min(one.room, self._most_room(one, now))
        way.room = min(FIRST_ROOM, self.most_room)
        way.next_probe_at = now + self._jittered_interval()


def _eligible(way: Exit, candidate: Candidate) -> bool:
    return candidate.eligible is None or way.name in candidate.eligible


def _rank(way: Exit) -> tuple[int, float]:
    # Where all are ill, mail is split between all again.
    return way.priority if way.healthy else 0, way.finish


def _may_take(way: Exit, candidate: Candidate) -> bool:
    return candidate.outcomes.get(way.name) not in NEVER_HERE and _eligible(way, candidate)


def _is_probe(
    way: Exit, candidate: Candidate, ready: Iterable[Exit], now: float, *, lone: bool
) -> bool:
    """Whether an unhealthy provider may get this one to see whether it is back.

    Nobody should wait twice: so one that nobody has tried, and no lone one, unless nobody else
    could take it anyway.
    """
    if not _may_take(way, candidate) or not way.pace.fits(candidate.recipients, now):
        return False
    if candidate.outcomes or lone:
        return not any(_may_take(one, candidate) for one in ready)
    return True
