"""The transport against real little servers: which failures leave open whether it was sent."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Any

import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from gomail.errors import MaybeSent, NotSent
from gomail.http import AiohttpTransport, Response

Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Thing: one\r\n\r\nhi"


@pytest.fixture(params=LOOPS)
def run(request):
    def run_(coroutine: Coroutine[Any, Any, Any]) -> Any:
        with asyncio.Runner(loop_factory=LOOPS[request.param]) as runner:
            return runner.run(coroutine)

    return run_


@asynccontextmanager
async def serving(
    behaviour: Behaviour, context: ssl.SSLContext | None = None
) -> AsyncIterator[int]:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await behaviour(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client left, which some tests are about
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()


@asynccontextmanager
async def transport(**options: Any) -> AsyncIterator[AiohttpTransport]:
    opened = AiohttpTransport(**options)
    try:
        yield opened
    finally:
        await opened.close()


async def post(
    over: AiohttpTransport, url: str, *, method: str = "POST", timeout: float = 5.0
) -> Response:
    return await over.request(method, url, headers={"A": "b"}, body=b"body", timeout=timeout)


async def post_to(
    behaviour: Behaviour, *, scheme: str = "http", timeout: float = 5.0, **options: Any
) -> Response:
    async with serving(behaviour) as port, transport(**options) as over:
        return await post(over, f"{scheme}://127.0.0.1:{port}/", timeout=timeout)


async def read_request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    return head + await reader.readexactly(len(b"body"))


def answering(answer: bytes) -> Behaviour:
    """Read one request, write this, close."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(answer)
        await writer.drain()

    return behave


async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def say_nothing(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    while await reader.read(1000):
        pass


def unused_port() -> int:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        return int(holder.getsockname()[1])


def self_signed(folder: Any) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    address = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(address, critical=False)
        .sign(key, hashes.SHA256())
    )
    file = folder / "server.pem"
    pem = serialization.Encoding.PEM
    file.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(pem)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


def test_a_normal_answer_is_returned_with_case_insensitive_headers(run):
    response = run(post_to(answering(OK)))

    assert (response.status, response.body) == (200, b"hi")
    assert response.headers["x-thing"] == response.headers["X-THING"] == "one"


