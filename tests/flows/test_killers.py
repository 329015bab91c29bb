"""An email that ends the process that sends it: it is buried, and nothing that was beside it is."""

import pytest

import flows.settle
from flows import quarantine
from flows.scribe import Scribe
from gomail.ledger import KILLER, SUSPECT
from tests.builders import outcome
from tests.flows.fake_ledger import Silent
from tests.flows.fakes import HangForEver, accepting
from tests.flows.running import ONE, World, dispatching, settings
from tests.ledger.notes import intent, recorded

pytestmark = pytest.mark.timeout(60)

A_MINUTE = 60_000
"""Milliseconds: how long a process is gone when its messages show again."""
SOON = 15_000
"""The same where they are hidden for as short as a send and its settlement may take."""


class Clock:
    """What the ledger is told; it moves when a process has died."""

    now = 1_900_000_000_000


@pytest.fixture
def clock(monkeypatch):
    moved = Clock()
    monkeypatch.setattr(Scribe, "_now", lambda _: moved.now)
    return moved


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    monkeypatch.setattr(quarantine, "LOOK", 0.002)
    monkeypatch.setattr(flows.settle, "DELETE_LINGER", 0.0)


def both(world, script):
    world.ses.script = world.sendgrid.script = script


def next_process(world):
    """What is around a process that is started in place of one that died."""
    return World(queue=world.queue, ledger=world.ledger)


def have_begun(world, ids):
    return lambda: set(ids) <= set(world.calls)


def dies(world, clock, *, when, gap):
    """A process works until then and is gone; some ms later what it held shows again."""
    with dispatching(world) as dispatch:
        dispatch.until(when)
        dispatch.processes[0].die()
    clock.now += gap
    world.queue.begin_polls()
    for held in world.queue.on(ONE):
        world.queue.show(ONE, held.id)


def have_ended(ledger, clock, ids, *, times):
    """So many processes were ended while these were in their hands."""
    for number in range(times):
        owner = f"dead-{number}"
        batch = [
            intent(id_, at=clock.now, owner=owner, receive_count=number + 1, alone=True)
            for id_ in ids
        ]
        ledger.read(lambda file, batch=batch: file.intend(batch))
        clock.now += A_MINUTE


@pytest.mark.parametrize(
    ("gap", "times"), [(A_MINUTE, 1), (SOON, 3)], ids=["a minute apart", "in quick succession"]
)
def test_of_fifty_the_one_that_ends_its_processes_is_buried_and_all_others_are_sent(
    world, ledger, clock, gap, times
):
    killer = "m-17"
    ids = world.mail(20, queues=[ONE])
    for _ in range(SUSPECT):  # it ends the process when all have begun and none is answered
        both(world, lambda _: HangForEver())
        dies(world, clock, when=have_begun(world, ids), gap=gap)
        world = next_process(world)
    ids += world.mail(30, first=20, queues=[ONE])
    sent = []
    for _ in range(times):  # whether the first processes are gone is not certain before a while
        both(world, lambda one: HangForEver() if one.id == killer else outcome("accepted"))
        world.ses.latency = world.sendgrid.latency = 0.03  # whoever is beside it has no answer
        dies(world, clock, when=have_begun(world, [killer]), gap=gap)
        sent += world.accepted
        world = next_process(world)

    clock.now += A_MINUTE
    with dispatching(world) as dispatch:
        dispatch.until_settled()

    assert set(sent + world.accepted) == set(ids) - {killer}
    assert [held.attributes["gomailId"] for held in world.dead] == [killer]
    assert len(ledger.record_of(killer).attempts) == SUSPECT + times


def test_a_killer_ends_as_failed_and_its_record_says_why(world, ledger, clock):
    (killer,) = world.mail(1, queues=[ONE])
    have_ended(ledger, clock, [killer], times=KILLER)

    with dispatching(world) as dispatch:
        dispatch.until_settled()

    assert world.calls == []
    [held] = world.dead
    assert held.attributes["code"] == "crash"
    assert held.attributes["reason"] == "it ended the process that sent it three times"
    record = ledger.record_of(killer)
    assert (record.status, record.code) == ("failed", "crash")
    assert record.detail == ("it ended the process that sent it three times: it may have been sent")


