"""What only shows inside the fast transport: limits of one exchange, and connections just lost."""

import asyncio

import pytest

from gomail.errors import NotSent
from gomail.http import FastTransport
from tests.http.scene import OK, Counted, Scene, hang_up, post, read_request, serving


@pytest.fixture(params=["asyncio", "uvloop"])
def scene(request) -> Scene:
    return Scene("fast", request.param)


def test_a_connection_that_is_lost_before_the_request_is_written_is_not_sent(scene):
    async def scenario() -> None:
        over = FastTransport()
        dial, lose, lost = over._dialler.dial, over.lost, asyncio.Event()

        def see_lost(connection) -> None:
            lose(connection)
            lost.set()

        async def dial_late(*args, **options):
            connection = await dial(*args, **options)
            await lost.wait()
            return connection

        over.lost, over._dialler.dial = see_lost, dial_late
        async with serving(hang_up) as port:
            with pytest.raises(NotSent, match="before the request was written"):
                await post(over, f"http://127.0.0.1:{port}/")
        await over.close()

    scene.run(scenario())


def test_the_time_of_one_request_does_not_end_the_next(scene):
    async def scenario() -> tuple[int, int]:
        connections, loop = 0, asyncio.get_running_loop()

        async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal connections
            connections += 1
            await read_request(reader)
            writer.write(OK)
            await read_request(reader)
            passed = asyncio.Event()
            loop.call_later(0.6, passed.set)  # the limit of the first, and more
            await passed.wait()
            writer.write(OK)

        async with serving(behave) as port, scene.transport() as over:
            await post(over, f"http://127.0.0.1:{port}/", timeout=0.5)
            return (await post(over, f"http://127.0.0.1:{port}/")).status, connections

    assert scene.run(scenario()) == (200, 1)


def test_an_answer_behind_the_answer_adds_nothing_to_it(scene):
    async def scenario() -> tuple[dict[str, str], int]:
        server = Counted(OK + b"HTTP/1.1 200 OK\r\nX-Other: x\r\nContent-Length: 0\r\n\r\n")
        async with serving(server) as port, scene.transport() as over:
            first = await post(over, f"http://127.0.0.1:{port}/")
            await post(over, f"http://127.0.0.1:{port}/")
        return dict(first.headers), server.connections

    assert scene.run(scenario()) == ({"content-length": "2", "x-thing": "one"}, 2)


def test_when_closing_is_done_no_connection_is_left(scene, authority):
    async def scenario() -> int:
        over, shown = FastTransport(tls=authority.trusting()), authority.serving("127.0.0.1")
        async with serving(Counted()) as one, serving(Counted(), shown) as two:
            await post(over, f"http://127.0.0.1:{one}/")
            await post(over, f"https://127.0.0.1:{two}/")
            await over.close()
            return len(over._all)

    assert scene.run(scenario()) == 0
