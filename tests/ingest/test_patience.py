"""Bodies that trickle in are not waited for; all others are."""

import asyncio
import json

import pytest

from gomail import keys_file
from gomail.keys import Key, Scope
from ingest import answers, patience
from ingest.app import create_app
from tests.ingest.scripted import ScriptedQueue, email, settings
from tests.ingest.serving import serving

BODY = json.dumps(email()).encode()
HEAD = "POST /email/send HTTP/1.1\r\nHost: localhost\r\n"


@pytest.fixture
def queue():
    return ScriptedQueue()


def told(queue, *parts, apart=0.0, until=b"", **ingest):
    """All that is answered to a request whose parts come so many seconds apart, or until this."""

    async def scene():
        app = create_app(settings(**ingest), queue=queue.open)
        async with serving(app) as port, asyncio.timeout(10):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            for part in parts:
                writer.write(part)
                await asyncio.sleep(apart)
            if until:
                answer = await reader.readuntil(until)
            else:
                answer = await reader.read()  # to its end: the server closes the connection
            writer.close()
        return answer

    return asyncio.run(scene())


@pytest.mark.parametrize(
    ("framing", "part"),
    [("Content-Length: 1000", BODY), ("Transfer-Encoding: chunked", b'4\r\n{"em\r\n')],
)
def test_who_stops_in_the_middle_of_a_body_is_told_so_and_let_go(queue, monkeypatch, framing, part):
    monkeypatch.setattr(patience, "GRACE", 0.05)

    answer = told(queue, f"{HEAD}{framing}\r\n\r\n".encode(), part)

    assert answer.startswith(b"HTTP/1.1 408 ")
    assert json.loads(answer.split(b"\r\n\r\n")[1]) == {"errors": {"base": answers.TOO_SLOW}}
    assert queue.calls == []


def test_a_body_that_keeps_coming_is_read_to_its_end(queue, monkeypatch):
    monkeypatch.setattr(patience, "GRACE", 0.01)
    monkeypatch.setattr(patience, "LEAST_RATE", 1)  # a second more for each byte that came
    head = f"{HEAD}Connection: close\r\nContent-Length: {len(BODY)}\r\n\r\n".encode()

    answer = told(queue, head + BODY[:20], BODY[20:40], BODY[40:], apart=0.02)

    assert answer.startswith(b"HTTP/1.1 200 ")
    assert len(queue.bodies) == 1


def test_once_a_body_is_there_an_answer_may_take_its_time(queue, monkeypatch):
    monkeypatch.setattr(patience, "GRACE", 0.01)

    async def late(entries):
        await asyncio.sleep(0.05)
        return {entry.key: "sqs" for entry in entries}

    queue.script = lambda _queue, entries: late(entries)
    head = f"{HEAD}Connection: close\r\nContent-Length: {len(BODY)}\r\n\r\n".encode()

    assert told(queue, head + BODY).startswith(b"HTTP/1.1 200 ")


@pytest.fixture
def bearer(tmp_path):
    """A file of keys, and the header of its key."""
    path = tmp_path / "keys.json"
    _, secret = keys_file.create(Key("", "shop", "", frozenset({Scope.SEND})), path)
    return {"keys_file": str(path)}, f"Authorization: Bearer {secret}\r\n"


def test_whoever_has_a_key_is_not_waited_for_longer(queue, monkeypatch, bearer):
    monkeypatch.setattr(patience, "GRACE", 0.05)
    keys, header = bearer

    answer = told(queue, f"{HEAD}{header}Content-Length: 1000\r\n\r\n".encode(), BODY, **keys)

    assert answer.startswith(b"HTTP/1.1 408 ")


def test_whoever_has_none_is_told_so_before_the_body_is_there(queue, bearer):
    keys, _ = bearer
    head = f"{HEAD}Content-Length: 1000\r\n\r\n".encode()

    answer = told(queue, head, until=b"}}", **keys)

    assert answer.startswith(b"HTTP/1.1 401 ")
