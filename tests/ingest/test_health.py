"""What probes are told, and that they cannot flood SQS."""

import asyncio
import logging

import pytest
from starlette.testclient import TestClient

from gomail.errors import QueueUnavailable
from gomail.queue import QueueInfo
from ingest.app import create_app
from ingest.quiet import QuietLog
from ingest.watch import DEFAULT_MESSAGE_BYTES, Watch
from tests.ingest.scripted import Q1, Q2, ScriptedClock, ScriptedQueue, settings


def watch(inspector, clock, **more):
    log = QuietLog(logging.getLogger("ingest"), now=clock.time)
    return Watch(inspector, [Q1, Q2], now=clock.time, log=log, **more)


class OneDown:
    """Q1 is down; Q2 takes small messages only."""

    async def info(self, queue):
        if queue == Q1:
            raise QueueUnavailable("down")
        return QueueInfo(waiting=0, max_message_bytes=1024)


class Hanging:
    async def info(self, _queue):
        await asyncio.Event().wait()


@pytest.fixture
def queue():
    return ScriptedQueue()


@pytest.fixture
def client(queue):
    with TestClient(create_app(settings(), queue=queue.open)) as client:
        yield client


def test_a_running_process_is_live(client):
    response = client.get("/health/live")

    assert (response.status_code, response.content) == (200, b'{"status":"ok"}')
    assert client.head("/health/live").status_code == 200


def test_it_is_ready_when_a_queue_can_be_reached(client):
    response = client.get("/health/ready")

    assert response.status_code == 200
    assert response.json() == {
        "status": "ok",
        "queues": [{"name": "q1", "reachable": True}, {"name": "q2", "reachable": True}],
    }


def test_it_is_not_ready_when_no_queue_can_be_reached(queue):
    queue.size = QueueUnavailable("down")
    with TestClient(create_app(settings(), queue=queue.open)) as client:
        response = client.get("/health/ready")

    assert response.status_code == 503
    assert response.json()["errors"] == {"base": "Service unavailable"}
    assert [queue["reachable"] for queue in response.json()["queues"]] == [False, False]
    assert response.headers["retry-after"]


def test_probes_share_one_look_a_second():
    async def scenario():
        queue, clock = ScriptedQueue(), ScriptedClock()
        seen = watch(queue, clock)
        await asyncio.gather(*(seen.look() for _ in range(50)))
        at_once = queue.looks
        clock.move(1.0)
        await seen.look()
        return at_once, queue.looks

    assert asyncio.run(scenario()) == (2, 4)


def test_one_queue_down_leaves_the_other_and_its_size():
    async def scenario():
        seen = watch(OneDown(), ScriptedClock())
        return await seen.look(), seen.max_message_bytes

    assert asyncio.run(scenario()) == ({Q1: False, Q2: True}, 1024)


def test_a_queue_that_hangs_is_not_waited_for():
    async def scenario():
        seen = watch(Hanging(), ScriptedClock(), patience=0.01)
        return await seen.look(), seen.max_message_bytes

    assert asyncio.run(scenario()) == ({Q1: False, Q2: False}, DEFAULT_MESSAGE_BYTES)
