"""Tells the ledger what is sent and what came of it, and never lets mail wait for it.

Everything runs on the courier's loop. A call is waited for at most `patience`; then mail goes on
without. After a failure the ledger is left alone for a second. What could not be recorded is kept
and told later, by another process if this one ends first (`spool`): a state is then late. Beyond
what the spool has room for it is missing, and a log says so.
"""

import asyncio
import logging
import math
from collections.abc import Callable, Coroutine, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, TypeVar

from flows.desk import Desk
from flows.line import Line
from flows.loop import Loop
from flows.mail import NOT_BEGUN, Attempt, Routed, Settlement, Ticket
from flows.metrics import LEDGER_FAILURES, LEDGER_LATE, LEDGER_MISSING
from flows.spool import Left, Spool
from gomail.about import about
from gomail.ledger import (
    Intent,
    Known,
    Ledger,
    LedgerUnavailable,
    ProcessReport,
    Recorded,
    Take,
    Turn,
)
from gomail.outcome import Outcome, OutcomeClass
from gomail.settlement import DeadLetter, LetGo
from gomail.status import after_attempt, after_burial

log = logging.getLogger(__name__)

T = TypeVar("T")

REST = 1.0
"""Seconds the ledger is left alone after it failed."""
LATE_BATCH = 500
REPORT_INTERVAL = 5.0
LEFT_INTERVAL = 5.0
"""Seconds until a process looks again for what others have left."""
CLOSING_PATIENCE = 3.0
"""Seconds for what is late, and then for the ledger to close, when the process ends."""


@dataclass(slots=True)
class _Asked:
    take: Take
    turn: Turn | None = None


