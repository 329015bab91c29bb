"""Limited providers in the whole flow: in turns of their rate, within their quota, by all together.

Only lower bounds of times are asserted: a busy machine is slow, never too fast.
"""

import asyncio
import time
from collections import Counter

import pytest

from flows.allowances import Allowances, described
from flows.desk import Desk, Rules
from gomail.email import Mailbox, encode
from gomail.exits import OutletRules
from gomail.outcome import Outcome, OutcomeClass
from gomail.providers import Limits
from tests.builders import message
from tests.flows.fake_ledger import Down, Silent
from tests.flows.fakes import FakeProvider, FakeQueue, answering
from tests.flows.running import DEAD, ONE, TWO, dispatching, run_main, settings, two_processes

pytestmark = pytest.mark.timeout(60)

ALMOST = 0.9
"""Timers may fire a little early, and slots are counted from before the first send."""


class Clocked:
    """Accepts, and remembers when it was asked."""

    def __init__(self):
        self.times = []

    def __call__(self, _message):
        self.times.append(time.monotonic())
        return Outcome(OutcomeClass.ACCEPTED)

    @property
    def span(self):
        return max(self.times) - min(self.times)


def at_rate(rate, **more):
    return {"ses": {"rate": rate, **more}, "sendgrid": {"from_domains": ["example.org"]}}


@pytest.fixture
def alone(world):
    """SES alone can carry the mail; when it was asked."""
    world.sendgrid.unable = lambda _: "fromEmail: not here"
    world.ses.script = Clocked()
    return world.ses.script


@pytest.mark.parametrize("with_ledger", [False, True], ids=["without", "with a ledger"])
def test_a_limited_provider_is_sent_to_in_turns(world, alone, request, with_ledger):
    if with_ledger:
        request.getfixturevalue("ledger")
    ids = world.mail(30)

    with dispatching(world, given=settings(providers=at_rate(40))) as dispatch:
        dispatch.until_settled()

    assert sorted(world.ses.accepted) == sorted(ids)
    assert alone.span >= 29 / 40 * ALMOST
    assert world.queue.received.total() <= 3 * len(ids)  # not received again and again


@pytest.mark.usefixtures("ledger")
def test_two_processes_share_the_rate_through_the_ledger(world, alone):
    ids = world.mail(40)

    with dispatching(world, by=two_processes(), given=settings(providers=at_rate(50))) as dispatch:
        dispatch.until_settled()

    assert sorted(world.ses.accepted) == sorted(ids)
    assert alone.span >= 39 / 50 * ALMOST


@pytest.mark.parametrize("trouble", [Down(), Silent()], ids=["down", "silent"])
def test_while_the_ledger_does_not_answer_each_process_keeps_to_its_part(
    world, ledger, alone, trouble
):
    ledger.always(trouble)
    world.mail(15)
    given = settings(patience=0.02, providers=at_rate(80, rate_share=0.25))

    with dispatching(world, given=given) as dispatch:
        dispatch.until_settled()

    assert alone.span >= 14 / 20 * ALMOST


def test_what_a_limited_provider_cannot_take_now_goes_to_the_other(world):
    world.mail(60)

    with dispatching(world, given=settings(providers={"ses": {"rate": 5}, "sendgrid": {}})) as run:
        run.until_settled()

    assert len(world.sendgrid.accepted) > 40
    assert world.ses.accepted


@pytest.mark.parametrize("with_ledger", [False, True], ids=["without", "with a ledger"])
def test_a_quota_is_kept_and_the_rest_goes_to_the_other(world, request, with_ledger):
    if with_ledger:
        request.getfixturevalue("ledger")
    world.mail(40)
    given = settings(providers={"ses": {"quota": 5}, "sendgrid": {}})

    with dispatching(world, given=given) as dispatch:
        dispatch.until_settled()

    assert Counter({"ses": len(world.ses.calls), "sendgrid": len(world.sendgrid.calls)}) == {
        "ses": 5,
        "sendgrid": 35,
    }


@pytest.mark.usefixtures("alone")
def test_a_process_that_stops_gives_back_what_waits_for_its_turn(world):
    ids = world.mail(20)

    with dispatching(world, by=(run_main,), given=settings(providers=at_rate(10))) as dispatch:
        dispatch.until(lambda: world.ses.accepted)

    assert len(world.ses.accepted) + world.left == len(ids)
    assert len(set(world.ses.accepted)) == len(world.ses.accepted)


