"""Amazon SES, API v2: `SendEmail` with Simple content.

SES has no idempotency key and its answers are known by code and text rather than by status. Our
message id travels twice: as a tag (in published events) and as a header (in every notification).
"""

import re
from collections.abc import Callable, Iterable
from typing import Any

import orjson

from gomail.email import Attachment, Email, Mailbox, Message
from gomail.http import Response, Transport
from gomail.outcome import Outcome, OutcomeClass
from gomail.providers.answers import Answer, Row, judge, word
from gomail.providers.headers import own_headers
from gomail.providers.mailbox import mailbox, one_line
from gomail.providers.sending import HttpProvider, Signer

PATH = "/v2/email/outbound-emails"

# Undocumented: SES rejects longer ones, name included (zulip #17558). An email with a shortened
# name is worth more than none.
MAILBOX_LIMIT = 320

# Letters, digits, _ and -, at most 256 (botocore's service model). Our own ids always fit; the
# header carries those that do not.
_TAG_VALUE = re.compile(r"[A-Za-z0-9_-]{1,256}\Z")

# Texts are anchored: an answer may quote the email, and no sender may write himself a row. Codes
# come with and without "Exception", and with statuses that differ between AWS's own pages.
ROWS = (
    # Which code carries it is not settled, so by text (SES page on sending quotas).
    Row(kind=OutcomeClass.QUOTA, text=r"^daily message quota exceeded"),
    # {"message":"Maximum sending rate exceeded."} with 429 (etailors_amazon_ses #117).
    Row(kind=OutcomeClass.THROTTLED, text=r"^maximum sending rate exceeded"),
    # Names the sender or, for an account in the SES sandbox, the recipient (troubleshooting page).
    Row(kind=OutcomeClass.UNSUITABLE, text=r"^email address (is )?not verified"),
    # The settings of the sender's domain, so of one identity and not the account (service model).
    Row(kind=OutcomeClass.UNSUITABLE, code=r"MailFromDomainNotVerified(Exception)?"),
    # Comes as MessageRejected (GoodServer #419).
    Row(kind=OutcomeClass.FAILED, text=r"^(email )?sending .*paused", account_fault=True),
    # Only SES's own list and limits ("Address length is more than 320 bytes long", mautic #7732).
    Row(kind=OutcomeClass.UNSUITABLE, text=r"^address (blacklisted|is on the suppression list)"),
    Row(kind=OutcomeClass.UNSUITABLE, text=r"^(message|address) length is more than"),
    Row(kind=OutcomeClass.UNSUITABLE, code=r"RequestEntityTooLarge(Exception)?"),
    # Common errors of AWS, with 400 as well as 429 (awsdocs ses #60).
    Row(
        kind=OutcomeClass.THROTTLED,
        code=r"TooManyRequests(Exception)?|(Request)?Throttl(ing|ed)(Exception)?",
    ),
    # Declared for SendEmail (service model); other clients take it for the day's quota.
    Row(kind=OutcomeClass.QUOTA, code=r"LimitExceeded(Exception)?"),
    # The signer refreshes itself: the next send has new credentials, and if not, failures count.
    Row(kind=OutcomeClass.FAILED, code=r"ExpiredToken(Exception)?"),
    # A policy that leaves out one sender and one that leaves out all read the same (formplug #11):
    # a failure that counts, not an account fault that two emails with a wrong sender could prove.
    Row(
        kind=OutcomeClass.FAILED,
        code=r"AccessDenied(Exception)?",
        text=r"on resource.*:identity/",
    ),
    # A wrong key (AWS page on common errors).
    Row(
        kind=OutcomeClass.FAILED,
        code=r"(AccessDenied|UnrecognizedClient|IncompleteSignature|InvalidSignature"
        r"|MissingAuthenticationToken|NotAuthorized)(Exception)?"
        r"|InvalidClientTokenId|InvalidAccessKeyId|InvalidToken|SignatureDoesNotMatch|OptInRequired",
        account_fault=True,
    ),
    # Our clock is more than 15 minutes off (AWS page on common errors).
    Row(kind=OutcomeClass.FAILED, code=r"RequestExpired|RequestTimeTooSkewed", account_fault=True),
    # Account or configuration set (service model).
    Row(
        kind=OutcomeClass.FAILED,
        code=r"AccountSuspended(Exception)?|\w*SendingPaused(Exception)?",
        account_fault=True,
    ),
    # The configuration set of our settings (service model).
    Row(
        kind=OutcomeClass.FAILED,
        code=r"NotFoundException|ConfigurationSetDoesNotExist(Exception)?",
        account_fault=True,
    ),
    Row(kind=OutcomeClass.UNKNOWN, code=r"RequestTimeout(Exception)?"),
    # The message (service model). Any other code with 400 is not known to mean it, so it does not
    # end the message; JSON that SES cannot read (SerializationException) is our fault.
    Row(
        kind=OutcomeClass.REFUSED,
        statuses=(400,),
        code=r"MessageRejected|BadRequestException|ValidationException|InvalidParameter\w*",
    ),
    Row(kind=OutcomeClass.UNSUITABLE, statuses=(400,), code=r".+"),
)


