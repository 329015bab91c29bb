"""What simulated providers say, and when. The real tables make outcomes of their answers."""

from collections.abc import Callable
from random import Random

from benchmarks.simulation.edges import Script
from gomail.email import Message
from gomail.http import Response
from gomail.outcome import Outcome
from gomail.providers import sendgrid, ses

ACCEPTED = sendgrid.classify(Response(202, {"X-Message-Id": "accepted"}, b""))
BROKEN = sendgrid.classify(Response(503, {}, b"upstream connect error"))
TOO_FAST = ses.classify(
    Response(
        429,
        {},
        b'{"__type": "TooManyRequestsException", "message": "Maximum sending rate exceeded."}',
    )
)
UNVERIFIED = ses.classify(
    Response(
        400,
        {},
        b'{"__type": "MessageRejected", "message": "Email address is not verified. The following '
        b'identities failed the check in region EU-WEST-1: tenant@example.net"}',
    )
)
BAD_RECIPIENT = {
    "ses": ses.classify(
        Response(400, {}, b'{"__type": "BadRequestException", "message": "Illegal address"}')
    ),
    "sendgrid": sendgrid.classify(
        Response(
            400,
            {},
            b'{"errors": [{"message": "Does not contain a valid address.", '
            b'"field": "personalizations.0.to.0.email"}]}',
        )
    ),
}


def up(_at: float, _message: Message) -> Outcome:
    """A provider without a fault."""
    return ACCEPTED


def down(start: float, end: float) -> Script:
    """It answers 503 to everything for a while."""
    return lambda at, _message: BROKEN if start <= at < end else ACCEPTED


def flapping(seconds: float) -> Script:
    """It is down for so many seconds, then up for as many, and so on."""
    return lambda at, _message: BROKEN if at % (2 * seconds) < seconds else ACCEPTED


def failing(ratio: float, seed: str) -> Script:
    """Of all calls this share fails, whichever."""
    random = Random(seed)
    return lambda _at, _message: BROKEN if random.random() < ratio else ACCEPTED


def limited(rate: int) -> Script:
    """It throttles what is too fast: its bucket holds the mail of one second."""
    full, refilled = float(rate), 0.0

    def answer(at: float, _message: Message) -> Outcome:
        nonlocal full, refilled
        full, refilled = min(rate, full + (at - refilled) * rate), at
        if full < 1:
            return TOO_FAST
        full -= 1
        return ACCEPTED

    return answer


def particular(name: str) -> Script:
    """Refuses recipients of `nowhere.example`; SES does not know the tenant's sender address."""

    def answer(_at: float, message: Message) -> Outcome:
        if message.email.to_email.endswith("@nowhere.example"):
            return BAD_RECIPIENT[name]
        if name == "ses" and message.email.from_email == "tenant@example.net":
            return UNVERIFIED
        return ACCEPTED

    return answer


Make = Callable[[], Script]
"""Makes a script anew for each run, since some remember."""
