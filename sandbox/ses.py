"""Speaks SES v2: `SendEmail` with Simple or Raw content, and what is asked of the account."""

from __future__ import annotations

import itertools
import re
import time
from typing import TYPE_CHECKING, Any

import orjson
from aiohttp import web

from sandbox.http import json_answer
from sandbox.provider import ProviderEndpoint, Rejected
from sandbox.questions import question
from sandbox.ses_content import Envelope, addresses, bad, checked_object, objects, raw, simple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sandbox.mailbox import Email
    from sandbox.parties import Party
    from sandbox.questions import Routes

_TAG = re.compile(r"[A-Za-z0-9_-]{1,256}")
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
_DOMAINS = ("example.com", "example.net", "example.org")
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
        request = checked_object(_json(payload), "the request")
        content = checked_object(request.get("Content"), "Content")
        tags = _tags(request)
        envelope = Envelope(
            id=tags.pop("gomail-id", None),
            sender=request.get("FromEmailAddress"),
            **_recipients(request),
            reply_to=addresses(request.get("ReplyToAddresses"), "ReplyToAddresses"),
            tags=tuple(_word(name, value) for name, value in tags.items()),
        )
        if "Raw" in content:
            return raw(checked_object(content["Raw"], "Content.Raw"), envelope)
        return simple(checked_object(content.get("Simple"), "Content.Simple"), envelope)

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


def questions(endpoint: ProviderEndpoint, sent: Callable[[], int]) -> Routes:
    """What can be asked of the account; `sent` counts its emails."""
    account = question(endpoint, lambda: _account(endpoint, sent()))
    identities = question(endpoint, _identities)
    return {
        ("GET", "/v2/email/account"): account,
        ("GET", "/v2/email/identities"): identities,
        # The newest service models list identities by this.
        ("POST", "/v2/email/list-identities"): identities,
    }


def _account(endpoint: ProviderEndpoint, sent: int) -> web.Response:
    """GetAccount: a paused or suspended account shows here, too, and a limit of the rate."""
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


def _identities() -> web.Response:
    """ListEmailIdentities: the sandbox takes every sender, so these stand for all."""
    listed = [
        {
            "IdentityName": name,
            "IdentityType": "DOMAIN",
            "SendingEnabled": True,
            "VerificationStatus": "SUCCESS",
        }
        for name in _DOMAINS
    ]
    return json_answer({"EmailIdentities": listed})


def _json(payload: bytes) -> Any:
    try:
        return orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        raise Rejected(400, "The request is not JSON.", code="SerializationException") from error


def _recipients(request: dict[str, Any]) -> dict[str, tuple[Party, ...]]:
    destination = checked_object(request.get("Destination") or {}, "Destination")
    found = {
        kind: addresses(destination.get(name), name)
        for kind, name in (("to", "ToAddresses"), ("cc", "CcAddresses"), ("bcc", "BccAddresses"))
    }
    if sum(map(len, found.values())) > _MOST_RECIPIENTS:
        raise Rejected(400, "Recipient count exceeds 50.", code="MessageRejected")
    return found


def _tags(request: dict[str, Any]) -> dict[str, str]:
    tags: dict[str, str] = {}
    for tag in objects(request.get("EmailTags"), "EmailTags"):
        name, value = str(tag.get("Name", "")), str(tag.get("Value", ""))
        if not _TAG.fullmatch(name) or not _TAG.fullmatch(value):
            raise bad("Invalid tag name or value: letters, digits, '_' and '-' only.")
        tags[name] = value
    return tags


def _word(name: str, value: str) -> str:
    # tag1, tag2, …: words for which SES, whose tags have names, got numbers.
    return value if re.fullmatch(r"tag[0-9]+", name) else f"{name}={value}"
