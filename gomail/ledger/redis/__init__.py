"""The ledger on Redis (6.2 or newer) or Valkey, for many machines.

One server, or the primary of a replica set, by URL. Whatever has to be atomic among processes is
one Lua script a batch (`scripts/`; `common.lua` describes the keys), and what is told while a call
is under way shares the next one (`grouping`). No caller waits longer than about two time-outs.

An email is one JSON string, not a hash: attempts make hashes outgrow Redis's compact encoding, at
two to three times the memory. Each listing is served by the index with the fewest emails in the
asked span of time; further filters are checked on at most `SCAN` emails a page, so such a page may
be shorter than its limit, even empty, and still have a next one.

The server must not evict keys (`maxmemory-policy noeviction`). What it forgets, for example by a
restart without persistence or a failover, shows as possible duplicates and loses no mail, but for
emails that are scheduled: only the ledger has those. `schedule` and `cancel` return once the
server's append-only file is on its disk (`WAITAOF`: Redis 7.2 with `appendonly yes`; with
`appendfsync everysec` that takes up to a second). Elsewhere scheduled emails are as durable as the
server's persistence makes them, which is logged as a warning at the start.
"""

import logging
from collections.abc import Sequence
from typing import Any

from gomail.ledger import (
    ERASED,
    REPORT_LIFE,
    SET_BACK,
    Cancellation,
    Claim,
    ClaimState,
    Due,
    EmailRecord,
    Event,
    Filter,
    Intent,
    Known,
    LedgerUnavailable,
    Page,
    ProcessReport,
    Queued,
    Recorded,
    Scheduled,
    Stats,
    Take,
    Turn,
)
from gomail.ledger.redis import wire
from gomail.ledger.redis.grouping import ROOM, Group
from gomail.ledger.redis.server import Server

log = logging.getLogger(__name__)

SCAN = 1_000
"""Emails that one page looks at: about 5 ms of the server's time if a further filter fits none."""
EVENTS = 10_000
"""Events that are kept, at least; the server cuts them in lumps."""
PRUNE_STEP = 100
"""Emails forgotten in one go; other callers get their turn in between."""
EVENTS_STEP = 500
"""Events looked through in one go."""
BODIES = 10
"""Scheduled emails in one call; each brings a message of up to a queue's limit."""


def open_redis(url: str, *, prefix: str = "gomail:", timeout: float = 1.0) -> "RedisLedger":
    """Open the ledger. A server that is down now is tried again with every later call.

    Args:
        url: `redis://` or `rediss://`; a password in it appears in no error.
        prefix: what all keys begin with.
        timeout: seconds that connecting, and each answer, may take.

    Raises:
        ConfigurationError: no such URL, wrong credentials, or a newer version wrote the keys.
    """
    server = Server(url, prefix=prefix, timeout=timeout, events=EVENTS)
    try:
        server.settle_schema()
    except LedgerUnavailable as error:
        log.warning("the ledger is not available at start: %s", error)
    return RedisLedger(server)


