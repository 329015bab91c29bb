"""One call at a time for many who wait, and nobody waits longer than patience lasts."""

import asyncio
import threading
from itertools import chain

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.line import Line
from flows.loop import Loop

pytestmark = pytest.mark.timeout(60)

NEVER = 30.0
SOON = 0.01


class Counter:
    """A line whose calls are answered when the test says so."""

    def __init__(self, patience):
        self.loop = Loop()
        self.calls, self.late, self.gone_on = [], [], []
        self._answers = []
        self._line = Line(self.loop, self._call, patience=patience, late=self.late.extend)

    async def _call(self, items):
        self.calls.append(list(items))
        self._answers.append(asyncio.get_running_loop().create_future())
        await self._answers[-1]

    def add(self, *items):
        self._now(lambda: self._line.add(items, lambda: self.gone_on.append(items)))

    def answer(self, error=None):
        """End the call under way."""

        def end():
            answer = self._answers.pop(0)
            answer.set_exception(error) if error else answer.set_result(None)

        self._now(end)

    def run_out(self):
        """The clock of those who wait for a turn stands at the end of their patience."""
        self._now(lambda: self._line._run_out(self._line._waiting))

    @property
    def under_way(self):
        return len(self._answers)

    def until(self, question):
        for _ in range(2_000):
            self._now(lambda: None)
            if question():
                return
            threading.Event().wait(0.001)
        raise AssertionError((self.calls, self.gone_on, self.late))

    def _now(self, act):
        async def run():
            act()
            for _ in range(3):  # what follows from it: the end of a call, and the next one
                await asyncio.sleep(0)

        self.loop.wait(run())


@pytest.fixture
def counter():
    """Makes counters, and closes them."""
    made = []

    def make(patience=NEVER):
        made.append(Counter(patience))
        return made[-1]

    yield make
    for one in made:
        close(one)


def close(one):
    while one.under_way:
        one.answer()
    one.loop.close()


def test_who_comes_alone_is_told_at_once_and_goes_on_with_the_answer(counter):
    one = counter()

    one.add("a", "b")

    assert one.calls == [["a", "b"]]
    assert one.gone_on == []
    one.answer()
    assert one.gone_on == [("a", "b")]


def test_what_comes_during_a_call_goes_with_the_next_and_only_with_that(counter):
    one = counter()
    one.add("a")

    one.add("b")
    one.add("c", "d")

    assert one.calls == [["a"]]
    one.answer()
    assert one.calls == [["a"], ["b", "c", "d"]]
    assert one.gone_on == [("a",)]
    one.answer()
    assert one.gone_on == [("a",), ("b",), ("c", "d")]


def test_patience_that_ends_during_a_call_lets_its_callers_go_on_and_the_call_finish(counter):
    one = counter(SOON)

    one.add("a")
    one.until(lambda: one.gone_on == [("a",)])

    assert one.under_way == 1
    one.answer()
    assert (one.gone_on, one.late) == ([("a",)], [])


def test_patience_that_ends_before_their_turn_lets_callers_go_on_and_their_items_are_late(counter):
    one = counter(SOON)
    one.add("a")

    one.add("b")
    one.add("c")
    one.until(lambda: len(one.gone_on) == 3)

    assert one.late == ["b", "c"]
    one.answer()
    assert one.calls == [["a"]]


def test_patience_counts_from_the_wait_for_a_turn_on(counter):
    one = counter()
    one.add("a")
    one.add("b")
    clock = one._line._answered

    one.answer()

    assert one.calls == [["a"], ["b"]]
    assert one._line._answered is clock, "no second clock was started with the turn"


def test_after_a_call_that_took_too_long_the_next_is_made_as_ever(counter):
    one = counter(SOON)
    one.add("a")
    one.add("b")
    one.until(lambda: len(one.gone_on) == 2)

    one.add("c")
    one.answer()

    assert one.calls == [["a"], ["c"]]
    one.answer()
    one.until(lambda: one.gone_on == [("a",), ("b",), ("c",)])


def test_a_call_that_raises_all_the_same_keeps_nobody(counter, caplog):
    one = counter()
    one.add("a")
    one.add("b")

    one.answer(RuntimeError("a fault of our own"))

    assert one.gone_on == [("a",)]
    assert one.calls == [["a"], ["b"]]
    assert "a task of the courier raised" in caplog.text


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(["add", "answer", "run out"]), max_size=25))
def test_in_whatever_order_everybody_goes_on_once_and_every_item_is_told_or_late_once(steps):
    one = Counter(NEVER)
    added = 0
    for step in steps:
        if step == "add":
            one.add(added)
            added += 1
        elif step == "run out":
            one.run_out()
        elif one.under_way:
            one.answer()
        assert one.under_way <= 1
    close(one)

    assert sorted(one.gone_on) == [(number,) for number in range(added)]
    assert sorted([*chain(*one.calls), *one.late]) == list(range(added))
