"""Sends letters, off the workers' threads, and brings back what came of it.

Workers hand the courier batches and go on at once; one crossing of threads serves a whole batch,
since a crossing a message costs a third more CPU. What a send brings goes back to the worker that
asked for it through its lane.
"""

import logging
import math
from collections.abc import Mapping, Sequence

from flows.desk import Desk, Lane, is_over
from flows.loop import Loop
from flows.mail import NOT_BEGUN, Attempt, Letter, Routed, Ticket
from flows.payloads import Fetcher
from flows.quarantine import Quarantine
from flows.scribe import Scribe
from gomail.email import Claim, Email, Message, Unreadable
from gomail.ledger import KILLER, Known, Take, Turn
from gomail.outcome import Outcome, OutcomeClass
from gomail.payloads import PayloadMissing, PayloadUnavailable
from gomail.providers import Provider
from gomail.settings import SETTLING_MARGIN
from gomail.settlement import (
    DeadLetter,
    Decision,
    LetGo,
    Return,
    backoff,
    crashed,
    expired,
    may_have_been_sent,
)

log = logging.getLogger(__name__)

OVER_QUOTA = Outcome(
    OutcomeClass.QUOTA,
    code="quota",
    detail="the quota of the settings is used up",
    mend="the quota in the provider's settings is used up: raise it, or wait",
)