def test_an_error_status_is_an_answer(run):
    response = run(post_to(answering(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n")))

    assert (response.status, response.body) == (503, b"")


def test_a_redirect_is_an_answer_and_is_not_followed(run):
    head = b"HTTP/1.1 307 There\r\nLocation: http://nonexistent.invalid/\r\n"

    response = run(post_to(answering(head + b"Content-Length: 0\r\n\r\n")))

    assert response.status == 307


def test_a_chunked_answer_is_put_together(run):
    answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"

    assert run(post_to(answering(answer))).body == b"abc"


def test_headers_host_path_and_query_go_out_as_given(run):
    async def scenario() -> bytes:
        heard = bytearray()

        async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            heard.extend(await read_request(reader))
            writer.write(OK)

        async with serving(behave) as port, transport() as over:
            await over.request(
                "POST",
                f"http://127.0.0.1:{port}/a%2Fb%41?q=%7e+x",
                headers={"Host": "elsewhere:9", "X-Y": "z"},
                body=b"body",
                timeout=5,
            )
        return bytes(heard)

    heard = run(scenario())

    assert heard.startswith(b"POST /a%2Fb%41?q=%7e+x HTTP/1.1\r\n")
    assert b"\r\nHost: elsewhere:9\r\n" in heard
    assert heard.count(b"Host:") == 1
    assert b"\r\nX-Y: z\r\n" in heard
    assert b"User-Agent" not in heard


def test_a_large_body_arrives_whole_and_with_its_length(run):
    body = bytes(range(256)) * 8192

    async def scenario() -> tuple[bytes, bytes]:
        heard = []

        async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            heard.append(await reader.readuntil(b"\r\n\r\n"))
            heard.append(await reader.readexactly(len(body)))
            writer.write(OK)

        async with serving(behave) as port, transport() as over:
            url = f"http://127.0.0.1:{port}/"
            await over.request("POST", url, headers={"Content-Type": "a/b"}, body=body, timeout=5)
        return heard[0], heard[1]

    head, heard = run(scenario())

    assert heard == body
    assert b"Content-Length: 2097152\r\n" in head
    assert b"Content-Type: a/b\r\n" in head
    assert b"Content-Disposition" not in head


def test_a_refused_connection_is_not_sent(run):
    async def scenario() -> None:
        async with transport() as over:
            await post(over, f"http://127.0.0.1:{unused_port()}/")

    with pytest.raises(NotSent, match=r"127\.0\.0\.1"):
        run(scenario())


def test_an_unknown_host_is_not_sent(run):
    async def scenario() -> None:
        async with transport() as over:
            await post(over, "http://nonexistent.invalid/")

    with pytest.raises(NotSent, match=r"nonexistent\.invalid"):
        run(scenario())


@pytest.mark.parametrize("url", ["http:///x", "ftp://127.0.0.1/", "nowhere"])
def test_a_url_that_is_none_is_not_sent(run, url):
    async def scenario() -> None:
        async with transport() as over:
            await post(over, url)

    with pytest.raises(NotSent):
        run(scenario())


async def answer_in_plain_text(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1000)
    writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    await writer.drain()


@pytest.mark.parametrize("behaviour", [answer_in_plain_text, hang_up])
def test_tls_to_a_plain_port_is_not_sent(run, behaviour):
    with pytest.raises(NotSent):
        run(post_to(behaviour, scheme="https"))


def test_no_connection_in_time_is_not_sent(run):
    with pytest.raises(NotSent, match="no connection in time"):
        run(post_to(say_nothing, scheme="https", timeout=0.2))


def test_a_certificate_nobody_vouches_for_is_not_sent(run, tmp_path):
    heard = []

    async def behave(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        heard.append(await reader.read(1000))

    async def scenario() -> None:
        async with serving(behave, self_signed(tmp_path)) as port, transport() as over:
            await post(over, f"https://127.0.0.1:{port}/")

    with pytest.raises(NotSent, match="certificate"):
        run(scenario())
    assert not any(heard)


def test_no_time_left_is_not_sent(run):
    with pytest.raises(NotSent, match="no time"):
        run(post_to(answering(OK), timeout=0))


def test_a_closed_transport_sends_nothing(run):
    async def scenario() -> None:
        over = AiohttpTransport()
        await over.close()
        await post(over, "http://127.0.0.1:1/")

    with pytest.raises(NotSent, match="closed"):
        run(scenario())


def test_a_connection_closed_before_the_answer_may_have_been_sent(run):
    with pytest.raises(MaybeSent, match="closed the connection"):
        run(post_to(answering(b"")))


def test_a_server_that_hangs_up_at_once_may_have_been_sent(run):
    with pytest.raises(MaybeSent):
        run(post_to(hang_up))


def test_no_answer_in_time_may_have_been_sent(run):
    with pytest.raises(MaybeSent, match="no complete answer in time"):
        run(post_to(say_nothing, timeout=0.2))


@pytest.mark.parametrize(
    "half",
    [
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhal",
    ],
)
def test_half_an_answer_may_have_been_sent(run, half):
    with pytest.raises(MaybeSent):
        run(post_to(answering(half)))


@pytest.mark.parametrize(
    "noise",
    [
        b"220 smtp.example.org ESMTP\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope",
    ],
)
def test_an_answer_that_cannot_be_read_may_have_been_sent(run, noise):
    with pytest.raises(MaybeSent):
        run(post_to(answering(noise)))


def test_an_answer_beyond_the_limit_may_have_been_sent_and_names_the_limit(run):
    long = b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + b"x" * 5000

    with pytest.raises(MaybeSent, match="1000 bytes"):
        run(post_to(answering(long), answer_limit=1000))


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_a_reused_connection_that_breaks_may_have_been_sent_and_is_not_repeated(run, method):
    async def scenario() -> list[int]:
        requests: list[int] = []

        async def answer_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await read_request(reader)
            requests.append(1)
            writer.write(OK)
            await read_request(reader)
            requests.append(2)

        async with serving(answer_once) as port, transport() as over:
            url = f"http://127.0.0.1:{port}/"
            await post(over, url, method=method)
            with pytest.raises(MaybeSent):
                await post(over, url, method=method)
        return requests

    assert run(scenario()) == [1, 2]


def test_one_connection_serves_requests_in_turn(run):
    async def scenario() -> int:
        connections = 0

        async def answer_all(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal connections
            connections += 1
            while True:
                await read_request(reader)
                writer.write(OK)

        async with serving(answer_all) as port, transport() as over:
            for _ in range(5):
                await post(over, f"http://127.0.0.1:{port}/")
        return connections

    assert run(scenario()) == 1


def test_a_cancelled_request_is_cancelled_and_its_connection_closed(run):
    async def scenario() -> None:
        asked, left = asyncio.Event(), asyncio.Event()

        async def wait(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
            await read_request(reader)
            asked.set()
            await reader.read()
            left.set()

        async with serving(wait) as port, transport() as over:
            task = asyncio.create_task(post(over, f"http://127.0.0.1:{port}/"))
            await asked.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await asyncio.wait_for(left.wait(), timeout=5)

    run(scenario())


def test_an_error_names_the_host_and_neither_path_nor_query(run):
    async def scenario() -> None:
        async with transport() as over:
            await post(over, f"http://127.0.0.1:{unused_port()}/private?key=secret")

    with pytest.raises(NotSent) as caught:
        run(scenario())
    assert "private" not in str(caught.value)
    assert "secret" not in str(caught.value)
