"""What goes to the scripts and comes back from them: rows of JSON, addresses as they were written.

Pure. Arrays instead of objects keep both the calls and the stored emails small.
"""

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import astuple, fields
from typing import Any

import orjson

from gomail.ledger import (
    About,
    Attempt,
    Due,
    EmailRecord,
    Event,
    EventKind,
    ExitReport,
    Filter,
    Intent,
    Known,
    ProcessReport,
    Queued,
    Recorded,
    Scheduled,
    Stats,
    Status,
    Take,
    Turn,
)
from gomail.outcome import OutcomeClass

Row = tuple[Any, ...]
Call = Callable[[Sequence[Row]], Awaitable[list[Any]]]

_FROM, _TO, _PROVIDER, _STATUS = 4, 5, 6, 1  # positions in a stored email, as Lua counts
_EXIT = len(fields(ExitReport))
_SEQUENCE = re.compile(r"\d{1,18}-\d{1,18}")


def pack(given: object) -> bytes:
    """JSON; a lone surrogate, which JSON cannot carry, becomes a question mark."""
    try:
        return orjson.dumps(given)
    except TypeError:
        return orjson.dumps(_readable(given))


def _readable(given: object) -> object:
    if isinstance(given, str):
        return given.encode("utf-8", "replace").decode()
    return [_readable(part) for part in given] if isinstance(given, list | tuple) else given


# -- what is told ------------------------------------------------------------------------------


def queued(email: Queued) -> Row:
    """An email as `queued.lua` takes it."""
    return (email.id, email.at, email.from_email, email.to_email, *_about(email.about))


def scheduled(scheduled: Scheduled) -> Row:
    """An email with its body as `queued.lua` takes it."""
    email = scheduled.email
    [about] = _about(email.about or About())
    return (email.id, email.at, email.from_email, email.to_email, about, scheduled.body)


def _about(about: About | None) -> Row:
    """One field where there is more of an email, none where there is not."""
    if about is None:
        return ()
    return ((about.recipients, about.tags, about.metadata, about.send_at),)


def intent(intent: Intent) -> Row:
    """An intent as `intend.lua` takes it."""
    return (
        intent.id, intent.provider, intent.at, intent.receive_count, intent.queued_at,
        intent.from_email, intent.to_email, intent.owner, intent.busy,
        int(intent.alone), *_about(intent.about),
    )  # fmt: skip


def known(answer: int | bytes) -> Known:
    """What `intend.lua` says of an email."""
    if isinstance(answer, bytes):
        word = answer.decode()
        return Known(under_way=True) if word == "under way" else Known(ended=Status(word))
    return Known(
        number=answer >> 6,
        possible_duplicate=bool(answer & 1),
        unanswered=bool(answer & 2),
        abandoned=answer >> 2 & 15,
    )


def take(take: Take) -> Row:
    """A take as `take.lua` takes it."""
    rate = -1 if take.rate is None else take.rate
    return (take.provider, take.count, rate, take.burst, -1 if take.quota is None else take.quota)


def turn(answer: int) -> Turn:
    """What `take.lua` says of a take."""
    return Turn(0.0, over_quota=True) if answer < 0 else Turn(answer / 1_000_000)


def recorded(record: Recorded) -> Row:
    """A record as `record.lua` takes it."""
    return (
        record.id, record.status, record.at, record.provider, record.number, record.kind or "",
        record.code, record.detail, record.provider_id, record.started, record.duration,
        int(record.possible_duplicate), record.queued_at or record.started or record.at,
        record.from_email, record.to_email, *_about(record.about),
    )  # fmt: skip


def exits(report: ProcessReport) -> str:
    """The exits of a report, as JSON in JSON: the fields in their order, new ones at the end."""
    return pack([astuple(exit_) for exit_ in report.exits]).decode()


# -- emails ------------------------------------------------------------------------------------


def email(email_id: str, packed: bytes, *, attempts: bool = False) -> EmailRecord:
    """A stored email; lists leave its attempts out."""
    row = orjson.loads(packed)
    status, queued_at, updated_at, from_, to, provider, code, detail, tried, *more = row
    return EmailRecord(
        email_id, Status(status), queued_at, updated_at, from_, to, provider, code, detail,
        _more(*more[0]) if more else None,
        tuple(_attempt(attempt) for attempt in tried) if attempts else (),
    )  # fmt: skip


def _more(
    recipients: Sequence[str],
    tags: Sequence[str],
    metadata: Sequence[tuple[str, str]],
    send_at: int,
    *_released: int,
) -> About:
    """Lua writes empty lists as empty objects, which are as empty."""
    pairs = tuple((key, value) for key, value in metadata)
    return About(tuple(recipients), tuple(tags), pairs, send_at)


