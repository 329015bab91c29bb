"""Speaks SendGrid v3: `POST /v3/mail/send`, and the key's scopes."""

from __future__ import annotations

import itertools
import os
from typing import TYPE_CHECKING, Any

import orjson
from aiohttp import web

from sandbox import sendgrid_parts as parts
from sandbox.http import json_answer
from sandbox.mailbox import Email
from sandbox.provider import ProviderEndpoint, Rejected
from sandbox.questions import question

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.parties import Party
    from sandbox.questions import Routes

_MOST_PERSONALIZATIONS = 1000
_MOST_RECIPIENTS = 1000
_MOST_ARGUMENTS = 10_000
_LIMIT = 30_000_000
_BAD_KEY = "The provided authorization grant is invalid, expired, or revoked"
_MESSAGES = {401: _BAD_KEY, 403: "access forbidden", 429: "too many requests"}
_SUBJECT = (
    "The subject is required. You can get around this requirement if you use a template with a "
    "subject defined or if every personalization has a subject defined."
)
_CONTENT = (
    "Unless a valid template_id is provided, the content parameter is required. There must be at "
    "least one defined content block. We typically suggest both text/plain and text/html blocks "
    "are included, but only one block is required."
)
_FROM = (
    "The from object must be provided for every email send. It is an object that requires the "
    "email parameter, but may also contain a name parameter."
)
_TO = (
    "The to array is required for all personalization objects, and must have at least one email "
    "object with a valid email address."
)
_REPLY_TO = "The reply_to object, when used, must at least have an email parameter."
_ORDER = "If present, text/plain and text/html may only be provided once, and text/plain first."


