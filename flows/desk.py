"""What one process has in hand, and what it knows of each message and each provider.

A desk is shared by the workers of a process and by the courier's loop; every method takes the one
lock, once a batch. It does the bookkeeping; what is decided is decided by the pure rules it calls.
Each worker has a `Lane`: its router, its room, and the attempts that came back.
"""

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from random import random

from flows.mail import Attempt, Letter, Receipt, Routed, Settlement
from flows.turns import Turns
from gomail.condition import Condition
from gomail.email import Email, Unreadable, decode
from gomail.exits import FIRST_ROOM, Manners, OutletRules
from gomail.health import Observation, Sign, sign_of
from gomail.ledger import ExitReport, Status
from gomail.outcome import Outcome, OutcomeClass, clip
from gomail.queue import BATCH
from gomail.routing import Candidate, Router
from gomail.settlement import (
    FAILED_HERE,
    LONGEST_DELAY,
    NO_ROOM_DELAY,
    DeadLetter,
    Decision,
    Delete,
    LetGo,
    Policy,
    Return,
    backoff,
    expired,
    for_message,
    given_up,
    settle,
)
from gomail.tried import Tried

log = logging.getLogger(__name__)

SMALLEST_TYPICAL_BODY = 1_024
LONGEST_WAIT_FOR_ROOM = 60
"""Seconds until a message that somebody could take as soon as he has room is looked at again."""

Able = Callable[[Email], Collection[str]]
"""The names of the providers that can carry an email."""
WhyNobody = Callable[[Email], str]
"""Why no provider can, as far as that is known."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The settings the desk passes on to the rules."""

    outlets: Mapping[str, OutletRules]
    manners: Manners = field(default_factory=Manners)
    shared: bool = False
    """Whether the ledger shares out rates and quotas among processes."""
    policy: Policy = field(default_factory=Policy)
    max_in_flight: int = 256
    max_bytes: int = 64 * 1_048_576
    probe_interval: float = 1.0

    def policy_for(self, letter: Letter) -> Policy:
        """The policy for one letter: the settings, and what the email itself asks for."""
        return for_message(self.policy, letter.email.on_unknown if letter.email else "")


