"""A thread that moves what has been written ahead into the ledger's file proper.

SQLite would have a commit do it, which then waits for the disk: 0.2 s were measured, longer than a
send waits for its intent. A checkpoint in another thread holds nobody up. While others write it
leaves a rest, so that the write-ahead log is not begun anew; once that is `WRITE_AHEAD_PAGES` long,
a commit does the rest. So that this is small, and the commit short, checkpoints follow closely upon
each other where the log is long (20 ms became 6, at 1,000 emails a second).
"""

import logging
import sqlite3
import threading

from gomail.errors import ConfigurationError
from gomail.ledger.sqlite_schema import WRITE_AHEAD_PAGES
from gomail.ledger.sqlite_threads import Open, ended

log = logging.getLogger(__name__)

PAUSE = 1.0
"""Seconds between two checkpoints; one with nothing to do costs microseconds."""
SHORT_PAUSE = 0.1
"""The same from when the log is half full."""


class Checkpoints:
    """Checkpoints a file until it is closed."""

    def __init__(self, open_file: Open) -> None:
        self._open_file = open_file
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ledger checkpoints", daemon=True)
        self._thread.start()

    async def close(self) -> None:
        """End once the checkpoint under way is done."""
        self._ended.set()
        await ended(self._thread)

    def _run(self) -> None:
        connection: sqlite3.Connection | None = None
        pause = PAUSE
        while not self._ended.wait(pause):
            try:
                connection = connection or self._open_file()
                row = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
                pause = pause_after(row[1])
            except (sqlite3.Error, ConfigurationError) as error:
                log.warning("ledger: checkpoint: %s", error)  # the next may succeed
                if connection is not None:
                    connection.close()
                connection, pause = None, PAUSE
        if connection is not None:
            connection.close()


def pause_after(pages: int) -> float:
    """Seconds until the next checkpoint, by the pages in the log."""
    return SHORT_PAUSE if 2 * pages > WRITE_AHEAD_PAGES else PAUSE