def ses(
    name: str,
    *,
    endpoint: str,
    configuration_set: str | None,
    transport: Transport,
    sign: Signer,
) -> HttpProvider:
    """SES behind `endpoint`, for example `https://email.eu-west-1.amazonaws.com`."""
    return HttpProvider(
        name=name,
        url=endpoint.rstrip("/") + PATH,
        transport=transport,
        sign=sign,
        translate=translator(configuration_set),
        classify=classify,
    )


def translator(configuration_set: str | None = None) -> Callable[[Message], bytes]:
    """The translation of an email into the body of `SendEmail`."""

    def translate(message: Message) -> bytes:
        request = _request(message)
        if configuration_set:
            request["ConfigurationSetName"] = configuration_set
        return orjson.dumps(request)

    return translate


def _request(message: Message) -> dict[str, Any]:
    email = message.email
    body: dict[str, Any] = {}
    if email.body:
        body["Text"] = _data(email.body)
    simple: dict[str, Any] = {
        "Subject": _data(one_line(email.subject)),
        "Body": body,
        "Headers": [{"Name": "X-Gomail-Id", "Value": one_line(message.id)}],
    }
    destination = {"ToAddresses": [mailbox(email.to_name, email.to_email, limit=MAILBOX_LIMIT)]}
    request: dict[str, Any] = {
        "FromEmailAddress": mailbox(email.from_name, email.from_email, limit=MAILBOX_LIMIT),
        "Destination": destination,
        "Content": {"Simple": simple},
    }
    if _TAG_VALUE.match(message.id):
        request["EmailTags"] = [{"Name": "gomail-id", "Value": message.id}]
    if email.html or email.also_to or email.cc or email.bcc:
        _add_html_and_recipients(email, body, destination)
    if email.headers or email.list_unsubscribe is not None:
        simple["Headers"] += [{"Name": n, "Value": v} for n, v in own_headers(email)]
    if email.attachments:
        simple["Attachments"] = [_attachment(one) for one in email.attachments]
    if email.reply_to:
        request["ReplyToAddresses"] = _mailboxes(email.reply_to)
    if email.tags:
        request.setdefault("EmailTags", []).extend(_tags(email.tags))
    return request


def _add_html_and_recipients(
    email: Email, body: dict[str, Any], destination: dict[str, list[str]]
) -> None:
    if email.html:
        body["Html"] = _data(email.html)
    destination["ToAddresses"] += _mailboxes(email.also_to)
    if email.cc:
        destination["CcAddresses"] = _mailboxes(email.cc)
    if email.bcc:
        destination["BccAddresses"] = _mailboxes(email.bcc)


def _data(text: str) -> dict[str, str]:
    return {"Data": text, "Charset": "UTF-8"}  # without one SES takes 7-bit ASCII for granted


def _mailboxes(mailboxes: Iterable[Mailbox]) -> list[str]:
    return [mailbox(one.name, one.email, limit=MAILBOX_LIMIT) for one in mailboxes]


def _attachment(attachment: Attachment) -> dict[str, str]:
    file = {
        "FileName": one_line(attachment.filename),
        "ContentType": attachment.content_type,
        "ContentTransferEncoding": "BASE64",  # SES would write it as 7-bit text by default
        "RawContent": attachment.content,
    }
    if attachment.content_id:
        return file | {"ContentDisposition": "INLINE", "ContentId": attachment.content_id}
    return file | {"ContentDisposition": "ATTACHMENT"}


def _tags(words: Iterable[str]) -> list[dict[str, str]]:
    # SES's tags have a name and a value, a name once an email; ours are words.
    return [{"Name": f"tag{n}", "Value": one} for n, one in enumerate(words, start=1)]


def classify(response: Response) -> Outcome:
    """What SES's answer means."""
    said = _object(response.body)
    if 200 <= response.status < 300:  # noqa: PLR2004 - any success
        message_id = said.get("MessageId")
        if isinstance(message_id, str) and message_id:
            return Outcome(OutcomeClass.ACCEPTED, provider_id=word(message_id))
        return Outcome(
            OutcomeClass.UNKNOWN,
            code=str(response.status),
            detail=f"HTTP {response.status} without a MessageId",
        )
    answer = Answer(
        status=response.status,
        code=_code(response, said),
        # After the first line of a wrong signature's answer AWS repeats the request, secrets too.
        text=_first_string(said, "message", "Message").partition("\n")[0],
        headers=response.headers,
    )
    return judge(answer, ROWS)


def _code(response: Response, said: dict[str, Any]) -> str:
    """`Name` out of `Name:http://…`, in a header, or `prefix#Name`, in the body."""
    given = response.headers.get("x-amzn-ErrorType") or _first_string(
        said, "__type", "code", "Code"
    )
    return given.partition(":")[0].rpartition("#")[2].strip()


def _first_string(said: dict[str, Any], *keys: str) -> str:
    return next((value for key in keys if isinstance(value := said.get(key), str)), "")


def _object(body: bytes) -> dict[str, Any]:
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return said if isinstance(said, dict) else {}