class Courier:
    """Sends letters and puts the attempts on the lanes they came from."""

    def __init__(
        self,
        loop: Loop,
        desk: Desk,
        providers: Mapping[str, Provider],
        *,
        send_timeout: float,
        scribe: Scribe | None = None,
        fetcher: Fetcher | None = None,
    ) -> None:
        self._loop = loop
        self._desk = desk
        self._providers = providers
        self._send_timeout = send_timeout
        self._scribe = scribe
        self._fetcher = fetcher
        self._stopping = False
        self._waiting: dict[Letter, tuple[Lane, Routed]] = {}
        """What waits for its turn, by letter: a letter is one object for its whole way."""
        self._quarantine = Quarantine(loop, self._alone, monotonic=desk.monotonic)

    def send(self, lane: Lane, batch: Sequence[Routed]) -> None:
        """Hand over a batch; never blocks. From the worker's thread."""
        self._loop.call(self._receive, lane, batch)

    def _receive(self, lane: Lane, batch: Sequence[Routed]) -> None:
        takes = self._desk.turns.takes(batch)
        limited = [
            (routed, take) for routed, take in zip(batch, takes, strict=True) if take is not None
        ]
        if limited:
            self._take_turns(lane, limited)
            batch = [routed for routed, take in zip(batch, takes, strict=True) if take is None]
        if batch:
            self._intend(lane, batch)

    def _take_turns(self, lane: Lane, batch: Sequence[tuple[Routed, Take]]) -> None:
        """Have each go on in its turn, within its provider's rate.

        Before its intent is told: what has an intent is as good as sent for everybody else.
        """

        def go(turns: Sequence[Turn | None]) -> None:
            self._wait(
                lane, [(routed, turn) for (routed, _), turn in zip(batch, turns, strict=True)]
            )

        if self._scribe is None:
            go([None] * len(batch))
        else:
            self._scribe.take([take for _, take in batch], go)

    def _wait(self, lane: Lane, batch: Sequence[tuple[Routed, Turn | None]]) -> None:
        now = self._desk.monotonic()
        ready: list[Routed] = []
        for routed, turn in batch:
            at = self._desk.turns.at(routed, turn)
            if at is None:
                lane.attempts.append(self._over_quota(routed))
            elif at <= now:
                ready.append(routed)
            elif self._stopping:
                lane.attempts.append(_given_back(routed))
            elif self._in_time(routed, at):
                self._waiting[routed.letter] = lane, routed
                self._loop.later(at - now, self._in_turn, routed.letter)
            else:  # its turn would come too late; it shows again by itself
                lane.attempts.append(Attempt(routed, None))
        if ready:
            self._intend(lane, ready)

    def _in_turn(self, letter: Letter) -> None:
        """Its turn has come, unless it was given back meanwhile."""
        if (waiting := self._waiting.pop(letter, None)) is not None:
            lane, routed = waiting
            self._intend(lane, [routed])

    def _over_quota(self, routed: Routed) -> Attempt:
        if routed.recipients == 1:
            return Attempt(routed, OVER_QUOTA)
        # Others with fewer recipients may still fit: only this one waits.
        later = Return(backoff(routed.letter.receive_count, self._desk.random))
        return Attempt(routed, None, Ticket(), later)

    def stop(self) -> None:
        """Give back what waits for its turn; what has begun goes on. On the loop."""
        self._stopping = True
        for lane, routed in self._waiting.values():
            lane.attempts.append(_given_back(routed))
        self._waiting.clear()
        for lane, routed in self._quarantine.clear():
            lane.attempts.append(_given_back(routed))

    def _intend(self, lane: Lane, batch: Sequence[Routed]) -> None:
        now = self._desk.monotonic()
        timely = [routed for routed in batch if self._in_time(routed, now)]
        if len(timely) < len(batch):
            late = [routed for routed in batch if not self._in_time(routed, now)]
            lane.attempts.extend(Attempt(routed, None) for routed in late)
        if self._scribe is None:
            self._begin(lane, [(routed, Ticket()) for routed in timely])
        elif timely:
            self._scribe.intend(
                timely, lambda tickets: self._begin(lane, list(zip(timely, tickets, strict=True)))
            )

    def _begin(self, lane: Lane, batch: Sequence[tuple[Routed, Ticket]]) -> None:
        for routed, ticket in batch:
            if (held := self._held_back(routed, ticket)) is not None:
                lane.attempts.append(held)
            elif ticket.known is not None and ticket.known.put_off:
                self._isolate(lane, routed)
            else:
                self._loop.spawn(self._attempt(lane, routed, ticket))

    def _isolate(self, lane: Lane, routed: Routed) -> None:
        """Send it while no other suspect is under way: it may be what ended two processes."""
        if self._stopping:
            lane.attempts.append(_given_back(routed))
        else:
            log.warning("message %s: two processes ended while it was sent", routed.letter.id)
            self._quarantine.add(lane, routed)

    def _alone(self, lane: Lane, routed: Routed) -> bool:
        """Begin with a suspect whose turn has come; answers whether it did.

        Not before the ledger knows what became of the last one, which counted as abandoned too if
        this one ends the process.
        """
        assert self._scribe is not None, "only the ledger makes anybody suspect"
        if not self._in_time(routed, self._desk.monotonic()):
            lane.attempts.append(Attempt(routed, None))  # it shows again by itself
        elif self._scribe.is_behind:
            return False
        else:
            self._scribe.intend(
                [routed], lambda tickets: self._begin(lane, [(routed, tickets[0])]), alone=True
            )
        return True

    def _held_back(self, routed: Routed, ticket: Ticket) -> Attempt | None:
        """The attempt where no send may begin; None where it may."""
        known, letter = ticket.known, routed.letter
        assert letter.email is not None, "only what has been read is routed"
        if known is None:
            if self._scribe is not None and (letter.email.send_at or ticket.alone):
                # It may have been canceled, or end the process, and only the ledger knows.
                ticket.unused = True
                later = Return(backoff(letter.receive_count, self._desk.random))
                return Attempt(routed, None, ticket, later)
        elif known.ended is not None:
            return Attempt(routed, None, ticket)
        elif (obstacle := self._obstacle(known, letter)) is not None:
            return Attempt(routed, None, ticket, obstacle)
        elif known.unanswered and self._desk.rules.policy_for(letter).dead_letter_unknown:
            end = may_have_been_sent("unanswered", "an earlier attempt was never answered")
            return _not_begun(routed, ticket, end)
        if letter.email.expires_at and is_over(letter.email, self._desk.wall()):
            return _not_begun(routed, ticket, expired())
        return None

    def _obstacle(self, known: Known, letter: Letter) -> Decision | None:
        """What becomes of an email whose attempt was not noted because of earlier ones."""
        if known.under_way:
            longest = math.ceil(self._send_timeout + SETTLING_MARGIN)
            if letter.receive_count == 1:  # a second copy: its twin is being sent
                return Return(longest)
            # Perhaps its send has failed, and only the record of that is late.
            return Return(min(longest, backoff(letter.receive_count, self._desk.random)))
        return crashed() if known.put_off and known.abandoned >= KILLER else None

    async def _attempt(self, lane: Lane, routed: Routed, ticket: Ticket) -> None:
        email = routed.letter.email
        assert email is not None, "only what has been read is routed"
        if email.claim is None:
            lane.attempts.append(await self._timed(routed, ticket, email))
        else:
            lane.attempts.append(await self._fetched(routed, ticket, email, email.claim))

    async def _fetched(self, routed: Routed, ticket: Ticket, light: Email, claim: Claim) -> Attempt:
        if self._fetcher is None:
            remedy = "it refers to a payload and no store is configured; set payloads.bucket"
            return _not_begun(routed, ticket, DeadLetter(remedy, "no-payload-store"))

        def in_time() -> bool:
            return self._in_time(routed, self._desk.monotonic())

        try:
            async with self._fetcher.whole(light, claim, in_time=in_time) as email:
                if email is None or not in_time():
                    return _not_begun(routed, ticket, LetGo())  # shows again by itself
                if is_over(email, self._desk.wall()):
                    return _not_begun(routed, ticket, expired())
                return await self._timed(routed, ticket, email)
        except (PayloadMissing, Unreadable) as error:
            what = "missing" if isinstance(error, PayloadMissing) else "damaged"
            end = DeadLetter(f"payload is {what}", "payload", str(error))
            return _not_begun(routed, ticket, end)
        except Exception as error:
            known = isinstance(error, PayloadUnavailable)
            log.warning("message %s: no payload: %s", routed.letter.id, error, exc_info=not known)
            later = Return(backoff(routed.letter.receive_count, self._desk.random))
            return _not_begun(routed, ticket, later)

    def _in_time(self, routed: Routed, now: float) -> bool:
        """Whether it stays hidden for as long as a send and its settlement may take."""
        return routed.letter.deadline - now >= self._send_timeout + SETTLING_MARGIN

    async def _timed(self, routed: Routed, ticket: Ticket, email: Email) -> Attempt:
        began = self._desk.monotonic()
        ticket.started = int(self._desk.wall() * 1_000)
        outcome = await self._send(routed, email)
        ticket.duration = int((self._desk.monotonic() - began) * 1_000)
        return Attempt(routed, outcome, ticket)

    async def _send(self, routed: Routed, email: Email) -> Outcome:
        letter = routed.letter
        message = Message(letter.id, email, letter.accepted_at)
        try:
            return await self._providers[routed.provider].send(message, timeout=self._send_timeout)
        except Exception as error:
            # A provider must not raise; if one does all the same, the email may be out already.
            log.exception("provider %s raised on message %s", routed.provider, letter.id)
            return Outcome(OutcomeClass.UNKNOWN, code=type(error).__name__)


def _not_begun(routed: Routed, ticket: Ticket, decision: Decision) -> Attempt:
    """An attempt that the ledger has noted and that ends before its send."""
    why = decision.reason if isinstance(decision, DeadLetter) else "put off"
    return Attempt(
        routed, Outcome(OutcomeClass.FAILED, code=NOT_BEGUN, detail=why), ticket, decision
    )


def _given_back(routed: Routed) -> Attempt:
    """An attempt that was not begun because the process stops: it shows at once."""
    return Attempt(routed, None, Ticket(), Return(0))
