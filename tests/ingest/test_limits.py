"""Bodies that come in chunks, too long, or not to their end."""

import asyncio

import pytest
from starlette.testclient import TestClient

from ingest import limits
from ingest.app import create_app
from tests.ingest.scripted import ScriptedQueue, settings

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
        "headers": [(name.encode(), value.encode()) for name, value in headers],
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


def test_a_client_that_leaves_in_the_middle_of_its_body_is_no_error():
    sent, unread = exchange([chunk(10), {"type": "http.disconnect"}])

    assert unread == []
    assert [message.get("status") for message in sent] == [400, None]


def test_a_request_is_larger_than_the_limit_by_its_attachments_only():
    file = {"filename": "a.bin", "content": "AAAA" * 75_000}
    given = {"fromEmail": "shop@example.com", "toEmail": "ada@example.org", "body": "Hello."}
    queue = ScriptedQueue()
    with TestClient(create_app(settings(), queue=queue.open)) as client:
        with_file = client.post("/email/send", json={"email": given | {"attachments": [file]}})
        without = client.post("/email/send", json={"email": given | {"body": "x" * 300_000}})

    assert with_file.status_code == 200
    assert without.status_code == 400


def test_large_requests_have_a_bound_of_memory_together(monkeypatch):
    monkeypatch.setattr(limits, "MOST_LARGE_BYTES", 300_000)
    queue = ScriptedQueue()
    with TestClient(create_app(settings(), queue=queue.open)) as client:
        fits = client.post("/email/send", content=b"x" * 290_000)
        too_many = client.post("/email/send", content=b"x" * 310_000)
        fits_again = client.post("/email/send", content=b"x" * 290_000)

    assert [fits.status_code, too_many.status_code, fits_again.status_code] == [400, 503, 400]
    assert "retry-after" in too_many.headers
