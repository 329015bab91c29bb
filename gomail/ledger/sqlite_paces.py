"""What all processes that share the ledger's file take of each provider's rate and quota.

One read and one write a provider and transaction, however many take; the file's write lock keeps
everybody else away meanwhile.
"""

import sqlite3
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from gomail.ledger import SET_BACK, Take, Turn
from gomail.ledger.sqlite_book import Book

HOUR = 3_600_000
HOURS = 24

# Of hours ahead of the clock only those stay that a clock set back by less than a day leaves:
# their recipients may count twice as long, and the quota is kept.
_FORGET = "DELETE FROM quota_used WHERE provider = ? AND hour NOT BETWEEN ? AND ?"
_READ = """
SELECT (SELECT due FROM paces WHERE provider = ?1 AND taken_at <= ?2),
       (SELECT sum(count) FROM quota_used WHERE provider = ?1)
"""
_PACE = "REPLACE INTO paces VALUES (?, ?, ?)"
_USE = """
INSERT INTO quota_used VALUES (?, ?, ?)
    ON CONFLICT DO UPDATE SET count = count + excluded.count
"""


@dataclass(slots=True)
class _Account:
    """What was taken of one provider; times in milliseconds."""

    due: float | None
    """None where nothing is to be paid for."""
    used: int
    """Recipients of all hours that may overlap the last 24 of them."""
    paced: bool = False
    """Whether `due` was looked at."""
    new: Counter[int] = field(default_factory=Counter)
    """Recipients to be added, by the hour in which they are sent to."""

    def take(self, asked: Take, now: int) -> Turn:
        if asked.quota is not None and self.used + asked.count > asked.quota:
            return Turn(0.0, over_quota=True)
        at = float(now)
        if asked.rate is not None:
            apart = 1_000 / asked.rate
            due = now if self.due is None else max(now, self.due)
            at = max(at, due - (asked.burst - 1) * apart)
            self.due, self.paced = due + asked.count * apart, True
        self.used += asked.count
        # Not by the hour in which it was taken: any 24 hours of sends must keep the quota.
        self.new[int(at) // HOUR] += asked.count
        return Turn((at - now) / 1_000)


def take(book: Book, takes: Sequence[Take], *, now: int) -> list[Turn]:
    """Share out rate and quota, in this order."""
    connection = book.connection
    accounts = {name: _read(connection, name, now) for name in {each.provider for each in takes}}
    turns = [accounts[each.provider].take(each, now) for each in takes]
    for name, account in accounts.items():
        _write(connection, name, account, now)
    return turns


def _read(connection: sqlite3.Connection, provider: str, now: int) -> _Account:
    hour = now // HOUR
    connection.execute(_FORGET, (provider, hour - HOURS, hour + HOURS))
    latest = now + int(SET_BACK * 1_000)
    due, used = connection.execute(_READ, (provider, latest)).fetchone()
    return _Account(due, used or 0)


def _write(connection: sqlite3.Connection, provider: str, account: _Account, now: int) -> None:
    if account.paced:
        connection.execute(_PACE, (provider, account.due, now))
    if account.new:
        connection.executemany(_USE, [(provider, *each) for each in account.new.items()])
