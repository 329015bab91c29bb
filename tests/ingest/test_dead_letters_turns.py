"""One request looks at dead letters at a time: who waits, who is sent away, who has left."""

import asyncio
import json
import logging
from contextlib import asynccontextmanager

import pytest

from gomail.errors import QueueUnavailable
from ingest import dead_letters
from ingest.app import create_app
from tests.dead_letters.boxes import DEAD, ONE, TWO, BrowsableQueue
from tests.ingest.scripted import settings

pytestmark = pytest.mark.timeout(30)


class HeldUp(BrowsableQueue):
    """A queue that answers a look once a test lets it."""

    def __init__(self):
        super().__init__()
        self.open = asyncio.Event()
        self.down = False
        self.asked = 0

    async def browse(self, queue, **given):
        self.asked += 1
        await self.open.wait()
        if self.down:
            raise QueueUnavailable("no answer")
        return await super().browse(queue, **given)


class Client:
    """One request to the application, without a network; its client leaves when a test says so."""

    def __init__(self, app, method="GET", path="/dead-letters", body=b"", *, part=False):
        self._left = asyncio.Event()
        self._body = [{"type": "http.request", "body": body, "more_body": part}]
        self.status, self.headers = None, {}
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method,
            "scheme": "http", "path": path, "raw_path": path.encode(), "query_string": b"",
            "headers": [(b"host", b"127.0.0.1"), (b"content-length", b"%d" % (len(body) + part))],
            "client": ("127.0.0.1", 5_000), "server": ("127.0.0.1", 80), "root_path": "",
        }  # fmt: skip
        self.task = asyncio.create_task(app(scope, self._receive, self._send))

    async def _receive(self):
        if self._left.is_set():
            return {"type": "http.disconnect"}
        if self._body:
            return self._body.pop()
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message):
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}

    def leave(self):
        self._left.set()

    async def answered(self):
        await self.task
        return self.status


@asynccontextmanager
async def serving():
    """The application and its queue, which holds one dead letter."""
    queue = HeldUp()
    queue.bury("m-1")

    @asynccontextmanager
    async def opened(_settings):
        yield queue

    given = settings()
    urls = given.queues.model_copy(update={"urls": (ONE, TWO), "dead_letter": DEAD})
    app = create_app(given.model_copy(update={"queues": urls}), queue=opened)
    async with app.router.lifespan_context(app):
        yield app, queue


async def until(condition):
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - what is waited for tells nobody
            await asyncio.sleep(0)


async def looking(app, queue):
    """A client that looks, and is held up."""
    first = Client(app)
    await until(lambda: queue.asked)
    return first


async def waiting(app, count, *request):
    """So many clients that wait for their turn."""
    clients = [Client(app, *request) for _ in range(count)]
    await until(lambda: app.state.dead_letters.turns._waiting == count)
    return clients


REDRIVE = ("POST", "/dead-letters/redrive", json.dumps({"all": True}).encode())


def test_a_few_requests_wait_for_their_turn_and_the_others_are_told_to_come_again():
    async def scene():
        async with serving() as (app, queue):
            first = await looking(app, queue)
            waiters = await waiting(app, dead_letters.WAITING)
            others = [Client(app), Client(app, "GET", "/dead-letters/m-1"), Client(app, *REDRIVE)]
            refused = [(await one.answered(), one.headers["retry-after"]) for one in others]
            queue.open.set()
            return refused, [await one.answered() for one in (first, *waiters)]

    refused, answered = asyncio.run(scene())

    assert [status for status, _ in refused] == [503] * 3
    assert all(5 <= int(seconds) <= 15 for _, seconds in refused)
    assert answered == [200] * (1 + dead_letters.WAITING)


def test_nothing_is_redriven_for_a_client_that_left_while_it_waited():
    async def scene():
        async with serving() as (app, queue):
            first = await looking(app, queue)
            [stays] = await waiting(app, 1)
            leaves = Client(app, *REDRIVE)
            await until(lambda: app.state.dead_letters.turns._waiting == 2)
            leaves.leave()
            queue.open.set()
            assert [await first.answered(), await stays.answered()] == [200, 200]
            await leaves.answered()
            left = len(queue.on(DEAD))
            return left, await Client(app, *REDRIVE).answered(), len(queue.on(DEAD))

    assert asyncio.run(scene()) == (1, 200, 0)


def test_while_the_queue_is_down_nobody_is_asked_for_clients_that_have_left():
    async def scene():
        async with serving() as (app, queue):
            first = await looking(app, queue)
            queue.down = True
            for client in await waiting(app, dead_letters.WAITING):
                client.leave()
            queue.open.set()
            await first.answered()
            return await Client(app).answered(), queue.asked

    assert asyncio.run(scene()) == (503, 2)


def test_a_client_that_leaves_in_the_middle_of_its_body_logs_no_error(caplog):
    async def scene():
        async with serving() as (app, queue):
            client = Client(app, *REDRIVE[:2], b'{"all":', part=True)
            await until(lambda: not client._body)
            client.leave()
            await client.answered()
            return len(queue.on(DEAD))

    assert asyncio.run(scene()) == 1
    assert [one for one in caplog.records if one.levelno >= logging.ERROR] == []


def test_a_queue_that_does_not_answer_in_the_time_of_a_look_is_unavailable(monkeypatch):
    monkeypatch.setattr(dead_letters, "LOOKING", 0.01)

    async def scene():
        async with serving() as (app, _queue):
            return [
                await Client(app).answered(),
                await Client(app, "GET", "/dead-letters/m-1").answered(),
            ]

    assert asyncio.run(scene()) == [503, 503]
