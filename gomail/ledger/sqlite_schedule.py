"""Emails that wait in the ledger's file for their time; each call is part of a book's transaction.

An email that somebody was given and that has gone on from its queue meanwhile has left the schedule
too, whether or not whoever put it there lived to say so.
"""

from collections.abc import Sequence

import orjson

from gomail.ledger import Due, Queued, Scheduled, Status
from gomail.ledger.sqlite_book import Book

_ADD = "INSERT INTO schedule VALUES (?, ?, 0, 0, ?)"
_DUE = """
SELECT number, id, status, send_at, body
  FROM schedule INDEXED BY schedule_by_time CROSS JOIN emails ON number = email
 WHERE body IS NOT NULL AND send_at <= ? AND leased_until <= ?
 ORDER BY send_at, email LIMIT ?
"""
_LEASE = "UPDATE schedule SET leased_until = ? WHERE email = ?"
_RELEASE = "UPDATE schedule SET body = NULL, released_at = max(released_at, ?) WHERE email = ?"
_RELEASE_IDS = """
UPDATE schedule SET body = NULL, released_at = max(released_at, ?)
 WHERE email IN (SELECT number FROM emails WHERE id IN (SELECT value FROM json_each(?)))
"""


def schedule(book: Book, emails: Sequence[Scheduled]) -> None:
    """Keep the bodies of emails that nobody has noted yet."""
    numbers = book.queued([each.email for each in emails])
    rows = [
        (numbers.pop(each.email.id), _send_at(each.email), each.body)
        for each in emails
        if each.email.id in numbers
    ]
    book.connection.executemany(_ADD, rows)


def due(book: Book, until: int, *, now: int, lease: int, limit: int) -> list[Due]:
    """Lease the earliest; the file's write lock keeps everybody else from them meanwhile."""
    book.write()
    taken: list[Due] = []
    while wanted := limit - len(taken):
        rows = book.connection.execute(_DUE, (until, now, wanted)).fetchall()
        waiting = [row for row in rows if row[2] == Status.SCHEDULED]
        gone_on = [row for row in rows if row[2] != Status.SCHEDULED]
        book.connection.executemany(_LEASE, [(now + lease, row[0]) for row in waiting])
        book.connection.executemany(_RELEASE, [(now, row[0]) for row in gone_on])
        taken += [Due(id_, send_at, body) for _, id_, _, send_at, body in waiting]
        if not gone_on:
            break
    return taken


def released(book: Book, ids: Sequence[str], *, at: int) -> None:
    """Forget the bodies of these."""
    book.write()
    book.connection.execute(_RELEASE_IDS, (at, orjson.dumps(list(ids)).decode()))


def _send_at(email: Queued) -> int:
    return email.about.send_at if email.about else 0
