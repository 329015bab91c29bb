"""The ledger's file: how it is opened, its tables, and the steps from each version to the next.

The version stands in `PRAGMA user_version`. A step, once released, is never edited: a change is a
new step at the end. Several processes may open one file at once; the steps run under the write
lock, so that one of them takes the steps and the others find them taken.
"""

import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path

from gomail.errors import ConfigurationError

WRITE_AHEAD_PAGES = 16_000
"""64 MB of write-ahead log; `sqlite_checkpoints` says who keeps it short."""
CACHE_KIB = 8_192

MIGRATIONS: Sequence[Sequence[str]] = (
    (
        # The last attempt stands in its email's row while it is under way (`open_…`; its number is
        # `attempts`, its provider the email's), and in `attempts` from its outcome on, so that the
        # usual email costs one row there, written once. `doubts` counts the rows there that have
        # no outcome or an unknown one. `redriven_at` is the number of the last redrive's entry:
        # receives count anew from there.
        # Secondary indexes end in the row's number: short, and in the order in which rows come.
        """
        CREATE TABLE emails (
          number INTEGER PRIMARY KEY,
          id TEXT NOT NULL UNIQUE,
          queued_at INTEGER NOT NULL,
          updated_at INTEGER NOT NULL,
          status TEXT NOT NULL,
          from_email TEXT NOT NULL COLLATE NOCASE,
          to_email TEXT NOT NULL COLLATE NOCASE,
          provider TEXT NOT NULL,
          code TEXT NOT NULL,
          detail TEXT NOT NULL,
          attempts INTEGER NOT NULL,
          doubts INTEGER NOT NULL,
          open_since INTEGER,
          open_doubtful INTEGER NOT NULL,
          open_owner TEXT NOT NULL,
          redriven_at INTEGER NOT NULL
        )
        """,
        "CREATE INDEX emails_by_time ON emails (queued_at)",
        "CREATE INDEX emails_by_status ON emails (status, queued_at)",
        "CREATE INDEX emails_by_from ON emails (from_email, queued_at)",
        "CREATE INDEX emails_by_to ON emails (to_email, queued_at)",
        "CREATE INDEX emails_by_provider ON emails (provider, queued_at) WHERE provider <> ''",
        """
        CREATE TABLE attempts (
          email INTEGER NOT NULL,
          number INTEGER NOT NULL,
          provider TEXT NOT NULL,
          started INTEGER NOT NULL,
          duration INTEGER,
          kind TEXT,
          code TEXT NOT NULL,
          detail TEXT NOT NULL,
          provider_id TEXT NOT NULL,
          possible_duplicate INTEGER NOT NULL,
          owner TEXT NOT NULL,
          PRIMARY KEY (email, number)
        ) WITHOUT ROWID
        """,
        # An event without an email is a verdict. Columns are half the size of JSON.
        # The newest event is never pruned, so that no sequence is ever given to a second event.
        """
        CREATE TABLE events (
          sequence INTEGER PRIMARY KEY,
          at INTEGER NOT NULL,
          email TEXT,
          status TEXT NOT NULL,
          provider TEXT NOT NULL,
          code TEXT NOT NULL,
          detail TEXT NOT NULL,
          number INTEGER NOT NULL,
          possible_duplicate INTEGER NOT NULL,
          owner TEXT NOT NULL
        )
        """,
        """
        CREATE TABLE counts (
          topic TEXT NOT NULL,
          provider TEXT NOT NULL,
          kind TEXT NOT NULL,
          value INTEGER NOT NULL,
          PRIMARY KEY (topic, provider, kind)
        ) WITHOUT ROWID
        """,
        """
        CREATE TABLE claims (
          key TEXT PRIMARY KEY,
          fingerprint TEXT NOT NULL,
          message_id TEXT NOT NULL,
          leased_until INTEGER NOT NULL,
          kept_until INTEGER NOT NULL,
          answer BLOB
        ) WITHOUT ROWID
        """,
        "CREATE INDEX claims_by_end ON claims (kept_until)",
        """
        CREATE TABLE processes (
          owner TEXT PRIMARY KEY,
          at INTEGER NOT NULL,
          report TEXT NOT NULL
        ) WITHOUT ROWID
        """,
    ),
    (
        # JSON of `About`; NULL for most emails, which have no rows in the two tables below either.
        "ALTER TABLE emails ADD COLUMN about TEXT",
        # Everybody but the first recipient, whom the email's own row names; `at` is its queued_at.
        """
        CREATE TABLE recipients (
          address TEXT NOT NULL COLLATE NOCASE,
          at INTEGER NOT NULL,
          email INTEGER NOT NULL,
          PRIMARY KEY (address, at, email)
        ) WITHOUT ROWID
        """,
        "CREATE INDEX recipients_by_email ON recipients (email)",
        # A row without a body has left the schedule: a queue has it, or it was called back.
        """
        CREATE TABLE schedule (
          email INTEGER PRIMARY KEY,
          send_at INTEGER NOT NULL,
          leased_until INTEGER NOT NULL,
          released_at INTEGER NOT NULL,
          body TEXT
        )
        """,
        "CREATE INDEX schedule_by_time ON schedule (send_at) WHERE body IS NOT NULL",
    ),
    (
        # Milliseconds since the epoch, as everywhere, but with their fractions.
        """
        CREATE TABLE paces (
          provider TEXT PRIMARY KEY, due REAL NOT NULL, taken_at INTEGER NOT NULL
        ) WITHOUT ROWID
        """,
        """
        CREATE TABLE quota_used (
          provider TEXT NOT NULL,
          hour INTEGER NOT NULL,
          count INTEGER NOT NULL,
          PRIMARY KEY (provider, hour)
        ) WITHOUT ROWID
        """,
    ),
)


def open_file(path: Path, *, busy: float) -> sqlite3.Connection:
    """A connection to the file, which is made or brought up to date where necessary.

    Raises:
        ConfigurationError: the file is of a newer gomail.
        sqlite3.Error: it cannot be opened just now.
    """
    connection = sqlite3.connect(path, timeout=busy, isolation_level=None, check_same_thread=False)
    try:
        _use_write_ahead_log(connection, busy)
        for pragma in (
            "synchronous = NORMAL",  # a power cut may lose the last moments, never the file
            f"wal_autocheckpoint = {WRITE_AHEAD_PAGES}",
            f"cache_size = -{CACHE_KIB}",
        ):
            connection.execute(f"PRAGMA {pragma}")
        migrate(connection, name=str(path))
    except BaseException:
        connection.close()
        raise
    return connection


def migrate(
    connection: sqlite3.Connection,
    *,
    name: str = "the ledger",
    migrations: Sequence[Sequence[str]] = MIGRATIONS,
) -> None:
    """Take the steps that the file has not taken."""
    if _version(connection) == len(migrations):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = _version(connection)  # again: somebody else may have held the lock before
        _refuse_newer(version, len(migrations), name)
        for statement in [each for step in migrations[version:] for each in step]:
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {len(migrations)}")
        connection.execute("COMMIT")
    except BaseException:
        connection.rollback()
        raise


def _refuse_newer(version: int, known: int, name: str) -> None:
    if version > known:
        raise ConfigurationError(
            f"ledger: {name} has schema {version}, this gomail knows {known} at most; "
            "run the newer gomail, or name another file"
        )


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _use_write_ahead_log(connection: sqlite3.Connection, busy: float) -> None:
    """Switch a new file over; SQLite does not wait for others itself while it switches."""
    deadline = time.monotonic() + busy
    while True:
        try:
            if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
                connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return
