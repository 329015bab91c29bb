"""What the query of a reader's request means, and what is said of one that means nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gomail.ledger import Filter, Status
from ingest import listing, shown
from ingest.listing import Following, Listing
from tests.ingest.ledgers import NOON


def test_every_filter_is_read():
    asked = listing.emails(
        [
            ("status", "retrying"),
            ("to", "ada@example.com"),
            ("from", "shop@example.com"),
            ("provider", "ses"),
            ("since", "2026-01-31T12:00:00Z"),
            ("until", "2026-01-31T14:00:00.5+02:00"),
            ("cursor", "abc"),
            ("limit", "7"),
        ]
    )

    which = Filter(
        status=Status.RETRYING,
        to_email="ada@example.com",
        from_email="shop@example.com",
        provider="ses",
        since=NOON,
        until=NOON + 500,
    )
    assert asked == Listing(which, "abc", 7)


def test_nothing_and_empty_values_ask_for_the_newest_fifty():
    assert listing.emails([]) == listing.emails([("status", ""), ("since", "")])
    assert listing.emails([]) == Listing(Filter(), None, 50)


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("status", "gone", f"status is not one of {', '.join(Status)}"),
        ("limit", "0", "limit is not a whole number from 1 to 100"),
        ("limit", "101", "limit is not a whole number from 1 to 100"),
        ("limit", "ten", "limit is not a whole number from 1 to 100"),
        ("limit", "9" * 5_000, "limit is not a whole number from 1 to 100"),
        ("since", "yesterday", "since is not a time such as 2026-01-31T12:00:00Z"),
        ("until", "2026-02-30T12:00:00Z", "until is not a time such as 2026-01-31T12:00:00Z"),
        ("until", "2026-01-31T12:00:00", "until is not a time such as 2026-01-31T12:00:00Z"),
        ("until", "2026-01-31T12:00:00+99:00", "until is not a time such as 2026-01-31T12:00:00Z"),
        ("sort", "up", "sort is not a parameter of this request"),
    ],
)
def test_a_bad_value_is_a_sentence_at_its_parameter(name, value, sentence):
    assert listing.emails([(name, value)]) == {name: sentence}


def test_all_faults_are_named_at_once():
    faults = listing.emails([("limit", "x"), ("status", "x"), ("to", "a"), ("to", "b")])

    assert sorted(faults) == ["limit", "status", "to"]
    assert faults["to"] == "to is given more than once"


@given(st.integers(0, 4_102_444_800_000))
def test_a_time_that_was_shown_is_read_back_as_it_was(moment):
    asked = listing.emails([("since", shown.time(moment))])

    assert asked.which.since == moment


@given(st.text(max_size=40))
def test_any_text_is_a_time_or_a_fault(text):
    asked = listing.emails([("until", text)])

    assert isinstance(asked, Listing) or list(asked) == ["until"]


def test_a_plus_that_was_not_escaped_still_counts():
    asked = listing.emails([("since", "2026-01-31T14:00:00 02:00")])

    assert asked.which.since == NOON


def test_the_header_of_a_browser_that_comes_back_wins_over_the_address():
    ids = [("id", "a"), ("id", "b")]

    assert listing.events([("after", "5"), *ids], None) == Following("5", frozenset("ab"))
    assert listing.events([("after", "5")], "9") == Following("9")
    assert listing.events([], None) == Following()


@pytest.mark.parametrize("after", ["1\ndata: x", "1 2", "é", "9" * 101])
def test_a_place_that_would_break_a_stream_is_a_fault(after):
    faults = {"after": "after is not one that this API gave out"}

    assert listing.events([("after", after)], None) == faults
    assert listing.events([], after) == faults


def test_too_many_ids_and_unknown_parameters_are_faults():
    faults = listing.events([("who", "x"), *(("id", f"m{n}") for n in range(101))], None)

    assert faults == {
        "who": "who is not a parameter of this request",
        "id": "id is given more than 100 times",
    }
