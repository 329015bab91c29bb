"""Brevo in the providers' suite; bodies as in its pages and in reports of its users."""

import json

from pydantic import SecretStr

from gomail.http import Response, Transport
from gomail.outcome import OutcomeClass as Is
from gomail.providers.brevo import brevo, why_unable
from gomail.providers.sending import HttpProvider
from sandbox.parties import decoded
from tests.providers.case import Case, Example, Seen
from tests.providers.scripted import Request, response

KEY = "xkeysib-not-a-real-key-0123456789abcdef"


def build(transport: Transport) -> HttpProvider:
    return brevo("brevo", base_url="https://api.brevo.com", key=SecretStr(KEY), transport=transport)


def read(body: bytes) -> Seen:
    mail = json.loads(body)
    (to,) = mail["to"]
    headers = mail["headers"]
    return Seen(
        from_email=mail["sender"]["email"],
        from_name=decoded(mail["sender"].get("name", "")),
        to_email=to["email"],
        to_name=decoded(to.get("name", "")),
        subject=mail["subject"],
        body=mail["textContent"],
        ids=frozenset({headers["X-Gomail-Id"], headers["X-Mailin-custom"]}),
    )


def error(status: int, code: str, text: str, **headers: str) -> Response:
    return response(status, json.dumps({"code": code, "message": text}), **headers)


def echo(request: Request) -> Response:
    said = ", ".join(f"{name}: {value}" for name, value in request.headers.items())
    return error(401, "unauthorized", f"not authorized with {said}")


EXAMPLES = (
    Example(
        "an address that is none",
        error(400, "invalid_parameter", "email is not valid in to"),
        Is.REFUSED,
        "invalid_parameter",
    ),
    Example(
        "a field that lacks",
        error(400, "missing_parameter", "subject is missing"),
        Is.REFUSED,
        "missing_parameter",
    ),
    Example(
        "a text that quotes another answer",
        error(400, "invalid_parameter", "bad name: Your SMTP account is not yet activated"),
        Is.REFUSED,
        "invalid_parameter",
    ),
    Example(
        "a bad key",
        error(401, "unauthorized", "Key not found"),
        Is.FAILED,
        "unauthorized",
        account_fault=True,
    ),
    Example(
        "an address that may not call",
        error(
            401,
            "unauthorized",
            "We have detected you are using an unrecognised IP address 192.0.2.7. If you performed "
            "this action make sure to add the new IP address in this link: "
            "https://app.brevo.com/security/authorised_ips",
        ),
        Is.FAILED,
        "unauthorized",
        account_fault=True,
    ),
    Example(
        "an account under validation, in the clothes of one without credits",
        error(402, "account_under_validation", "Your account is under validation."),
        Is.FAILED,
        "account_under_validation",
        account_fault=True,
    ),
    Example(
        "no credits",
        error(402, "not_enough_credits", "You have not enough credits to send this email"),
        Is.QUOTA,
        "not_enough_credits",
    ),
    Example(
        "no credits, whose time is not the rate window's",
        error(402, "not_enough_credits", "Not enough credits", x_sib_ratelimit_reset="1"),
        Is.QUOTA,
        "not_enough_credits",
    ),
    Example("no credits, by status alone", response(402, "{}"), Is.QUOTA, "402"),
    Example(
        "an account that is not activated",
        error(
            403,
            "permission_denied",
            "Unable to send email. Your SMTP account is not yet activated. Please contact us at "
            "contact@brevo.com to request activation",
        ),
        Is.FAILED,
        "permission_denied",
        account_fault=True,
    ),
    Example(
        "an account that may not",
        error(403, "permission_denied", "Your account is suspended"),
        Is.FAILED,
        "permission_denied",
        account_fault=True,
    ),
    Example(
        "too fast, with the seconds of the rate window",
        error(429, "too_many_requests", "Too many requests", x_sib_ratelimit_reset="7"),
        Is.THROTTLED,
        "too_many_requests",
        retry_after=7,
    ),
    Example(
        "a method that is not allowed",
        error(405, "method_not_allowed", "POST is not allowed"),
        Is.FAILED,
        "method_not_allowed",
        account_fault=True,
    ),
    Example("a server error", response(500, "{}"), Is.FAILED, "500"),
)

BREVO = Case(
    name="brevo",
    build=build,
    url="https://api.brevo.com/v3/smtp/email",
    read=read,
    accepted=response(201, '{"messageId": "<202511241449.3F2A@smtp-relay.mailin.fr>"}'),
    provider_id="<202511241449.3F2A@smtp-relay.mailin.fr>",
    garbage=(
        response(201),
        response(201, b'{"messageI'),
        response(201, "{}"),
        response(201, '{"messageId": ""}'),
        response(202, '{"messageId": 7}'),
        response(200, "[]"),
        response(204),
        response(200, "<html>Welcome to this hotel's network</html>"),
    ),
    echo=echo,
    secrets=(KEY,),
    empty_subject="(no subject)",
    unable=why_unable,
    body_limit=15_000_000,
    examples=EXAMPLES,
)
