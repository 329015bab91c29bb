"""When messages leave: at once if nothing is in flight, else ten together or soon after."""

import asyncio
import logging

import pytest

from ingest import batcher as batching
from ingest.batcher import Batcher
from ingest.quiet import QuietLog
from ingest.verdict import Verdict
from tests.ingest.scripted import ScriptedClock, settle

# The first leaves alone, all others by ten.
FILLS_ALL_PLACES = 1 + (batching.MOST_IN_FLIGHT - 1) * batching.BATCH


class HeldBatches:
    """Holds each batch until the test lets it go."""

    def __init__(self):
        self.batches = []
        self.deadlines = []
        self._answers = []

    async def deliver(self, entries, deadline):
        self.batches.append([entry.key for entry in entries])
        self.deadlines.append(deadline)
        answer = asyncio.get_running_loop().create_future()
        self._answers.append(answer)
        return await answer

    def answer(self, number, **verdicts):
        keys = self.batches[number]
        self._answers[number].set_result(dict.fromkeys(keys, Verdict.QUEUED) | verdicts)

    def fail(self, number, error):
        self._answers[number].set_exception(error)


class Desk:
    """A batcher whose batches are held and whose time stands still."""

    def __init__(self):
        self.held = HeldBatches()
        self.clock = ScriptedClock()
        log = QuietLog(logging.getLogger("ingest"), now=self.clock.time)
        self.batcher = Batcher(self.held.deliver, clock=self.clock, timeout=5.0, log=log)

    async def put(self, *keys, body="{}"):
        tasks = [asyncio.create_task(self.batcher.put(key, body)) for key in keys]
        await settle()
        return tasks


def run(scenario):
    async def scene():
        await scenario(Desk())

    asyncio.run(scene())


def names(count):
    return [f"m{number}" for number in range(count)]


def test_a_lone_message_leaves_at_once():
    async def scenario(desk):
        await desk.put("a")

        assert desk.held.batches == [["a"]]
        assert desk.held.deadlines == [105.0]

    run(scenario)


def test_ten_that_wait_leave_together():
    async def scenario(desk):
        await desk.put("a")
        await desk.put(*names(9))
        assert desk.held.batches == [["a"]]

        await desk.put("last")

        assert desk.held.batches == [["a"], [*names(9), "last"]]

    run(scenario)


def test_those_that_wait_leave_when_the_last_batch_returns():
    async def scenario(desk):
        await desk.put("a")
        await desk.put("b", "c")

        desk.held.answer(0)
        await settle()

        assert desk.held.batches == [["a"], ["b", "c"]]

    run(scenario)


def test_few_that_wait_do_not_leave_while_another_batch_is_in_flight():
    async def scenario(desk):
        await desk.put("a")
        await desk.put(*names(10))
        await desk.put("b", "c")

        desk.held.answer(0)
        await settle()
        assert desk.held.batches == [["a"], names(10)]

        desk.held.answer(1)
        await settle()
        assert desk.held.batches[2:] == [["b", "c"]]

    run(scenario)


def test_the_oldest_waits_five_milliseconds_at_most():
    async def scenario(desk):
        await desk.put("a")
        await desk.put("b")
        desk.clock.move(0.003)
        await desk.put("c")
        assert desk.held.batches == [["a"]]

        desk.clock.move(0.002)
        await settle()

        assert desk.held.batches == [["a"], ["b", "c"]]

    run(scenario)


def test_at_most_sixteen_batches_are_in_flight():
    async def scenario(desk):
        await desk.put(*names(400))
        desk.clock.move(1)
        await settle()
        assert len(desk.held.batches) == batching.MOST_IN_FLIGHT

        desk.held.answer(3)
        await settle()

        assert len(desk.held.batches) == batching.MOST_IN_FLIGHT + 1

    run(scenario)


def test_a_batch_stays_under_a_mebibyte():
    async def scenario(desk):
        await desk.put("a")
        await desk.put(*names(6), body="x" * 300_000)
        for number in range(3):
            desk.held.answer(number)
            await settle()

        assert desk.held.batches == [["a"], ["m0", "m1", "m2"], ["m3", "m4", "m5"]]

    run(scenario)


def test_each_is_answered_by_its_own_verdict():
    async def scenario(desk):
        (first,) = await desk.put("first")
        a, b, c = await desk.put("a", "b", "c")
        desk.held.answer(0)
        await settle()
        desk.held.answer(1, b=Verdict.TOO_LARGE, c=Verdict.UNAVAILABLE)

        assert await first == await a == Verdict.QUEUED
        assert await b == Verdict.TOO_LARGE
        assert await c == Verdict.UNAVAILABLE

    run(scenario)


def test_a_cancelled_request_keeps_back_neither_its_batch_nor_the_next():
    async def scenario(desk):
        (first,) = await desk.put("first")
        a, b, c = await desk.put("a", "b", "c")
        first.cancel()
        b.cancel()
        await settle()

        desk.held.answer(0)
        await settle()
        desk.held.answer(1)

        assert await a == await c == Verdict.QUEUED
        assert desk.held.batches == [["first"], ["a", "c"]]
        assert first.cancelled()

    run(scenario)


def test_a_request_cancelled_in_flight_leaves_the_others_their_answers():
    async def scenario(desk):
        await desk.put("first")
        a, b = await desk.put("a", "b")
        desk.held.answer(0)
        await settle()
        a.cancel()
        await settle()

        desk.held.answer(1)

        assert await b == Verdict.QUEUED

    run(scenario)


def test_a_batch_that_ends_by_a_bug_tells_its_waiters(caplog):
    async def scenario(desk):
        (first,) = await desk.put("a")
        (second,) = await desk.put("b")
        desk.held.fail(0, RuntimeError("bug"))
        await settle()
        desk.held.answer(1)

        assert await first == Verdict.UNAVAILABLE
        assert await second == Verdict.QUEUED

    run(scenario)
    assert "1 messages are without verdicts: RuntimeError" in caplog.text


def test_who_waited_out_his_time_is_told_so_and_not_sent():
    async def scenario(desk):
        await desk.put(*names(FILLS_ALL_PLACES))
        late = await desk.put("late")
        desk.clock.move(5.0)

        desk.held.answer(0)
        await settle()

        assert await late[0] == Verdict.UNAVAILABLE
        assert ["late"] not in desk.held.batches

    run(scenario)


@pytest.mark.parametrize(("count", "body"), [(batching.MOST_WAITING, "{}"), (64, "x" * 1_048_576)])
def test_beyond_what_may_wait_the_answer_comes_at_once(count, body):
    async def scenario(desk):
        await desk.put(*(f"f{n}" for n in range(FILLS_ALL_PLACES)))
        desk.clock.move(1)
        await settle()
        waiting = await desk.put(*names(count), body=body)

        (refused,) = await desk.put("one too many", body=body)

        assert await refused == Verdict.UNAVAILABLE
        assert not any(task.done() for task in waiting)

    run(scenario)


def test_a_message_that_fits_into_no_call_is_too_large():
    async def scenario(desk):
        (task,) = await desk.put("a", body="x" * (batching.BATCH_BYTES + 1))

        assert await task == Verdict.TOO_LARGE
        assert desk.held.batches == []

    run(scenario)


def test_closing_waits_for_what_is_under_way():
    async def scenario(desk):
        a, b = [*await desk.put("a"), *await desk.put("b")]
        closing = asyncio.create_task(desk.batcher.close())
        await settle()
        assert not closing.done()

        desk.held.answer(0)
        await settle()
        desk.held.answer(1)
        await closing

        assert await a == await b == Verdict.QUEUED

    run(scenario)
