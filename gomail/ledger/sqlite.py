"""The ledger in one SQLite file, which several API and dispatch processes of one machine share.

What SQLite does not do at once it does not do at all here: a file that stays locked for `busy`
seconds, a full disk or a broken file is `LedgerUnavailable`, and the next call tries anew.

Lists: one filter costs the same as none. Of several filters one is served by its index, the others
are checked on at most `sqlite_reads.MOST_SCANNED` emails a page, so that such a page may hold fewer
emails than asked for, even none, and still name the next.
"""

import logging
import sqlite3
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from gomail.ledger import (
    ERASED,
    Cancellation,
    Claim,
    Due,
    EmailRecord,
    Event,
    Filter,
    Intent,
    Known,
    Page,
    ProcessReport,
    Queued,
    Recorded,
    Scheduled,
    Stats,
    Take,
    Turn,
    sqlite_housekeeping,
    sqlite_paces,
    sqlite_reads,
    sqlite_schedule,
)
from gomail.ledger.sqlite_checkpoints import Checkpoints
from gomail.ledger.sqlite_schema import open_file
from gomail.ledger.sqlite_threads import Reader, Urgency, Writer

log = logging.getLogger(__name__)

BUSY = 1.0
"""Seconds for which another process may hold the file."""
MOST_PENDING = 10_000
MOST_EVENTS = 500_000
PRUNE_STEP = 100
"""Emails forgotten in one transaction; intents wait for it."""
EVENTS_STEP = 5_000
"""Events looked through in one transaction."""


