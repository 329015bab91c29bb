"""What the file keeps when writing to it fails for a while."""

import asyncio
import time

import pytest

from sandbox.errors import Refused
from sandbox.message import Message
from sandbox.queues import Queues
from sandbox.store import SqliteStore


def message(seq):
    return Message(seq, f"id-{seq}", "body", "md5", None, None, None, int(time.time() * 1000))


def reloaded(path):
    store = SqliteStore(path)
    queues = Queues(store)
    store.load(queues)
    store.close()
    return queues


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "queues.db")


def test_what_could_not_be_written_is_an_error_and_is_written_later(path):
    async def story():
        store = SqliteStore(path)
        queue = Queues(store).create("mail", None, 0.0)
        await store.committed()
        store._db.execute("PRAGMA query_only = ON")
        queue.send(message(1), 0.0, 0)
        with pytest.raises(Refused, match="Nothing could be kept"):
            await store.committed()
        store._db.execute("PRAGMA query_only = OFF")
        queue.send(message(2), 0.0, 0)
        await store.committed()
        store._db.close()

    asyncio.run(story())

    assert reloaded(path).get("mail").ready == 2


def test_changes_of_one_turn_of_the_loop_share_one_commit(path):
    async def story():
        store = SqliteStore(path)
        queue = Queues(store).create("mail", None, 0.0)
        await store.committed()
        statements = []
        store._db.set_trace_callback(statements.append)
        for seq in (1, 2):
            queue.send(message(seq), 0.0, 0)
        await asyncio.gather(store.committed(), store.committed())
        store.close()
        return statements

    assert asyncio.run(story()).count("COMMIT") == 1


def test_deleted_queues_and_purged_messages_are_not_kept(path):
    store = SqliteStore(path)
    queues = Queues(store)
    queues.delete(queues.create("gone", None, 0.0))
    purged = queues.create("purged", {"VisibilityTimeout": "7"}, 0.0)
    purged.send(message(1), 0.0, 0)
    purged.purge()
    store.close()

    kept = reloaded(path)

    assert [(queue.settings.name, queue.ready) for queue in kept] == [("purged", 0)]
    assert kept.get("purged").settings.visibility == 7
