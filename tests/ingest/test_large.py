"""What fits no queue goes through the payload store, written before the message is queued."""

import asyncio
import base64
import hashlib
import logging
from contextlib import asynccontextmanager

import pytest

from gomail.email import decode, unpack
from gomail.payloads import PayloadUnavailable
from ingest import answers, storing
from ingest.app import create_app
from ingest.pace import Pace
from tests.ingest import scripted
from tests.ingest.ledgers import breakable, local_client
from tests.ingest.scripted import ScriptedQueue, email, settings, settle

FILE = bytes(range(256)) * 4_096
"""1 MiB: in base64 more than a queue takes."""


def attached(data=FILE, **fields):
    content = base64.b64encode(data).decode()
    return email(attachments=[{"filename": "a.bin", "content": content}], **fields)


class Store:
    """Payloads in a dict; notes what was on the queue when each was written."""

    def __init__(self, queue):
        self.queue = queue
        self.kept = {}
        self.queued_before = []
        self.failure = None

    async def put(self, key, data, *, timeout):
        assert timeout > 0
        if self.failure:
            raise self.failure
        self.queued_before.append(len(self.queue.bodies))
        self.kept[key] = data

    @asynccontextmanager
    async def open(self, _settings):
        yield self


@pytest.fixture
def queue():
    return ScriptedQueue()


@pytest.fixture
def store(queue):
    return Store(queue)


@pytest.fixture
def client(queue, store, tmp_path):
    ledger = breakable(tmp_path)
    app = create_app(settings(), queue=queue.open, ledger=lambda _: ledger, payloads=store.open)
    with local_client(app) as client:
        yield client


def test_its_large_parts_are_stored_before_the_message_is_queued(client, queue, store):
    response = client.post("/email/send", json=attached(html="<p>Hello</p>"))

    assert response.status_code == 200
    key = f"gomail/{response.json()['messageId']}"
    assert list(store.kept) == [key]
    assert store.queued_before == [0]
    message = decode(queue.bodies[0], queue_message_id="")
    assert len(queue.bodies[0]) < 1_000
    assert message.id == response.json()["messageId"]
    assert message.email.claim.sha256 == hashlib.sha256(store.kept[key]).hexdigest()
    whole = unpack(message.email, store.kept[key])
    assert base64.b64decode(whole.attachments[0].content) == FILE
    assert (whole.body, whole.html) == ("Hello", "<p>Hello</p>")


def test_what_outgrows_the_queue_by_escaping_is_stored_too(queue, store):
    queue.size = 2_000
    app = create_app(settings(), queue=queue.open, payloads=store.open)
    with local_client(app) as client:
        response = client.post("/email/send", json=email(body="ä" * 600))

    assert response.status_code == 200
    (payload,) = store.kept.values()
    assert unpack(decode(queue.bodies[0], queue_message_id="").email, payload).body == "ä" * 600


def test_what_fits_is_not_stored(client, store):
    client.post("/email/send", json=attached(b"small"))

    assert store.kept == {}


def test_a_store_that_is_down_is_a_503_and_nothing_is_queued(client, queue, store):
    store.failure = PayloadUnavailable("down")

    response = client.post("/email/send", json=attached())

    assert (response.status_code, response.json()["errors"]["base"]) == (503, answers.UNAVAILABLE)
    assert queue.calls == []


def test_a_key_whose_payload_was_not_stored_may_be_tried_again(client, queue, store):
    key = {"Idempotency-Key": "invoice-7"}
    store.failure = PayloadUnavailable("down")
    assert client.post("/email/send", json=attached(), headers=key).status_code == 503
    store.failure = None

    second = client.post("/email/send", json=attached(), headers=key)
    third = client.post("/email/send", json=attached(), headers=key)

    assert (second.status_code, third.content) == (200, second.content)
    assert list(store.kept) == [f"gomail/{second.json()['messageId']}"]
    assert len(queue.bodies) == 1


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_another_file_makes_another_request(client, order):
    key = {"Idempotency-Key": "invoice-7"}
    files = [FILE, FILE[:-1] + b"x"]
    responses = [client.post("/email/send", json=attached(files[n]), headers=key) for n in order]

    assert [response.status_code for response in responses] == [200, 409]


def test_in_a_batch_each_large_email_has_a_payload_of_its_own(client, store):
    emails = [attached()["email"], email()["email"], attached(FILE[::-1])["email"]]

    results = client.post("/email/batch", json={"emails": emails}).json()["results"]

    ids = [result["messageId"] for result in results]
    assert set(store.kept) == {f"gomail/{ids[0]}", f"gomail/{ids[2]}"}


def test_without_a_store_it_is_told_where_it_belongs(queue):
    with local_client(create_app(settings(), queue=queue.open)) as client:
        response = client.post("/email/send", json=attached())

    assert response.status_code == 422
    assert response.json() == {"errors": {"attachments": answers.TOO_LARGE_TOGETHER}}
    assert queue.calls == []


def test_a_queue_that_takes_not_even_what_is_left_is_a_400(queue, store):
    queue.size = 2_000
    app = create_app(settings(), queue=queue.open, payloads=store.open)
    with local_client(app) as client:
        response = client.post("/email/send", json=email(metadata={"a": "x" * 500, "b": "é" * 250}))

    assert response.status_code == 400
    assert store.kept == {}


def test_a_queue_that_refuses_leaves_the_payload_to_the_sweep(client, queue, store):
    queue.script = scripted.fault_all("InternalError", permanent=False)

    assert client.post("/email/send", json=attached()).status_code == 503
    assert len(store.kept) == 1  # a queue may have taken it all the same


# -- sweeping -------------------------------------------------------------------------------------


class Swept:
    """Notes each sweep; some fail."""

    def __init__(self, *failures):
        self.failures = list(failures)
        self.sweeps = []
        self.done = asyncio.Event()

    async def sweep(self, before, *, limit):
        self.sweeps.append((before, limit))
        if self.failures:
            raise self.failures.pop(0)
        self.done.set()
        return 3


def test_what_is_old_is_swept_whatever_happens_in_one_sweep(caplog, monkeypatch):
    monkeypatch.setattr("ingest.storing.time.time", lambda: 1_000_000.0)
    store = Swept(PayloadUnavailable("down"), RuntimeError("bug"))

    async def scene():
        async with storing.sweeping(store, keep_days=2, pace=Pace(sweep=0)):
            await store.done.wait()
            await settle()

    with caplog.at_level(logging.INFO):
        asyncio.run(scene())
    assert store.sweeps[:3] == [(1_000_000.0 - 2 * 86_400, storing.SWEEP_STEP)] * 3
    assert "no payloads are swept: down" in caplog.text
    assert "swept 3 payloads" in caplog.text
