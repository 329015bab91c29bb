"""What nobody can send: it goes to the dead-letter queue, unchanged and with the reason."""

import json
import time

import pytest

from gomail.email import encode
from gomail.errors import QueueRefused, QueueUnavailable
from gomail.queue import Fault
from tests.builders import message
from tests.flows.fakes import LIMIT, LeftOut, Lost, answering
from tests.flows.running import DEAD, ONE, dispatching, settings

pytestmark = pytest.mark.timeout(60)

DAY = 86_400
BARE = {"email": {"fromEmail": "shop@example.com", "toEmail": "reader@example.org", "body": "Hi"}}


def ends_dead(world, body, *, sent_at=None, given=None):
    """Put a message on a queue; what the dead-letter queue holds once it has left."""
    world.queue.put(ONE, body, sent_at=sent_at)
    with dispatching(world, given=given) as dispatch:
        dispatch.until_settled()
    [dead] = world.dead
    assert dead.body == body
    return dead


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ("no JSON", "not JSON"),
        ("{}", "no object `email`"),
        (json.dumps({"email": {}}), "fromEmail: From email is required; toEmail: To email is "),
        (json.dumps(BARE | {"v": 3}), "format version 3 is not known"),
        (json.dumps(BARE | {"id": 7}), "`id` is not a string"),
    ],
    ids=["no JSON", "empty", "empty email", "version", "id"],
)
def test_what_cannot_be_read_goes_there_unchanged_with_the_reason(world, body, detail):
    dead = ends_dead(world, body)

    told = dead.attributes
    assert (told["gomailId"], told["reason"], told["code"]) == (
        "sqs-1",
        "unreadable",
        "unreadable",
    )
    assert detail in told["detail"]
    assert (told["attempts"], told["queue"]) == ("1", ONE)
    assert world.calls == []


def test_a_body_of_the_largest_size_goes_there_without_attributes(world, caplog):
    dead = ends_dead(world, "x" * LIMIT)

    assert dead.attributes == {}
    assert "dead letter sqs-1: unreadable" in caplog.text


def test_an_email_of_the_largest_size_is_sent(world):
    room = LIMIT - len(encode(message(body="")))
    world.queue.put(ONE, encode(message(body="x" * room)))

    with dispatching(world) as dispatch:
        dispatch.until_settled()

    assert len(world.accepted) == 1
    assert world.dead == []


def test_a_bare_email_of_the_older_service_is_sent_under_its_message_id(world):
    message_id = world.queue.put(ONE, json.dumps(BARE))

    with dispatching(world) as dispatch:
        dispatch.until_settled()

    [sent] = world.ses.messages + world.sendgrid.messages
    assert (sent.id, sent.email.body) == (message_id, "Hi")
    assert world.accepted == [message_id]


def test_a_message_that_is_too_old_goes_there_unsent(world):
    dead = ends_dead(world, encode(message()), sent_at=time.time() - DAY - 60)

    assert dead.attributes["gomailId"] == "m-1"
    assert dead.attributes["reason"] == "given up after 24.0 h"
    assert dead.attributes["code"] == "given-up"
    assert world.calls == []


def test_a_message_that_gets_too_old_goes_there_with_its_last_outcome(world):
    for provider in (world.ses, world.sendgrid):
        provider.script = answering("failed", code="503", detail="Busy.")
        provider.latency = 0.6

    dead = ends_dead(world, encode(message()), given=settings(give_up_after=0.5))

    assert dead.attributes["reason"] == "given up after 0.0 h; last outcome: failed"
    assert (dead.attributes["code"], dead.attributes["detail"]) == ("503", "Busy.")


def test_one_providers_refusal_sends_it_to_the_other(world):
    world.ses.script = answering("refused", code="400")
    ids = world.mail(10)

    with dispatching(world) as dispatch:
        dispatch.until_settled()

    assert sorted(world.sendgrid.accepted) == sorted(ids)
    assert world.dead == []


def test_the_refusal_of_two_providers_is_final(world):
    for provider in (world.ses, world.sendgrid):
        provider.script = answering("refused", code="400", detail="Address on hold.")

    dead = ends_dead(world, encode(message()))

    assert dead.attributes["reason"] == "refused"
    assert (dead.attributes["code"], dead.attributes["detail"]) == ("400", "Address on hold.")
    assert dead.attributes["attempts"] == "2"
    assert sorted(world.calls) == ["m-1", "m-1"]


def test_the_refusal_of_the_only_eligible_provider_is_final(world):
    world.ses.script = answering("refused", code="400")
    world.sendgrid.unable = lambda _: "it cannot carry this"

    dead = ends_dead(world, encode(message()))

    assert (dead.attributes["reason"], dead.attributes["provider"]) == ("refused", "ses")
    assert world.calls == ["m-1"]


def test_what_is_unsuitable_everywhere_goes_there(world):
    for provider in (world.ses, world.sendgrid):
        provider.script = answering("unsuitable", code="413")

    dead = ends_dead(world, encode(message()))

    assert dead.attributes["reason"] == "no provider can carry it"
    assert dead.attributes["code"] == "413"
    assert len(world.calls) == 2


