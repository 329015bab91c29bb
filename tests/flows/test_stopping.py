"""How the dataflow ends: begun sends are waited for, the rest goes back, within bounds."""

from threading import Event

import pytest

from flows.receive import LetterSource
from gomail.queue import Fault
from tests.builders import outcome
from tests.flows.fakes import HangForEver, answering
from tests.flows.running import ONE, TWO, dispatching, one_worker, settings, two_processes

pytestmark = pytest.mark.timeout(60)


def test_an_idle_flow_ends_as_soon_as_its_long_polls_do(world, by):
    with dispatching(world, by=by) as dispatch:
        dispatch.until(lambda: world.queue.open_polls == 2)

        assert dispatch.end() < 1.5


def test_a_flow_that_is_asked_to_stop_before_it_reads_ends_without_reading(world, monkeypatch):
    may_read, open_reader = Event(), LetterSource.build_part

    def later(*args):
        may_read.wait()
        return open_reader(*args)

    monkeypatch.setattr(LetterSource, "build_part", later)
    with dispatching(world) as dispatch:
        ids = world.mail(2)
        dispatch.ask_to_stop()
        may_read.set()
        dispatch.wait_for_end()

    assert (world.calls, world.left) == ([], len(ids))


def test_long_polls_that_stay_open_are_closed_after_two_seconds(world):
    with dispatching(world) as dispatch:
        dispatch.until(lambda: world.queue.open_polls == 2)
        dispatch.ask_to_stop()

        assert 1.9 < dispatch.wait_for_end() < 3.5
        assert world.queue.closed_polls == 2
        assert world.queue.open_polls == 0


def test_what_an_open_long_poll_brings_while_it_stops_goes_back_at_once(world):
    with dispatching(world) as dispatch:
        dispatch.until(lambda: world.queue.open_polls == 2)
        dispatch.ask_to_stop()
        world.mail(4)
        dispatch.wait_for_end()

    assert world.calls == []
    assert {delay for _, delay in world.queue.hidden} == {0}
    assert world.queue.visible(ONE) + world.queue.visible(TWO) == 4


def test_begun_sends_are_waited_for_and_settled(world, by):
    for provider in (world.ses, world.sendgrid):
        provider.hold()
    ids = world.mail(12)

    with dispatching(world, by=by) as dispatch:
        dispatch.until(lambda: len(world.calls) == 12)
        dispatch.ask_to_stop()
        world.queue.end_polls()
        # All that can end has ended by now but for the sends.
        dispatch.until(lambda: world.queue.open_polls == 0)
        assert not any(process.ended for process in dispatch.processes)
        assert world.queue.hidden == []
        for provider in (world.ses, world.sendgrid):
            provider.release()
        dispatch.wait_for_end()
        assert all(process.has_all_given_back() for process in dispatch.processes)

    assert sorted(world.accepted) == sorted(ids)
    assert world.left == 0


def test_a_delete_that_fails_while_it_stops_is_repeated_before_the_end(world):
    world.queue.script("delete", *[Fault("InternalError", "not now", permanent=False)] * 3)
    for provider in (world.ses, world.sendgrid):
        provider.hold()
    world.mail(1)

    with dispatching(world) as dispatch:
        dispatch.until(lambda: len(world.calls) == 1)
        dispatch.ask_to_stop()
        for provider in (world.ses, world.sendgrid):
            provider.release()
        dispatch.end()

    assert world.left == 0


def test_a_send_that_fails_while_it_stops_goes_back_to_its_queue(world):
    for provider in (world.ses, world.sendgrid):
        provider.hold()
        provider.script = answering("failed", code="503")
    world.mail(4)

    with dispatching(world) as dispatch:
        dispatch.until(lambda: len(world.calls) == 4)
        dispatch.ask_to_stop()
        for provider in (world.ses, world.sendgrid):
            provider.release()
        dispatch.end()

    assert len(world.queue.hidden) == 4
    assert world.left == 4
    assert len(world.calls) == 4


def test_what_was_received_and_not_begun_goes_back_at_once(world):
    entered, let_go = Event(), Event()

    def hold_the_worker(_):
        entered.set()
        let_go.wait(10)

    world.ses.unable = hold_the_worker
    world.mail(10, queues=[ONE])

    with dispatching(world, by=one_worker()) as dispatch:
        dispatch.until(entered.is_set)
        world.mail(10, first=10, queues=[ONE])
        dispatch.until(lambda: sum(world.queue.received.values()) == 20)
        dispatch.ask_to_stop()
        dispatch.until(lambda: len(world.queue.hidden) == 10)
        let_go.set()
        dispatch.end()

    assert {delay for _, delay in world.queue.hidden} == {0}
    assert len(world.accepted) == 10
    assert world.left == world.queue.visible(ONE) == 10


@pytest.mark.parametrize("by", [one_worker(), two_processes()], ids=["one_worker", "two_processes"])
def test_the_drain_timeout_ends_a_flow_whose_send_hangs_for_ever(world, by):
    world.ses.script = lambda _: HangForEver()
    ids = world.mail(4)
    given = settings(send_timeout=0.2, drain_timeout=2.2)

    with dispatching(world, by=by, given=given) as dispatch:
        dispatch.until(lambda: len(world.calls) == 4)
        dispatch.until(lambda: world.left == len(world.ses.calls))

        assert 2.0 < dispatch.end() < 4.0

    assert sorted(world.sendgrid.accepted + world.ses.calls) == ids
    assert world.left == len(world.ses.calls) > 0


def test_a_second_process_takes_over_what_the_first_gave_back(world):
    for provider in (world.ses, world.sendgrid):
        provider.script = answering("failed", code="503")
    ids = world.mail(6)
    with dispatching(world) as dispatch:
        dispatch.until(lambda: len(world.calls) >= 6)

    for provider in (world.ses, world.sendgrid):
        provider.script = lambda _: outcome("accepted")
    world.queue.begin_polls()
    with dispatching(world) as dispatch:
        dispatch.until_settled()

    assert sorted(world.accepted) == ids
