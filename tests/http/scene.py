"""Little servers on loopback, names of our own, certificates: what the transports are tested on."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from gomail.http import AiohttpTransport, FastTransport, Response, Transport

Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Thing: one\r\n\r\nhi"
KINDS: dict[str, type[AiohttpTransport] | type[FastTransport]] = {
    "aiohttp": AiohttpTransport,
    "fast": FastTransport,
}


class Names:
    """An event loop that knows names of the test's own, beside those of the machine."""

    def __init__(self) -> None:
        super().__init__()
        self.names: dict[str, list[Any]] = {}
        self.asked: list[str] = []
        self.wanted = asyncio.Event()

    async def getaddrinfo(self, host: str, port: int, **options: Any) -> Any:
        """Addresses of a name; an exception is raised, a future waited for."""
        if host not in self.names:
            return await super().getaddrinfo(host, port, **options)
        self.asked.append(host)
        self.wanted.set()
        for known in self.names[host]:
            if isinstance(known, Exception):
                raise known
            if isinstance(known, asyncio.Future):
                await known
        return [_address(str(known), port) for known in self.names[host]]


def _address(address: str, port: int) -> Any:
    stream = (socket.SOCK_STREAM, socket.IPPROTO_TCP, "")
    if ":" in address:
        return (socket.AF_INET6, *stream, (address, port, 0, 0))
    return (socket.AF_INET, *stream, (address, port))


class AsyncioLoop(Names, asyncio.SelectorEventLoop):
    """asyncio's loop with names of our own."""


class UvLoop(Names, uvloop.Loop):
    """uvloop's loop with names of our own."""


LOOPS = {"asyncio": AsyncioLoop, "uvloop": UvLoop}


@dataclass
class Scene:
    """One kind of transport on one kind of loop."""

    kind: str
    loop: str

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Run to its end in a loop of its own."""
        with asyncio.Runner(loop_factory=LOOPS[self.loop]) as runner:
            return runner.run(coroutine)

    @asynccontextmanager
    async def transport(self, **options: Any) -> AsyncIterator[Transport]:
        """A transport, closed in the end."""
        opened = KINDS[self.kind](**options)
        try:
            yield opened
        finally:
            await opened.close()

    async def post_to(
        self, behaviour: Behaviour, *, scheme: str = "http", timeout: float = 5.0, **options: Any
    ) -> Response:
        """Post once to a server of that behaviour."""
        async with serving(behaviour) as port, self.transport(**options) as over:
            return await post(over, f"{scheme}://127.0.0.1:{port}/", timeout=timeout)


def names() -> Names:
    """The running loop, whose names a test may set."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, Names)
    return loop


@asynccontextmanager
async def serving(
    behaviour: Behaviour,
    context: ssl.SSLContext | None = None,
    *,
    host: str = "127.0.0.1",
    **options: Any,
) -> AsyncIterator[int]:
    """A server for the length of the block; its port."""
    running: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        running.add(asyncio.current_task())
        try:
            await behaviour(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            pass  # the client left, which some tests are about
        finally:
            writer.close()
            running.discard(asyncio.current_task())

    server = await asyncio.start_server(handle, host, 0, ssl=context, **options)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()
        if running:
            await asyncio.wait(running, timeout=5)


async def post(
    over: Transport, url: str, *, method: str = "POST", body: bytes = b"body", timeout: float = 5.0
) -> Response:
    """Exchange one small request."""
    return await over.request(method, url, headers={"A": "b"}, body=body, timeout=timeout)


async def read_request(reader: asyncio.StreamReader) -> bytes:
    """Read what `post` sends."""
    head = await reader.readuntil(b"\r\n\r\n")
    return head + await reader.readexactly(len(b"body"))


def answering(*answer: bytes) -> Behaviour:
    """Read one request, write this part by part, close."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        for part in answer:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0)

    return behave


@dataclass
class Counted:
    """A server that answers every request, and counts."""

    answer: bytes = OK
    connections: int = 0
    requests: int = 0
    left: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                await read_request(reader)
                self.requests += 1
                writer.write(self.answer)
        finally:
            self.left.set()


async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Close before reading anything."""
    writer.close()


async def say_nothing(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    """Read all there is and never answer."""
    while await reader.read(1000):
        pass


def unused_port() -> int:
    """A port where nobody listens."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        return int(holder.getsockname()[1])


@contextmanager
def deaf(address: str, port: int = 0) -> Iterator[int]:
    """A port that neither takes nor refuses: its queue is full, and Linux drops the rest."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
        listener.listen(0)
        place = listener.getsockname()
        fillers = [socket.socket() for _ in range(4)]
        try:
            for filler in fillers:
                filler.setblocking(False)
                filler.connect_ex(place)
            yield place[1]
        finally:
            for filler in fillers:
                filler.close()


class Authority:
    """A certificate authority that clients of `trusting` believe."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "authority")])
        self._certificate = (
            _builder(self._name, self._name, self._key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(self._key, hashes.SHA256())
        )

    def trusting(self) -> ssl.SSLContext:
        """What a client verifies with."""
        pem = self._certificate.public_bytes(serialization.Encoding.PEM).decode()
        return ssl.create_default_context(cadata=pem)

    def serving(self, *hosts: str, expired: bool = False, self_signed: bool = False) -> Any:
        """What a server of these names shows."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, hosts[0])])
        builder = _builder(
            name, name if self_signed else self._name, key.public_key(), expired=expired
        )
        certificate = builder.add_extension(_alternatives(hosts), critical=False).sign(
            key if self_signed else self._key, hashes.SHA256()
        )
        file = self._folder / f"{hosts[0]}-{expired}-{self_signed}.pem"
        pem = serialization.Encoding.PEM
        file.write_bytes(
            key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
            + certificate.public_bytes(pem)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context


def _alternatives(hosts: Sequence[str]) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName(
        [
            x509.IPAddress(ip_address(host)) if host[0].isdigit() else x509.DNSName(host)
            for host in hosts
        ]
    )


def _builder(subject: Any, issuer: Any, key: Any, *, expired: bool = False) -> Any:
    now = datetime.now(UTC)
    until = now - timedelta(hours=1) if expired else now + timedelta(hours=1)
    return x509.CertificateBuilder(
        issuer_name=issuer,
        subject_name=subject,
        public_key=key,
        serial_number=x509.random_serial_number(),
        not_valid_before=now - timedelta(hours=2),
        not_valid_after=until,
    )