def test_what_no_provider_is_able_to_carry_goes_there_unsent(world):
    for provider in (world.ses, world.sendgrid):
        provider.unable = lambda _: "it cannot carry this"

    dead = ends_dead(world, encode(message()))

    assert (dead.attributes["reason"], dead.attributes["code"]) == (
        "no provider can carry it",
        "ineligible",
    )
    assert world.calls == []


def test_an_unknown_outcome_is_final_where_nothing_may_be_sent_twice(world):
    for provider in (world.ses, world.sendgrid):
        provider.script = answering("unknown", code="timeout")

    dead = ends_dead(world, encode(message()), given=settings(on_unknown="dead-letter"))

    assert dead.attributes["reason"] == "it may have been sent"
    assert dead.attributes["code"] == "timeout"
    assert len(world.calls) == 1


def test_line_breaks_and_control_characters_of_a_reason_are_made_printable(world):
    for provider in (world.ses, world.sendgrid):
        provider.script = answering("refused", code="a\nb", detail="x\x00y" + "z" * 1_000)

    dead = ends_dead(world, encode(message()))

    assert dead.attributes["code"] == "a?b"
    assert dead.attributes["detail"].startswith("x?yzzz")
    assert len(dead.attributes["detail"]) == 300


REFUSALS = {
    "refuses the entry": Fault("InternalError", "not now", permanent=False),
    "refuses the entry for good": Fault("AccessDenied", "not you", permanent=True),
    "is down": QueueUnavailable("no answer"),
    "is missing": QueueRefused("no such queue", code="QueueDoesNotExist"),
    "does not name the entry": LeftOut(),
    "has a fault of our own": RuntimeError("a fault of the adapter"),
}


@pytest.mark.parametrize("reaction", REFUSALS.values(), ids=REFUSALS.keys())
def test_while_the_dead_letter_queue_does_not_take_it_nothing_is_lost_and_nothing_sent_again(
    world, reaction
):
    for provider in (world.ses, world.sendgrid):
        provider.script = answering("refused", code="400")
    bodies = [encode(message("m-1")), "no JSON"]
    for body in bodies:
        world.queue.put(ONE, body)

    with dispatching(world) as dispatch:
        with world.queue.broken("send", reaction):
            dispatch.until(lambda: world.queue.calls["send"] >= 6)
            assert world.dead == []
            assert [one.body for one in world.queue.on(ONE)] == bodies
        dispatch.until_settled()

    assert sorted(one.body for one in world.dead) == sorted(bodies)
    assert sorted(one.attributes["reason"] for one in world.dead) == ["refused", "unreadable"]
    assert sorted(world.calls) == ["m-1", "m-1"]
    # Back to its queue with pauses, but for the one way from the first provider to the second.
    assert [delay for _, delay in world.queue.hidden].count(0) == 1


def test_of_a_batch_only_what_the_dead_letter_queue_took_is_deleted(world):
    world.queue.limit = 1_000  # of which the attributes leave too little for any but the small
    bodies = ["small", "x" * 990, "y" * 1_001]
    for body in bodies:
        world.queue.put(ONE, body)

    with dispatching(world) as dispatch:
        dispatch.until(lambda: len(world.dead) == 2)
        dispatch.until(lambda: world.queue.received["sqs-3"] >= 2)
        world.queue.limit = LIMIT
        dispatch.until_settled()

    assert [one.body for one in world.dead] == bodies
    assert [bool(one.attributes) for one in world.dead] == [True, False, True]


def test_a_dead_letter_whose_delete_is_lost_is_not_buried_twice(world):
    world.queue.script("delete", *[QueueUnavailable("no answer")] * 2)

    ends_dead(world, "no JSON")

    assert world.queue.calls["delete"] == 3


@pytest.mark.parametrize("body", ["no JSON", encode(message())], ids=["unreadable", "refused"])
def test_a_dead_letter_that_shows_again_is_only_deleted(world, body):
    for provider in (world.ses, world.sendgrid):
        provider.script = answering("refused", code="400")
    message_id = world.queue.put(ONE, body)

    with dispatching(world) as dispatch:
        with world.queue.broken("delete", QueueUnavailable("no answer")):
            dispatch.until(lambda: len(world.dead) == 1)
            before = world.queue.received[message_id]
            world.queue.show(ONE, message_id)
            dispatch.until(lambda: world.queue.received[message_id] > before)
        dispatch.until_settled()

    assert len(world.dead) == 1
    assert len(world.calls) in {0, 2}


def test_a_lost_answer_of_the_dead_letter_queue_costs_a_second_copy_there_and_no_message(world):
    world.queue.script("send", Lost())
    world.queue.put(ONE, "no JSON")

    with dispatching(world) as dispatch:
        dispatch.until_settled()

    assert [one.body for one in world.queue.on(DEAD)] == ["no JSON"] * 2
