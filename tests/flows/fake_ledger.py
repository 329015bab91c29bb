"""A ledger for dataflow tests: real semantics in a file, and faults by script.

Several event loops (two processes are two threads here) may share one fake; each gets a connection
of its own to the one file, as processes do.
"""

import asyncio
import threading
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gomail.ledger import (
    Cancellation,
    Due,
    EmailRecord,
    Event,
    Intent,
    Known,
    LedgerUnavailable,
    ProcessReport,
    Queued,
    Recorded,
    Scheduled,
    Stats,
    Take,
    Turn,
)
from gomail.ledger.sqlite import SqliteLedger

LOOK = 0.002
"""Seconds between two looks at a switch that several loops share."""

EVERYTHING = ("intend", "take", "record", "verdict", "report", "due", "released")
"""What a dispatch process asks of a ledger."""


@dataclass(frozen=True, slots=True)
class Down:
    """Nothing is done, and the caller is told so."""


@dataclass(frozen=True, slots=True)
class Broken:
    """A fault of our own in the client."""


@dataclass(frozen=True, slots=True)
class Slow:
    """It is done, so many seconds later."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Silent:
    """Nothing is done and nothing answered, until `release`; then it is done."""


@dataclass(frozen=True, slots=True)
class Deaf:
    """It is done, and the answer does not come until `release`."""


@dataclass(frozen=True, slots=True)
class Lost:
    """It is done, and the caller is told that it was not."""


Reaction = Down | Broken | Slow | Silent | Deaf | Lost | None
"""How the ledger departs from its duty in one call; None: it does not."""


class FakeLedger:
    """Implements the dispatcher's half of `gomail.ledger.Ledger` over a file."""

    def __init__(self, folder: Path, *, log: list[tuple[str, str]] | None = None) -> None:
        self.log = [] if log is None else log
        """What was done in the file, in order: the call and an id or a status of it."""
        self.asked: defaultdict[str, int] = defaultdict(int)
        """Calls begun, by name."""
        self.told: list[Recorded] = []
        self.closed = 0
        self.before_record: Callable[[Sequence[Recorded]], None] = lambda _: None
        """May raise what a ledger raises over these."""
        self.elapsed = 0
        """Milliseconds that have passed for the ledger beyond those that have for the test."""
        self._path = folder / "ledger.db"
        self._scripts: defaultdict[str, deque[Reaction]] = defaultdict(deque)
        self._always: dict[str, Reaction] = {}
        self._open = threading.Event()
        self._files: dict[asyncio.AbstractEventLoop, SqliteLedger] = {}

    # -- what tests do and see -----------------------------------------------------------------

    def script(self, operation: str, *reactions: Reaction) -> None:
        """How the next calls of `intend`, `record` or another go wrong, one each."""
        self._scripts[operation].extend(reactions)

    def always(self, reaction: Reaction, *operations: str) -> None:
        """How every call goes wrong from now on; None heals."""
        for operation in operations or EVERYTHING:
            self._always[operation] = reaction

    def release(self) -> None:
        """Let all calls go on that hang."""
        self._open.set()

    def close_all(self) -> None:
        """Let go of what processes that died have left open."""

        async def close() -> None:
            for ledger in self._files.values():
                await ledger.close()

        asyncio.run(close())

    def record_of(self, email_id: str) -> EmailRecord | None:
        """What a reader sees of an email."""
        return self.read(lambda ledger: ledger.email(email_id))

    def history(self, email_id: str) -> tuple[str, list[str | None]]:
        """An email's state, and the outcomes of its attempts."""
        record = self.record_of(email_id)
        assert record is not None
        return record.status.value, [each.kind and each.kind.value for each in record.attempts]

    def is_flagged(self, email_id: str) -> bool:
        """Whether one of the email's attempts may have been a second send."""
        record = self.record_of(email_id)
        return record is not None and any(each.possible_duplicate for each in record.attempts)

    def told_ids(self, status: str) -> set[str]:
        """Whom the file says to be in a state, by what was done in it so far."""
        return {id_ for what, id_ in self.log if what == status}

    def note(self, emails: Sequence[Queued]) -> None:
        """What the API tells of emails it has put on a queue."""
        self.read(lambda ledger: ledger.queued(emails))

    def schedule(self, emails: Sequence[Scheduled]) -> None:
        """What the API keeps for later."""
        self.read(lambda ledger: ledger.schedule(emails))

    def cancel(self, email_id: str, now: int) -> Cancellation:
        """What the API answers whoever calls an email back."""
        return self.read(lambda ledger: ledger.cancel(email_id, now=now))

    def read(self, question: Callable[[SqliteLedger], Awaitable[Any]]) -> Any:
        """Ask the file in another process's stead."""

        async def ask() -> Any:
            ledger = SqliteLedger(self._path)
            try:
                return await question(ledger)
            finally:
                await ledger.close()

        return asyncio.run(ask())

    def events(self) -> list[Event]:
        return self.read(lambda ledger: ledger.events("0", limit=10_000))

    def stats(self, now: int) -> Stats:
        return self.read(lambda ledger: ledger.stats(now))

    # -- the port ------------------------------------------------------------------------------

    async def intend(self, intents: Sequence[Intent]) -> dict[str, Known]:
        log = [("intend", each.id) for each in intents]
        intents = [replace(each, at=each.at + self.elapsed) for each in intents]
        return await self._react("intend", log, lambda ledger: ledger.intend(intents))

    async def take(self, takes: Sequence[Take], *, now: int) -> list[Turn]:
        log = [("take", each.provider) for each in takes]
        return await self._react("take", log, lambda ledger: ledger.take(takes, now=now))

    async def record(self, records: Sequence[Recorded]) -> None:
        self.before_record(records)
        log = [(each.status.value, each.id) for each in records]
        await self._react("record", log, lambda ledger: ledger.record(records))
        self.told += records

    async def verdict(self, **given: Any) -> None:
        log = [("verdict", given["provider"])]
        await self._react("verdict", log, lambda ledger: ledger.verdict(**given))

    async def report(self, report: ProcessReport) -> None:
        await self._react("report", [], lambda ledger: ledger.report(report))

    async def due(self, until: int, *, now: int, lease: int, limit: int) -> list[Due]:
        return await self._react(
            "due", [], lambda ledger: ledger.due(until, now=now, lease=lease, limit=limit)
        )

    async def released(self, ids: Sequence[str], *, at: int) -> None:
        log = [("released", each) for each in ids]
        await self._react("released", log, lambda ledger: ledger.released(ids, at=at))

    async def close(self) -> None:
        self.closed += 1
        if self._always.get("close") == Silent():
            await self._until_release()
        if (ledger := self._files.pop(asyncio.get_running_loop(), None)) is not None:
            await ledger.close()

    # -- within --------------------------------------------------------------------------------

    async def _react(
        self,
        operation: str,
        log: Sequence[tuple[str, str]],
        work: Callable[[SqliteLedger], Awaitable[Any]],
    ) -> Any:
        self.asked[operation] += 1
        script = self._scripts[operation]
        reaction = script.popleft() if script else self._always.get(operation)
        match reaction:
            case Down():
                raise LedgerUnavailable("down")
            case Broken():
                raise RuntimeError("a fault of the client")
            case Slow(seconds):
                await asyncio.sleep(seconds)
            case Silent():
                await self._until_release()
        answer = await work(self._here())
        self.log += log
        match reaction:
            case Deaf():
                await self._until_release()
            case Lost():
                raise LedgerUnavailable("the answer was lost")
        return answer

    async def _until_release(self) -> None:
        while not self._open.is_set():  # noqa: ASYNC110 - a switch for several loops at once
            await asyncio.sleep(LOOK)

    def _here(self) -> SqliteLedger:
        loop = asyncio.get_running_loop()
        if loop not in self._files:
            self._files[loop] = SqliteLedger(self._path)
        return self._files[loop]
