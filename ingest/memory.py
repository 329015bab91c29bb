"""The ledger's parts while the application lives, and what goes on around them in the background.

They end in this order: streams, the notes that are left, the keys under way, the ledger.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from gomail.ledger import Ledger
from gomail.settings import Settings
from ingest.feed import Feed
from ingest.idempotency import Keys
from ingest.leaving import told
from ingest.notes import Notes
from ingest.pace import Pace
from ingest.parts import Memory
from ingest.pruning import keep_pruning
from ingest.pulse import Pulse
from ingest.quiet import QuietLog

_log = logging.getLogger(__name__)


@asynccontextmanager
async def remembering(
    ledger: Ledger | None, settings: Settings, pace: Pace
) -> AsyncIterator[Memory | None]:
    """The parts around an open ledger; closes it at the end."""
    if ledger is None:
        yield None
        return
    memory = _memory(ledger, settings, pace)
    pruning = keep_pruning(
        ledger,
        keep=timedelta(days=settings.ledger.retention_days),
        now=lambda: time.time_ns() // 1_000_000,
        pace=pace,
        quiet=memory.log,
    )
    tasks = [asyncio.create_task(memory.notes.keep_writing()), asyncio.create_task(pruning)]
    try:
        with told(memory.feed.close):
            yield memory
    finally:
        memory.feed.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await memory.notes.close()
        await memory.keys.close()
        await ledger.close()


def _memory(ledger: Ledger, settings: Settings, pace: Pace) -> Memory:
    now = asyncio.get_running_loop().time
    log = QuietLog(_log, now=now)
    notes = Notes(ledger, pace=pace, log=log)
    return Memory(
        ledger,
        notes,
        Keys(ledger, enqueue_timeout=settings.ingest.enqueue_timeout, log=log),
        Feed(ledger, pace=pace, log=log),
        Pulse(ledger, notes, patience=settings.ledger.patience, now=now, log=log),
        log,
    )
