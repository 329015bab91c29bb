"""Amazon SES v2 and SendGrid as far as sending goes: a latency, a status, and who was accepted."""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

import orjson

from benchmarks.standin.accounts import Accounts
from benchmarks.standin.http import Connection

LATENCY = 0.05
"""Seconds from a request to its answer, unless a run says otherwise."""

_JSON = b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n"
_OK = b"HTTP/1.1 200 OK\r\n" + _JSON
_FAILED = b"HTTP/1.1 %d Failed\r\n"
_SENDGRID = b"HTTP/1.1 202 Accepted\r\nX-Message-Id: %b\r\nContent-Length: %%d\r\n\r\n"

# A rate that nobody reaches, so that nobody waits for it.
ACCOUNT = orjson.dumps(
    {
        "EnforcementStatus": "HEALTHY",
        "ProductionAccessEnabled": True,
        "SendingEnabled": True,
        "SendQuota": {"Max24HourSend": -1.0, "MaxSendRate": 1e6, "SentLast24Hours": 0.0},
    }
)


def ses_id(body: bytes) -> str:
    """Our id of the email, in a header of the message."""
    headers = orjson.loads(body)["Content"]["Simple"]["Headers"]
    return next(str(one["Value"]) for one in headers if one["Name"] == "X-Gomail-Id")


def sendgrid_id(body: bytes) -> str:
    """Our id of the email, among the custom arguments."""
    mail = orjson.loads(body)
    arguments = mail.get("custom_args") or mail["personalizations"][0]["custom_args"]
    return str(arguments["gomail_id"])


@dataclass
class Provider:
    """One provider and its switches."""

    name: str
    read_id: Callable[[bytes], str]
    accounts: Accounts
    later: Callable[..., object]
    now: Callable[[], float]
    latency: float = LATENCY
    status: int = 200
    """Anything else is answered to every request."""
    _numbers: "count[int]" = field(default_factory=count)

    def send(self, connection: Connection, body: bytes) -> None:
        """Accept or fail one email after the latency."""
        self.later(self.latency, self._answer, connection, self.read_id(body))

    def _answer(self, connection: Connection, id_: str) -> None:
        if self.status != 200:
            self.accounts.failed[self.name] += 1
            connection.answer(_FAILED % self.status + _JSON, b'{"message":"out of order"}')
            return
        self.accounts.accept(self.name, id_, self.now())
        number = b"%032x" % next(self._numbers)
        if self.name == "ses":
            connection.answer(_OK, b'{"MessageId":"%b"}' % number)
        else:
            connection.answer(_SENDGRID % number, b"")

    @staticmethod
    def account(connection: Connection) -> None:
        """What SES says of the account."""
        connection.answer(_OK, ACCOUNT)
