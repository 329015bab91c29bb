"""Which provider gets which message, and how many messages may be received. Pure.

Each provider is an `Exit` with a room of its own for messages in hand. Shares follow the weights by
start-time fair queueing (Goyal, Vin, Cheng 1996): the exit with the least service received for its
weight is next, and one that could take nothing gathers no debt. An unhealthy provider beside a
healthy one gets probes only. Time is passed in (monotonic seconds), randomness too. One worker owns
one `Router`.
"""

from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from gomail.outcome import Outcome, OutcomeClass
from gomail.settlement import FAILED_HERE, NEVER_HERE

FIRST_ROOM = 16
"""Messages in hand a provider may have at first: a dead one wastes about 33 calls, not 250."""
USED_TO_GROW = 0.8
BATCH = 10
"""Messages a receive asks for."""
LONE_PROBE_AFTER = 30.0
"""Seconds without a probe after which even a lone message is one."""
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""Seconds a throttled provider rests that did not say how long; doubling."""
QUOTA_PAUSE = 900.0
RECENT = 10


@dataclass(slots=True)
class Exit:
    """One provider as one worker sees it."""

    name: str
    weight: float = 1.0
    healthy: bool = True
    verdict: int = 0
    room: int = FIRST_ROOM
    in_hand: int = 0
    finish: float = 0.0
    """Virtual time at which the service it has received is used up."""
    paused_until: float = float("-inf")
    pause: float = FIRST_PAUSE
    """The next pause, should it be throttled again without saying for how long."""
    probed_at: float = float("-inf")
    next_probe_at: float = float("-inf")
    last_probe_good: bool = False

    @property
    def free(self) -> int:
        """Messages it could still take."""
        return max(0, self.room - self.in_hand)


class Way(StrEnum):
    """Why a message goes where it goes."""

    SHARE = "share"
    PROBE = "probe"


@dataclass(frozen=True, slots=True)
class Choice:
    """Where one message goes: `exit` is None where nobody has room for it now."""

    exit: Exit | None
    way: Way = Way.SHARE


@dataclass(frozen=True, slots=True)
class Candidate:
    """What routing needs to know of one message."""

    outcomes: Mapping[str, OutcomeClass]
    """The last outcome at each provider that has tried it."""
    eligible: Collection[str] | None = None
    """Providers that could carry it; None for all."""


NOBODY = Choice(None)


class Router:
    """The exits of one worker and the shares between them."""

    def __init__(
        self,
        weights: Mapping[str, float],
        *,
        most_room: int = 256,  # a provider, where weights are equal and all are ready
        probe_interval: float = 1.0,
        random: Callable[[], float],
    ) -> None:
        self._by_name = {
            name: Exit(name, weight, room=min(FIRST_ROOM, most_room))
            for name, weight in weights.items()
        }
        self.exits = tuple(self._by_name.values())
        self.most_room = most_room
        self._probe_interval = probe_interval
        self._random = random
        self._virtual = 0.0
        self._trickle_at = float("-inf")
        self._recent: deque[bool] = deque(maxlen=RECENT)

    def exit(self, name: str) -> Exit:
        """The exit of that name."""
        return self._by_name[name]

    def ready(self, now: float) -> list[Exit]:
        """Those that are healthy and not paused."""
        return [way for way in self.exits if way.healthy and now >= way.paused_until]

    # -- receiving ---------------------------------------------------------------------------

    def capacity(self, now: float) -> int:
        """The rooms of all that may take mail, used or not."""
        return sum(way.room for way in self.ready(now) or self._ill(now))

    def _ill(self, now: float) -> list[Exit]:
        """Those that are unhealthy and not paused."""
        return [way for way in self.exits if not way.healthy and now >= way.paused_until]

    def allowance(self, wanted: int, unrouted: int, now: float) -> int:
        """How many messages a receive may ask for: `wanted`, fewer while all are ill, or none.

        `unrouted` are the messages received or asked for that no exit holds yet.
        """
        ready = self.ready(now)
        if ready:
            free = sum(way.free for way in ready) - unrouted
            return wanted if free >= wanted else 0
        ill = self._ill(now)
        return self._allowance_of_the_ill(ill, wanted, unrouted, now)

    def _allowance_of_the_ill(
        self, ill: Sequence[Exit], wanted: int, unrouted: int, now: float
    ) -> int:
        free = sum(way.free for way in ill) - unrouted
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
        probes = self._probes(batch, ready, now)
        if not any(way.healthy for way in self.exits):
            ready = self._ill(now)
        return [
            probes[index] if index in probes else self._share(candidate, ready)
            for index, candidate in enumerate(batch)
        ]

    def _probes(
        self, batch: Sequence[Candidate], ready: Sequence[Exit], now: float
    ) -> dict[int, Choice]:
        probes: dict[int, Choice] = {}
        if not any(way.healthy for way in self.exits):
            return probes
        for way in self.exits:
            if way.healthy or not self._may_probe(way, now):
                continue
            if len(batch) < 2 and ready and not self._takes_lone_probe(way, now):  # noqa: PLR2004
                continue
            for index, candidate in enumerate(batch):
                if index not in probes and not candidate.outcomes and _eligible(way, candidate):
                    self._probe(way, now)
                    probes[index] = Choice(way, Way.PROBE)
                    break
        return probes

    def _may_probe(self, way: Exit, now: float) -> bool:
        return way.in_hand == 0 and now >= way.next_probe_at and now >= way.paused_until

    def _takes_lone_probe(self, way: Exit, now: float) -> bool:
        return way.last_probe_good or now - way.probed_at >= LONE_PROBE_AFTER

    def _probe(self, way: Exit, now: float) -> None:
        way.in_hand += 1
        way.probed_at = now
        way.next_probe_at = now + self._jittered_interval()

    def _jittered_interval(self) -> float:
        return self._probe_interval * (0.8 + 0.4 * self._random())

    def _share(self, candidate: Candidate, ready: Sequence[Exit]) -> Choice:
        able = [
            way
            for way in ready
            if candidate.outcomes.get(way.name) not in NEVER_HERE and _eligible(way, candidate)
        ]
        if candidate.outcomes:
            fresh = [way for way in able if candidate.outcomes.get(way.name) not in FAILED_HERE]
            able = fresh or able  # whom all have failed starts again with any of them
        best: Exit | None = None
        for way in able:
            if way.in_hand < way.room and (best is None or way.finish < best.finish):
                best = way
        if best is None:
            return NOBODY
        self._virtual = max(best.finish, self._virtual)
        best.finish = self._virtual + 1 / best.weight
        best.in_hand += 1
        return Choice(best)

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
    ) -> None:
        """Let an outcome change the provider's room, pause and probes.

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
                self._recent.append(True)
                if current:
                    self._grow(exit_, exit_.in_hand + unrouted / len(self.exits), now)
            case OutcomeClass.FAILED | OutcomeClass.UNKNOWN:
                self._recent.append(False)
                if current:
                    exit_.room = max(1, exit_.room - 1)
            case OutcomeClass.THROTTLED:
                self._throttle(exit_, outcome.retry_after, now)
            case OutcomeClass.QUOTA:
                self._pause(exit_, outcome.retry_after or QUOTA_PAUSE, now)
            case OutcomeClass.REFUSED | OutcomeClass.UNSUITABLE:
                pass  # the message's fault changes nothing for its provider
        if current and way is Way.PROBE and outcome.kind in {*FAILED_HERE, OutcomeClass.ACCEPTED}:
            exit_.last_probe_good = outcome.kind is OutcomeClass.ACCEPTED

    def _grow(self, way: Exit, used: float, now: float) -> None:
        if used >= USED_TO_GROW * way.room or way.room - used < BATCH:
            way.room = max(way.room, min(self._most_room(way, now), way.room + 1))

    def _throttle(self, way: Exit, asked: float | None, now: float) -> None:
        if asked is not None:
            self._pause(way, asked, now)
        elif (
            now >= way.paused_until
        ):  # what was under way when the first was throttled says no more
            self._pause(way, way.pause, now)
            way.pause = min(LONGEST_PAUSE, way.pause * 2)

    def _most_room(self, way: Exit, now: float) -> int:
        """Its part, by weight, of what all providers together may have in hand.

        Those that are ready share the parts of those that are not: beside a dead provider the
        others must be able to carry all the mail.
        """
        ready = self.ready(now)
        if way not in ready:
            return self.most_room
        weights = sum(one.weight for one in ready)
        return max(FIRST_ROOM, int(self.most_room * len(self.exits) * way.weight / weights))

    def _pause(self, way: Exit, seconds: float, now: float) -> None:
        way.paused_until = max(way.paused_until, now + seconds)

    def release(self, names: Iterable[str]) -> None:
        """Take back the room of messages that are settled."""
        for name in names:
            self.exit(name).in_hand -= 1

    def publish(self, name: str, *, healthy: bool, verdict: int, now: float) -> None:
        """Take over a verdict; an older one than is known changes nothing."""
        way = self.exit(name)
        if verdict <= way.verdict:
            return
        way.healthy, way.verdict = healthy, verdict
        for one in self.exits:
            one.room = min(one.room, self._most_room(one, now))
        way.room = min(FIRST_ROOM, self.most_room)
        way.last_probe_good = False
        way.probed_at = now
        way.next_probe_at = now + self._jittered_interval()


def _eligible(way: Exit, candidate: Candidate) -> bool:
    return candidate.eligible is None or way.name in candidate.eligible
