"""The whole dataflow over a queue and providers in memory: each message reaches one provider."""

from collections import Counter

import pytest

from gomail.errors import QueueUnavailable
from tests.builders import outcome
from tests.flows.fakes import FakeProvider, answering, in_turn
from tests.flows.running import (
    ONE,
    TWO,
    World,
    dispatching,
    one_worker,
    settings,
    two_processes,
    two_workers,
)

pytestmark = pytest.mark.timeout(60)


def test_every_message_is_accepted_once_and_deleted(world, by):
    ids = world.mail(200)

    with dispatching(world, by=by) as dispatch:
        dispatch.until_settled()

    assert sorted(world.calls) == sorted(ids)
    assert sorted(world.accepted) == sorted(ids)
    assert world.dead == []


def test_both_providers_get_their_share(world, by):
    with dispatching(world, by=by) as dispatch:
        for first in range(0, 60, 6):  # no more at once than there is room for
            world.mail(6, first=first)
            dispatch.until_settled()

    # Each worker shares out evenly for itself.
    assert abs(len(world.ses.accepted) - len(world.sendgrid.accepted)) <= 2


def test_mail_that_comes_later_is_sent_too(world, by):
    with dispatching(world, by=by) as dispatch:
        first = world.mail(3)
        dispatch.until_settled()
        second = world.mail(3, first=3)
        dispatch.until_settled()

    assert sorted(world.accepted) == first + second


def test_a_failing_provider_is_left_and_its_mail_goes_to_the_other(world, by):
    world.ses.script = answering("failed", code="500")
    ids = world.mail(400)

    with dispatching(world, by=by, given=settings(health={"probe_interval": 30})) as dispatch:
        dispatch.until_settled()

    assert sorted(world.sendgrid.accepted) == sorted(ids)
    # Its two rooms of sixteen, and what was on its way when the third round closed.
    assert len(world.ses.calls) < 100


def test_a_provider_that_fails_in_one_process_of_a_cluster_is_left_by_both():
    here = World()
    there = World(queue=here.queue)
    here.ses.script = answering("failed", code="500")
    given = settings(health=SOON | {"probe_interval": 30})

    with dispatching(here, by=two_processes(), worlds=[here, there], given=given) as dispatch:
        before = feed(
            dispatch,
            here,
            until=lambda: not any(is_healthy(one, "ses") for one in dispatch.processes),
            queues=[ONE],
        )
        sent_here = len(here.ses.calls)
        assert there.calls == []  # the other process has not seen it fail

        after = here.mail(200, first=100_000, queues=[ONE, TWO])
        dispatch.until_settled()

    assert Counter(here.accepted + there.accepted) == Counter(before + after)
    # Neither sends it more than the one probe of the first interval.
    assert len(here.ses.calls) <= sent_here + 1
    assert len(there.ses.calls) <= 1
    assert len(there.sendgrid.accepted) >= 99


def test_a_provider_that_has_recovered_gets_its_share_again(world):
    world.ses.script = answering("failed", code="500")
    health = SOON | {"probe_interval": 0.01, "healthy_threshold": 2}

    with dispatching(world, given=settings(health=health)) as dispatch:
        [process] = dispatch.processes
        feed(dispatch, world, until=lambda: not is_healthy(process, "ses"))
        world.ses.script = answering("accepted")
        feed(dispatch, world, until=lambda: is_healthy(process, "ses"), first=100_000)
        before = len(world.ses.accepted)
        feed(dispatch, world, until=lambda: len(world.ses.accepted) > before + 20, first=200_000)

    assert Counter(world.accepted).most_common(1)[0][1] == 1


SOON = {"round_seconds": 0.05}
"""Rounds of health that close early, though little mail is on its way."""


def feed(dispatch, world, *, until, first=0, queues=(ONE, TWO)):
    """Put mail on the queues, a batch after the other, until the answer is true; its ids."""
    ids = []

    def answer():
        ids.extend(world.mail(10, first=first + len(ids), queues=queues))
        dispatch.until_settled()
        return until()

    dispatch.until(answer)
    return ids


def is_healthy(process, provider):
    return all(lane.router.exit(provider).healthy for lane in process.parts.desk.lanes)


