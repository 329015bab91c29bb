"""How the processes log: lines for people, or JSON lines for machines; neither holds an address.

A provider's answer, an error or the path of a request may quote an address, wherever it is logged.
So lines are masked where they are written: from INFO on nothing of an address but its domain. Of an
API key that somebody puts into a path or a field, no line of any level holds more than its id.

DEBUG is for our own loggers. Libraries log at it what must not be kept: botocore whole answers,
with the secrets of a role in them.
"""

import json
import logging
import re
from datetime import UTC, datetime
from typing import Literal

from gomail.keys import SECRET

MASK = "…"

_AT = re.compile("(@|%40)")
# Only what no local part holds unless it is quoted: rather too much is masked than too little.
_LOCAL_PART_BACKWARDS = re.compile(r'"[^"]*"?|[^\s<>()\[\]",;:]*')
_WITH_OWN_HANDLERS = ("uvicorn", "uvicorn.access")
"""Loggers with handlers of their own, which uvicorn makes before it makes the app."""
_OURS = ("gomail", "ingest", "flows", "sandbox")
"""The packages whose every line is known to hold no secret."""


def set_up(level: str, form: Literal["text", "json"]) -> None:
    """Log to standard error from this level on, uvicorn's own lines too; libraries from INFO on."""
    handler = logging.StreamHandler()
    handler.setFormatter(formatter(form))
    logging.basicConfig(handlers=[handler])
    logging.getLogger().setLevel("INFO" if level == "DEBUG" else level)
    for name in _OURS:
        logging.getLogger(name).setLevel(level)
    for name in _WITH_OWN_HANDLERS:
        for its in logging.getLogger(name).handlers:
            its.setFormatter(formatter(form))


def formatter(form: Literal["text", "json"]) -> logging.Formatter:
    """What turns a record into a line."""
    return _JsonLines() if form == "json" else _Lines()


def masked(text: str) -> str:
    """The text with `…@example.com` for each address in it. Pure, in linear time."""
    parts = _AT.split(text)
    for at in range(0, len(parts) - 1, 2):
        before = parts[at]
        local = _LOCAL_PART_BACKWARDS.match(before[::-1])
        if local and local.end():
            parts[at] = before[: len(before) - local.end()] + MASK
    return "".join(parts)


def _for(record: logging.LogRecord, text: str) -> str:
    text = SECRET.sub(rf"\1{MASK}", text)
    return masked(text) if record.levelno >= logging.INFO else text


class _Lines(logging.Formatter):
    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        return _for(record, super().format(record))


class _JsonLines(logging.Formatter):
    """`time` (UTC), `level`, `logger`, `message`, and `exception` where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC)
        line = {
            "time": at.isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": _for(record, record.getMessage()),
        }
        if record.exc_info and record.exc_info[0]:
            line["exception"] = _for(record, self.formatException(record.exc_info))
        return json.dumps(line)