def due(answers: Sequence[Any]) -> list[Due]:
    """What `due.lua` gives out."""
    return [
        Due(email_id.decode(), int(send_at), body.decode())
        for email_id, send_at, body in zip(answers[::3], answers[1::3], answers[2::3], strict=True)
    ]


def _attempt(row: Sequence[Any]) -> Attempt:
    number, provider, started, duration, kind, code, detail, provider_id, doubt, *_owner = row
    return Attempt(
        number, provider, started,
        duration=None if duration < 0 else duration,
        kind=OutcomeClass(kind) if kind else None,
        code=code, detail=detail, provider_id=provider_id,
        possible_duplicate=bool(doubt),
    )  # fmt: skip


def page(which: Filter, after: str | None, limit: int, scan: int) -> Row | list[Any]:
    """A question for `page.lua`."""
    wanted = [
        (name, field, folded(value))
        for name, field, value in (
            ("to", _TO, which.to_email),
            ("from", _FROM, which.from_email),
            ("provider", _PROVIDER, which.provider),
            ("status", _STATUS, which.status),
        )
        if value is not None
    ]
    at, last = _place(after)
    return [
        [f"{name}:{value}" for name, _, value in wanted] or ["all"],
        [(field, value) for _, field, value in wanted] if len(wanted) > 1 else [],
        -1 if which.since is None else max(0, which.since),
        -1 if which.until is None else max(0, which.until),
        at, last, limit, scan,
    ]  # fmt: skip


def folded(value: str) -> str:
    """Lower case as Lua does it: ASCII letters only."""
    return value.encode("utf-8", "replace").lower().decode()


def cursor(at: bytes, last: bytes) -> str | None:
    """Where the next page begins."""
    return None if at == b"-1" else f"{int(at)}-{last.decode()}"


def _place(after: str | None) -> tuple[int, str]:
    if after is None:
        return -1, ""
    at, dash, last = after.partition("-")
    if not (dash and last and at.isascii() and at.isdecimal() and len(at) <= 15):  # noqa: PLR2004
        raise ValueError("this cursor is not one of ours")
    return int(at), last


# -- events and counts -------------------------------------------------------------------------


def after(sequence: str) -> str:
    """Where to resume; a sequence that is not one of ours resumes at the oldest event."""
    return f"({sequence}" if _SEQUENCE.fullmatch(sequence) else "-"


def event(sequence: bytes, fields: Sequence[bytes] | dict[bytes, bytes]) -> Event:
    """An entry of the stream."""
    packed = fields[b"event"] if isinstance(fields, dict) else fields[1]
    kind, at, *rest = orjson.loads(packed)
    if kind == "verdict":
        provider, healthy, verdict, owner = rest
        told = {
            "provider": provider, "healthy": bool(healthy), "verdict": verdict, "owner": owner,
        }  # fmt: skip
        return Event(sequence.decode(), EventKind.VERDICT, at, told)
    email_id, status, provider, code, detail, number, possible_duplicate = rest
    data = {
        "id": email_id, "status": status, "provider": provider, "code": code, "detail": detail,
        "number": number, "possibleDuplicate": bool(possible_duplicate),
    }  # fmt: skip
    return Event(sequence.decode(), EventKind.STATUS, at, data)


def _exits(rows: bytes) -> tuple[ExitReport, ...]:
    """An older process leaves out what it does not know; a newer one tells more than we know."""
    return tuple(ExitReport(*row[:_EXIT]) for row in orjson.loads(rows))


def stats(counts: Sequence[bytes], processes: Sequence[bytes]) -> Stats:
    """Counters named by `common.lua`, and the living processes."""
    by_status: dict[Status, int] = {}
    sent: dict[str, int] = {}
    attempts: dict[tuple[str, OutcomeClass], int] = {}
    duplicates = 0
    for name, count in zip(counts[::2], counts[1::2], strict=True):
        match name.decode().split(" ", 2):
            case ["status", status]:
                by_status[Status(status)] = int(count)
            case ["sent", *provider]:
                sent[" ".join(provider)] = int(count)
            case ["attempts", kind, provider]:
                attempts[provider, OutcomeClass(kind)] = int(count)
            case _:
                duplicates = int(count)
    living = [
        ProcessReport(owner.decode(), int(at), _exits(rows))
        for owner, at, rows in zip(processes[::3], processes[1::3], processes[2::3], strict=True)
    ]
    by_status = {status: count for status, count in by_status.items() if count}
    living.sort(key=lambda report: report.owner)
    return Stats(by_status, sent, attempts, duplicates, tuple(living))
