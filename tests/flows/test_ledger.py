"""What the dispatcher tells the ledger, when, and what it does with the answers."""

import time

import pytest

import flows.settle
from flows import scribe
from gomail.email import encode
from gomail.errors import QueueUnavailable
from gomail.ledger import REDRIVEN_AFTER, Queued
from tests.builders import message, outcome
from tests.flows.fake_ledger import Slow
from tests.flows.fakes import FakeQueue, Hang, LeftOut, answering, in_turn
from tests.flows.running import DEAD, ONE, TWO, World, dispatching, settings
from tests.ledger.notes import ended, queued, recorded

pytestmark = pytest.mark.timeout(60)

DAY = 86_400


class WatchedQueue(FakeQueue):
    """Writes down what is settled and how."""

    def __init__(self, *names, log):
        super().__init__(*names)
        self._log = log

    async def delete(self, queue, handles):
        self._log += [("delete", handle.partition("/")[0]) for handle in handles]
        return await super().delete(queue, handles)

    async def hide(self, queue, handles):
        self._log += [("return", handle.partition("/")[0]) for handle in handles]
        return await super().hide(queue, handles)

    async def send(self, queue, entries, *, timeout):
        answers = await super().send(queue, entries, timeout=timeout)
        self._log += [("bury", (entry.attributes or {}).get("gomailId")) for entry in entries]
        return answers


@pytest.fixture
def order(world, ledger, monkeypatch):
    """Everything that was done, in order; whatever does not wait for the ledger is before it."""
    ledger.always(Slow(0.02), "intend", "record")
    monkeypatch.setattr(flows.settle, "DELETE_LINGER", 0.0)
    monkeypatch.setattr(flows.settle, "RETURN_LINGER", 0.0)
    world.queue = WatchedQueue(ONE, TWO, DEAD, log=ledger.log)
    for provider in world.providers.values():
        provider.script = noting(ledger.log, provider.script)
    return ledger.log


def noting(log, script):
    def send(one):
        log.append(("send", one.id))
        return script(one)

    return send


def now():
    """Milliseconds since the epoch."""
    return int(time.time() * 1_000)


def both(world, script):
    for provider in world.providers.values():
        provider.script = script


def settle(world, **given):
    """Run until the queues are empty."""
    world.queue.begin_polls()
    with dispatching(world, **given) as dispatch:
        dispatch.until_settled()


# -- the order of things -----------------------------------------------------------------------


def test_the_intent_is_told_before_the_send_and_the_acceptance_before_the_delete(world, order):
    world.mail(1)

    settle(world)

    assert order == [("intend", "m-0"), ("send", "m-0"), ("sent", "m-0"), ("delete", "sqs-1")]


def test_of_many_emails_each_is_intended_before_its_send_and_recorded_before_its_delete(
    world, order, by
):
    ids = world.mail(60)

    settle(world, by=by)

    for number, id_ in enumerate(ids, start=1):
        steps = [("intend", id_), ("send", id_), ("sent", id_), ("delete", f"sqs-{number}")]
        places = [order.index(step) for step in steps]
        assert places == sorted(places)


def test_a_failure_is_recorded_before_the_message_goes_back(world, order):
    both(world, noting(order, in_turn(outcome("failed"), outcome("accepted"))))
    world.mail(1)

    settle(world)

    assert order[:4] == [
        ("intend", "m-0"),
        ("send", "m-0"),
        ("retrying", "m-0"),
        ("return", "sqs-1"),
    ]


def test_a_dead_letter_has_ended_only_once_its_queue_has_it_and_before_its_delete(world, order):
    world.mail(1)
    both(world, noting(order, answering("refused", code="400")))

    settle(world)

    told = [step for step in order if step[0] not in {"intend", "send", "return"}]
    assert told == [
        ("retrying", "m-0"),
        ("retrying", "m-0"),
        ("bury", "m-0"),
        ("refused", "m-0"),
        ("delete", "sqs-1"),
    ]


@pytest.mark.parametrize("reaction", [QueueUnavailable("no answer"), LeftOut()])
def test_while_the_dead_letter_queue_refuses_an_email_has_not_ended(world, ledger, reaction):
    both(world, answering("refused", code="400"))
    world.mail(1)

    with dispatching(world) as dispatch:
        with world.queue.broken("send", reaction):
            dispatch.until(lambda: world.queue.calls["send"] >= 3)
            assert ledger.history("m-0") == ("retrying", ["refused", "refused"])
        dispatch.until_settled()

    assert ledger.history("m-0") == ("refused", ["refused", "refused"])


