"""Reads what SES v2 calls the content of an email: Simple, or Raw MIME.

What is checked, and its numbers, is what SES's service model and its pages on quotas and on
unsupported attachment types say.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from email import message_from_bytes, policy
from typing import TYPE_CHECKING, Any

from sandbox.mailbox import Email, File
from sandbox.parties import Party, clean, decoded, parties
from sandbox.provider import Rejected

if TYPE_CHECKING:
    from collections.abc import Iterable
    from email.message import EmailMessage, MIMEPart

_HEADER_NAME = re.compile(r"[!-9;-@A-~]{1,126}")
_HEADER_VALUE = re.compile(r"[ -~]{1,995}")
_HEADER_LIMIT = 996
_MOST_HEADERS = 15
_LIMIT = 40_000_000
_LONGEST_NAME = 255
_LONGEST_WORD = 78
_ENCODINGS = (None, "BASE64", "QUOTED_PRINTABLE", "SEVEN_BIT")
# The best known of about 90.
_BLOCKED = frozenset("exe bat js vbs cmd com lnk msi ps1 reg scr url".split())  # noqa: SIM905 - read


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """What a request says of an email beside its content."""

    id: str | None
    sender: Any
    to: tuple[Party, ...]
    cc: tuple[Party, ...]
    bcc: tuple[Party, ...]
    reply_to: tuple[Party, ...]
    tags: tuple[str, ...]


def simple(content: dict[str, Any], envelope: Envelope) -> Email:
    """An email whose parts are given one by one."""
    body = checked_object(content.get("Body"), "Content.Simple.Body")
    text, html = _data(body, "Text"), _data(body, "Html")
    if text is None and html is None:
        raise bad("Content.Simple.Body must have Text or Html.")
    if (subject := _data(content, "Subject")) is None:
        raise bad("Content.Simple.Subject is required.")
    headers = _headers(content.get("Headers"))
    files = tuple(_file(one) for one in objects(content.get("Attachments"), "Attachments"))
    _check_size(text, html, files)
    (sender,) = addresses([envelope.sender], "FromEmailAddress")
    return Email(
        id=envelope.id or _id(headers),
        sender=sender,
        to=envelope.to,
        cc=envelope.cc,
        bcc=envelope.bcc,
        reply_to=envelope.reply_to,
        subject=subject,
        text=text,
        html=html,
        headers=tuple((name, decoded(value)) for name, value in headers),
        tags=envelope.tags,
        files=files,
    )


def raw(content: dict[str, Any], envelope: Envelope) -> Email:
    """An email that comes as a whole MIME message; its recipients are those of the request."""
    try:
        mime = base64.b64decode(content.get("Data") or "", validate=True)
    except (binascii.Error, TypeError) as error:
        raise bad("Content.Raw.Data must be base64.") from error
    message = message_from_bytes(mime, policy=policy.default)
    sender = parties(str(envelope.sender or _header(message, "From")))
    named = bool(envelope.to or envelope.cc or envelope.bcc)
    to = envelope.to if named else parties(_header(message, "To"))
    if not sender or not (to or named):
        raise bad("A raw message needs From and To, in its header or in the request.")
    bodies = {kind: message.get_body((kind,)) for kind in ("plain", "html")}
    return Email(
        id=envelope.id or _header(message, "X-Gomail-Id") or None,
        sender=sender[0],
        to=to,
        cc=envelope.cc if named else parties(_header(message, "Cc")),
        bcc=envelope.bcc,
        reply_to=envelope.reply_to or parties(_header(message, "Reply-To")),
        subject=_header(message, "Subject"),
        text=_body(bodies["plain"]),
        html=_body(bodies["html"]),
        tags=envelope.tags,
        files=tuple(_part(part) for part in message.walk() if _is_file(part, bodies.values())),
    )


def addresses(value: Any, where: str) -> tuple[Party, ...]:
    """The mailboxes of a list of strings, one in each."""
    found: list[Party] = []
    for given in checked_list(value, where):
        if not isinstance(given, str) or "@" not in given:
            raise bad(f"{where}: Missing final '@domain'")
        if not given.isascii() or not given.isprintable():
            raise bad("Local address contains control or whitespace")
        (*others, one) = parties(given) or (Party(""),)
        if others or "@" not in one.email:
            raise bad(f"{where}: Missing final '@domain'")
        found.append(one)
    return tuple(found)


def bad(message: str) -> Rejected:
    """The rejection of a request that is not as it must be."""
    return Rejected(400, message, code="BadRequestException")


def checked_object(value: Any, where: str) -> dict[str, Any]:
    """The value, which must be an object."""
    if not isinstance(value, dict):
        raise bad(f"{where} must be an object.")
    return value


def objects(value: Any, where: str) -> list[dict[str, Any]]:
    """The value, which must be a list of objects or missing."""
    return [checked_object(item, where) for item in checked_list(value, where)]


def checked_list(value: Any, where: str) -> list[Any]:
    """The value, which must be a list or missing."""
    if not isinstance(value, list | None):
        raise bad(f"{where} must be a list.")
    return value or []


def _data(parent: dict[str, Any], name: str) -> str | None:
    if (part := parent.get(name)) is None:
        return None
    data = checked_object(part, name).get("Data")
    if not isinstance(data, str):
        raise bad(f"{name}.Data is required.")
    return data


def _headers(value: Any) -> list[tuple[str, str]]:
    headers = [
        (str(header.get("Name", "")), str(header.get("Value", "")))
        for header in objects(value, "Content.Simple.Headers")
    ]
    if len(headers) > _MOST_HEADERS:
        raise bad(f"Content.Simple.Headers may have at most {_MOST_HEADERS} headers.")
    for name, given in headers:
        if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(given):
            raise bad(f"Invalid header {name!r}.")
        if len(name) + len(given) > _HEADER_LIMIT:
            raise bad(f"Header {name} is longer than {_HEADER_LIMIT} characters.")
    return headers


def _id(headers: list[tuple[str, str]]) -> str | None:
    return next((value for name, value in headers if name.lower() == "x-gomail-id"), None)


def _file(given: dict[str, Any]) -> File:
    name = given.get("FileName")
    if not isinstance(name, str) or not 1 <= len(name) <= _LONGEST_NAME:
        raise bad(f"FileName is required, with at most {_LONGEST_NAME} characters.")
    if "." in name and name.rpartition(".")[2].strip().lower() in _BLOCKED:
        raise bad(f"Illegal filename '{name}'.")
    if given.get("ContentDisposition") not in {None, "ATTACHMENT", "INLINE"}:
        raise bad("ContentDisposition must be ATTACHMENT or INLINE.")
    if given.get("ContentTransferEncoding") not in _ENCODINGS:
        raise bad("ContentTransferEncoding must be BASE64, QUOTED_PRINTABLE or SEVEN_BIT.")
    data = _decoded(given.get("RawContent"))
    if given.get("ContentTransferEncoding") in {None, "SEVEN_BIT"} and not data.isascii():
        raise bad(f"'{name}' is no 7-bit text.")
    return File(
        name=name,
        content_type=_word(given, "ContentType") or "application/octet-stream",
        content_id=_word(given, "ContentId"),
        inline=given.get("ContentDisposition") == "INLINE",
        data=data,
    )


def _word(given: dict[str, Any], field: str) -> str | None:
    value = given.get(field)
    if value is not None and not (isinstance(value, str) and 1 <= len(value) <= _LONGEST_WORD):
        raise bad(f"{field} must have 1 to {_LONGEST_WORD} characters.")
    return value


def _decoded(content: Any) -> bytes:
    if not isinstance(content, str):
        raise bad("RawContent is required.")
    try:
        return base64.b64decode(content, validate=True)
    except ValueError as error:
        raise bad("RawContent must be base64.") from error


def _check_size(text: str | None, html: str | None, files: tuple[File, ...]) -> None:
    parts = [(text or "").encode(), (html or "").encode(), *(file.data for file in files)]
    if sum((len(part) + 2) // 3 * 4 for part in parts) > _LIMIT:
        raise bad(f"Message length is more than {_LIMIT} bytes long.")


def _header(message: EmailMessage, name: str) -> str:
    return ", ".join(clean(value) for value in message.get_all(name, ()))


def _body(part: MIMEPart | None) -> str | None:
    try:
        return None if part is None else clean(part.get_content())
    except (LookupError, ValueError) as error:
        raise bad("A body of the raw message cannot be read.") from error


def _is_file(part: EmailMessage, bodies: Iterable[MIMEPart | None]) -> bool:
    return not part.is_multipart() and not any(part is body for body in bodies)


def _part(part: EmailMessage) -> File:
    content_id = clean(part.get("Content-ID", "")).strip("<> ")
    data = part.get_payload(decode=True)
    return File(
        name=clean(part.get_filename("")),
        content_type=part.get_content_type(),
        content_id=content_id or None,
        inline=part.get_content_disposition() == "inline",
        data=data if isinstance(data, bytes) else b"",
    )
