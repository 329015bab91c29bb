"""Bodies that come in chunks, too long, or not to their end."""

import asyncio
import json

import pytest

from gomail.email import decode
from ingest import answers, limits
from ingest.app import create_app
from tests.ingest.ledgers import local_client
from tests.ingest.scripted import ScriptedQueue, settings, settle

NOT_JSON = b'{"errors":{"base":"Could not decode JSON body"}}'
LIMIT = 204_800


def chunk(size, *, more=True):
    return {"type": "http.request", "body": b"x" * size, "more_body": more}


def exchange(messages, headers=()):
    """Drive the application as a server would; gives back what it sent and what it left unread."""
    sent, queue = [], list(messages)
    app = create_app(settings(max_attachment_bytes=0), queue=ScriptedQueue().open)
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/email/send",
        "query_string": b"",
        "headers": [(b"host", b"localhost"), *((k.encode(), v.encode()) for k, v in headers)],
        "client": ("127.0.0.1", 50_000),
    }

    async def receive():
        return queue.pop(0)

    async def send(message):
        sent.append(message)

    async def run():
        async with app.router.lifespan_context(app):
            await app(scope, receive, send)

    asyncio.run(run())
    return sent, queue


def test_a_chunked_body_over_the_limit_is_refused_as_soon_as_it_is_over():
    sent, unread = exchange([chunk(LIMIT), chunk(1), chunk(1), chunk(0, more=False)])

    assert sent[0]["status"] == 400
    assert sent[1]["body"] == NOT_JSON
    assert len(unread) == 2


def test_a_chunked_body_is_counted_whatever_length_it_announces():
    headers = [("content-length", "5"), ("transfer-encoding", "chunked")]

    sent, _ = exchange([chunk(LIMIT), chunk(1, more=False)], headers)

    assert [sent[0]["status"], sent[1]["body"]] == [400, NOT_JSON]


def test_a_chunked_body_at_the_limit_is_read_to_its_end():
    sent, unread = exchange([chunk(LIMIT - 1), chunk(1, more=False)])

    assert sent[0]["status"] == 400  # it is no JSON
    assert unread == []


@pytest.mark.parametrize("length", [str(LIMIT + 1), "9" * 4_000])
def test_an_announced_length_over_the_limit_is_refused_unread(length):
    sent, unread = exchange([chunk(1)], [("content-length", length)])

    assert [sent[0]["status"], sent[1]["body"]] == [400, NOT_JSON]
    assert len(unread) == 1


@pytest.mark.parametrize("length", ["5", "0" * 20 + "5", "0" * 30, "5, 5", "-1", "+5", ""])
def test_a_body_is_counted_whatever_it_announces(length):
    sent, unread = exchange([chunk(LIMIT), chunk(1), chunk(1)], [("content-length", length)])

    assert [sent[0]["status"], sent[1]["body"]] == [400, NOT_JSON]
    assert len(unread) == 1


def test_zeros_before_a_length_change_nothing():
    sent, unread = exchange([chunk(1)], [("content-length", "0" * 20 + str(LIMIT + 1))])

    assert [sent[0]["status"], sent[1]["body"]] == [400, NOT_JSON]
    assert len(unread) == 1


def test_a_client_that_leaves_in_the_middle_of_its_body_is_no_error():
    sent, unread = exchange([chunk(10), {"type": "http.disconnect"}])

    assert unread == []
    assert [message.get("status") for message in sent] == [400, None]


def test_a_request_is_larger_than_the_limit_by_its_attachments_only():
    file = {"filename": "a.bin", "content": "AAAA" * 75_000}
    given = {"fromEmail": "shop@example.com", "toEmail": "ada@example.org", "body": "Hello."}
    queue = ScriptedQueue()
    with local_client(create_app(settings(), queue=queue.open)) as client:
        with_file = client.post("/email/send", json={"email": given | {"attachments": [file]}})
        without = client.post("/email/send", json={"email": given | {"body": "x" * 300_000}})

    assert with_file.status_code == 200
    assert without.status_code == 400


