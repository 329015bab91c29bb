"""Twilio SendGrid in the providers' suite; bodies as in its pages and in reports of its users."""

import json
import re

from pydantic import SecretStr

from gomail.http import Response, Transport
from gomail.outcome import OutcomeClass as Is
from gomail.providers.sendgrid import sendgrid, why_unable
from gomail.providers.sending import HttpProvider
from tests.providers.case import Case, Example, Seen
from tests.providers.scripted import Request, response

KEY = "SG.not-a-real-key.0123456789abcdef"


def build(transport: Transport) -> HttpProvider:
    return sendgrid(
        "sendgrid",
        base_url="https://api.sendgrid.com",
        key=SecretStr(KEY),
        transport=transport,
    )


def read(body: bytes) -> Seen:
    mail = json.loads(body)
    (personalization,) = mail["personalizations"]
    (to,) = personalization["to"]
    (content,) = mail["content"]
    assert content["type"] == "text/plain"
    return Seen(
        from_email=mail["from"]["email"],
        from_name=mail["from"].get("name", ""),
        to_email=to["email"],
        to_name=unquoted(to.get("name", "")),
        subject=mail["subject"],
        body=content["value"],
        ids=frozenset({mail["custom_args"]["gomail_id"]}),
    )


def unquoted(name: str) -> str:
    """A recipient's name as SendGrid reads it: outside quotes these characters end it."""
    if not name.startswith('"'):
        assert not re.search(r'[(),:;<>@\[\]"\\]', name)
        return name
    assert re.fullmatch(r'"(?:[^"\\]|\\.)*"', name)
    return re.sub(r"\\(.)", r"\1", name[1:-1])


def errors(status: int, text: str, field: str | None = None, **headers: str) -> Response:
    body = json.dumps({"errors": [{"message": text, "field": field, "help": None}]})
    return response(status, body, **headers)


def echo(request: Request) -> Response:
    said = ", ".join(f"{name}: {value}" for name, value in request.headers.items())
    return errors(401, f"not authorized with {said}")


UNVERIFIED = (
    "The from address does not match a verified Sender Identity. Mail cannot be sent until this "
    "error is resolved."
)
BAD_KEY = "The provided authorization grant is invalid, expired, or revoked"
DATE = "Thu, 01 Jan 2026 00:00:00 GMT"

EXAMPLES = (
    Example(
        "sandbox mode: valid, and delivered to nobody",
        response(200),
        Is.ACCEPTED,
        "",
    ),
    Example("an acceptance without an id", response(202), Is.ACCEPTED, ""),
    Example(
        "an address that is none",
        errors(400, "Does not contain a valid address.", "personalizations.0.to.0.email"),
        Is.REFUSED,
        "400",
    ),
    Example(
        "a sender's address that is none",
        errors(400, "The from email does not contain a valid address.", "from.email"),
        Is.REFUSED,
        "400",
    ),
    Example("a bad key", errors(401, BAD_KEY), Is.FAILED, "401", account_fault=True),
    Example("no credits", errors(401, "Maximum credits exceeded"), Is.QUOTA, "401"),
    Example(
        "no credits, whose time is not the rate window's",
        errors(401, "Maximum credits exceeded", X_RateLimit_Reset="1767225630", Date=DATE),
        Is.QUOTA,
        "401",
    ),
    Example(
        "no credits, in other words and with another status",
        errors(403, "You have exceeded your messaging limits"),
        Is.QUOTA,
        "403",
    ),
    Example("a sender that is not verified", errors(403, UNVERIFIED, "from"), Is.UNSUITABLE, "403"),
    Example(
        "a sender that is not verified, by text alone",
        errors(403, UNVERIFIED),
        Is.UNSUITABLE,
        "403",
    ),
    Example(
        "a sender that is not allowed, by field alone",
        errors(403, "Not permitted for this subuser.", "from.email"),
        Is.UNSUITABLE,
        "403",
    ),
    Example(
        "an account without access",
        errors(403, "You are not authorized to access SendGrid, please contact Support."),
        Is.FAILED,
        "403",
        account_fault=True,
    ),
    Example("access forbidden", errors(403, "access forbidden"), Is.FAILED, "403", True),
    Example(
        "a block after too many bad requests",
        errors(403, "Too many bad requests, temporarily blocked"),
        Is.THROTTLED,
        "403",
    ),
    Example(
        "too fast, with the time of the reset",
        errors(429, "too many requests", X_RateLimit_Reset="1767225630", Date=DATE),
        Is.THROTTLED,
        "429",
        retry_after=30,
    ),
    Example(
        "too fast, with the time by our own clock missing",
        errors(429, "too many requests", X_RateLimit_Reset="1767225630"),
        Is.THROTTLED,
        "429",
    ),
    Example(
        "too fast, with a date",
        errors(429, "too many requests", Retry_After="Thu, 01 Jan 2026 00:01:00 GMT", Date=DATE),
        Is.THROTTLED,
        "429",
        retry_after=60,
    ),
    Example(
        "too fast, for longer than anybody means",
        errors(429, "too many requests", Retry_After="99999999"),
        Is.THROTTLED,
        "429",
        retry_after=86_400,
    ),
    Example(
        "a time that is none",
        errors(429, "too many requests", Retry_After="soon", X_RateLimit_Reset="nan", Date="now"),
        Is.THROTTLED,
        "429",
    ),
    Example("too large", errors(413, "Payload too large"), Is.UNSUITABLE, "413"),
    Example("another region", errors(451, "Unavailable"), Is.FAILED, "451", account_fault=True),
    Example("a server error", errors(500, "Internal Server Error"), Is.FAILED, "500"),
    Example("a service that is away", response(503, "<h1>503</h1>"), Is.FAILED, "503"),
    Example("a gateway that gave up", response(504, "<h1>504</h1>"), Is.UNKNOWN, "504"),
    Example("a status of a gateway's own", response(520, "error code: 520"), Is.UNKNOWN, "520"),
    Example("a status nobody documents", errors(409, "Conflict"), Is.UNSUITABLE, "409"),
    Example("an unpaid bill", errors(402, "Payment required"), Is.FAILED, "402", True),
    Example("a proxy's question", response(407), Is.FAILED, "407", True),
    Example("a wrong URL", errors(404, "not found"), Is.FAILED, "404", True),
    Example("a redirection", response(301), Is.FAILED, "301", True),
    Example(
        "errors in a shape of their own",
        response(400, '{"errors": ["Bad Request", {"message": 3}]}'),
        Is.REFUSED,
        "400",
    ),
)

SENDGRID = Case(
    name="sendgrid",
    build=build,
    url="https://api.sendgrid.com/v3/mail/send",
    read=read,
    accepted=response(202, X_Message_Id="w1b0-8kRQp6x3V2kq5mZ4A"),
    provider_id="w1b0-8kRQp6x3V2kq5mZ4A",
    garbage=(
        response(202, b"\x00<"),
        response(200, "<html>Welcome to this hotel's network</html>"),
        response(204),
        response(201, "{}"),
    ),
    echo=echo,
    secrets=(KEY,),
    empty_subject="(no subject)",
    unable=why_unable,
    body_limit=30_000_000,
    examples=EXAMPLES,
)
