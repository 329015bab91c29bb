"""A fallback that covers for a dead provider is told of, once, and again after an hour."""

import logging

import pytest
from prometheus_client import REGISTRY

from flows.desk import Desk, Rules
from flows.mail import Attempt, Routed, Ticket
from flows.watch import REMINDER, Watch
from gomail.exits import OutletRules
from gomail.outcome import Outcome, OutcomeClass
from gomail.routing import Way
from tests.builders import letter


class Clock:
    now = 1_000_000.0


class Watched:
    """A desk over SES and SendGrid, and who watches it."""

    def __init__(self):
        self.clock = Clock()
        self.desk = Desk(
            Rules(dict.fromkeys(("ses", "sendgrid"), OutletRules())),
            monotonic=lambda: self.clock.now,
            wall=lambda: self.clock.now,
        )
        self.lane = self.desk.lane(0)
        self.watch = Watch(self.desk, alert_after=300.0)
        self.verdict = 0

    def become(self, *, healthy):
        self.verdict += 1
        self.desk.publish("ses", healthy=healthy, verdict=self.verdict)

    def learn(self, outcome):
        """One send to SES that ends like this."""
        asked = self.lane.reserve(first=True)
        one = letter(f"m-{self.clock.now}-{outcome.kind}")
        self.lane.landed(asked, [one], first=True)
        self.lane.read([one])
        (routed,) = self.lane.route([one])
        assert isinstance(routed, Routed)
        self.lane.judge([Attempt(Routed(one, "ses", Way.SHARE, 0), outcome, Ticket())])

    def after(self, seconds):
        self.clock.now += seconds
        self.watch.look()


@pytest.fixture
def watched(caplog):
    caplog.set_level(logging.WARNING)
    return Watched()


def metric(name, provider="ses"):
    return REGISTRY.get_sample_value(f"gomail_provider_{name}", {"provider": provider})


def warnings(caplog):
    return [one.getMessage() for one in caplog.records if one.name == "flows.watch"]


def test_nothing_is_said_before_the_time_of_the_settings(watched, caplog):
    watched.become(healthy=False)

    watched.after(300)

    assert warnings(caplog) == []
    assert metric("masked_seconds") == 0
    assert metric("healthy") == 0


def test_after_it_log_and_metric_say_since_when_why_and_who_covers(watched, caplog):
    watched.learn(Outcome(OutcomeClass.FAILED, code="500", detail="InternalFailure"))
    watched.become(healthy=False)

    watched.after(720)

    (said,) = warnings(caplog)
    assert said == (
        "provider ses has been unhealthy for 12 minutes (500 InternalFailure); "
        "sendgrid covers for it"
    )
    assert metric("masked_seconds") == 720
    assert (metric("share"), metric("share", "sendgrid")) == (0, 1)


def test_it_is_repeated_each_hour_only(watched, caplog):
    watched.become(healthy=False)
    for _ in range(10):
        watched.after(360)
    assert len(warnings(caplog)) == 1

    watched.after(REMINDER)

    assert len(warnings(caplog)) == 2


def test_the_end_of_it_is_told_too(watched, caplog):
    watched.become(healthy=False)
    watched.after(360)
    watched.become(healthy=True)

    watched.after(5)

    assert warnings(caplog)[-1] == "provider ses is not unhealthy any more"
    assert metric("masked_seconds") == 0


def test_what_there_is_to_mend_is_logged_once_and_over_with_the_next_acceptance(watched, caplog):
    paused = Outcome(
        OutcomeClass.FAILED, code="x", account_fault=True, mend="SES sending is paused: call AWS"
    )
    watched.learn(paused)
    watched.learn(paused)
    watched.after(1)

    assert [one.getMessage() for one in caplog.records if one.levelname == "ERROR"] == [
        "provider ses: SES sending is paused: call AWS"
    ]
    assert metric("account_fault") == 1
    (report,) = [one for one in watched.desk.reports() if one.provider == "ses"]
    assert (report.mend, report.mend_since) == (paused.mend, 1_000_000_000)

    watched.learn(Outcome(OutcomeClass.ACCEPTED))
    watched.after(1)
    assert metric("account_fault") == 0
