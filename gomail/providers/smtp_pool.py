"""Connections to one SMTP server: opened with TLS and login, lent to one send at a time, kept.

Whatever a server says no to here was before any content, so certainly nothing was sent.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from aiosmtplib import (
    SMTP,
    SMTPAuthenticationError,
    SMTPException,
    SMTPResponse,
    SMTPResponseException,
)

from gomail.errors import NO_FILES
from gomail.outcome import Outcome, OutcomeClass
from gomail.providers.smtp_answers import Step, judge

IDLE_SECONDS = 30.0
"""How long an unused connection is kept; servers wait minutes (RFC 5321, 4.5.3.2.7)."""

_FAREWELL_SECONDS = 2.0
_OK = 250
_CLOSING = 421
_NOT_IMPLEMENTED = 504
# CRAM-MD5 last: servers offer it that keep only a hash of the password and cannot compute it.
_LOGINS = ("plain", "login", "cram-md5")


class Ended(Exception):
    """The attempt is over; `outcome` says how. What the connection is in is known."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.detail)
        self.outcome = outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Where mail goes, and as whom."""

    host: str
    port: int
    security: str
    """`starttls`, `tls` or `none`."""
    tls: ssl.SSLContext = field(repr=False)
    username: str = ""
    password: str = field(default="", repr=False)


@dataclass(slots=True, eq=False)
class Line:
    """An open connection."""

    smtp: SMTP
    greeting: str
    clean: bool = True
    """Whether the server has no transaction open on it."""
    expiry: asyncio.TimerHandle | None = None


async def opened(server: Server) -> Line:
    """A connection that mail can go over: greeted, encrypted and logged in as asked for.

    Raises:
        Ended: it could not be had; nothing was sent.
    """
    smtp = SMTP(
        hostname=server.host,
        port=server.port,
        timeout=None,  # the caller has one for all of it
        use_tls=server.security == "tls",
        start_tls=False,
        tls_context=server.tls,
        local_hostname=_own_name(),
    )
    try:
        greeting = await smtp.connect()
        await smtp.ehlo()
        if server.security == "starttls":
            await _encrypt(smtp)
        if server.username:
            await _log_in(smtp, server)
    except (OSError, SMTPException) as error:
        smtp.close()
        raise Ended(_unopened(error)) from error
    except BaseException:
        smtp.close()
        raise
    return Line(smtp, greeting.message)


async def _encrypt(smtp: SMTP) -> None:
    if not smtp.supports_extension("starttls"):
        # Also what somebody between sees to who would like to read along.
        raise Ended(
            Outcome(
                OutcomeClass.FAILED,
                code="starttls",
                detail="the server does not offer STARTTLS",
                account_fault=True,
                mend="the server offers no STARTTLS; set `security` and `port` to what it offers",
            )
        )
    await smtp.starttls()
    await smtp.ehlo()


async def _log_in(smtp: SMTP, server: Server) -> None:
    logins = {
        "plain": smtp.auth_plain,
        "login": smtp.auth_login,
        "cram-md5": smtp.auth_crammd5,
    }
    refusal: SMTPAuthenticationError | None = None
    for name in _LOGINS:
        if name not in smtp.server_auth_methods:
            continue
        try:
            await logins[name](server.username, server.password)
        except SMTPAuthenticationError as error:
            refusal = error
            if error.code != _NOT_IMPLEMENTED:  # offered by mistake; the next may work
                break
        else:
            return
    if refusal is not None:
        raise refusal
    raise Ended(
        Outcome(
            OutcomeClass.FAILED,
            code="login",
            detail="the server offers no login that gomail knows (PLAIN, LOGIN, CRAM-MD5)",
            account_fault=True,
            mend="the server offers no login here; look at `security` and `port`, or take "
            "`username` away",
        )
    )


def _own_name() -> str:
    """What to say in EHLO: a name with a domain, else an address (RFC 5321, 4.1.1.1).

    Not the fully qualified name: asking DNS for it can take seconds.
    """
    name = socket.gethostname()
    return name if "." in name and name.isascii() else "[127.0.0.1]"


def _unopened(error: OSError | SMTPException) -> Outcome:
    if isinstance(error, SMTPResponseException):
        login = isinstance(error, SMTPAuthenticationError)
        return judge(Step.LOGIN if login else Step.CONNECT, error.code, error.message)
    detail = str(error) or type(error).__name__
    cause = error if isinstance(error, ssl.SSLError) else error.__cause__ or error
    if isinstance(cause, ssl.SSLCertVerificationError):
        return Outcome(
            OutcomeClass.FAILED,
            code="certificate",
            detail=detail,
            account_fault=True,
            mend="the server's certificate cannot be verified; set `host` to the name in it, or "
            "name its authority's file in SSL_CERT_FILE",
        )
    if isinstance(cause, ssl.SSLError):
        mend = "TLS does not come about; look whether `security` and `port` fit together"
        return Outcome(OutcomeClass.FAILED, code="tls", detail=detail, mend=mend)
    if isinstance(cause, OSError) and cause.errno in NO_FILES:  # ours to mend, not the server's
        return Outcome(OutcomeClass.THROTTLED, code="no-files", detail=detail)
    return Outcome(OutcomeClass.FAILED, code="not-sent", detail=detail)


Open = Callable[[], Awaitable[Line]]
Begin = Callable[[Line], Awaitable[SMTPResponse]]


class Pool:
    """At most `most` connections at once; who comes when all are lent waits in line.

    An idle connection may be dead, or past what its server allows on one: the first command of a
    transaction shows it, and then a new one takes its place, once. Nothing was sent by then.
    """

    def __init__(self, *, most: int, idle_seconds: float) -> None:
        self._turns = asyncio.Semaphore(most)
        self._idle_seconds = idle_seconds
        self._idle: list[Line] = []
        self._farewells: set[asyncio.Task[None]] = set()
        self._closed = False

    @asynccontextmanager
    async def transaction(
        self, open_: Open, begin: Begin
    ) -> AsyncIterator[tuple[Line, SMTPResponse]]:
        """A connection, new by `open_` where none is idle, and the reply to `begin` on it.

        It is kept afterwards, unless the block ends by anything but `Ended`: then nobody knows
        what the server would answer next.
        """
        async with self._turns:
            line, reply = await self._begun(open_, begin)
            try:
                yield line, reply
            except Ended:
                self._keep(line)
                raise
            except BaseException:
                line.smtp.close()
                raise
            self._keep(line)

    async def close(self) -> None:
        """Take leave of idle connections; those that are lent close when they come back."""
        self._closed = True
        while self._idle:
            self._leave(self._idle[-1])
        if self._farewells:
            await asyncio.wait(self._farewells)

    async def _begun(self, open_: Open, begin: Begin) -> tuple[Line, SMTPResponse]:
        if self._idle:
            line = self._take()
            # Broken or closing: nothing of the message was written, so a new one can do it.
            with suppress(ConnectionError):
                reply = await _on(line, begin)
                if reply.code != _CLOSING:
                    return line, reply
            line.smtp.close()
        line = await open_()
        return line, await _on(line, begin)

    def _take(self) -> Line:
        # The newest, so that those which are too many grow old.
        line = self._idle.pop()
        if line.expiry is not None:
            line.expiry.cancel()
        return line

    def _keep(self, line: Line) -> None:
        if self._closed or not line.smtp.is_connected:
            line.smtp.close()
            return
        loop = asyncio.get_running_loop()
        line.expiry = loop.call_later(self._idle_seconds, self._leave, line)
        self._idle.append(line)

    def _leave(self, line: Line) -> None:
        self._idle.remove(line)
        if line.expiry is not None:
            line.expiry.cancel()
        task = asyncio.get_running_loop().create_task(farewell(line))
        self._farewells.add(task)
        task.add_done_callback(self._farewells.discard)


async def _on(line: Line, begin: Begin) -> SMTPResponse:
    try:
        if not line.clean:
            reset = await line.smtp.execute_command(b"RSET")
            if reset.code != _OK:
                raise ConnectionResetError("the server does not reset")  # noqa: TRY301
        line.clean = False
        return await begin(line)
    except BaseException:
        line.smtp.close()
        raise


async def farewell(line: Line) -> None:
    """Say QUIT, and close whatever comes of it."""
    try:
        async with asyncio.timeout(_FAREWELL_SECONDS):
            await line.smtp.quit()
    except (OSError, SMTPException):
        pass  # the connection is closed all the same
    finally:
        line.smtp.close()
