"""One email, one SMTP transaction, and whatever happens an outcome.

Until the server has said 354 nothing of the message has left, so whatever goes wrong is `failed`.
From then on only a complete reply to the final dot tells what became of it: without one it is
`unknown`. Nothing is repeated after that.
"""

import asyncio
import logging
import ssl
from base64 import b64encode
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from traceback import extract_tb

from aiosmtplib import SMTPException, SMTPResponse
from pydantic import SecretStr

from gomail.email import Email, Message
from gomail.outcome import Outcome, OutcomeClass, clip
from gomail.provider_settings import SmtpSettings
from gomail.providers import Finding, Level
from gomail.providers.answers import printable
from gomail.providers.mime import Mail, compose, on_the_wire
from gomail.providers.smtp_answers import Step, accepted, judge, without
from gomail.providers.smtp_pool import IDLE_SECONDS, Ended, Line, Pool, Server, farewell, opened

log = logging.getLogger(__name__)

_LARGE = 256_000  # bytes; composing more would keep all other sends waiting
_CHECK_SECONDS = 10.0
_SHORTEST_SECRET = 8
_OK = 250
_FORWARDED = 251
_GO_ON = 354
_WAITING = "a free connection"


@dataclass(slots=True)
class _Progress:
    """How far an attempt has come."""

    waits_for: str = "composing"
    maybe_sent: bool = False


