"""Brevo, API v3: `POST /v3/smtp/email`.

Its answers are known by code and status. Our message id travels as a header that its events give
back. A sender that is not verified is not refused: Brevo accepts the email and drops it, which only
its events tell.

Brevo knows idempotency keys, in the body, and answers a repeated one with an error. We send none:
nothing says that a key whose first send failed is forgotten, and an email taken for sent because of
a failed send would be lost, which is worse than one sent twice.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import orjson
from pydantic import SecretStr

from gomail.email import Email, Mailbox, Message
from gomail.http import Response, Transport
from gomail.outcome import Outcome, OutcomeClass
from gomail.providers import Finding, Level
from gomail.providers.answers import Answer, Row, judge, word
from gomail.providers.headers import own_headers
from gomail.providers.limits import size_limit
from gomail.providers.mailbox import address, header_value, one_line
from gomail.providers.said import json_object, refused, string
from gomail.providers.sending import HttpProvider, Question, Signer

PATH = "/v3/smtp/email"
ACCOUNT = "/v3/account"

LIMIT = 20_000_000  # a message with its files (help page on attachments)
NAME_LIMIT = 70  # characters (API reference: every name)

NO_SUBJECT = "(no subject)"  # an empty one is a 400

# With one of these and a letter that is not ASCII, a name is dropped unless it comes encoded
# (django-anymail's Brevo backend).
_SPECIALS = re.compile(r'[()<>@,:;."\\\[\]]')

# Headers that Brevo does not send on but obeys.
_OBEYED = re.compile(r"(sender\.ip|idempotency-?key|x-mailin-.*|x-sib-.*)\Z", re.IGNORECASE)

# API reference; a file of any other kind is a 400.
_KNOWN = """
xlsx xls ods docx docm doc csv pdf txt gif jpg jpeg png tif tiff rtf bmp cgm css shtml html htm zip
xml ppt pptx tar ez ics mobi msg pub eps odt mp3 m4a m4v wma ogg flac wav aif aifc aiff mp4 mov avi
mkv mpeg mpg wmv pkpass xlsm
"""
ENDINGS = frozenset(_KNOWN.split())

_NUMBER = re.compile(r"-?[0-9]{1,15}(?:\.[0-9]+)?\Z")

_MODEL = "the OpenAPI description of Sendinblue, as Brevo was called"
_ACTIVATE = "ask Brevo's support to activate transactional email"

ROWS = (
    # With 402 or 400, before the rows on credits.
    Row(
        kind=OutcomeClass.FAILED,
        code=r"account_under_validation",
        account_fault=True,
        mend="Brevo is still looking at the account: answer its questions in the console, or ask "
        "its support",
        source=f"{_MODEL}, codes of errors",
    ),
    Row(
        kind=OutcomeClass.QUOTA,
        code=r"not_enough_credits",
        mend="the Brevo plan's emails are used up: wait for the next day of a free plan, or buy "
        "more in its console",
        source=f"{_MODEL}, codes of errors",
    ),
    Row(
        kind=OutcomeClass.QUOTA,
        statuses=(402,),
        mend="the Brevo plan's emails are used up: look at the plan and the bills in its console",
        source=_MODEL,
    ),
    Row(
        kind=OutcomeClass.FAILED,
        statuses=(401,),
        text=r"unrecogni[sz]ed ip address",
        account_fault=True,
        mend="Brevo takes no calls from this IP address: add it under Security, Authorised IPs in "
        "its console",
        source="its users' reports of a 401 with these words",
    ),
    Row(
        kind=OutcomeClass.FAILED,
        statuses=(401,),
        account_fault=True,
        mend="Brevo refuses the API key: look whether it is complete, an API key (xkeysib-…) and "
        "no SMTP key, and still among the account's keys",
        source="sendinblue APIv3-python-library #63",
    ),
    Row(
        kind=OutcomeClass.FAILED,
        statuses=(403,),
        text=r"^(unable to send email\. )?your smtp account is not yet activated",
        account_fault=True,
        mend=f"the Brevo account may not send yet: {_ACTIVATE}",
        source="fluent-smtp #157",
    ),
    Row(
        kind=OutcomeClass.FAILED,
        statuses=(403,),
        account_fault=True,
        mend="Brevo forbids sending: look in its console at the account's state and the key's "
        "rights",
        source=f"{_MODEL}: permission_denied",
    ),
)


def brevo(name: str, *, base_url: str, key: SecretStr, transport: Transport) -> HttpProvider:
    """Brevo at `base_url`, for example `https://api.brevo.com`."""
    base_url = base_url.rstrip("/")
    return HttpProvider(
        name=name,
        url=base_url + PATH,
        transport=transport,
        sign=api_key(key),
        translate=translate,
        classify=classify,
        questions=(Question(base_url + ACCOUNT, read_account),),
    )


def api_key(key: SecretStr) -> Signer:
    """Authentication by a header of Brevo's own."""

    def sign(_method: str, _url: str, headers: Mapping[str, str], _body: bytes) -> dict[str, str]:
        return {**headers, "api-key": key.get_secret_value()}

    return sign


def translate(message: Message) -> bytes:
    """The body of `smtp/email`."""
    return orjson.dumps(payload(message))