class SendGrid:
    """The dialect of SendGrid."""

    name = "sendgrid"

    def __init__(self, bad_key: str) -> None:
        self._bad_key = bad_key
        self._start = os.urandom(6).hex()
        self._numbers = itertools.count(1)

    def authenticate(self, headers: Mapping[str, str]) -> None:
        """Take every bearer key but none, and but the one that is agreed to be bad."""
        key = headers.get("Authorization", "").removeprefix("Bearer ")
        if not key or key == headers.get("Authorization") or key == self._bad_key:
            raise Rejected(401, _BAD_KEY)

    def read(self, payload: bytes) -> Email:
        """Understand a mail/send request, as far as SendGrid checks it before it answers."""
        request = _json(payload)
        recipients = _recipients(request)
        bodies = {} if request.get("template_id") else _bodies(request.get("content"))
        files = parts.files(request.get("attachments"))
        sizes = [len(body.encode()) for body in bodies.values()]
        if sum(sizes) + sum((len(file.data) + 2) // 3 * 4 for file in files) > _LIMIT:
            raise Rejected(413, "The JSON payload you have included in your request is too large.")
        first = request["personalizations"][0]
        return Email(
            id=_custom_id(first) or _custom_id(request),
            sender=parts.party(request.get("from"), "from", _FROM),
            **recipients,
            reply_to=_reply_to(request),
            subject=_subject(request),
            text=bodies.get("text/plain"),
            html=bodies.get("text/html"),
            headers=parts.headers(request.get("headers")),
            tags=parts.categories(request.get("categories")),
            files=files,
        )

    def new_id(self) -> str:
        """An id as in the header X-Message-Id: without a dot."""
        return f"{self._start}{next(self._numbers):010x}"

    def accepted(self, provider_id: str) -> web.Response:
        """The empty answer to an accepted email."""
        return web.Response(status=202, headers={"X-Message-Id": provider_id})

    def garbage(self) -> web.Response:
        """A success without its header, and with a body that should not be."""
        return web.Response(status=202, body=b"\x00<", headers={"Content-Type": "text/html"})

    def rejected(self, rejection: Rejected) -> web.Response:
        """An error in SendGrid's shape."""
        default = _MESSAGES.get(rejection.status, "a fault was switched on")
        error = {
            "message": rejection.message or default,
            "field": rejection.field,
            "help": None,
        }
        return json_answer({"errors": [error]}, rejection.status)

    def refusal(self) -> Rejected:
        """The rejection of an email that is refused for good."""
        return parts.bad("Does not contain a valid address.", "personalizations.0.to.0.email")


def questions(endpoint: ProviderEndpoint) -> Routes:
    """What can be asked of the key; not while every call is to fail."""

    def scopes() -> web.Response:
        s = endpoint.switches
        if s.error_rate == 1:
            raise Rejected(s.status, s.error_message)
        return json_answer({"scopes": ["mail.send"]})

    return {("GET", "/v3/scopes"): question(endpoint, scopes)}


def _json(payload: bytes) -> dict[str, Any]:
    try:
        request = orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        raise Rejected(400, "Bad Request") from error
    if not isinstance(request, dict):
        raise Rejected(400, "Bad Request")
    return request


def _custom_id(holder: dict[str, Any]) -> str | None:
    arguments = holder.get("custom_args") or {}
    id_ = arguments.get("gomail_id") if isinstance(arguments, dict) else 0
    if not isinstance(id_, str | None):
        raise parts.bad("Custom arguments must be strings.", "custom_args")
    if len(orjson.dumps(arguments)) > _MOST_ARGUMENTS:
        raise parts.bad("Custom arguments are limited to 10,000 bytes.", "custom_args")
    return id_


def _recipients(request: dict[str, Any]) -> dict[str, tuple[Party, ...]]:
    personalizations = request.get("personalizations")
    if not isinstance(personalizations, list) or not personalizations:
        raise parts.bad(
            "The personalizations field is required and must have at least one personalization.",
            "personalizations",
        )
    if len(personalizations) > _MOST_PERSONALIZATIONS:
        raise parts.bad("There may be at most 1000 personalizations.", "personalizations")
    found: dict[str, tuple[Party, ...]] = {"to": (), "cc": (), "bcc": ()}
    for place, personalization in enumerate(personalizations):
        field = f"personalizations.{place}"
        if not isinstance(personalization, dict) or not personalization.get("to"):
            raise parts.bad(_TO, f"{field}.to")
        for kind, more in _personalized(personalization, field).items():
            found[kind] += more
    if sum(map(len, found.values())) > _MOST_RECIPIENTS:
        raise parts.bad("There may be at most 1000 recipients.", "personalizations")
    return found


def _personalized(personalization: dict[str, Any], field: str) -> dict[str, tuple[Party, ...]]:
    found = {
        kind: parts.parties(personalization.get(kind), f"{field}.{kind}", _TO, quoted=True)
        for kind in ("to", "cc", "bcc")
    }
    seen: set[str] = set()
    for kind, some in found.items():
        for address in (party.email.lower() for party in some):
            if address in seen:
                raise parts.bad(
                    "Each email address in the personalization block should be unique between to, "
                    f"cc, and bcc. We found the first duplicate instance of [{address}] in the "
                    f"{field}.{kind} field.",
                    field,
                )
            seen.add(address)
    return found


def _reply_to(request: dict[str, Any]) -> tuple[Party, ...]:
    if "reply_to" not in request:
        return parts.parties(request.get("reply_to_list"), "reply_to_list", _REPLY_TO)
    if "reply_to_list" in request:
        raise parts.bad("Either reply_to or reply_to_list may be given, not both.", "reply_to_list")
    return (parts.party(request["reply_to"], "reply_to", _REPLY_TO),)


def _subject(request: dict[str, Any]) -> str:
    subject = request.get("subject")
    for personalization in request["personalizations"]:
        own = personalization.get("subject") or subject
        if not isinstance(own, str) or not own:
            if request.get("template_id"):
                return ""
            raise parts.bad(_SUBJECT, "subject")
    return str(request["personalizations"][0].get("subject") or subject)


def _bodies(content: Any) -> dict[str, str]:
    if not isinstance(content, list) or not content:
        raise parts.bad(_CONTENT, "content")
    bodies: dict[str, str] = {}
    for place, part in enumerate(content):
        kind = part.get("type") if isinstance(part, dict) else None
        if not isinstance(kind, str) or not kind:
            raise parts.bad("The content type is required.", f"content.{place}.type")
        if not isinstance(value := part.get("value"), str) or not value:
            raise parts.bad(
                "The content value must be a string at least one character in length.",
                f"content.{place}.value",
            )
        if kind in bodies or (kind == "text/plain" and place):
            raise parts.bad(_ORDER, "content")
        bodies[kind] = value
    return bodies
