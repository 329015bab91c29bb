"""What readers ask of the ledger's file: one email, pages of emails, events, counts.

A page is read along one index, chosen by the filter: the recipient's (one of first recipients and
one of further ones), else the sender's, the provider's, the state's, else that of time alone. With
more than one of these four the others are checked row by row, on at most `MOST_SCANNED` rows of an
index a page; a page may then be short, or empty, and still name the next.
"""

import base64
import binascii
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import orjson

from gomail.ledger import (
    REPORT_LIFE,
    About,
    Attempt,
    EmailRecord,
    Event,
    EventKind,
    ExitReport,
    Filter,
    Page,
    ProcessReport,
    Stats,
    Status,
)
from gomail.ledger.sqlite_book import HEALTHY
from gomail.outcome import OutcomeClass

MOST_SCANNED = 10_000
LARGEST = 2**63 - 1

_EMAIL = (
    "SELECT id, status, queued_at, updated_at, from_email, to_email, provider, code, detail,"
    " about, number"
)
_ATTEMPTS = """
SELECT number, provider, started, duration, kind, code, detail, provider_id, possible_duplicate
  FROM attempts WHERE email = ?
 UNION ALL
SELECT attempts, provider, open_since, NULL, NULL, '', '', '', open_doubtful
  FROM emails WHERE number = ? AND open_since IS NOT NULL
 ORDER BY 1
"""
_EVENT = (
    "SELECT sequence, at, email, status, provider, code, detail, number, possible_duplicate, owner"
    " FROM events"
)

_EXIT = tuple(each.name for each in fields(ExitReport))

_Place = tuple[int, int]
"""Where a page begins: after the row with this queued_at and number."""


def email(connection: sqlite3.Connection, email_id: str) -> EmailRecord | None:
    """One email with its attempts, as of one moment."""
    connection.execute("BEGIN")
    try:
        row = connection.execute(f"{_EMAIL} FROM emails WHERE id = ?", (email_id,)).fetchone()
        if row is None:
            return None
        attempts = connection.execute(_ATTEMPTS, (row[-1],) * 2).fetchall()
    finally:
        connection.execute("COMMIT")
    return _email(row, tuple(_attempt(each) for each in attempts))


@dataclass(frozen=True, slots=True)
class _Path:
    """A way along an index to the emails that the first condition is true of, newest first."""

    table: str
    lead: str | None = None
    at: str = "queued_at"
    """Names of the columns that the index is ordered by after those of the lead."""
    number: str = "number"
    emails: str = ""
    """What joins the emails where the table is another."""


_BY_TIME = (_Path("emails INDEXED BY emails_by_time"),)
_PATHS = {
    "to": (
        _Path("emails INDEXED BY emails_by_to", "to_email = ?"),
        _Path("recipients", "address = ?", "at", "email", " CROSS JOIN emails ON number = email"),
    ),
    "from": (_Path("emails INDEXED BY emails_by_from", "from_email = ?"),),
    # The words of its index, which leaves untried emails out.
    "provider": (_Path("emails INDEXED BY emails_by_provider", "provider = ? AND provider <> ''"),),
    "status": (_Path("emails INDEXED BY emails_by_status", "status = ?"),),
}
_OTHERS = {"from": "from_email = ?", "provider": "provider = ?", "status": "status = ?"}


def page(
    connection: sqlite3.Connection, which: Filter, *, after: _Place | None, limit: int
) -> Page:
    """A page of emails, newest first."""
    asked = {
        name: str(value)
        for name, value in (
            ("to", which.to_email),
            ("from", which.from_email),
            ("provider", which.provider),
            ("status", which.status),
        )
        if value is not None
    }
    first = next(iter(asked), None)
    paths = _PATHS[first] if first else _BY_TIME
    values: list[object] = list(asked.values())
    others = [_OTHERS[name] for name in list(asked)[1:]]
    times, time_values = _times(which, after)
    end = None
    if others:
        end = _end_of_scan(connection, paths, times, [*values[:1], *time_values])
        if end is not None:
            times, time_values = [*times, _NOT_BEFORE], [*time_values, end[0], *end]
    rows = [
        row
        for path in paths
        for row in connection.execute(
            f"{_EMAIL} FROM {path.table}{path.emails}{_where(path, [*times, *others])}"
            f"{_newest_first(path)}",
            (*values[:1], *time_values, *values[1:], limit + 1),
        )
    ]
    if len(paths) > 1:
        rows.sort(key=_place_of, reverse=True)
    if len(rows) > limit:
        rows = rows[:limit]
        end = _place_of(rows[-1])
    return Page(tuple(_email(row) for row in rows), cursor(end) if end else None)


def _place_of(row: Sequence[Any]) -> _Place:
    return row[2], row[-1]


def _end_of_scan(
    connection: sqlite3.Connection, paths: Sequence[_Path], times: list[str], values: list[object]
) -> _Place | None:
    """The last row that a page may look at; None where there are fewer."""
    ends = [
        connection.execute(
            f"SELECT {path.at}, {path.number} FROM {path.table}"  # noqa: S608 - words of this file
            f"{_where(path, times)}{_newest_first(path)} OFFSET {MOST_SCANNED - 1}",
            (*values, 1),
        ).fetchone()
        for path in paths
    ]
    return max((end for end in ends if end), default=None)


