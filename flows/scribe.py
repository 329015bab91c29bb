"""Tells the ledger what is sent and what came of it, and never lets mail wait for it.

Everything runs on the courier's loop. A call is waited for at most `patience`; then mail goes on
without. After a failure the ledger is left alone for a second. What could not be recorded is kept,
up to `MOST_LATE` records, and told later: a state is then late, beyond that missing, and a log says
so.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Coroutine, Iterable, Sequence
from itertools import islice
from typing import Any

from flows.desk import Desk
from flows.loop import Loop
from flows.mail import Routed, Settlement, Ticket
from gomail.ledger import Intent, Ledger, LedgerUnavailable, ProcessReport, Recorded
from gomail.settlement import DeadLetter
from gomail.status import after_attempt, after_burial

log = logging.getLogger(__name__)

REST = 1.0
"""Seconds the ledger is left alone after it failed or was late several times in a row."""
LATE_CALLS = 3
MOST_LATE = 20_000
"""Records kept for a ledger that is down: about 10 MB."""
LATE_BATCH = 500
REPORT_INTERVAL = 5.0


class Scribe:
    """The one hand of a dispatch process that writes to the ledger.

    Args:
        loop: where it runs.
        ledger: whom it tells.
        desk: for the clock, and for what the process says of itself.
        patience: seconds mail waits for an answer.
        owner: this process's name in the ledger.
    """

    def __init__(
        self, loop: Loop, ledger: Ledger, desk: Desk, *, patience: float, owner: str
    ) -> None:
        self.missing = 0
        """Records that were lost because the ledger was down too long."""
        self._loop, self._ledger, self._desk = loop, ledger, desk
        self._patience, self._owner = patience, owner
        self._late: deque[Recorded] = deque()
        self._late_calls = 0
        self._rests_until = float("-inf")
        self._closing = asyncio.Event()

    # -- before a send -------------------------------------------------------------------------

    async def intend(self, batch: Sequence[Routed]) -> list[Ticket]:
        """Note sends that are about to begin; what the ledger knew stands on their tickets."""
        tickets = [Ticket() for _ in batch]
        if not self._resting():
            await self._patiently(self._fill(batch, tickets))
        return tickets

    async def _fill(self, batch: Sequence[Routed], tickets: Sequence[Ticket]) -> None:
        # Where the answer is late, the sends have begun; the tickets still get their numbers.
        known = await self._ledger.intend([self._intent(routed) for routed in batch])
        for routed, ticket in zip(batch, tickets, strict=True):
            ticket.known = known.get(routed.letter.id)
            if ticket.known is not None and ticket.known.possible_duplicate:
                log.info("message %s: it may have been sent before", routed.letter.id)

    def _intent(self, routed: Routed) -> Intent:
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
        )

    # -- after it ------------------------------------------------------------------------------

    async def record(self, settlements: Iterable[Settlement]) -> None:
        """Note what attempts brought, before anything is settled with the queue."""
        await self._record([one for each in settlements if (one := self._attempted(each))])

    async def record_burials(self, settlements: Iterable[Settlement]) -> None:
        """Note the end of dead letters that the dead-letter queue has confirmed."""
        await self._record([one for each in settlements if (one := self._buried(each))])

    async def _record(self, records: list[Recorded]) -> None:
        if not records:
            return
        if self._resting() or self._late:
            self._keep(records)
            return
        await self._patiently(self._write(records))

    async def _write(self, records: list[Recorded]) -> None:
        try:
            await self._ledger.record(records)
        except LedgerUnavailable:
            self._keep(records)
            raise

    def _attempted(self, settlement: Settlement) -> Recorded | None:
        attempt, letter = settlement.attempt, settlement.letter
        if attempt is None or attempt.outcome is None or letter.email is None:
            return None
        outcome, ticket = attempt.outcome, attempt.ticket
        known = ticket.known
        return Recorded(
            id=letter.id,
            status=after_attempt(outcome.kind, settlement.decision),
            at=self._now(),
            provider=attempt.routed.provider,
            number=known.number if known else 0,
            kind=outcome.kind,
            code=outcome.code,
            detail=outcome.detail,
            provider_id=outcome.provider_id,
            started=ticket.started,
            duration=ticket.duration,
            # A ledger that said too late that it has ended: this send was one too many.
            possible_duplicate=known is not None
            and (known.possible_duplicate or known.ended is not None),
            owner=self._owner,
            queued_at=int(letter.sent_at * 1_000),
            from_email=letter.email.from_email,
            to_email=letter.email.to_email,
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
        )

    # -- patience ------------------------------------------------------------------------------

    async def _patiently(self, work: Coroutine[Any, Any, None]) -> None:
        """Wait for the ledger at most its patience; what is under way then goes on by itself."""
        task = self._loop.loop.create_task(self._guarded(work))
        done, _ = await asyncio.wait({task}, timeout=self._patience)
        if done:
            return
        self._late_calls += 1
        self._loop.keep(task)
        if self._late_calls >= LATE_CALLS:
            self._rest("it does not answer in time")

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
            self._late_calls = 0
        except LedgerUnavailable as error:  # mail goes on; records have been kept for later
            self._rest(str(error))
        except Exception:  # a fault of our own must not keep mail: it goes on without the ledger
            log.exception("telling the ledger failed")
            self._rest("a fault of our own")

    def _resting(self) -> bool:
        return self._desk.monotonic() < self._rests_until

    def _rest(self, why: str) -> None:
        if not self._resting():
            log.warning("ledger: %s; mail goes on without it, states will be late", why)
        self._rests_until = self._desk.monotonic() + REST

    def _keep(self, records: Sequence[Recorded]) -> None:
        if not self._late:
            self._loop.spawn(self._catch_up())
        self._late.extend(records)
        while len(self._late) > MOST_LATE:
            self._late.popleft()
            self.missing += 1
            if self.missing % 1_000 == 1:
                log.error("ledger: down too long; %d states are missing", self.missing)

    async def _catch_up(self) -> None:
        """Tell what is late, in order, once the ledger answers again."""
        while self._late:
            await self._pause(max(0.05, self._rests_until - self._desk.monotonic()))
            batch = list(islice(self._late, LATE_BATCH))
            try:
                await self._ledger.record(batch)
            except LedgerUnavailable as error:  # kept, and tried again after the rest
                self._rest(str(error))
                if self._closing.is_set():
                    return
                continue
            for _ in batch:
                self._late.popleft()

    async def _pause(self, seconds: float) -> None:
        if self._closing.is_set():
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
        if self._late:
            await self._catch_up()
        if self._late:
            log.error("ledger: %d states are missing", len(self._late))
        await self._ledger.close()

    def _now(self) -> int:
        return int(self._desk.wall() * 1_000)
