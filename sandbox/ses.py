"""Speaks SES v2: `SendEmail` with Simple or Raw content, and `GetAccount`."""

from __future__ import annotations

import base64
import binascii
import itertools
import re
import time
from email import message_from_bytes, policy
from typing import TYPE_CHECKING, Any

import orjson
from aiohttp import web

from sandbox.http import json_answer
from sandbox.mailbox import Email
from sandbox.provider import ProviderEndpoint, Rejected, bare

if TYPE_CHECKING:
    from collections.abc import Mapping
    from email.message import EmailMessage

_TAG = re.compile(r"[A-Za-z0-9_-]{1,256}")
_HEADER_NAME = re.compile(r"[!-9;-@A-~]{1,126}")
_HEADER_VALUE = re.compile(r"[ -~]{1,995}")
_CREDENTIAL = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/,\s]+)/\d{8}/[^/]+/ses/aws4_request, ?"
    r"SignedHeaders=[^,\s]*host[^,\s]*, ?Signature=[0-9a-f]{64}"
)
_MOST_RECIPIENTS = 50
_CODES = {
    400: ("BadRequestException", "The request is bad because a fault was switched on."),
    403: ("AccessDeniedException", "User is not authorized to perform: ses:SendEmail"),
    429: ("TooManyRequestsException", "Maximum sending rate exceeded."),
    503: ("ServiceUnavailable", "The service is unavailable because a fault was switched on."),
}
_INTERNAL = ("InternalFailure", "The request failed because a fault was switched on.")


class Ses:
    """The dialect of SES v2."""

    name = "ses"

    def __init__(self, bad_key: str) -> None:
        self._bad_key = bad_key
        # SES ids tell the time of acceptance; a counter makes them unique within the process.
        self._start = f"0100{time.time_ns() // 1_000_000:012x}-"
        self._numbers = itertools.count(1)

    def authenticate(self, headers: Mapping[str, str]) -> None:
        """Look at the form of the signature, not at its value."""
        authorization = headers.get("Authorization")
        if authorization is None:
            raise Rejected(403, "Missing Authentication Token", code="MissingAuthenticationToken")
        found = _CREDENTIAL.fullmatch(authorization)
        if found is None or "X-Amz-Date" not in headers:
            raise Rejected(
                403,
                "Authorization header requires 'Credential', 'Signature' and 'SignedHeaders' "
                "parameters of AWS4-HMAC-SHA256 for service ses, and an X-Amz-Date header.",
                code="IncompleteSignature",
            )
        if found[1] == self._bad_key:
            raise Rejected(
                403,
                "The security token included in the request is invalid.",
                code="UnrecognizedClientException",
            )

    def read(self, payload: bytes) -> Email:
        """Understand a SendEmail request."""
        request = _object(_json(payload), "the request")
        content = _object(request.get("Content"), "Content")
        to = _recipients(request)
        id_ = _tagged(request)
        if "Raw" in content:
            return _raw(request, _object(content["Raw"], "Content.Raw"), to, id_)
        simple = _object(content.get("Simple"), "Content.Simple")
        body = _object(simple.get("Body"), "Content.Simple.Body")
        text, html = _data(body, "Text"), _data(body, "Html")
        if text is None and html is None:
            raise _bad("Content.Simple.Body must have Text or Html.")
        if (subject := _data(simple, "Subject")) is None:
            raise _bad("Content.Simple.Subject is required.")
        id_ = id_ or _from_headers(simple.get("Headers"))
        return Email(id_, _sender(request), to, subject, text, html)

    def new_id(self) -> str:
        """An id as SES gives them."""
        return f"{self._start}{next(self._numbers):012x}-000000"

    def accepted(self, provider_id: str) -> web.Response:
        """The answer to an accepted email."""
        return json_answer({"MessageId": provider_id})

    def garbage(self) -> web.Response:
        """Half an answer."""
        return web.Response(body=b'{"Messag', headers={"Content-Type": "application/json"})

    def rejected(self, rejection: Rejected) -> web.Response:
        """An error: the code is in a header, the body has the text."""
        code, message = _CODES.get(rejection.status, _INTERNAL)
        return web.Response(
            body=orjson.dumps({"message": rejection.message or message}),
            status=rejection.status,
            headers={
                "Content-Type": "application/json",
                "x-amzn-ErrorType": rejection.code or code,
            },
        )

    def refusal(self) -> Rejected:
        """The rejection of an email that is refused for good."""
        return Rejected(400, "The message was refused by a switch.", code="MessageRejected")


