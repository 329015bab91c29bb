"""Scheduled emails leave in time, once, whatever fails on the way."""

import asyncio
from collections import Counter
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gomail.errors import QueueRefused, QueueUnavailable
from gomail.ledger import About, Due, LedgerUnavailable, Queued, Scheduled, Status
from gomail.ledger.sqlite import SqliteLedger
from gomail.queue import BATCH, Fault
from gomail.release import AHEAD, LEASE, PERIOD, Releaser, seconds_left

NOON = 1_767_268_800_000
HOUR = 3_600_000


class Clock:
    """Stands still unless it is moved."""

    def __init__(self):
        self.now = NOON

    def __call__(self):
        return self.now / 1000

    def move(self, ms):
        self.now += ms


class Schedule:
    """The ledger's schedule: who may have what, and for how long."""

    def __init__(self, *send_at, faults=()):
        self.waiting = {f"m-{n}": Due(f"m-{n}", at, f"body {n}") for n, at in enumerate(send_at)}
        self.leased = {}
        self.released_at = {}
        self.faults = iter(faults)

    async def due(self, until, *, now, lease, limit):
        fails(next(self.faults, None))
        found = [
            one
            for one in sorted(self.waiting.values(), key=lambda one: one.send_at)
            if one.send_at <= until and self.leased.get(one.id, 0) <= now
        ][:limit]
        self.leased |= {one.id: now + lease for one in found}
        return found

    async def released(self, ids, *, at):
        fault = next(self.faults, None)
        if fault != "lost before":
            for one in ids:
                self.waiting.pop(one, None)
                self.released_at.setdefault(one, at)
        fails(fault)


class Queues:
    """Queues that note when each message can be seen."""

    def __init__(self, clock, *, faults=(), down=()):
        self.clock = clock
        self.visible_at = {}
        self.copies = Counter()
        self.calls = []
        self.faults = iter(faults)
        self.down = down

    async def send(self, queue, entries, *, timeout):
        assert timeout > 0
        assert len(entries) <= BATCH
        self.calls.append(queue)
        if queue in self.down:
            raise QueueUnavailable("down")
        fault = next(self.faults, None)
        if fault == "lost before":
            raise QueueUnavailable("down")
        answers = {}
        for number, entry in enumerate(entries):
            if fault == "some" and number % 2:
                answers[entry.key] = Fault("InternalError", "why", permanent=False)
                continue
            self.copies[entry.key] += 1
            seen = self.clock.now + entry.delay * 1000
            self.visible_at.setdefault(entry.key, seen)
            answers[entry.key] = f"sqs-{entry.key}"
        fails(fault, QueueUnavailable)
        return answers


def fails(fault, kind=LedgerUnavailable):
    if fault in ("lost before", "lost after"):
        raise kind(fault)
    if fault == "bug":
        raise RuntimeError("bug")


class Over(Exception):
    """The scene has ended."""


def run(schedule, queues, clock, *, looks, names=("q1",)):
    """Run so many looks; the clock moves only in the pauses between them."""
    paused = []

    async def pause(seconds):
        paused.append(seconds)
        clock.move(int(seconds * 1000))
        if len(paused) >= looks:
            raise Over

    releaser = Releaser(schedule, queues, names, clock=clock, pause=pause)
    with pytest.raises(Over):
        asyncio.run(releaser.run())
    return paused


def once(schedule, queues, clock, names=("q1",)):
    return asyncio.run(Releaser(schedule, queues, names, clock=clock).once())


def test_an_email_leaves_a_minute_ahead_with_the_time_left_as_its_delay():
    clock = Clock()
    queues = Queues(clock)
    schedule = Schedule(NOON + 59_001)

    assert once(schedule, queues, clock) == 1
    assert queues.visible_at == {"m-0": NOON + 60_000}
    assert schedule.released_at == {"m-0": NOON}


def test_an_email_whose_time_is_not_near_stays():
    clock = Clock()
    queues = Queues(clock)

    assert once(Schedule(NOON + AHEAD + 1), queues, clock) == 0
    assert queues.calls == []


@given(st.integers(-HOUR, AHEAD))
def test_the_delay_is_never_early_and_less_than_a_second_late(ahead):
    left = seconds_left(Due("m", NOON + ahead, ""), NOON) * 1000

    assert left >= 0
    assert max(0, ahead) <= left < max(0, ahead) + 1000


TIMES = st.lists(st.integers(NOON - HOUR, NOON + 180_000), max_size=35)


@given(TIMES)
def test_all_leave_in_time_and_once_when_nothing_fails(times):
    clock = Clock()
    queues = Queues(clock)
    schedule = Schedule(*times)

    run(schedule, queues, clock, looks=25)

    assert not schedule.waiting
    assert queues.copies == {f"m-{n}": 1 for n in range(len(times))}
    for number, at in enumerate(times):
        seen = queues.visible_at[f"m-{number}"]
        assert seen >= at
        assert seen - max(at, NOON) < 1000


FAULTS = st.lists(st.sampled_from([None, "lost before", "lost after", "bug"]), max_size=25)


@given(
    TIMES,
    FAULTS,
    st.lists(st.sampled_from([None, "lost before", "lost after", "bug", "some"]), max_size=25),
)
def test_none_is_lost_or_early_whatever_fails(times, ledger_faults, queue_faults):
    clock = Clock()
    queues = Queues(clock, faults=queue_faults)
    schedule = Schedule(*times, faults=ledger_faults)

    run(schedule, queues, clock, looks=400)

    assert not schedule.waiting
    assert queues.copies.keys() == {f"m-{n}" for n in range(len(times))}
    assert all(queues.visible_at[f"m-{n}"] >= at for n, at in enumerate(times))


