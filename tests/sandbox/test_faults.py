"""Which calls faults strike, and which switches can be set."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.faults import BadSwitches, QueueSwitches, RateLimit, Strikes, Switches, switches

rates = st.floats(0, 1, allow_subnormal=False)


def struck(strikes, calls):
    return [strikes.next() for _ in range(calls)]


def test_a_rate_of_a_half_strikes_every_second_call():
    assert struck(Strikes({"error": 0.5}), 6) == [None, "error"] * 3


def test_a_rate_of_a_tenth_strikes_the_tenth_call():
    assert struck(Strikes({"error": 0.1}), 100)[9::10] == ["error"] * 10


@given(rates, st.integers(1, 300))
def test_a_rate_strikes_its_share_of_the_calls(rate, calls):
    count = struck(Strikes({"error": rate}), calls).count("error")

    assert rate * calls - 1 <= count <= rate * calls + 1e-6


@given(rates, st.integers(1, 300))
def test_two_rates_keep_their_shares_beside_each_other(rate, calls):
    found = struck(Strikes({"hang": rate, "error": 1 - rate}), calls)

    assert abs(found.count("hang") - rate * calls) <= 2
    assert abs(found.count("error") - (1 - rate) * calls) <= 2


def test_a_rate_limit_lets_a_second_s_worth_through_and_then_its_rate():
    limit = RateLimit(5)

    assert [limit.allows(0.0) for _ in range(6)] == [True] * 5 + [False]
    assert [limit.allows(0.2), limit.allows(0.2)] == [True, False]


def test_a_rate_limit_of_none_lets_everything_through():
    assert all(RateLimit(None).allows(0.0) for _ in range(1000))


def test_no_switches_heal_everything():
    assert switches(Switches, {}) == Switches()


def test_unknown_switches_are_named():
    with pytest.raises(BadSwitches, match="oops, typo"):
        switches(Switches, {"typo": 1, "oops": 2, "latency": 1})


@pytest.mark.parametrize(
    "wanted",
    [
        {"error_rate": 1.1},
        {"error_rate": True},
        {"error_rate": "1"},
        {"error_rate": None},
        {"status": 200},
        {"status": 500.5},
        {"latency": -1},
        {"latency": float("nan")},
        {"rate_limit": -1},
        {"refuse_ids": "m-1"},
        {"refuse_to": [1]},
        {"max_clock_skew": -1},
    ],
)
def test_impossible_values_are_refused_by_name(wanted):
    with pytest.raises(BadSwitches, match=next(iter(wanted))):
        switches(Switches, wanted)


@pytest.mark.parametrize("most", [-1, 1.5, 120_001, "1"])
def test_an_impossible_number_in_flight_is_refused_by_name(most):
    with pytest.raises(BadSwitches, match="max_in_flight"):
        switches(QueueSwitches, {"max_in_flight": most})


def test_the_queue_has_switches_of_its_own():
    found = switches(QueueSwitches, {"throttle_rate": 0.5, "operations": ["SendMessage"]})

    assert found == QueueSwitches(throttle_rate=0.5, operations=("SendMessage",))
