"""What the ledger's file forgets, a little at a time, so that intents do not wait for it long."""

import sqlite3
from typing import Any

import orjson

from gomail.ledger import ERASED
from gomail.ledger.sqlite_book import Book

# An email that is still to be sent is not old, however long ago it was taken.
_OLD_EMAILS = """
SELECT number FROM emails INDEXED BY emails_by_time
 WHERE queued_at < ? AND coalesce(json_extract(about, '$.send_at'), 0) < ?
   AND NOT EXISTS (SELECT 1 FROM schedule WHERE email = number AND body IS NOT NULL)
 ORDER BY queued_at LIMIT ?
"""

# UNION ALL ends at the limit, UNION would read them all; an email that comes twice is erased twice.
_EMAILS_OF = """
SELECT number, queued_at, to_email, about FROM emails
 WHERE to_email IN (SELECT value FROM json_each(:addresses)) AND status <> 'scheduled'
 UNION ALL
SELECT number, queued_at, to_email, about FROM emails
 WHERE from_email IN (SELECT value FROM json_each(:addresses)) AND status <> 'scheduled'
 UNION ALL
SELECT number, queued_at, to_email, about FROM recipients CROSS JOIN emails ON number = email
 WHERE address IN (SELECT value FROM json_each(:addresses)) AND status <> 'scheduled'
 LIMIT :limit
"""
# SQLite's lower() knows ASCII alone, as `folded` does; 'erased' is the port's `ERASED`.
_ERASE_EMAIL = """
UPDATE emails SET
       from_email = iif(
         from_email IN (SELECT value FROM json_each(:addresses)), 'erased', from_email
       ),
       to_email = iif(to_email IN (SELECT value FROM json_each(:addresses)), 'erased', to_email),
       detail = iif(
         EXISTS (SELECT 1 FROM json_each(:addresses) WHERE instr(lower(detail), value)), '', detail
       ),
       about = :about
 WHERE number = :number
"""
_ERASE_ATTEMPTS = """
UPDATE attempts SET detail = ''
 WHERE email = :number
   AND EXISTS (SELECT 1 FROM json_each(:addresses) WHERE instr(lower(detail), value))
"""
_ERASE_EVENTS = """
UPDATE events SET detail = ''
 WHERE sequence > :after AND sequence <= :last AND detail <> ''
   AND EXISTS (SELECT 1 FROM json_each(:addresses) WHERE instr(lower(detail), value))
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


def folded(address: str) -> str:
    """Lower case, of ASCII letters only, as the file compares addresses."""
    return "".join(each.lower() if each.isascii() else each for each in address)


def forget(book: Book, addresses: frozenset[str], *, limit: int) -> int:
    """Erase folded addresses from at most `limit` emails that are not scheduled; how many."""
    book.write()
    connection = book.connection
    # What is erased is overwritten in the file, too.
    connection.execute("PRAGMA secure_delete = ON")
    wanted = {"addresses": _packed(addresses)}
    rows = connection.execute(_EMAILS_OF, wanted | {"limit": limit}).fetchall()
    emails = {number: rest for number, *rest in rows}
    for number, (queued_at, first, about) in emails.items():
        more = about and _without(orjson.loads(about), addresses)
        values = wanted | {"number": number}
        packed = orjson.dumps(more).decode() if more else None
        connection.execute(_ERASE_EMAIL, values | {"about": packed})
        connection.execute(_ERASE_ATTEMPTS, values)
        if more:
            to = ERASED if folded(first) in addresses else folded(first)
            connection.execute("DELETE FROM recipients WHERE email = ?", (number,))
            connection.executemany(
                "INSERT OR IGNORE INTO recipients VALUES (?, ?, ?)",
                [(other, queued_at, number) for other in more["recipients"] if folded(other) != to],
            )
    connection.execute("PRAGMA secure_delete = OFF")
    return len(emails)


def _packed(addresses: frozenset[str]) -> str:
    return orjson.dumps(list(addresses)).decode()


def _without(about: dict[str, Any], addresses: frozenset[str]) -> dict[str, Any]:
    """`erased` is for `sqlite_book`: no detail of this email is to be kept from now on."""
    others = [ERASED if folded(each) in addresses else each for each in about["recipients"]]
    return {**about, "recipients": others, "metadata": [], "erased": True}


def forget_events(book: Book, addresses: frozenset[str], after: int, *, limit: int) -> int | None:
    """Empty details that quote one of these folded addresses, in the next `limit` events.

    Answers where to go on; None at the end.
    """
    book.write()
    oldest = book.connection.execute("SELECT min(sequence) FROM events").fetchone()[0] or 0
    after = max(after, oldest - 1)
    newest = book.connection.execute("SELECT max(sequence) FROM events").fetchone()[0] or 0
    book.connection.execute("PRAGMA secure_delete = ON")
    values = {"addresses": _packed(addresses), "after": after, "last": after + limit}
    book.connection.execute(_ERASE_EVENTS, values)
    book.connection.execute("PRAGMA secure_delete = OFF")
    return after + limit if after + limit < newest else None
