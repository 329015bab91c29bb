"""Talks to SQLite: keeps queues and messages in a file, so that they outlive a kill of the process.

Changes of one turn of the event loop share one commit; `committed` is awaited before an answer goes
out. `synchronous=OFF` keeps everything when the process dies, not when the machine loses power.
"""

from __future__ import annotations

import asyncio
import sqlite3
from itertools import groupby
from typing import TYPE_CHECKING, Any

import orjson

from sandbox.attributes import Settings
from sandbox.errors import Refused
from sandbox.message import Message, State, digest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox.queue import Queue
    from sandbox.queues import Queues

_SCHEMA = """
CREATE TABLE IF NOT EXISTS queue (
  uid TEXT PRIMARY KEY, name TEXT NOT NULL, created INTEGER, modified INTEGER, attributes TEXT
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS message (
  seq INTEGER PRIMARY KEY, state INTEGER, due REAL, receives INTEGER, first_received_ms INTEGER,
  received_at REAL, queue TEXT NOT NULL, id TEXT, sent_ms INTEGER, extra BLOB, body TEXT
);
"""
_ADD = "INSERT INTO message VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_CHANGE = (
    "UPDATE message SET state = ?, due = ?, receives = ?, first_received_ms = ?, received_at = ?"
    " WHERE seq = ?"
)
_REMOVE = "DELETE FROM message WHERE seq = ?"
_EMPTY = "DELETE FROM message WHERE queue = ?"
_QUEUE = "INSERT OR REPLACE INTO queue VALUES (?, ?, ?, ?, ?)"
_DELETE_QUEUE = "DELETE FROM queue WHERE uid = ?"


class NoStore:
    """Keeps nothing: queues live in memory only."""

    def load(self, queues: Queues) -> None:
        """There is nothing to load."""

    async def committed(self) -> None:
        """There is nothing to wait for."""

    def close(self) -> None:
        """There is nothing to close."""

    def created(self, queue: Queue) -> None:
        """Forget it."""

    def deleted(self, queue: Queue) -> None:
        """Forget it."""

    def added(self, queue: Queue, message: Message) -> None:
        """Forget it."""

    def changed(self, message: Message) -> None:
        """Forget it."""

    def removed(self, message: Message) -> None:
        """Forget it."""

    def emptied(self, queue: Queue) -> None:
        """Forget it."""


class SqliteStore:
    """Writes every change to a file, in the order in which it happened."""

    def __init__(self, path: str) -> None:
        self._db = sqlite3.connect(path, isolation_level=None, timeout=0.2)
        # A second process on the file would disagree with the first one's memory about everything.
        self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = OFF")
        self._db.executescript(_SCHEMA)
        self._pending: list[tuple[str, tuple[Any, ...]]] = []
        self._commit: asyncio.Future[None] | None = None

    def load(self, queues: Queues) -> None:
        """Give the queues back what the file holds."""
        rows = self._db.execute("SELECT uid, name, created, modified, attributes FROM queue")
        for uid, name, created, modified, attributes in rows.fetchall():
            settings = Settings(name, created, modified, orjson.loads(attributes))
            queues.restore(uid, settings, self._messages(uid))

    async def committed(self) -> None:
        """Return once everything reported so far is in the file."""
        if not self._pending:
            return
        if self._commit is None:
            loop = asyncio.get_running_loop()
            self._commit = loop.create_future()
            loop.call_soon(self.flush)
        await asyncio.shield(self._commit)

    def flush(self) -> None:
        """Write what is pending in one transaction."""
        pending, self._pending = self._pending, []
        waiting, self._commit = self._commit, None
        try:
            self._write(pending)
        except sqlite3.Error as error:
            # What could not be written is tried again with the next change, in its order.
            self._db.rollback()
            self._pending = pending + self._pending
            if waiting is None:
                raise
            waiting.set_exception(Refused("InternalFailure", f"Nothing could be kept: {error}"))
        else:
            if waiting is not None:
                waiting.set_result(None)

    def close(self) -> None:
        """Write what is pending and let go of the file."""
        if self._pending:
            self.flush()
        self._db.close()

    def created(self, queue: Queue) -> None:
        """Keep a queue's settings."""
        s = queue.settings
        row = (queue.uid, s.name, s.created, s.modified, orjson.dumps(s.values).decode())
        self._pending.append((_QUEUE, row))

    def deleted(self, queue: Queue) -> None:
        """Forget a queue."""
        self._pending.append((_DELETE_QUEUE, (queue.uid,)))

    def added(self, queue: Queue, message: Message) -> None:
        """Keep a new message."""
        m = message
        extra = orjson.dumps([m.attributes, m.system, m.group, m.source_arn])
        row = (
            *(m.seq, int(m.state), m.due, m.receives, m.first_received_ms, m.received_at),
            *(queue.uid, m.id, m.sent_ms, extra, m.body),
        )
        self._pending.append((_ADD, row))

    def changed(self, message: Message) -> None:
        """Keep a message's new count and visibility."""
        m = message
        row = (int(m.state), m.due, m.receives, m.first_received_ms, m.received_at, m.seq)
        self._pending.append((_CHANGE, row))

    def removed(self, message: Message) -> None:
        """Forget a message."""
        self._pending.append((_REMOVE, (message.seq,)))

    def emptied(self, queue: Queue) -> None:
        """Forget all messages of a queue."""
        self._pending.append((_EMPTY, (queue.uid,)))

    def _write(self, pending: list[tuple[str, tuple[Any, ...]]]) -> None:
        self._db.execute("BEGIN")
        for statement, rows in groupby(pending, key=lambda change: change[0]):
            self._db.executemany(statement, [row for _, row in rows])
        self._db.execute("COMMIT")

    def _messages(self, uid: str) -> Iterator[Message]:
        rows = self._db.execute("SELECT * FROM message WHERE queue = ? ORDER BY seq", (uid,))
        for seq, state, due, receives, first_ms, received_at, _, id_, sent_ms, extra, body in rows:
            attributes, system, group, source_arn = orjson.loads(extra)
            yield Message(
                *(seq, id_, body, digest(body), attributes, system, group, sent_ms),
                *(State(state), due, receives, first_ms, received_at, source_arn),
            )
