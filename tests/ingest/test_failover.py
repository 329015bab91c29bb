"""How the time for one batch is shared among the queues, and what is said of failures."""

import asyncio
import logging

from gomail.errors import QueueUnavailable
from gomail.queue import Entry, Fault
from ingest.failover import Failover
from ingest.quiet import QuietLog
from ingest.rota import Rota
from ingest.verdict import Verdict
from tests.ingest import scripted
from tests.ingest.scripted import Q1, Q2, ScriptedClock, ScriptedQueue

QUEUES = [Q1, Q2, "q3", "q4"]


def failover(queue, clock, queues=(Q1, Q2)):
    log = QuietLog(logging.getLogger("ingest"), now=clock.time)

    async def pause(seconds):
        clock.move(seconds)

    return Failover(queue, Rota(queues, room=8), now=clock.time, log=log, pause=pause)


def deliver(queue, clock, *keys, queues=(Q1, Q2), seconds=5.0):
    entries = [Entry(key, "{}") for key in keys]
    return asyncio.run(failover(queue, clock, queues).deliver(entries, clock.time() + seconds))


def hangs(clock, queue):
    def script(_name, _entries):
        clock.move(queue.timeouts[-1])
        raise QueueUnavailable("timed out")

    return script


def test_a_queue_that_hangs_leaves_time_for_the_next():
    clock, queue = ScriptedClock(), ScriptedQueue()
    queue.scripts[Q1] = hangs(clock, queue)

    verdicts = deliver(queue, clock, "a")

    assert verdicts == {"a": Verdict.QUEUED}
    assert queue.timeouts == [2.5, 2.5]


def test_when_all_hang_the_verdict_comes_at_the_deadline():
    clock, queue = ScriptedClock(), ScriptedQueue()
    queue.script = hangs(clock, queue)

    verdicts = deliver(queue, clock, "a", queues=QUEUES)

    assert verdicts == {"a": Verdict.UNAVAILABLE}
    assert sum(queue.timeouts) == 5.0
    assert clock.now == 105.0


def test_with_no_time_left_no_queue_is_asked():
    clock, queue = ScriptedClock(), ScriptedQueue()

    assert deliver(queue, clock, "a", seconds=0.01) == {"a": Verdict.UNAVAILABLE}
    assert queue.calls == []


def test_only_what_a_queue_did_not_take_goes_to_the_next():
    clock, queue = ScriptedClock(), ScriptedQueue()
    queue.scripts[Q1] = lambda _queue, _entries: {
        "a": "sqs-1",
        "b": Fault("InternalError", "", permanent=False),
        "c": Fault("InvalidMessageContents", "", permanent=True),
    }

    verdicts = deliver(queue, clock, "a", "b", "c", "d")

    assert [[e.key for e in entries] for _, entries in queue.calls] == [list("abcd"), ["b", "d"]]
    assert verdicts == {
        "a": Verdict.QUEUED,
        "b": Verdict.QUEUED,
        "c": Verdict.FORBIDDEN_CHARACTERS,
        "d": Verdict.QUEUED,
    }


def test_a_queue_that_failed_is_tried_last_by_the_next_batches():
    clock, queue = ScriptedClock(), ScriptedQueue()
    queue.scripts[Q1] = scripted.refuse_all(QueueUnavailable("down"))
    batches = failover(queue, clock)

    for key in "abcd":
        asyncio.run(batches.deliver([Entry(key, "{}")], clock.time() + 5))

    assert [name for name, _ in queue.calls] == [Q1, Q2, Q2, Q2, Q2]


def test_a_dead_queue_is_named_once_every_few_seconds(caplog):
    clock, queue = ScriptedClock(), ScriptedQueue(scripted.refuse_all(QueueUnavailable("down")))
    batches = failover(queue, clock, [Q1])

    for _ in range(5):
        asyncio.run(batches.deliver([Entry("a", "{}")], clock.time() + 0.5))
    clock.move(10)
    asyncio.run(batches.deliver([Entry("a", "{}")], clock.time() + 0.5))

    first, second = caplog.messages
    assert first == f"queue {Q1} took nothing: down"
    assert second == f"queue {Q1} took nothing: down (and 4 more like it)"


def test_when_every_queue_refuses_at_once_they_are_asked_again_while_there_is_time():
    clock, queue = ScriptedClock(), ScriptedQueue()
    back_at = clock.now + 2.0

    def script(_name, entries):
        if clock.now < back_at:
            raise QueueUnavailable("throttled")
        return {entry.key: f"sqs-{entry.key}" for entry in entries}

    queue.script = script

    assert deliver(queue, clock, "a") == {"a": Verdict.QUEUED}
    assert clock.now == back_at


def test_queues_that_refuse_to_the_end_are_given_up_at_the_deadline_and_not_before():
    clock, queue = ScriptedClock(), ScriptedQueue()

    def script(_name, _entries):
        raise QueueUnavailable("throttled")

    queue.script = script

    assert deliver(queue, clock, "a") == {"a": Verdict.UNAVAILABLE}
    assert 4.4 <= clock.now - 100.0 <= 5.0
