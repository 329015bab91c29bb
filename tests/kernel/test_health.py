"""A provider's verdict follows its rounds, whatever came before."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gomail.health import Health, Observation, Sign, Thresholds, closes_at, observe, sign_of, tick
from gomail.outcome import OutcomeClass
from tests.builders import outcome

GOOD, BAD, FAULT = Sign.GOOD, Sign.BAD, Sign.ACCOUNT_FAULT
DEFAULTS = Thresholds()
PAST = st.lists(
    st.tuples(st.sampled_from(Sign), st.floats(0, 2), st.integers(0, 1)), max_size=120
)  # the sign, the seconds since the one before, and how many verdicts it is late
quick = settings(max_examples=200, deadline=None, derandomize=True)


def after(signs, health=None, *, at=0.0, thresholds=DEFAULTS):
    """The health after these signs, all at one moment and under the verdict of the moment."""
    health = health or Health()
    for sign in signs:
        health = observe(health, Observation(sign, health.verdict), at, thresholds)
    return health


def lived(past):
    """A health with a past, its open round closed, and the time it is then."""
    health, now = Health(), 0.0
    for sign, gap, late in past:
        now += gap
        health = observe(health, Observation(sign, health.verdict - late), now, DEFAULTS)
    return tick(health, now + 1, DEFAULTS), now + 1


def healthy_with(past):
    health, now = lived(past)
    return (health if health.healthy else after([GOOD] * 7, health, at=now)), now


def unhealthy_with(past):
    health, now = lived(past)
    return (after([BAD] * 30, health, at=now) if health.healthy else health), now


@quick
@given(past=PAST)
def test_whatever_came_before_three_failing_rounds_make_a_healthy_provider_unhealthy(past):
    health, now = healthy_with(past)
    assert health.healthy

    assert not after([BAD] * 30, health, at=now).healthy


@quick
@given(past=PAST)
def test_whatever_came_before_seven_good_probes_make_an_unhealthy_provider_healthy(past):
    health, now = unhealthy_with(past)
    assert not health.healthy

    assert after([GOOD] * 7, health, at=now).healthy


@quick
@given(past=PAST, signs=st.lists(st.sampled_from(Sign), max_size=60))
def test_each_change_of_verdict_raises_its_number_by_one(past, signs):
    health, now = lived(past)

    for sign in signs:
        seen = after([sign], health, at=now)
        assert seen.verdict - health.verdict == (seen.healthy is not health.healthy)
        health = seen


@quick
@given(past=PAST, sign=st.sampled_from(Sign), distance=st.integers(-5, 5), later=st.floats(0, 5))
def test_outcomes_of_another_verdict_change_nothing(past, sign, distance, later):
    health, now = lived(past)
    other = Observation(sign, health.verdict + (distance or 1))

    assert observe(health, other, now + later, DEFAULTS) == health


@quick
@given(gaps=st.lists(st.floats(0, 2), min_size=400, max_size=400), first=st.integers(0, 99))
def test_one_bad_message_in_a_hundred_never_makes_a_provider_unhealthy(gaps, first):
    health, now = Health(), 0.0

    for index, gap in enumerate(gaps):
        now += gap
        sign = BAD if index % 100 == first else GOOD
        health = observe(health, Observation(sign, 0), now, DEFAULTS)

    assert (health.healthy, health.verdict) == (True, 0)


def test_two_failing_rounds_are_not_enough():
    assert after([BAD] * 29).healthy
    assert not after([BAD] * 30).healthy


def test_six_good_probes_are_not_enough():
    unhealthy = after([BAD] * 30)

    assert not after([GOOD] * 6, unhealthy).healthy
    assert after([GOOD] * 7, unhealthy).healthy


def test_a_good_round_between_failing_ones_starts_the_count_anew():
    assert after([BAD] * 20 + [GOOD] * 10 + [BAD] * 20).healthy


def test_a_failed_probe_starts_the_count_of_good_ones_anew():
    assert not after([BAD] * 30 + [GOOD] * 6 + [BAD] + [GOOD] * 6).healthy


def test_a_provider_that_has_recovered_can_fail_and_recover_again():
    health = Health()

    for cycle in range(1, 6):
        health = after([BAD] * 30, health)
        assert (health.healthy, health.verdict) == (False, 2 * cycle - 1)
        health = after([GOOD] * 7, health)
        assert (health.healthy, health.verdict) == (True, 2 * cycle)


def test_a_change_of_verdict_leaves_nothing_of_what_led_to_it():
    assert after([FAULT, *[BAD] * 29]) == Health(healthy=False, verdict=1)


@pytest.mark.parametrize(("bad", "fails"), [(5, False), (6, True)])
def test_a_round_fails_when_more_than_half_of_it_failed(bad, fails):
    health = after([BAD] * bad + [GOOD] * (10 - bad))

    assert health.contradicting == fails


def test_a_failure_ratio_of_zero_fails_a_round_for_any_failure():
    strict = replace(DEFAULTS, failure_ratio=0.0)
    one_of_ten = [BAD, *[GOOD] * 9]

    assert after(one_of_ten * 2, thresholds=strict).healthy
    assert not after(one_of_ten * 3, thresholds=strict).healthy


def test_thresholds_of_zero_change_the_verdict_with_one_round():
    hasty = replace(DEFAULTS, unhealthy_threshold=0, healthy_threshold=0)

    assert not after([BAD] * 10, thresholds=hasty).healthy
    assert after([BAD] * 10 + [GOOD], thresholds=hasty).healthy


def test_a_round_closes_at_ten_outcomes():
    assert after([BAD] * 9).contradicting == 0
    assert after([BAD] * 10).contradicting == 1
    assert closes_at(after([BAD] * 10), DEFAULTS) is None


def test_a_round_closes_a_second_after_its_first_outcome():
    opened = after([BAD], at=5.0)
    later = after([BAD], opened, at=5.9)

    assert closes_at(later, DEFAULTS) == 6.0
    assert tick(later, 5.99, DEFAULTS) == later
    assert tick(later, 6.0, DEFAULTS) == Health(contradicting=1, failures=2)


def test_an_outcome_after_the_second_belongs_to_the_next_round():
    health = after([BAD], after([BAD], at=0.0), at=1.5)

    assert (health.contradicting, health.bad, health.opened_at) == (1, 1, 1.5)


def lone_failures(count):
    health = Health()
    for second in range(count):
        health = after([BAD], health, at=float(second))
    return health


def test_lone_failures_a_second_apart_are_failing_rounds_that_must_hold_ten_together():
    assert tick(lone_failures(9), 9.0, DEFAULTS) == Health(contradicting=9, failures=9)
    assert tick(lone_failures(10), 10.0, DEFAULTS) == Health(healthy=False, verdict=1)


def test_a_good_round_among_them_starts_the_count_anew():
    health = after([GOOD], lone_failures(9), at=9.0)

    assert tick(health, 10.0, DEFAULTS) == Health()


def test_where_any_failure_fails_a_round_three_rounds_are_enough():
    strict = replace(DEFAULTS, failure_ratio=0.0)

    assert tick(lone_failures(3), 3.0, strict) == Health(healthy=False, verdict=1)


def test_the_outcome_that_finds_its_round_closed_and_the_verdict_changed_is_not_counted():
    on_the_brink = Health(contradicting=2, failures=9, bad=1, opened_at=0.0)

    changed = observe(on_the_brink, Observation(GOOD, 0), 1.0, DEFAULTS)

    assert changed == Health(healthy=False, verdict=1)


@quick
@given(past=PAST)
def test_a_provider_with_no_round_open_waits_for_nothing(past):
    health, now = lived(past)

    assert closes_at(health, DEFAULTS) is None
    assert tick(health, now + 1_000, DEFAULTS) == health


# -- account faults -------------------------------------------------------------------------------


@quick
@given(past=PAST, between=st.lists(st.tuples(st.just(BAD), st.floats(0, 2)), max_size=8))
def test_two_account_faults_with_nothing_accepted_between_are_enough(past, between):
    health, now = healthy_with(past)

    health = after([FAULT], health, at=now)
    for sign, gap in between:
        now += gap
        health = after([sign], health, at=now)
    health = after([FAULT], health, at=now)

    assert not health.healthy


def test_an_acceptance_between_two_account_faults_makes_them_two_failures():
    assert after([FAULT, GOOD, FAULT]).healthy
    assert not after([FAULT, GOOD, FAULT, FAULT]).healthy


def test_recovery_from_account_faults_is_by_probes_as_always():
    unhealthy = after([FAULT, FAULT])

    assert not after([GOOD] * 6, unhealthy).healthy
    assert after([GOOD] * 7, unhealthy).healthy


# -- what an outcome says -------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["refused", "unsuitable", "throttled", "quota"])
@pytest.mark.parametrize("account_fault", [False, True])
def test_a_messages_own_fault_or_a_limit_says_nothing_of_the_provider(kind, account_fault):
    assert sign_of(outcome(kind, account_fault=account_fault)) is None


@pytest.mark.parametrize(
    ("seen", "sign"),
    [
        (outcome("accepted"), GOOD),
        (outcome("failed"), BAD),
        (outcome("unknown"), BAD),
        (outcome("failed", account_fault=True), FAULT),
    ],
)
def test_the_other_outcomes_count(seen, sign):
    assert sign_of(seen) is sign


def test_every_class_of_outcome_has_been_thought_of():
    assert {kind for kind in OutcomeClass if sign_of(outcome(kind))} == {
        OutcomeClass.ACCEPTED,
        OutcomeClass.FAILED,
        OutcomeClass.UNKNOWN,
    }
