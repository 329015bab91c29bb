"""Both transports keeping connections: which are used again, and what becomes of the others."""

import asyncio

import pytest

from gomail.errors import MaybeSent, NotSent
from tests.http.scene import KINDS, OK, Counted, post, read_request, say_nothing, serving


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi",
    ],
)
def test_a_connection_that_is_to_be_closed_is_not_used_again(scene, answer):
    async def scenario() -> int:
        server = Counted(answer)
        async with serving(server) as port, scene.transport() as over:
            for _ in range(3):
                await post(over, f"http://127.0.0.1:{port}/")
        return server.connections

    assert scene.run(scenario()) == 3


def test_a_connection_with_bytes_behind_the_answer_is_not_used_again(scene):
    async def scenario() -> list[bytes]:
        server = Counted(OK + b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong")
        async with serving(server) as port, scene.transport() as over:
            url = f"http://127.0.0.1:{port}/"
            return [(await post(over, url)).body for _ in range(3)]

    assert scene.run(scenario()) == [b"hi"] * 3


def test_bytes_that_nobody_asked_for_spoil_an_idle_connection(scene):
    async def scenario() -> tuple[bytes, int]:
        say_more, left, connections = asyncio.Event(), asyncio.Event(), 0

        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal connections
            connections += 1
            await read_request(reader)
            writer.write(OK)
            await say_more.wait()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong")
            try:
                await reader.read()
            finally:
                left.set()

        async with serving(talk) as port, scene.transport() as over:
            url = f"http://127.0.0.1:{port}/"
            await post(over, url)
            say_more.set()
            await asyncio.wait_for(left.wait(), timeout=1)
            return (await post(over, url)).body, connections

    assert scene.run(scenario()) == (b"hi", 2)


def test_an_idle_connection_that_the_server_closed_is_not_used_again(scene):
    async def scenario() -> int:
        served, closed = 0, asyncio.Event()

        async def answer_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal served
            await read_request(reader)
            served += 1
            writer.write(OK)
            writer.write_eof()
            await reader.read()  # until the client has closed too, so has seen it
            closed.set()

        async with serving(answer_once) as port, scene.transport() as over:
            for _ in range(3):
                closed.clear()
                await post(over, f"http://127.0.0.1:{port}/")
                await closed.wait()
        return served

    assert scene.run(scenario()) == 3


def test_requests_at_once_have_a_connection_each_and_need_no_more_later(scene):
    async def scenario() -> int:
        server = Counted()
        async with serving(server, backlog=200) as port, scene.transport() as over:
            url = f"http://127.0.0.1:{port}/"
            for _ in range(3):
                await asyncio.gather(*(post(over, url) for _ in range(100)))
        return server.connections

    assert scene.run(scenario()) <= 100


def test_a_long_poll_delays_nobody(scene):
    async def scenario() -> int:
        asked = asyncio.Event()

        async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            request = await read_request(reader)
            if b"/poll" in request:
                asked.set()
                await reader.read()
            else:
                writer.write(OK)

        async with serving(behave) as port, scene.transport() as over:
            poll = asyncio.create_task(post(over, f"http://127.0.0.1:{port}/poll", timeout=30))
            await asked.wait()
            status = (await post(over, f"http://127.0.0.1:{port}/")).status
            poll.cancel()
            with pytest.raises(asyncio.CancelledError):
                await poll
        return status

    assert scene.run(scenario()) == 200


def test_an_idle_connection_is_closed_after_a_while(scene):
    async def scenario() -> None:
        server = Counted()
        async with serving(server) as port, scene.transport(idle_seconds=0.05) as over:
            await post(over, f"http://127.0.0.1:{port}/")
            await asyncio.wait_for(server.left.wait(), timeout=5)

    scene.run(scenario())


def test_places_do_not_share_connections(scene):
    async def scenario() -> tuple[int, int]:
        here, there = Counted(), Counted()
        async with serving(here) as one, serving(there) as two, scene.transport() as over:
            for port in (one, two, one, two):
                await post(over, f"http://127.0.0.1:{port}/")
        assert (here.requests, there.requests) == (2, 2)
        return here.connections, there.connections

    assert scene.run(scenario()) == (1, 1)


def test_after_a_cancelled_request_the_next_has_its_own_answer(scene):
    async def scenario() -> bytes:
        asked = asyncio.Event()

        async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while True:
                request = await read_request(reader)
                if b"/late" in request:
                    asked.set()
                    await reader.read(1)
                writer.write(OK)

        async with serving(behave) as port, scene.transport() as over:
            late = asyncio.create_task(post(over, f"http://127.0.0.1:{port}/late"))
            await asked.wait()
            late.cancel()
            with pytest.raises(asyncio.CancelledError):
                await late
            return (await post(over, f"http://127.0.0.1:{port}/")).body

    assert scene.run(scenario()) == b"hi"


def test_closing_ends_requests_under_way_which_may_have_been_sent(scene):
    async def scenario() -> None:
        asked = asyncio.Event()

        async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await read_request(reader)
            asked.set()
            await say_nothing(reader, writer)

        over = KINDS[scene.kind]()
        async with serving(wait) as port:
            task = asyncio.create_task(post(over, f"http://127.0.0.1:{port}/"))
            await asked.wait()
            await over.close()
            with pytest.raises(MaybeSent):
                await task

    scene.run(scenario())


def test_closing_leaves_no_connection_open(scene, authority):
    async def scenario() -> None:
        plain, secret = Counted(), Counted()
        tls, shown = authority.trusting(), authority.serving("127.0.0.1")
        async with serving(plain) as one, serving(secret, shown) as two:
            async with scene.transport(tls=tls) as over:
                await post(over, f"http://127.0.0.1:{one}/")
                await post(over, f"https://127.0.0.1:{two}/")
            await asyncio.wait_for(plain.left.wait(), timeout=5)
            await asyncio.wait_for(secret.left.wait(), timeout=5)
            with pytest.raises(NotSent, match="closed"):
                await post(over, f"http://127.0.0.1:{one}/")

    scene.run(scenario())
