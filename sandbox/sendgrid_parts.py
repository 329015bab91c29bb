"""Reads the parts of a mail/send request that repeat: addresses, headers, files, categories.

What is checked, and its numbers, is what SendGrid's description of its API says.
"""

from __future__ import annotations

import base64
import re
from typing import Any

from sandbox.mailbox import File
from sandbox.parties import Party, decoded
from sandbox.provider import Rejected

_RESERVED = frozenset(
    (
        "x-sg-id",
        "x-sg-eid",
        "received",
        "dkim-signature",
        "content-type",
        "content-transfer-encoding",
        "to",
        "from",
        "subject",
        "reply-to",
        "cc",
        "bcc",
    )
)
_MOST_CATEGORIES = 10
_LONGEST_CATEGORY = 255
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_ATTACHMENT = "The attachment must have {}."


def bad(message: str, field: str) -> Rejected:
    """The rejection of a request for one of its fields."""
    return Rejected(400, message, field=field)


def parties(value: Any, field: str, needed: str, *, quoted: bool = False) -> tuple[Party, ...]:
    """The addresses of a list, which may be missing."""
    if not isinstance(value, list | None):
        raise bad(needed, field)
    return tuple(
        party(one, f"{field}.{place}", needed, quoted=quoted)
        for place, one in enumerate(value or [])
    )


def party(value: Any, field: str, needed: str, *, quoted: bool = False) -> Party:
    """An address with its name, which of recipients may be in quotes."""
    if not isinstance(value, dict) or not isinstance(email := value.get("email"), str) or not email:
        raise bad(needed, f"{field}.email")
    if "@" not in email or not email.isascii() or not email.isprintable():
        raise bad("Does not contain a valid address.", f"{field}.email")
    name = str(value.get("name") or "")
    return Party(email, _unquoted(name) if quoted else name)


def _unquoted(name: str) -> str:
    found = _QUOTED.fullmatch(name)
    return re.sub(r"\\(.)", r"\1", found[1]) if found else name


def headers(value: Any) -> tuple[tuple[str, str], ...]:
    """Names and values of the sender's own headers, as a reader sees them."""
    if not isinstance(value, dict | None):
        raise bad("The headers must be an object of strings.", "headers")
    for name, given in (value or {}).items():
        if name.lower() in _RESERVED:
            raise bad(f"The header {name} is reserved.", f"headers.{name}")
        if not isinstance(given, str):
            raise bad("The value of a header must be a string.", f"headers.{name}")
    return tuple((name, decoded(given)) for name, given in (value or {}).items())


def categories(value: Any) -> tuple[str, ...]:
    """The categories: words under which SendGrid counts."""
    if not isinstance(value, list | None):
        raise bad("The categories must be a list of strings.", "categories")
    words = value or []
    if len(words) > _MOST_CATEGORIES or not all(isinstance(word, str) for word in words):
        raise bad("There may be at most 10 categories, all of them strings.", "categories")
    if len(set(words)) < len(words) or any(len(word) > _LONGEST_CATEGORY for word in words):
        raise bad("Categories must be unique and have at most 255 characters.", "categories")
    return tuple(words)


def files(value: Any) -> tuple[File, ...]:
    """The attachments, decoded."""
    if not isinstance(value, list | None):
        raise bad("The attachments must be a list.", "attachments")
    return tuple(_file(one, f"attachments.{place}") for place, one in enumerate(value or []))


def _file(given: Any, field: str) -> File:
    if not isinstance(given, dict):
        raise bad(_ATTACHMENT.format("content and a filename"), field)
    if given.get("disposition") not in {None, "attachment", "inline"}:
        raise bad("The disposition must be 'inline' or 'attachment'.", f"{field}.disposition")
    return File(
        name=_word(given, "filename", field),
        content_type=_word(given, "type", field, default="application/octet-stream"),
        content_id=_word(given, "content_id", field, default="") or None,
        inline=given.get("disposition") == "inline",
        data=_decoded(given.get("content"), f"{field}.content"),
    )


def _word(given: dict[str, Any], name: str, field: str, default: str | None = None) -> str:
    value = given.get(name, default)
    if not isinstance(value, str) or (default is None and not value):
        raise bad(_ATTACHMENT.format(f"a {name}"), f"{field}.{name}")
    if "\r" in value or "\n" in value or (";" in value and name != "filename"):
        raise bad(f"The {name} of an attachment cannot contain ';' or CRLF.", f"{field}.{name}")
    return value


def _decoded(content: Any, field: str) -> bytes:
    if not isinstance(content, str) or not content:
        raise bad(_ATTACHMENT.format("content"), field)
    try:
        return base64.b64decode(content, validate=True)
    except ValueError as error:
        raise bad("The content of an attachment must be base64 encoded.", field) from error