class Desk:
    """The mail in the hands of one process."""

    def __init__(
        self,
        rules: Rules,
        *,
        able: Able | None = None,
        why_nobody: WhyNobody = lambda _email: "",
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        random: Callable[[], float] = random,
    ) -> None:
        self.lock = threading.Lock()
        self.rules = rules
        self.tried = Tried()
        self.monotonic, self.wall, self.random = monotonic, wall, random
        self.all = frozenset(rules.outlets)
        self.able = able or (lambda _email: self.all)
        self.why_nobody = why_nobody
        self.turns = Turns(rules.outlets, shared=rules.shared, lock=self.lock, monotonic=monotonic)
        self._conditions = {name: Condition() for name in rules.outlets}
        self._in_hand: dict[str, Letter] = {}
        self._lanes: dict[int, Lane] = {}
        self._threads: dict[int, Lane] = {}
        self._contradicting = dict.fromkeys(rules.outlets, 0)

    def lane(self, index: int) -> "Lane":
        """The lane of the worker whose thread this is.

        The rooms are divided among the workers of this process.
        """
        with self.lock:
            if index not in self._lanes:
                self._lanes[index] = Lane(self, index)
            self._threads[threading.get_ident()] = self._lanes[index]
            most = max(FIRST_ROOM, self.rules.max_in_flight // len(self._lanes))
            for lane in self._lanes.values():
                lane.router.most_room = most
            return self._lanes[index]

    def lane_here(self) -> "Lane":
        """The lane of the worker in whose thread this is called.

        Bytewax tells a partition nothing of its worker; sinks, which it does tell, are built in the
        same thread before.
        """
        return self._threads[threading.get_ident()]

    def lane_of(self, letter: Letter) -> "Lane":
        """The lane that holds a letter."""
        return self._lanes[letter.lane]

    @property
    def lanes(self) -> Sequence["Lane"]:
        """The lanes of this process's workers."""
        return list(self._lanes.values())

    def publish(
        self, provider: str, *, healthy: bool, verdict: int, contradicting: int = 0
    ) -> bool:
        """Let every router know a verdict; answers whether it was news."""
        now = self.monotonic()
        with self.lock:
            self._contradicting[provider] = contradicting
            news = any(
                lane.router.exit(provider).verdict < verdict for lane in self._lanes.values()
            )
            for lane in self._lanes.values():
                lane.router.publish(provider, healthy=healthy, verdict=verdict, now=now)
            if news:
                self._conditions[provider].become(healthy=healthy, at=int(self.wall() * 1_000))
        return news

    def reports(self) -> tuple[ExitReport, ...]:
        """Every provider as this process sees it, its workers summed up."""
        now = self.monotonic()
        with self.lock:
            return tuple(self._report(name, now) for name in sorted(self.all) if self._lanes)

    def _report(self, name: str, now: float) -> ExitReport:
        ways = [lane.router.exit(name) for lane in self._lanes.values()]
        healthy, rounds = ways[0].healthy, self._contradicting[name]
        shares = [lane.router.shares(now)[name] for lane in self._lanes.values()]
        condition = self._conditions[name]
        return ExitReport(
            provider=name,
            healthy=healthy,
            verdict=ways[0].verdict,
            failing_rounds=rounds if healthy else 0,
            good_rounds=0 if healthy else rounds,
            in_hand=sum(way.in_hand for way in ways),
            room=sum(way.room for way in ways),
            paused_for=max(0.0, max(way.paused_until for way in ways) - now),
            share=sum(shares) / len(shares),
            rate=self.turns.paces[name].rate(now),
            slow=any(way.slow for way in ways),
            unhealthy_since=condition.unhealthy_since,
            why=condition.why,
            mend=condition.mend,
            mend_since=condition.mend_since,
        )

    # -- letters -------------------------------------------------------------------------------

    def learn(self, provider: str, outcome: Outcome, wall: float) -> bool:
        """Note what people should know; answers whether there is something new to mend.

        Under the lock.
        """
        return self._conditions[provider].note(outcome, int(wall * 1_000))

    def put_away(self, settled: Iterable[tuple[Letter, Receipt]]) -> None:
        """These copies are settled; a letter leaves our hands with the last of its copies."""
        with self.lock:
            for letter, receipt in settled:
                letter.receipts = [left for left in letter.receipts if left is not receipt]
                if not letter.receipts:
                    if self._in_hand.get(letter.id) is letter:
                        del self._in_hand[letter.id]
                    self._lanes[letter.lane].free(letter)

    def buried(self, letter: Letter) -> None:
        """The dead-letter queue holds this letter: its copies are only deleted from now on."""
        copies = [copy.queue_message_id for copy in letter.receipts]
        with self.lock:
            self.tried.bury(letter.id, copies, letter.sent_at)

    def take(self, letter: Letter) -> Letter | Settlement | None:
        """Take a letter in hand. Under the lock.

        Of a message that is there already only the receipt is kept, the newer handle replacing the
        older: this copy is settled with the first. Where the first is being settled just now, the
        copy follows it.
        """
        first = self._in_hand.setdefault(letter.id, letter)
        if first is letter:
            return letter
        match first.decision:
            case None:
                known = letter.receipts[0].queue_message_id
                others = [left for left in first.receipts if left.queue_message_id != known]
                first.receipts = others + letter.receipts
                self._lanes[letter.lane].free(letter)
                return None
            case DeadLetter():  # once it is buried, the copy is recognised and deleted
                return end(letter, Return(NO_ROOM_DELAY))
            case decision:
                return end(letter, decision)


def end(letter: Letter, decision: Decision) -> Settlement:
    """Decide on a letter without an attempt. Under the desk's lock."""
    letter.decision = decision
    return Settlement(letter, decision)


class Lane:
    """One worker's half of the desk. The courier's loop appends to `attempts`, the worker pops."""

    def __init__(self, desk: Desk, index: int) -> None:
        self.index = index
        self.attempts: deque[Attempt] = deque()
        self.open_sinks = 0
        """Provider sinks that may still get letters."""
        self.partitions = 0
        """Partitions this worker reads."""
        self._read_now = 0
        """Those of them with a receive open."""
        self._held = 0
        """Credits of the first receive of each of those: a long poll may hold them for long."""
        self.router = Router(
            desk.rules.outlets,
            paces=desk.turns.paces,
            manners=desk.rules.manners,
            most_room=max(FIRST_ROOM, desk.rules.max_in_flight),
            probe_interval=desk.rules.probe_interval,
            random=desk.random,
        )
        self._desk = desk
        self._unrouted = 0
        self._bytes = 0
        self._typical = float(SMALLEST_TYPICAL_BODY)
        self.idle_rounds = 0
        """Of the worker, since one of its sources brought something; its thread's own."""

    # -- the courier's loop --------------------------------------------------------------------

    def reserve(self, *, first: bool) -> int:
        """Credits for one receive; 0 for not now. `first`: the partition has no other open.

        No partition may lock up the room of the others with long polls that stay empty: while
        rooms are small each asks for its part only, and whoever reads already leaves their parts
        to those who do not.
        """
        desk = self._desk
        with desk.lock:
            now = desk.monotonic()
            part = self.router.capacity(now) // max(1, self.partitions)
            wanted = min(BATCH, max(1, part), self._affordable())
            if wanted < 1:
                return 0
            if first:  # where rooms have shrunk meanwhile, a long poll holds more than its part
                kept = -max(0, self._held - max(1, part) * self._read_now)
            else:
                kept = wanted * (self.partitions - self._read_now)
            readers = self.partitions if first else 0
            granted = self.router.allowance(wanted, self._unrouted + kept, now, readers=readers)
            self._unrouted += granted
            if first and granted:
                self._read_now += 1
                self._held += granted
            return granted

    def _affordable(self) -> int:
        """How many bodies like the recent ones still fit into memory; with empty hands, one."""
        fit = int((self._most_bytes - self._bytes) / self._typical) - self._unrouted
        return fit if self._bytes or self._unrouted else max(1, fit)

    @property
    def _most_bytes(self) -> int:
        return self._desk.rules.max_bytes // len(self._desk.lanes)

    def landed(self, asked: int, letters: Sequence[Letter], *, first: bool) -> Sequence[Letter]:
        """Exchange the credits of a receive for the letters it brought.

        Answers those that are too large to keep in memory beside the others: they are to be given
        back. That happens when small mail is followed by large.
        """
        with self._desk.lock:
            if first:
                self._read_now -= 1
                self._held -= asked
            self._unrouted -= asked - len(letters)
            kept = 0
            for letter in letters:
                size = len(letter.body)
                kept += self._bytes == 0 or self._bytes + size <= self._most_bytes
                self._bytes += size
                self._typical = max(SMALLEST_TYPICAL_BODY, size, 0.995 * self._typical)
            return letters[kept:]

    def free(self, letter: Letter) -> None:
        """Give back the room of a letter. Under the desk's lock."""
        self._bytes -= len(letter.body)
        if letter.provider is None:
            self._unrouted -= 1
        else:
            self.router.release((letter.provider,))

    @property
    def empty(self) -> bool:
        """Whether nothing is in hand or asked for."""
        with self._desk.lock:
            return self._unrouted == 0 and not any(way.in_hand for way in self.router.exits)

    # -- the worker's steps --------------------------------------------------------------------

    def read(self, letters: Sequence[Letter]) -> list[Letter | Settlement]:
        """Decode letters and sort out those that need no provider any more."""
        desk = self._desk
        faults = {letter: fault for letter in letters if (fault := _decode(letter)) is not None}
        now = desk.wall()
        read: list[Letter | Settlement] = []
        with desk.lock:
            for letter in letters:
                taken = desk.take(letter)
                if isinstance(taken, Letter) and (
                    ended := self._end(taken, faults.get(taken), now)
                ):
                    taken = end(taken, ended)
                if taken is not None:
                    read.append(taken)
        return read

    def _end(
        self, letter: Letter, fault: DeadLetter | None, now: float
    ) -> Delete | DeadLetter | Return | None:
        record = self._desk.tried.of(letter.id)
        if record.accepted or letter.receipts[0].queue_message_id in record.buried:
            return Delete()
        if fault is not None:
            return fault
        if record.final is not None:
            if not record.buried or letter.sent_at <= record.twins_until:
                return DeadLetter(*record.final)
            self._desk.tried.forget(letter.id)  # an operator has redriven it
        if (held := _by_the_clock(letter, now)) is not None:
            return held
        if (age := now - letter.sent_at) >= self._desk.rules.policy.give_up_after:
            return given_up(age)
        return None

    def route(self, letters: Sequence[Letter]) -> list[Routed | Settlement]:
        """Choose a provider for each letter."""
        desk = self._desk
        for letter in letters:
            able = desk.able(letter.email) if letter.email else desk.all
            letter.eligible = None if len(able) == len(desk.all) else frozenset(able)
        with desk.lock:
            candidates = [
                Candidate(
                    desk.tried.of(letter.id).outcomes,
                    letter.eligible,
                    letter.email.recipients if letter.email else 1,
                )
                for letter in letters
            ]
            now = desk.monotonic()
            choices = self.router.route(candidates, now)
            routed: list[Routed | Settlement] = []
            for letter, choice in zip(letters, choices, strict=True):
                if choice.exit is None:
                    routed.append(end(letter, self._nowhere(letter, now)))
                    continue
                way = choice.exit
                letter.provider = way.name
                self._unrouted -= 1
                routed.append(Routed(letter, way.name, choice.way, way.verdict, choice.at))
        return routed

    def _nowhere(self, letter: Letter, now: float) -> DeadLetter | Return:
        """No room or turn just now, nobody ready who could carry it, or nobody ever.

        Each time it waits longer: received again and again it would keep others from coming, and
        the queue hands a message out a thousand times only.
        """
        if letter.eligible is not None and not letter.eligible:
            why = self._desk.why_nobody(letter.email) if letter.email else ""
            return DeadLetter("no provider can carry it", "ineligible", clip(why))
        delay = backoff(letter.receive_count, self._desk.random)
        ready = {way.name for way in self.router.ready(now)}
        if letter.eligible is None or not ready.isdisjoint(letter.eligible):
            return Return(min(delay, LONGEST_WAIT_FOR_ROOM))
        return Return(delay)

    def judge(self, attempts: Sequence[Attempt]) -> list[Settlement]:
        """Decide what becomes of each letter that came back, and what that says of its provider."""
        desk = self._desk
        now, wall = desk.monotonic(), desk.wall()
        with desk.lock:
            return [
                self._judge(attempt, attempt.outcome, now, wall)
                if attempt.outcome and attempt.obstacle is None
                else self._unbegun(attempt)
                for attempt in attempts
            ]

    def _unbegun(self, attempt: Attempt) -> Settlement:
        letter = attempt.routed.letter
        if attempt.obstacle is not None:
            return self._held_back(attempt, attempt.obstacle)
        match attempt.ended_before:
            case None:
                letter.decision = LetGo()
            case Status.CANCELED:
                letter.decision = Delete()
            case Status.SENT:
                self._desk.tried.note(letter.id, attempt.routed.provider, OutcomeClass.ACCEPTED)
                letter.decision = Delete()
            case status:  # a copy of a dead letter: the dead-letter queue may hold it twice
                letter.decision = DeadLetter(f"{status} before", "copy")
                # Remembered: the ledger may be down when it comes back.
                self._desk.tried.finish(letter.id, letter.decision.reason, letter.decision.code)
        return Settlement(letter, letter.decision, attempt)

    def _held_back(self, attempt: Attempt, obstacle: Decision) -> Settlement:
        letter = attempt.routed.letter
        letter.decision = obstacle
        if isinstance(obstacle, DeadLetter):
            self._desk.tried.finish(letter.id, obstacle.reason, obstacle.code)
        return Settlement(letter, obstacle, attempt)

    def _judge(self, attempt: Attempt, outcome: Outcome, now: float, wall: float) -> Settlement:
        desk, routed, letter = self._desk, attempt.routed, attempt.routed.letter
        observation = self._observation(routed, outcome)
        desk.tried.note(letter.id, routed.provider, outcome.kind)
        self.router.note(
            routed.provider,
            outcome,
            routed.way,
            now,
            verdict=routed.verdict,
            unrouted=self._unrouted,
            recipients=routed.recipients,
            seconds=attempt.ticket.duration / 1_000 if attempt.ticket.started else None,
        )
        if desk.learn(routed.provider, outcome, wall):
            log.error("provider %s: %s", routed.provider, outcome.mend)
        eligible = letter.eligible if letter.eligible is not None else desk.all
        decision = settle(
            outcome,
            outcomes=desk.tried.of(letter.id).outcomes,
            eligible=eligible,
            ready=[way.name for way in self.router.ready(now) if way.name in eligible],
            receive_count=letter.receive_count,
            age=wall - letter.sent_at,
            policy=desk.rules.policy_for(letter),
            random=desk.random,
        )
        if isinstance(decision, DeadLetter):
            desk.tried.finish(letter.id, decision.reason, decision.code)
        letter.decision = decision
        return Settlement(letter, decision, attempt, observation)

    def _observation(self, routed: Routed, outcome: Outcome) -> Observation | None:
        sign = sign_of(outcome)
        if sign is None:
            return None
        before = self._desk.tried.of(routed.letter.id).outcomes.get(routed.provider)
        # One message that fails again and again at one provider is counted once: it may be the
        # message. Anything else would let one bad message take a provider down.
        if sign is not Sign.GOOD and before in FAILED_HERE:
            return None
        return Observation(sign, routed.verdict)


def _decode(letter: Letter) -> DeadLetter | None:
    """Read a letter in place; the end of it where it cannot be read."""
    try:
        message = decode(letter.body, queue_message_id=letter.id)
    except Unreadable as fault:  # it goes to the dead-letter queue unchanged
        return DeadLetter("unreadable", "unreadable", str(fault))
    letter.id, letter.email, letter.accepted_at = message.id, message.email, message.accepted_at
    return None


def _by_the_clock(letter: Letter, now: float) -> DeadLetter | Return | None:
    """What the sender's own times say: too late for good, or not yet."""
    email = letter.email
    if email is None:
        return None
    if is_over(email, now):
        return expired()
    if email.send_at and (left := email.send_at / 1_000 - now) > 0:
        return Return(min(LONGEST_DELAY, math.ceil(left)))
    return None


def is_over(email: Email, now: float) -> bool:
    """Whether its sender wants it not to be sent any more; `now` in seconds since the epoch."""
    return bool(email.expires_at) and now * 1_000 >= email.expires_at