# -- states and attempts -----------------------------------------------------------------------


def test_an_accepted_email_is_sent_with_what_its_provider_said(world, ledger):
    both(world, answering("accepted", provider_id="p-7", detail="queued", code="202"))
    before = now()
    world.mail(1)

    settle(world)

    record = ledger.record_of("m-0")
    [attempt] = record.attempts
    assert (record.status, record.provider) == ("sent", attempt.provider)
    assert (record.from_email, record.to_email) == ("shop@example.com", "reader@example.org")
    assert (attempt.number, attempt.kind, attempt.provider_id) == (1, "accepted", "p-7")
    assert (attempt.code, attempt.detail) == ("202", "queued")
    assert before <= record.queued_at <= attempt.started <= record.updated_at
    assert 0 <= attempt.duration <= record.updated_at - before
    assert not attempt.possible_duplicate


def test_the_duration_of_an_attempt_is_that_of_its_send(world, ledger):
    world.ses.latency = world.sendgrid.latency = 0.1
    world.mail(1)

    settle(world)

    [attempt] = ledger.record_of("m-0").attempts
    assert 95 <= attempt.duration < 1_000


def test_what_failed_and_was_accepted_elsewhere_is_retrying_then_sent(world, ledger):
    world.ses.script = answering("failed", code="503", detail="Busy.")
    world.mail(2)

    with dispatching(world) as dispatch:
        world.sendgrid.hold()
        dispatch.until(lambda: len(world.sendgrid.calls) == 2)
        world.sendgrid.release()
        dispatch.until_settled()

    [id_] = world.ses.calls
    first, second = ledger.record_of(id_).attempts
    assert (first.provider, first.kind, first.code, first.detail) == (
        "ses",
        "failed",
        "503",
        "Busy.",
    )
    assert (second.provider, second.kind, second.number) == ("sendgrid", "accepted", 2)
    assert states(ledger, id_) == ["sending", "retrying", "sending", "sent"]
    assert not ledger.is_flagged(id_)


def states(ledger, id_):
    """The states that readers of events have seen."""
    return [each.data["status"] for each in ledger.events() if each.data.get("id") == id_]


def test_an_unknown_outcome_makes_the_next_send_a_possible_duplicate(world, ledger):
    both(world, in_turn(outcome("unknown", code="timeout"), outcome("accepted")))
    world.mail(1, queues=[ONE])

    settle(world)

    attempts = ledger.record_of("m-0").attempts
    assert [(each.kind, each.possible_duplicate) for each in attempts[:2]] == [
        ("unknown", False),
        (attempts[1].kind, True),
    ]
    assert attempts[-1].kind == "accepted"
    assert states(ledger, "m-0")[:3] == ["sending", "unknown", "sending"]
    assert states(ledger, "m-0")[-1] == "sent"


def test_a_send_that_hangs_is_unknown_until_it_is_sent(world, ledger):
    world.ses.script = lambda _: Hang()
    world.mail(2)

    settle(world, given=settings(send_timeout=0.2))

    [id_] = world.ses.calls[:1]
    assert ledger.history(id_) == ("sent", ["unknown", "accepted"])
    assert ledger.is_flagged(id_)


def test_an_email_that_two_providers_refuse_is_refused_with_the_reason(world, ledger):
    both(world, answering("refused", code="400", detail="Address on hold."))
    world.mail(1)

    settle(world)

    record = ledger.record_of("m-0")
    assert ledger.history("m-0") == ("refused", ["refused", "refused"])
    assert (record.code, record.detail) == ("400", "refused: Address on hold.")
    assert not ledger.is_flagged("m-0")


def test_an_email_that_nobody_can_carry_is_refused_without_an_attempt(world, ledger):
    for provider in world.providers.values():
        provider.unable = lambda _: "it cannot carry this"
    world.mail(1)

    settle(world)

    assert ledger.history("m-0") == ("refused", [])
    assert ledger.record_of("m-0").code == "ineligible"


