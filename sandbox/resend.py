"""Speaks Resend: `POST /emails`, with idempotency keys, and `GET /domains`."""

from __future__ import annotations

import base64
import re
import uuid
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
from aiohttp import web

from sandbox.http import cut, json_answer
from sandbox.mailbox import Email, File
from sandbox.parties import Party, decoded, parties
from sandbox.provider import ProviderEndpoint, Rejected
from sandbox.questions import question

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.mailbox import Mailbox
    from sandbox.questions import Routes

_MOST_RECIPIENTS = 50
_LIMIT = 40_000_000
_LONGEST_KEY = 256
_MOST_KEYS = 200_000
_TAG = re.compile(r"[A-Za-z0-9_-]{1,256}")
_BAD_KEY = "API key is invalid"
_ERRORS = {
    400: ("validation_error", "A fault was switched on."),
    401: ("missing_api_key", "Missing API Key"),
    403: ("invalid_api_key", _BAD_KEY),
    422: ("validation_error", "A fault was switched on."),
    429: ("rate_limit_exceeded", "Too many requests."),
}
_INTERNAL = ("application_error", "An unexpected error occurred because a fault was switched on.")


class Resend:
    """The dialect of Resend."""

    name = "resend"

    def __init__(self, bad_key: str) -> None:
        self._bad_key = bad_key
        self.newest_id = ""

    def authenticate(self, headers: Mapping[str, str]) -> None:
        """Take every bearer key but none, and but the one that is agreed to be bad."""
        scheme, _, key = headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer" or not key:
            raise Rejected(401, "Missing API Key", code="missing_api_key")
        if key == self._bad_key:
            raise Rejected(403, _BAD_KEY, code="invalid_api_key")

    def read(self, payload: bytes) -> Email:
        """Understand a send."""
        request = _json(payload)
        text, html = _text(request, "text"), _text(request, "html")
        if not text and not html:
            raise _missing("html` or `text")
        if not (subject := _text(request, "subject")):
            raise _missing("subject")
        headers = _headers(request)
        files = tuple(_file(one) for one in _objects(request, "attachments"))
        _check_size(text, html, files)
        tags = _tags(request)
        return Email(
            id=tags.pop("gomail-id", None) or headers.get("X-Gomail-Id"),
            sender=_sender(request),
            to=_people(request, "to"),
            cc=_people(request, "cc", needed=False),
            bcc=_people(request, "bcc", needed=False),
            reply_to=_people(request, "reply_to", needed=False),
            subject=subject,
            text=text or None,
            html=html or None,
            tags=tuple(_word(name, value) for name, value in tags.items()),
            headers=tuple((name, decoded(value)) for name, value in headers.items()),
            files=files,
        )

    def new_id(self) -> str:
        """An id as Resend gives them."""
        self.newest_id = str(uuid.uuid4())
        return self.newest_id

    def accepted(self, provider_id: str) -> web.Response:
        """The answer to an accepted email."""
        return json_answer({"id": provider_id})

    def garbage(self) -> web.Response:
        """Half an answer."""
        return web.Response(body=b'{"i', headers={"Content-Type": "application/json"})

    def rejected(self, rejection: Rejected) -> web.Response:
        """An error in Resend's shape."""
        name, message = _ERRORS.get(rejection.status, _INTERNAL)
        return json_answer(
            {
                "statusCode": rejection.status,
                "name": rejection.code or name,
                "message": rejection.message or message,
            },
            rejection.status,
        )

    def refusal(self) -> Rejected:
        """The rejection of an email that is refused for good."""
        return _invalid("Invalid `to` field, refused by a switch.")


class _Sent(NamedTuple):
    digest: bytes
    provider_id: str


class ResendEndpoint(ProviderEndpoint):
    """The endpoint for sending, which knows an idempotency key again.

    A repeated send is answered with the id of the first and does not reach the mailbox; the last
    200,000 keys are known, whatever their age.
    """

    def __init__(self, dialect: Resend, mailbox: Mailbox) -> None:
        super().__init__(dialect, mailbox)
        self._resend = dialect
        self._sent: dict[str, _Sent] = {}

    def _accept(
        self, request: web.BaseRequest, email: Email, payload: bytes, struck: str | None
    ) -> web.Response:
        key = request.headers.get("Idempotency-Key")
        if key is None:
            return super()._accept(request, email, payload, struck)
        if not 1 <= len(key) <= _LONGEST_KEY:
            raise Rejected(
                400, "The key must be between 1-256 chars.", code="invalid_idempotency_key"
            )
        digest = sha256(payload).digest()
        if (sent := self._sent.get(key)) is not None:
            return self._again(request, sent, digest, struck)
        answer = super()._accept(request, email, payload, struck)
        self._sent[key] = _Sent(digest, self._resend.newest_id)
        if len(self._sent) > _MOST_KEYS:
            del self._sent[next(iter(self._sent))]
        return answer

    def _again(
        self, request: web.BaseRequest, sent: _Sent, digest: bytes, struck: str | None
    ) -> web.Response:
        if digest != sent.digest:
            raise Rejected(
                409,
                "This idempotency key has been used with another payload.",
                code="invalid_idempotent_request",
            )
        self.calls.accepted += 1
        if struck == "accept_then_reset":
            self.calls.reset += 1
            return cut(request)
        if struck == "garbage":
            return self.dialect.garbage()
        return self.dialect.accepted(sent.provider_id)


