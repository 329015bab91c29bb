"""Providers that are down behind others' backs: who is told of, since when and why."""

from dataclasses import replace
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from gomail.ledger import ExitReport
from gomail.masking import Masked, masked, merged, told

NOW = 1_790_000_000_000
AFTER = 300.0
LONG_AGO = NOW - 300_001


def way(provider: str, *, since: int = 0, why: str = "") -> ExitReport:
    """How a process sees a provider: unhealthy since then, else healthy."""
    return ExitReport(
        provider, healthy=not since, verdict=1, failing_rounds=0, good_rounds=0, in_hand=0,
        room=16, paused_for=0.0, unhealthy_since=since, why=why,
    )  # fmt: skip


def test_a_provider_that_others_have_covered_for_long_is_told_of() -> None:
    exits = [way("ses", since=LONG_AGO, why="500 Down"), way("smtp"), way("sendgrid")]

    assert masked(exits, NOW, AFTER) == [Masked("ses", LONG_AGO, "500 Down", ("sendgrid", "smtp"))]


def test_one_that_is_not_yet_unhealthy_for_long_is_not() -> None:
    assert masked([way("ses", since=NOW - 300_000), way("smtp")], NOW, AFTER) == []


def test_where_nobody_covers_that_is_told_too() -> None:
    exits = [way("ses", since=LONG_AGO), way("smtp", since=LONG_AGO)]

    assert [one.covered_by for one in masked(exits, NOW, AFTER)] == [(), ()]
    assert told(masked(exits, NOW, AFTER)[0], NOW).endswith("; nobody covers for it")
    assert masked([], NOW, AFTER) == []


def test_a_provider_that_is_paused_covers_for_nobody() -> None:
    paused = replace(way("smtp"), paused_for=800.0)

    (one,) = masked([way("ses", since=LONG_AGO), paused], NOW, AFTER)

    assert one.covered_by == ()


def test_a_report_that_does_not_say_since_when_is_left_out() -> None:
    older = ExitReport("ses", False, 1, 0, 0, 0, 16, 0.0)

    assert masked([older, way("smtp")], NOW, AFTER) == []


def test_several_processes_tell_of_a_provider_once() -> None:
    first = [Masked("ses", 20, "503 Busy", ("sendgrid",)), Masked("smtp", 5, "", ("sendgrid",))]
    second = [Masked("ses", 10, "500 Down", ("brevo", "sendgrid"))]

    assert merged([first, second]) == [
        Masked("ses", 10, "500 Down", ("brevo", "sendgrid")),
        Masked("smtp", 5, "", ("sendgrid",)),
    ]


names = st.sampled_from(["ses", "sendgrid", "smtp", "brevo"])
times = st.integers(NOW - 600_000, NOW + 60_000)
words = st.sampled_from(["", "500 Down", "time-out"])
ways = st.lists(
    st.builds(way, names, since=st.just(0) | times, why=words), unique_by=lambda each: each.provider
)
reports = st.lists(ways, max_size=5)


@given(exits=ways, after=st.floats(0, 900))
def test_whoever_is_told_of_is_unhealthy_for_long_and_covered_by_all_healthy_ones(
    exits: list[ExitReport], after: float
) -> None:
    found = {each.provider: each for each in masked(exits, NOW, after)}
    healthy = {each.provider for each in exits if each.healthy}

    for each in exits:
        long = not each.healthy and NOW - each.unhealthy_since > after * 1_000
        assert (each.provider in found) == (long and bool(each.unhealthy_since))
    for one in found.values():
        assert set(one.covered_by) == healthy
        assert one.provider not in one.covered_by


@given(exits=ways, after=st.floats(0, 900), longer=st.floats(0, 900))
def test_whoever_waits_longer_is_told_of_fewer(
    exits: list[ExitReport], after: float, longer: float
) -> None:
    assert set(masked(exits, NOW, after + longer)) <= set(masked(exits, NOW, after))


@given(processes=reports, order=st.randoms(use_true_random=False))
def test_the_order_of_processes_and_who_merges_first_do_not_matter(
    processes: list[list[ExitReport]], order: Random
) -> None:
    told = [masked(each, NOW, 0.0) for each in processes]
    shuffled = list(told)
    order.shuffle(shuffled)

    assert merged(shuffled) == merged(told)
    assert merged([merged(told[:2]), *told[2:]]) == merged(told)
    assert merged([*told, *told]) == merged(told)


@given(processes=reports)
def test_everybody_that_one_process_tells_of_is_told_of_since_the_earliest_time(
    processes: list[list[ExitReport]],
) -> None:
    told = [masked(each, NOW, 0.0) for each in processes]
    together = {each.provider: each for each in merged(told)}
    everybody = [each for process in told for each in process]

    assert set(together) == {each.provider for each in everybody}
    for each in everybody:
        one = together[each.provider]
        assert one.since <= each.since
        assert set(each.covered_by) <= set(one.covered_by)
        assert (one.since, one.why) in {
            (other.since, other.why) for other in everybody if other.provider == each.provider
        }
