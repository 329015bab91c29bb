"""Both transports against real little servers: which failures leave open whether it was sent."""

import asyncio

import pytest

from gomail.errors import MaybeSent, NotSent
from tests.http.scene import (
    KINDS,
    OK,
    Counted,
    answering,
    hang_up,
    post,
    read_request,
    say_nothing,
    serving,
    unused_port,
)


def test_a_normal_answer_is_returned_with_case_insensitive_headers(scene):
    response = scene.run(scene.post_to(answering(OK)))

    assert (response.status, response.body) == (200, b"hi")
    assert response.headers["x-thing"] == response.headers["X-THING"] == "one"


def test_an_error_status_is_an_answer(scene):
    response = scene.run(scene.post_to(answering(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n")))

    assert (response.status, response.body) == (503, b"")


def test_a_redirect_is_an_answer_and_is_not_followed(scene):
    head = b"HTTP/1.1 307 There\r\nLocation: http://nonexistent.invalid/\r\n"

    response = scene.run(scene.post_to(answering(head + b"Content-Length: 0\r\n\r\n")))

    assert response.status == 307


def test_a_chunked_answer_is_put_together(scene):
    answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"

    assert scene.run(scene.post_to(answering(answer))).body == b"abc"


def test_headers_host_path_and_query_go_out_as_given(scene):
    async def scenario() -> bytes:
        heard = bytearray()

        async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            heard.extend(await read_request(reader))
            writer.write(OK)

        async with serving(behave) as port, scene.transport() as over:
            await over.request(
                "POST",
                f"http://127.0.0.1:{port}/a%2Fb%41?q=%7e+x",
                headers={"Host": "elsewhere:9", "X-Y": "z"},
                body=b"body",
                timeout=5,
            )
        return bytes(heard)

    heard = scene.run(scenario())

    assert heard.startswith(b"POST /a%2Fb%41?q=%7e+x HTTP/1.1\r\n")
    assert b"\r\nHost: elsewhere:9\r\n" in heard
    assert heard.count(b"Host:") == 1
    assert b"\r\nX-Y: z\r\n" in heard
    assert b"User-Agent" not in heard


def test_a_large_body_arrives_whole_and_with_its_length(scene):
    body = bytes(range(256)) * 8192

    async def scenario() -> tuple[bytes, bytes]:
        heard = []

        async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            heard.append(await reader.readuntil(b"\r\n\r\n"))
            heard.append(await reader.readexactly(len(body)))
            writer.write(OK)

        async with serving(behave) as port, scene.transport() as over:
            url = f"http://127.0.0.1:{port}/"
            await over.request("POST", url, headers={"Content-Type": "a/b"}, body=body, timeout=5)
        return heard[0], heard[1]

    head, heard = scene.run(scenario())

    assert heard == body
    assert b"Content-Length: 2097152\r\n" in head
    assert b"Content-Type: a/b\r\n" in head
    assert b"Content-Disposition" not in head


def test_a_refused_connection_is_not_sent(scene):
    async def scenario() -> None:
        async with scene.transport() as over:
            await post(over, f"http://127.0.0.1:{unused_port()}/")

    with pytest.raises(NotSent, match=r"127\.0\.0\.1"):
        scene.run(scenario())


def test_an_unknown_host_is_not_sent(scene):
    async def scenario() -> None:
        async with scene.transport() as over:
            await post(over, "http://nonexistent.invalid/")

    with pytest.raises(NotSent, match=r"nonexistent\.invalid"):
        scene.run(scenario())


@pytest.mark.parametrize("url", ["http:///x", "ftp://127.0.0.1/", "nowhere"])
def test_a_url_that_is_none_is_not_sent(scene, url):
    async def scenario() -> None:
        async with scene.transport() as over:
            await post(over, url)

    with pytest.raises(NotSent):
        scene.run(scenario())


async def answer_in_plain_text(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1000)
    writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    await writer.drain()


@pytest.mark.parametrize("behaviour", [answer_in_plain_text, hang_up])
def test_tls_to_a_plain_port_is_not_sent(scene, behaviour):
    with pytest.raises(NotSent):
        scene.run(scene.post_to(behaviour, scheme="https"))


def test_no_connection_in_time_is_not_sent(scene):
    with pytest.raises(NotSent, match="no connection in time"):
        scene.run(scene.post_to(say_nothing, scheme="https", timeout=0.2))


def test_no_time_left_is_not_sent(scene):
    with pytest.raises(NotSent, match="no time"):
        scene.run(scene.post_to(answering(OK), timeout=0))


def test_a_closed_transport_sends_nothing(scene):
    async def scenario() -> None:
        over = KINDS[scene.kind]()
        await over.close()
        await post(over, "http://127.0.0.1:1/")

    with pytest.raises(NotSent, match="closed"):
        scene.run(scenario())


def test_a_connection_closed_before_the_answer_may_have_been_sent(scene):
    with pytest.raises(MaybeSent, match="closed the connection"):
        scene.run(scene.post_to(answering(b"")))


def test_a_server_that_hangs_up_at_once_is_an_error(scene):
    with pytest.raises((MaybeSent, NotSent)):
        scene.run(scene.post_to(hang_up))


def test_no_answer_in_time_may_have_been_sent(scene):
    with pytest.raises(MaybeSent, match="no complete answer in time"):
        scene.run(scene.post_to(say_nothing, timeout=0.5))


@pytest.mark.parametrize(
    "half",
    [
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhal",
    ],
)
def test_half_an_answer_may_have_been_sent(scene, half):
    with pytest.raises(MaybeSent):
        scene.run(scene.post_to(answering(half)))


@pytest.mark.parametrize(
    "noise",
    [
        b"220 smtp.example.org ESMTP\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope",
    ],
)
def test_an_answer_that_cannot_be_read_may_have_been_sent(scene, noise):
    with pytest.raises(MaybeSent):
        scene.run(scene.post_to(answering(noise)))


def test_an_answer_beyond_the_limit_may_have_been_sent_and_names_the_limit(scene):
    long = b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + b"x" * 5000

    with pytest.raises(MaybeSent, match="1000 bytes"):
        scene.run(scene.post_to(answering(long), answer_limit=1000))


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_a_reused_connection_that_breaks_may_have_been_sent_and_is_not_repeated(scene, method):
    async def scenario() -> list[int]:
        requests: list[int] = []

        async def answer_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await read_request(reader)
            requests.append(1)
            writer.write(OK)
            await read_request(reader)
            requests.append(2)

        async with serving(answer_once) as port, scene.transport() as over:
            url = f"http://127.0.0.1:{port}/"
            await post(over, url, method=method)
            with pytest.raises(MaybeSent):
                await post(over, url, method=method)
        return requests

    assert scene.run(scenario()) == [1, 2]


def test_one_connection_serves_requests_in_turn(scene):
    async def scenario() -> int:
        server = Counted()
        async with serving(server) as port, scene.transport() as over:
            for _ in range(5):
                await post(over, f"http://127.0.0.1:{port}/")
        return server.connections

    assert scene.run(scenario()) == 1


def test_a_cancelled_request_is_cancelled_and_its_connection_closed(scene):
    async def scenario() -> None:
        asked, left = asyncio.Event(), asyncio.Event()

        async def wait(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
            await read_request(reader)
            asked.set()
            await reader.read()
            left.set()

        async with serving(wait) as port, scene.transport() as over:
            task = asyncio.create_task(post(over, f"http://127.0.0.1:{port}/"))
            await asked.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await asyncio.wait_for(left.wait(), timeout=5)

    scene.run(scenario())


def test_an_error_names_the_host_and_neither_path_nor_query(scene):
    async def scenario() -> None:
        async with scene.transport() as over:
            await post(over, f"http://127.0.0.1:{unused_port()}/private?key=secret")

    with pytest.raises(NotSent) as caught:
        scene.run(scenario())
    assert "private" not in str(caught.value)
    assert "secret" not in str(caught.value)
