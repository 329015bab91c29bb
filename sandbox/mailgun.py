"""Speaks Mailgun v3: `POST /v3/{domain}/messages`, a form, and `GET /v3/domains/{domain}`."""

from __future__ import annotations

import base64
import itertools
import os
import re
from typing import TYPE_CHECKING, NamedTuple

import orjson
from aiohttp import web

from sandbox.http import json_answer
from sandbox.mailbox import Email, File
from sandbox.parties import decoded, parties
from sandbox.provider import ProviderEndpoint, Rejected

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.http import Handler
    from sandbox.parties import Party

_LIMIT = 25_000_000
_OPTIONS_LIMIT = 16_000
_MOST_RECIPIENTS = 1000
_MOST_TAGS = 10
_OPTIONS = ("o:", "h:", "v:")
_MESSAGE = frozenset({"text", "html", "attachment", "inline"})
_OWN = frozenset({"h:Reply-To"})
_MESSAGES = {401: "Forbidden", 403: "Forbidden", 404: "Domain not found", 429: "Too many requests"}
_PARAMETER = re.compile(r';\s*(\w+)="((?:[^"\\]|\\.)*)"')
_STATES = re.compile(r"unverified|disabled")


class _Part(NamedTuple):
    """One field of a form, as it was sent."""

    name: str
    content: bytes
    filename: str | None
    content_type: str

    @property
    def text(self) -> str:
        return self.content.decode(errors="replace")


class Mailgun:
    """The dialect of Mailgun."""

    name = "mailgun"

    def __init__(self, bad_key: str) -> None:
        self._bad_key = bad_key
        self._start = os.urandom(6).hex()
        self._numbers = itertools.count(1)

    def authenticate(self, headers: Mapping[str, str]) -> None:
        """Take every key of the user `api` but none, and but the one that is agreed to be bad."""
        kind, _, credentials = headers.get("Authorization", "").partition(" ")
        try:
            user, _, key = base64.b64decode(credentials, validate=True).decode().partition(":")
        except ValueError as error:
            raise Rejected(401, None) from error
        if (kind, user) != ("Basic", "api") or key in {"", self._bad_key}:
            raise Rejected(401, None)

    def read(self, payload: bytes) -> Email:
        """Understand a form of `messages`."""
        parts = _parts(payload)
        _check_sizes(parts)
        fields = {name: _values(parts, name) for name in ("subject", "text", "html")}
        if not fields["text"] and not fields["html"]:
            raise _bad("Need at least one of 'text' or 'html' parameters specified")
        (sender, *_) = _people(parts, "from", needed=True)
        return Email(
            id=next(iter(_values(parts, "v:gomail-id")), None),
            sender=sender,
            **_recipients(parts),
            reply_to=_people(parts, "h:Reply-To"),
            subject="".join(fields["subject"]),
            text=next(iter(fields["text"]), None),
            html=next(iter(fields["html"]), None),
            headers=_headers(parts),
            tags=_tags(parts),
            files=_files(parts),
        )

    def new_id(self) -> str:
        """An id as Mailgun gives them: that of the email."""
        return f"<{self._start}.{next(self._numbers):010x}@sandbox.mailgun.org>"

    def accepted(self, provider_id: str) -> web.Response:
        """The answer to an accepted email."""
        return json_answer({"id": provider_id, "message": "Queued. Thank you."})

    def garbage(self) -> web.Response:
        """Half an answer."""
        return web.Response(body=b'{"id": "<', headers={"Content-Type": "application/json"})

    def rejected(self, rejection: Rejected) -> web.Response:
        """An error: its text says everything."""
        message = rejection.message or _MESSAGES.get(rejection.status, "a fault was switched on")
        return json_answer({"message": message}, rejection.status)

    def refusal(self) -> Rejected:
        """The rejection of an email that is refused for good."""
        return _bad("to parameter is not a valid address. please check documentation")


