"""A process that dies at each boundary between two steps, and the next one that finishes its work.

Nothing is lost in any window. In which an email may be accepted twice, the test's name says; its
record is then flagged. `docs/message-path.md` lists the same windows.
"""

import asyncio
import time
from contextlib import contextmanager

import pytest

from gomail.email import Message, encode
from gomail.errors import QueueUnavailable
from tests.builders import email, message, outcome
from tests.flows.fake_ledger import Deaf, Down, Silent
from tests.flows.fakes import HangForEver, answering
from tests.flows.running import ONE, World, dispatching, settings

pytestmark = pytest.mark.timeout(60)

DAY = 86_400
A_MINUTE = 60_000
"""Milliseconds: when what a process held shows again that is gone."""


def dies(world, *, when, given=None):
    """A process works until then and is gone; what it held shows again a minute later."""
    with dispatching(world, given=given) as first:
        first.until(when)
        first.processes[0].die()
        world.ledger.always(None)
        world.ledger.elapsed += A_MINUTE
    world.queue.begin_polls()
    for held in world.queue.on(ONE):
        world.queue.show(ONE, held.id)


def finishes(world, *, given=None):
    """A fresh process, which knows what the ledger knows, does the rest; what it sent."""
    next_one = World(queue=world.queue, ledger=world.ledger, payloads=world.payloads)
    for name, provider in world.providers.items():
        next_one.providers[name].script = provider.script
    with dispatching(next_one, given=given) as second:
        second.until_settled()
    return next_one


def both(world, script):
    world.ses.script = world.sendgrid.script = script


def mail(world):
    """One email: with a call that hangs, others would not get to the boundary."""
    return world.mail(1, queues=[ONE])


def test_after_a_receive_nothing_is_sent_twice_and_flagged_for_nothing(world, ledger):
    """The receive left no record, so the ledger cannot know that no send followed it."""
    ids = mail(world)
    asyncio.run(world.queue.receive(ONE, most=10, wait=0, visibility=60))
    for held in world.queue.on(ONE):
        world.queue.show(ONE, held.id)

    second = finishes(world)

    assert sorted(second.accepted) == ids
    assert ledger.history("m-0") == ("sent", ["accepted"])
    assert ledger.is_flagged("m-0")


def test_before_the_intent_is_noted_nothing_is_sent_twice_and_flagged_for_nothing(world, ledger):
    ids = mail(world)
    ledger.always(Silent(), "intend")
    dies(world, when=lambda: ledger.asked["intend"])

    second = finishes(world)

    assert (world.calls, sorted(second.accepted)) == ([], ids)
    assert ledger.is_flagged("m-0")


def test_after_the_intent_and_before_the_send_nothing_is_sent_twice_and_flagged_for_nothing(
    world, ledger
):
    ids = mail(world)
    ledger.always(Deaf(), "intend")
    dies(world, when=lambda: ledger.told_ids("intend"))

    second = finishes(world)

    assert (world.calls, sorted(second.accepted)) == ([], ids)
    assert ledger.history("m-0") == ("sent", [None, "accepted"])
    assert ledger.is_flagged("m-0")


def test_while_it_waits_for_its_turn_nothing_is_sent_twice_and_flagged_for_nothing(world, ledger):
    """Its intent is told when its turn has come."""
    world.sendgrid.unable = lambda _: "fromEmail: not here"
    slow = settings(providers={"ses": {"rate": 0.6}, "sendgrid": {}})
    ids = world.mail(2, queues=[ONE])
    dies(world, given=slow, when=lambda: len(world.ses.accepted) == 1 and world.left == 1)

    second = finishes(world)

    assert sorted(world.ses.accepted + second.ses.accepted + second.sendgrid.accepted) == ids
    (waited,) = set(ids) - set(world.ses.accepted)
    assert ledger.history(waited) == ("sent", ["accepted"])


def test_during_the_send_it_may_be_sent_twice_and_is_flagged(world, ledger):
    ids = mail(world)
    both(world, lambda _: HangForEver())
    dies(world, when=lambda: world.calls)
    both(world, lambda _: outcome("accepted"))

    second = finishes(world)

    assert sorted(second.accepted) == ids
    assert ledger.history("m-0") == ("sent", [None, "accepted"])
    assert ledger.is_flagged("m-0")


