"""The fields of an email beyond those of the Go service, and their rules. Pure.

A wrong JSON type is a `TypeError` that names the field; everything else a sentence at the field.
"""

import base64
import binascii
import mimetypes
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from gomail.email.addresses import is_address
from gomail.email.model import (
    MOST_ATTACHMENTS,
    MOST_RECIPIENTS,
    Attachment,
    Claim,
    ListUnsubscribe,
    Mailbox,
)
from gomail.email.texts import HEADER_LIMIT, fault_in_line, has_forbidden_characters

T = TypeVar("T")

MOST_HEADERS = 25
MOST_TAGS = 10
MOST_METADATA = 20
LONGEST_SCHEDULE = timedelta(days=30)

_LISTS = {"to": "also_to", "cc": "cc", "bcc": "bcc", "replyTo": "reply_to"}
_LABELS = {"to": "To", "cc": "Cc", "bcc": "Bcc", "replyTo": "Reply-to"}
MORE = frozenset(
    {*_LISTS, "html", "text", "headers", "attachments", "tags", "metadata", "listUnsubscribe"}
    | {"sendAt", "expiresAt", "onUnknown", "claim"}
)
"""Their names on the wire."""

# Longer names, or a colon, space or control character in one, would be another header or none.
_HEADER_NAME = re.compile(r"[!-9;-~]{1,76}")
# What the email's other fields, the providers or the way of the mail write.
_RESERVED = re.compile(
    r"(from|to|cc|bcc|subject|sender|reply-to|date|message-id|return-path|mime-version"
    r"|content-.*|dkim-.*|arc-.*|received.*|authentication-results"
    r"|x-sg-.*|x-ses-.*|x-gomail-.*|x-mailgun-.*)",
    re.IGNORECASE,
)
_UNSUBSCRIBE = re.compile(r"list-unsubscribe(-post)?", re.IGNORECASE)
_TAG = re.compile(r"[A-Za-z0-9_-]{1,64}")
_CONTENT_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]{1,64}/[A-Za-z0-9!#$&^_.+-]{1,64}")
_CONTENT_ID = re.compile(r"[A-Za-z0-9._@+-]{1,78}")
_URL = re.compile(r"https://[!-;=?-~]+")
_MAILTO = re.compile(r"mailto:[!-;=?-~]+")
_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_KEY = re.compile(r"[A-Za-z0-9._/-]{1,400}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


class More:
    """Reads them; `faults` then has all that is wrong.

    Args:
        now_ms: milliseconds since the epoch, for the rules on times; None leaves those out.
        max_attachment_bytes: of all attachments together; None for any.
        stored: whether large parts may be elsewhere, as in a queue message.
    """

    def __init__(
        self, *, now_ms: int | None, max_attachment_bytes: int | None, stored: bool
    ) -> None:
        self.faults: dict[str, str] = {}
        self.has_recipients = False
        """Whether `to` was given."""
        self._now, self._most, self._stored = now_ms, max_attachment_bytes, stored
        self._seen: set[str] = set()

    def read(self, wire: Mapping[str, Any]) -> dict[str, Any]:
        """The values by their names in `Email`."""
        values = self._texts(wire) | self._people(wire)
        claim = self._claim(wire)
        return values | {
            "claim": claim,
            "headers": self._headers(wire),
            "attachments": self._attachments(wire, stored=claim is not None),
            "tags": self._tags(wire),
            "metadata": self._metadata(wire),
            "list_unsubscribe": self._unsubscribe(wire),
            "on_unknown": self._on_unknown(wire),
            **self._times(wire),
        }

    def _fault(self, name: str, sentence: str) -> None:
        self.faults.setdefault(name, sentence)

    # -- texts and people ----------------------------------------------------------------------

    def _texts(self, wire: Mapping[str, Any]) -> dict[str, Any]:
        body, text, html = (_text(wire, name) for name in ("body", "text", "html"))
        if body and text:
            self._fault("text", "Text and body are the same field; give one of them")
        if has_forbidden_characters(html):
            self._fault("html", "Html contains characters outside the allowed set")
        return {"body": body or text, "html": html}

    def _people(self, wire: Mapping[str, Any]) -> dict[str, Any]:
        values: dict[str, Any] = {}
        if wire.get("to") is not None and (_text(wire, "toEmail") or _text(wire, "toName")):
            self._fault("to", "To and toEmail are the same field; give one of them")
        if address := _text(wire, "toEmail"):
            self._seen.add(address.lower())
        for name, attribute in _LISTS.items():
            values[attribute] = self._mailboxes(wire, name)
        if wire.get("to") is not None:
            self.has_recipients = True
            if not values["also_to"]:
                self._fault("to", "To email is required")
                return values
            first, *others = values["also_to"]
            values |= {"to_email": first.email, "to_name": first.name, "also_to": tuple(others)}
        count = 1 + sum(len(values[name]) for name in ("also_to", "cc", "bcc"))
        if count > MOST_RECIPIENTS:
            self._fault("to", f"There are more than {MOST_RECIPIENTS} recipients")
        return values

    def _mailboxes(self, wire: Mapping[str, Any], name: str) -> tuple[Mailbox, ...]:
        mailboxes = []
        for place, one in enumerate(_items(wire, name)):
            where = f"{name}.{place}"
            self._unknown(one, {"email", "name"}, where)
            mailbox = Mailbox(_text(one, "email", where), _text(one, "name", where))
            mailboxes.append(mailbox)
            label = _LABELS[name]
            if not mailbox.email:
                self._fault(f"{where}.email", f"{label} email is required")
            elif not is_address(mailbox.email):
                self._fault(f"{where}.email", f"{label} email is not a valid email")
            elif name != "replyTo" and mailbox.email.lower() in self._seen:
                self._fault(f"{where}.email", f"{label} email is there twice")
            if fault := fault_in_line(f"{label} name", mailbox.name):
                self._fault(f"{where}.name", fault)
            if name != "replyTo":
                self._seen.add(mailbox.email.lower())
        if len(mailboxes) > MOST_RECIPIENTS:
            self._fault(name, f"{_LABELS[name]} has more than {MOST_RECIPIENTS} entries")
        return tuple(mailboxes)

    # -- headers, tags, metadata ---------------------------------------------------------------

    def _headers(self, wire: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
        headers = _strings(wire, "headers")
        if len(headers) > MOST_HEADERS:
            self._fault("headers", f"There are more than {MOST_HEADERS} headers")
        seen: set[str] = set()
        for name, value in headers:
            if fault := _header_fault(name, value, seen):
                self._fault(f"headers.{_printable(name)}", fault)
            seen.add(name.lower())
        return headers

    def _tags(self, wire: Mapping[str, Any]) -> tuple[str, ...]:
        tags = _list(wire, "tags")
        for place, tag in enumerate(tags):
            if not isinstance(tag, str):
                raise TypeError(f"email.tags.{place} is not a string")
            if not _TAG.fullmatch(tag):
                self._fault(
                    f"tags.{place}", "Tag is not 1 to 64 letters, digits, hyphens and underscores"
                )
            elif tag in tags[:place]:
                self._fault(f"tags.{place}", "Tag is there twice")
        if len(tags) > MOST_TAGS:
            self._fault("tags", f"There are more than {MOST_TAGS} tags")
        return tuple(tags)

    def _metadata(self, wire: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
        metadata = _strings(wire, "metadata")
        if len(metadata) > MOST_METADATA:
            self._fault("metadata", f"There are more than {MOST_METADATA} entries")
        for name, value in metadata:
            where = f"metadata.{_printable(name)}"
            if not name or fault_in_line("", name, 64):
                self._fault(where, "Name is not 1 to 64 bytes without control characters")
            elif fault := fault_in_line("Value", value, 512):
                self._fault(where, fault)
        return metadata

    def _unsubscribe(self, wire: Mapping[str, Any]) -> ListUnsubscribe | None:
        given = wire.get("listUnsubscribe")
        if given is None:
            return None
        given = _object(given, "listUnsubscribe")
        self._unknown(given, {"url", "mailto"}, "listUnsubscribe")
        url = _text(given, "url", "listUnsubscribe")
        mailto = _text(given, "mailto", "listUnsubscribe")
        for name, value, form, sentence in (
            ("url", url, _URL, "Url is not an https URL in printable ASCII"),
            ("mailto", mailto, _MAILTO, "Mailto is not a mailto: URI in printable ASCII"),
        ):
            if (value or name == "url") and not form.fullmatch(value):
                self._fault(f"listUnsubscribe.{name}", sentence)
            elif len(url) + len(mailto) > HEADER_LIMIT - 30:
                self._fault(f"listUnsubscribe.{name}", "It is too long for a header")
        return ListUnsubscribe(url, mailto)

    # -- attachments ---------------------------------------------------------------------------

    def _attachments(self, wire: Mapping[str, Any], *, stored: bool) -> tuple[Attachment, ...]:
        given = _items(wire, "attachments")
        if len(given) > MOST_ATTACHMENTS:
            self._fault("attachments", f"There are more than {MOST_ATTACHMENTS} attachments")
        attachments = tuple(
            self._attachment(one, f"attachments.{place}", stored=stored)
            for place, one in enumerate(given)
        )
        ids: set[str] = set()
        for place, one in enumerate(attachments):
            if one.content_id and one.content_id in ids:
                self._fault(f"attachments.{place}.contentId", "Content id is there twice")
            ids.add(one.content_id)
        if self._most is not None and sum(one.size for one in attachments) > self._most:
            self._fault("attachments", f"Attachments together are over {self._most} bytes")
        return attachments

    def _attachment(self, one: Mapping[str, Any], where: str, *, stored: bool) -> Attachment:
        known = {"filename", "content", "contentType", "contentId"}
        self._unknown(one, known | {"size"} if self._stored else known, where)
        filename = _text(one, "filename", where)
        content = _text(one, "content", where)
        if not filename:
            self._fault(f"{where}.filename", "Filename is required")
        elif fault := fault_in_line("Filename", filename, 255):
            self._fault(f"{where}.filename", fault)
        elif "/" in filename or "\\" in filename:
            self._fault(f"{where}.filename", "Filename contains a path separator")
        size = _decoded_size(content)
        if stored:
            size = _number(one, "size", where)
        elif not content:
            self._fault(f"{where}.content", "Content is required")
        if size is None:
            self._fault(f"{where}.content", "Content is not base64 without line breaks")
        kind = _text(one, "contentType", where) or _guessed(filename)
        if not _CONTENT_TYPE.fullmatch(kind):
            self._fault(f"{where}.contentType", "Content type is not of the form type/subtype")
        content_id = _text(one, "contentId", where)
        if content_id and not _CONTENT_ID.fullmatch(content_id):
            self._fault(
                f"{where}.contentId", "Content id is not 1 to 78 letters, digits or any of ._@+-"
            )
        return Attachment(filename, kind, content, size or 0, content_id)

    def _claim(self, wire: Mapping[str, Any]) -> Claim | None:
        given = wire.get("claim")
        if given is None:
            return None
        if not self._stored:
            self._fault("claim", "claim is not a field of an email")
            return None
        given = _object(given, "claim")
        claim = Claim(
            _text(given, "key", "claim"),
            _text(given, "sha256", "claim"),
            _number(given, "size", "claim"),
        )
        if not _KEY.fullmatch(claim.key) or not _DIGEST.fullmatch(claim.sha256):
            self._fault("claim", "Claim has not the form of one")
        return claim

    # -- times ---------------------------------------------------------------------------------

    def _times(self, wire: Mapping[str, Any]) -> dict[str, int]:
        send_at, expires_at = self._time(wire, "sendAt"), self._time(wire, "expiresAt")
        if self._now is not None:
            if send_at > self._now + LONGEST_SCHEDULE // _MILLISECOND:
                self._fault("sendAt", f"Send at is more than {LONGEST_SCHEDULE.days} days ahead")
            send_at = send_at if send_at > self._now else 0
            if expires_at and expires_at <= self._now:
                self._fault("expiresAt", "Expires at is over")
        if expires_at and send_at and expires_at <= send_at:
            self._fault("expiresAt", "Expires at is not after send at")
        return {"send_at": send_at, "expires_at": expires_at}

    def _time(self, wire: Mapping[str, Any], name: str) -> int:
        given = _text(wire, name)
        if not given:
            return 0
        label = "Send at" if name == "sendAt" else "Expires at"
        since = _since_epoch(given)
        if since is None:
            self._fault(name, f"{label} is not a time such as 2026-01-31T12:00:00Z")
            return 0
        # Never early: a part of a millisecond is a whole one.
        return -(-since // _MILLISECOND) if name == "sendAt" else since // _MILLISECOND

    def _on_unknown(self, wire: Mapping[str, Any]) -> str:
        given = _text(wire, "onUnknown")
        if given not in {"", "retry", "dead-letter"}:
            self._fault("onUnknown", "On unknown is neither retry nor dead-letter")
        return given

    def _unknown(self, given: Mapping[str, Any], known: set[str], where: str) -> None:
        for name in given:
            if name not in known:
                self._fault(f"{where}.{_printable(name)}", f"{name} is not a field here")


def _since_epoch(given: str) -> timedelta | None:
    if not _TIME.fullmatch(given):
        return None
    try:
        return datetime.fromisoformat(given.upper()) - _EPOCH
    except (ValueError, OverflowError):
        return None


def _header_fault(name: str, value: str, seen: set[str]) -> str | None:
    if fault := _name_fault(name):
        return fault
    if name.lower() in seen:
        return "Header is there twice"
    if not value.strip():
        return "Header is empty"
    if len(name) + _length_sent(value) > HEADER_LIMIT:
        return f"Header is longer than {HEADER_LIMIT} bytes"
    return fault_in_line("Header", value)


def _name_fault(name: str) -> str | None:
    if not _HEADER_NAME.fullmatch(name):
        return "Header name is not 1 to 76 printable ASCII characters without colon"
    if _UNSUBSCRIBE.fullmatch(name):
        return "Header is reserved; use listUnsubscribe"
    return "Header is reserved" if _RESERVED.fullmatch(name) else None


def _length_sent(value: str) -> int:
    """Characters of a header value as it goes out: in words of 45 bytes where it is not ASCII."""
    return len(value) if value.isascii() else -(-len(value.encode(errors="replace")) // 42) * 76


def _decoded_size(content: str) -> int | None:
    try:
        return len(base64.b64decode(content, validate=True))
    except (binascii.Error, ValueError):
        return None


def _guessed(filename: str) -> str:
    kind, encoding = mimetypes.guess_type(filename)
    return kind if kind and not encoding else "application/octet-stream"


def _printable(name: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in name)[:100]


def _text(given: Mapping[str, Any], name: str, where: str = "") -> str:
    value = given.get(name)
    if value is None:
        return ""
    return _typed(value, str, f"{where}.{name}" if where else name, "a string")


def _number(given: Mapping[str, Any], name: str, where: str) -> int:
    value = given.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise TypeError(f"email.{where}.{name} is not a number")
    return value


def _list(wire: Mapping[str, Any], name: str) -> list[Any]:
    value = wire.get(name)
    return [] if value is None else _typed(value, list, name, "an array")


def _items(wire: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    return [_object(one, f"{name}.{place}") for place, one in enumerate(_list(wire, name))]


def _object(value: object, where: str) -> dict[str, Any]:
    return _typed(value, dict, where, "an object")


def _strings(wire: Mapping[str, Any], name: str) -> tuple[tuple[str, str], ...]:
    value = wire.get(name)
    given = {} if value is None else _object(value, name)
    return tuple((key, _typed(text, str, f"{name}.*", "a string")) for key, text in given.items())


def _typed(value: object, kind: type[T], where: str, what: str) -> T:
    if not isinstance(value, kind):
        raise TypeError(f"email.{where} is not {what}")
    return value
