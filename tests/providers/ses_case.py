"""Amazon SES in the providers' suite; bodies as in AWS's pages and in reports of its users."""

import json
from collections.abc import Mapping
from email import policy
from email.header import decode_header, make_header
from email.headerregistry import Address
from email.utils import parseaddr

from gomail.http import Response, Transport
from gomail.outcome import OutcomeClass as Is
from gomail.providers.sending import HttpProvider
from gomail.providers.ses import ses
from gomail.providers.ses_limits import why_unable
from tests.providers.case import Case, Example, Seen
from tests.providers.scripted import Request, response

SIGNATURE = "b3cf0a7e5d1f4c2c8e2f9a6f7d3f1b9e"
TOKEN = "IQoJb3JpZ2luX2VjEXAMPLETOKEN/with+slashes=="


def sign(_method: str, url: str, headers: Mapping[str, str], _body: bytes) -> dict[str, str]:
    return {
        **headers,
        "Host": url.split("/")[2],
        "X-Amz-Security-Token": TOKEN,
        "Authorization": f"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260101/eu-west-1/ses/"
        f"aws4_request, SignedHeaders=host, Signature={SIGNATURE}",
    }


def build(transport: Transport) -> HttpProvider:
    return ses(
        "ses",
        endpoint="https://email.eu-west-1.amazonaws.com/",
        configuration_set="receipts",
        transport=transport,
        sign=sign,
    )


def parsed(mailbox: str) -> Address:
    """What a reader of the header sees.

    The name by `email.header`: `headerregistry` sets spaces between encoded words (Python 3.11),
    which RFC 2047 forbids.
    """
    header = policy.default.header_factory("to", mailbox)
    assert not header.defects
    (only,) = header.addresses
    phrase, address = parseaddr(mailbox)
    assert address == only.addr_spec
    return Address(str(make_header(decode_header(phrase))), addr_spec=address)


def read(body: bytes) -> Seen:
    request = json.loads(body)
    assert request["ConfigurationSetName"] == "receipts"
    simple = request["Content"]["Simple"]
    assert simple["Subject"]["Charset"] == simple["Body"]["Text"]["Charset"] == "UTF-8"
    (to,) = request["Destination"]["ToAddresses"]
    sender, recipient = parsed(request["FromEmailAddress"]), parsed(to)
    ids = [header["Value"] for header in simple["Headers"] if header["Name"] == "X-Gomail-Id"]
    ids += [tag["Value"] for tag in request.get("EmailTags", []) if tag["Name"] == "gomail-id"]
    return Seen(
        from_email=sender.addr_spec,
        from_name=sender.display_name,
        to_email=recipient.addr_spec,
        to_name=recipient.display_name,
        subject=simple["Subject"]["Data"],
        body=simple["Body"]["Text"]["Data"],
        ids=frozenset(ids),
    )


def error(status: int, code: str, text: str, **headers: str) -> Response:
    body = json.dumps({"message": text})
    return response(status, body, x_amzn_ErrorType=code, **headers)


def echo(request: Request) -> Response:
    said = " ".join(f"{name}:{value}" for name, value in request.headers.items())
    return error(403, "SignatureDoesNotMatch", f"The Canonical String should have been {said}")


UNVERIFIED = (
    "Email address is not verified. The following identities failed the check in region "
    "EU-WEST-1: shop@example.com"
)
DENIED = "User `arn:aws:iam::123456789012:user/mailer' is not authorized to perform `ses:SendEmail'"
UNSIGNED = (
    "The request signature we calculated does not match the signature you provided. Check your "
    "AWS Secret Access Key and signing method. Consult the service documentation for details."
    "\n\nThe Canonical String for this request should have been\n'POST\n…'"
)
PAUSED = (
    "Sending paused for this account. For more information, please check the inbox of the email "
    "address associated with your AWS account."
)