def test_while_one_provider_hangs_the_mail_of_the_other_goes_on(world, by):
    world.ses.hold()
    ids = world.mail(300)

    with dispatching(world, by=by) as dispatch:
        # Two workers have two rooms of sixteen each that a silent provider can fill.
        dispatch.until(lambda: len(world.sendgrid.accepted) >= 300 - 2 * 16)
        assert world.ses.accepted == []
        assert len(world.ses.calls) <= 2 * 16
        world.ses.release()
        dispatch.until_settled()

    assert sorted(world.accepted) == sorted(ids)


def test_a_provider_that_raises_is_an_unknown_outcome(world, caplog):
    def raise_(_):
        raise RuntimeError("a fault of the adapter")

    world.ses.script = raise_
    ids = world.mail(20)

    with dispatching(world) as dispatch:
        dispatch.until_settled()

    assert sorted(world.sendgrid.accepted) == sorted(ids)
    # Maybe sent: each waits before it is tried elsewhere, though the other provider is ready.
    given_back = [delay for _, delay in world.queue.hidden]
    assert len(given_back) == len(world.ses.calls)
    assert min(given_back) >= 1
    record = next(one for one in caplog.records if "provider ses raised" in one.message)
    assert record.exc_info


def test_a_throttled_provider_rests_and_its_mail_goes_elsewhere_at_once(world):
    world.ses.script = answering("throttled", retry_after=30.0)
    ids = world.mail(100)

    with dispatching(world) as dispatch:
        dispatch.until_settled()

    assert sorted(world.sendgrid.accepted) == sorted(ids)
    assert len(world.ses.calls) <= 32
    assert {delay for _, delay in world.queue.hidden} == {0}
    assert is_healthy(dispatch.processes[0], "ses")


def test_receives_that_fail_are_repeated_after_a_pause(world, caplog):
    world.queue.script("receive", *[QueueUnavailable("receive at emails: busy")] * 3)
    ids = world.mail(20)

    with dispatching(world) as dispatch:
        dispatch.until_settled()

    assert sorted(world.accepted) == sorted(ids)
    assert caplog.text.count("busy; again in") == 3


def test_receives_that_keep_failing_are_not_repeated_without_rest(world):
    with (
        world.queue.broken("receive", QueueUnavailable("down")),
        dispatching(world) as dispatch,
    ):
        dispatch.until(lambda: world.queue.calls["receive"] >= 4)
        # Two readers: at first, after 0.1 to 0.2 s, after 0.2 to 0.4 s more.
        assert world.queue.calls["receive"] <= 6
        assert world.accepted == []


def test_a_fault_of_our_own_in_a_receive_does_not_end_the_reading(world, caplog):
    world.queue.script("receive", RuntimeError("a fault of the adapter"))
    ids = world.mail(4)

    with dispatching(world) as dispatch:
        dispatch.until_settled()

    assert sorted(world.accepted) == sorted(ids)
    assert any(record.exc_info for record in caplog.records)


@pytest.mark.parametrize("by", [one_worker(), two_workers()], ids=["one_worker", "two_workers"])
def test_an_exception_in_a_step_is_logged_with_its_traceback_before_bytewax_sees_it(
    world, by, caplog
):
    def raise_(_):
        raise RuntimeError("a fault of a step")

    world.ses.unable = raise_
    world.mail(1)

    with dispatching(world, by=by) as dispatch:
        errors = dispatch.fails()

    assert errors
    [record] = [one for one in caplog.records if "a step raised" in one.message]
    assert record.exc_info[1].args == ("a fault of a step",)
    assert "in raise_" in caplog.text
    assert world.left == 1


def test_failures_are_retried_until_somebody_accepts(world):
    for provider in (world.ses, world.sendgrid):
        provider.script = in_turn(*[outcome("failed", code="503")] * 2, outcome("accepted"))
    [id_] = world.mail(1)

    with dispatching(world) as dispatch:
        dispatch.until_settled()

    assert world.accepted == [id_]
    # At once while a ready provider has not tried it, then with pauses.
    delays = [delay for _, delay in world.queue.hidden]
    assert delays[0] == 0
    assert all(delay >= 1 for delay in delays[1:])


def test_a_provider_that_cannot_carry_an_email_is_not_asked(world):
    world.ses = FakeProvider("ses", unable=lambda _: "it has no subject")
    ids = world.mail(20)

    with dispatching(world) as dispatch:
        dispatch.until_settled()

    assert world.ses.calls == []
    assert sorted(world.sendgrid.accepted) == sorted(ids)