def test_suspects_are_sent_one_after_the_other_and_others_do_not_wait_for_them(
    world, ledger, clock
):
    suspects = world.mail(5, queues=[ONE])
    have_ended(ledger, clock, suspects, times=SUSPECT)
    others = world.mail(10, first=5, queues=[ONE])
    for provider in world.providers.values():
        provider.hold()

    with dispatching(world) as dispatch:
        dispatch.until(lambda: set(others) < set(world.calls))
        begun = set(suspects) & set(world.calls)
        for provider in world.providers.values():
            provider.release()
        dispatch.until_settled()

    assert len(begun) == 1
    assert sorted(world.accepted) == sorted([*suspects, *others])
    assert all(ledger.history(id_) == ("sent", [None, None, "accepted"]) for id_ in suspects)


def test_the_next_suspect_begins_once_the_ledger_knows_what_became_of_the_last(
    world, ledger, clock
):
    suspects = world.mail(3, queues=[ONE])
    have_ended(ledger, clock, suspects, times=SUSPECT)
    known = []

    def look(one):
        known.append(len(ledger.told_ids("sent")))
        return accepting(one)

    both(world, look)
    with dispatching(world) as dispatch:
        dispatch.until_settled()

    assert known == [0, 1, 2]


def test_a_suspect_does_not_begin_while_the_ledger_misses_an_outcome(world, ledger, clock):
    world.mail(1, queues=[ONE])
    have_ended(ledger, clock, ["m-1"], times=SUSPECT)
    with dispatching(world) as dispatch:
        dispatch.until_settled()
        dispatch.parts.scribe._late.put([recorded("late")])
        world.mail(1, first=1, queues=[ONE])
        dispatch.until(lambda: dispatch.parts.courier._quarantine._waiting)
        assert "m-1" not in world.calls

        dispatch.parts.scribe._late.drop(1)
        dispatch.until_settled()

    assert "m-1" in world.accepted


def test_a_suspect_is_not_sent_without_the_ledger_s_answer(world, ledger, clock):
    (suspect,) = world.mail(1, queues=[ONE])
    have_ended(ledger, clock, [suspect], times=SUSPECT)
    ledger.script("intend", None, Silent())

    with dispatching(world, given=settings(patience=0.3)) as dispatch:
        dispatch.until(lambda: world.queue.hidden)
        assert world.calls == []
        ledger.release()
        dispatch.until_settled()

    assert world.accepted == [suspect]


def test_suspects_that_wait_are_given_back_when_the_process_ends(world, ledger, clock):
    suspects = world.mail(3, queues=[ONE])
    have_ended(ledger, clock, suspects, times=SUSPECT)
    for provider in world.providers.values():
        provider.hold()

    with dispatching(world) as dispatch:
        dispatch.until(lambda: len(dispatch.parts.courier._quarantine._waiting) == 2)
        dispatch.ask_to_stop()
        dispatch.until(lambda: len(world.queue.hidden) >= 2)
        for provider in world.providers.values():
            provider.release()
        dispatch.end()

    assert {delay for _, delay in world.queue.hidden} == {0}
    assert (len(world.calls), world.left) == (1, 2)


def test_what_was_only_beside_a_killer_twice_and_is_then_sent_is_suspect_no_more(
    world, ledger, clock
):
    """Sent is sent: a copy of it is deleted."""
    (suspect,) = world.mail(1, queues=[ONE])
    have_ended(ledger, clock, [suspect], times=SUSPECT)
    with dispatching(world) as dispatch:
        dispatch.until_settled()
    world.mail(1, queues=[ONE])
    world.queue.begin_polls()

    after = next_process(world)
    with dispatching(after) as dispatch:
        dispatch.until_settled()

    assert (world.accepted, after.calls, after.dead) == ([suspect], [], [])