def test_after_the_acceptance_and_before_its_record_it_is_sent_twice_and_flagged(world, ledger):
    ids = mail(world)
    ledger.always(Silent(), "record")
    dies(world, when=lambda: world.accepted and ledger.asked["record"])

    second = finishes(world)

    assert sorted(world.accepted) == sorted(second.accepted) == ids
    assert ledger.history("m-0") == ("sent", [None, "accepted"])
    assert ledger.is_flagged("m-0")


def test_after_the_record_and_before_the_delete_nothing_is_sent_twice_nor_flagged(world, ledger):
    ids = mail(world)
    ledger.always(Deaf(), "record")
    dies(world, when=lambda: ledger.told_ids("sent"))

    second = finishes(world)

    assert (sorted(world.accepted), second.calls) == (ids, [])
    assert ledger.history("m-0") == ("sent", ["accepted"])
    assert not ledger.is_flagged("m-0")


def test_while_the_delete_waits_for_company_nothing_is_sent_twice_nor_flagged(world, ledger):
    ids = mail(world)
    dies(world, when=lambda: ledger.told_ids("sent"))

    second = finishes(world)

    assert sorted(world.accepted + second.accepted) == ids
    assert not ledger.is_flagged("m-0")


def test_after_an_unknown_outcome_and_before_its_record_the_next_send_is_flagged(world, ledger):
    ids = mail(world)
    both(world, answering("unknown", code="timeout"))
    ledger.always(Silent(), "record")
    dies(world, when=lambda: world.calls and ledger.asked["record"])
    both(world, lambda _: outcome("accepted"))

    second = finishes(world)

    assert sorted(second.accepted) == ids
    assert ledger.is_flagged("m-0")


def test_after_the_record_of_a_failure_and_before_its_return_nothing_is_flagged(world, ledger):
    ids = mail(world)
    both(world, answering("failed", code="503"))
    ledger.always(Deaf(), "record")
    dies(world, when=lambda: ledger.told_ids("retrying"))
    both(world, lambda _: outcome("accepted"))

    second = finishes(world)

    assert sorted(second.accepted) == ids
    assert ledger.history("m-0") == ("sent", ["failed", "accepted"])
    assert not ledger.is_flagged("m-0")


# -- dead letters ------------------------------------------------------------------------------


def refused(world, ledger, trouble, *, when):
    """A process dies over the burial of an email that both refuse; what the next one asked."""
    both(world, answering("refused", code="400"))
    ledger.script("record", None, None, trouble)
    mail(world)
    dies(world, when=lambda: len(world.dead) == 1 and when())
    return finishes(world).calls


def test_after_the_burial_of_a_refused_email_and_before_its_record_it_is_refused_again(
    world, ledger
):
    """It was refused, so that no second try sends it twice; nothing is flagged."""
    calls = refused(world, ledger, Silent(), when=lambda: ledger.asked["record"] == 3)

    assert calls == ["m-0", "m-0"]
    assert len(world.dead) == 2
    assert ledger.history("m-0") == ("refused", ["refused"] * 4)
    assert not ledger.is_flagged("m-0")


def test_after_the_record_that_an_email_was_refused_and_before_its_delete_nobody_is_asked_again(
    world, ledger
):
    calls = refused(world, ledger, Deaf(), when=lambda: ledger.told_ids("refused"))

    assert calls == []
    assert [one.attributes["reason"] for one in world.dead] == ["refused", "refused before"]
    assert ledger.history("m-0") == ("refused", ["refused", "refused"])


def test_after_the_burial_and_before_its_record_the_dead_letter_queue_has_it_twice(world, ledger):
    old(world)
    ledger.always(Silent(), "record")
    dies(world, when=lambda: world.dead and ledger.asked["record"])
    assert ledger.record_of("m-0") is None

    second = finishes(world)

    assert (world.calls, second.calls) == ([], [])
    assert len(world.dead) == 2
    assert ledger.history("m-0") == ("failed", [])


def old(world):
    """An email that is given up without an attempt."""
    world.queue.put(ONE, encode(message("m-0")), sent_at=time.time() - DAY - 60)


def test_after_the_record_of_a_burial_and_before_the_delete_it_is_not_sent(world, ledger):
    old(world)
    ledger.always(Deaf(), "record")
    dies(world, when=lambda: ledger.told_ids("failed"))

    second = finishes(world)

    assert second.calls == []
    assert len(world.dead) == 2
    assert ledger.history("m-0") == ("failed", [])