def account(endpoint: ProviderEndpoint, sent: int) -> web.Response:
    """GetAccount: a paused or suspended account shows here, too."""
    s = endpoint.switches
    code = s.error_code if s.error_rate else None
    return json_answer(
        {
            "DedicatedIpAutoWarmupEnabled": False,
            "EnforcementStatus": "SHUTDOWN" if code == "AccountSuspendedException" else "HEALTHY",
            "ProductionAccessEnabled": True,
            "SendQuota": {
                "Max24HourSend": 10_000_000.0,
                "MaxSendRate": float(s.rate_limit if s.rate_limit is not None else 10_000),
                "SentLast24Hours": float(sent),
            },
            "SendingEnabled": code not in ("SendingPausedException", "AccountSuspendedException"),
            "SuppressionAttributes": {"SuppressedReasons": []},
        }
    )


def _json(payload: bytes) -> Any:
    try:
        return orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        raise Rejected(400, "The request is not JSON.", code="SerializationException") from error


def _bad(message: str) -> Rejected:
    return Rejected(400, message, code="BadRequestException")


def _object(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _bad(f"{where} must be an object.")
    return value


def _objects(value: Any, where: str) -> list[dict[str, Any]]:
    return [_object(item, where) for item in _list(value, where)]


def _list(value: Any, where: str) -> list[Any]:
    if not isinstance(value, list | None):
        raise _bad(f"{where} must be a list.")
    return value or []


def _data(parent: dict[str, Any], name: str) -> str | None:
    if (part := parent.get(name)) is None:
        return None
    data = _object(part, name).get("Data")
    if not isinstance(data, str):
        raise _bad(f"{name}.Data is required.")
    return data


def _sender(request: dict[str, Any]) -> str:
    sender = request.get("FromEmailAddress")
    if not isinstance(sender, str) or "@" not in sender:
        raise _bad("FromEmailAddress is required.")
    return _checked(sender)


def _checked(address: str) -> str:
    if not address.isascii() or not address.isprintable():
        raise _bad("Local address contains control or whitespace")
    return address


def _recipients(request: dict[str, Any]) -> tuple[str, ...]:
    destination = _object(request.get("Destination") or {}, "Destination")
    kinds = ("ToAddresses", "CcAddresses", "BccAddresses")
    everybody = [address for kind in kinds for address in _list(destination.get(kind), kind)]
    if len(everybody) > _MOST_RECIPIENTS:
        raise Rejected(400, "Recipient count exceeds 50.", code="MessageRejected")
    for address in everybody:
        if not isinstance(address, str) or "@" not in bare(address):
            raise _bad("Missing final '@domain'")
        _checked(address)
    return tuple(everybody)


def _tagged(request: dict[str, Any]) -> str | None:
    id_ = None
    for tag in _objects(request.get("EmailTags"), "EmailTags"):
        name, value = tag.get("Name", ""), tag.get("Value", "")
        if not _TAG.fullmatch(str(name)) or not _TAG.fullmatch(str(value)):
            raise _bad("Invalid tag name or value: letters, digits, '_' and '-' only.")
        if name == "gomail-id":
            id_ = str(value)
    return id_


def _from_headers(headers: Any) -> str | None:
    id_ = None
    for header in _objects(headers, "Content.Simple.Headers"):
        name, value = header.get("Name", ""), header.get("Value", "")
        if not _HEADER_NAME.fullmatch(str(name)) or not _HEADER_VALUE.fullmatch(str(value)):
            raise _bad(f"Invalid header {name!r}.")
        if str(name).lower() == "x-gomail-id":
            id_ = str(value)
    return id_


def _raw(
    request: dict[str, Any], raw: dict[str, Any], to: tuple[str, ...], id_: str | None
) -> Email:
    try:
        mime = base64.b64decode(raw.get("Data") or "", validate=True)
    except (binascii.Error, TypeError) as error:
        raise _bad("Content.Raw.Data must be base64.") from error
    message = message_from_bytes(mime, policy=policy.default)
    sender = str(request.get("FromEmailAddress") or _clean(message.get("From", "")))
    everybody = to or tuple(_clean(value) for value in message.get_all("To", ()))
    if not sender or not everybody:
        raise _bad("A raw message needs From and To, in its header or in the request.")
    id_ = id_ or _clean(message.get("X-Gomail-Id", "")) or None
    subject = _clean(message.get("Subject", ""))
    return Email(id_, sender, everybody, subject, _body(message, "plain"), _body(message, "html"))


def _body(message: EmailMessage, kind: str) -> str | None:
    part = message.get_body((kind,))
    try:
        return None if part is None else _clean(part.get_content())
    except (LookupError, ValueError) as error:
        raise _bad(f"The {kind} body of the raw message cannot be read.") from error


def _clean(text: object) -> str:
    """Replace what the MIME parser could not decode: no JSON can hold its surrogates."""
    return str(text).encode(errors="replace").decode()
