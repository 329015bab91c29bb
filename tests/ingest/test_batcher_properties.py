"""Whatever fails: each waiter gets his own answer, nothing is sent twice but after a failure."""

import asyncio
import logging
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from gomail.errors import QueueUnavailable
from gomail.queue import BATCH, Fault
from ingest.batcher import BATCH_BYTES, Batcher
from ingest.failover import Failover
from ingest.quiet import QuietLog
from ingest.rota import Rota
from ingest.verdict import Verdict
from tests.ingest.scripted import Q1, Q2, ScriptedClock, ScriptedQueue, settle

TAKEN, PASSING, BAD, SILENT = "taken", "passing", "bad", "silent"
ENTRY = st.sampled_from([TAKEN] * 5 + [PASSING, BAD, SILENT])
CALL = st.tuples(st.integers(0, 30), st.booleans(), st.lists(ENTRY, min_size=1, max_size=10))
STEP = st.one_of(
    st.tuples(st.just("put"), st.sampled_from([10, 10, 10, 200_000, 700_000])),
    st.tuples(st.just("move"), st.sampled_from([0.001, 0.005, 0.5])),
    st.tuples(st.just("cancel"), st.integers(0, 50)),
    st.tuples(st.just("settle"), st.integers(0, 3)),
)


class Judge:
    """A queue that fails as drawn, and remembers what it said of each message."""

    def __init__(self, calls):
        self._calls = calls
        self._number = 0
        self.said = {}

    async def __call__(self, _queue, entries):
        delay, down, fates = self._calls[self._number % len(self._calls)]
        self._number += 1
        for _ in range(delay):
            await asyncio.sleep(0)
        if down:
            for entry in entries:
                self.said.setdefault(entry.key, []).append(PASSING)
            raise QueueUnavailable("down")
        return dict(self._answers(entries, fates))

    def _answers(self, entries, fates):
        for number, entry in enumerate(entries):
            fate = fates[number % len(fates)]
            self.said.setdefault(entry.key, []).append(fate)
            if fate == TAKEN:
                yield entry.key, "sqs-id"
            elif fate != SILENT:
                code = "InvalidMessageContents" if fate == BAD else "InternalError"
                yield entry.key, Fault(code, "", permanent=fate == BAD)


async def play(steps, queue):
    clock = ScriptedClock()
    log = QuietLog(logging.getLogger("silent"), now=clock.time)

    async def pause(seconds):
        clock.move(seconds)

    failover = Failover(queue, Rota([Q1, Q2], room=8), now=clock.time, log=log, pause=pause)
    batcher = Batcher(failover.deliver, clock=clock, timeout=5.0, log=log)
    waiters = {}
    for number, (what, value) in enumerate(steps):
        if what == "put":
            waiters[str(number)] = asyncio.create_task(batcher.put(str(number), "x" * value))
        elif what == "move":
            clock.move(value)
        elif what == "settle":
            for _ in range(value):
                await asyncio.sleep(0)
        elif waiters:
            list(waiters.values())[value % len(waiters)].cancel()
    for _ in range(len(steps) * 10):
        await settle()
        clock.move(0.005)
        if all(task.done() for task in waiters.values()):
            break
    await batcher.close()
    assert all(task.done() for task in waiters.values())
    return {key: task.result() for key, task in waiters.items() if not task.cancelled()}


@settings(max_examples=300, deadline=None)
@given(steps=st.lists(STEP, max_size=60), calls=st.lists(CALL, min_size=1, max_size=8))
def test_each_waiter_gets_exactly_what_became_of_his_message(steps, calls):
    judge = Judge(calls)
    queue = ScriptedQueue(judge)

    answers = asyncio.run(play(steps, queue))

    for key, verdict in answers.items():
        last = judge.said.get(key, [PASSING])[-1]
        expected = {TAKEN: Verdict.QUEUED, BAD: Verdict.FORBIDDEN_CHARACTERS}
        assert verdict == expected.get(last, Verdict.UNAVAILABLE)


@settings(max_examples=300, deadline=None)
@given(steps=st.lists(STEP, max_size=60), calls=st.lists(CALL, min_size=1, max_size=8))
def test_nothing_is_sent_again_but_after_a_failure_and_calls_keep_to_the_limits(steps, calls):
    judge = Judge(calls)
    queue = ScriptedQueue(judge)

    asyncio.run(play(steps, queue))

    for said in judge.said.values():
        assert set(said[:-1]) <= {PASSING, SILENT}
    for _, entries in queue.calls:
        assert 1 <= len(entries) <= BATCH
        assert sum(len(entry.body) for entry in entries) <= BATCH_BYTES
        assert max(Counter(entry.key for entry in entries).values()) == 1
