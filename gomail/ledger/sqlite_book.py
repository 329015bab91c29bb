"""One transaction on the ledger's file: read the emails it is about, change them, write them back.

Everything that is pending at one time shares a transaction, so its emails are read by one statement
and each table is written by one. What a change means is decided here, in memory, under the file's
write lock: no other process can change the same emails meanwhile.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import orjson

from gomail.ledger import (
    KILLER,
    REDRIVEN,
    REDRIVEN_AFTER,
    REPORT_LIFE,
    SUSPECT,
    TERMINAL,
    About,
    Cancellation,
    Claim,
    ClaimState,
    Intent,
    Known,
    ProcessReport,
    Queued,
    Recorded,
    Status,
)
from gomail.outcome import OutcomeClass

STALE_REPORT = 3_600_000
"""Milliseconds after which the report of a process that is gone is thrown away."""

HEALTHY, UNHEALTHY = "healthy", "unhealthy"
"""What stands for the status in an event that is a verdict."""

_ENDED = frozenset(status.value for status in TERMINAL)
_REDRIVABLE = frozenset({Status.REFUSED.value, Status.FAILED.value})
_CANCELABLE = frozenset({Status.SCHEDULED.value, Status.QUEUED.value, Status.RETRYING.value})

# One row for all emails, and few statements for all rows below: each step of SQLite lets go of the
# interpreter's lock and has to win it back from the loop that sends.
_LOAD = """
SELECT json_group_array(json_array(
         number, id, status, provider, attempts, doubts, open_since, open_doubtful, open_owner,
         updated_at, code, detail, queued_at, redriven_at,
         to_email = 'erased' OR from_email = 'erased' OR instr(about, '"erased":true') > 0))
  FROM emails WHERE id IN (SELECT value FROM json_each(?))
"""
_INSERT_EMAIL = "INSERT INTO emails VALUES {}"
_INSERT_RECIPIENT = "INSERT OR IGNORE INTO recipients VALUES {}"
_UPDATE_EMAIL = """
UPDATE emails SET updated_at = column1, status = column2, code = column3, detail = column4,
       attempts = column5, doubts = column6, open_since = column7, open_doubtful = column8,
       open_owner = column9, redriven_at = column10
  FROM (VALUES {}) WHERE number = column11
"""
_UPDATE_EMAIL_AND_PROVIDER = _UPDATE_EMAIL.replace(
    "redriven_at = column10", "redriven_at = column10, provider = column12"
)
"""Apart, because an index hangs on the provider, which every mention of it would touch."""
_READ_ATTEMPT = (
    "SELECT kind, possible_duplicate, owner FROM attempts WHERE email = ? AND number = ?"
)
_FIND_ATTEMPT = """
SELECT 1 FROM attempts WHERE email = ? AND provider = ? AND started = ? AND kind IS NOT NULL
"""
_FIND_ACCEPTED = "SELECT 1 FROM attempts WHERE email = ? AND kind = 'accepted'"
_FIND_LATER = "SELECT 1 FROM attempts WHERE email = ? AND started > ? AND provider <> ''"
_FIND_UNDER_WAY = """
SELECT 1 FROM attempts
WHERE email = ? AND kind IS NULL AND provider <> '' AND owner NOT IN ('', ?)
  AND abs(? - started) < ?
"""
_READ_STARTED = "SELECT started FROM attempts WHERE email = ? AND number = ?"
_READ_UNENDED = """
SELECT number, owner FROM attempts WHERE email = ? AND number > ? AND kind IS NULL
"""
_WRITE_ATTEMPT = """
INSERT INTO attempts VALUES {}
    ON CONFLICT (email, number) DO UPDATE SET
       started = iif(excluded.started, excluded.started, started),
       duration = excluded.duration, kind = excluded.kind, code = excluded.code,
       detail = excluded.detail, provider_id = excluded.provider_id,
       possible_duplicate = excluded.possible_duplicate
"""
_WRITE_EVENT = """
INSERT INTO events
       (at, email, status, provider, code, detail, number, possible_duplicate, owner)
