"""A batch that takes long is done in parts, between which others are served."""

import asyncio
import json
import math

import pytest

from ingest import batch, turns
from ingest.app import create_app
from ingest.judging import Judge
from tests.ingest.scripted import FIELDS, ScriptedQueue, settings


def posted(emails, note):
    """Post a batch while somebody else notes each turn of theirs."""
    body = json.dumps({"emails": emails}).encode()
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/email/batch",
        "query_string": b"",
        "headers": [(b"host", b"localhost")],
        "client": ("127.0.0.1", 50_000),
    }

    async def receive():
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(_message):
        pass

    async def others():
        while True:
            note("others")
            await asyncio.sleep(0)

    async def scene():
        app = create_app(settings(), queue=ScriptedQueue().open)
        async with app.router.lifespan_context(app):
            waiting = asyncio.create_task(others())
            await app(scope, receive, send)
            waiting.cancel()

    asyncio.run(scene())


@pytest.fixture
def seen(monkeypatch):
    """What was done in which order: emails judged and made ready, and the turns of others."""
    done = []
    judge, prepare = Judge.item, batch.prepared

    def judging(*values, **named):
        done.append("judged")
        return judge(*values, **named)

    def preparing(*values):
        done.append("prepared")
        return prepare(*values)

    monkeypatch.setattr(Judge, "item", judging)
    monkeypatch.setattr(batch, "prepared", preparing)
    return done


def test_others_get_their_turn_between_the_emails_of_a_batch_that_takes_long(monkeypatch, seen):
    monkeypatch.setattr(turns, "AT_A_TIME", -1)

    posted([FIELDS] * 3, seen.append)

    start, end = seen.index("judged"), len(seen) - seen[::-1].index("prepared")
    assert seen[start:end] == [
        *("judged", "others", "judged", "others", "judged", "others"),
        *("prepared", "others", "prepared", "others", "prepared"),
    ]


def test_a_batch_that_takes_no_time_is_done_in_one_go(monkeypatch, seen):
    monkeypatch.setattr(turns, "AT_A_TIME", math.inf)

    posted([FIELDS] * 3, seen.append)

    start = seen.index("judged")
    assert seen[start : start + 6] == ["judged"] * 3 + ["prepared"] * 3


def test_the_work_before_the_first_part_counts(monkeypatch):
    monkeypatch.setattr(turns, "AT_A_TIME", 10)
    clock = iter([111, 200, 210])  # at "a", after the others' turn, at "b"
    monkeypatch.setattr(turns, "monotonic", lambda: next(clock))
    done = []

    async def others():
        done.append("others")

    async def scene():
        waiting = asyncio.create_task(others())
        done.extend([part async for part in turns.by_turns("ab", since=100)])
        await waiting

    asyncio.run(scene())

    assert done == ["others", "a", "b"]