EXAMPLES = (
    Example(
        "too fast",
        error(429, "TooManyRequestsException", "Maximum sending rate exceeded."),
        Is.THROTTLED,
        "TooManyRequestsException",
    ),
    Example(
        "too fast, in AWS's older way",
        error(400, "Throttling", "Rate exceeded", Retry_After="7"),
        Is.THROTTLED,
        "Throttling",
        retry_after=7,
    ),
    Example(
        "too fast, by status alone",
        response(429, "slow down", Retry_After="0"),
        Is.THROTTLED,
        "429",
    ),
    Example(
        "the day's quota under the code of throttling",
        error(400, "ThrottlingException", "Daily message quota exceeded."),
        Is.QUOTA,
        "ThrottlingException",
    ),
    Example(
        "the day's quota with 429",
        error(429, "TooManyRequestsException", "Daily message quota exceeded."),
        Is.QUOTA,
        "TooManyRequestsException",
    ),
    Example(
        "the day's quota under a code of its own",
        error(400, "LimitExceededException", "Limit exceeded"),
        Is.QUOTA,
        "LimitExceededException",
    ),
    Example(
        "a sender that is not verified",
        error(400, "MessageRejected", UNVERIFIED),
        Is.UNSUITABLE,
        "MessageRejected",
    ),
    Example(
        "a sender's domain that is not set up",
        error(400, "MailFromDomainNotVerifiedException", "The MAIL FROM domain is not verified."),
        Is.UNSUITABLE,
        "MailFromDomainNotVerifiedException",
    ),
    Example(
        "an address on SES's own list",
        error(400, "MessageRejected", "Address blacklisted."),
        Is.UNSUITABLE,
        "MessageRejected",
    ),
    Example(
        "an address longer than SES takes",
        error(400, "BadRequestException", "Address length is more than 320 bytes long: '…'"),
        Is.UNSUITABLE,
        "BadRequestException",
    ),
    Example(
        "a request that is too large",
        error(413, "RequestEntityTooLargeException", "Request too large"),
        Is.UNSUITABLE,
        "RequestEntityTooLargeException",
    ),
    Example(
        "JSON that SES cannot read",
        error(400, "SerializationException", "STRING_VALUE can not be converted to a List"),
        Is.UNSUITABLE,
        "SerializationException",
    ),
    Example(
        "content that SES rejects",
        error(400, "MessageRejected", "Transaction failed: Expected ';', got \"@\""),
        Is.REFUSED,
        "MessageRejected",
    ),
    Example(
        "a bad request",
        error(400, "BadRequestException", "Local address contains control or whitespace"),
        Is.REFUSED,
        "BadRequestException",
    ),
    Example(
        "a bad request that quotes the words of another answer",
        error(400, "BadRequestException", "Bad name: Daily message quota exceeded"),
        Is.REFUSED,
        "BadRequestException",
    ),
    Example(
        "a suspended account",
        error(400, "AccountSuspendedException", "Your account is suspended."),
        Is.FAILED,
        "AccountSuspendedException",
        account_fault=True,
    ),
    Example(
        "a paused account",
        error(400, "SendingPausedException", "Email sending for the account is paused."),
        Is.FAILED,
        "SendingPausedException",
        account_fault=True,
    ),
    Example(
        "a paused account under the code of a rejection",
        error(400, "MessageRejected", PAUSED),
        Is.FAILED,
        "MessageRejected",
        account_fault=True,
    ),
    Example(
        "a configuration set that does not exist",
        error(404, "NotFoundException", "Configuration set <receipts> does not exist."),
        Is.FAILED,
        "NotFoundException",
        account_fault=True,
    ),
    Example(
        "a key that AWS does not know",
        error(
            403,
            "InvalidClientTokenId:http://internal.amazon.com/coral/com.amazon.coral.service/",
            "The security token included in the request is invalid.",
        ),
        Is.FAILED,
        "InvalidClientTokenId",
        account_fault=True,
    ),
    Example(
        "a wrong secret key",
        error(403, "SignatureDoesNotMatch", UNSIGNED),
        Is.FAILED,
        "SignatureDoesNotMatch",
        account_fault=True,
    ),
    Example(
        "a key without the right to send",
        error(403, "AccessDeniedException", DENIED),
        Is.FAILED,
        "AccessDeniedException",
        account_fault=True,
    ),
    Example(
        "a key without the right to send as this sender",
        error(
            403,
            "AccessDeniedException",
            f"{DENIED} on resource `arn:aws:ses:eu-west-1:123456789012:identity/example.com'",
        ),
        Is.FAILED,
        "AccessDeniedException",
    ),
    Example(
        "credentials that have expired",
        error(
            403,
            "ExpiredTokenException",
            "The security token included in the request is expired",
        ),
        Is.FAILED,
        "ExpiredTokenException",
    ),
    Example(
        "a code in the body instead of the header",
        response(
            400,
            '{"__type": "com.amazonaws.ses#BadRequestException", "message": "Missing final \'@\'"}',
        ),
        Is.REFUSED,
        "BadRequestException",
    ),
    Example(
        "a clock that is off",
        error(400, "RequestExpired", "Request timestamp is too old"),
        Is.FAILED,
        "RequestExpired",
        account_fault=True,
    ),
    Example(
        "a clock that is off, under the code of a wrong key",
        error(
            403,
            "InvalidSignatureException",
            "Signature expired: 20261124T110000Z is now earlier than 20261124T114500Z",
        ),
        Is.FAILED,
        "InvalidSignatureException",
        account_fault=True,
    ),
    Example(
        "an account without SES",
        error(403, "OptInRequired", "The AWS Access Key Id needs a subscription for the service"),
        Is.FAILED,
        "OptInRequired",
        account_fault=True,
    ),
    Example(
        "a configuration set that is paused",
        error(
            400,
            "ConfigurationSetSendingPausedException",
            "Configuration set <receipts> may not send.",
        ),
        Is.FAILED,
        "ConfigurationSetSendingPausedException",
        account_fault=True,
    ),
    Example(
        "a refusal on the way that is not SES's",
        response(403, "<h1>Forbidden by policy of this network</h1>"),
        Is.FAILED,
        "403",
        account_fault=True,
    ),
    Example(
        "an internal failure",
        error(500, "InternalFailure", "Internal failure"),
        Is.FAILED,
        "InternalFailure",
    ),
    Example(
        "a service that is away",
        error(503, "ServiceUnavailable", "Service unavailable"),
        Is.FAILED,
        "ServiceUnavailable",
    ),
    Example(
        "a request that took too long to read",
        error(400, "RequestTimeoutException", "Request timed out"),
        Is.UNKNOWN,
        "RequestTimeoutException",
    ),
)

SES = Case(
    name="ses",
    build=build,
    url="https://email.eu-west-1.amazonaws.com/v2/email/outbound-emails",
    read=read,
    accepted=response(200, '{"MessageId":"0102019a2b3c4d5e-3f2a-000000"}'),
    provider_id="0102019a2b3c4d5e-3f2a-000000",
    garbage=(
        response(200),
        response(200, b'{"Messag'),
        response(200, "{}"),
        response(200, '{"MessageId": ""}'),
        response(200, '{"MessageId": 17}'),
        response(200, "[]"),
        response(200, "<html>Welcome to this hotel's network</html>"),
    ),
    echo=echo,
    secrets=(SIGNATURE, TOKEN),
    empty_subject="",
    unable=why_unable,
    body_limit=30_000_000,
    examples=EXAMPLES,
)