class Scribe:
    """The one hand of a dispatch process that writes to the ledger.

    Args:
        loop: where it runs.
        ledger: whom it tells.
        desk: for the clock, and for what the process says of itself.
        patience: seconds mail waits for an answer.
        owner: this process's name in the ledger.
        spool: where what is late waits.
        busy: seconds for which a send that another process began may still be under way.
    """

    def __init__(
        self,
        loop: Loop,
        ledger: Ledger,
        desk: Desk,
        *,
        patience: float,
        owner: str,
        spool: Spool | None = None,
        busy: float = 15.0,
    ) -> None:
        self.missing = 0
        """Records that were lost because the ledger was down too long."""
        self._loop, self._ledger, self._desk = loop, ledger, desk
        self._owner = owner
        self._busy = int(busy * 1_000)
        self._late = Spool(None) if spool is None else spool
        self._catching_up: asyncio.Task[None] | None = None
        self._telling_last = False
        """The ledger is being told all that is late: what comes now may be told behind it."""
        self._intents = Line(loop, self._tell_intents, patience=patience, late=_go_unnoted)
        self._records = Line(
            loop, self._tell_records, patience=patience, late=self._keep, overdue=self._doubt
        )
        self._doubted: Sequence[Recorded] = ()
        """Records under way that are kept already: whoever waited for them has gone on."""
        self._certain = asyncio.Event()
        """Nothing that is kept is being told by such a call."""
        self._certain.set()
        self._takes = Line(loop, self._tell_takes, patience=patience, late=_go_by_our_part)
        self._rests_until = float("-inf")
        self._closing = asyncio.Event()

    @property
    def is_behind(self) -> bool:
        """Whether the ledger has yet to be told what some attempts brought."""
        return bool(self._late)

    # -- before a send -------------------------------------------------------------------------

    def intend(
        self,
        batch: Sequence[Routed],
        then: Callable[[Sequence[Ticket]], None],
        *,
        alone: bool = False,
    ) -> None:
        """Note sends that are about to begin, then go on; the tickets say what was known.

        `alone`: no other email that is suspect of ending processes is under way.
        """
        tickets = [Ticket(alone=alone) for _ in batch]
        if self._resting():
            then(tickets)
        else:
            self._intents.add(list(zip(batch, tickets, strict=True)), lambda: then(tickets))

    async def _tell_intents(self, sends: Sequence[tuple[Routed, Ticket]]) -> None:
        # Where the answer is late, the sends have begun; the tickets still get their numbers.
        intents = [self._intent(*send) for send in sends]
        known = await self._guarded(self._ledger.intend(intents)) or {}
        for routed, ticket in sends:
            ticket.known = known.get(routed.letter.id)
            if ticket.known is not None and ticket.known.possible_duplicate:
                log.info("message %s: it may have been sent before", routed.letter.id)
        if unused := [
            one
            for routed, ticket in sends
            if ticket.unused and (one := self._unused(routed, ticket))
        ]:
            # Before the next intents: left without an outcome, it would look like a send to them.
            await self._tell_records(unused)

    def _intent(self, routed: Routed, ticket: Ticket) -> Intent:
        letter = routed.letter
        assert letter.email is not None, "only what has been read is routed"
        return Intent(
            id=letter.id,
            provider=routed.provider,
            at=self._now(),
            receive_count=letter.receive_count,
            owner=self._owner,
            queued_at=int(letter.sent_at * 1_000),
            from_email=letter.email.from_email,
            to_email=letter.email.to_email,
            about=about(letter.email),
            busy=self._busy,
            alone=ticket.alone,
        )

    def take(self, takes: Sequence[Take], then: Callable[[Sequence[Turn | None]], None]) -> None:
        """Take turns within the rates that all processes share, then go on; None: no answer."""
        asked = [_Asked(take) for take in takes]
        if self._resting():
            then([None] * len(asked))
        else:
            self._takes.add(asked, lambda: then([one.turn for one in asked]))

    async def _tell_takes(self, asked: Sequence["_Asked"]) -> None:
        # Where the answer is late, the sends have begun by our own part; what was taken is unused.
        turns = await self._guarded(self._ledger.take([one.take for one in asked], now=self._now()))
        for one, turn in zip(asked, turns or (), strict=False):
            one.turn = turn

    # -- after it ------------------------------------------------------------------------------

    def record(self, settlements: Iterable[Settlement], then: Callable[[], None]) -> None:
        """Note what attempts brought, then go on: before anything is settled with the queue."""
        self._record([one for each in settlements if (one := self._attempted(each))], then)

    def record_burials(self, settlements: Iterable[Settlement], then: Callable[[], None]) -> None:
        """Note the end of dead letters that the dead-letter queue has confirmed, then go on."""
        self._record([one for each in settlements if (one := self._buried(each))], then)

    def _record(self, records: Sequence[Recorded], then: Callable[[], None]) -> None:
        if not records:
            then()
        elif self._resting() or (self._late and not self._telling_last):
            self._keep(records)
            then()
        else:
            self._records.add(records, then)

    async def _tell_records(self, records: Sequence[Recorded]) -> None:
        failed = False

        def fail() -> None:
            nonlocal failed
            failed = True
            if records is not self._doubted:
                self._keep(records)

        try:
            await self._guarded(self._ledger.record(records), otherwise=fail)
            if records is self._doubted and not failed:
                self._forget(records)
        finally:
            self._certain.set()  # whatever becomes of it: what is late waits for this

    def _forget(self, records: Sequence[Recorded]) -> None:
        """Keep these no longer: they are told. Behind others they stay, and are told again."""
        if self._late.first(len(records)) == records:
            self._late.drop(len(records))
            LEDGER_LATE.set(len(self._late))

    def _doubt(self, records: Sequence[Recorded]) -> None:
        """Keep what is being told until its call has ended: it is settled now."""
        self._doubted = records
        self._certain.clear()
        self._keep(records)

    def _attempted(self, settlement: Settlement) -> Recorded | None:
        attempt, letter = settlement.attempt, settlement.letter
        if attempt is None or attempt.outcome is None or letter.email is None:
            return None
        outcome, ticket = attempt.outcome, attempt.ticket
        known = ticket.known
        # What was not noted has no number: the one it had belongs to another attempt.
        number = known.number if known and known.noted else 0
        return Recorded(
            id=letter.id,
            status=after_attempt(outcome.kind, settlement.decision),
            at=self._now(),
            provider=attempt.routed.provider,
            number=number,
            kind=outcome.kind,
            code=outcome.code,
            detail=outcome.detail,
            provider_id=outcome.provider_id,
            # Told twice, one without a number is known by its time.
            started=ticket.started or (0 if number else self._now()),
            duration=ticket.duration,
            possible_duplicate=_may_be_one_too_many(letter.receive_count, known),
            owner=self._owner,
            queued_at=int(letter.sent_at * 1_000),
            from_email=letter.email.from_email,
            to_email=letter.email.to_email,
            about=about(letter.email),
        )

    def _buried(self, settlement: Settlement) -> Recorded | None:
        letter, decision = settlement.letter, settlement.decision
        if letter.email is None or not isinstance(decision, DeadLetter):
            return None
        return Recorded(
            id=letter.id,
            status=after_burial(decision),
            at=self._now(),
            code=decision.code,
            detail=": ".join(part for part in (decision.reason, decision.detail) if part),
            owner=self._owner,
            queued_at=int(letter.sent_at * 1_000),
            from_email=letter.email.from_email,
            to_email=letter.email.to_email,
            about=about(letter.email),
        )

    def _unused(self, routed: Routed, ticket: Ticket) -> Recorded | None:
        """The end of an attempt that was noted too late to begin; None where none was noted."""
        if ticket.known is None or not ticket.known.noted:
            return None
        why = Outcome(OutcomeClass.FAILED, code=NOT_BEGUN, detail="the ledger answered too late")
        return self._attempted(Settlement(routed.letter, LetGo(), Attempt(routed, why, ticket)))

    # -- failures ------------------------------------------------------------------------------

    async def _guarded(
        self, work: Coroutine[Any, Any, T], *, otherwise: Callable[[], None] = lambda: None
    ) -> T | None:
        """The answer, or None where there was none; the ledger then gets a rest."""
        try:
            return await work
        except LedgerUnavailable as error:  # mail goes on; what was to be recorded is kept
            self._rest(str(error))
        except Exception:  # a fault of our own must not keep mail: it goes on without the ledger
            log.exception("telling the ledger failed")
            self._rest("a fault of our own")
        otherwise()
        return None

    def _resting(self) -> bool:
        return self._desk.monotonic() < self._rests_until

    def _rest(self, why: str) -> None:
        if not self._resting():
            log.warning("ledger: %s; mail goes on without it, states will be late", why)
        self._rests_until = self._desk.monotonic() + REST
        LEDGER_FAILURES.inc()

    def _keep(self, records: Sequence[Recorded]) -> None:
        missing = self._late.put(records)
        if self._catching_up is None or self._catching_up.done():
            self._catching_up = self._loop.loop.create_task(self._catch_up())
            self._loop.keep(self._catching_up)
        self._miss(missing)
        LEDGER_LATE.set(len(self._late))

    def _miss(self, count: int) -> None:
        if not count:
            return
        before, self.missing = self.missing, self.missing + count
        LEDGER_MISSING.inc(count)
        if math.ceil(before / 1_000) < math.ceil(self.missing / 1_000):
            log.error("ledger: %d states are missing so far", self.missing)

    async def _catch_up(self) -> None:
        """Tell what is late, in order, once the ledger answers again."""
        await self._pause(self._rests_until - self._desk.monotonic())
        while self._late:
            await self._certain.wait()
            batch = self._late.first(LATE_BATCH)
            self._telling_last = len(batch) == len(self._late)
            try:
                told = not batch or await self._told(batch)
            except ValueError as error:  # kept, and tried again after the rest
                self._rest(str(error))
                told = False
            finally:
                self._telling_last = False
            if told:
                self._late.drop(len(batch))
                LEDGER_LATE.set(len(self._late))
            elif self._closing.is_set():
                return
            else:
                await self._pause(max(0.05, self._rests_until - self._desk.monotonic()))

    async def _told(self, batch: Sequence[Recorded]) -> bool:
        """Whether the ledger need not be told these any more; False where it did not answer.

        Raises:
            ValueError: it answers, and cannot be told any of them.
        """
        try:
            await self._ledger.record(batch)
        except LedgerUnavailable as error:  # kept, and tried again after the rest
            self._rest(str(error))
            return False
        except Exception as error:
            log.exception("telling the ledger what is late failed")
            if len(batch) == 1:
                raise ValueError("a fault of our own") from error
            return await self._told_one_by_one(batch)
        return True

    async def _told_one_by_one(self, batch: Sequence[Recorded]) -> bool:
        """Tell each by itself: those that cannot be told where others can are missing."""
        untold: list[str] = []
        for record in batch:
            try:
                await self._ledger.record([record])
            except LedgerUnavailable as error:  # all of them are tried again
                self._rest(str(error))
                return False
            except Exception as error:  # noqa: BLE001 - said below, where it is its own fault
                untold.append(f"{record.id}: {error!r}")
        if len(untold) == len(batch):
            raise ValueError("a fault of our own")
        for one in untold:
            log.error("ledger: what became of message %s cannot be told", one)
        self._miss(len(untold))
        return True

    async def tell_what_was_left(self) -> None:
        """Tell what processes of this machine that are gone could not tell, until closed."""
        while not self._closing.is_set():
            if not self._resting():
                with closing(self._late.left_behind()) as found:
                    for left in found:
                        if not await self._told_all_of(left):
                            break
            await self._pause(LEFT_INTERVAL)

    async def _told_all_of(self, left: Left) -> bool:
        """Whether the ledger answered to the end; a file that cannot be read whole stays."""
        count = 0
        try:
            for batch in left.batches(LATE_BATCH):
                if not await self._told(batch):
                    return False  # it stays: whoever looks next tells all of it again
                count += len(batch)
            left.remove()
        except (OSError, ValueError) as error:
            self._late.pass_over(left.path, str(error))
        else:
            log.info("ledger: told %d states that an ended process had left", count)
        return True

    async def _pause(self, seconds: float) -> None:
        if self._closing.is_set() or seconds <= 0:
            return
        try:
            await asyncio.wait_for(self._closing.wait(), seconds)
        except TimeoutError:
            return

    # -- verdicts and reports ------------------------------------------------------------------

    def tell_verdict(self, provider: str, healthy: bool, verdict: int) -> None:  # noqa: FBT001 - the form of `Told`
        """Note a new verdict; never blocks. From a worker's thread."""
        self._loop.call(
            lambda: self._loop.spawn(
                self._guarded(
                    self._ledger.verdict(
                        provider=provider,
                        healthy=healthy,
                        verdict=verdict,
                        owner=self._owner,
                        at=self._now(),
                    )
                )
            )
        )

    async def report(self) -> None:
        """Say every few seconds what this process has in hand, until closed."""
        while not self._closing.is_set():
            if not self._resting():
                report = ProcessReport(self._owner, self._now(), self._desk.reports())
                await self._guarded(self._ledger.report(report))
            await self._pause(REPORT_INTERVAL)

    async def close(self) -> None:
        """Try once more to tell what is late, then let go of the ledger."""
        self._closing.set()
        if self._catching_up is not None:
            await asyncio.wait([self._catching_up], timeout=CLOSING_PATIENCE)
            self._catching_up.cancel()
            await asyncio.wait([self._catching_up])
        if self._late and self._late.path is not None:
            log.warning(
                "ledger: %d states wait in %s for the next process on this machine",
                len(self._late), self._late.path,
            )  # fmt: skip
        elif self._late:
            LEDGER_MISSING.inc(len(self._late))
            log.error("ledger: %d states are missing", len(self._late))
        self._late.close()
        try:
            await asyncio.wait_for(self._ledger.close(), CLOSING_PATIENCE)
        except TimeoutError:
            log.warning("ledger: it does not close; the process ends without it")

    def _now(self) -> int:
        return int(self._desk.wall() * 1_000)


def _go_unnoted(_sends: Sequence[tuple[Routed, Ticket]]) -> None:
    """These are sent without the ledger knowing; a later receive counts them as unrecorded."""


def _go_by_our_part(_asked: Sequence[_Asked]) -> None:
    """These are sent within this process's part of the rate."""


def _may_be_one_too_many(receive_count: int, known: Known | None) -> bool:
    """Whether a send may have been a duplicate, by what the ledger said of it, if it did."""
    if known is None:  # it did not: an earlier receive may have ended in a send
        return receive_count > 1
    # Where it said too late that the email has ended, this send was one too many.
    return known.possible_duplicate or known.ended is not None