def payload(message: Message) -> dict[str, Any]:
    """The email in Brevo's words."""
    email = message.email
    mail: dict[str, Any] = {
        "sender": _party(email.from_name, email.from_email),
        "to": _parties(email.to),
        "subject": one_line(email.subject) or NO_SUBJECT,
        "headers": {
            **dict(own_headers(email)),
            "X-Gomail-Id": one_line(message.id),
            "X-Mailin-custom": one_line(message.id),
        },
    }
    if email.body:
        mail["textContent"] = email.body
    if email.html:
        mail["htmlContent"] = email.html
    if email.cc:
        mail["cc"] = _parties(email.cc)
    if email.bcc:
        mail["bcc"] = _parties(email.bcc)
    if email.reply_to:
        [one] = email.reply_to
        mail["replyTo"] = _named(header_value(one.name), one.email)
    if email.attachments:
        mail["attachment"] = [
            {"name": one_line(one.filename), "content": one.content} for one in email.attachments
        ]
    if email.tags:
        mail["tags"] = list(email.tags)
    return mail


def _party(name: str, given: str) -> dict[str, str]:
    name = one_line(name)[:NAME_LIMIT].rstrip()
    if "=?" in name or (not name.isascii() and _SPECIALS.search(name)):
        # What is too long when encoded goes as it is: the name is lost then, the email is not.
        encoded = header_value(name)
        name = encoded if len(encoded) <= NAME_LIMIT else name
    return _named(name, given)


def _parties(mailboxes: Iterable[Mailbox]) -> list[dict[str, str]]:
    return [_party(one.name, one.email) for one in mailboxes]


def _named(name: str, given: str) -> dict[str, str]:
    plain = address(given)
    return {"name": name, "email": plain} if name else {"email": plain}


_too_large = size_limit(LIMIT, "Brevo takes at most 20 MB", texts_in_base64=True)


def why_unable(email: Email) -> str | None:
    """Why Brevo could never carry this email, by the field at fault; None where it can."""
    if len(email.reply_to) > 1:
        return "replyTo: Brevo takes only one"
    if (email.headers or email.list_unsubscribe) and (fault := _header_fault(email)):
        return fault
    for place, attachment in enumerate(email.attachments):
        if attachment.content_id:
            return f"attachments.{place}.contentId: Brevo takes no inline files"
        if fault := _ending_fault(attachment.filename):
            return f"attachments.{place}.filename: {fault}"
    return _too_large(email)


def _header_fault(email: Email) -> str | None:
    try:
        own_headers(email)
    except ValueError as error:  # translation would raise it for every attempt
        return f"headers: {error}"
    for name, value in email.headers:
        if _OBEYED.match(name):
            return f"headers.{name}: Brevo obeys it instead of sending it"
        if header_value(value) != value:
            # Encoded words, too, it sends on decoded, in raw UTF-8 (django-anymail's backend).
            return f"headers.{name}: Brevo sends no header intact that is not plain ASCII"
    return None


def _ending_fault(filename: str) -> str | None:
    _, dot, ending = filename.strip().lower().rpartition(".")
    if not dot:
        return "Brevo takes no files without an ending that it knows"
    return None if ending in ENDINGS else f"Brevo takes no .{ending} files"


def classify(response: Response) -> Outcome:
    """What Brevo's answer means."""
    said = json_object(response.body)
    provider_id = said.get("messageId")
    if response.status in {200, 201, 202} and isinstance(provider_id, str) and provider_id:
        return Outcome(OutcomeClass.ACCEPTED, provider_id=word(provider_id))
    return judge(
        Answer(
            status=response.status,
            code=string(said, "code"),
            text=string(said, "message"),
            headers=response.headers,
        ),
        ROWS,
    )


def read_account(response: Response) -> list[Finding]:
    """Whether the account may send, and how many emails are left of its plan."""
    said = json_object(response.body)
    plans = said.get("plan")
    if response.status != 200:  # noqa: PLR2004 - the only success of this question
        return [refused("Brevo", classify(response))]
    if not isinstance(plans, list):
        where = "look at base_url in this provider's settings"
        return [Finding(Level.BAD, "what answers is not Brevo: it tells of no plan", where)]
    return [*_activation(said.get("relay")), _credits(plans)]


def _activation(relay: object) -> list[Finding]:
    if isinstance(relay, dict) and relay.get("enabled") is False:
        return [Finding(Level.BAD, "transactional email is not activated", _ACTIVATE)]
    return [Finding(Level.OK, "the account may send")]


def _credits(plans: list[object]) -> Finding:
    """What is left of all plans for email; one without a number is not counted."""
    texts = [
        str(plan.get("credits"))
        for plan in plans
        if isinstance(plan, dict) and plan.get("type") != "sms"
    ]
    told = [int(float(text)) for text in texts if _NUMBER.match(text)]
    if not told:
        return Finding(Level.NOTE, "how many emails are left of the plan is not told")
    if sum(told) > 0:
        return Finding(Level.OK, f"{sum(told)} emails are left of the plan")
    return Finding(
        Level.BAD,
        "no emails are left of the plan",
        "wait for the next day of a free plan, or buy more in Brevo's console",
    )
