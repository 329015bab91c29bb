"""Reads the JSON of a request, and refuses a key that one object has twice. Pure.

Which of the two counts is up to each reader (RFC 8259, section 4), so what somebody has checked on
the way would not be what is done here: `{"dryRun": true, …, "dryRun": false}` would redrive.

The parser keeps the last of them and says nothing. One that shows each object's pairs reads all of
a request again, 11 ms for 14 MB, so colons are counted. In JSON they stand behind keys and in
strings only: what was parsed tells how many there are if nothing was dropped, and the bytes have
more if something was. A colon in a string may be an escape, which the bytes do not show as one;
where that is so, and where something was dropped, the second parser has its say.

What asks for far more than any request can hold is refused before: 14 MB of `[],` were 300 MB of
lists, and two seconds in which nobody else was served.
"""

import json
import re
from typing import Any

import orjson

from gomail.email.findings import printable
from ingest import answers

MOST_VALUES = 100_000
"""In one request, and as many strings, keys among them. A hundred emails with all that they may
hold have less: 47,000 values and 65,000 strings."""
MOST_DEEP = 100
"""Levels of objects and lists, one within the other. The parser reads 1,024 of them and writes 254;
an email with all it may have needs 4, a batch 5."""

_ESCAPED_COLON = re.compile(rb"\\u003[aA]")
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
"""A string, or the beginning of one that has no end: whatever begins with a quote is one of them,
so nothing is looked through twice."""


class BadJSON(ValueError):
    """A body that cannot be taken; the text is the sentence for the client."""


def read(raw: bytes) -> Any:
    """What the body of a request holds.

    Raises:
        BadJSON: it is no JSON, too much of it, too deep, or a key is twice in one object.
    """
    if len(raw) > MOST_VALUES and _has_too_many_values(raw):
        raise BadJSON(answers.TOO_MANY_VALUES)
    try:
        given = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise BadJSON(answers.NOT_JSON) from None
    if len(raw) > 2 * MOST_DEEP and _has_more(raw, b"[{", MOST_DEEP) and _is_too_deep(given):
        raise BadJSON(answers.TOO_DEEP)
    # That there is no backslash at all is known in a tenth of the time.
    escaped = b"\\" in raw and _ESCAPED_COLON.search(raw)
    if escaped or raw.count(b":") != _colons(given):
        _refuse_twins(raw)
    return given


def _has_too_many_values(raw: bytes) -> bool:
    """By the comma or bracket before each; those in texts do not count, which is looked up last."""
    if not _has_more(raw, b",[{", MOST_VALUES):
        return False
    rest, strings = _STRING.subn(b"", raw, MOST_VALUES + 1)
    return strings > MOST_VALUES or _has_more(rest, b",[{", MOST_VALUES)


def _has_more(raw: bytes, marks: bytes, most: int) -> bool:
    """Whether there are more than so many of these bytes. Counting takes six times longer."""
    for mark in marks:
        place = raw.find(mark)
        while place >= 0:
            if not most:
                return True
            most -= 1
            place = raw.find(mark, place + 1)
    return False


def _is_too_deep(given: object) -> bool:
    level: list[Any] = [(given,)]
    for _ in range(MOST_DEEP + 1):
        level = [
            one
            for outer in level
            for one in (outer.values() if type(outer) is dict else outer)
            if type(one) is dict or type(one) is list
        ]
    return bool(level)


def _colons(given: object) -> int:
    """Those in a JSON text of this that escapes none: one behind each key, and those in strings."""
    found = 0
    waiting: list[Any] = [(given,)]  # no recursion: how deep it is the client says
    while waiting:
        values = waiting.pop()
        if type(values) is dict:
            found += len(values) + "".join(values).count(":")
            values = values.values()
        for value in values:
            kind = type(value)
            if kind is str:
                if ":" in value:  # most have none, which is known sooner than their number
                    found += value.count(":")
            elif kind is dict or kind is list:
                waiting.append(value)
    return found


def _refuse_twins(raw: bytes) -> None:
    try:
        json.loads(raw.decode(), object_pairs_hook=_no_twins)
    except RecursionError:  # in what the other parser has dropped
        raise BadJSON(answers.TOO_DEEP) from None


def _no_twins(pairs: list[tuple[str, Any]]) -> None:
    """Refuse an object that has a key twice; what is made of the others nobody looks at."""
    seen = set()
    for key, _ in pairs:
        if key in seen:
            raise BadJSON(answers.twice(printable(key)))
        seen.add(key)
