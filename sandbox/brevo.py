"""Speaks Brevo v3: `POST /v3/smtp/email`, and `GET /v3/account`."""

from __future__ import annotations

import base64
import itertools
import mimetypes
import os
from typing import TYPE_CHECKING, Any

import orjson
from aiohttp import web

from sandbox.http import json_answer
from sandbox.mailbox import Email, File
from sandbox.parties import Party, decoded
from sandbox.provider import ProviderEndpoint, Rejected
from sandbox.questions import question

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.questions import Routes

_LIMIT = 20_000_000
_LONGEST_NAME = 70
_KNOWN = """
xlsx xls ods docx docm doc csv pdf txt gif jpg jpeg png tif tiff rtf bmp cgm css shtml html htm zip
xml ppt pptx tar ez ics mobi msg pub eps odt mp3 m4a m4v wma ogg flac wav aif aifc aiff mp4 mov avi
mkv mpeg mpg wmv pkpass xlsm
"""
_ENDINGS = frozenset(_KNOWN.split())
_NOT_SENT_ON = frozenset({"idempotencykey", "sender.ip", "x-mailin-custom"})
_NOT_ACTIVATED = (
    "Unable to send email. Your SMTP account is not yet activated. Please contact us at "
    "contact@brevo.com to request activation"
)
_ERRORS = {
    401: ("unauthorized", "Key not found"),
    402: ("not_enough_credits", "You have not enough credits to send this email"),
    403: ("permission_denied", _NOT_ACTIVATED),
    429: ("too_many_requests", "Too many requests"),
    500: ("internal_server_error", "a fault was switched on"),
}


class Brevo:
    """The dialect of Brevo."""

    name = "brevo"

    def __init__(self, bad_key: str) -> None:
        self._bad_key = bad_key
        self._start = os.urandom(6).hex()
        self._numbers = itertools.count(1)

    def authenticate(self, headers: Mapping[str, str]) -> None:
        """Take every key but none, and but the one that is agreed to be bad."""
        if headers.get("api-key", "") in {"", self._bad_key}:
            raise Rejected(401, None)

    def read(self, payload: bytes) -> Email:
        """Understand a send."""
        request = _json(payload)
        text, html = _text(request, "textContent"), _text(request, "htmlContent")
        if not text and not html:
            raise _missing("Either of htmlContent or textContent is required")
        if not (subject := _text(request, "subject")):
            raise _missing("subject is missing")
        headers = _headers(request)
        return Email(
            id=headers.get("X-Gomail-Id"),
            sender=_party(request.get("sender"), "sender"),
            to=_parties(request, "to", needed=True),
            cc=_parties(request, "cc"),
            bcc=_parties(request, "bcc"),
            reply_to=(_party(request["replyTo"], "replyTo"),) if "replyTo" in request else (),
            subject=subject,
            text=text or None,
            html=html or None,
            headers=tuple(
                (name, decoded(value))
                for name, value in headers.items()
                if name.lower() not in _NOT_SENT_ON
            ),
            tags=_tags(request),
            files=_files(request, len(text.encode()) + len(html.encode())),
        )

    def new_id(self) -> str:
        """An id as Brevo gives them: that of the email."""
        return f"<{self._start}.{next(self._numbers):010x}@smtp-relay.mailin.fr>"

    def accepted(self, provider_id: str) -> web.Response:
        """The answer to an accepted email."""
        return json_answer({"messageId": provider_id}, 201)

    def garbage(self) -> web.Response:
        """Half an answer."""
        return web.Response(
            status=201, body=b'{"messageI', headers={"Content-Type": "application/json"}
        )

    def rejected(self, rejection: Rejected) -> web.Response:
        """An error: a code and a text; one for too many calls says how long to wait."""
        code, message = _ERRORS.get(rejection.status, ("invalid_parameter", "a fault was set"))
        answer = json_answer(
            {"code": rejection.code or code, "message": rejection.message or message},
            rejection.status,
        )
        if rejection.status == 429:  # noqa: PLR2004 - too many calls
            answer.headers["x-sib-ratelimit-reset"] = "1"
        return answer

    def refusal(self) -> Rejected:
        """The rejection of an email that is refused for good."""
        return _invalid("email is not valid in to")


