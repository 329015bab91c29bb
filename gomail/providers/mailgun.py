"""Mailgun, API v3: `POST /v3/{domain}/messages`, a form.

Mailgun has no codes and no idempotency key: the status and the one `message` of its answer tell
what it means. Our message id travels as a variable (in events) and as a header (in the email).
"""

import re
import secrets
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import quote

from pydantic import SecretStr

from gomail.email import Attachment, Email, Mailbox, Message
from gomail.http import Response, Transport
from gomail.outcome import Outcome, OutcomeClass
from gomail.providers import Finding, Level
from gomail.providers.answers import Answer, Row, judge, word
from gomail.providers.headers import own_headers
from gomail.providers.limits import size_limit
from gomail.providers.mailbox import mailbox, one_line, quoted
from gomail.providers.said import json_object, refused
from gomail.providers.sending import HttpProvider, Question, Signer

LIMIT = 25_000_000  # a message as it goes out (page on sending by HTTP)
OPTIONS_LIMIT = 16_000  # names and values of all o:, h: and v: (API reference: "16 kB in total")
MAILBOX_LIMIT = 320  # not documented; no reader shows more, and no address is longer

# What the longest id of ours needs in the options, as header and variable.
_IDS = len("h:X-Gomail-Id") + len("v:gomail-id") + 2 * 100

# One for the process: nobody outside can write it into a text, so that no text can end its part.
BOUNDARY = f"gomail-{secrets.token_hex(16)}"
HEADERS: Mapping[str, str] = {
    "Content-Type": f"multipart/form-data; boundary={BOUNDARY}",
    "Accept": "application/json",
}

# What answers a path that the API does not have, with 200.
_NO_API = b"Mailgun Magnificent API"

_NOT_ALLOWED = r"^domain \S+ is not allowed to send: "
_TRY_AGAIN = re.compile(r"try again after ([A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9: ]+ UTC)")

_LIST = "the Error Codes Library on Mailgun at app.modalsupport.com"

# Texts are anchored: an answer may quote the email, and no sender may write himself a row.
ROWS = (
    Row(
        kind=OutcomeClass.FAILED,
        statuses=(200,),
        text=rf"^{_NO_API.decode()}",
        account_fault=True,
        mend="what answers is Mailgun, but not its API for sending: look at base_url and domain in "
        "this provider's settings",
        source="django-anymail's Mailgun backend",
    ),
    # With 420 and 429; ends when it says, after an hour or a day.
    Row(
        kind=OutcomeClass.QUOTA,
        text=_NOT_ALLOWED + r"(\w+ )+limit (\(\d+\) )?exceeded",
        mend="a sending limit of the Mailgun domain is reached: ask Mailgun to raise it, or to end "
        "the account's probation",
        source="mailgun-java #50 and Ghost #24494",
    ),
    Row(
        kind=OutcomeClass.QUOTA,
        text=_NOT_ALLOWED + r"you('|’)ve reached the message limit",
        mend="the message limit that was set on the Mailgun account is reached: raise it under "
        "Billing in Mailgun's console",
        source="glot #59 and #65, with 403",
    ),
    Row(
        kind=OutcomeClass.UNSUITABLE,
        text=_NOT_ALLOWED + r"the domain is unverified",
        source=f"{_LIST}, with 400 and 403",
    ),
    # An account for tests sends to a few recipients of its own choice.
    Row(
        kind=OutcomeClass.UNSUITABLE,
        text=_NOT_ALLOWED + r"(sandbox subdomains|free accounts) are for test purposes only",
        source=f"{_LIST}; US-visa-appointment-notifier #5, with 403",
    ),
    Row(
        kind=OutcomeClass.UNSUITABLE,
        text=r"^domain \S+ is not allowed to send large batches",
        source=f"{_LIST}, with 403",
    ),
    Row(
        kind=OutcomeClass.FAILED,
        text=_NOT_ALLOWED + r"please activate your mailgun account",
        account_fault=True,
        mend="the Mailgun account is not activated: follow the link of its activation email, or "
        "have it sent again in Mailgun's console",
        source=f"{_LIST}; rebutify #162",
    ),
    Row(
        kind=OutcomeClass.FAILED,
        text=_NOT_ALLOWED,
        account_fault=True,
        mend="Mailgun lets the domain send nothing: look at the domain and the account in "
        "Mailgun's console",
        source="no rule: what else Mailgun says of a domain",
    ),
    Row(
        kind=OutcomeClass.FAILED,
        statuses=(404,),
        text=r"^domain not found",
        account_fault=True,
        mend="Mailgun has no such domain in this region: look at domain and base_url in this "
        "provider's settings",
        source="django-anymail's Mailgun backend",
    ),
    # A "Forbidden" without JSON.
    Row(
        kind=OutcomeClass.FAILED,
        statuses=(401,),
        account_fault=True,
        mend="Mailgun refuses the API key: look whether it is complete, of this region, and a key "
        "of the account or for sending from this domain",
        source="mailgun.js #393",
    ),
    Row(
        kind=OutcomeClass.FAILED,
        statuses=(403,),
        account_fault=True,
        mend="Mailgun forbids sending: look in its console at the key's role, the account's state "
        "and which IP addresses may call",
        source="Mailgun's page of API responses",
    ),
    # Limits that others do not have.
    Row(
        kind=OutcomeClass.UNSUITABLE,
        statuses=(400,),
        text=r"^(send options|too many recipients)",
        source=_LIST,
    ),
)


