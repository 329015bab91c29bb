"""The fields of an email beyond those of the Go service, and their rules. Pure.

A wrong JSON type is an error that names the field; everything else a sentence at the field. Of a
list that is too long only as much is read as there may be.
"""

import base64
import binascii
import mimetypes
import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, TypeVar

from gomail.email.addresses import ascii_address, is_address
from gomail.email.headers import header_fault
from gomail.email.model import (
    MOST_ATTACHMENTS,
    MOST_RECIPIENTS,
    Attachment,
    Claim,
    ListUnsubscribe,
    Mailbox,
)
from gomail.email.shapes import array, number, pairs, text, typed
from gomail.email.texts import HEADER_LIMIT, fault_in_line, has_forbidden_characters
from gomail.email.times import milliseconds

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

_TAG = re.compile(r"[A-Za-z0-9_-]{1,64}")
_CONTENT_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]{1,64}/[A-Za-z0-9!#$&^_.+-]{1,64}")
_CONTENT_ID = re.compile(r"[A-Za-z0-9._@+-]{1,78}")
_URL = re.compile(r"https://[!-;=?-~]+")
_MAILTO = re.compile(r"mailto:[!-;=?-~]+")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_KEY = re.compile(r"[A-Za-z0-9._/-]{1,400}")


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
        body, alias, html = (text(wire, name) for name in ("body", "text", "html"))
        if body and alias:
            self._fault("text", "Text and body are the same field; give one of them")
        if has_forbidden_characters(html):
            self._fault("html", "Html contains characters outside the allowed set")
        return {"body": body or alias, "html": html}

    def _people(self, wire: Mapping[str, Any]) -> dict[str, Any]:
        values: dict[str, Any] = {}
        if wire.get("to") is not None and (text(wire, "toEmail") or text(wire, "toName")):
            self._fault("to", "To and toEmail are the same field; give one of them")
        self._is_second(text(wire, "toEmail"))
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
        given = array(wire, name)
        label = _LABELS[name]
        mailboxes = []
        most = self._most_of(given, name, MOST_RECIPIENTS, f"{label} has more than {{}} entries")
        for place, value in enumerate(most):
            where = f"{name}.{place}"
            one = self._object(value, {"email", "name"}, where)
            mailbox = Mailbox(text(one, "email", where), text(one, "name", where))
            mailboxes.append(mailbox)
            if not mailbox.email:
                self._fault(f"{where}.email", f"{label} email is required")
            elif not is_address(mailbox.email):
                self._fault(f"{where}.email", f"{label} email is not a valid email")
            elif name != "replyTo" and self._is_second(mailbox.email):
                self._fault(f"{where}.email", f"{label} email is there twice")
            if fault := fault_in_line(f"{label} name", mailbox.name):
                self._fault(f"{where}.name", fault)
        return tuple(mailboxes)

    def _is_second(self, address: str) -> bool:
        """Whether the address is there already, however its domain is written; it is from now."""
        if not is_address(address):
            return False
        same = ascii_address(address).lower()
        if same in self._seen:
            return True
        self._seen.add(same)
        return False

    # -- headers, tags, metadata ---------------------------------------------------------------

    def _headers(self, wire: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
        given = pairs(wire, "headers")
        headers = self._most_of(given, "headers", MOST_HEADERS, "There are more than {} headers")
        seen: set[str] = set()
        for name, value in headers:
            fault = "Header is there twice" if name.lower() in seen else header_fault(name, value)
            if fault:
                self._fault(f"headers.{_printable(name)}", fault)
            seen.add(name.lower())
        return tuple(headers)

    def _tags(self, wire: Mapping[str, Any]) -> tuple[str, ...]:
        given = array(wire, "tags")
        tags = [
            typed(tag, str, f"tags.{place}", "a string")
            for place, tag in enumerate(
                self._most_of(given, "tags", MOST_TAGS, "There are more than {} tags")
            )
        ]
        for place, tag in enumerate(tags):
            if not _TAG.fullmatch(tag):
                self._fault(
                    f"tags.{place}", "Tag is not 1 to 64 letters, digits, hyphens and underscores"
                )
            elif tag in tags[:place]:
                self._fault(f"tags.{place}", "Tag is there twice")
        return tuple(tags)

    def _metadata(self, wire: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
        given = pairs(wire, "metadata")
        metadata = self._most_of(given, "metadata", MOST_METADATA, "There are more than {} entries")
        for name, value in metadata:
            where = f"metadata.{_printable(name)}"
            if not name or fault_in_line("", name, 64):
                self._fault(where, "Name is not 1 to 64 bytes without control characters")
            elif fault := fault_in_line("Value", value, 512):
                self._fault(where, fault)
        return tuple(metadata)

    def _unsubscribe(self, wire: Mapping[str, Any]) -> ListUnsubscribe | None:
        given = wire.get("listUnsubscribe")
        if given is None:
            return None
        given = self._object(given, {"url", "mailto"}, "listUnsubscribe")
        url = text(given, "url", "listUnsubscribe")
        mailto = text(given, "mailto", "listUnsubscribe")
        for name, value, form, sentence in (
            ("url", url, _URL, "Url is not an https URL in printable ASCII"),
            ("mailto", mailto, _MAILTO, "Mailto is not a mailto: URI in printable ASCII"),
        ):
            if (value or name == "url") and not form.fullmatch(value):
                self._fault(f"listUnsubscribe.{name}", sentence)
            elif value and len(url) + len(mailto) > HEADER_LIMIT - 30:
                self._fault(f"listUnsubscribe.{name}", "It is too long for a header")
        return ListUnsubscribe(url, mailto)

    # -- attachments ---------------------------------------------------------------------------

    def _attachments(self, wire: Mapping[str, Any], *, stored: bool) -> tuple[Attachment, ...]:
        given = array(wire, "attachments")
        most = self._most_of(
            given, "attachments", MOST_ATTACHMENTS, "There are more than {} attachments"
        )
        attachments = tuple(
            self._attachment(one, f"attachments.{place}", stored=stored)
            for place, one in enumerate(most)
        )
        ids: set[str] = set()
        for place, one in enumerate(attachments):
            if one.content_id and one.content_id in ids:
                self._fault(f"attachments.{place}.contentId", "Content id is there twice")
            ids.add(one.content_id)
        if self._most is not None and sum(one.size for one in attachments) > self._most:
            self._fault("attachments", f"Attachments together are over {self._most} bytes")
        return attachments

    def _attachment(self, given: object, where: str, *, stored: bool) -> Attachment:
        known = {"filename", "content", "contentType", "contentId"}
        one = self._object(given, known | {"size"} if self._stored else known, where)
        filename = text(one, "filename", where)
        content = text(one, "content", where)
        if not filename:
            self._fault(f"{where}.filename", "Filename is required")
        elif fault := fault_in_line("Filename", filename, 255):
            self._fault(f"{where}.filename", fault)
        elif "/" in filename or "\\" in filename:
            self._fault(f"{where}.filename", "Filename contains a path separator")
        size = _decoded_size(content)
        if stored:
            size = number(one, "size", where)
            if content:
                self._fault(f"{where}.content", "Content is in the payload store")
        elif not content:
            self._fault(f"{where}.content", "Content is required")
        if size is None:
            self._fault(f"{where}.content", "Content is not base64 without line breaks")
        kind = text(one, "contentType", where) or _guessed(filename)
        if not _CONTENT_TYPE.fullmatch(kind):
            self._fault(f"{where}.contentType", "Content type is not of the form type/subtype")
        content_id = text(one, "contentId", where)
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
        given = self._object(given, {"key", "sha256", "size"}, "claim")
        claim = Claim(
            text(given, "key", "claim"),
            text(given, "sha256", "claim"),
            number(given, "size", "claim"),
        )
        if not _KEY.fullmatch(claim.key) or not _DIGEST.fullmatch(claim.sha256):
            self._fault("claim", "Claim has not the form of one")
        return claim

    # -- times ---------------------------------------------------------------------------------

    def _times(self, wire: Mapping[str, Any]) -> dict[str, int]:
        send_at, expires_at = self._time(wire, "sendAt"), self._time(wire, "expiresAt")
        if self._now is not None:
            if send_at > self._now + LONGEST_SCHEDULE // timedelta(milliseconds=1):
                self._fault("sendAt", f"Send at is more than {LONGEST_SCHEDULE.days} days ahead")
            send_at = send_at if send_at > self._now else 0
            if expires_at and expires_at <= self._now:
                self._fault("expiresAt", "Expires at is over")
        if expires_at and send_at and expires_at <= send_at:
            self._fault("expiresAt", "Expires at is not after send at")
        return {"send_at": send_at, "expires_at": expires_at}

    def _time(self, wire: Mapping[str, Any], name: str) -> int:
        given = text(wire, name)
        if not given:
            return 0
        label = "Send at" if name == "sendAt" else "Expires at"
        # Never early: a part of a millisecond is a whole one.
        moment = milliseconds(given, rounded_up=name == "sendAt")
        if moment is None:
            self._fault(name, f"{label} is not a time such as 2026-01-31T12:00:00Z")
        return moment or 0

    def _on_unknown(self, wire: Mapping[str, Any]) -> str:
        given = text(wire, "onUnknown")
        if given not in {"", "retry", "dead-letter"}:
            self._fault("onUnknown", "On unknown is neither retry nor dead-letter")
        return given

    # -- shapes --------------------------------------------------------------------------------

    def _object(self, value: object, known: set[str], where: str) -> dict[str, Any]:
        given = typed(value, dict, where, "an object")
        for name in given:
            if name not in known:
                self._fault(f"{where}.{_printable(name)}", f"{name} is not a field here")
        return given

    def _most_of(self, given: Sequence[T], name: str, most: int, sentence: str) -> Sequence[T]:
        """As many as there may be; the sentence, with the number in it, where there are more."""
        if len(given) > most:
            self._fault(name, sentence.format(most))
        return given[:most]


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