class SqliteLedger:
    """A ledger in a file.

    Args:
        path: the file; it is made where it does not exist.
        busy: seconds for which another process may hold it.
        most_pending: how many calls may wait for each of the two threads.
        most_events: how many events are kept.

    Raises:
        ConfigurationError: the file is of a newer gomail.
    """

    def __init__(
        self,
        path: Path,
        *,
        busy: float = BUSY,
        most_pending: int = MOST_PENDING,
        most_events: int = MOST_EVENTS,
    ) -> None:
        self._most_events = most_events
        opener = partial(open_file, path, busy=busy)
        try:
            opener().close()
        except sqlite3.Error as error:  # mail goes on without; every later call tries again
            log.warning("ledger: %s: %s", path, error)
        self._writer = Writer("ledger writer", opener, most_pending=most_pending)
        self._reader = Reader("ledger reader", opener, most_pending=most_pending)
        self._checkpoints = Checkpoints(opener)

    # -- the API ---------------------------------------------------------------------------------

    async def queued(self, emails: Sequence[Queued]) -> None:
        """Note emails that a queue has taken."""
        await self._writer.ask(
            lambda book: book.queued(emails),
            ids=[each.id for each in emails],
            urgency=Urgency.AT_ONCE,
        )

    async def claim(
        self, key: str, *, fingerprint: str, message_id: str, now: int, lease: int, keep: int
    ) -> Claim:
        """Reserve `message_id` for a key; `keep` counts from the last claim."""
        return await self._writer.ask(
            lambda book: book.claim(
                key, fingerprint=fingerprint, message_id=message_id, now=now, lease=lease, keep=keep
            )
        )

    async def answer(self, key: str, *, message_id: str, answer: bytes) -> None:
        """Store the answer that requests with this key get from now on."""
        await self._writer.ask(
            lambda book: book.answer(key, message_id=message_id, answer=answer),
            urgency=Urgency.AT_ONCE,
        )

    async def release(self, key: str, *, message_id: str) -> None:
        """End the lease of an unanswered key."""
        await self._writer.ask(
            lambda book: book.release(key, message_id=message_id), urgency=Urgency.AT_ONCE
        )

    # -- the schedule ----------------------------------------------------------------------------

    async def schedule(self, emails: Sequence[Scheduled]) -> None:
        """Keep emails until their time; not kept if the caller goes on before its turn."""
        await self._writer.ask(
            lambda book: sqlite_schedule.schedule(book, emails),
            ids=[each.email.id for each in emails],
            durable=True,
        )

    async def due(self, until: int, *, now: int, lease: int, limit: int) -> list[Due]:
        """Take up to `limit` emails that are to be sent up to `until`, earliest first."""
        return await self._writer.ask(
            lambda book: sqlite_schedule.due(book, until, now=now, lease=lease, limit=limit)
        )

    async def released(self, ids: Sequence[str], *, at: int) -> None:
        """Forget the bodies of these, whether or not the caller goes on waiting."""
        await self._writer.ask(
            lambda book: sqlite_schedule.released(book, ids, at=at), urgency=Urgency.AT_ONCE
        )

    async def cancel(self, email_id: str, *, now: int) -> Cancellation:
        """Call an email back; what this answers survives a crash of the machine."""
        return await self._writer.ask(lambda book: book.cancel(email_id, now=now), durable=True)

    # -- the dispatcher --------------------------------------------------------------------------

    async def intend(self, intents: Sequence[Intent]) -> dict[str, Known]:
        """Note sends that are about to begin; not noted if the caller goes on before its turn."""
        return await self._writer.ask(
            lambda book: book.intend(intents), ids=[each.id for each in intents]
        )

    async def take(self, takes: Sequence[Take], *, now: int) -> list[Turn]:
        """Share out rate and quota; nothing is taken if the caller goes on before its turn."""
        return await self._writer.ask(lambda book: sqlite_paces.take(book, takes, now=now))

    async def record(self, records: Sequence[Recorded]) -> None:
        """Note what attempts brought, whether or not the caller goes on waiting."""
        await self._writer.ask(
            lambda book: book.record(records),
            ids=[each.id for each in records],
            urgency=Urgency.SOON,
        )

    async def verdict(
        self, *, provider: str, healthy: bool, verdict: int, owner: str, at: int
    ) -> None:
        """Note a change of a provider's verdict."""
        await self._writer.ask(
            lambda book: book.verdict(
                provider=provider, healthy=healthy, verdict=verdict, owner=owner, at=at
            ),
            urgency=Urgency.AT_ONCE,
        )

    async def report(self, report: ProcessReport) -> None:
        """Replace what a dispatch process says of itself."""
        await self._writer.ask(lambda book: book.report(report))

    # -- readers ---------------------------------------------------------------------------------

    async def email(self, email_id: str) -> EmailRecord | None:
        """One email with its attempts."""
        return await self._reader.ask(lambda file: sqlite_reads.email(file, email_id))

    async def emails(self, which: Filter, *, cursor: str | None, limit: int) -> Page:
        """A page of emails, newest first; see above for what several filters cost.

        Raises:
            ValueError: the cursor is not one of ours.
        """
        after = None if cursor is None else sqlite_reads.place(cursor)
        return await self._reader.ask(
            lambda file: sqlite_reads.page(file, which, after=after, limit=limit)
        )

    async def events(self, after: str | None, *, limit: int) -> list[Event]:
        """Events after a sequence, oldest first; a sequence that is none resumes at the oldest."""
        sequence = None if after is None else sqlite_reads.sequence(after)
        return await self._reader.ask(lambda file: sqlite_reads.events(file, sequence, limit=limit))

    async def stats(self, now: int) -> Stats:
        """Counts and reports."""
        return await self._reader.ask(lambda file: sqlite_reads.stats(file, now))

    # -- housekeeping ----------------------------------------------------------------------------

    async def prune(self, before: int, *, limit: int) -> int:
        """Forget up to `limit` emails, events and keys each, in small transactions; how many."""
        forgotten = 0
        for start in range(0, limit, PRUNE_STEP):
            count = await self._prune(before, limit=min(PRUNE_STEP, limit - start))
            forgotten += count
            if not count:
                break
        return forgotten

    async def _prune(self, before: int, *, limit: int) -> int:
        return await self._writer.ask(
            lambda book: sqlite_housekeeping.prune(
                book, before, limit=limit, max_events=self._most_events
            )
        )

    async def forget(self, *spellings: str, limit: int) -> int:
        """Erase an address from up to `limit` emails, in small transactions; how many.

        It is overwritten in the file, not only unlinked there.
        """
        wanted = frozenset(map(sqlite_housekeeping.folded, spellings)) - {ERASED}
        if not wanted:
            return 0
        erased = 0
        for start in range(0, limit, PRUNE_STEP):
            count = await self._forget(wanted, limit=min(PRUNE_STEP, limit - start))
            erased += count
            if not count:
                break
        if not erased:
            await self._forget_events(wanted)
        return erased

    async def _forget(self, addresses: frozenset[str], *, limit: int) -> int:
        return await self._writer.ask(
            lambda book: sqlite_housekeeping.forget(book, addresses, limit=limit), durable=True
        )

    async def _forget_events(self, addresses: frozenset[str]) -> None:
        step = max(1, EVENTS_STEP // len(addresses))
        after: int | None = 0
        while after is not None:
            ask = partial(
                sqlite_housekeeping.forget_events, addresses=addresses, after=after, limit=step
            )
            after = await self._writer.ask(ask)

    async def close(self) -> None:
        """Write what is pending and let go of the file."""
        await self._writer.close()
        await self._reader.close()
        await self._checkpoints.close()
