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
from gomail.providers import ses_account
from gomail.providers.answers import Answer, Row, judge, word
from gomail.providers.headers import own_headers
from gomail.providers.mailbox import mailbox, one_line
from gomail.providers.said import json_object, string
from gomail.providers.sending import HttpProvider, Signer

PATH = "/v2/email/outbound-emails"

# Undocumented: SES rejects longer ones, name included (zulip #17558). An email with a shortened
# name is worth more than none.
MAILBOX_LIMIT = 320

# Letters, digits, _ and -, at most 256 (botocore's service model). Our own ids always fit; the
# header carries those that do not.
_TAG_VALUE = re.compile(r"[A-Za-z0-9_-]{1,256}\Z")

_MODEL = "SES's service model"
_COMMON = "AWS's page of common errors"
_PAUSED = (
    "SES sending is paused: look at the account's reputation page in the SES console and answer "
    "AWS's request"
)

# Texts are anchored: an answer may quote the email, and no sender may write himself a row. Codes
# come with and without "Exception", and with statuses that differ between AWS's own pages.
ROWS = (
    # By text, because which code carries it is not settled.
    Row(
        kind=OutcomeClass.QUOTA,
        text=r"^daily message quota exceeded",
        mend="the day's quota of SES is used up: ask AWS for a higher one in Service Quotas",
        source="SES page on errors of sending quotas",
    ),
    Row(
        kind=OutcomeClass.THROTTLED,
        text=r"^maximum sending rate exceeded",
        source="etailors_amazon_ses #117, with 429",
    ),
    # Names the sender or, for an account in the SES sandbox, the recipient.
    Row(
        kind=OutcomeClass.UNSUITABLE,
        text=r"^email address (is )?not verified",
        source="SES troubleshooting page, as MessageRejected",
    ),
    # The settings of the sender's domain, so of one identity and not the account.
    Row(
        kind=OutcomeClass.UNSUITABLE,
        code=r"MailFromDomainNotVerified(Exception)?",
        source=_MODEL,
    ),
    Row(
        kind=OutcomeClass.FAILED,
        text=r"^(email )?sending .*paused",
        account_fault=True,
        mend=_PAUSED,
        source="GoodServer #419, as MessageRejected",
    ),
    # Only SES's own list and limits.
    Row(
        kind=OutcomeClass.UNSUITABLE,
        text=r"^address (blacklisted|is on the suppression list)",
        source="AWS blog on the suppression list; fakecloud #1110",
    ),
    Row(
        kind=OutcomeClass.UNSUITABLE,
        text=r"^(message|address) length is more than",
        source='mautic #7732: "Address length is more than 320 bytes long"',
    ),
    Row(kind=OutcomeClass.UNSUITABLE, code=r"RequestEntityTooLarge(Exception)?", source=_COMMON),
    Row(
        kind=OutcomeClass.THROTTLED,
        code=r"TooManyRequests(Exception)?|(Request)?Throttl(ing|ed)(Exception)?",
        source=f"{_COMMON}; with 400 as well as 429 (awsdocs ses #60)",
    ),
    # Other clients take it for the day's quota, too.
    Row(
        kind=OutcomeClass.QUOTA,
        code=r"LimitExceeded(Exception)?",
        mend="a limit of the SES account is reached: look at its quotas in the SES console",
        source=f"{_MODEL}, declared for SendEmail",
    ),
    # The signer refreshes itself: the next send has new credentials, and if not, failures count.
    Row(kind=OutcomeClass.FAILED, code=r"ExpiredToken(Exception)?", source=_COMMON),
    # A policy that leaves out one sender and one that leaves out all read the same:
    # a failure that counts, not an account fault that two emails with a wrong sender could prove.
    Row(
        kind=OutcomeClass.FAILED,
        code=r"AccessDenied(Exception)?",
        text=r"on resource.*:identity/",
        mend="the AWS key may not send as some sender: allow it ses:SendEmail on that identity",
        source="formplug #11",
    ),
    Row(
        kind=OutcomeClass.FAILED,
        code=r"AccessDenied(Exception)?|NotAuthorized(Exception)?",
        account_fault=True,
        mend="the AWS key may not send: allow it ses:SendEmail in its policy",
        source=_COMMON,
    ),
    Row(
        kind=OutcomeClass.FAILED,
        code=r"OptInRequired",
        account_fault=True,
        mend="the AWS account has no SES in this region: sign up for it, or name another region",
        source=_COMMON,
    ),
    # Under codes that also mean a wrong key.
    Row(
        kind=OutcomeClass.FAILED,
        text=r"^signature (expired|not yet current)",
        account_fault=True,
        mend="the clock of this machine is more than 15 minutes off: set it",
        source="aws-sdk-go #487, aws-sdk-js #254 and #1652",
    ),
    Row(
        kind=OutcomeClass.FAILED,
        code=r"(UnrecognizedClient|IncompleteSignature|InvalidSignature"
        r"|MissingAuthenticationToken)(Exception)?"
        r"|InvalidClientTokenId|InvalidAccessKeyId|InvalidToken|SignatureDoesNotMatch",
        account_fault=True,
        mend="AWS refuses the credentials: look at the access key and its secret in the "
        "environment, and whether the key is active in IAM",
        source=f"{_COMMON}; InvalidSignatureException: etailors_amazon_ses #115",
    ),
    Row(
        kind=OutcomeClass.FAILED,
        code=r"RequestExpired|RequestTimeTooSkewed",
        account_fault=True,
        mend="the clock of this machine is more than 15 minutes off: set it",
        source=_COMMON,
    ),
    Row(
        kind=OutcomeClass.FAILED,
        code=r"AccountSuspended(Exception)?",
        account_fault=True,
        mend="AWS has suspended sending for good: look at the account's reputation page in the SES "
        "console and appeal there",
        source=_MODEL,
    ),
    # The account or the configuration set, by a code for each and one for both.
    Row(
        kind=OutcomeClass.FAILED,
        code=r"\w*SendingPaused(Exception)?",
        account_fault=True,
        mend=f"{_PAUSED}, or resume the configuration set",
        source=_MODEL,
    ),
    Row(
        kind=OutcomeClass.FAILED,
        code=r"NotFoundException|ConfigurationSetDoesNotExist(Exception)?",
        account_fault=True,
        mend="SES has no such configuration set in this region: look at configuration_set in this "
        "provider's settings",
        source=_MODEL,
    ),
    Row(kind=OutcomeClass.UNKNOWN, code=r"RequestTimeout(Exception)?", source=_COMMON),
    # Any other code with 400 is not known to mean the message, so it does not end it; JSON that SES
    # cannot read (SerializationException) is our fault.
    Row(
        kind=OutcomeClass.REFUSED,
        statuses=(400,),
        code=r"MessageRejected|BadRequestException|ValidationException|InvalidParameter\w*",
        source=f"{_MODEL}; {_COMMON}",
    ),
    Row(
        kind=OutcomeClass.UNSUITABLE,
        statuses=(400,),
        code=r".+",
        source="no rule: whose fault a code that nobody documents means is not known",
    ),
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
        questions=ses_account.questions(endpoint, classify),
        limits_url=ses_account.url(endpoint),
        read_limits=ses_account.read_limits,
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
    said = json_object(response.body)
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
        text=string(said, "message", "Message").partition("\n")[0],
        headers=response.headers,
    )
    return judge(answer, ROWS)


def _code(response: Response, said: dict[str, Any]) -> str:
    """`Name` out of `Name:http://…`, in a header, or `prefix#Name`, in the body."""
    given = response.headers.get("x-amzn-ErrorType") or string(said, "__type", "code", "Code")
    return given.partition(":")[0].rpartition("#")[2].strip()