def test_what_may_not_be_sent_twice_is_a_dead_letter_where_a_process_died_before_it_could_bury_it(
    world, ledger
):
    both(world, answering("unknown", code="timeout"))
    ledger.script("record", Deaf())
    mail(world)
    strict = settings(on_unknown="dead-letter")
    dies(world, when=lambda: ledger.told_ids("unknown"), given=strict)
    both(world, lambda _: outcome("accepted"))

    second = finishes(world, given=strict)

    assert second.calls == []
    assert len(world.dead) == 1
    assert ledger.record_of("m-0").status == "failed"


# -- payloads and schedules ------------------------------------------------------------------------


STORE = settings(bucket="emails")


def large(world):
    """One email whose large parts are in the payload store."""
    world.queue.put(ONE, world.payloads.keep("m-0"))


def test_while_its_payload_is_fetched_nothing_is_sent_twice_and_flagged_for_nothing(
    world, ledger, payloads
):
    large(world)
    payloads.hold("get")
    dies(world, when=lambda: payloads.got, given=STORE)
    payloads.release()

    second = finishes(world, given=STORE)

    assert (world.calls, second.accepted) == ([], ["m-0"])
    assert ledger.history("m-0") == ("sent", [None, "accepted"])
    assert ledger.is_flagged("m-0")


def test_while_its_payload_is_fetched_what_must_not_be_sent_twice_is_a_dead_letter_and_keeps_it(
    world, ledger, payloads
):
    """The ledger cannot know that no send followed the intent."""
    large(world)
    payloads.hold("get")
    strict = settings(bucket="emails", on_unknown="dead-letter")
    dies(world, when=lambda: payloads.got, given=strict)
    payloads.release()

    second = finishes(world, given=strict)

    assert (world.calls, second.calls, len(world.dead)) == ([], [], 1)
    assert ledger.history("m-0")[0] == "failed"
    assert "gomail/m-0" in payloads.stored


def test_after_the_delete_and_before_its_payload_is_removed_only_the_payload_is_left(
    world, ledger, payloads
):
    large(world)
    payloads.hold("remove")
    dies(world, when=lambda: world.accepted and world.left == 0, given=STORE)

    second = finishes(world, given=STORE)

    assert (world.accepted, second.calls, world.dead) == (["m-0"], [], [])
    assert ledger.history("m-0") == ("sent", ["accepted"])
    assert "gomail/m-0" in payloads.stored  # swept by its age


def test_after_the_record_and_before_the_delete_the_payload_is_not_fetched_again(
    world, ledger, payloads
):
    large(world)
    ledger.always(Deaf(), "record")
    dies(world, when=lambda: ledger.told_ids("sent"), given=STORE)

    second = finishes(world, given=STORE)

    assert (world.accepted, second.calls, world.dead) == (["m-0"], [], [])
    assert payloads.got == ["gomail/m-0"]


def scheduled(world):
    """One email whose time has come, as the release puts it on a queue."""
    due = int(time.time() * 1_000) - 1_000
    world.queue.put(ONE, encode(Message("m-0", email(send_at=due))))


def test_what_is_put_on_a_queue_again_before_the_ledger_knew_of_the_first_is_sent_once(
    world, ledger
):
    scheduled(world)
    first = finishes(world)
    scheduled(world)

    second = finishes(world)

    assert (first.accepted, second.calls, world.dead) == (["m-0"], [], [])
    assert ledger.history("m-0") == ("sent", ["accepted"])


def test_after_the_end_of_what_has_expired_is_noted_and_before_its_delete_it_is_not_sent(
    world, ledger
):
    late = int(time.time() * 1_000) - 1_000
    world.queue.put(ONE, encode(Message("m-0", email(expires_at=late))))
    ledger.always(Deaf(), "record")
    dies(world, when=lambda: ledger.told_ids("expired"))

    second = finishes(world)

    assert (second.calls, len(world.dead)) == ([], 2)
    assert ledger.history("m-0") == ("expired", [])


# -- two processes at once, and a ledger that is down ------------------------------------------


def hold(world):
    for provider in world.providers.values():
        provider.hold()


def release(world):
    for provider in world.providers.values():
        provider.release()


