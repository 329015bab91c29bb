"""Both transports reading answers of every shape, complete or not, too early or too long."""

import asyncio
import gzip
import zlib

import pytest

from gomail.errors import MaybeSent
from tests.http.scene import OK, Counted, answering, post, read_request, serving

LARGE_BODY = bytes(range(256)) * 32_768  # 8 MiB, beyond what sockets take in one go


def test_an_answer_without_a_length_ends_with_its_connection(scene):
    answer = answering(b"HTTP/1.1 200 OK\r\n\r\n", b"until ", b"the end")

    assert scene.run(scene.post_to(answer)).body == b"until the end"


def test_an_answer_of_http_1_0_ends_with_its_connection(scene):
    assert scene.run(scene.post_to(answering(b"HTTP/1.0 200 OK\r\n\r\nold"))).body == b"old"


def test_an_answer_that_comes_byte_by_byte_is_put_together(scene):
    response = scene.run(scene.post_to(answering(*(bytes([byte]) for byte in OK))))

    assert (response.status, response.body) == (200, b"hi")
    assert response.headers.get("X-Thing") == "one"


@pytest.mark.parametrize(
    "announcement",
    [
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nX-Thing: early\r\n\r\n",
    ],
)
@pytest.mark.parametrize("times", [1, 3])
def test_an_announcement_is_not_the_answer(scene, announcement, times):
    response = scene.run(scene.post_to(answering(*[announcement] * times, OK)))

    assert (response.status, response.body) == (200, b"hi")
    assert response.headers["X-Thing"] == "one"


def test_an_announcement_in_one_piece_with_the_answer_is_not_the_answer(scene):
    response = scene.run(scene.post_to(answering(b"HTTP/1.1 100 Continue\r\n\r\n" + OK)))

    assert (response.status, response.body) == (200, b"hi")


def test_an_announcement_alone_may_have_been_sent(scene):
    with pytest.raises(MaybeSent):
        scene.run(scene.post_to(answering(b"HTTP/1.1 100 Continue\r\n\r\n")))


def test_a_change_of_protocol_that_nobody_asked_for_may_have_been_sent(scene):
    answer = b"HTTP/1.1 101 Switch\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nbytes of another"

    with pytest.raises(MaybeSent):
        scene.run(scene.post_to(answering(answer)))


@pytest.mark.parametrize("status", [204, 304])
def test_some_statuses_have_no_body_whatever_they_say(scene, status):
    async def scenario() -> list[int]:
        server = Counted(f"HTTP/1.1 {status} Fine\r\nETag: x\r\n\r\n".encode())
        async with serving(server) as port, scene.transport() as over:
            url = f"http://127.0.0.1:{port}/"
            return [(await post(over, url)).status for _ in range(2)] + [server.connections]

    assert scene.run(scenario()) == [status, status, 1]


def test_an_answer_to_head_has_no_body(scene):
    async def scenario() -> tuple[int, bytes, str]:
        head = b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n"
        async with serving(Counted(head)) as port, scene.transport() as over:
            response = await post(over, f"http://127.0.0.1:{port}/", method="HEAD")
        return response.status, response.body, response.headers["Content-Length"]

    assert scene.run(scenario()) == (200, b"", "500")


def test_of_a_repeated_header_the_first_counts(scene):
    answer = b"HTTP/1.1 200 OK\r\nX-A: one\r\nx-a: two\r\nX-Empty:\r\nContent-Length: 0\r\n\r\n"

    headers = scene.run(scene.post_to(answering(answer))).headers

    assert (headers["X-A"], headers.get("x-empty"), "X-EMPTY" in headers) == ("one", "", True)
    assert headers.get("X-None") is None
    assert "X-None" not in headers


def test_a_header_beyond_ascii_is_read(scene):
    answer = "HTTP/1.1 200 OK\r\nX-A: größer\r\nContent-Length: 0\r\n\r\n".encode()

    assert scene.run(scene.post_to(answering(answer))).headers["X-A"] == "größer"


def test_chunks_with_extensions_and_trailers_are_put_together(scene):
    answer = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"2;a=b\r\nab\r\n1\r\nc\r\n0\r\nX-Trailer: x\r\n\r\n"
    )

    assert scene.run(scene.post_to(answering(answer))).body == b"abc"


@pytest.mark.parametrize(
    ("coding", "body"), [("gzip", gzip.compress(b"small")), ("deflate", zlib.compress(b"small"))]
)
def test_a_compressed_answer_is_read(scene, coding, body):
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\nContent-Length: {len(body)}\r\n\r\n"

    assert scene.run(scene.post_to(answering(head.encode() + body))).body == b"small"


def test_a_compressed_answer_beyond_the_limit_may_have_been_sent(scene):
    body = gzip.compress(bytes(5000))
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(body)}\r\n\r\n"

    with pytest.raises(MaybeSent, match="1000 bytes"):
        scene.run(scene.post_to(answering(head.encode() + body), answer_limit=1000))