@pytest.mark.usefixtures("alone")
def test_a_process_that_stops_does_not_wait_for_turns(world, ledger):
    """Without their intents told, so that nothing looks like a send."""
    world.mail(12, queues=[ONE])

    with dispatching(world, given=settings(providers=at_rate(2))) as dispatch:
        dispatch.until(lambda: world.ses.accepted)
        began = time.monotonic()
        dispatch.end()

    assert time.monotonic() - began < 1.5
    assert len(world.ses.accepted) + world.left == 12
    assert world.queue.visible(ONE) == world.left
    assert len(ledger.told_ids("intend")) == len(world.ses.accepted)


@pytest.mark.parametrize("with_ledger", [False, True], ids=["without", "with a ledger"])
@pytest.mark.usefixtures("alone")
def test_an_email_to_more_than_are_left_of_the_quota_stops_no_other(world, request, with_ledger):
    if with_ledger:
        request.getfixturevalue("ledger")
    copies = tuple(Mailbox(f"{number}@example.org") for number in range(5))
    world.mail(1, queues=[TWO])

    with dispatching(world, given=settings(providers=at_rate(1_000, quota=6))) as dispatch:
        dispatch.until(lambda: len(world.ses.accepted) == 1)
        world.queue.put(ONE, encode(message("many", cc=copies)))
        world.mail(3, first=1, queues=[TWO])
        dispatch.until(lambda: len(world.ses.accepted) == 4)

    assert "many" not in world.ses.accepted


# -- mail that suits only some ---------------------------------------------------------------------


def test_a_heap_of_mail_for_a_dead_provider_does_not_stop_the_others(world):
    """It is looked at, goes back for longer each time, and what is behind it gets through."""
    world.queue = FakeQueue(ONE, TWO, DEAD, delays=1.0)
    world.ses.unable = lambda email: None if email.subject == "ses" else "subject: not here"
    world.sendgrid.unable = lambda email: "subject: not here" if email.subject == "ses" else None
    world.ses.script = answering("failed")
    for number in range(100):
        world.queue.put(ONE, encode(message(f"heap-{number}", subject="ses")))
    ids = world.mail(20, queues=[ONE])

    with dispatching(world) as dispatch:
        dispatch.until(lambda: set(ids) <= set(world.sendgrid.accepted))

    assert not world.dead


# -- what the account is allowed ------------------------------------------------------------------


class Telling(FakeProvider):
    """Says what the account is allowed."""

    said = None

    async def limits(self):
        if isinstance(self.said, float):
            await asyncio.sleep(self.said)
        return self.said


def desk(**rules):
    return Desk(Rules({"ses": OutletRules(**rules)}), monotonic=lambda: 0.0)


def look(ours, said):
    provider = Telling("ses")
    provider.said = said
    asyncio.run(Allowances(ours, {"ses": provider}).look())
    return ours.turns.paces["ses"]


def test_the_rate_of_the_account_becomes_that_of_the_provider():
    assert look(desk(), Limits(14.0, 50_000, 1_234)).rate(0.0) == 14.0


def test_the_rate_of_the_settings_wins():
    assert look(desk(rate=5.0), Limits(14.0, 50_000, 0)).rate(0.0) == 5.0


def test_without_a_ledger_a_process_takes_its_part_of_the_account():
    assert look(desk(rate_share=0.5), Limits(14.0, None, 0)).rate(0.0) == 7.0


def test_a_quota_that_the_account_has_used_up_stops_the_mail():
    assert look(desk(), Limits(14.0, 200, 200)).is_used_up(0.0)
    assert not look(desk(), Limits(14.0, 200, 199)).is_used_up(0.0)
    assert not look(desk(), Limits(14.0, None, 10_000)).is_used_up(0.0)


def test_no_answer_changes_nothing():
    assert look(desk(rate=3.0), None).rate(0.0) == 3.0


def test_the_limits_are_told_in_words():
    assert described(Limits(14.0, 50_000, 1_234)) == (
        "the account is allowed 14 recipients a second, 1234 of 50000 are used in 24 hours"
    )
    assert described(Limits()) == "the account is allowed any rate"
