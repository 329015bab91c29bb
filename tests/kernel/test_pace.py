"""A provider is sent to no faster than it allows, slower after it said so, and never over quota."""

from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gomail.pace import LEAST, UNTRIED, Pace

HOUR = 3_600.0
quick = settings(max_examples=200, deadline=None, derandomize=True)


def turns(pace, counts, now=0.0):
    """When each of these may be sent, all asked for at once."""
    return [pace.take(count, now) for count in counts]


# -- rate -----------------------------------------------------------------------------------------


def test_without_a_rate_everything_may_go_at_once():
    pace = Pace()

    assert turns(pace, [1, 50, 1], now=7.0) == [7.0, 7.0, 7.0]
    assert (pace.wait(7.0), pace.free(7.0, 1.0), pace.rate(7.0)) == (0.0, inf, None)


def test_fourteen_a_second_are_a_fourteenth_of_a_second_apart():
    assert turns(Pace(14.0), [1] * 4) == pytest.approx([0, 1 / 14, 2 / 14, 3 / 14])


def test_an_email_to_many_is_paid_for_afterwards():
    assert turns(Pace(10.0), [5, 1, 1]) == pytest.approx([0, 0.5, 0.6])


def test_a_burst_may_follow_each_other_at_once_and_comes_back_with_time():
    pace = Pace(10.0, burst=3)

    assert turns(pace, [1] * 4) == pytest.approx([0, 0, 0, 0.1])
    assert turns(pace, [1] * 4, now=10.0) == pytest.approx([10, 10, 10, 10.1])


def test_time_that_nobody_used_is_not_saved():
    pace = Pace(10.0)
    pace.take(1, 0.0)

    assert turns(pace, [1, 1], now=60.0) == pytest.approx([60.0, 60.1])


@quick
@given(
    rate=st.floats(0.5, 500),
    burst=st.integers(1, 20),
    asks=st.lists(st.tuples(st.floats(0, 2), st.integers(1, 5)), min_size=1, max_size=60),
    window=st.floats(0.1, 5),
)
def test_in_no_window_is_more_sent_than_the_rate_the_burst_and_one_email_allow(
    rate, burst, asks, window
):
    pace, now, sent = Pace(rate, burst), 0.0, []
    for after, count in asks:
        now += after
        sent.append((pace.take(count, now), count))

    assert [at for at, _ in sent] == sorted(at for at, _ in sent)
    for start, _ in sent:
        within = [count for at, count in sent if start <= at <= start + window]
        assert sum(within) <= rate * window + burst + max(count for _, count in sent) + 1e-6


@quick
@given(rate=st.floats(1, 500), horizon=st.floats(0.1, 2), taken=st.integers(0, 30))
def test_what_is_free_within_a_while_can_be_sent_within_it(rate, horizon, taken):
    pace = Pace(rate)
    turns(pace, [1] * taken)

    free = pace.free(0.0, horizon)

    assert all(at <= horizon + 1e-9 for at in turns(pace, [1] * free))
    assert pace.take(1, 0.0) > horizon - 1e-9


def test_whoever_shares_the_rate_out_can_put_the_next_turn_off():
    pace = Pace(10.0)
    pace.take(1, 0.0)

    pace.postpone(2.0, 1, 0.0)

    assert pace.take(1, 0.0) == pytest.approx(2.1)


# -- throttles ------------------------------------------------------------------------------------


def test_a_throttle_halves_the_rate_which_then_grows_slowly():
    pace = Pace(100.0)

    pace.throttled(0.0)

    assert pace.rate(0.0) == 50
    assert pace.rate(10.0) == pytest.approx(70)
    assert pace.rate(60.0) == 100


def test_throttles_of_the_same_second_halve_it_once():
    pace = Pace(100.0)
    for hundredths in range(90):
        pace.throttled(hundredths / 100)

    assert pace.rate(0.9) == pytest.approx(50, abs=2)


def test_throttled_again_and_again_it_keeps_a_little():
    pace = Pace(100.0)
    for second in range(60):
        pace.throttled(2.0 * second)

    assert pace.rate(118.0) == pytest.approx(LEAST, abs=0.1)


def test_without_a_rate_half_of_what_was_accepted_of_late_is_sent():
    pace = Pace()
    for tick in range(300):
        pace.accepted(2, tick / 100)

    pace.throttled(3.0)

    assert pace.rate(3.0) == pytest.approx(100, rel=0.2)


def test_without_a_rate_and_an_acceptance_it_begins_with_a_few_a_second():
    pace = Pace()

    pace.throttled(0.0)

    assert pace.rate(0.0) == UNTRIED / 2


def test_without_a_rate_twice_what_was_too_much_ends_the_limit():
    pace = Pace()
    pace.throttled(0.0)

    assert pace.rate(74.0) is not None
    assert pace.rate(76.0) is None


def test_what_the_account_is_allowed_takes_the_place_of_what_it_was():
    pace = Pace()

    pace.allow(14.0, None)

    assert turns(pace, [1, 1]) == pytest.approx([0, 1 / 14])


# -- quota ----------------------------------------------------------------------------------------


def test_a_quota_of_the_account_is_used_up_when_nothing_is_left():
    pace = Pace()
    pace.allow(None, 3)

    pace.take(2, 0.0)
    assert not pace.is_used_up(0.0)
    pace.take(1, 0.0)
    assert pace.is_used_up(0.0)
    assert pace.free(0.0, 1.0) == 0

    pace.allow(None, 3)
    assert not pace.is_used_up(0.0)


@quick
@given(st.lists(st.tuples(st.floats(0, 4 * HOUR), st.integers(1, 3)), max_size=80))
def test_a_quota_of_the_settings_is_kept_in_any_24_hours(asks):
    pace, now, sent = Pace(quota=20), 0.0, []
    for after, count in asks:
        now += after
        if pace.fits(count, now):
            pace.take(count, now)
            sent.append((now, count))

    for start, _ in sent:
        day = [count for at, count in sent if start <= at < start + 24 * HOUR]
        assert sum(day) <= 20


def test_a_quota_comes_back_after_a_day():
    pace = Pace(quota=1)
    pace.take(1, 0.0)

    assert pace.is_used_up(24 * HOUR - 1)
    assert not pace.is_used_up(25 * HOUR + 1)