VALUES {}
"""
_WRITE_COUNT = """
INSERT INTO counts VALUES {}
    ON CONFLICT DO UPDATE SET value = value + excluded.value
"""


@dataclass(slots=True)
class _Email:
    """An email's row, as it was read and as it is to be."""

    number: int
    id: str
    status: str = ""
    """Plain words here and below: what goes to and fro between enums and SQLite costs time."""
    provider: str = ""
    attempts: int = 0
    doubts: int = 0
    open_since: int | None = None
    open_doubtful: bool = False
    open_owner: str = ""
    updated_at: int = 0
    code: str = ""
    detail: str = ""
    queued_at: int = 0
    redriven_at: int = 0
    erased: bool | None = False
    """Whether an address of it was to be forgotten; a detail may quote it."""
    provider_before: str = ""
    new: tuple[str, str, About | None] | None = None
    """From, to and more of an email that is not in the file yet."""

    @property
    def moved(self) -> bool:
        """Whether another provider has it now than the file says."""
        return self.provider != self.provider_before


_SIZES = (64, 16, 4, 1)
"""Rows of one statement; each size is prepared once and kept by the connection."""

_Attempt = tuple[str | None, bool, str]
"""Outcome, doubt and owner of an attempt."""


class Book:
    """What one transaction reads and writes; `write` before the commit."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self._open()

    def _open(self) -> None:
        self._emails: dict[str, _Email | None] = {}
        self._changed: dict[str, _Email] = {}
        self._attempts: list[tuple[object, ...]] = []
        self._told: dict[tuple[int, int], _Attempt] = {}
        self._unnumbered: set[tuple[int, str, int]] = set()
        self._redriven: dict[int, int] = {}
        self._events: list[tuple[object, ...]] = []
        self._counts: Counter[tuple[str, str, str]] = Counter()
        self._next_number: int | None = None
        self._reported: dict[str, int] | None = None

    def load(self, ids: Iterable[str]) -> None:
        """Read what is known of these emails, unless it has been read already."""
        missing = [each for each in dict.fromkeys(ids) if each not in self._emails]
        if not missing:
            return
        self._emails.update(dict.fromkeys(missing))
        rows = self.connection.execute(_LOAD, (orjson.dumps(missing).decode(),)).fetchone()[0]
        for row in orjson.loads(rows):
            email = self._emails[row[1]] = _Email(*row)
            email.provider_before = email.provider

    def write(self) -> None:
        """Bring everything that has changed into the file; what was read is forgotten."""
        emails = list(self._changed.values())
        new = [_row(each) for each in emails if each.new]
        same = [(*_state(each), each.number) for each in emails if not each.new and not each.moved]
        moved = [
            (*_state(each), each.number, each.provider)
            for each in emails
            if not each.new and each.moved
        ]
        further = [row for each in emails if each.new and each.new[2] for row in _further(each)]
        counts = [(*what, change) for what, change in self._counts.items() if change]
        self._write(_INSERT_EMAIL, new)
        self._write(_INSERT_RECIPIENT, further)
        self._write(_UPDATE_EMAIL, same)
        self._write(_UPDATE_EMAIL_AND_PROVIDER, moved)
        self._write(_WRITE_ATTEMPT, self._attempts)
        self._write(_WRITE_EVENT, self._events)
        self._write(_WRITE_COUNT, counts)
        self._open()

    def _write(self, statement: str, rows: Sequence[Sequence[object]]) -> None:
        """Write rows by as few statements as there are sizes kept prepared."""
        at = 0
        while at < len(rows):
            size = next(size for size in _SIZES if size <= len(rows) - at)
            part = rows[at : at + size]
            at += size
            marks = f"({', '.join('?' * len(part[0]))})"
            values = ", ".join([marks] * size)
            self.connection.execute(
                statement.format(values), [value for row in part for value in row]
            )

    # -- the API ---------------------------------------------------------------------------------

    def queued(self, emails: Sequence[Queued]) -> dict[str, int]:
        """Note emails that nobody has noted yet; answers their numbers by id."""
        self.load(each.id for each in emails)
        numbers = {}
        for each in emails:
            if self._emails[each.id] is None:
                email = self._create(each.id, each.at, each.from_email, each.to_email, each.about)
                waits = each.about is not None and each.about.send_at
                self._move(email, Status.SCHEDULED if waits else Status.QUEUED, at=each.at)
                numbers[each.id] = email.number
        return numbers

    def cancel(self, email_id: str, *, now: int) -> Cancellation:
        """Call an email back unless it is being sent, may have been sent, or has ended."""
        self.write()
        self.load([email_id])
        email = self._emails[email_id]
        if email is None:
            return Cancellation.UNKNOWN_EMAIL
        if email.status == Status.CANCELED:
            return Cancellation.CANCELED
        send_at = self.connection.execute(
            "SELECT json_extract(about, '$.send_at') FROM emails WHERE number = ?", (email.number,)
        ).fetchone()[0]
        if not send_at:
            return Cancellation.NOT_SCHEDULED
        if email.status not in _CANCELABLE or email.open_since is not None or email.doubts:
            return Cancellation.TOO_LATE
        self._move(email, Status.CANCELED, at=now)
        self.connection.execute("UPDATE schedule SET body = NULL WHERE email = ?", (email.number,))
        return Cancellation.CANCELED

    def claim(
        self, key: str, *, fingerprint: str, message_id: str, now: int, lease: int, keep: int
    ) -> Claim:
        """Reserve a key, or say who has it. Each claim also forgets two keys that have ended."""
        execute = self.connection.execute
        execute(
            "DELETE FROM claims WHERE key IN (SELECT key FROM claims WHERE kept_until <= ? "
            "ORDER BY kept_until LIMIT 2)",
            (now,),
        )
        row = execute(
            "SELECT fingerprint, message_id, leased_until, answer FROM claims "
            "WHERE key = ? AND kept_until > ?",
            (key, now),
        ).fetchone()
        if row is not None:
            owner, first_id, leased_until, answer = row
            if owner != fingerprint:
                return Claim(ClaimState.OTHER_BODY, first_id)
            if answer is not None:
                return Claim(ClaimState.ANSWERED, first_id, answer)
            if now < leased_until:
                return Claim(ClaimState.IN_FLIGHT, first_id)
            message_id = first_id
        execute(
            "REPLACE INTO claims VALUES (?, ?, ?, ?, ?, NULL)",
            (key, fingerprint, message_id, now + lease, now + max(keep, lease)),
        )
        return Claim(ClaimState.NEW, message_id)

    def answer(self, key: str, *, message_id: str, answer: bytes) -> None:
        """Store a key's first answer."""
        self.connection.execute(
            "UPDATE claims SET answer = ? WHERE key = ? AND message_id = ? AND answer IS NULL",
            (answer, key, message_id),
        )

    def release(self, key: str, *, message_id: str) -> None:
        """End the lease of an unanswered key."""
        self.connection.execute(
            "UPDATE claims SET leased_until = 0 "
            "WHERE key = ? AND message_id = ? AND answer IS NULL",
            (key, message_id),
        )

    # -- the dispatcher --------------------------------------------------------------------------

    def intend(self, intents: Sequence[Intent]) -> dict[str, Known]:
        """Note attempts that are about to begin."""
        self.load(each.id for each in intents)
        return {each.id: self._intend(each) for each in intents}

    def _intend(self, intent: Intent) -> Known:
        email = self._emails[intent.id] or self._create(
            intent.id, intent.queued_at, intent.from_email, intent.to_email, intent.about
        )
        ended = email.status in _ENDED
        if ended and not self._is_redriven(email, intent.queued_at):
            return Known(ended=Status(email.status))
        if email.open_since is not None:
            if _is_under_way(email.open_since, email.open_owner, intent):
                return Known(under_way=True)
            self._close_open(email)
        elif email.doubts > 0 and self._is_another_under_way(email, intent):
            return Known(under_way=True)
        if ended:
            self._reopen(email, intent.queued_at)
        unanswered = email.doubts > 0 and self._is_unanswered(email)
        others = self._who_left_it(email, intent.owner) if unanswered else []
        abandoned = sum(self._last_report(one) < intent.at - REPORT_LIFE for one in others)
        if abandoned >= KILLER or (len(others) >= SUSPECT and not intent.alone):
            return Known(number=0, possible_duplicate=True, unanswered=True, abandoned=abandoned)
        email.attempts += 1
        number = email.attempts
        doubtful = email.doubts > 0 or number - email.redriven_at < intent.receive_count
        email.open_since, email.open_doubtful = intent.at, doubtful
        email.open_owner = intent.owner
        if doubtful:
            self._counts["possible duplicates", "", ""] += 1
        self._move(
            email, Status.SENDING, at=intent.at, provider=intent.provider,
            number=number, doubtful=doubtful,
        )  # fmt: skip
        return Known(
            number=number, possible_duplicate=doubtful, unanswered=unanswered, abandoned=abandoned
        )

    def _is_redriven(self, email: _Email, queued_at: int) -> bool:
        """Whether an operator has put an email that has ended on its queue again."""
        if email.status not in _REDRIVABLE or queued_at - email.queued_at <= REDRIVEN_AFTER:
            return False
        row = self.connection.execute(
            "SELECT released_at, body IS NOT NULL FROM schedule WHERE email = ?", (email.number,)
        ).fetchone()
        if row is None:
            return True
        released_at, waits = row
        return not waits and queued_at - released_at > REDRIVEN_AFTER

    def _is_another_under_way(self, email: _Email, intent: Intent) -> bool:
        """Whether another process may still be sending though a later attempt is known."""
        which = email.number, intent.owner, intent.at, intent.busy
        return self.connection.execute(_FIND_UNDER_WAY, which).fetchone() is not None

    def _is_unanswered(self, email: _Email) -> bool:
        """Whether an attempt since the last redrive has no outcome or an unknown one."""
        if not email.redriven_at:
            return True
        since = range(email.redriven_at + 1, email.attempts + 1)
        told = [attempt for number in since if (attempt := self._attempt(email, number))]
        return any(kind in {None, OutcomeClass.UNKNOWN} for kind, *_ in told)

    def _who_left_it(self, email: _Email, me: str) -> list[str]:
        """Who, but for me, began the attempts since the last redrive that have no outcome."""
        unended = self.connection.execute(_READ_UNENDED, (email.number, email.redriven_at))
        owners: dict[int, str] = dict(unended.fetchall())
        for number in range(email.redriven_at + 1, email.attempts + 1):
            if (told := self._told.get((email.number, number))) is not None:
                kind, _, owner = told
                owners[number] = "" if kind else owner
        return [owner for owner in owners.values() if owner not in {"", me}]

    def _last_report(self, owner: str) -> int:
        """When a process reported last; 0 for never."""
        if self._reported is None:
            self._reported = dict(self.connection.execute("SELECT owner, at FROM processes"))
        return self._reported.get(owner, 0)

    def _reopen(self, email: _Email, at: int) -> None:
        """An operator has redriven it: that is an entry of its own, without provider or outcome."""
        email.attempts += 1
        email.redriven_at = email.attempts
        self._attempts.append(
            (email.number, email.attempts, "", at, 0, None, REDRIVEN, "", "", False, "")
        )
        self._told[email.number, email.attempts] = None, False, ""
        self._redriven[email.number] = at
        self._counts["emails", "", email.status] -= 1
        email.status = ""

    def record(self, records: Sequence[Recorded]) -> None:
        """Note what attempts brought."""
        self.load(each.id for each in records)
        for each in records:
            self._record(each)

    def _record(self, record: Recorded) -> None:
        email = self._emails[record.id] or self._create(
            record.id,
            record.queued_at or record.at,
            record.from_email,
            record.to_email,
            record.about,
        )
        if email.erased and record.detail:
            record = replace(record, detail="")
        number, doubtful = record.number, record.possible_duplicate
        if record.provider:
            overtaken = not record.number and self._is_overtaken(email, record.started)
            attempt = self._outcome(email, record)
            if attempt is None:  # told before
                return
            number, doubtful = attempt
            if (overtaken or number < email.attempts) and record.status not in _ENDED:
                return  # a later attempt has said more
        elif record.queued_at and record.queued_at + REDRIVEN_AFTER < self._queued_last(email):
            return  # the end was told late: an operator has redriven the email since
        self._move(
            email, record.status, at=record.at, provider=record.provider, code=record.code,
            detail=record.detail, number=number, doubtful=doubtful,
        )  # fmt: skip

    def verdict(self, *, provider: str, healthy: bool, verdict: int, owner: str, at: int) -> None:
        """Let readers of events see a verdict."""
        state = HEALTHY if healthy else UNHEALTHY
        self._events.append((at, None, state, provider, "", "", verdict, False, owner))

    def report(self, report: ProcessReport) -> None:
        """Replace what a process says of itself."""
        self.connection.execute(
            "REPLACE INTO processes VALUES (?, ?, ?)",
            (report.owner, report.at, orjson.dumps(report).decode()),
        )
        self.connection.execute("DELETE FROM processes WHERE at < ?", (report.at - STALE_REPORT,))
        self._reported = None

    # -- what the above is made of ---------------------------------------------------------------

    def _create(
        self, email_id: str, queued_at: int, from_email: str, to_email: str, about: About | None
    ) -> _Email:
        if self._next_number is None:
            last = self.connection.execute("SELECT max(number) FROM emails").fetchone()[0]
            self._next_number = (last or 0) + 1
        new = from_email, to_email, about
        email = _Email(self._next_number, email_id, queued_at=queued_at, new=new)
        self._next_number += 1
        self._emails[email_id] = email
        return email

    def _outcome(self, email: _Email, record: Recorded) -> tuple[int, bool] | None:
        """Note what an attempt brought: its number and doubt, None if that was known."""
        if not record.number and self._is_told(email, record):
            return None
        number, started = record.number or email.attempts + 1, record.started
        before: _Attempt | None
        if email.open_since is not None and number == email.attempts:
            before = None, bool(email.open_doubtful), ""
            started = started or email.open_since
            email.open_since, email.open_doubtful, email.open_owner = None, False, ""
        else:
            if number > email.attempts:
                self._close_open(email)
            before = self._attempt(email, number)
            if before and before[0]:
                return None
            email.doubts -= before is not None
        doubted_before = bool(before and before[1])
        # Nobody was asked before it was sent: it may be one send too many.
        first_heard_of = not record.number and (email.doubts > 0 or self._was_accepted(email))
        doubtful = record.possible_duplicate or doubted_before or first_heard_of
        if doubtful and not doubted_before:
            self._counts["possible duplicates", "", ""] += 1
        email.attempts = max(email.attempts, number)
        email.doubts += record.kind is None or record.kind is OutcomeClass.UNKNOWN
        self._note(email, number, started, doubtful=doubtful, record=record)
        return number, doubtful

    def _is_told(self, email: _Email, record: Recorded) -> bool:
        """Whether one without a number is told again: nobody knew whether it was written."""
        attempt = email.number, record.provider, record.started
        if attempt in self._unnumbered:
            return True
        self._unnumbered.add(attempt)
        return self.connection.execute(_FIND_ATTEMPT, attempt).fetchone() is not None

    def _was_accepted(self, email: _Email) -> bool:
        """Whether a provider took it, whatever it ended as."""
        if email.status == Status.SENT:
            return True
        told = (kind for (whose, _), (kind, *_) in self._told.items() if whose == email.number)
        return OutcomeClass.ACCEPTED in told or bool(
            self.connection.execute(_FIND_ACCEPTED, (email.number,)).fetchone()
        )

    def _is_overtaken(self, email: _Email, started: int) -> bool:
        """Whether an attempt is known that began later."""
        if email.open_since is not None and email.open_since > started:
            return True
        return self.connection.execute(_FIND_LATER, (email.number, started)).fetchone() is not None

    def _queued_last(self, email: _Email) -> int:
        """When it was queued, by an operator if that was later."""
        if not email.redriven_at:
            return email.queued_at
        if (at := self._redriven.get(email.number)) is None:
            where = email.number, email.redriven_at
            at = self.connection.execute(_READ_STARTED, where).fetchone()[0]
        return max(email.queued_at, at)

    def _close_open(self, email: _Email) -> None:
        """Give the attempt that was under way a row of its own; it has no outcome so far."""
        if email.open_since is not None:
            self._note(email, email.attempts, email.open_since, doubtful=bool(email.open_doubtful))
            email.open_since, email.open_doubtful, email.open_owner = None, False, ""
            email.doubts += 1

    def _attempt(self, email: _Email, number: int) -> _Attempt | None:
        """An attempt that is not under way."""
        if number > email.attempts:
            return None
        if (told := self._told.get((email.number, number))) is not None:
            return told
        row = self.connection.execute(_READ_ATTEMPT, (email.number, number)).fetchone()
        return row and (row[0], bool(row[1]), row[2])

    def _note(
        self,
        email: _Email,
        number: int,
        started: int,
        *,
        doubtful: bool,
        record: Recorded | None = None,
    ) -> None:
        provider, owner = email.provider, email.open_owner
        outcome: tuple[object, ...] = (None, None, "", "", "")
        kind = None
        if record is not None:
            provider, owner = record.provider, record.owner
            if record.kind is not None:
                kind = record.kind.value
                self._counts["attempts", provider, kind] += 1
                outcome = (record.duration, kind, record.code, record.detail, record.provider_id)
        self._attempts.append((email.number, number, provider, started, *outcome, doubtful, owner))
        self._told[email.number, number] = kind, doubtful, owner
        self._changed[email.id] = email

    def _move(
        self,
        email: _Email,
        status: Status,
        *,
        at: int,
        provider: str = "",
        code: str = "",
        detail: str = "",
        number: int = 0,
        doubtful: bool = False,
    ) -> None:
        """Bring an email into a state and tell the readers of events, unless it has ended."""
        if email.status in _ENDED:
            return
        word = status.value
        provider = provider or email.provider
        if email.status != word:
            if email.status:
                self._counts["emails", "", email.status] -= 1
            self._counts["emails", "", word] += 1
            if status is Status.SENT:
                self._counts["sent", provider, ""] += 1
        email.status, email.updated_at, email.provider = word, at, provider
        email.code, email.detail = code, detail
        self._changed[email.id] = email
        self._events.append((at, email.id, word, provider, code, detail, number, doubtful, ""))


def _state(email: _Email) -> tuple[object, ...]:
    return (
        email.updated_at, email.status, email.code, email.detail, email.attempts,
        email.doubts, email.open_since, email.open_doubtful, email.open_owner, email.redriven_at,
    )  # fmt: skip


def _row(email: _Email) -> tuple[object, ...]:
    assert email.new is not None, "only new emails become rows"
    from_email, to_email, about = email.new
    return (
        email.number, email.id, email.queued_at, email.updated_at, email.status,
        from_email, to_email, email.provider, email.code, email.detail, email.attempts,
        email.doubts, email.open_since, email.open_doubtful, email.open_owner, email.redriven_at,
        about and orjson.dumps(about).decode(),
    )  # fmt: skip


def _further(email: _Email) -> list[tuple[str, int, int]]:
    """Rows of the recipients whom the email's own row does not name."""
    assert email.new is not None, "only new emails become rows"
    _, first, about = email.new
    return [
        (address, email.queued_at, email.number)
        for address in (about.recipients if about else ())
        if address.lower() != first.lower()
    ]


def _is_under_way(since: int, owner: str, intent: Intent) -> bool:
    """Whether another process may still be sending; a clock that was set back counts either way."""
    return owner != intent.owner and abs(intent.at - since) < intent.busy