def questions(endpoint: ProviderEndpoint) -> Routes:
    """The domains of a key: one, which is verified; not while every call is to fail."""

    def domains() -> web.Response:
        s = endpoint.switches
        if s.error_rate == 1:
            raise Rejected(s.status, s.error_message, code=s.error_code)
        domain = {"id": str(uuid.UUID(int=1)), "name": "example.com", "status": "verified"}
        return json_answer({"object": "list", "has_more": False, "data": [domain]})

    return {("GET", "/domains"): question(endpoint, domains)}


def _invalid(message: str) -> Rejected:
    return Rejected(422, message, code="validation_error")


def _missing(name: str) -> Rejected:
    return Rejected(422, f"Missing `{name}` field.", code="missing_required_field")


def _json(payload: bytes) -> dict[str, Any]:
    try:
        request = orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        raise Rejected(400, "The JSON could not be read.", code="validation_error") from error
    if not isinstance(request, dict):
        raise _invalid("The request must be an object.")
    return request


def _text(request: dict[str, Any], name: str) -> str:
    value = request.get(name)
    if not isinstance(value, str | None):
        raise _invalid(f"The `{name}` field must be a string.")
    return value or ""


def _objects(request: dict[str, Any], name: str) -> list[dict[str, Any]]:
    value = request.get(name) or []
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise _invalid(f"The `{name}` field must be a list of objects.")
    return value


def _sender(request: dict[str, Any]) -> Party:
    given = _text(request, "from")
    found = parties(given) if given.isprintable() else ()
    if len(found) != 1 or "@" not in found[0].email:
        raise Rejected(422, "Invalid `from` field.", code="invalid_from_address")
    return found[0]


def _people(request: dict[str, Any], name: str, *, needed: bool = True) -> tuple[Party, ...]:
    given = request.get(name) or []
    given = [given] if isinstance(given, str) else given
    if not isinstance(given, list) or len(given) > _MOST_RECIPIENTS:
        raise _invalid(f"The `{name}` field must be a list of at most {_MOST_RECIPIENTS}.")
    if not given and needed:
        raise _missing(name)
    people = []
    for one in given:
        found = parties(one) if isinstance(one, str) and one.isprintable() else ()
        if len(found) != 1 or "@" not in found[0].email:
            raise _invalid(f"Invalid `{name}` field.")
        people.append(found[0])
    return tuple(people)


def _headers(request: dict[str, Any]) -> dict[str, str]:
    headers = request.get("headers") or {}
    if not isinstance(headers, dict) or not all(isinstance(v, str) for v in headers.values()):
        raise _invalid("The `headers` field must be an object of strings.")
    for name, value in headers.items():
        if not name or not (name + value).isascii() or not (name + value).isprintable():
            raise _invalid(f"Invalid header {name}.")
    return headers


def _tags(request: dict[str, Any]) -> dict[str, str]:
    tags: dict[str, str] = {}
    for tag in _objects(request, "tags"):
        name, value = _text(tag, "name"), _text(tag, "value")
        if not _TAG.fullmatch(name) or not _TAG.fullmatch(value):
            raise _invalid("Tags should only contain ASCII letters, numbers, underscores, dashes.")
        tags[name] = value
    return tags


def _word(name: str, value: str) -> str:
    # tag1, tag2, …: words for which Resend, whose tags have names, got numbers.
    return value if re.fullmatch(r"tag[0-9]+", name) else f"{name}={value}"


def _file(given: dict[str, Any]) -> File:
    content_id = _text(given, "content_id")
    try:
        data = base64.b64decode(_text(given, "content"), validate=True)
    except ValueError as error:
        raise Rejected(
            422, "Attachment must have a base64 `content`.", code="invalid_attachment"
        ) from error
    return File(
        name=_text(given, "filename"),
        content_type=_text(given, "content_type") or "application/octet-stream",
        content_id=content_id or None,
        inline=bool(content_id),
        data=data,
    )


def _check_size(text: str, html: str, files: tuple[File, ...]) -> None:
    size = len(text.encode()) + len(html.encode())
    if size + sum((len(file.data) + 2) // 3 * 4 for file in files) > _LIMIT:
        raise Rejected(413, "The email is larger than 40 MB.")