@given(TIMES, st.integers(2, 4))
def test_processes_side_by_side_release_each_email_once(times, processes):
    clock = Clock()
    queues = Queues(clock)
    schedule = Schedule(*times)

    async def scene():
        releasers = [Releaser(schedule, queues, ["q1"], clock=clock) for _ in range(processes)]
        for _ in range(25):
            while any(await asyncio.gather(*(one.once() for one in releasers))):
                pass
            clock.move(10_000)

    asyncio.run(scene())

    assert queues.copies == {f"m-{n}": 1 for n in range(len(times))}


def test_a_process_that_dies_after_the_queue_s_answer_leaves_one_copy_more():
    clock = Clock()
    queues = Queues(clock)
    schedule = Schedule(NOON, faults=[None, "lost before"])
    with pytest.raises(LedgerUnavailable):
        once(schedule, queues, clock)

    assert once(schedule, queues, clock) == 0
    clock.move(LEASE)
    assert once(schedule, queues, clock) == 1
    assert queues.copies == {"m-0": 2}


def test_what_could_not_be_noted_is_noted_at_the_next_look_and_makes_no_copy():
    clock = Clock()
    queues = Queues(clock)
    schedule = Schedule(NOON, faults=[None, "lost before"])

    run(schedule, queues, clock, looks=20)

    assert queues.copies == {"m-0": 1}
    assert schedule.released_at == {"m-0": NOON}


def test_full_batches_follow_each_other_without_a_pause():
    clock = Clock()
    queues = Queues(clock)

    paused = run(Schedule(*[NOON] * 35), queues, clock, looks=1)

    assert len(queues.calls) == 4
    assert PERIOD * 0.8 <= paused[0] <= PERIOD * 1.2


def test_queues_are_taken_in_turn():
    clock = Clock()
    queues = Queues(clock)

    run(Schedule(*[NOON] * 40), queues, clock, looks=1, names=("q1", "q2"))

    assert Counter(queues.calls) == {"q1": 2, "q2": 2}


@pytest.mark.parametrize("first", range(2))
def test_where_one_queue_fails_the_next_is_tried(first, monkeypatch):
    monkeypatch.setattr("gomail.release.random.randrange", lambda _: first)
    clock = Clock()
    queues = Queues(clock, down={"q1"})

    assert once(Schedule(NOON), queues, clock, names=("q1", "q2")) == 1
    assert queues.copies == {"m-0": 1}
    assert queues.calls[-1] == "q2"


def test_where_all_queues_fail_it_waits_and_says_so(caplog):
    clock = Clock()
    queues = Queues(clock, down={"q1", "q2"})
    schedule = Schedule(*[NOON] * 10)

    paused = run(schedule, queues, clock, looks=3, names=("q1", "q2"))

    assert len(paused) == 3
    assert len(schedule.waiting) == 10
    assert caplog.messages == ["scheduled emails wait: down"]


def test_a_refusing_queue_does_not_end_it():
    clock = Clock()
    queues = Queues(clock)
    schedule = Schedule(NOON)
    send, calls = queues.send, count()

    async def refusing(queue, entries, *, timeout):
        if next(calls) == 0:
            raise QueueRefused("no such queue")
        return await send(queue, entries, timeout=timeout)

    queues.send = refusing
    run(schedule, queues, clock, looks=20)

    assert queues.copies == {"m-0": 1}


def test_no_send_begins_when_the_lease_is_nearly_over():
    clock = Clock()
    queues = Queues(clock)
    schedule = Schedule(NOON)
    due = schedule.due

    async def slow(until, **given):
        taken = await due(until, **given)
        clock.move(LEASE - 5_000)
        return taken

    schedule.due = slow
    with pytest.raises(QueueUnavailable):
        once(schedule, queues, clock)

    assert queues.calls == []
    assert schedule.waiting


def test_what_the_queue_refuses_of_a_batch_stays_and_is_named_in_one_line(caplog):
    clock = Clock()
    queues = Queues(clock, faults=["some"])
    schedule = Schedule(NOON, NOON, NOON)

    assert once(schedule, queues, clock) == 3

    assert list(schedule.waiting) == ["m-1"]
    assert caplog.messages == [
        "scheduled emails wait: 1 not queued, m-1 among them (InternalError: why)"
    ]


def test_what_one_queue_refuses_the_next_one_is_offered():
    clock = Clock()
    queues = Queues(clock, faults=["some"])
    schedule = Schedule(NOON, NOON, NOON)

    once(schedule, queues, clock, names=("q1", "q2"))

    assert not schedule.waiting
    assert queues.copies == {"m-0": 1, "m-1": 1, "m-2": 1}


def test_several_processes_over_one_file_release_every_email_once(tmp_path):
    clock = Clock()
    queues = Queues(clock)
    times = [NOON + number * 500 for number in range(200)]

    async def scene():
        ledgers = [SqliteLedger(tmp_path / "ledger.db") for _ in range(3)]
        emails = [
            Queued(f"m-{n}", NOON, "a@example.org", "b@example.org", About(send_at=at))
            for n, at in enumerate(times)
        ]
        await ledgers[0].schedule([Scheduled(one, f"body of {one.id}") for one in emails])
        releasers = [Releaser(ledger, queues, ["q1"], clock=clock) for ledger in ledgers]
        for _ in range(12):
            while any(await asyncio.gather(*(one.once() for one in releasers))):
                pass
            clock.move(10_000)
        last = await ledgers[0].email("m-199")
        for ledger in ledgers:
            await ledger.close()
        return last

    last = asyncio.run(scene())

    assert last.status is Status.SCHEDULED  # until it is sent
    assert queues.copies == {f"m-{n}": 1 for n in range(200)}
    assert all(0 <= queues.visible_at[f"m-{n}"] - at < 1000 for n, at in enumerate(times))
