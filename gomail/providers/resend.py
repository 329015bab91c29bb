"""Resend: `POST /emails`.

Every send names the message's id as its idempotency key, which Resend keeps for 24 hours: a
repeated send of the same id is answered like the first and reaches nobody twice. For that the
translation of an email is always the same, byte for byte.

Our id also travels as a header and, where it can stand there, as a tag (in webhooks).
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import orjson
from pydantic import SecretStr

from gomail.email import Attachment, Email, Mailbox, Message
from gomail.http import Response, Transport
from gomail.outcome import Outcome, OutcomeClass
from gomail.providers import Finding, Level
from gomail.providers.answers import Answer, Row, judge, printable, word
from gomail.providers.file_types import ENDINGS, TYPES, ending_of
from gomail.providers.headers import own_headers
from gomail.providers.limits import size_limit
from gomail.providers.mailbox import mailbox, one_line
from gomail.providers.said import json_object, refused, string
from gomail.providers.sending import HttpProvider, Question, bearer

PATH = "/emails"
DOMAINS_PATH = "/domains"

LIMIT = 40_000_000  # the email, files in base64 (page on attachments)
MOST_TO = 50  # recipients in `to` (Send Email page)

# A name of any length that the API lets in fits a header line (RFC 5322: 998 characters).
MAILBOX_LIMIT = 900

NO_SUBJECT = "(no subject)"  # an empty one is a 422 (resend-php #98)

_TAG_VALUE = re.compile(r"[A-Za-z0-9_-]{1,256}\Z")  # Send Email page
_IDEMPOTENCY_KEY = re.compile(r"[!-~]{1,256}\Z")  # page on idempotency keys
_MOST_NAMED = 10  # domains in one finding

_ERRORS = "Resend's list of errors"
_KEY = "Resend refuses the API key: create one that may send, and set it in the environment"

# Texts are anchored: an answer may quote the email, and no sender may write himself a row.
ROWS = (
    # A key that is bound to one domain, or a domain that is not set up: one sender, not the key.
    Row(
        kind=OutcomeClass.UNSUITABLE,
        text=r"^this api key is not authorized to send emails from",
        source="reports of Resend's users: 403, with or without a name",
    ),
    Row(
        kind=OutcomeClass.FAILED,
        text=r"^api key is invalid",
        account_fault=True,
        mend=_KEY,
        source="django-anymail's tests: 400 validation_error",
    ),
    Row(
        kind=OutcomeClass.FAILED,
        code=r"(missing|invalid|restricted|suspended)_api_[Kk]ey",
        account_fault=True,
        mend=_KEY,
        source=f"{_ERRORS}: 401 and 403",
    ),
    # The domain of the sender is not verified; or no domain is, and the recipient is a stranger.
    Row(
        kind=OutcomeClass.UNSUITABLE,
        statuses=(403,),
        code=r"validation_error",
        source=_ERRORS,
    ),
    Row(
        kind=OutcomeClass.UNSUITABLE,
        code=r"invalid_from_address",
        source=f"{_ERRORS}: 422; 403 in resend-node's older list",
    ),
    Row(
        kind=OutcomeClass.QUOTA,
        code=r"daily_quota_exceeded|monthly_quota_exceeded",
        mend="the quota of the Resend account is used up: change its plan",
        source=f"{_ERRORS}: 429",
    ),
    Row(kind=OutcomeClass.THROTTLED, code=r"rate_limit_exceeded", source=f"{_ERRORS}: 429"),
    # An earlier send of this id is still under way there, so this email may be out in a moment.
    # "Throttled" would pause the provider for one email and send that elsewhere: a duplicate.
    # After "unknown" it is repeated later, and here, where the key tells what became of it.
    Row(
        kind=OutcomeClass.UNKNOWN,
        code=r"concurrent_idempotent_requests",
        source=f"{_ERRORS}: 409",
    ),
    # This id was sent before in other words, for example by another version of this software. That
    # send may have been accepted, so "refused" or "unsuitable" could send it twice, by another
    # provider; or not, so "accepted" could lose it. "Unknown" does neither: repeated here it gets
    # the same answer until its age ends it, before the key does (24 hours by default), in the
    # dead-letter queue, where somebody sees it.
    Row(kind=OutcomeClass.UNKNOWN, code=r"invalid_idempotent_request", source=f"{_ERRORS}: 409"),
    # Our own doing, so nothing that could end a message.
    Row(kind=OutcomeClass.UNSUITABLE, code=r"invalid_idempotency_key", source=f"{_ERRORS}: 400"),
    Row(kind=OutcomeClass.UNSUITABLE, code=r"invalid_attachment", source=f"{_ERRORS}: 422"),
    # "A security issue with the request" may be the email or the account: a failure that counts,
    # not an account fault that two odd emails could prove.
    Row(kind=OutcomeClass.FAILED, code=r"security_error", source=f"{_ERRORS}: 451"),
)


def resend(name: str, *, base_url: str, key: SecretStr, transport: Transport) -> HttpProvider:
    """Resend at `base_url`, for example `https://api.resend.com`."""
    url = base_url.rstrip("/")
    return HttpProvider(
        name=name,
        url=url + PATH,
        transport=transport,
        sign=bearer(key),
        translate=translate,
        classify=classify,
        headers_for=idempotency_key,
        questions=(Question(url + DOMAINS_PATH, read_domains),),
    )


def idempotency_key(message: Message) -> Mapping[str, str]:
    """The header by which Resend knows a repeated send; none where the id cannot stand in it."""
    return {"Idempotency-Key": message.id} if _IDEMPOTENCY_KEY.match(message.id) else {}


def translate(message: Message) -> bytes:
    """The body of a send."""
    email = message.email
    request: dict[str, Any] = {
        "from": mailbox(email.from_name, email.from_email, limit=MAILBOX_LIMIT),
        "to": _mailboxes(email.to),
        "subject": one_line(email.subject) or NO_SUBJECT,
        "headers": {"X-Gomail-Id": one_line(message.id), **dict(own_headers(email))},
    }
    if email.body:
        request["text"] = email.body
    if email.html:
        request["html"] = email.html
    for name, people in (("cc", email.cc), ("bcc", email.bcc), ("reply_to", email.reply_to)):
        if people:
            request[name] = _mailboxes(people)
    if email.attachments:
        request["attachments"] = [_attachment(one) for one in email.attachments]
    if tags := _tags(message):
        request["tags"] = tags
    return orjson.dumps(request)


def _mailboxes(mailboxes: Iterable[Mailbox]) -> list[str]:
    return [mailbox(one.name, one.email, limit=MAILBOX_LIMIT) for one in mailboxes]


def _attachment(attachment: Attachment) -> dict[str, str]:
    file = {
        "filename": one_line(attachment.filename),
        "content": attachment.content,
        "content_type": attachment.content_type,
    }
    return file | {"content_id": attachment.content_id} if attachment.content_id else file


def _tags(message: Message) -> list[dict[str, str]]:
    # Resend's tags have a name and a value; ours are words.
    tags = [("gomail-id", message.id)] if _TAG_VALUE.match(message.id) else []
    tags += [(f"tag{n}", one) for n, one in enumerate(message.email.tags, start=1)]
    return [{"name": name, "value": value} for name, value in tags]


_too_large = size_limit(LIMIT, "Resend takes at most 40 MB", texts_in_base64=False)


def why_unable(email: Email) -> str | None:
    """Why Resend could never carry this email, by the field at fault; None where it can."""
    if len(email.to) > MOST_TO:
        return f"to: Resend takes at most {MOST_TO} recipients"
    for place, attachment in enumerate(email.attachments):
        if fault := _attachment_fault(attachment):
            return f"attachments.{place}.filename: {fault}"
    return _too_large(email)


def _attachment_fault(attachment: Attachment) -> str | None:
    """What would make Resend accept the email and never deliver it (django-anymail #440).

    That is a file without a name, and one whose name ends otherwise than its type. Files of which
    neither ending nor type is among the common ones it delivers.
    """
    if not one_line(attachment.filename).strip():
        return "Resend drops emails with a file without a name"
    kind, ending = attachment.content_type.lower(), ending_of(attachment.filename)
    if ending in ENDINGS.get(kind, ()):
        return None
    if kind in ENDINGS:
        wanted = " or ".join(f".{one}" for one in ENDINGS[kind][:3])
        return f"Resend drops emails with a file of type {kind} whose name does not end in {wanted}"
    if ending in TYPES:
        return (
            f"Resend drops emails with a .{ending} file of another type than "
            f"{' or '.join(TYPES[ending])}"
        )
    return None


def classify(response: Response) -> Outcome:
    """What Resend's answer means."""
    said = json_object(response.body)
    if 200 <= response.status < 300:  # noqa: PLR2004 - any success
        if email_id := string(said, "id"):
            return Outcome(OutcomeClass.ACCEPTED, provider_id=word(email_id))
        return Outcome(
            OutcomeClass.UNKNOWN,
            code=str(response.status),
            detail=f"HTTP {response.status} without an id",
        )
    answer = Answer(
        status=response.status,
        code=string(said, "name"),
        text=string(said, "message"),
        headers=response.headers,
    )
    return judge(answer, ROWS)


def read_domains(response: Response) -> list[Finding]:
    """What `GET /domains` tells of the key and of the domains that may be sent from."""
    said = json_object(response.body)
    if string(said, "name") == "restricted_api_key":
        # The safest kind of key; whether its domain is verified, only a send tells.
        return [Finding(Level.OK, "the API key may send, and nothing else")]
    if response.status != 200:  # noqa: PLR2004 - the only success of this question
        return [refused("Resend", classify(response))]
    domains = said.get("data")
    if not isinstance(domains, list):
        where = "look at base_url in this provider's settings"
        return [Finding(Level.BAD, "what answers is not Resend: it tells of no domains", where)]
    states = {
        printable(string(one, "name")): string(one, "status")
        for one in domains
        if isinstance(one, dict)
    }
    waiting = [name for name, state in states.items() if state != "verified"]
    # Its answer may be the first of several pages.
    if len(waiting) == len(states) and not said.get("has_more"):
        return [
            Finding(
                Level.BAD,
                "no domain is verified at Resend, which then sends to its account's owner only",
                "add the domain you send from at resend.com/domains, and its DNS records",
            )
        ]
    known = Finding(Level.OK, "Resend knows the API key")
    return [known, _unverified(waiting)] if waiting else [known]


def _unverified(domains: list[str]) -> Finding:
    more = f" and {len(domains) - _MOST_NAMED} more" if len(domains) > _MOST_NAMED else ""
    return Finding(
        Level.NOTE,
        f"not verified at Resend: {', '.join(domains[:_MOST_NAMED])}{more}",
        "complete their DNS records at resend.com/domains, or send from other domains",
    )
