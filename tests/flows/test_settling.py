"""Deletes are repeated until confirmed, copies settled with the first; nothing goes out twice."""

from collections import Counter

import pytest

from gomail.email import encode
from gomail.errors import QueueRefused, QueueUnavailable
from gomail.queue import Fault
from tests.builders import message, outcome
from tests.flows.fakes import LeftOut, Lost, Partly, answering, in_turn
from tests.flows.running import ONE, TWO, dispatching, settings

pytestmark = pytest.mark.timeout(60)

NOT_NOW = Fault("InternalError", "not now", permanent=False)
FAILURES = {
    "the call fails": QueueUnavailable("no answer"),
    "the call is refused": QueueRefused("access denied", code="AccessDenied"),
    "the entries are refused": NOT_NOW,
    "the entries are left out": LeftOut(),
    "the answer is lost": Lost(),
    "a fault of our own": RuntimeError("a fault of the adapter"),
}


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES.keys())
def test_a_delete_that_fails_is_repeated_until_confirmed_and_nothing_is_sent_twice(world, failure):
    world.queue.script("delete", failure, failure)
    ids = world.mail(10, queues=[ONE])

    with dispatching(world) as dispatch:
        dispatch.until(lambda: world.queue.calls["delete"] >= 3)
        dispatch.until_settled()

    assert sorted(world.calls) == sorted(ids)


def test_an_accepted_message_holds_its_room_until_its_delete_is_confirmed(world):
    world.mail(100)

    with dispatching(world, given=settings(max_in_flight=16)) as dispatch:
        with world.queue.broken("delete", QueueUnavailable("no answer")):
            dispatch.until(lambda: world.queue.calls["delete"] >= 6)
            # Two rooms of sixteen.
            assert len(world.accepted) <= 32
            assert world.left == 100
        dispatch.until_settled()

    assert len(world.calls) == 100


@pytest.mark.parametrize("fault", [NOT_NOW, LeftOut()], ids=["refused", "left out"])
def test_of_a_batch_only_the_unconfirmed_are_deleted_again(world, fault):
    world.queue.script("delete", Partly(fault), LeftOut())
    world.mail(10, queues=[ONE])

    with dispatching(world) as dispatch:
        dispatch.until(lambda: world.queue.calls["delete"] == 1)
        dispatch.until(lambda: world.left == len(in_hand(dispatch)) == 5)
        dispatch.until_settled()

    assert len(world.calls) == 10


def test_a_handle_that_is_dead_lets_the_message_come_back_and_be_deleted_unsent(world):
    world.queue.script("delete", Fault("ReceiptHandleIsInvalid", "expired", permanent=True))
    [id_] = world.mail(1, queues=[ONE])

    with dispatching(world) as dispatch:
        dispatch.until(lambda: world.queue.calls["delete"] == 1 and not in_hand(dispatch))
        world.queue.show(ONE, "sqs-1")
        dispatch.until_settled()

    assert world.calls == [id_]
    assert world.queue.received["sqs-1"] == 2


def in_hand(dispatch):
    return dispatch.parts.desk._in_hand


def test_two_copies_of_one_message_are_sent_once_and_both_deleted(world):
    for provider in (world.ses, world.sendgrid):
        provider.hold()
    world.queue.put(ONE, encode(message("m-1")))
    world.queue.put(TWO, encode(message("m-1")))

    with dispatching(world) as dispatch:
        dispatch.until(lambda: all(count == 1 for count in received(world, "sqs-1", "sqs-2")))
        for provider in (world.ses, world.sendgrid):
            provider.release()
        dispatch.until_settled()

    assert world.calls == ["m-1"]
    assert received(world, "sqs-1", "sqs-2") == [1, 1]


def received(world, *message_ids):
    return [world.queue.received[message_id] for message_id in message_ids]


def test_copies_received_together_are_sent_once(world, by):
    for number in range(40):
        for queue in (ONE, ONE):
            world.queue.put(queue, encode(message(f"m-{number}")))

    with dispatching(world, by=by) as dispatch:
        dispatch.until_settled()

    assert Counter(world.calls).most_common(1)[0][1] == 1
    assert len(world.calls) == 40


def test_a_message_shown_again_while_in_hand_is_sent_once_and_deleted_by_its_newest_handle(world):
    for provider in (world.ses, world.sendgrid):
        provider.hold()
    [id_] = world.mail(1, queues=[ONE])

    with dispatching(world) as dispatch:
        dispatch.until(lambda: world.calls)
        for times in (2, 3):
            world.queue.show(ONE, "sqs-1")
            dispatch.until(lambda times=times: world.queue.received["sqs-1"] == times)
        for provider in (world.ses, world.sendgrid):
            provider.release()
        dispatch.until_settled()

    assert world.calls == [id_]
    assert world.queue.received["sqs-1"] == 3


def test_a_copy_of_a_message_that_failed_is_returned_with_it(world):
    world.ses.script = world.sendgrid.script = answering("failed", code="503")
    for provider in (world.ses, world.sendgrid):
        provider.hold()
    for queue in (ONE, TWO):
        world.queue.put(queue, encode(message("m-1")))

    with dispatching(world) as dispatch:
        dispatch.until(lambda: received(world, "sqs-1", "sqs-2") == [1, 1])
        # The copies have both been taken in hand, not only handed out.
        dispatch.until(
            lambda: (held := in_hand(dispatch).get("m-1")) is not None and len(held.receipts) == 2
        )
        for provider in (world.ses, world.sendgrid):
            provider.script = in_turn(outcome("failed", code="503"), outcome("accepted"))
            provider.release()
        dispatch.until_settled()

    assert {one for one, _ in world.queue.hidden[:2]} == {"sqs-1", "sqs-2"}
    assert world.accepted == ["m-1"]


def test_an_id_that_was_accepted_before_is_deleted_unsent(world):
    with dispatching(world) as dispatch:
        ids = world.mail(5)
        dispatch.until_settled()
        assert world.mail(5) == ids
        dispatch.until_settled()

    assert sorted(world.calls) == ids


def test_returns_that_fail_are_left_to_the_visibility_timeout(world):
    world.ses.script = answering("failed", code="503")
    world.queue.script("hide", QueueUnavailable("no answer"))
    [id_] = world.mail(1, queues=[ONE])

    with dispatching(world, given=settings(visibility_timeout=12, send_timeout=1)) as dispatch:
        dispatch.until(lambda: world.queue.calls["hide"] == 1 and not in_hand(dispatch))
        assert world.queue.on(ONE)[0].handle == "sqs-1/1"
        world.queue.show(ONE, "sqs-1")
        dispatch.until_settled()

    assert world.accepted == [id_]
