"""Real SMTP servers over loopback: aiosmtpd's, and one that answers each command as a test says."""

import asyncio
import ipaddress
import ssl
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from aiosmtpd.smtp import SMTP, AuthResult, Envelope
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pydantic import SecretStr

from gomail.provider_settings import SmtpSettings
from gomail.providers.smtp_sending import SmtpProvider
from tests.providers.case import message

PASSWORD = "correct horse battery staple"
LONG = 10
LOGIN = {"username": "shop"}
HANG, BREAK = object(), object()
YES = {
    "greeting": "220 mail.example ESMTP",
    "EHLO": "250-mail.example\n250-SIZE 30000000\n250-AUTH PLAIN\n250 SMTPUTF8",
    "AUTH": "235 2.7.0 welcome",
    "MAIL": "250 2.1.0 Ok",
    "RCPT": "250 2.1.5 Ok",
    "DATA": "354 go on",
    ".": "250 2.0.0 Ok: queued as 4c0ffee",
    "RSET": "250 2.0.0 Ok",
    "NOOP": "250 2.0.0 Ok",
    "QUIT": "221 2.0.0 Bye",
}


def provider(port: int, *, tls: ssl.SSLContext | None = None, idle_seconds=30.0, **settings):
    given = {"host": "127.0.0.1", "port": port, "security": "none"} | settings
    return SmtpProvider(
        "relay",
        SmtpSettings(**given),
        SecretStr(PASSWORD),
        tls=tls or trusting(),
        idle_seconds=idle_seconds,
    )


@asynccontextmanager
async def built(port: int, **options) -> AsyncIterator[SmtpProvider]:
    """A provider that takes leave at the end of the block."""
    one = provider(port, **options)
    try:
        yield one
    finally:
        await one.close()


# -- a server that does as it is told --------------------------------------------------------------


@dataclass
class Scripted:
    """Answers by `replies`: one for each command's name, or a list that is used up in order."""

    replies: dict
    port: int = 0
    connections: int = 0
    heard: list[str] = field(default_factory=list)
    content: list[bytes] = field(default_factory=list)
    writers: list[asyncio.StreamWriter] = field(default_factory=list)
    has_heard: defaultdict = field(default_factory=lambda: defaultdict(asyncio.Event))
    """An event for each command's name; `.` is a whole message."""

    def reply(self, to: str):
        said = self.replies.get(to, YES.get(to, "500 5.5.1 what?"))
        if isinstance(said, list):
            return said.pop(0) if len(said) > 1 else said[0]
        return said

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
        self.connections += 1
        self.writers.append(writer)
        try:
            await self.say(writer, "greeting")
            while line := await reader.readline():
                self.heard.append(line.decode().strip())
                verb = line.split()[0].decode().upper().partition(":")[0]
                self.has_heard[verb].set()
                said = await self.say(writer, verb)
                if verb == "DATA" and said.startswith("354"):
                    self.content.append(await reader.readuntil(b"\r\n.\r\n"))
                    self.has_heard["."].set()
                    await self.say(writer, ".")
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # it broke off, or the client did
        finally:
            writer.close()

    async def say(self, writer: asyncio.StreamWriter, to: str) -> str:
        said = self.reply(to)
        if said is HANG:
            await asyncio.Event().wait()
        if said is BREAK:
            raise ConnectionResetError
        writer.write(said.replace("\n", "\r\n").encode() + b"\r\n")
        await writer.drain()
        return said

    def close_all(self):
        """Close every connection, as a server does that has waited long enough."""
        for writer in self.writers:
            writer.close()


@asynccontextmanager
async def scripted(**replies) -> AsyncIterator[Scripted]:
    script = Scripted({{"dot": "."}.get(name, name): said for name, said in replies.items()})
    tasks = set()

    def serve(reader, writer):
        task = asyncio.ensure_future(script.serve(reader, writer))
        tasks.add(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    script.port = server.sockets[0].getsockname()[1]
    try:
        yield script
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def sent(*, sends=1, timeout=LONG, given=None, login=False, **replies):
    """What so many sends bring at a server with these replies, and the server."""

    async def scene():
        async with scripted(**replies) as server:
            settings = LOGIN if login else {}
            async with built(server.port, **settings) as relay:
                outcomes = [
                    await relay.send(given or message(), timeout=timeout) for _ in range(sends)
                ]
        return outcomes if sends > 1 else outcomes[0], server

    return asyncio.run(scene())


# -- aiosmtpd --------------------------------------------------------------------------------------


@dataclass
class Inbox:
    """Takes everything, and remembers it."""

    port: int = 0
    connections: int = 0
    envelopes: list[Envelope] = field(default_factory=list)
    logins: list[tuple[str, bool]] = field(default_factory=list)

    async def handle_DATA(self, _server, _session, envelope) -> str:  # noqa: N802 - aiosmtpd's
        self.envelopes.append(envelope)
        return "250 2.0.0 Ok: queued as 7a11"

    def authenticate(self, _server, session, _envelope, mechanism, data) -> AuthResult:
        self.logins.append((mechanism, session.ssl is not None))
        return AuthResult(success=data.password.decode() == PASSWORD, handled=False)


@asynccontextmanager
async def inbox(*, tls: ssl.SSLContext | None = None, **options) -> AsyncIterator[Inbox]:
    """An aiosmtpd; `tls` is TLS from the first byte, `tls_context` STARTTLS."""
    box = Inbox()

    def session() -> SMTP:
        box.connections += 1
        return SMTP(box, hostname="localhost", authenticator=box.authenticate, **options)

    loop = asyncio.get_running_loop()
    server = await loop.create_server(session, "127.0.0.1", 0, ssl=tls)
    box.port = server.sockets[0].getsockname()[1]
    try:
        yield box
    finally:
        server.close()


# -- certificates ----------------------------------------------------------------------------------


@cache
def _authority() -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    return _signed(x509.DNSName("authority.example"), key, None, key), key


def _signed(name: x509.GeneralName, key, issuer, issuer_key) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, str(name.value))])
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([name]), critical=False)
        .sign(issuer_key, hashes.SHA256())
    )


@cache
def trusting() -> ssl.SSLContext:
    """Trusts the authority."""
    pem = _authority()[0].public_bytes(serialization.Encoding.PEM)
    return ssl.create_default_context(cadata=pem.decode())


LOOPBACK = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
SOMEBODY_ELSE = x509.DNSName("mail.example")


@cache
def serving(name: x509.GeneralName = LOOPBACK) -> ssl.SSLContext:
    """Shows a certificate of the authority's for that name."""
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _signed(name, key, *_authority())
    pem = serialization.Encoding.PEM
    plain = serialization.NoEncryption()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with TemporaryDirectory() as folder:
        file = Path(folder) / "server.pem"
        key_pem = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)
        file.write_bytes(key_pem + certificate.public_bytes(pem))
        context.load_cert_chain(file)
    return context