@pytest.mark.parametrize(
    "head",
    [b"Transfer-Encoding: chunked\r\n\r\n1388\r\n", b"Content-Length: 5000\r\n\r\n", b"\r\n"],
)
def test_an_answer_of_any_shape_beyond_the_limit_may_have_been_sent(scene, head):
    answer = answering(b"HTTP/1.1 200 OK\r\n" + head, b"x" * 5000, b"\r\n0\r\n\r\n")

    with pytest.raises(MaybeSent, match="1000 bytes"):
        scene.run(scene.post_to(answer, answer_limit=1000))


def test_an_answer_as_long_as_the_limit_is_read(scene):
    answer = answering(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", b"x" * 1000)

    assert scene.run(scene.post_to(answer, answer_limit=1000)).body == b"x" * 1000


def test_headers_without_end_may_have_been_sent(scene):
    async def chatter(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nX-A: ")
        while True:
            writer.write(b"x" * 10_000)
            await writer.drain()

    with pytest.raises(MaybeSent, match=r"^(?!.*in time)"):
        scene.run(scene.post_to(chatter))


@pytest.mark.parametrize(
    "noise",
    [
        b"HTTP/1.1 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhi\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nNo Header\r\n\r\n",
        b"\x15\x03\x01\x00\x02\x02\x46",
    ],
)
def test_an_answer_that_is_no_http_may_have_been_sent(scene, noise):
    with pytest.raises(MaybeSent):
        scene.run(scene.post_to(answering(noise)))


def test_an_answer_that_stops_halfway_may_have_been_sent(scene):
    async def stop(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        await reader.read()

    with pytest.raises(MaybeSent, match="no complete answer in time"):
        scene.run(scene.post_to(stop, timeout=0.5))


def test_a_service_that_does_not_take_the_request_may_have_been_sent(scene):
    async def scenario() -> None:
        leave = asyncio.Event()

        async def stare(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.transport.pause_reading()
            await leave.wait()
            writer.transport.abort()

        async with serving(stare) as port, scene.transport() as over:
            try:
                await post(over, f"http://127.0.0.1:{port}/", body=LARGE_BODY, timeout=0.5)
            finally:
                leave.set()

    with pytest.raises(MaybeSent, match="no complete answer in time"):
        scene.run(scenario())


def test_an_answer_before_the_request_is_complete_is_the_answer(scene):
    async def scenario() -> tuple[int, int]:
        refused = b"HTTP/1.1 413 Too large\r\nContent-Length: 2\r\n\r\nno"
        over_with, connections = asyncio.Event(), 0

        async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal connections
            connections += 1
            await reader.readuntil(b"\r\n\r\n")
            writer.transport.pause_reading()
            writer.write(refused)
            await over_with.wait()
            writer.transport.abort()

        async with serving(refuse) as port, scene.transport() as over:
            url = f"http://127.0.0.1:{port}/"
            first = await post(over, url, body=LARGE_BODY, timeout=5)
            second = await post(over, url, body=LARGE_BODY, timeout=5)
            over_with.set()
        assert (first.body, second.status) == (b"no", 413)
        return first.status, connections

    assert scene.run(scenario()) == (413, 2)


def test_a_large_request_is_cancelled_while_it_is_written(scene):
    async def scenario() -> None:
        begun, left = asyncio.Event(), asyncio.Event()

        async def take_some(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            begun.set()
            try:
                while await reader.read(100):
                    pass
            finally:
                left.set()

        async with serving(take_some) as port, scene.transport() as over:
            url = f"http://127.0.0.1:{port}/"
            task = asyncio.create_task(post(over, url, body=LARGE_BODY))
            await begun.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await asyncio.wait_for(left.wait(), timeout=5)

    scene.run(scenario())


def test_a_reset_while_a_large_request_is_written_may_have_been_sent(scene):
    async def scenario() -> None:
        async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.transport.abort()

        async with serving(reset) as port, scene.transport() as over:
            await post(over, f"http://127.0.0.1:{port}/", body=LARGE_BODY)

    with pytest.raises(MaybeSent):
        scene.run(scenario())


@pytest.mark.parametrize("size", [0, 1, 512 * 1024, 512 * 1024 + 1, len(LARGE_BODY)])
def test_bodies_of_all_sizes_arrive_whole_and_leave_the_connection_open(scene, size):
    async def scenario() -> tuple[set[bytes], int]:
        heard, connections = set(), 0

        async def keep(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal connections
            connections += 1
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                assert f"\r\nContent-Length: {size}\r\n".encode() in head
                heard.add(await reader.readexactly(size))
                writer.write(OK)

        async with serving(keep) as port, scene.transport() as over:
            for _ in range(2):
                await post(over, f"http://127.0.0.1:{port}/", body=LARGE_BODY[:size])
        return heard, connections

    assert scene.run(scenario()) == ({LARGE_BODY[:size]}, 1)
