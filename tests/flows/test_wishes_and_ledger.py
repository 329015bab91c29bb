"""What the ledger's answers mean for an email: called back, ended, not to be sent twice."""

import time

import pytest

from gomail.email import Message, encode
from gomail.ledger import About, Cancellation, Scheduled, Status
from tests.builders import email, outcome
from tests.flows.fake_ledger import Deaf, Down
from tests.flows.fakes import answering, in_turn
from tests.flows.running import ONE, dispatching, settings
from tests.ledger.notes import queued, recorded

pytestmark = pytest.mark.timeout(60)


def now():
    """Milliseconds since the epoch."""
    return int(time.time() * 1_000)


def body(**fields):
    return encode(Message("m-0", email(**fields)))


def put(world, **fields):
    world.queue.put(ONE, body(**fields))


def both(world, script):
    world.ses.script = world.sendgrid.script = script


def settle(world, given=None):
    with dispatching(world, given=given) as dispatch:
        dispatch.until_settled()


def reasons(world):
    return [one.attributes["reason"] for one in world.dead]


# -- ended before ------------------------------------------------------------------------------


def test_what_was_called_back_is_deleted_unsent(world, ledger):
    due = now() - 1_000
    ledger.schedule([Scheduled(queued("m-0", about=About(send_at=due)), body(send_at=due))])
    assert ledger.cancel("m-0", now()) is Cancellation.CANCELED
    put(world, send_at=due)

    settle(world)

    assert (world.calls, world.dead) == ([], [])
    assert ledger.history("m-0") == ("canceled", [])


def test_a_copy_of_what_has_expired_goes_to_the_dead_letter_queue_unsent(world, ledger):
    ledger.note([queued("m-0")])
    ledger.read(lambda file: file.record([recorded("m-0", Status.EXPIRED, provider="")]))
    put(world)

    settle(world)

    assert (world.calls, reasons(world)) == ([], ["expired before"])


def test_what_expires_before_it_is_sent_ends_as_expired(world, ledger):
    put(world, expires_at=now() - 1)

    settle(world)

    assert (world.calls, reasons(world)) == ([], ["expired"])
    assert ledger.history("m-0") == ("expired", [])


def test_what_expires_while_the_ledger_is_asked_is_not_sent_and_ends_as_expired(world, ledger):
    in_a_minute = now() + 60_000
    put(world, expires_at=in_a_minute)
    ledger.script("intend", Deaf())

    with dispatching(world) as dispatch:
        dispatch.until(lambda: ledger.told_ids("intend"))
        dispatch.parts.desk.wall = lambda: in_a_minute / 1_000
        ledger.release()
        dispatch.until_settled()

    assert (world.calls, reasons(world)) == ([], ["expired"])
    assert ledger.history("m-0") == ("expired", ["failed"])


# -- scheduled ---------------------------------------------------------------------------------


def test_what_comes_too_early_goes_back_and_is_sent_in_its_time(world, ledger):
    due = now() + 60_000
    put(world, send_at=due)

    with dispatching(world) as dispatch:
        dispatch.until(lambda: world.queue.hidden)
        assert world.queue.hidden[0] == ("sqs-1", 60)
        assert ledger.asked["intend"] == 0
        dispatch.parts.desk.wall = lambda: due / 1_000
        dispatch.until_settled()

    assert world.accepted == ["m-0"]


def test_what_is_scheduled_waits_for_a_ledger_that_is_down(world, ledger):
    """It may have been called back, and nobody else knows."""
    put(world, send_at=now() - 1)
    ledger.always(Down())

    with dispatching(world) as dispatch:
        dispatch.until(lambda: len(world.queue.hidden) > 1)
        assert world.calls == []
        ledger.always(None)
        dispatch.until_settled()

    assert world.accepted == ["m-0"]
    assert all(delay >= 1 for _, delay in world.queue.hidden)


def test_what_is_scheduled_is_not_sent_while_the_ledger_is_late_and_is_not_taken_for_sent_then(
    world, ledger
):
    """What the ledger noted late is ended there: otherwise it would look like a send."""
    put(world, send_at=now() - 1, on_unknown="dead-letter")
    ledger.script("intend", Deaf())

    with dispatching(world, given=settings(patience=0.02)) as dispatch:
        dispatch.until(lambda: world.queue.hidden)
        assert world.calls == []
        dispatch.parts.scribe._intents._patience = 5.0  # it answers in time from now on
        ledger.release()
        dispatch.until_settled()

    assert (world.accepted, world.dead) == (["m-0"], [])
    assert ledger.history("m-0") == ("sent", ["failed", "accepted"])


def test_what_is_scheduled_is_sent_where_there_is_no_ledger(world):
    put(world, send_at=now() - 1)

    settle(world)

    assert world.accepted == ["m-0"]


# -- not twice ---------------------------------------------------------------------------------


LOST = outcome("unknown", code="timeout")


@pytest.mark.parametrize(
    ("wish", "policy", "sends", "dead"),
    [
        ("dead-letter", "retry", 1, ["it may have been sent"]),
        ("", "dead-letter", 1, ["it may have been sent"]),
        ("retry", "dead-letter", 2, []),
        ("", "retry", 2, []),
    ],
)
def test_after_a_lost_answer_an_email_is_sent_again_only_where_its_sender_agrees(
    world, wish, policy, sends, dead
):
    both(world, in_turn(LOST, outcome("accepted")))
    world.sendgrid.script = world.ses.script
    put(world, on_unknown=wish)

    settle(world, settings(on_unknown=policy))

    assert (len(world.calls), reasons(world)) == (sends, dead)


def test_what_nobody_answered_for_in_the_ledger_is_not_sent_where_its_sender_forbids(world, ledger):
    unanswered(ledger)
    put(world, on_unknown="dead-letter")

    settle(world)

    assert (world.calls, reasons(world)) == ([], ["it may have been sent"])
    state, outcomes = ledger.history("m-0")
    assert (state, outcomes) == ("failed", ["unknown", "failed"])


def test_what_nobody_answered_for_in_the_ledger_is_sent_where_its_sender_says_so(world, ledger):
    unanswered(ledger)
    put(world, on_unknown="retry")

    settle(world, settings(on_unknown="dead-letter"))

    assert world.accepted == ["m-0"]
    assert ledger.is_flagged("m-0")


def unanswered(ledger):
    """Another process has sent it and did not learn what came of it."""
    ledger.note([queued("m-0")])
    ledger.read(lambda file: file.record([recorded("m-0", Status.UNKNOWN, kind=LOST.kind)]))


def test_what_was_held_back_counts_for_nothing_at_its_provider(world, ledger):
    """One that counted would be a failing round, and one failing round is too many here."""
    strict = {"failure_ratio": 0, "unhealthy_threshold": 0, "round_size": 1}
    unanswered(ledger)
    put(world, on_unknown="dead-letter")

    with dispatching(world, given=settings(health=strict)) as dispatch:
        dispatch.until_settled()
        seen = dispatch.parts.desk.reports()

    assert [(one.healthy, one.failing_rounds) for one in seen] == [(True, 0), (True, 0)]


# -- what the ledger is told -------------------------------------------------------------------


def test_the_ledger_is_told_whom_else_an_email_goes_to_and_what_its_sender_says_of_it(
    world, ledger
):
    put(world, tags=("receipt",), metadata=(("order", "17"),), send_at=now() - 1)
    both(world, answering("accepted"))

    settle(world)

    said = ledger.record_of("m-0").about
    assert (said.tags, said.metadata) == (("receipt",), (("order", "17"),))
    assert said.send_at
