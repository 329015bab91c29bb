"""Speaks SendGrid v3: `POST /v3/mail/send`."""

from __future__ import annotations

import itertools
import os
from typing import TYPE_CHECKING, Any

import orjson
from aiohttp import web

from sandbox.http import json_answer
from sandbox.mailbox import Email
from sandbox.provider import Rejected, named

if TYPE_CHECKING:
    from collections.abc import Mapping

_MOST_PERSONALIZATIONS = 1000
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
        to = _recipients(request)
        sender = _address(request.get("from"), "from", _FROM)
        subject = _subject(request)
        bodies = {} if request.get("template_id") else _bodies(request.get("content"))
        first = request["personalizations"][0]
        id_ = _custom_id(first) or _custom_id(request)
        return Email(id_, sender, to, subject, bodies.get("text/plain"), bodies.get("text/html"))

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
        return _bad("Does not contain a valid address.", "personalizations.0.to.0.email")


def _json(payload: bytes) -> dict[str, Any]:
    try:
        request = orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        raise Rejected(400, "Bad Request") from error
    if not isinstance(request, dict):
        raise Rejected(400, "Bad Request")
    return request


def _bad(message: str, field: str) -> Rejected:
    return Rejected(400, message, field=field)


def _custom_id(holder: dict[str, Any]) -> str | None:
    arguments = holder.get("custom_args") or {}
    id_ = arguments.get("gomail_id") if isinstance(arguments, dict) else 0
    if not isinstance(id_, str | None):
        raise _bad("Custom arguments must be strings.", "custom_args")
    return id_


def _address(value: Any, field: str, needed: str) -> str:
    if not isinstance(value, dict) or not isinstance(email := value.get("email"), str) or not email:
        raise _bad(needed, f"{field}.email")
    if "@" not in email or not email.isascii() or not email.isprintable():
        raise _bad("Does not contain a valid address.", f"{field}.email")
    return named(value.get("name"), email)


def _recipients(request: dict[str, Any]) -> tuple[str, ...]:
    personalizations = request.get("personalizations")
    if not isinstance(personalizations, list) or not personalizations:
        raise _bad(
            "The personalizations field is required and must have at least one personalization.",
            "personalizations",
        )
    if len(personalizations) > _MOST_PERSONALIZATIONS:
        raise _bad("There may be at most 1000 personalizations.", "personalizations")
    everybody: list[str] = []
    for place, personalization in enumerate(personalizations):
        field = f"personalizations.{place}"
        if not isinstance(personalization, dict) or not personalization.get("to"):
            raise _bad(_TO, f"{field}.to")
        _add_recipients(everybody, personalization, field)
    return tuple(everybody)


def _add_recipients(everybody: list[str], personalization: dict[str, Any], field: str) -> None:
    seen: set[str] = set()
    for kind in ("to", "cc", "bcc"):
        values = personalization.get(kind) or []
        if not isinstance(values, list):
            raise _bad(_TO, f"{field}.{kind}")
        for place, value in enumerate(values):
            everybody.append(_address(value, f"{field}.{kind}.{place}", _TO))
            address = value["email"].lower()
            if address in seen:
                raise _bad(
                    "Each email address in the personalization block should be unique between to, "
                    f"cc, and bcc. We found the first duplicate instance of [{address}] in the "
                    f"{field}.{kind} field.",
                    field,
                )
            seen.add(address)


def _subject(request: dict[str, Any]) -> str:
    subject = request.get("subject")
    for personalization in request["personalizations"]:
        own = personalization.get("subject") or subject
        if not isinstance(own, str) or not own:
            if request.get("template_id"):
                return ""
            raise _bad(_SUBJECT, "subject")
    return str(request["personalizations"][0].get("subject") or subject)


def _bodies(content: Any) -> dict[str, str]:
    if not isinstance(content, list) or not content:
        raise _bad(_CONTENT, "content")
    bodies: dict[str, str] = {}
    for place, part in enumerate(content):
        kind = part.get("type") if isinstance(part, dict) else None
        if not isinstance(kind, str) or not kind:
            raise _bad("The content type is required.", f"content.{place}.type")
        if not isinstance(value := part.get("value"), str) or not value:
            raise _bad(
                "The content value must be a string at least one character in length.",
                f"content.{place}.value",
            )
        if kind in bodies or (kind == "text/plain" and place):
            raise _bad(_ORDER, "content")
        bodies[kind] = value
    return bodies