class MailgunEndpoint(ProviderEndpoint):
    """Mailgun's endpoints; the domain is a part of their paths, and every domain is known."""

    def handler(self, method: str, path: str) -> Handler | None:
        """The handler of a request, if it is for Mailgun."""
        match method, path.split("/"):
            case "POST", ["", "v3", _, "messages"]:
                return self.handle
            case "GET", ["", "v3", "domains", _]:
                return self._domain
        return None

    async def _domain(self, request: web.BaseRequest) -> web.Response:
        """The domain's state; a fault that names another one shows here, too."""
        try:
            self.dialect.authenticate(request.headers)
        except Rejected as rejection:
            return self.dialect.rejected(rejection)
        fault = (self.switches.error_rate and self.switches.error_message) or ""
        state = found[0] if (found := _STATES.search(fault)) else "active"
        name = request.path.rpartition("/")[2]
        return json_answer({"domain": {"name": name, "state": state, "type": "custom"}})

    def _accept(
        self, request: web.BaseRequest, email: Email, payload: bytes, struck: str | None
    ) -> web.Response:
        # The mailbox shows payloads as the JSON they are; a form is shown as a string.
        shown = orjson.dumps(payload.decode(errors="replace"))
        return super()._accept(request, email, shown, struck)


def _bad(message: str) -> Rejected:
    return Rejected(400, message)


def _parts(payload: bytes) -> list[_Part]:
    """The fields of a form. Its first line is the boundary, whatever the header says."""
    limit, _, _ = payload.partition(b"\r\n")
    start, *pieces, end = (b"\r\n" + payload).split(b"\r\n" + limit)
    if not limit.startswith(b"--") or start or end not in {b"--", b"--\r\n"}:
        raise _bad("malformed multipart/form-data request")
    return [_part(piece) for piece in pieces]


def _part(piece: bytes) -> _Part:
    head, found, content = piece.removeprefix(b"\r\n").partition(b"\r\n\r\n")
    lines = head.decode(errors="replace").split("\r\n")  # UTF-8 as it is (RFC 7578, 4.2)
    named = {name.lower(): value.strip() for name, _, value in (x.partition(":") for x in lines)}
    parameters = {
        name: re.sub(r"\\(.)", r"\1", value)
        for name, value in _PARAMETER.findall(named.get("content-disposition", ""))
    }
    if not found or "name" not in parameters:
        raise _bad("malformed multipart/form-data request")
    kind = named.get("content-type", "text/plain")
    return _Part(parameters["name"], content, parameters.get("filename"), kind)


def _values(parts: list[_Part], name: str) -> list[str]:
    return [text for part in parts if part.name == name and (text := part.text)]


def _people(parts: list[_Part], name: str, *, needed: bool = False) -> tuple[Party, ...]:
    values = _values(parts, name)
    if needed and not values:
        raise _bad(f"{name} parameter is missing")
    found = tuple(party for value in values for party in parties(value))
    if len(found) < len(values) or not all("@" in party.email for party in found):
        raise _bad(f"{name} parameter is not a valid address. please check documentation")
    return found


def _recipients(parts: list[_Part]) -> dict[str, tuple[Party, ...]]:
    found = {kind: _people(parts, kind, needed=kind == "to") for kind in ("to", "cc", "bcc")}
    if sum(map(len, found.values())) > _MOST_RECIPIENTS:
        raise _bad(f"Too many recipients; max is {_MOST_RECIPIENTS}")
    return found


def _headers(parts: list[_Part]) -> tuple[tuple[str, str], ...]:
    return tuple(
        (part.name.removeprefix("h:"), decoded(part.text))
        for part in parts
        if part.name.startswith("h:") and part.name not in _OWN
    )


def _tags(parts: list[_Part]) -> tuple[str, ...]:
    tags = _values(parts, "o:tag")
    if len(tags) > _MOST_TAGS or not all(tag.isascii() for tag in tags):
        raise _bad(f"There may be at most {_MOST_TAGS} tags, in ASCII")
    return tuple(tags)


def _files(parts: list[_Part]) -> tuple[File, ...]:
    files = []
    for part in parts:
        if part.name in {"attachment", "inline"}:
            if not part.filename:
                raise _bad(f"{part.name} parameter is not a file")
            inline = part.name == "inline"
            content_id = part.filename if inline else None
            files.append(File(part.filename, part.content_type, content_id, inline, part.content))
    return tuple(files)


def _check_sizes(parts: list[_Part]) -> None:
    options = [part for part in parts if part.name.startswith(_OPTIONS)]
    if sum(len(part.name) + len(part.content) for part in options) > _OPTIONS_LIMIT:
        raise _bad(
            "Send options (parameters starting with o:, h:, or v:) are limited to 16 kB total"
        )
    message = [part for part in parts if part.name in _MESSAGE]
    if sum((len(part.content) + 2) // 3 * 4 for part in message) > _LIMIT:
        raise Rejected(413, "request size exceeds 25MB limit")
