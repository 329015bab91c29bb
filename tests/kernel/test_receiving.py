"""The width follows the backlog: it doubles while mail is waiting and falls while there is none."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gomail.receiving import Catch, Pause, Width, catch

EMPTY = catch(10, [], 0)
FULL = catch(10, [0.0] * 10, 10)
CATCHES = st.builds(
    lambda asked, part, youngest: Catch(asked, int(asked * part), youngest),
    st.integers(1, 10),
    st.floats(0, 1),
    st.none() | st.floats(0, 10),
)
STEPS = st.lists(CATCHES | st.integers(0, 10_000), max_size=40)
"""What receives brought, and what the queue said of its depth."""


def width(*catches, most=16, value=1):
    made = Width(most)
    made.value = value
    for caught in catches:
        made.after(caught)
    return made


@settings(max_examples=200, deadline=None, derandomize=True)
@given(most=st.integers(1, 64), steps=STEPS)
def test_the_width_stays_between_one_and_the_most(most, steps):
    made = Width(most)

    for step in steps:
        if isinstance(step, Catch):
            made.after(step)
        else:
            made.jump(step)
        assert 1 <= made.value <= most


def test_one_receive_is_open_at_first():
    assert width().value == 1


def test_full_receives_double_the_width_up_to_the_most():
    assert [width(*[FULL] * times).value for times in range(6)] == [1, 2, 4, 8, 16, 16]


@pytest.mark.parametrize(("asked", "got"), [(10, 9), (10, 10), (5, 5), (1, 1)])
def test_a_receive_that_brings_nine_tenths_of_what_it_asked_for_is_full(asked, got):
    assert width(Catch(asked, got, 0.0), value=4).value == 8


@pytest.mark.parametrize(("asked", "got"), [(10, 8), (10, 5), (4, 2)])
def test_a_receive_that_brings_half_or_more_changes_nothing(asked, got):
    assert width(Catch(asked, got, 0.1), value=4).value == 4


@pytest.mark.parametrize(("asked", "got"), [(10, 4), (10, 0), (5, 2), (1, 0)])
def test_a_thin_receive_narrows_the_width_by_one(asked, got):
    assert width(Catch(asked, got, None), value=4).value == 3


def test_one_receive_stays_open_however_empty_the_queue():
    assert width(*[EMPTY] * 20, value=3).value == 1


def test_old_messages_double_the_width_even_if_they_are_few():
    assert width(catch(10, [0.31, 5.0], 2), value=4).value == 8


@pytest.mark.parametrize("ages", [[0.3, 5.0], [0.0, 0.31]])
def test_one_message_that_has_just_come_says_that_nothing_is_queueing(ages):
    assert width(catch(10, ages, 2), value=4).value == 3


def test_redelivered_messages_say_nothing_of_the_queue():
    redelivered = catch(10, [], 3)

    assert redelivered.youngest is None
    assert width(redelivered, value=4).value == 3


# -- the queue's depth ----------------------------------------------------------------------------


def test_the_depth_is_asked_while_receives_come_back_full():
    assert width(FULL).asks_depth(0.0)
    assert not width().asks_depth(0.0)
    assert not width(FULL, EMPTY).asks_depth(0.0)


def test_the_depth_is_asked_at_most_every_five_seconds():
    made = width(FULL)

    assert [now for now in (0.0, 0.1, 4.9, 5.0, 5.1, 9.9, 10.0) if made.asks_depth(now)] == [
        0.0,
        5.0,
        10.0,
    ]


def test_the_depth_is_not_asked_where_the_width_can_grow_no_more():
    assert not width(FULL, most=2).asks_depth(0.0)


@pytest.mark.parametrize(("waiting", "value"), [(0, 2), (20, 2), (21, 3), (95, 10), (9_999, 16)])
def test_the_depth_opens_as_many_receives_as_it_fills_and_closes_none(waiting, value):
    made = width(value=2)

    made.jump(waiting)

    assert made.value == value


# -- pauses ---------------------------------------------------------------------------------------

THIN = catch(10, [0.0], 1)


def pauses(longest, every, *, caught=THIN, seconds=3.0):
    """What a pause of this length is at last, when a receive brings this so often."""
    pause, now, last = Pause(longest), 0.0, 0.0
    while now < seconds:
        now += every
        last = pause.after(caught, now)
    return last


def test_a_message_that_comes_alone_is_not_waited_for():
    assert pauses(0.01, every=1.0) == 0
    assert pauses(0.01, every=0.02) == 0


def test_where_a_pause_brings_at_least_one_more_message_it_is_made():
    assert pauses(0.01, every=0.005) == 0.01
    assert pauses(0.025, every=0.02) == 0.025


def test_it_waits_for_a_few_messages_only():
    assert pauses(0.1, every=0.002) == pytest.approx(4 / 500, rel=0.01)


def test_a_full_receive_is_followed_by_the_next_at_once():
    assert pauses(0.1, every=0.002, caught=FULL) == 0


def test_no_pause_outlasts_the_mail():
    pause = Pause(0.01)
    for tick in range(1_000):
        pause.after(THIN, tick / 500)

    assert pause.after(EMPTY, 10.0) == 0


def test_without_a_longest_pause_there_is_none():
    assert pauses(0.0, every=0.0001) == 0


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.floats(0, 1), st.lists(st.tuples(CATCHES, st.floats(0, 30)), max_size=50))
def test_a_pause_is_never_longer_than_the_longest(longest, steps):
    pause, now = Pause(longest), 0.0
    for caught, later in steps:
        now += later
        assert 0 <= pause.after(caught, now) <= longest