def test_an_email_that_is_too_old_is_given_up_without_an_attempt(world, ledger):
    world.queue.put(ONE, encode(message()), sent_at=time.time() - DAY - 60)

    settle(world)

    assert ledger.history("m-1") == ("failed", [])
    assert ledger.record_of("m-1").detail == "given up after 24.0 h"


def test_an_email_that_gets_too_old_is_given_up_with_its_last_outcome(world, ledger):
    both(world, answering("failed", code="503", detail="Busy."))
    for provider in world.providers.values():
        provider.latency = 0.3
    world.mail(1)

    settle(world, given=settings(give_up_after=0.25))

    record = ledger.record_of("m-0")
    assert ledger.history("m-0") == ("failed", ["failed"])
    assert (record.code, record.detail) == (
        "503",
        "given up after 0.0 h; last outcome: failed: Busy.",
    )


def test_what_may_have_been_sent_and_must_not_be_twice_fails_and_says_so(world, ledger):
    both(world, answering("unknown", code="timeout"))
    world.mail(1)

    settle(world, given=settings(on_unknown="dead-letter"))

    record = ledger.record_of("m-0")
    assert ledger.history("m-0") == ("failed", ["unknown"])
    assert (record.code, record.detail) == ("timeout", "it may have been sent")
    assert states(ledger, "m-0") == ["sending", "unknown", "failed"]


def test_what_cannot_be_read_is_not_in_the_ledger(world, ledger):
    world.queue.put(ONE, "no JSON")

    settle(world)

    assert ledger.told == []
    assert len(world.dead) == 1


def test_letters_let_go_unsent_leave_no_attempt(world, ledger):
    """What is left of a visibility of twelve seconds is never the fourteen that a send may take."""
    world.mail(4)
    valid = settings(visibility_timeout=12, send_timeout=1)
    slow = valid.dispatch.model_copy(update={"send_timeout": 9.0})
    given = valid.model_copy(update={"dispatch": slow})

    with dispatching(world, given=given) as dispatch:
        dispatch.until(lambda: sum(world.queue.received.values()) == 4)
        dispatch.until(lambda: dispatch.parts.desk._in_hand == {})

    assert world.calls == []
    assert [ledger.record_of(f"m-{number}") for number in range(4)] == [None] * 4


# -- what the ledger knows ---------------------------------------------------------------------


def test_an_email_known_as_sent_is_deleted_unsent(world, ledger):
    ledger.read(lambda at: at.record([recorded("m-0")]))
    world.mail(1)

    settle(world)

    assert world.calls == []
    assert world.dead == []
    assert ledger.history("m-0") == ("sent", ["accepted"])


def test_a_second_process_deletes_unsent_what_the_first_has_sent(world, ledger):
    ids = world.mail(20)
    settle(world)
    other = World(queue=world.queue, ledger=ledger)

    other.mail(25)
    settle(other)

    assert sorted(world.calls) == sorted(ids)
    assert sorted(other.calls) == [f"m-{number}" for number in range(20, 25)]


def test_of_one_batch_only_what_has_not_ended_is_sent(world, ledger):
    ledger.read(lambda at: at.record([recorded("m-1"), ended("m-2", "refused", queued_at=now())]))
    world.mail(4, queues=[ONE])

    settle(world)

    assert sorted(world.calls) == ["m-0", "m-3"]
    assert [one.attributes["gomailId"] for one in world.dead] == ["m-2"]


@pytest.mark.parametrize("status", ["refused", "failed"])
def test_a_copy_of_a_dead_letter_comes_to_the_dead_letter_queue_again_unsent(world, ledger, status):
    ledger.read(lambda at: at.record([ended("m-0", status, queued_at=now(), code="400")]))
    world.mail(1)

    settle(world)

    [dead] = world.dead
    assert world.calls == []
    assert (dead.attributes["reason"], dead.attributes["code"]) == (f"{status} before", "copy")
    assert ledger.history("m-0") == (status, [])
    assert ledger.record_of("m-0").code == "400"


