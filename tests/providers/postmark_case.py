"""Postmark in the providers' suite; bodies as in its pages and in reports of its users."""

import json
from email.header import decode_header, make_header
from email.utils import parseaddr

from pydantic import SecretStr

from gomail.http import Response, Transport
from gomail.outcome import OutcomeClass as Is
from gomail.providers.postmark import postmark, why_unable
from gomail.providers.sending import HttpProvider
from tests.providers.case import Case, Example, Seen
from tests.providers.scripted import Request, response

TOKEN = "00000000-not-a-real-token-0123456789ab"
MESSAGE_ID = "b7bc2f4a-e38e-4336-af7d-e6c392c2f817"


def build(transport: Transport) -> HttpProvider:
    return postmark(
        "postmark",
        base_url="https://api.postmarkapp.com",
        key=SecretStr(TOKEN),
        message_stream="receipts",
        transport=transport,
    )


def read(body: bytes) -> Seen:
    request = json.loads(body)
    assert request["MessageStream"] == "receipts"
    from_name, from_email = parsed(request["From"])
    to_name, to_email = parsed(request["To"])
    ids = [header["Value"] for header in request["Headers"] if header["Name"] == "X-Gomail-Id"]
    return Seen(
        from_email=from_email,
        from_name=from_name,
        to_email=to_email,
        to_name=to_name,
        subject=request["Subject"],
        body=request["TextBody"],
        ids=frozenset(ids) | frozenset(request.get("Metadata", {}).values()),
    )


def parsed(mailbox: str) -> tuple[str, str]:
    phrase, address = parseaddr(mailbox)
    assert mailbox.isascii()
    return str(make_header(decode_header(phrase))), address


def accepted(text: str, **more: object) -> Response:
    said = {
        "To": "reader@example.org",
        "SubmittedAt": "2026-01-01T00:00:00.0000000-05:00",
        "MessageID": MESSAGE_ID,
        "Message": text,
    }
    return response(200, json.dumps(said | more))


def error(status: int, code: object, text: str, **headers: str) -> Response:
    return response(status, json.dumps({"ErrorCode": code, "Message": text}), **headers)


def echo(request: Request) -> Response:
    said = ", ".join(f"{name}: {value}" for name, value in request.headers.items())
    return error(401, 10, f"bad token in {said}")


BAD_TOKEN = "No Account or Server API tokens were supplied in the HTTP headers."
INACTIVE = (
    "You tried to send to recipient(s) that have been marked as inactive. Found inactive "
    "addresses: reader@example.org. Inactive recipients are ones that have generated a hard "
    "bounce, a spam complaint, or a manual suppression."
)
PENDING = (
    "While your account is pending approval, all recipient addresses must share the same domain "
    "as the 'From' address."
)

EXAMPLES = (
    Example(
        "some recipients who get nothing",
        accepted(
            "OK, but will not deliver to these inactive addresses: b@example.org. Inactive "
            "recipients are ones that have generated a hard bounce.",
            ErrorCode=0,
        ),
        Is.ACCEPTED,
        "",
    ),
    Example("a test token", accepted("Test job accepted", ErrorCode=0), Is.ACCEPTED, ""),
    Example(
        "an acceptance that takes longer and has no code",
        accepted("Message accepted, but delivery may be delayed."),
        Is.ACCEPTED,
        "",
    ),
    Example("a bad token", error(401, 10, BAD_TOKEN), Is.FAILED, "10", account_fault=True),
    Example("maintenance", error(503, 100, "Maintenance"), Is.FAILED, "100"),
    Example("maintenance with 422", error(422, 100, "Maintenance"), Is.FAILED, "100"),
    Example(
        "a recipient's address that is none",
        error(422, 300, "Invalid 'To' address: 'reader@localhost'."),
        Is.REFUSED,
        "300",
    ),
    Example(
        "a sender that is no verified signature",
        error(
            422,
            300,
            "Invalid 'From' address: 'shop@example.com' is not a verified sender signature.",
        ),
        Is.UNSUITABLE,
        "300",
    ),
    Example(
        "a recipient that quotes the words of another answer",
        error(422, 300, "Error parsing 'To': Illegal email domain in 'invalid 'from'@+'."),
        Is.REFUSED,
        "300",
    ),
    Example(
        "a sender's signature that is not known",
        error(422, 400, "The 'From' address you supplied is not a Sender Signature."),
        Is.UNSUITABLE,
        "400",
    ),
    Example(
        "a sender's signature that is not confirmed",
        error(422, 401, "The Sender Signature has not been confirmed."),
        Is.UNSUITABLE,
        "401",
    ),
    Example(
        "JSON that it cannot read",
        error(422, 402, "Invalid JSON"),
        Is.UNSUITABLE,
        "402",
    ),
    Example("the wrong JSON", error(422, 403, "Incompatible JSON"), Is.UNSUITABLE, "403"),
    Example("no credits", error(422, 405, "You ran out of credits."), Is.QUOTA, "405"),
    Example(
        "a server that is not allowed to send",
        error(422, 405, "Not allowed to send."),
        Is.FAILED,
        "405",
        account_fault=True,
    ),
    Example("a recipient who bounced before", error(422, 406, INACTIVE), Is.UNSUITABLE, "406"),
    Example(
        "a file that could run",
        error(422, 411, "The attachment file type is not accepted."),
        Is.UNSUITABLE,
        "411",
    ),
    Example(
        "an account that is not approved yet",
        error(422, 412, PENDING),
        Is.FAILED,
        "412",
        account_fault=True,
    ),
    Example(
        "an account that is blocked",
        error(422, 413, "Your account may not send."),
        Is.FAILED,
        "413",
        account_fault=True,
    ),
    Example("too fast", error(429, 429, "Rate limit exceeded"), Is.THROTTLED, "429"),
    Example(
        "a message stream that is not there",
        error(422, 1235, "The stream provided: 'receipts' does not exist on this server."),
        Is.FAILED,
        "1235",
        account_fault=True,
    ),
    Example("a code nobody knows", error(422, 9999, "New."), Is.UNSUITABLE, "9999"),
    Example(
        "a code nobody knows, with 200",
        error(200, 451, "Not sent, for a reason nobody knows."),
        Is.UNKNOWN,
        "451",
    ),
    Example("a refusal with 200", error(200, 406, INACTIVE), Is.UNSUITABLE, "406"),
    Example("a code that is none", error(422, True, "What?"), Is.REFUSED, "422"),
    Example("too large", response(413, "Payload Too Large"), Is.UNSUITABLE, "413"),
    Example("a server error", error(500, 0, "Internal Server Error"), Is.FAILED, "500"),
)

POSTMARK = Case(
    name="postmark",
    build=build,
    url="https://api.postmarkapp.com/email",
    read=read,
    accepted=accepted("OK", ErrorCode=0),
    provider_id=MESSAGE_ID,
    garbage=(
        response(200),
        response(200, b'{"Messag'),
        response(200, "{}"),
        response(200, '{"ErrorCode": 0, "Message": "OK", "MessageID": ""}'),
        response(200, '{"ErrorCode": 0, "Message": "OK", "MessageID": 17}'),
        response(200, "[]"),
        response(204),
        response(200, "<html>Welcome to this hotel's network</html>"),
    ),
    echo=echo,
    secrets=(TOKEN,),
    empty_subject="",
    unable=why_unable,
    body_limit=5_000_000,
    examples=EXAMPLES,
)
