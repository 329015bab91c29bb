"""Reads the query of `GET /emails` and `GET /events`: values, or a sentence for each fault. Pure.

A parameter without a value counts as left out: so do forms send what nobody filled in.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from gomail.email import Faults, one_form
from gomail.ledger import Filter, Status

MOST = 100
"""Emails on a page, and ids that one reader of events may name."""
DEFAULT = 50

SEQUENCE = "[!-~]{1,100}"
"""What a sequence of events looks like, as a pattern for all of it."""

NOT_OURS = "is not one that this API gave out"

Query = Iterable[tuple[str, str]]

_TIMES = ("since", "until")
_NAMES = ("status", "to", "from", "provider", *_TIMES, "cursor", "limit")
# RFC 3339. A `+` that was not escaped in a URL arrives as a space.
_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(?:[Zz]|([+\- ])(\d\d):(\d\d))", re.ASCII
)
_SEQUENCE = re.compile(SEQUENCE)
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - the offset is subtracted by hand


@dataclass(frozen=True, slots=True)
class Listing:
    """Which emails are asked for."""

    which: Filter
    cursor: str | None = None
    limit: int = DEFAULT


@dataclass(frozen=True, slots=True)
class Following:
    """Which events are asked for."""

    after: str | None = None
    ids: frozenset[str] = frozenset()
    """Only events of these emails; empty: all events."""


def emails(query: Query) -> Listing | Faults:
    """What `GET /emails` asks for."""
    given, faults = _once(query, _NAMES)
    status = given.get("status")
    if status is not None and status not in {*Status}:
        faults["status"] = f"status is not one of {', '.join(Status)}"
    times = {name: _milliseconds(given[name]) for name in _TIMES if name in given}
    for name, value in times.items():
        if value is None:
            faults[name] = f"{name} is not a time such as 2026-01-31T12:00:00Z"
    limit = _number(given.get("limit", str(DEFAULT)))
    if not 1 <= limit <= MOST:
        faults["limit"] = f"limit is not a whole number from 1 to {MOST}"
    if faults:
        return faults
    which = Filter(
        status=None if status is None else Status(status),
        to_email=_address(given.get("to")),
        from_email=_address(given.get("from")),
        provider=given.get("provider"),
        since=times.get("since"),
        until=times.get("until"),
    )
    return Listing(which, given.get("cursor"), limit)


def events(query: Query, last_event_id: str | None) -> Following | Faults:
    """What `GET /events` asks for; the header that a browser sends wins over the address."""
    pairs = list(query)
    ids = frozenset(value for name, value in pairs if name == "id" and value)
    given, faults = _once((pair for pair in pairs if pair[0] != "id"), ("after",))
    if len(ids) > MOST:
        faults["id"] = f"id is given more than {MOST} times"
    places = [place for place in (last_event_id, given.get("after")) if place]
    # One is written back to the reader, in lines that must stay whole.
    if not all(_SEQUENCE.fullmatch(place) for place in places):
        faults["after"] = f"after {NOT_OURS}"
    return faults or Following(places[0] if places else None, ids)


def _once(query: Query, names: Iterable[str]) -> tuple[dict[str, str], Faults]:
    known = set(names)
    given: dict[str, str] = {}
    faults: Faults = {}
    for name, value in query:
        if name not in known:
            faults[name] = f"{name} is not a parameter of this request"
        elif name in given:
            faults[name] = f"{name} is given more than once"
        elif value:
            given[name] = value
    return given, faults


def _address(given: str | None) -> str | None:
    """In the form in which addresses are kept."""
    return None if given is None else one_form(given)


def _number(text: str) -> int:
    return int(text) if re.fullmatch(r"\d{1,9}", text, re.ASCII) else 0


def _milliseconds(text: str) -> int | None:
    match = _TIME.fullmatch(text)
    if match is None:
        return None
    date, clock, fraction, sign, hours, minutes = match.groups()
    try:
        moment = datetime.fromisoformat(f"{date}T{clock}")
        offset = _offset(sign, hours, minutes)
    except ValueError:  # the 30th of February, 25 o'clock, an offset of a week
        return None
    seconds = (moment - _EPOCH - offset) // timedelta(seconds=1)
    return seconds * 1_000 + int((fraction or "").ljust(3, "0")[:3])


def _offset(sign: str | None, hours: str | None, minutes: str | None) -> timedelta:
    if sign is None:
        return timedelta()
    east = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    timezone(east)  # refuses a day and more
    return -east if sign == "-" else east
