"""Emails whose large parts are in the payload store: fetched, sent whole, and tidied up after."""

import asyncio
import gc
import sys
import time

import pytest

from flows.payloads import Fetcher
from gomail.email import Email, decode
from gomail.errors import QueueUnavailable
from gomail.queue import Fault
from tests.flows.fake_payloads import unavailable, whole
from tests.flows.fakes import FakeProvider, LeftOut, answering
from tests.flows.running import ONE, dispatching, settings

pytestmark = pytest.mark.timeout(60)

STORE = settings(bucket="emails")
KEY = "gomail/m-1"


def mail(world, **fields):
    """An email that refers to a payload, on a queue."""
    world.queue.put(ONE, world.payloads.keep("m-1", **fields))


def settle(world, given=STORE):
    """Run until the queues are empty and what is to be removed is removed."""
    with dispatching(world, given=given) as dispatch:
        dispatch.until_settled()
        return dispatch.parts.desk.reports()


def both(world, script):
    world.ses.script = world.sendgrid.script = script


def sent(world):
    """Every email that a provider was asked to send."""
    return [one.email for one in world.ses.messages + world.sendgrid.messages]


def reasons(world):
    return [one.attributes["reason"] for one in world.dead]


def test_an_email_is_sent_with_all_its_parts_and_its_payload_is_removed(world, payloads):
    mail(world)

    with dispatching(world, given=STORE) as dispatch:
        dispatch.until(lambda: payloads.removed)

    assert sent(world) == [whole()]
    assert (payloads.stored, payloads.removed) == ({}, [KEY])
    assert world.left == 0


def test_an_email_that_fits_a_queue_asks_nothing_of_the_store(world, payloads):
    world.mail(5)

    settle(world)

    assert (payloads.got, payloads.removed) == ([], [])


def test_a_payload_stays_until_its_message_is_deleted(world, payloads):
    mail(world)

    with dispatching(world, given=STORE) as dispatch:
        with world.queue.broken("delete", LeftOut()):
            dispatch.until(lambda: world.queue.calls["delete"] > 1)
            assert KEY in payloads.stored
        dispatch.until(lambda: payloads.removed)


def test_a_payload_stays_where_a_dead_handle_leaves_its_message_on_the_queue(world, payloads):
    mail(world)
    world.queue.script("delete", Fault("ReceiptHandleIsInvalid", "gone", permanent=True))

    with dispatching(world, given=STORE) as dispatch:
        dispatch.until(lambda: world.queue.calls["delete"])
        dispatch.until(lambda: dispatch.parts.desk._in_hand == {})
        world.queue.show(ONE, "sqs-1")
        dispatch.until_settled()

    assert len(world.calls) == 1
    assert KEY in payloads.stored


def test_a_payload_that_cannot_be_removed_is_left_to_the_sweep(world, payloads, caplog):
    mail(world)
    payloads.faults += [None, unavailable()]

    with dispatching(world, given=STORE) as dispatch:
        dispatch.until(lambda: "is not removed yet" in caplog.text)

    assert (world.left, world.dead) == (0, [])
    assert KEY in payloads.stored


def test_a_dead_letter_keeps_its_payload_for_a_redrive(world, payloads):
    both(world, answering("refused", code="400"))
    mail(world)

    settle(world)

    assert reasons(world) == ["refused"]
    assert (KEY in payloads.stored, payloads.removed) == (True, [])


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda stored: stored.clear(), "payload is missing"),
        (lambda stored: stored.update({KEY: b"something else"}), "payload is damaged"),
    ],
)
def test_without_its_payload_an_email_is_a_dead_letter(world, payloads, spoil, reason):
    mail(world)
    spoil(payloads.stored)

    settle(world)

    assert (world.calls, reasons(world)) == ([], [reason])


