"""Resend in the providers' suite; bodies as in its pages and in reports of its users."""

import json

from pydantic import SecretStr

from gomail.http import Response, Transport
from gomail.outcome import OutcomeClass as Is
from gomail.providers.resend import resend, why_unable
from gomail.providers.sending import HttpProvider
from tests.providers.case import Case, Example, Seen
from tests.providers.postmark_case import parsed
from tests.providers.scripted import Request, response

KEY = "re_not-a-real-key_0123456789abcdef"
EMAIL_ID = "49a3999c-0ce1-4ea6-ab68-afcd6dc2e794"


def build(transport: Transport) -> HttpProvider:
    return resend(
        "resend", base_url="https://api.resend.com/", key=SecretStr(KEY), transport=transport
    )


def read(body: bytes) -> Seen:
    request = json.loads(body)
    (to,) = request["to"]
    from_name, from_email = parsed(request["from"])
    to_name, to_email = parsed(to)
    ids = [tag["value"] for tag in request.get("tags", []) if tag["name"] == "gomail-id"]
    return Seen(
        from_email=from_email,
        from_name=from_name,
        to_email=to_email,
        to_name=to_name,
        subject=request["subject"],
        body=request["text"],
        ids=frozenset({*ids, request["headers"]["X-Gomail-Id"]}),
    )


def error(status: int, name: str, text: str, **headers: str) -> Response:
    body = json.dumps({"statusCode": status, "name": name, "message": text})
    return response(status, body, **headers)


def echo(request: Request) -> Response:
    said = ", ".join(f"{name}: {value}" for name, value in request.headers.items())
    return error(403, "invalid_api_key", f"API key is invalid in {said}")


UNVERIFIED = (
    "The example.com domain is not verified. Please, add and verify your domain on "
    "https://resend.com/domains"
)
TESTING = (
    "You can only send testing emails to your own email address (owner@example.com). To send "
    "emails to other recipients, please verify a domain at resend.com/domains."
)
CONFLICT = "This idempotency key has been used on a request that had a different payload."

EXAMPLES = (
    Example(
        "a key that is bound to another domain",
        response(
            403,
            '{"statusCode": 403, "message": "This API key is not authorized to send emails from '
            'example.com"}',
        ),
        Is.UNSUITABLE,
        "403",
    ),
    Example(
        "a key that is bound to another domain, with a name",
        error(
            401,
            "restricted_api_key",
            "This API key is not authorized to send emails from example.com",
        ),
        Is.UNSUITABLE,
        "restricted_api_key",
    ),
    Example(
        "no key",
        error(401, "missing_api_key", "Missing API Key"),
        Is.FAILED,
        "missing_api_key",
        account_fault=True,
    ),
    Example(
        "a bad key, in the name of a wrong request",
        error(400, "validation_error", "API key is invalid"),
        Is.FAILED,
        "validation_error",
        account_fault=True,
    ),
    Example(
        "a key that was taken back",
        error(401, "suspended_api_key", "This API key is suspended"),
        Is.FAILED,
        "suspended_api_key",
        account_fault=True,
    ),
    Example(
        "a domain that is not verified",
        error(403, "validation_error", UNVERIFIED),
        Is.UNSUITABLE,
        "validation_error",
    ),
    Example(
        "no domain at all",
        error(403, "validation_error", TESTING),
        Is.UNSUITABLE,
        "validation_error",
    ),
    Example(
        "a sender's address that is none",
        error(422, "invalid_from_address", "Invalid `from` field."),
        Is.UNSUITABLE,
        "invalid_from_address",
    ),
    Example(
        "a recipient's address that is none",
        error(422, "validation_error", "Invalid `to` field."),
        Is.REFUSED,
        "validation_error",
    ),
    Example(
        "a field that is missing",
        error(422, "missing_required_field", "Missing `subject` field."),
        Is.REFUSED,
        "missing_required_field",
    ),
    Example(
        "a wrong request that quotes the words of another answer",
        error(400, "validation_error", "Invalid tag: API key is invalid"),
        Is.REFUSED,
        "validation_error",
    ),
    Example(
        "the day's quota, whose time is not the rate window's",
        error(
            429,
            "daily_quota_exceeded",
            "You have reached your daily email sending quota.",
            ratelimit_reset="1",
        ),
        Is.QUOTA,
        "daily_quota_exceeded",
    ),
    Example(
        "the month's quota",
        error(429, "monthly_quota_exceeded", "You have reached your monthly quota."),
        Is.QUOTA,
        "monthly_quota_exceeded",
    ),
    Example(
        "too fast, with a time",
        error(429, "rate_limit_exceeded", "Too many requests.", retry_after="3"),
        Is.THROTTLED,
        "rate_limit_exceeded",
        retry_after=3,
    ),
    Example(
        "too fast, with the end of the window",
        error(429, "rate_limit_exceeded", "Too many requests.", ratelimit_reset="1"),
        Is.THROTTLED,
        "rate_limit_exceeded",
        retry_after=1,
    ),
    Example(
        "an earlier send of this id that is still under way",
        error(409, "concurrent_idempotent_requests", "Another request is in progress."),
        Is.UNKNOWN,
        "concurrent_idempotent_requests",
    ),
    Example(
        "an earlier send of this id in other words",
        error(409, "invalid_idempotent_request", CONFLICT),
        Is.UNKNOWN,
        "invalid_idempotent_request",
    ),
    Example(
        "a key for idempotency that is none",
        error(400, "invalid_idempotency_key", "The key must be between 1-256 chars."),
        Is.UNSUITABLE,
        "invalid_idempotency_key",
    ),
    Example(
        "a file it does not take",
        error(422, "invalid_attachment", "Attachment must have either a `content` or `path`."),
        Is.UNSUITABLE,
        "invalid_attachment",
    ),
    Example(
        "a security issue",
        error(451, "security_error", "We may have found a security issue with the request."),
        Is.FAILED,
        "security_error",
    ),
    Example(
        "an internal failure",
        error(500, "application_error", "An unexpected error occurred."),
        Is.FAILED,
        "application_error",
    ),
    Example(
        "a wrong URL",
        error(404, "not_found", "The requested endpoint does not exist."),
        Is.FAILED,
        "not_found",
        account_fault=True,
    ),
)

RESEND = Case(
    name="resend",
    build=build,
    url="https://api.resend.com/emails",
    read=read,
    accepted=response(200, json.dumps({"id": EMAIL_ID})),
    provider_id=EMAIL_ID,
    garbage=(
        response(200),
        response(200, b'{"i'),
        response(200, "{}"),
        response(200, '{"id": ""}'),
        response(200, '{"id": 17}'),
        response(200, "[]"),
        response(204),
        response(200, "<html>Welcome to this hotel's network</html>"),
    ),
    echo=echo,
    secrets=(KEY,),
    empty_subject="(no subject)",
    unable=why_unable,
    body_limit=40_000_000,
    examples=EXAMPLES,
)
