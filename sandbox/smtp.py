"""Takes mail by SMTP, with the faults and into the mailbox of all other providers.

Faults strike a transaction at MAIL FROM, where real servers refuse and break off; only what happens
after an acceptance (`accept_then_reset`, `garbage`), a refused id and latency wait for the final
dot. Needs aiosmtpd, which the rest of the sandbox does not.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import re
import time
from base64 import b64encode
from dataclasses import replace
from email import message_from_bytes
from typing import TYPE_CHECKING, Any

import orjson

from sandbox.calls import Calls
from sandbox.faults import RateLimit, Switches
from sandbox.parties import Party, clean, decoded, parties
from sandbox.provider import Rejected
from sandbox.ses_content import Envelope, raw

if TYPE_CHECKING:
    from collections.abc import Callable
    from email.message import Message

    from sandbox.mailbox import Email, Mailbox

_LONGEST_HANG = 120.0
_MOST_BYTES = 64 * 1024 * 1024
_TOO_FAST = "451 4.7.1 Rate limit exceeded, slow down"
_REFUSAL = "550 5.1.1 The message was refused by a switch"
_UNREADABLE = "554 5.6.0 The message cannot be read"
# What the switch `status`, made for HTTP, means in SMTP; codes that SMTP knows stay as they are.
_REPLIES = {
    400: "554 5.6.0",
    401: "530 5.7.0",
    403: "530 5.7.0",
    413: "552 5.3.4",
    422: "554 5.6.0",
    429: "451 4.7.1",
    500: "451 4.3.0",
    503: "421 4.3.2",
}
_OF_SMTP = frozenset({421, 450, 451, 452, 454, 501, 502, 521, 530, 535, 550, 551, 552, 553, 554})
_OTHERWISE = "451 4.3.0"
_A_CODE = re.compile(r"[45][0-9]{2}( [45]\.[0-9]{1,3}\.[0-9]{1,3})?")
_STRUCTURE = re.compile(
    r"(from|to|cc|bcc|reply-to|subject|date|message-id|x-gomail-id|mime-version|content-.*)",
    re.IGNORECASE,
)


class SmtpEndpoint:
    """The endpoint as the desk sees it, and what aiosmtpd calls at each step of a session.

    Any login is taken but the bad password; without one, mail is taken, too.
    """

    def __init__(self, bad_key: str, mailbox: Mailbox) -> None:
        self.calls = Calls()
        self._bad_key = bad_key.encode()
        self._mailbox = mailbox
        self._numbers = itertools.count(1)
        self._start = f"{time.time_ns() // 1_000_000:X}"
        self.set(Switches())

    @property
    def switches(self) -> Switches:
        """The faults that are switched on."""
        return self._switches

    def set(self, switches: Switches) -> None:
        """Replace the faults; their counters begin anew."""
        self._switches = switches
        self._limit = RateLimit(switches.rate_limit)
        self._strikes = switches.strikes()

    def sessions(self) -> Callable[[], asyncio.BaseProtocol] | None:
        """Makes a session of each connection; None where aiosmtpd is not installed."""
        try:
            from aiosmtpd.smtp import SMTP, AuthResult  # noqa: PLC0415 - a sandbox does without
        except ModuleNotFoundError:
            return None
        # It warns of each login that its own classes use an attribute of theirs.
        logging.getLogger("mail.log").setLevel(logging.ERROR)

        def authenticated(_s: Any, _session: Any, _e: Any, _mechanism: Any, login: Any) -> Any:
            return AuthResult(success=login.password != self._bad_key, handled=False)

        def session() -> asyncio.BaseProtocol:
            made: asyncio.BaseProtocol = SMTP(
                self,
                hostname="sandbox.example",
                ident="ESMTP gomail sandbox",
                data_size_limit=_MOST_BYTES,
                enable_SMTPUTF8=True,
                auth_require_tls=False,
                authenticator=authenticated,
            )
            return made

        return session

    # -- what aiosmtpd calls -----------------------------------------------------------------------

    async def handle_MAIL(  # noqa: N802 - aiosmtpd's name
        self, server: Any, _session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        """Begin a transaction, unless a fault strikes."""
        struck = self._strikes.next()
        if struck in {"hang", "reset", "error"} or not self._limit.allows(time.monotonic()):
            with self.calls.one():
                return await self._fail(server, struck)
        envelope.struck = struck
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 Ok"

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, _server: Any, _session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        """Take a recipient, unless a switch refuses it."""
        if self._switches.refuses([address]):
            with self.calls.one():
                return self._refused(_REFUSAL)
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 Ok"

    async def handle_DATA(  # noqa: N802 - aiosmtpd's name
        self, server: Any, _session: Any, envelope: Any
    ) -> str:
        """Take a message."""
        with self.calls.one():
            if self._switches.latency:
                await asyncio.sleep(self._switches.latency)
            try:
                email = read(envelope.content, envelope.rcpt_tos)
            except Rejected as rejection:
                return self._refused(f"{_UNREADABLE}: {clean(rejection.message)}")
            if email.id in self._switches.refuse_ids:
                return self._refused(_REFUSAL)
            return self._accept(server, email, envelope)

    # -- what they share ---------------------------------------------------------------------------

    async def _fail(self, server: Any, struck: str | None) -> str:
        if struck == "hang":
            self.calls.hung += 1
            await asyncio.sleep(_LONGEST_HANG)
        if struck in {"hang", "reset"}:
            if struck == "reset":
                self.calls.reset += 1
            return _cut(server)
        return self._refused(self._error() if struck == "error" else _TOO_FAST)

    def _error(self) -> str:
        s = self._switches
        as_it_is = str(s.status) if s.status in _OF_SMTP else _OTHERWISE
        begin = _REPLIES.get(s.status, as_it_is)
        if s.error_code and _A_CODE.fullmatch(s.error_code):
            begin = s.error_code
        words = " ".join((s.error_message or "A fault was switched on").split())
        return f"{begin} {words}"

    def _refused(self, reply: str) -> str:
        self.calls.failed[int(reply[:3])] += 1
        return reply

    def _accept(self, server: Any, email: Email, envelope: Any) -> str:
        queue_id = f"{self._start}{next(self._numbers):06X}"
        # The mailbox shows payloads as the JSON they are; a message is shown as a string.
        payload = orjson.dumps(envelope.content.decode(errors="replace"))
        self._mailbox.add("smtp", queue_id, email, payload, time.time())
        self.calls.accepted += 1
        if envelope.struck == "accept_then_reset":
            self.calls.reset += 1
            return _cut(server)
        if envelope.struck == "garbage":
            return "<html>garbage</html>"
        return f"250 2.0.0 Ok: queued as {queue_id}"


def read(content: bytes, recipients: list[str]) -> Email:
    """Understand a message; who gets it and stands in no header is in bcc.

    Raises:
        Rejected: it is no email.
    """
    header = message_from_bytes(content)
    to, cc = parties(_unfolded(header, "To")), parties(_unfolded(header, "Cc"))
    shown = {party.email.lower() for party in to + cc}
    envelope = Envelope(
        id=None,
        sender=_unfolded(header, "From"),
        to=to,
        cc=cc,
        bcc=tuple(Party(one) for one in recipients if one.lower() not in shown),
        reply_to=parties(_unfolded(header, "Reply-To")),
        tags=(),
    )
    email = raw({"Data": b64encode(content).decode()}, envelope)
    own = [name for name in header if not _STRUCTURE.fullmatch(name)]
    return replace(
        email,
        subject=decoded(_unfolded(header, "Subject")),
        text=_lines(email.text),
        html=_lines(email.html),
        headers=tuple((name, decoded(_unfolded(header, name))) for name in own),
    )


def _lines(text: str | None) -> str | None:
    """The text as it was before it became a message, where every line ends, the last one too."""
    return None if text is None else text.replace("\r\n", "\n").removesuffix("\n")


def _unfolded(header: Message, name: str) -> str:
    # Asked politely, this parser gives no bytes of other scripts; such addresses are UTF-8.
    raw_values = (value for key, value in header.raw_items() if key.lower() == name.lower())
    value = str(next(raw_values, "")).encode(errors="surrogateescape").decode(errors="replace")
    return value.replace("\r\n", "").replace("\n", "")


def _cut(server: Any) -> str:
    """Break the connection off; the reply goes nowhere."""
    if server.transport is not None:
        server.transport.abort()
    return ""