# A plain comparison of the times goes first: the index serves it, and the rest breaks its ties.
_NOT_AFTER = "{at} <= ? AND ({at}, {number}) < (?, ?)"
_NOT_BEFORE = "{at} >= ? AND ({at}, {number}) >= (?, ?)"


def _times(which: Filter, after: _Place | None) -> tuple[list[str], list[object]]:
    conditions: list[str] = []
    values: list[object] = []
    if which.since is not None:
        conditions.append("{at} >= ?")
        values.append(which.since)
    if which.until is not None:
        conditions.append("{at} < ?")
        values.append(which.until)
    if after is not None:
        conditions.append(_NOT_AFTER)
        values += [after[0], *after]
    return conditions, values


def _where(path: _Path, conditions: list[str]) -> str:
    words = [path.lead] if path.lead else []
    words += [each.format(at=path.at, number=path.number) for each in conditions]
    return f" WHERE {' AND '.join(words)}" if words else ""


def _newest_first(path: _Path) -> str:
    return f" ORDER BY {path.at} DESC, {path.number} DESC LIMIT ?"


def cursor(place: _Place) -> str:
    """A place in a list, as a word without meaning."""
    return base64.urlsafe_b64encode(f"{place[0]}.{place[1]}".encode()).decode().rstrip("=")


def place(word: str) -> _Place:
    """The place that a cursor stands for.

    Raises:
        ValueError: it is not one of ours.
    """
    try:
        text = base64.b64decode(word + "=" * (-len(word) % 4), altchars=b"-_", validate=True)
        queued_at, number = (int(part) for part in text.decode("ascii").split("."))
    except (ValueError, binascii.Error) as error:
        raise ValueError("the cursor is not one of ours") from error
    if max(abs(queued_at), abs(number)) > LARGEST or cursor((queued_at, number)) != word:
        raise ValueError("the cursor is not one of ours")
    return queued_at, number


def sequence(word: str) -> int:
    """The number of an event; that before the first for a word that is none."""
    return min(int(word), LARGEST) if word.isascii() and word.isdigit() else 0


def events(connection: sqlite3.Connection, after: int | None, *, limit: int) -> list[Event]:
    """Events after a sequence; from the oldest where the file never had that sequence."""
    if after is None:
        rows = connection.execute(f"{_EVENT} ORDER BY sequence DESC LIMIT 1").fetchall()
    else:
        newest = connection.execute("SELECT max(sequence) FROM events").fetchone()[0] or 0
        rows = connection.execute(
            f"{_EVENT} WHERE sequence > ? ORDER BY sequence LIMIT ?",
            (after if after <= newest else 0, limit),
        ).fetchall()
    return [_event(row) for row in rows]


def _event(row: Sequence[Any]) -> Event:
    sequence, at, email_id, status, provider, code, detail, number, possible_duplicate, owner = row
    data: dict[str, str | int | bool]
    if email_id is None:
        healthy = status == HEALTHY
        data = {"provider": provider, "healthy": healthy, "verdict": number, "owner": owner}
        return Event(str(sequence), EventKind.VERDICT, at, data)
    data = {
        "id": email_id,
        "status": status,
        "provider": provider,
        "code": code,
        "detail": detail,
        "number": number,
        "possibleDuplicate": bool(possible_duplicate),
    }
    return Event(str(sequence), EventKind.STATUS, at, data)


def stats(connection: sqlite3.Connection, now: int) -> Stats:
    """Counts, which every transaction has kept, and what living processes say."""
    counts = {
        (topic, provider, kind): value
        for topic, provider, kind, value in connection.execute("SELECT * FROM counts")
    }
    reports = connection.execute(
        "SELECT report FROM processes WHERE at >= ? ORDER BY owner", (now - REPORT_LIFE,)
    ).fetchall()
    return Stats(
        by_status={Status(key[2]): n for key, n in counts.items() if key[0] == "emails" and n},
        sent_by_provider={key[1]: n for key, n in counts.items() if key[0] == "sent"},
        attempts={
            (key[1], OutcomeClass(key[2])): n for key, n in counts.items() if key[0] == "attempts"
        },
        possible_duplicates=counts.get(("possible duplicates", "", ""), 0),
        processes=tuple(_report(report) for (report,) in reports),
    )


def _email(row: Sequence[Any], attempts: tuple[Attempt, ...] = ()) -> EmailRecord:
    *words, _number = row
    record = EmailRecord(*words)
    about = record.about and _about(str(record.about))
    return replace(record, status=Status(record.status), about=about, attempts=attempts)


def _about(text: str) -> About:
    about = orjson.loads(text)
    return About(
        recipients=tuple(about["recipients"]),
        tags=tuple(about["tags"]),
        metadata=tuple((key, value) for key, value in about["metadata"]),
        send_at=about["send_at"],
    )


def _attempt(row: Sequence[Any]) -> Attempt:
    attempt = Attempt(*row)
    return replace(
        attempt,
        kind=OutcomeClass(attempt.kind) if attempt.kind else None,
        possible_duplicate=bool(attempt.possible_duplicate),
    )


def _report(text: str) -> ProcessReport:
    report = orjson.loads(text)
    exits = tuple(_exit(each) for each in report["exits"])
    return ProcessReport(report["owner"], report["at"], exits)


def _exit(told: dict[str, Any]) -> ExitReport:
    """An older process leaves out what it does not know; a newer one tells more than we know."""
    return ExitReport(**{name: told[name] for name in _EXIT if name in told})
