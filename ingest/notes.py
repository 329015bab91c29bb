"""Notes in the ledger which emails a queue has confirmed: behind the answers, many at a time.

A request only leaves its note here. The first note of a quiet time is written at once, later ones
together. While the ledger does not take them they wait, up to a bound; beyond it they are lost and
counted, which costs a reader the state `queued` and nothing else: the dispatcher tells the ledger
of every email it is about to send.
"""

import traceback
from asyncio import Event, sleep
from itertools import islice
from typing import NoReturn

from gomail.ledger import Ledger, LedgerUnavailable, Queued
from ingest.asking import within
from ingest.pace import Pace
from ingest.quiet import QuietLog

MOST_WAITING = 10_000
"""Notes kept while the ledger does not take them: some 5 MB."""
BATCH = 500
"""Notes written at once; a batch holds SQLite's write lock for a few milliseconds."""
PATIENCE = 5.0
"""Seconds a write may take; nobody waits for it."""
CLOSING = 2.0
"""Seconds for the last write of a process that ends."""


class Notes:
    """What the ledger is to be told of this process's emails."""

    def __init__(
        self, ledger: Ledger, *, pace: Pace, log: QuietLog, most: int = MOST_WAITING
    ) -> None:
        self._ledger = ledger
        self._pace = pace
        self._log = log
        self._most = most
        # In order of arrival. A note leaves it once it is written, so that readers find it here.
        self._waiting: dict[str, Queued] = {}
        self._news = Event()
        self.lost = 0
        """Notes that were never written."""
        self.failures = 0
        """Writes that did not work."""
        self.failing = False
        """The last write did not work."""

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, note: Queued) -> None:
        """Leave a note."""
        if len(self._waiting) >= self._most:
            self._lose(1, "they are waiting by the thousand")
            return
        self._waiting[note.id] = note
        self._news.set()

    def get(self, email_id: str) -> Queued | None:
        """The note on an email, while it is not written yet."""
        return self._waiting.get(email_id)

    async def keep_writing(self) -> NoReturn:
        """Write what there is until cancelled."""
        while True:
            await self._news.wait()
            if not await self._write(PATIENCE):
                await sleep(self._pace.after_failure)
            elif len(self._waiting) < BATCH:
                await sleep(self._pace.note)

    async def close(self) -> None:
        """Write what is left, if the ledger takes it now."""
        while self._waiting and await self._write(CLOSING):
            pass
        if self._waiting:
            self._lose(len(self._waiting), "the process ends")

    async def _write(self, patience: float) -> bool:
        batch = list(islice(self._waiting.values(), BATCH))
        try:
            await within(patience, self._ledger.queued(batch))
        except LedgerUnavailable as error:
            # They stay and are written later; a note that is written twice changes nothing.
            self.failures += 1
            self.failing = True
            self._log.warning("notes", "the ledger took no notes: %s", error)
            return False
        except Exception as error:  # noqa: BLE001 - a bug here must not end the task
            # Not tried again: the same notes would meet the same bug for ever.
            self.failures += 1
            self._lose(len(batch), _where(error))
        self.failing = False
        for note in batch:
            del self._waiting[note.id]
        if not self._waiting:
            self._news.clear()
        return True

    def _lose(self, count: int, reason: str) -> None:
        self.lost += count
        self._log.warning("lost", "%d notes for the ledger are lost: %s", count, reason)


def _where(error: BaseException) -> str:
    # Without the error's text, which may hold an address.
    frames = "".join(traceback.format_tb(error.__traceback__))
    return f"unexpected {type(error).__name__}\n{frames}"