class SmtpProvider:
    """A server that takes mail by SMTP.

    Args:
        name: in settings, logs and records.
        settings: where the server is and what it takes.
        password: for the username, where there is one.
        tls: whom to trust; by default the system's authorities, or those in SSL_CERT_FILE.
        idle_seconds: how long a connection is kept without use.
    """

    def __init__(
        self,
        name: str,
        settings: SmtpSettings,
        password: SecretStr | None,
        *,
        tls: ssl.SSLContext | None = None,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        self._name = name
        self._settings = settings
        secret = password.get_secret_value() if password else ""
        self._secrets = _secrets(settings.username, secret)
        self._server = Server(
            host=settings.host,
            port=settings.port,
            security=settings.security,
            tls=tls or ssl.create_default_context(),
            username=settings.username,
            password=secret,
        )
        self._pool = Pool(most=settings.connections, idle_seconds=idle_seconds)

    @property
    def name(self) -> str:
        """Its name in settings, logs and records."""
        return self._name

    def __repr__(self) -> str:
        return f"SmtpProvider(name={self._name!r}, server={self._server!r})"

    async def send(self, message: Message, *, timeout: float) -> Outcome:
        """Try once, within `timeout` seconds; raises nothing but a cancellation."""
        progress = _Progress()
        try:
            async with asyncio.timeout(timeout):
                outcome = await self._attempt(message, progress)
        except Ended as ended:
            outcome = ended.outcome
        except TimeoutError:
            outcome = _late(progress, timeout)
        except (OSError, SMTPException) as error:
            outcome = _broken(progress, error)
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not end the process
            self._log(message, "no outcome", error)
            outcome = _broken(progress, error)
        return self._presentable(outcome)

    async def limits(self) -> None:
        """SMTP does not tell."""
        return

    async def check(self) -> list[Finding]:
        """Whether mail could go out now: connect, TLS, login, NOOP, QUIT."""
        try:
            async with asyncio.timeout(_CHECK_SECONDS):
                line = await opened(self._server)
                try:
                    findings = self._look(line)
                    await line.smtp.noop()
                finally:
                    await farewell(line)
        except Ended as ended:
            outcome = self._presentable(ended.outcome)
            return [Finding(Level.BAD, outcome.detail.rstrip("."), outcome.mend)]
        except (OSError, SMTPException) as error:
            said = self._presentable(_broken(_Progress(), error)).detail
            return [Finding(Level.BAD, f"cannot be asked: {said}")]
        return findings

    async def close(self) -> None:
        """Take leave of the server."""
        await self._pool.close()

    # -- the attempt -------------------------------------------------------------------------------

    async def _attempt(self, message: Message, progress: _Progress) -> Outcome:
        mail, wire = await self._composed(message)
        progress.waits_for = _WAITING

        async def open_() -> Line:
            progress.waits_for = "a connection with TLS and login"
            return await opened(self._server)

        async def begin(line: Line) -> SMTPResponse:
            progress.waits_for = "the reply to MAIL FROM"
            return await line.smtp.execute_command(b"MAIL", *_sender(line, mail))

        async with self._pool.transaction(open_, begin) as (line, begun):
            _expect(Step.SENDER, begun, _OK)
            for place, (address, field) in enumerate(mail.recipients, start=1):
                progress.waits_for = f"the reply to RCPT TO, {place} of {len(mail.recipients)}"
                taken = await line.smtp.execute_command(b"RCPT", b"TO:<" + address.encode() + b">")
                # Sent to the others alone, it would be lost for this one, and nobody would know.
                _expect(Step.RECIPIENT, taken, _OK, _FORWARDED, place=field)
            progress.waits_for = "the reply to DATA"
            _expect(Step.CONTENT, await line.smtp.execute_command(b"DATA"), _GO_ON)
            reply = await _delivered(line, wire, progress)
            line.clean = True
            _expect(Step.CONTENT, reply, _OK)
        return accepted(reply.message)

    async def _composed(self, message: Message) -> tuple[Mail, bytes]:
        try:
            if _size(message.email) < _LARGE:
                mail, wire = _compose(message)
            else:
                mail, wire = await asyncio.to_thread(_compose, message)
        except Exception as error:
            # A fault of ours that this email brings out. Unsuitable, because nothing was sent,
            # trying here again changes nothing, and another provider may well write it.
            self._log(message, "cannot compose", error)
            detail = f"could not be written as a MIME message ({type(error).__name__})"
            outcome = Outcome(OutcomeClass.UNSUITABLE, code="translate", detail=detail)
            raise Ended(outcome) from error
        most = self._settings.max_message_bytes
        if len(mail.content) > most:
            detail = f"{len(mail.content)} bytes, more than max_message_bytes of {most}"
            raise Ended(Outcome(OutcomeClass.UNSUITABLE, code="too-large", detail=detail))
        return mail, wire

    def _look(self, line: Line) -> list[Finding]:
        where = f"{self._server.host}:{self._server.port}"
        login = f", logged in as {self._server.username}" if self._server.username else ""
        said = self._clean(f"{where} greets with: {line.greeting}").rstrip(".")
        findings = [Finding(Level.OK, f"{said} ({self._server.security}{login})")]
        most = self._settings.max_message_bytes
        size = line.smtp.esmtp_extensions.get("size", "")
        if size.isdecimal() and 0 < int(size) < most:
            findings.append(
                Finding(
                    Level.NOTE,
                    f"the server takes {int(size)} bytes, max_message_bytes is {most}",
                    f"set max_message_bytes to {int(size)}, so that larger emails go elsewhere",
                )
            )
        if self._settings.smtputf8 and not line.smtp.supports_extension("smtputf8"):
            findings.append(
                Finding(
                    Level.BAD,
                    "smtputf8 is set, but the server does not offer SMTPUTF8",
                    "set smtputf8 to false",
                )
            )
        return findings

    # -- what is said of it ------------------------------------------------------------------------

    def _presentable(self, outcome: Outcome) -> Outcome:
        return replace(outcome, detail=self._clean(outcome.detail)) if outcome.detail else outcome

    def _clean(self, text: str) -> str:
        # A server that did not understand AUTH may repeat it.
        return clip(printable(without(text, self._secrets)))

    def _log(self, message: Message, what: str, error: Exception) -> None:
        # Not the error's text: it may quote the email.
        frames = extract_tb(error.__traceback__)
        place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "?"
        kind = type(error).__name__
        log.error("%s: message %s: %s: %s at %s", self._name, message.id, what, kind, place)


def _compose(message: Message) -> tuple[Mail, bytes]:
    mail = compose(message, now=datetime.now(UTC))
    return mail, on_the_wire(mail.content)


def _size(email: Email) -> int:
    return len(email.body) + len(email.html) + sum(one.size for one in email.attachments)


def _sender(line: Line, mail: Mail) -> list[bytes]:
    """What follows MAIL: the address, and what the server wants to know in advance."""
    words = [b"FROM:<" + mail.sender.encode() + b">"]
    if line.smtp.supports_extension("size"):
        words.append(b"SIZE=%d" % len(mail.content))
    if mail.utf8:
        if not line.smtp.supports_extension("smtputf8"):
            detail = "the server takes no addresses that are not ASCII before the @"
            raise Ended(Outcome(OutcomeClass.UNSUITABLE, code="smtputf8", detail=detail))
        words += [b"BODY=8BITMIME", b"SMTPUTF8"]
    return words


def _expect(step: Step, reply: SMTPResponse, *codes: int, place: str = "") -> None:
    if reply.code not in codes:
        raise Ended(judge(step, reply.code, reply.message, place=place))


async def _delivered(line: Line, wire: bytes, progress: _Progress) -> SMTPResponse:
    """The reply to the message; aiosmtplib's own `data` does not tell 354 from what follows."""
    protocol = line.smtp.protocol
    if protocol is None:
        raise ConnectionResetError("the server closed the connection before the message")
    progress.waits_for = "the reply to the message"
    progress.maybe_sent = True
    protocol.write(wire)
    return await protocol.read_response()


def _late(progress: _Progress, timeout: float) -> Outcome:
    detail = f"still waiting for {progress.waits_for} after {timeout:g} s"
    if progress.maybe_sent:
        return Outcome(OutcomeClass.UNKNOWN, code="no-answer", detail=detail)
    if progress.waits_for == _WAITING:
        # More at once than `connections` can carry. That is too fast and not ill: as a failure it
        # would make a provider unhealthy that works.
        return Outcome(OutcomeClass.THROTTLED, code="connections", detail=detail)
    return Outcome(OutcomeClass.FAILED, code="not-sent", detail=detail)


def _broken(progress: _Progress, error: Exception) -> Outcome:
    kind = OutcomeClass.UNKNOWN if progress.maybe_sent else OutcomeClass.FAILED
    code = "no-answer" if progress.maybe_sent else "not-sent"
    words = error.message if isinstance(error, SMTPException) else ""
    if isinstance(error, OSError):  # texts of others may quote the email
        words = str(error)
    words = words or type(error).__name__
    return Outcome(kind, code=code, detail=f"waiting for {progress.waits_for}: {words}")


def _secrets(username: str, password: str) -> tuple[str, ...]:
    """The password in all forms in which AUTH sends it."""
    plain = b64encode(f"\0{username}\0{password}".encode()).decode()
    forms = (plain, b64encode(password.encode()).decode(), password)
    return tuple(one for one in forms if password and len(one) >= _SHORTEST_SECRET)
