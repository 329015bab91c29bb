"""The torture suite in short: a few scenarios, each as short as it can be."""

import pytest

from benchmarks.torture.judge import Evidence, problems
from benchmarks.torture.play import play
from benchmarks.torture.scenarios import SCENARIOS

pytestmark = pytest.mark.timeout(180)

SHORT = 0.25


@pytest.mark.parametrize("name", ["kills", "provider-faults"])
def test_whoever_fails_no_promise_is_broken(name):
    report = play(name, SCENARIOS[name], SHORT)

    assert report.problems == []
    assert report.promised > 0
    assert report.faults.total() > 0


def seen(**given):
    """One email that was promised and accepted, and whatever else is given."""
    usual = {
        "recipients": {"a@example.org": 0, "b@example.org": 1},
        "promised": {"one": 0},
        "unanswered": {1},
        "mailbox": [("one", "a@example.org")],
        "dead": [],
        "flagged": set(),
    }
    return Evidence(**usual | given)


TWICE = [("one", "a@example.org")] * 2


@pytest.mark.parametrize(
    "fine",
    [
        {},
        {"mailbox": [], "dead": ["one"], "may_bury": [0]},
        {"mailbox": TWICE, "flagged": {"one"}},
        {"mailbox": [("one", "a@example.org"), ("two", "b@example.org")]},
    ],
    ids=["sent once", "buried as it must be", "twice and flagged", "sent though unanswered"],
)
def test_the_judge_finds_nothing_wrong_with(fine):
    may_bury = fine.pop("may_bury", ())

    assert problems(seen(**fine), may_bury=may_bury) == []


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"mailbox": []}, "1 lost: ['one']"),
        ({"mailbox": TWICE}, "1 accepted twice and not flagged: ['one']"),
        ({"mailbox": [], "dead": ["one"]}, "1 dead letters that should have been sent: ['one']"),
        (
            {"mailbox": [("one", "a@example.org"), ("x", "z@example.org")]},
            "1 accepted and never asked for: ['x']",
        ),
        (
            {"mailbox": [*TWICE[:1], ("x", "b@example.org"), ("y", "b@example.org")]},
            "1 requests became several emails: ['1']",
        ),
        ({"mailbox": [("one", "b@example.org")]}, "1 accepted for somebody else: ['one']"),
        ({"refused": {1: 500}}, "1 requests answered with neither 200 nor 503: ['1']"),
    ],
)
def test_the_judge_names_what_was_not_kept(wrong, sentence):
    assert problems(seen(**wrong)) == [sentence]


def test_where_nothing_may_be_sent_twice_a_flag_is_no_excuse():
    twice = seen(mailbox=TWICE, flagged={"one"})

    assert problems(twice, may_double=False) == ["1 accepted twice: ['one']"]
