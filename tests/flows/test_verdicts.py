"""The health step under a moved clock: when it asks to be woken, what it announces, and to whom."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.desk import Desk, Rules
from flows.verdicts import PARTS, HealthStep, ViewSink, to_every_worker
from gomail.exits import OutletRules
from gomail.health import Health, Observation, Sign, Thresholds

GOOD, BAD = Sign.GOOD, Sign.BAD
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
DOWN, UP_AGAIN = (False, 1), (True, 2)


def verdicts(changes):
    """Announcements of a new verdict, which begin without a round against it."""
    return [
        (healthy, verdict)
        for healthy, verdict, contradicting in changes
        if not contradicting and verdict
    ]


class Step:
    """A health step and the clock it goes by."""

    def __init__(self, resumed=None):
        self.now = 100.0
        self.step = HealthStep(
            resumed, Thresholds(), monotonic=lambda: self.now, utc=lambda: NOON + self._passed()
        )

    def _passed(self):
        return timedelta(seconds=self.now - 100.0)

    def see(self, *signs, verdict=0):
        """The changes of verdict that these signs bring."""
        return verdicts(self.announced(*signs, verdict=verdict))

    def announced(self, *signs, verdict=0):
        """Every announcement that these signs bring."""
        changes, discard = self.step.on_batch([Observation(sign, verdict) for sign in signs])
        assert not discard
        return changes

    def wake(self):
        changes, discard = self.step.on_notify()
        assert not discard
        return verdicts(changes)

    def wakes_in(self):
        """Seconds until it wants to be woken."""
        at = self.step.notify_at()
        return at and (at - NOON - self._passed()).total_seconds()


def test_three_failing_rounds_are_announced_once_as_a_change():
    step = Step()

    assert step.see(*[BAD] * 29) == []
    assert step.see(BAD) == [DOWN]
    assert step.see(*[BAD] * 30, verdict=1) == []


def test_each_round_against_the_verdict_is_announced_with_their_number_in_a_row():
    step = Step()

    assert step.announced(*[BAD] * 20) == [(True, 0, 1), (True, 0, 2)]
    assert step.announced(*[GOOD] * 20) == [(True, 0, 0)]


def test_a_change_and_its_return_may_come_of_two_batches():
    step = Step()
    step.see(*[BAD] * 30)

    assert step.see(*[GOOD] * 6, verdict=1) == []
    assert step.see(GOOD, verdict=1) == [UP_AGAIN]


@settings(max_examples=100, deadline=None, derandomize=True)
@given(signs=st.lists(st.sampled_from(Sign), max_size=80), cuts=st.sets(st.integers(0, 80)))
def test_how_signs_are_cut_into_batches_changes_nothing(signs, cuts):
    whole, pieces = Step(), Step()
    borders = [0, *sorted(cuts), len(signs)]

    at_once = whole.see(*signs)
    in_pieces = [
        change for begin, end in pairwise(borders) for change in pieces.see(*signs[begin:end])
    ]

    assert in_pieces == at_once
    assert pieces.step.snapshot() == whole.step.snapshot()


def test_outcomes_of_sends_under_an_earlier_verdict_change_nothing():
    step = Step()
    step.see(*[BAD] * 30)
    before = step.step.snapshot()

    assert step.see(*[GOOD] * 50, verdict=0) == []
    assert step.step.snapshot() == before


# -- when it is woken -----------------------------------------------------------------------------


def test_without_an_open_round_it_is_not_woken():
    step = Step()

    assert step.wakes_in() is None
    step.see(*[GOOD] * 10)
    assert step.wakes_in() is None


def test_it_is_woken_a_second_after_the_first_outcome_of_a_round():
    step = Step()
    step.see(BAD)
    assert step.wakes_in() == 1.0

    step.now += 0.4
    step.see(BAD)

    assert step.wakes_in() == pytest.approx(0.6)


def test_it_is_never_woken_in_the_past():
    step = Step()
    step.see(BAD)

    step.now += 7.0

    assert step.wakes_in() == 0.0


def test_being_woken_too_early_changes_nothing():
    step = Step()
    step.see(BAD)
    before = step.step.snapshot()
    step.now += 0.9

    assert step.wake() == []
    assert step.step.snapshot() == before


def test_a_round_whose_time_is_over_closes_without_another_outcome():
    step = Step()
    for _ in range(9):
        step.see(BAD)
        step.now += 1.0
        assert DOWN not in step.wake()
    step.see(BAD)

    step.now += 1.0

    assert step.wake() == [DOWN]
    assert step.wakes_in() is None


def test_an_unhealthy_provider_needs_no_waking():
    step = Step()
    step.see(*[BAD] * 30)

    step.see(GOOD, verdict=1)

    assert step.wakes_in() is None


# -- after a resume -------------------------------------------------------------------------------


@pytest.mark.parametrize(("healthy", "verdict"), [(False, 7), (True, 8)])
def test_a_resumed_verdict_is_announced_at_once_and_once(healthy, verdict):
    step = Step(Health(healthy=healthy, verdict=verdict))

    assert step.wakes_in() == 0.0
    assert step.wake() == [(healthy, verdict)]
    assert (step.wakes_in(), step.wake()) == (None, [])


def test_a_resumed_step_forgets_the_round_of_a_clock_that_is_gone():
    step = Step(Health(verdict=2, contradicting=2, bad=5, opened_at=1e9, account_faults=1))

    assert step.step.snapshot() == Health(verdict=2)


def test_a_resumed_verdict_that_changes_at_once_is_announced_as_it_is_by_then():
    step = Step(Health(healthy=False, verdict=1))

    assert step.see(*[GOOD] * 7, verdict=1) == [UP_AGAIN]
    assert step.wake() == [UP_AGAIN]


def test_a_new_step_announces_nothing():
    assert Step().wake() == []


# -- the view -------------------------------------------------------------------------------------


def test_each_change_reaches_every_part_and_each_part_itself():
    copies = to_every_worker(("ses", (*DOWN, 0)))

    sink = ViewSink(Desk(Rules({"ses": OutletRules()})), print)
    assert [part for part, _ in copies] == sink.list_parts() == PARTS
    assert {change for _, change in copies} == {("ses", (*DOWN, 0))}
    assert [PARTS[sink.part_fn(part)] for part in PARTS] == PARTS


def test_the_view_tells_the_routers_and_logs_news_only(caplog):
    desk = Desk(Rules(dict.fromkeys(("ses", "sendgrid"), OutletRules())))
    lanes = [desk.lane(0), desk.lane(1)]
    told = []
    view = ViewSink(desk, lambda *news: told.append(news)).build_part("publish", "000", None)

    view.write_batch([("ses", (*DOWN, 0)), ("ses", (*DOWN, 3))])

    assert told == [("ses", False, 1)]
    assert desk.reports()[1].good_rounds == 3

    assert [lane.router.exit("ses").healthy for lane in lanes] == [False, False]
    assert [lane.router.exit("sendgrid").healthy for lane in lanes] == [True, True]
    assert [record.getMessage() for record in caplog.records] == [
        "provider ses is unhealthy: it gets probes only (verdict 1)"
    ]