def test_a_store_that_is_down_delays_an_email_and_says_nothing_of_its_provider(world, payloads):
    """Each failed read would be a failing round of its own."""
    mail(world)
    payloads.faults += [unavailable() for _ in range(6)]
    strict = {"failure_ratio": 0, "unhealthy_threshold": 1, "round_size": 1}

    seen = settle(world, settings(bucket="emails", health=strict))

    assert sent(world) == [whole()]
    assert all(delay >= 1 for _, delay in world.queue.hidden)
    assert len(world.queue.hidden) == 6
    assert all(one.healthy and one.verdict == seen[0].verdict for one in seen)


def test_without_a_store_such_an_email_is_a_dead_letter_that_says_what_to_do(world, payloads):
    world.queue.put(ONE, payloads.keep("m-1"))
    world.payloads = None

    settle(world)

    assert world.calls == []
    assert "set payloads.bucket" in reasons(world)[0]


# -- time --------------------------------------------------------------------------------------


def test_what_has_expired_while_it_waited_for_its_payload_is_not_sent(world, payloads):
    in_a_minute = int(time.time() * 1_000) + 60_000
    mail(world, expires_at=in_a_minute)
    payloads.hold("get")

    with dispatching(world, given=STORE) as dispatch:
        dispatch.until(lambda: payloads.got)
        dispatch.parts.desk.wall = lambda: in_a_minute / 1_000
        payloads.release()
        dispatch.until_settled()

    assert (world.calls, reasons(world)) == ([], ["expired"])


def test_what_came_too_late_for_a_send_is_let_go_and_sent_when_it_shows_again(world, payloads):
    mail(world)
    payloads.hold("get")

    with dispatching(world, given=STORE) as dispatch:
        desk = dispatch.parts.desk
        dispatch.until(lambda: payloads.got)
        desk.monotonic = lambda: time.monotonic() + 50
        payloads.release()
        dispatch.until(lambda: desk._in_hand == {})
        assert world.calls == []
        desk.monotonic = time.monotonic
        world.queue.show(ONE, "sqs-1")
        dispatch.until_settled()

    assert sent(world) == [whole()]
    assert world.queue.hidden == []


def test_what_is_too_late_when_its_turn_comes_is_not_fetched(payloads):
    light = decode(payloads.keep("m-1"), queue_message_id="sqs-1").email

    async def fetch():
        fetcher = Fetcher(payloads, most_bytes=1)
        async with fetcher.whole(light, light.claim, in_time=lambda: False) as email:
            return email

    assert asyncio.run(fetch()) is None
    assert payloads.got == []


# -- memory ------------------------------------------------------------------------------------


class Forgetful(FakeProvider):
    """Keeps nothing of what it has sent."""

    async def send(self, message, *, timeout):
        answer = await super().send(message, timeout=timeout)
        self.messages.clear()
        return answer


def whole_emails():
    """How many emails with all their parts are in memory."""
    gc.collect()
    text = whole().html
    return sum(isinstance(one, Email) and one.html == text for one in gc.get_objects())


def test_after_its_attempt_nobody_holds_on_to_the_parts_of_an_email(world, payloads):
    world.ses, world.sendgrid = Forgetful("ses"), Forgetful("sendgrid")
    world.queue.put(ONE, payloads.keep("m-1"))

    with dispatching(world, given=STORE) as dispatch:
        with world.queue.broken("delete", QueueUnavailable("no answer")):
            dispatch.until(lambda: world.queue.calls["delete"])
            assert whole_emails() == 0  # though its letter is still in hand
        dispatch.until_settled()


def test_while_an_email_is_sent_its_stored_bytes_are_not_held_beside_it(world, payloads):
    mail(world)
    held = sys.getrefcount(payloads.stored[KEY])
    world.ses.hold()
    world.sendgrid.hold()

    with dispatching(world, given=STORE) as dispatch:
        dispatch.until(lambda: world.calls)
        meanwhile = sys.getrefcount(payloads.stored[KEY])
        world.ses.release()
        world.sendgrid.release()
        dispatch.until_settled()

    assert meanwhile == held
