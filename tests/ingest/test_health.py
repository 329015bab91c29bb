"""What probes are told, and that they cannot flood SQS."""

import asyncio
import logging
from types import SimpleNamespace

import pytest

from gomail.errors import QueueUnavailable
from gomail.queue import QueueInfo
from ingest.app import create_app
from ingest.pulse import Pulse
from ingest.quiet import QuietLog
from ingest.watch import DEFAULT_MESSAGE_BYTES, Watch
from tests.ingest.ledgers import app_over, breakable, local_client
from tests.ingest.scripted import Q1, Q2, ScriptedClock, ScriptedQueue, email, settings


def watch(inspector, clock, **more):
    log = QuietLog(logging.getLogger("ingest"), now=clock.time)
    return Watch(inspector, [Q1, Q2], now=clock.time, log=log, **more)


class OneDown:
    """Q1 is down; Q2 takes small messages only."""

    async def info(self, queue):
        if queue == Q1:
            raise QueueUnavailable("down")
        return QueueInfo(waiting=0, max_message_bytes=1024)


class Answering:
    """A ledger that counts how often it is asked."""

    def __init__(self):
        self.asked = 0

    async def events(self, _after, *, limit):  # noqa: ARG002 - the port's
        self.asked += 1
        return []


def pulse(ledger, notes, clock):
    log = QuietLog(logging.getLogger("ingest"), now=clock.time)
    return Pulse(ledger, notes, patience=0.05, now=clock.time, log=log)


@pytest.fixture
def ledger(tmp_path):
    return breakable(tmp_path)


class Hanging:
    async def info(self, _queue):
        await asyncio.Event().wait()


@pytest.fixture
def queue():
    return ScriptedQueue()


@pytest.fixture
def client(queue):
    with local_client(create_app(settings(), queue=queue.open)) as client:
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
    with local_client(create_app(settings(), queue=queue.open)) as client:
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


def test_with_a_ledger_that_answers_all_is_well(ledger):
    with local_client(app_over(ledger)) as client:
        shown = client.get("/health/ready").json()

    assert (shown["status"], shown["ledger"]) == ("ok", "ok")


@pytest.mark.parametrize("fault", ["down", "hanging", "bugs"])
def test_without_its_ledger_it_is_degraded_and_still_ready(ledger, fault):
    setattr(ledger, fault, {"events"})
    with local_client(app_over(ledger)) as client:
        response = client.get("/health/ready")
        queued = client.post("/email/send", json=email())

    assert (response.status_code, queued.status_code) == (200, 200)
    assert response.json() == {
        "status": "degraded",
        "queues": [{"name": "q1", "reachable": True}, {"name": "q2", "reachable": True}],
        "ledger": "unavailable",
    }


def test_a_ledger_that_answers_but_takes_nothing_is_degraded():
    async def scenario():
        notes = SimpleNamespace(failing=True)
        return await pulse(Answering(), notes, ScriptedClock()).works()

    assert asyncio.run(scenario()) is False


def test_probes_share_one_question_to_the_ledger_a_second():
    async def scenario():
        ledger, clock = Answering(), ScriptedClock()
        felt = pulse(ledger, SimpleNamespace(failing=False), clock)
        assert all(await asyncio.gather(*(felt.works() for _ in range(50))))
        at_once = ledger.asked
        clock.move(1.0)
        await felt.works()
        return at_once, ledger.asked

    assert asyncio.run(scenario()) == (1, 2)


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
