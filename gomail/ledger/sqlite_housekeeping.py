"""What the ledger's file forgets, a little at a time, so that intents do not wait for it long."""

import sqlite3

from gomail.ledger.sqlite_book import Book

# An email that is still to be sent is not old, however long ago it was taken.
_OLD_EMAILS = """
SELECT number FROM emails INDEXED BY emails_by_time
 WHERE queued_at < ? AND coalesce(json_extract(about, '$.send_at'), 0) < ?
   AND NOT EXISTS (SELECT 1 FROM schedule WHERE email = number AND body IS NOT NULL)
 ORDER BY queued_at LIMIT ?
"""


def prune(book: Book, before: int, *, limit: int, max_events: int) -> int:
    """Forget at most `limit` of each: old emails, old or surplus events, old keys."""
    book.write()
    connection = book.connection
    return _prune_emails(connection, before, limit) + _prune_events(
        connection, before, limit, max_events
    )


def _prune_emails(connection: sqlite3.Connection, before: int, limit: int) -> int:
    numbers = connection.execute(_OLD_EMAILS, (before, before, limit)).fetchall()
    for table in ("attempts", "recipients", "schedule"):
        connection.executemany(f"DELETE FROM {table} WHERE email = ?", numbers)  # noqa: S608 - names of this file
    connection.executemany("DELETE FROM emails WHERE number = ?", numbers)
    keys = connection.execute(
        "DELETE FROM claims WHERE key IN "
        "(SELECT key FROM claims WHERE kept_until < ? ORDER BY kept_until LIMIT ?)",
        (before, limit),
    )
    return len(numbers) + keys.rowcount


def _prune_events(connection: sqlite3.Connection, before: int, limit: int, max_events: int) -> int:
    """Events are told in order, so the oldest stand first; the newest always stays."""
    oldest, newest = connection.execute(
        "SELECT min(sequence), max(sequence) FROM events"
    ).fetchone()
    if newest is None:
        return 0
    old = connection.execute(
        "SELECT max(sequence) FROM "
        "(SELECT sequence, at FROM events ORDER BY sequence LIMIT ?) WHERE at < ?",
        (limit, before),
    ).fetchone()[0]
    surplus = min(newest - max_events, oldest + limit - 1)
    last = min(max(old or 0, surplus), newest - 1)
    return connection.execute("DELETE FROM events WHERE sequence <= ?", (last,)).rowcount