def mailgun(
    name: str, *, base_url: str, domain: str, key: SecretStr, transport: Transport
) -> HttpProvider:
    """Mailgun at `base_url`, for example `https://api.mailgun.net`, sending by way of `domain`."""
    api = base_url.rstrip("/") + "/v3"
    domain = quote(domain, safe="")
    return HttpProvider(
        name=name,
        url=f"{api}/{domain}/messages",
        transport=transport,
        sign=basic(key),
        translate=translate,
        classify=classify,
        headers=HEADERS,
        questions=(Question(f"{api}/domains/{domain}", read_domain),),
    )


def basic(key: SecretStr) -> Signer:
    """HTTP Basic authentication as the user `api`."""

    def sign(_method: str, _url: str, headers: Mapping[str, str], _body: bytes) -> dict[str, str]:
        credentials = b64encode(f"api:{key.get_secret_value()}".encode()).decode()
        return {**headers, "Authorization": f"Basic {credentials}"}

    return sign


def translate(message: Message) -> bytes:
    """The form of `messages`."""
    email = message.email
    parts = [_field(name, value) for name, value in _texts(email)]
    parts += [_field(name, value) for name, value in _options(email)]
    parts += [_field("v:gomail-id", message.id)]
    parts += [_field("h:X-Gomail-Id", one_line(message.id))]
    parts += [_file(one) for one in email.attachments]
    limit = f"--{BOUNDARY}".encode()
    return b"".join(limit + part for part in parts) + limit + b"--\r\n"


def _texts(email: Email) -> Iterator[tuple[str, str]]:
    yield "from", mailbox(email.from_name, email.from_email, limit=MAILBOX_LIMIT)
    yield from (("to", one) for one in _mailboxes(email.to))
    yield from (("cc", one) for one in _mailboxes(email.cc))
    yield from (("bcc", one) for one in _mailboxes(email.bcc))
    yield "subject", one_line(email.subject)
    if email.body:
        yield "text", email.body
    if email.html:
        yield "html", email.html


def _options(email: Email) -> Iterator[tuple[str, str]]:
    """What counts against `OPTIONS_LIMIT`, without our id."""
    if email.reply_to:
        yield "h:Reply-To", ", ".join(_mailboxes(email.reply_to))
    if email.headers or email.list_unsubscribe is not None:
        yield from ((f"h:{name}", value) for name, value in own_headers(email))
    yield from (("o:tag", tag) for tag in email.tags)


def _mailboxes(mailboxes: Iterable[Mailbox]) -> list[str]:
    return [mailbox(one.name, one.email, limit=MAILBOX_LIMIT) for one in mailboxes]


def _field(name: str, value: str) -> bytes:
    return _part(f"name={quoted(name)}", value.encode())


def _file(attachment: Attachment) -> bytes:
    # What is inline Mailgun shows under its file name: there is no field for a content id.
    field, filename = (
        ("inline", attachment.content_id)
        if attachment.content_id
        else ("attachment", attachment.filename)
    )
    return _part(
        f'name="{field}"; filename={quoted(one_line(filename))}',
        b64decode(attachment.content),
        content_type=one_line(attachment.content_type),
    )


def _part(parameters: str, content: bytes, *, content_type: str = "") -> bytes:
    kind = f"\r\nContent-Type: {content_type}" if content_type else ""
    head = f"\r\nContent-Disposition: form-data; {parameters}{kind}\r\n\r\n"
    return head.encode() + content + b"\r\n"


_too_large = size_limit(LIMIT, "Mailgun takes at most 25 MB", texts_in_base64=True)


def why_unable(email: Email) -> str | None:
    """Why Mailgun could never carry this email, by the field at fault; None where it can."""
    if (email.headers or email.list_unsubscribe or email.reply_to) and (
        fault := _options_fault(email)
    ):
        return fault
    return _too_large(email)


def _options_fault(email: Email) -> str | None:
    try:
        options = list(_options(email))
    except ValueError as error:  # translation would raise it for every attempt
        return f"headers: {error}"
    if sum(len(name) + len(value) for name, value in options) + _IDS > OPTIONS_LIMIT:
        return "headers: Mailgun takes at most 16 KB of headers, reply-to and tags together"
    return None


def classify(response: Response) -> Outcome:
    """What Mailgun's answer means."""
    said = json_object(response.body)
    provider_id, text = said.get("id"), said.get("message")
    if response.status == 200 and isinstance(provider_id, str) and provider_id:  # noqa: PLR2004 - the only success
        return Outcome(OutcomeClass.ACCEPTED, provider_id=word(provider_id))
    if not isinstance(text, str):
        text = _NO_API.decode() if response.body.strip() == _NO_API else ""
    return judge(
        Answer(status=response.status, text=text, headers=_headers(response, text)),
        ROWS,
    )


def _headers(response: Response, text: str) -> Mapping[str, str]:
    """The headers; where the text says until when to wait, as if a header said it."""
    if found := _TRY_AGAIN.search(text):
        return {"Retry-After": found[1], "Date": response.headers.get("Date", "")}
    return response.headers


def read_domain(response: Response) -> list[Finding]:
    """Whether the domain may send."""
    domain = json_object(response.body).get("domain")
    state = domain.get("state") if isinstance(domain, dict) else None
    match response.status, state:
        case 200, "active":
            return [Finding(Level.OK, "the domain is verified and active")]
        case 200, "unverified":
            return [
                Finding(
                    Level.BAD,
                    "the domain is not verified",
                    "set the DNS records that Mailgun's console shows for it, and verify it there",
                )
            ]
        case 200, str():
            return [
                Finding(
                    Level.BAD,
                    f"the domain is {word(state)}",
                    "look at the domain and the account in Mailgun's console",
                )
            ]
        case 403, _:
            return [
                Finding(
                    Level.NOTE,
                    "the key may not look at the domain, as a key for sending only may not",
                    "send a test email to see whether it may send",
                )
            ]
        case _:
            return [refused("Mailgun", classify(response))]
