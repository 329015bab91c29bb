"""Mailgun in the providers' suite; bodies as in a list of its errors and its users' reports."""

import json
import re
from base64 import b64encode

from pydantic import SecretStr

from gomail.http import Response, Transport
from gomail.outcome import OutcomeClass as Is
from gomail.providers.mailgun import BOUNDARY, mailgun, why_unable
from gomail.providers.sending import HttpProvider
from tests.providers.case import Case, Example, Seen
from tests.providers.scripted import Request, response
from tests.providers.ses_case import parsed

KEY = "not-a-real-key-0123456789abcdef"
DOMAIN = "mg.example.com"


def build(transport: Transport) -> HttpProvider:
    return mailgun(
        "mailgun",
        base_url="https://api.mailgun.net/",
        domain=DOMAIN,
        key=SecretStr(KEY),
        transport=transport,
    )


def form(body: bytes) -> dict[str, list[str]]:
    """The fields of a form, each with all its values."""
    start, *parts, end = (b"\r\n" + body).split(b"\r\n--" + BOUNDARY.encode())
    assert (start, end) == (b"", b"--\r\n")
    fields: dict[str, list[str]] = {}
    for part in parts:
        head, _, content = part.decode().removeprefix("\r\n").partition("\r\n\r\n")
        found = re.fullmatch(r'Content-Disposition: form-data; name="([A-Za-z0-9:-]+)"', head)
        assert found  # one line, so that no value has begun a header of its part
        fields.setdefault(found[1], []).append(content)
    return fields


def read(body: bytes) -> Seen:
    fields = form(body)
    ([sender], [recipient]) = fields["from"], fields["to"]
    from_, to = parsed(sender), parsed(recipient)
    return Seen(
        from_email=from_.addr_spec,
        from_name=from_.display_name,
        to_email=to.addr_spec,
        to_name=to.display_name,
        subject=fields["subject"][0],
        body=fields["text"][0],
        ids=frozenset(fields["v:gomail-id"] + fields["h:X-Gomail-Id"]),
    )


def error(status: int, text: str, **headers: str) -> Response:
    return response(status, json.dumps({"message": text}), **headers)


def echo(request: Request) -> Response:
    said = ", ".join(f"{name}: {value}" for name, value in request.headers.items())
    return error(401, f"not authorized with {said}")


def not_allowed(status: int, why: str, **headers: str) -> Response:
    return error(status, f"Domain {DOMAIN} is not allowed to send: {why}", **headers)


EXAMPLES = (
    Example(
        "a URL that is not the API's",
        response(200, "Mailgun Magnificent API"),
        Is.FAILED,
        "200",
        account_fault=True,
    ),
    Example(
        "an address that is none",
        error(400, "to parameter is not a valid address. please check documentation"),
        Is.REFUSED,
        "400",
    ),
    Example(
        "a text that quotes another answer",
        error(
            400, f"bad subject: Domain {DOMAIN} is not allowed to send: the domain is unverified"
        ),
        Is.REFUSED,
        "400",
    ),
    Example(
        "more options than Mailgun takes",
        error(
            400,
            "Send options (parameters starting with o:, h:, or v:) are limited to 16 kB total",
        ),
        Is.UNSUITABLE,
        "400",
    ),
    Example("a bad key", response(401, "Forbidden"), Is.FAILED, "401", account_fault=True),
    Example(
        "an account that may not",
        error(403, "Rejected: IP 192.0.2.7 can't be used to send the message"),
        Is.FAILED,
        "403",
        account_fault=True,
    ),
    Example(
        "a domain that is not verified",
        not_allowed(
            403,
            "The domain is unverified and requires DNS configuration. Log in to your control panel "
            "to view required DNS records.",
        ),
        Is.UNSUITABLE,
        "403",
    ),
    Example(
        "a recipient that an account for tests may not have",
        not_allowed(
            403,
            "Sandbox subdomains are for test purposes only. Please add your own domain or add the "
            "address to authorized recipients in Account Settings.",
        ),
        Is.UNSUITABLE,
        "403",
    ),
    Example(
        "a free account",
        not_allowed(
            400,
            "Free accounts are for test purposes only. Please upgrade or add the address to "
            "authorized recipients in Account Settings.",
        ),
        Is.UNSUITABLE,
        "400",
    ),
    Example(
        "more recipients at once than a new domain may have",
        error(403, f"Domain {DOMAIN} is not allowed to send large batches yet"),
        Is.UNSUITABLE,
        "403",
    ),
    Example(
        "an account that is not activated",
        not_allowed(
            403,
            "Please activate your Mailgun account. Check your inbox or log in to your control "
            "panel to resend the activation email.",
        ),
        Is.FAILED,
        "403",
        account_fault=True,
    ),
    Example(
        "a domain that is disabled",
        not_allowed(403, "The domain is disabled."),
        Is.FAILED,
        "403",
        account_fault=True,
    ),
    Example(
        "a domain of the other region",
        error(404, f"Domain not found: {DOMAIN}"),
        Is.FAILED,
        "404",
        account_fault=True,
    ),
    Example(
        "the hour's recipients used up, with the time in the text",
        not_allowed(
            420,
            "recipient limit exceeded, try again after Mon, 25 Aug 2025 07:00:31 UTC",
            Date="Mon, 25 Aug 2025 06:55:31 GMT",
        ),
        Is.QUOTA,
        "420",
        retry_after=300,
    ),
    Example(
        "the day's requests used up",
        not_allowed(429, "daily request limit (100) exceeded"),
        Is.QUOTA,
        "429",
    ),
    Example(
        "the operator's own limit reached",
        not_allowed(403, "You've reached the message limit you set on account"),
        Is.QUOTA,
        "403",
    ),
    Example(
        "too fast",
        error(429, "Too many requests", Retry_After="3"),
        Is.THROTTLED,
        "429",
        retry_after=3,
    ),
    Example("too large", error(413, "request size exceeds 52.4MiB limit"), Is.UNSUITABLE, "413"),
    Example("a server error", error(500, "Internal Server Error"), Is.FAILED, "500"),
)

MAILGUN = Case(
    name="mailgun",
    build=build,
    url=f"https://api.mailgun.net/v3/{DOMAIN}/messages",
    read=read,
    accepted=response(
        200,
        '{"id": "<20251124144906.1.3F2A@mg.example.com>", "message": "Queued. Thank you."}',
    ),
    provider_id="<20251124144906.1.3F2A@mg.example.com>",
    garbage=(
        response(200),
        response(200, b'{"id'),
        response(200, '{"message": "Queued. Thank you."}'),
        response(200, '{"id": "", "message": "Queued. Thank you."}'),
        response(200, '{"id": 7}'),
        response(200, "[]"),
        response(201, '{"id": "x"}'),
        response(200, "<html>Welcome to this hotel's network</html>"),
    ),
    echo=echo,
    secrets=(b64encode(f"api:{KEY}".encode()).decode(),),
    empty_subject="",
    unable=why_unable,
    body_limit=18_750_000,
    examples=EXAMPLES,
    content_type="multipart/form-data",
)
