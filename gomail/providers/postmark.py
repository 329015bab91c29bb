"""Postmark: `POST /email`.

A complete answer has an `ErrorCode`; 0 is an acceptance, the others tell more than the HTTP status,
which is 422 for most of them.

Postmark counts under one tag an email. More than one: the first is the `Tag`, and all of them stand
in a header `X-Gomail-Tags`, which its webhooks and its page of the message show, and which
recipients can see. Nothing is lost, and no email is kept from its way out for the sake of a label.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import orjson
from pydantic import SecretStr

from gomail.email import Attachment, Email, Mailbox, Message
from gomail.http import Response, Transport
from gomail.outcome import Outcome, OutcomeClass
from gomail.providers import Finding, Level
from gomail.providers.answers import Answer, Row, judge, word
from gomail.providers.headers import own_headers
from gomail.providers.limits import size_limit
from gomail.providers.mailbox import mailbox, one_line
from gomail.providers.said import json_object, refused, string
from gomail.providers.sending import HttpProvider, Question, Signer

PATH = "/email"
ACCOUNT_PATH = "/server"

LIMIT = 10_000_000  # the whole email, files in base64 (article on size limits)
TEXT_LIMIT = 5_000_000  # each text (same article)

# A name of any length that the API lets in fits a header line (RFC 5322: 998 characters).
MAILBOX_LIMIT = 900

_METADATA_LIMIT = 80  # characters of a value; a longer one is a 422 (page on metadata)

# Page on sending email, forbidden file types.
_BLOCKED = """
vbs exe bin bat chm com cpl crt hlp hta inf ins isp jse lnk mdb pcd pif reg scr sct shs vbe vba wsf
wsh wsl msc msi msp mst
"""
BLOCKED_ENDINGS = frozenset(_BLOCKED.split())

_CODES = "Postmark's list of error codes"
_MEND_KEY = (
    "Postmark does not know the server token: copy it from the API Tokens page of the server"
)

ROWS = (
    Row(
        kind=OutcomeClass.FAILED,
        code=r"10",
        account_fault=True,
        mend=_MEND_KEY,
        source=f"{_CODES}, with 401",
    ),
    Row(kind=OutcomeClass.FAILED, code=r"100", source=f"{_CODES}: maintenance"),
    # Only this account's list of senders. Anchored: the text goes on with what the email said.
    Row(
        kind=OutcomeClass.UNSUITABLE,
        code=r"300",
        text=r"^(invalid|error parsing) 'from'",
        source="Postmark's article on 422 errors: the sender is no verified signature",
    ),
    Row(kind=OutcomeClass.REFUSED, code=r"300", source=f"{_CODES}: invalid email request"),
    Row(
        kind=OutcomeClass.UNSUITABLE,
        code=r"40[01]",
        source=f"{_CODES}: the sender's signature is not known or not confirmed",
    ),
    # What our translation wrote, so nothing that could end a message.
    Row(
        kind=OutcomeClass.UNSUITABLE,
        code=r"402|403|409",
        source=f"{_CODES}: not JSON, not the right JSON, not called JSON",
    ),
    Row(
        kind=OutcomeClass.QUOTA,
        code=r"405",
        text=r"\b(credits?|limit)\b",
        mend="the credits of the Postmark account are used up: buy more or change its plan",
        source=f"{_CODES}: not allowed to send",
    ),
    Row(
        kind=OutcomeClass.FAILED,
        code=r"405",
        account_fault=True,
        mend="the Postmark server is not allowed to send: look at the account's billing page",
        source=f"{_CODES}: not allowed to send",
    ),
    Row(
        kind=OutcomeClass.UNSUITABLE,
        code=r"406",
        source=f"{_CODES}: all recipients are on the list of inactive ones",
    ),
    Row(
        kind=OutcomeClass.UNSUITABLE,
        code=r"411",
        source=f"{_CODES}: a type of attachment that Postmark does not take",
    ),
    Row(
        kind=OutcomeClass.FAILED,
        code=r"412",
        account_fault=True,
        mend="the Postmark account waits for its approval and sends within its own domain only: "
        "ask Postmark to approve it",
        source=f"{_CODES}: account is pending",
    ),
    Row(
        kind=OutcomeClass.FAILED,
        code=r"413",
        account_fault=True,
        mend="Postmark has blocked the account: ask its support",
        source=f"{_CODES}: account may not send",
    ),
    Row(kind=OutcomeClass.THROTTLED, code=r"429", source=f"{_CODES}: rate limit exceeded"),
    Row(
        kind=OutcomeClass.FAILED,
        code=r"1235",
        account_fault=True,
        mend="the Postmark server has no such message stream: correct message_stream of this "
        "provider",
        source=f"{_CODES}: the stream does not exist on this server",
    ),
    # Not known to mean the message, so it does not end it.
    Row(
        kind=OutcomeClass.UNSUITABLE,
        statuses=(422,),
        code=r".+",
        source=f"{_CODES}: new codes may be added",
    ),
)


def postmark(
    name: str, *, base_url: str, key: SecretStr, message_stream: str, transport: Transport
) -> HttpProvider:
    """Postmark at `base_url`, for example `https://api.postmarkapp.com`, by a server token."""
    url = base_url.rstrip("/")
    return HttpProvider(
        name=name,
        url=url + PATH,
        transport=transport,
        sign=token(key),
        translate=translator(message_stream),
        classify=classify,
        questions=(Question(url + ACCOUNT_PATH, read_server),),
    )


def token(key: SecretStr) -> Signer:
    """Authentication by a server token."""

    def sign(_method: str, _url: str, headers: Mapping[str, str], _body: bytes) -> dict[str, str]:
        return {**headers, "X-Postmark-Server-Token": key.get_secret_value()}

    return sign


def translator(message_stream: str) -> Callable[[Message], bytes]:
    """The translation of an email into the body of a send through this message stream."""

    def translate(message: Message) -> bytes:
        return orjson.dumps(_request(message) | {"MessageStream": message_stream})

    return translate


def _request(message: Message) -> dict[str, Any]:
    email = message.email
    request: dict[str, Any] = {
        "From": mailbox(email.from_name, email.from_email, limit=MAILBOX_LIMIT),
        "To": _mailboxes(email.to),
        "Subject": one_line(email.subject),
        "Headers": _headers(message),
    }
    if email.body:
        request["TextBody"] = email.body
    if email.html:
        request["HtmlBody"] = email.html
    for name, people in (("Cc", email.cc), ("Bcc", email.bcc), ("ReplyTo", email.reply_to)):
        if people:
            request[name] = _mailboxes(people)
    if email.attachments:
        request["Attachments"] = [_attachment(one) for one in email.attachments]
    if email.tags:
        request["Tag"] = email.tags[0]
    if len(message.id) <= _METADATA_LIMIT:
        request["Metadata"] = {"gomail-id": message.id}
    return request


def _mailboxes(mailboxes: Iterable[Mailbox]) -> str:
    return ", ".join(mailbox(one.name, one.email, limit=MAILBOX_LIMIT) for one in mailboxes)


def _headers(message: Message) -> list[dict[str, str]]:
    headers = [("X-Gomail-Id", one_line(message.id))]
    if len(message.email.tags) > 1:
        headers.append(("X-Gomail-Tags", ", ".join(message.email.tags)))
    return [{"Name": n, "Value": v} for n, v in (*headers, *own_headers(message.email))]


def _attachment(attachment: Attachment) -> dict[str, str]:
    file = {
        "Name": one_line(attachment.filename),
        "Content": attachment.content,
        "ContentType": attachment.content_type,
    }
    if attachment.content_id:
        return file | {"ContentID": f"cid:{attachment.content_id}"}
    return file


_too_large = size_limit(LIMIT, "Postmark takes at most 10 MB", texts_in_base64=False)


def why_unable(email: Email) -> str | None:
    """Why Postmark could never carry this email, by the field at fault; None where it can."""
    for field, text in (("body", email.body), ("html", email.html)):
        if _is_longer(text, TEXT_LIMIT):
            return f"{field}: Postmark takes at most 5 MB"
    for place, one in enumerate(email.attachments):
        ending = one.filename.rpartition(".")[2].strip().lower()
        if "." in one.filename and ending in BLOCKED_ENDINGS:
            return f"attachments.{place}.filename: Postmark takes no .{ending} files"
    return _too_large(email)


def _is_longer(text: str, limit: int) -> bool:
    # A character is at most four bytes: texts of a usual size are never encoded for this.
    return 4 * len(text) > limit and len(text.encode(errors="replace")) > limit


def classify(response: Response) -> Outcome:
    """What Postmark's answer means."""
    said = json_object(response.body)
    code, text = _code(said), string(said, "Message")
    # An acceptance that is delivered later has no code at all (django-anymail #392).
    if 200 <= response.status < 300 and not code:  # noqa: PLR2004 - any success
        return _accepted(response, string(said, "MessageID"), text)
    answer = Answer(status=response.status, code=code, text=text, headers=response.headers)
    return judge(answer, ROWS)


