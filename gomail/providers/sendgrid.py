"""Twilio SendGrid, API v3: `POST /v3/mail/send`.

The payload equals that of the sendgrid package's model (a test compares them); built by hand it
takes a tenth of the time. SendGrid has no codes: the status and the texts of `errors` tell what it
means.
"""

import re
from collections.abc import Iterable
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
from gomail.providers.mailbox import address, one_line, quoted
from gomail.providers.said import json_object, refused, string
from gomail.providers.sending import HttpProvider, Question, bearer

PATH = "/v3/mail/send"
SCOPES = "/v3/scopes"

LIMIT = 30_000_000  # "less than 30 MB", the whole email (Mail Send limitations page)

NO_SUBJECT = "(no subject)"  # an empty one is a 400

# In a recipient's name these make SendGrid read an address out of it and drop the email after its
# 202, unless the name is quoted (sendgrid-python #291; the list: sendgrid-ruby #394). In the
# sender's name they work as they are, and quotes would be shown (sendgrid-php #897).
_MISREAD_IN_NAMES = re.compile(r'[(),:;<>@\[\]"\\]')

_ERRORS = "SendGrid's page of Mail Send errors"
_CREDITS = "the plan's emails are used up: buy more or a larger plan in SendGrid's billing settings"

ROWS = (
    Row(
        kind=OutcomeClass.QUOTA,
        text=r"^maximum credits exceeded",
        mend=_CREDITS,
        source="sendgrid-nodejs #1032 and sendgrid-python #242, with 401",
    ),
    Row(
        kind=OutcomeClass.QUOTA,
        text=r"^you('ve| have) exceeded your messaging limits",
        mend=_CREDITS,
        source="sendgrid-php #931, with 403",
    ),
    Row(
        kind=OutcomeClass.UNSUITABLE,
        text=r"^the from address does not match a verified",
        source="SendGrid's page on Sender Identity, with 403",
    ),
    Row(
        kind=OutcomeClass.UNSUITABLE,
        statuses=(403,),
        field="from",
        source="SendGrid's page on Sender Identity: the field of an identity that is not verified",
    ),
    # A block for a while.
    Row(
        kind=OutcomeClass.THROTTLED,
        statuses=(403,),
        text=r"too many bad requests",
        source=_ERRORS,
    ),
    # A single one may be SendGrid's own slip amid good answers (sendgrid-nodejs #970); an account
    # is not at fault before two emails have met it.
    Row(
        kind=OutcomeClass.FAILED,
        statuses=(401,),
        account_fault=True,
        mend="SendGrid refuses the API key: look whether it is complete and still among the "
        "account's keys, or make a new one with Mail Send",
        source="SendGrid's OpenAPI description",
    ),
    Row(
        kind=OutcomeClass.FAILED,
        statuses=(403,),
        account_fault=True,
        mend="SendGrid forbids sending: give the API key Mail Send, and look in SendGrid's console "
        "whether the account is under review and which IP addresses may call",
        source=_ERRORS,
    ),
    Row(
        kind=OutcomeClass.FAILED,
        statuses=(451,),
        account_fault=True,
        mend="the account's data lives in another region of SendGrid's: set base_url to that "
        "region's, such as https://api.eu.sendgrid.com",
        source=_ERRORS,
    ),
)


def sendgrid(name: str, *, base_url: str, key: SecretStr, transport: Transport) -> HttpProvider:
    """SendGrid at `base_url`, for example `https://api.sendgrid.com`."""
    return HttpProvider(
        name=name,
        url=base_url.rstrip("/") + PATH,
        transport=transport,
        sign=bearer(key),
        translate=translate,
        classify=classify,
        questions=(Question(base_url.rstrip("/") + SCOPES, read_scopes),),
    )


def translate(message: Message) -> bytes:
    """The body of `mail/send`."""
    return orjson.dumps(payload(message))