class RedisLedger:
    """What became of each email, on a server that many machines share. Bound to one event loop."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._queued = Group[wire.Row, int](self._told("queued"))
        self._intents = Group[wire.Row, int | bytes](self._asked("intend"), droppable=True)
        self._takes = Group[wire.Row, int](self._take, droppable=True)
        self._records = Group[wire.Row, int](self._told("record"))
        self._claims = Group[wire.Row, list[bytes]](self._asked("claim"), droppable=True)
        self._settlements = Group[wire.Row, int](self._told("settle"))
        self._scheduled = Group[wire.Row, int](self._told("queued"), most=BODIES)
        self._synced = Group[str, int](self._sync, most=ROOM)

    def _asked(self, script: str) -> wire.Call:
        async def call(rows: Sequence[wire.Row]) -> list[Any]:
            answers: list[Any] = await self._server.run(script, rows)
            return answers

        return call

    async def _take(self, rows: Sequence[wire.Row]) -> list[int]:
        answers: list[int] = await self._server.run("take", (SET_BACK, rows))
        return answers

    async def _sync(self, ids: Sequence[str]) -> list[int]:
        await self._server.sync([f"email:{email_id}" for email_id in dict.fromkeys(ids)])
        return [0] * len(ids)

    def _told(self, script: str) -> wire.Call:
        async def call(rows: Sequence[wire.Row]) -> list[Any]:
            await self._server.run(script, rows)
            return [0] * len(rows)

        return call

    # -- the API ---------------------------------------------------------------------------------

    async def queued(self, emails: Sequence[Queued]) -> None:
        """Note emails that a queue has taken."""
        await self._queued.ask([wire.queued(email) for email in emails])

    async def claim(
        self, key: str, *, fingerprint: str, message_id: str, now: int, lease: int, keep: int
    ) -> Claim:
        """Reserve `message_id` for a key, unless the key is taken."""
        [answer] = await self._claims.ask([(key, fingerprint, message_id, now, lease, keep)])
        state, reserved, stored = (part.decode() for part in answer)
        return Claim(ClaimState(state), reserved, stored.encode("latin-1"))

    async def answer(self, key: str, *, message_id: str, answer: bytes) -> None:
        """Store the answer that requests with this key get from now on; the first one stays."""
        await self._settlements.ask([(key, message_id, 1, answer.decode("latin-1"))])

    async def release(self, key: str, *, message_id: str) -> None:
        """End the lease of an unanswered key."""
        await self._settlements.ask([(key, message_id, 0, "")])

    # -- the schedule ----------------------------------------------------------------------------

    async def schedule(self, emails: Sequence[Scheduled]) -> None:
        """Keep emails until their time; see above for how durable that is."""
        await self._scheduled.ask([wire.scheduled(email) for email in emails])
        await self._synced.ask([each.email.id for each in emails])

    async def due(self, until: int, *, now: int, lease: int, limit: int) -> list[Due]:
        """Take up to `limit` emails that are to be sent up to `until`, earliest first."""
        return wire.due(await self._server.run("due", (until, now, lease, limit)))

    async def released(self, ids: Sequence[str], *, at: int) -> None:
        """Forget the bodies of these: a queue has confirmed them."""
        if ids:
            await self._server.run("released", (at, *ids))

    async def cancel(self, email_id: str, *, now: int) -> Cancellation:
        """Call an email back unless it is being sent, may have been sent, or has ended."""
        answer = Cancellation((await self._server.run("cancel", (email_id, now))).decode())
        if answer is Cancellation.CANCELED:
            await self._synced.ask([email_id])
        return answer

    # -- the dispatcher --------------------------------------------------------------------------

    async def intend(self, intents: Sequence[Intent]) -> dict[str, Known]:
        """Note sends that are about to begin; not noted if the caller goes on before its turn."""
        answers = await self._intents.ask([wire.intent(intent) for intent in intents])
        return {
            intent.id: wire.known(answer) for intent, answer in zip(intents, answers, strict=True)
        }

    async def take(self, takes: Sequence[Take], *, now: int) -> list[Turn]:  # noqa: ARG002 - the server's clock is everybody's
        """Share out rate and quota; nothing is taken if the caller goes on before its turn."""
        return [wire.turn(each) for each in await self._takes.ask([wire.take(t) for t in takes])]

    async def record(self, records: Sequence[Recorded]) -> None:
        """Note what attempts brought."""
        await self._records.ask([wire.recorded(record) for record in records])

    async def verdict(
        self, *, provider: str, healthy: bool, verdict: int, owner: str, at: int
    ) -> None:
        """Note a change of a provider's verdict."""
        await self._server.run("verdict", ("verdict", at, provider, int(healthy), verdict, owner))

    async def report(self, report: ProcessReport) -> None:
        """Replace what a dispatch process says of itself."""
        await self._server.run("report", (report.owner, report.at, wire.exits(report)))

    # -- readers ---------------------------------------------------------------------------------

    async def email(self, email_id: str) -> EmailRecord | None:
        """One email with its attempts."""
        packed = await self._server.command("GET", self._server.key("email:" + email_id))
        return packed and wire.email(email_id, packed, attempts=True)

    async def emails(self, which: Filter, *, cursor: str | None, limit: int) -> Page:
        """A page of emails, newest first; with several filters it may be shorter than `limit`.

        Raises:
            ValueError: the cursor is not one of ours.
        """
        found, at, last = await self._server.run("page", wire.page(which, cursor, limit, SCAN))
        pairs = zip(found[::2], found[1::2], strict=True)
        return Page(
            tuple(wire.email(email_id.decode(), packed) for email_id, packed in pairs),
            wire.cursor(at, last),
        )

    async def events(self, after: str | None, *, limit: int) -> list[Event]:
        """Events after a sequence, oldest first; None for only the newest one."""
        events = self._server.key("events")
        if after is None:
            entries = await self._server.command("XREVRANGE", events, "+", "-", "COUNT", 1)
        else:
            start = wire.after(after)
            entries = await self._server.command("XRANGE", events, start, "+", "COUNT", limit)
        return [wire.event(sequence, fields) for sequence, fields in entries]

    async def stats(self, now: int) -> Stats:
        """Counts and reports."""
        counts, processes = await self._server.run("stats", (now - REPORT_LIFE,))
        return wire.stats(counts, processes)

    # -- housekeeping ----------------------------------------------------------------------------

    async def prune(self, before: int, *, limit: int) -> int:
        """Forget up to `limit` emails and events each, in short steps; keys end by themselves.

        Emails that are still to be sent are looked at and passed over each time.
        """
        emails, events, passed = 0, 0, 0
        while True:
            steps = min(PRUNE_STEP, limit - emails), min(PRUNE_STEP, limit - events)
            answer: list[int] = await self._server.run("prune", (before, *steps, passed))
            gone, told, kept = answer
            emails, events, passed = emails + gone, events + told, passed + kept
            if not (gone or told or kept):
                return emails + events

    async def forget(self, *spellings: str, limit: int) -> int:
        """Erase an address from up to `limit` emails, in short steps; how many."""
        wanted = sorted(set(map(wire.folded, spellings)) - {ERASED})
        if not wanted:
            return 0
        erased = 0
        for index in (f"{name}:{one}" for name in ("to", "from") for one in wanted):
            passed, more = 0, True
            while more and erased < limit:
                step = min(PRUNE_STEP, limit - erased)
                answer = await self._server.run("forget", (index, wanted, step, passed))
                gone, kept = answer
                erased, passed, more = erased + gone, passed + kept, gone + kept > 0
        if not erased:
            await self._forget_events(wanted)
        return erased

    async def _forget_events(self, addresses: Sequence[str]) -> None:
        start, step = "-", max(1, EVENTS_STEP // len(addresses))
        while True:
            last: bytes = await self._server.run("forget_events", (addresses, start, step))
            if not last:
                return
            start = f"({last.decode()}"

    async def close(self) -> None:
        """Write what is pending and let go of the server."""
        for group in (
            self._queued, self._intents, self._takes, self._records, self._claims,
            self._settlements, self._scheduled, self._synced,
        ):  # fmt: skip
            await group.close()
        await self._server.close()