def _accepted(response: Response, message_id: str, text: str) -> Outcome:
    if not message_id:
        return Outcome(
            OutcomeClass.UNKNOWN,
            code=str(response.status),
            detail=f"HTTP {response.status} without a MessageID",
        )
    # The text may say that some recipients are inactive and get nothing, that the token is the one
    # for tests, or that it will take longer.
    detail = "" if text == "OK" else text
    return Outcome(OutcomeClass.ACCEPTED, detail=detail, provider_id=word(message_id))


def read_server(response: Response) -> list[Finding]:
    """What `GET /server` tells of the token and its server."""
    if response.status != 200:  # noqa: PLR2004 - the only success of this question
        return [refused("Postmark", classify(response), key="token")]
    said = json_object(response.body)
    if "DeliveryType" not in said:
        where = "look at base_url in this provider's settings"
        return [Finding(Level.BAD, "what answers is not Postmark: it tells of no server", where)]
    if string(said, "DeliveryType").lower() != "sandbox":
        return [Finding(Level.OK, "Postmark knows the server token")]
    return [
        Finding(
            Level.NOTE,
            "the server token is that of a sandbox server: Postmark accepts its mail and delivers "
            "none",
            "for real mail, use the token of a server of the type Live",
        )
    ]


def _code(said: dict[str, Any]) -> str:
    """The ErrorCode; empty where there is none and where it is 0, which is none."""
    code = said.get("ErrorCode")
    return str(code) if isinstance(code, int) and not isinstance(code, bool) and code else ""
