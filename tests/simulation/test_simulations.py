"""Routing in outages of every kind, on a simulated clock: the runs of `docs/routing.md`."""

from random import Random

import pytest

from benchmarks.simulation.scenarios import (
    ALONE,
    ENDS,
    FLAPPING,
    FULL_SPEED,
    LIMITED,
    OUTAGES,
    PARTICULAR,
    RANDOM,
    healthy,
    play,
    quantile,
    recovering,
)
from gomail.health import Health, Observation, Sign, Thresholds, observe
from gomail.outcome import OutcomeClass


def named(scenario):
    return scenario.name


@pytest.fixture(
    params=[FLAPPING, *RANDOM.values(), LIMITED, ALONE, *OUTAGES, recovering()], ids=named
)
def story(request):
    return play(request.param)


def test_every_email_is_accepted_once_and_none_is_a_dead_letter(story):
    assert len(story.accepted_at) == len(story.emails)
    assert (story.duplicates, story.left, len(story.dead)) == (0, 0, 0)


# -- (a) a provider that flaps --------------------------------------------------------------------


def test_each_outage_of_a_flapping_provider_wastes_few_calls():
    story = play(FLAPPING)

    outages = [
        sum(
            send.outcome.kind is OutcomeClass.FAILED and start <= send.began < start + 30
            for send in story.sends
        )
        for start in range(0, 300, 60)
    ]

    assert min(outages) > 0
    assert max(outages) <= 50


def test_a_flapping_provider_serves_again_each_time_it_is_up():
    story = play(FLAPPING)

    served = [
        sum(
            send.provider == "ses" and start + 30 <= send.began < start + 60
            for send in story.sends
            if send.outcome.kind is OutcomeClass.ACCEPTED
        )
        for start in range(0, 300, 60)
    ]

    assert min(served) > 50


def test_mail_is_hardly_later_beside_a_flapping_provider():
    flapping, calm = play(FLAPPING).delays, healthy(FLAPPING).delays

    assert quantile(flapping, 0.99) < quantile(calm, 0.99) + 0.05
    assert flapping[-1] < calm[-1] + 1


# -- (b) failures at random -----------------------------------------------------------------------


@pytest.mark.parametrize("ratio", RANDOM)
def test_random_failures_change_no_verdict(ratio):
    assert play(RANDOM[ratio]).verdicts == []


def changes(ratio, seconds_between):
    """Changes to unhealthy in 100,000 outcomes at one provider: its health alone, 300,000 long."""
    random, thresholds = Random(7), Thresholds()
    health, now, changed = Health(), 0.0, 0
    for _ in range(300_000):
        now += seconds_between(random)
        sign = Sign.BAD if random.random() < ratio else Sign.GOOD
        before = health
        health = observe(health, Observation(sign, health.verdict), now, thresholds)
        changed += before.healthy and not health.healthy
    return changed / 3


@pytest.mark.parametrize("rate", [1, 3, 500])
@pytest.mark.parametrize("ratio", [0.01, 0.05])
def test_a_failure_in_twenty_never_changes_a_verdict(ratio, rate):
    assert changes(ratio, lambda random: random.expovariate(rate)) == 0


@pytest.mark.parametrize("rate", [1, 3, 5, 500])
def test_a_failure_in_five_changes_at_most_one_verdict_in_100_000_emails(rate):
    assert changes(0.2, lambda random: random.expovariate(rate)) <= 1


@pytest.mark.parametrize("rate", [1, 3])
def test_nor_more_where_little_mail_comes_evenly(rate):
    assert changes(0.2, lambda _: 1 / rate) <= 1


# -- (c) faults of messages -----------------------------------------------------------------------


def test_bad_recipients_and_a_tenant_s_unverified_sender_change_no_verdict():
    assert play(PARTICULAR).verdicts == []


def test_bad_recipients_alone_are_dead_letters():
    story = play(PARTICULAR)

    assert len(story.dead) == len(story.emails) // 50
    assert {letter["reason"] for letter in story.dead} == {"refused"}
    assert len(story.accepted_at) == len(story.emails) - len(story.dead)
    assert (story.duplicates, story.left) == (0, 0)


def test_the_tenant_s_mail_goes_where_its_sender_is_known():
    story = play(PARTICULAR)

    tenant = {held.number for held in story.emails if "tenant@example.net" in held.body}
    good = tenant - {held.number for held in story.emails if "@nowhere.example" in held.body}
    accepted = {one.number for one in story.sends if one.outcome.kind is OutcomeClass.ACCEPTED}

    assert good <= accepted
    assert story.count("ses", OutcomeClass.UNSUITABLE) > 0
    assert story.wasted == 0


# -- (d) a provider with a rate -------------------------------------------------------------------


@pytest.mark.parametrize("scenario", [LIMITED, ALONE], ids=named)
def test_of_14_a_second_a_provider_gets_at_most_29_in_any_two_seconds(scenario):
    story = play(scenario)

    assert story.most_within("ses", 2.0) <= 29
    assert story.count("ses", OutcomeClass.THROTTLED) == 0


def test_the_other_provider_takes_what_the_limited_one_cannot():
    story = play(LIMITED)

    assert story.count("sendgrid") == len(story.emails) - story.count("ses")
    assert story.count("ses") >= 14 * 29
    assert story.delays[-1] < healthy(LIMITED).delays[-1] + 1


def test_alone_the_limited_provider_is_used_to_the_full():
    story = play(ALONE)

    assert max(story.accepted_at.values()) < len(story.emails) / 14 + 5


def test_mail_that_a_limited_provider_cannot_take_yet_stays_on_the_queue():
    story = play(ALONE)

    assert max(held.receives for held in story.emails) <= 3


# -- (e) everybody is down ------------------------------------------------------------------------


@pytest.fixture(params=OUTAGES, ids=named)
def outage(request):
    return play(request.param)


def test_in_an_hour_s_outage_an_email_costs_few_attempts(outage):
    attempts = outage.attempts.values()

    assert sum(attempts) / len(outage.emails) <= 18
    assert max(attempts) <= 26


def test_what_is_visible_when_the_outage_ends_is_accepted_within_two_minutes(outage):
    accepted = outage.accepted_at

    assert all(accepted[number] <= FULL_SPEED for number in outage.sights[ENDS].visible)
    assert len(outage.sights[FULL_SPEED].visible) <= 1


def test_returned_mail_is_accepted_when_its_delay_is_over(outage):
    accepted, hidden = outage.accepted_at, outage.sights[ENDS].hidden

    assert all(due <= ENDS + 900 for due in hidden.values())
    assert all(accepted[number] <= max(due + 1, FULL_SPEED) for number, due in hidden.items())


def test_two_minutes_after_an_outage_new_mail_is_as_fast_as_ever():
    story, calm = play(OUTAGES[-1]), healthy(OUTAGES[-1]).delays

    delays = sorted(
        story.accepted_at[held.number] - held.sent_at
        for held in story.emails
        if held.sent_at >= FULL_SPEED
    )

    assert quantile(delays, 0.99) <= quantile(calm, 0.99) + 0.05


# -- (f) little mail ------------------------------------------------------------------------------


@pytest.mark.parametrize("at", range(300, 333, 3))
def test_at_a_message_a_second_a_provider_is_healthy_within_a_minute_of_its_recovery(at):
    story = play(recovering(at))

    first, second = story.verdicts

    assert (first.healthy, second.healthy) == (False, True)
    assert at < second.at <= at + 60