def reads_no_more(dispatch, world):
    """What comes from now on is another process's."""
    dispatch.ask_to_stop()
    world.queue.end_polls()
    dispatch.until(lambda: world.queue.open_polls == 0)
    world.queue.begin_polls()


@contextmanager
def sending(world):
    """A process that is sending one email, and reads no more."""
    hold(world)
    mail(world)
    with dispatching(world) as first:
        first.until(lambda: world.calls)
        reads_no_more(first, world)
        yield first


def test_what_shows_while_its_send_is_under_way_elsewhere_waits_for_that(world, ledger):
    """A standard queue may hand out what is hidden: a second receive is not the first one's end."""
    other = World(queue=world.queue, ledger=ledger)
    with sending(world) as first:
        world.queue.show(ONE, "sqs-1")
        with dispatching(other) as second:
            second.until(lambda: world.queue.calls["hide"])
            release(world)
            first.until(lambda: world.accepted)

    assert (world.accepted, other.calls) == (["m-0"], [])
    assert ledger.history("m-0") == ("sent", ["accepted"])
    assert not ledger.is_flagged("m-0")


def test_what_shows_again_though_its_send_has_not_ended_is_sent_twice_and_flagged(world, ledger):
    """As of a process that was stopped for longer than its messages were hidden."""
    other = World(queue=world.queue, ledger=ledger)
    with sending(world):
        ledger.elapsed += A_MINUTE
        world.queue.show(ONE, "sqs-1")
        with dispatching(other) as second:
            second.until(lambda: other.accepted)
            release(world)
            second.until(lambda: world.left == 0)

    assert (world.accepted, other.accepted) == (["m-0"], ["m-0"])
    assert ledger.history("m-0") == ("sent", ["accepted", "accepted"])
    assert ledger.is_flagged("m-0")


def test_of_two_copies_in_two_processes_the_second_waits_for_the_first(world, ledger):
    other = World(queue=world.queue, ledger=ledger)
    with sending(world) as first, dispatching(other) as second:
        mail(other)
        second.until(lambda: world.queue.calls["hide"])
        release(world)
        first.until(lambda: world.accepted)

    assert (world.accepted, other.accepted) == (["m-0"], [])
    flags = [attempt.possible_duplicate for attempt in ledger.record_of("m-0").attempts]
    assert flags == [False]


def test_while_the_ledger_is_down_a_death_before_the_delete_sends_twice_and_it_is_flagged_later(
    world, ledger
):
    ids = mail(world)
    ledger.always(Down())
    with world.queue.broken("delete", QueueUnavailable("no answer")):
        dies(world, when=lambda: world.queue.calls["delete"])

    second = finishes(world)

    assert world.accepted == second.accepted == ids
    assert ledger.history("m-0") == ("sent", ["accepted"])
    assert ledger.is_flagged("m-0")


def test_while_the_ledger_is_down_the_next_one_s_send_is_flagged_though_that_dies_too(
    world, ledger, tmp_path
):
    """Nobody who lives knows of either send; what the second one could not tell is in its spool."""
    kept = settings(spool=str(tmp_path))
    ids = mail(world)
    ledger.always(Silent(), "record")
    dies(world, when=lambda: world.accepted and ledger.asked["record"], given=kept)
    ledger.always(Down())
    second = World(queue=world.queue, ledger=ledger)
    dies(second, when=lambda: second.accepted and world.left == 0, given=kept)

    third = World(queue=world.queue, ledger=ledger)
    with dispatching(third, given=kept) as dispatch:
        dispatch.until(lambda: ledger.told)

    assert (world.accepted, second.accepted, third.calls) == (ids, ids, [])
    assert ledger.history("m-0") == ("sent", [None, "accepted"])
    assert ledger.is_flagged("m-0")


def test_while_the_ledger_is_down_of_two_copies_one_is_sent_though_its_process_dies(
    world, ledger, tmp_path
):
    kept = settings(spool=str(tmp_path))
    mail(world)
    ledger.always(Down())
    dies(world, when=lambda: world.accepted and world.left == 0, given=kept)

    second = World(queue=world.queue, ledger=ledger)
    with dispatching(second, given=kept) as dispatch:
        dispatch.until(lambda: ledger.told)
        mail(second)
        dispatch.until_settled()

    assert (world.accepted, second.calls) == (["m-0"], [])
    assert not ledger.is_flagged("m-0")
