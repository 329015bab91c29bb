"""Speaks Postmark: `POST /email`, and `GET /server`."""

from __future__ import annotations

import base64
import uuid
from typing import TYPE_CHECKING, Any

import orjson
from aiohttp import web

from sandbox.http import json_answer
from sandbox.mailbox import Email, File
from sandbox.parties import Party, decoded, parties
from sandbox.provider import ProviderEndpoint, Rejected
from sandbox.questions import question

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.questions import Routes


_MOST_RECIPIENTS = 50
_LIMIT = 10_000_000
_MOST_METADATA = 10
_LONGEST_NAME = 20
_LONGEST_VALUE = 80
_BLOCKED = frozenset("exe bat vbs com lnk msi reg scr".split())  # noqa: SIM905 - the best known
_REFUSED = (
    "The Server Token you provided in the X-Postmark-Server-Token request header was invalid. "
    "Please verify that you are using a valid token."
)
_ERRORS = {
    401: ("10", _REFUSED),
    422: ("300", "The request is invalid because a fault was switched on."),
    429: ("429", "Rate limit exceeded."),
    503: ("100", "Postmark is offline for maintenance because a fault was switched on."),
}


class Postmark:
    """The dialect of Postmark."""

    name = "postmark"

    def __init__(self, bad_token: str) -> None:
        self._bad_token = bad_token

    def authenticate(self, headers: Mapping[str, str]) -> None:
        """Take every token but none, and but the one that is agreed to be bad."""
        if headers.get("X-Postmark-Server-Token", "") in {"", self._bad_token}:
            raise Rejected(401, _REFUSED, code="10")

    def read(self, payload: bytes) -> Email:
        """Understand a send."""
        request = _json(payload)
        (sender, *others) = _people(request, "From")
        if others:
            raise _bad("Invalid 'From' address: there may be one.")
        text, html = _text(request, "TextBody"), _text(request, "HtmlBody")
        if not text and not html:
            raise _bad("Provide either email TextBody or HtmlBody or both.")
        headers = _headers(request)
        files = tuple(_file(one) for one in _objects(request, "Attachments"))
        _check_size(text, html, files)
        _text(request, "MessageStream")
        return Email(
            id=_metadata(request).get("gomail-id") or headers.get("X-Gomail-Id"),
            sender=sender,
            to=_people(request, "To"),
            cc=_people(request, "Cc", needed=False),
            bcc=_people(request, "Bcc", needed=False),
            reply_to=_people(request, "ReplyTo", needed=False),
            subject=_text(request, "Subject"),
            text=text or None,
            html=html or None,
            tags=_tags(_text(request, "Tag"), headers.pop("X-Gomail-Tags", "")),
            headers=tuple((name, decoded(value)) for name, value in headers.items()),
            files=files,
        )

    def new_id(self) -> str:
        """An id as Postmark gives them."""
        return str(uuid.uuid4())

    def accepted(self, provider_id: str) -> web.Response:
        """The answer to an accepted email."""
        return json_answer({"MessageID": provider_id, "ErrorCode": 0, "Message": "OK"})

    def garbage(self) -> web.Response:
        """Half an answer."""
        return web.Response(body=b'{"MessageI', headers={"Content-Type": "application/json"})

    def rejected(self, rejection: Rejected) -> web.Response:
        """An error: a number and a text."""
        code, message = _ERRORS.get(rejection.status, ("", "A fault was switched on."))
        body: dict[str, Any] = {"Message": rejection.message or message}
        if (code := rejection.code or code).isdecimal():
            body["ErrorCode"] = int(code)
        return json_answer(body, rejection.status)

    def refusal(self) -> Rejected:
        """The rejection of an email that is refused for good."""
        return _bad("Invalid 'To' address: refused by a switch.")


def questions(endpoint: ProviderEndpoint) -> Routes:
    """What a token's server is; not while every call is to fail."""

    def server() -> web.Response:
        s = endpoint.switches
        if s.error_rate == 1:
            raise Rejected(s.status, s.error_message, code=s.error_code)
        return json_answer({"ID": 1, "Name": "Sandbox", "DeliveryType": "Live", "Color": "Blue"})

    return {("GET", "/server"): question(endpoint, server)}


def _bad(message: str, code: str = "300") -> Rejected:
    return Rejected(422, message, code=code)


def _json(payload: bytes) -> dict[str, Any]:
    try:
        request = orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        raise _bad("The JSON could not be read.", "402") from error
    if not isinstance(request, dict):
        raise _bad("The JSON must be an object.", "403")
    return request


def _text(request: dict[str, Any], name: str) -> str:
    value = request.get(name)
    if not isinstance(value, str | None):
        raise _bad(f"{name} must be a string.", "403")
    return value or ""


def _objects(request: dict[str, Any], name: str) -> list[dict[str, Any]]:
    value = request.get(name) or []
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise _bad(f"{name} must be a list of objects.", "403")
    return value


def _people(request: dict[str, Any], name: str, *, needed: bool = True) -> tuple[Party, ...]:
    given = _text(request, name)
    if not given and not needed:
        return ()
    found = parties(given) if given.isprintable() else ()
    if not found or not all("@" in party.email for party in found):
        raise _bad(f"Invalid '{name}' address: '{given[:100]}'.")
    if len(found) > _MOST_RECIPIENTS:
        raise _bad(f"'{name}' may have at most {_MOST_RECIPIENTS} recipients.")
    return found


def _headers(request: dict[str, Any]) -> dict[str, str]:
    headers = {}
    for header in _objects(request, "Headers"):
        name, value = _text(header, "Name"), _text(header, "Value")
        if not name or not (name + value).isascii() or not (name + value).isprintable():
            raise _bad(f"Invalid header '{name}'.")
        headers[name] = value
    return headers


def _tags(tag: str, all_tags: str) -> tuple[str, ...]:
    # Of several words only the first fits Postmark's field; a header of ours has all.
    if all_tags:
        return tuple(all_tags.split(", "))
    return (tag,) if tag else ()


def _metadata(request: dict[str, Any]) -> dict[str, str]:
    metadata = request.get("Metadata") or {}
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise _bad("Metadata must be an object of strings.", "403")
    if len(metadata) > _MOST_METADATA or any(
        len(name) > _LONGEST_NAME or len(value) > _LONGEST_VALUE for name, value in metadata.items()
    ):
        raise _bad("Invalid metadata content: 10 fields, names of 20 and values of 80 characters.")
    return metadata


def _file(given: dict[str, Any]) -> File:
    name, content_id = _text(given, "Name"), _text(given, "ContentID")
    if not name or not _text(given, "ContentType"):
        raise _bad("An attachment must have a Name and a ContentType.")
    if "." in name and name.rpartition(".")[2].strip().lower() in _BLOCKED:
        raise _bad(f"The attachment '{name}' is of a type that is not allowed.", "411")
    try:
        data = base64.b64decode(_text(given, "Content"), validate=True)
    except ValueError as error:
        raise _bad(f"The Content of attachment '{name}' must be base64.") from error
    return File(
        name=name,
        content_type=_text(given, "ContentType"),
        content_id=content_id.removeprefix("cid:") or None,
        inline=content_id.startswith("cid:"),
        data=data,
    )


def _check_size(text: str, html: str, files: tuple[File, ...]) -> None:
    size = len(text.encode()) + len(html.encode())
    if size + sum((len(file.data) + 2) // 3 * 4 for file in files) > _LIMIT:
        raise Rejected(413, "The request is larger than 10 MB.")