def test_large_requests_have_a_bound_of_memory_together(monkeypatch):
    monkeypatch.setattr(limits, "MOST_LARGE_BYTES", 300_000)
    queue = ScriptedQueue()
    with local_client(create_app(settings(), queue=queue.open)) as client:
        fits = client.post("/email/send", content=b"x" * 290_000)
        too_many = client.post("/email/send", content=b"x" * 310_000)
        fits_again = client.post("/email/send", content=b"x" * 290_000)

    assert [fits.status_code, too_many.status_code, fits_again.status_code] == [400, 503, 400]
    assert "retry-after" in too_many.headers


def test_slashes_that_a_client_escapes_are_not_counted():
    file = {"filename": "a.bin", "content": "Ab//" * 75_000}
    given = {"fromEmail": "shop@example.com", "toEmail": "ada@example.org", "body": "Hello."}
    raw = json.dumps({"email": given | {"attachments": [file]}}).replace("//", "\\/\\/")
    queue = ScriptedQueue()
    with local_client(create_app(settings(), queue=queue.open)) as client:
        response = client.post("/email/send", content=raw)

    assert response.status_code == 200
    assert decode(queue.bodies[0], queue_message_id="").email.attachments[0].size == 225_000


# -- the budget of large requests -----------------------------------------------------------------


async def hold(app, headers=()):
    """A request that has a body without an end; gives a way to send parts and to leave."""
    parts, sent = asyncio.Queue(), []
    scope = {"type": "http", "headers": [(n.encode(), v.encode()) for n, v in headers]}

    async def send(message):
        sent.append(message)

    task = asyncio.create_task(app(scope, parts.get, send))
    await asyncio.sleep(0)
    return parts, sent, task


async def reading(_scope, receive, _send):
    while (await receive()).get("more_body"):
        pass


def limited(most=1_000, usual=100):
    return limits.BodyLimit(
        reading, most=most, usual=usual, refusal=answers.not_json, busy=answers.unavailable
    )


def run(scenario):
    asyncio.run(scenario())


def test_small_requests_of_unknown_length_need_no_budget(monkeypatch):
    monkeypatch.setattr(limits, "MOST_LARGE_BYTES", 0)

    async def scenario():
        parts, sent, task = await hold(limited())
        parts.put_nowait(chunk(100, more=False))
        await task
        assert sent == []

    run(scenario)


def test_a_request_of_unknown_length_is_weighed_as_it_comes_and_let_go_at_its_end(monkeypatch):
    monkeypatch.setattr(limits, "MOST_LARGE_BYTES", 500)

    async def scenario():
        app = limited()
        first, _, task = await hold(app)
        first.put_nowait(chunk(400))
        await settle()
        second, refused, other = await hold(app)
        second.put_nowait(chunk(101))
        await other
        assert refused[0]["status"] == 503
        first.put_nowait(chunk(0, more=False))
        await task
        third, sent, last = await hold(app)
        third.put_nowait(chunk(500, more=False))
        await last
        assert sent == []

    run(scenario)


def test_what_was_only_announced_takes_nothing_from_the_others(monkeypatch):
    monkeypatch.setattr(limits, "MOST_LARGE_BYTES", 500)

    async def scenario():
        app = limited()
        promises = [await hold(app, [("content-length", "400")]) for _ in range(20)]
        parts, refused, task = await hold(app, [("content-length", "500")])
        parts.put_nowait(chunk(500, more=False))
        await task
        assert refused == []
        for parts, _, task in promises:
            parts.put_nowait(chunk(0, more=False))
            await task

    run(scenario)


def test_one_that_leaves_or_is_cancelled_gives_its_budget_back(monkeypatch):
    monkeypatch.setattr(limits, "MOST_LARGE_BYTES", 500)

    async def scenario():
        app = limited()
        for _ in range(3):
            parts, sent, task = await hold(app, [("content-length", "500")])
            parts.put_nowait(chunk(500))
            await settle()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            assert sent == []

    run(scenario)