def routes(endpoint: ProviderEndpoint) -> Routes:
    """Sending, and the account, where a fault that strikes every send shows, too."""

    def account() -> web.Response:
        s = endpoint.switches
        status = s.status if s.error_rate == 1 else 200
        if status not in {200, 402, 403}:
            raise Rejected(status, s.error_message, code=s.error_code)
        left = 0 if status == 402 else 300  # noqa: PLR2004 - no credits
        return json_answer(
            {
                "email": "sandbox@example.com",
                "companyName": "Sandbox",
                "plan": [
                    {"type": "free", "creditsType": "sendLimit", "credits": left},
                    {"type": "sms", "creditsType": "sendLimit", "credits": 0},
                ],
                "relay": {"enabled": status != 403, "data": {"port": 587}},  # noqa: PLR2004
            }
        )

    return {
        ("POST", "/v3/smtp/email"): endpoint.handle,
        ("GET", "/v3/account"): question(endpoint, account),
    }


def _invalid(message: str) -> Rejected:
    return Rejected(400, message, code="invalid_parameter")


def _missing(message: str) -> Rejected:
    return Rejected(400, message, code="missing_parameter")


def _json(payload: bytes) -> dict[str, Any]:
    try:
        request = orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        raise Rejected(400, "Input must be a valid JSON object", code="bad_request") from error
    if not isinstance(request, dict):
        raise Rejected(400, "Input must be a valid JSON object", code="bad_request")
    return request


def _text(holder: dict[str, Any], name: str) -> str:
    value = holder.get(name, "")
    if not isinstance(value, str):
        raise _invalid(f"{name} should be a string")
    return value


def _objects(holder: dict[str, Any], name: str) -> list[dict[str, Any]]:
    value = holder.get(name, [])
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise _invalid(f"{name} should be an array of objects")
    return value


def _parties(request: dict[str, Any], name: str, *, needed: bool = False) -> tuple[Party, ...]:
    found = tuple(_party(one, name) for one in _objects(request, name))
    if needed and not found:
        raise _missing(f"{name} is missing")
    return found


def _party(value: Any, field: str) -> Party:
    if not isinstance(value, dict):
        raise _missing(f"{field} is missing")
    email, name = _text(value, "email"), _text(value, "name")
    if "@" not in email or not email.isascii() or not email.isprintable():
        raise _invalid(f"email is not valid in {field}")
    if len(name) > _LONGEST_NAME and field != "replyTo":
        raise _invalid(f"name may have at most {_LONGEST_NAME} characters in {field}")
    return Party(email, decoded(name))


def _headers(request: dict[str, Any]) -> dict[str, str]:
    headers = request.get("headers", {})
    if not isinstance(headers, dict) or not all(isinstance(v, str) for v in headers.values()):
        raise _invalid("headers should be an object of strings")
    return headers


def _tags(request: dict[str, Any]) -> tuple[str, ...]:
    tags = request.get("tags", [])
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise _invalid("tags should be an array of strings")
    return tuple(tags)


def _files(request: dict[str, Any], texts: int) -> tuple[File, ...]:
    files = tuple(_file(one) for one in _objects(request, "attachment"))
    if texts + sum((len(file.data) + 2) // 3 * 4 for file in files) > _LIMIT:
        raise Rejected(413, "The email is larger than 20 MB", code="out_of_range")
    return files


def _file(given: dict[str, Any]) -> File:
    name = _text(given, "name")
    if name.lower().rpartition(".")[2] not in _ENDINGS or "." not in name:
        raise _invalid("Unsupported file format in attachment")
    try:
        data = base64.b64decode(_text(given, "content"), validate=True)
    except ValueError as error:
        raise _invalid("attachment content should be base64") from error
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    return File(name, kind, None, inline=False, data=data)