def payload(message: Message) -> dict[str, Any]:
    """What `sendgrid.helpers.mail.Mail(…).get()` gives for the same email."""
    email = message.email
    personalization = {"to": [_recipient(email.to_name, email.to_email)]}
    content = [{"type": "text/plain", "value": email.body}] if email.body else []
    mail: dict[str, Any] = {
        "from": _party(email.from_name, email.from_email),
        "subject": one_line(email.subject) or NO_SUBJECT,
        "personalizations": [personalization],
        "content": content,
        "custom_args": {"gomail_id": message.id},
    }
    if email.html:
        content.append({"type": "text/html", "value": email.html})  # after the text: its rule
    if email.also_to or email.cc or email.bcc:
        _add_recipients(email, personalization)
    if email.reply_to:
        mail["reply_to_list"] = [_party(one.name, one.email) for one in email.reply_to]
    if email.headers or email.list_unsubscribe is not None:
        mail["headers"] = dict(own_headers(email))
    if email.attachments:
        mail["attachments"] = [_attachment(one) for one in email.attachments]
    if email.tags:
        mail["categories"] = list(email.tags)
    return mail


def _add_recipients(email: Email, personalization: dict[str, list[dict[str, str]]]) -> None:
    personalization["to"] += _recipients(email.also_to)
    if email.cc:
        personalization["cc"] = _recipients(email.cc)
    if email.bcc:
        personalization["bcc"] = _recipients(email.bcc)


def _recipients(mailboxes: Iterable[Mailbox]) -> list[dict[str, str]]:
    return [_recipient(one.name, one.email) for one in mailboxes]


def _recipient(name: str, given: str) -> dict[str, str]:
    name = one_line(name)
    return _party(quoted(name) if _MISREAD_IN_NAMES.search(name) else name, given)


def _party(name: str, given: str) -> dict[str, str]:
    plain = address(given)
    return {"name": one_line(name), "email": plain} if name else {"email": plain}


def _attachment(attachment: Attachment) -> dict[str, str]:
    file = {
        "content": attachment.content,
        "type": attachment.content_type,
        "filename": one_line(attachment.filename),
    }
    if attachment.content_id:
        return file | {"disposition": "inline", "content_id": attachment.content_id}
    return file | {"disposition": "attachment"}


_too_large = size_limit(LIMIT, "SendGrid takes less than 30 MB", texts_in_base64=False)


def why_unable(email: Email) -> str | None:
    """Why SendGrid could never carry this email, by the field at fault; None where it can."""
    for place, one in enumerate(email.attachments):
        if not one.size:
            return f"attachments.{place}.content: SendGrid takes no empty files"
    return _too_large(email)


def classify(response: Response) -> Outcome:
    """What SendGrid's answer means."""
    if response.status in {200, 202}:
        return _accepted(response)
    errors = _errors(response.body)
    answer = Answer(
        status=response.status,
        text="; ".join(text for error in errors if (text := string(error, "message"))),
        field=next((name for error in errors if (name := string(error, "field"))), ""),
        headers=response.headers,
    )
    return judge(answer, ROWS)


def read_scopes(response: Response) -> list[Finding]:
    """What the key may do; SendGrid tells every key its own scopes."""
    if response.status != 200:  # noqa: PLR2004 - the only success of this question
        return [refused("SendGrid", classify(response))]
    scopes = json_object(response.body).get("scopes")
    if not isinstance(scopes, list):
        where = "look at base_url in this provider's settings"
        return [Finding(Level.BAD, "what answers is not SendGrid: it tells of no scopes", where)]
    if "mail.send" in scopes:
        return [Finding(Level.OK, "the API key may send")]
    return [
        Finding(
            Level.BAD,
            "the API key may not send: it lacks the scope mail.send",
            "give it Mail Send under API Keys in SendGrid's settings",
        )
    ]


def _accepted(response: Response) -> Outcome:
    # The real answer has an empty body. Something else in it without SendGrid's header is not from
    # SendGrid: the page of a proxy, which would lose every email if it were taken for a yes.
    provider_id = word(response.headers.get("X-Message-Id", ""))
    if response.body.strip() and not provider_id:
        return Outcome(
            OutcomeClass.UNKNOWN,
            code=str(response.status),
            detail=f"HTTP {response.status} with a body that is not SendGrid's",
        )
    # 200 is the answer of SendGrid's sandbox mode: valid, and delivered to nobody.
    detail = "SendGrid is in sandbox mode: not delivered" if response.status == 200 else ""  # noqa: PLR2004 - named above
    return Outcome(OutcomeClass.ACCEPTED, detail=detail, provider_id=provider_id)


def _errors(body: bytes) -> list[dict[str, Any]]:
    errors = json_object(body).get("errors")
    return (
        [error for error in errors if isinstance(error, dict)] if isinstance(errors, list) else []
    )