def test_a_copy_that_the_dead_letter_queue_does_not_take_is_not_sent_while_the_ledger_is_down(
    world, ledger
):
    """That it has ended is remembered, as with every other dead letter."""
    ledger.read(lambda at: at.record([ended("m-0", "failed", queued_at=now())]))
    world.mail(1)

    with dispatching(world) as dispatch:
        with world.queue.broken("send", QueueUnavailable("no answer")):
            dispatch.until(lambda: world.queue.calls["send"] >= 1)
            dispatch.parts.scribe._rests_until = float("inf")
            dispatch.until(lambda: world.queue.calls["send"] >= 3 or world.calls)
        dispatch.until_settled()

    assert world.calls == []
    assert len(world.dead) == 1


@pytest.mark.parametrize("status", ["refused", "failed"])
def test_what_an_operator_redrives_is_sent_and_its_record_shows_the_redrive(world, ledger, status):
    long_ago = now() - 2 * REDRIVEN_AFTER
    ledger.read(lambda at: at.queued([queued("m-0", long_ago)]))
    ledger.read(lambda at: at.record([ended("m-0", status, queued_at=long_ago)]))
    world.mail(1)

    settle(world)

    assert world.accepted == ["m-0"]
    redriven, sent = ledger.record_of("m-0").attempts
    assert (redriven.provider, redriven.code) == ("", "redriven")
    assert (sent.kind, sent.possible_duplicate) == ("accepted", False)
    assert ledger.record_of("m-0").status == "sent"


def test_the_process_that_buried_an_email_sends_it_when_it_is_redriven(world, ledger):
    both(world, answering("refused", code="400"))
    sent_at = time.time() - 3 * REDRIVEN_AFTER / 1_000
    world.queue.put(ONE, encode(message("m-0")), sent_at=sent_at)

    with dispatching(world) as dispatch:
        dispatch.until_settled()
        both(world, lambda _: outcome("accepted"))
        world.mail(1)
        dispatch.until_settled()

    kinds = [each.kind or each.code for each in ledger.record_of("m-0").attempts]
    assert kinds == ["refused", "refused", "redriven", "accepted"]
    assert ledger.record_of("m-0").status == "sent"


def test_what_the_api_has_noted_as_queued_keeps_its_time(world, ledger):
    earlier = now() - 500
    ledger.note([Queued("m-0", earlier, "shop@example.com", "reader@example.org")])
    world.mail(1)

    settle(world)

    assert ledger.record_of("m-0").queued_at == earlier
    assert states(ledger, "m-0") == ["queued", "sending", "sent"]


# -- verdicts and reports ----------------------------------------------------------------------


def test_verdicts_reach_the_ledger(world, ledger):
    world.ses.script = answering("failed", code="503")

    with dispatching(world, given=settings(health={"round_size": 1})) as dispatch:
        world.mail(30)
        dispatch.until(lambda: ledger.asked["verdict"] >= 1)
        dispatch.until_settled()

    verdicts = [each.data for each in ledger.events() if each.kind == "verdict"]
    assert (verdicts[0]["provider"], verdicts[0]["healthy"], verdicts[0]["verdict"]) == (
        "ses",
        False,
        1,
    )


def test_a_process_reports_what_it_has_in_hand(world, ledger, monkeypatch):
    monkeypatch.setattr(scribe, "REPORT_INTERVAL", 0.02)
    for provider in world.providers.values():
        provider.hold()
    world.mail(6)

    with dispatching(world) as dispatch:
        dispatch.until(lambda: len(world.calls) == 6)
        before = ledger.asked["report"]
        dispatch.until(lambda: ledger.asked["report"] >= before + 2)
        [process] = ledger.stats(now()).processes
        for provider in world.providers.values():
            provider.release()
        dispatch.until_settled()

    assert {each.provider for each in process.exits} == {"ses", "sendgrid"}
    assert sum(each.in_hand for each in process.exits) == 6
    assert all(each.healthy and each.room >= 16 for each in process.exits)


def test_each_process_has_an_owner_of_its_own(world, ledger, monkeypatch):
    monkeypatch.setattr(scribe, "REPORT_INTERVAL", 0.02)
    with dispatching(world) as first, dispatching(world) as second:
        owners = {one.parts.scribe._owner for one in (first, second)}
        first.until(lambda: len(ledger.stats(now()).processes) >= len(owners))
        reporting = {each.owner for each in ledger.stats(now()).processes}

    assert len(owners) == 2
    assert reporting == owners


def test_without_a_ledger_everything_is_as_it_was(world):
    ids = world.mail(10)

    settle(world)

    assert sorted(world.accepted) == ids
