"""What is known of messages: their last outcomes, how they ended, and no more than fits."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gomail.outcome import OutcomeClass
from gomail.tried import NOTHING, Tried

ACCEPTED, FAILED, REFUSED = OutcomeClass.ACCEPTED, OutcomeClass.FAILED, OutcomeClass.REFUSED
quick = settings(max_examples=200, deadline=None, derandomize=True)
IDS = st.sampled_from("abcdefgh")
PROVIDERS = st.sampled_from(["ses", "sendgrid"])
ACTS = st.lists(
    st.tuples(st.just("note"), IDS, PROVIDERS, st.sampled_from(OutcomeClass))
    | st.tuples(st.just("finish"), IDS, st.just("refused"), st.just("550"))
    | st.tuples(st.just("bury"), IDS, st.just(["queue-id"]), st.just(7.0)),
    max_size=60,
)


def after(acts, capacity=100):
    tried = Tried(capacity)
    for act, *given_ in acts:
        getattr(tried, act)(*given_)
    return tried


def test_nothing_is_known_of_a_message_nobody_has_tried():
    known = Tried().of("a")

    assert (known.outcomes, known.accepted, known.final, known.buried) == ({}, False, None, set())


@quick
@given(acts=ACTS)
def test_the_record_of_nothing_is_never_written_to(acts):
    after(acts)

    assert NOTHING.outcomes == {}
    assert not after([]).of("a").accepted


def test_the_last_outcome_at_each_provider_is_known():
    tried = after([("note", "a", "ses", FAILED), ("note", "a", "sendgrid", FAILED)])

    tried.note("a", "ses", REFUSED)

    assert tried.of("a").outcomes == {"ses": REFUSED, "sendgrid": FAILED}


@quick
@given(before=ACTS, later=ACTS)
def test_what_was_accepted_stays_accepted_whatever_else_becomes_known(before, later):
    unburied = [act for act in later if act[0] != "bury"]

    tried = after([*before, ("note", "a", "ses", ACCEPTED), *unburied])

    assert tried.of("a").accepted


def test_an_outcome_after_the_acceptance_is_not_held_against_another_message():
    tried = after([("note", "a", "ses", ACCEPTED), ("note", "a", "sendgrid", FAILED)])

    tried.note("b", "ses", ACCEPTED)

    assert (tried.of("a").accepted, tried.of("a").outcomes) == (True, {"sendgrid": FAILED})
    assert (tried.of("b").accepted, tried.of("b").outcomes) == (True, {})


@quick
@given(acts=ACTS)
def test_messages_do_not_mix(acts):
    tried = after(acts)

    for one in "abcdefgh":
        assert tried.of(one) == after([act for act in acts if act[1] == one]).of(one)


def test_a_final_message_keeps_its_reason_and_its_outcomes():
    tried = after([("note", "a", "ses", REFUSED), ("finish", "a", "refused", "550")])

    assert tried.of("a").final == ("refused", "550")
    assert tried.of("a").outcomes == {"ses": REFUSED}
    assert not tried.of("a").buried


def test_a_buried_message_is_known_to_be_with_the_dead_letters():
    tried = after([("finish", "a", "refused", "550"), ("bury", "a", ["one", "other"], 7.0)])

    assert tried.of("a").buried == {"one", "other"}


def test_each_copy_that_is_buried_is_known():
    tried = after([("bury", "a", ["one"], 7.0), ("bury", "a", ["other"], 8.0)])

    assert tried.of("a").buried == {"one", "other"}


@quick
@given(acts=ACTS, capacity=st.integers(1, 4))
def test_the_least_recently_touched_are_forgotten_first(acts, capacity):
    touched = list(dict.fromkeys(act[1] for act in reversed(acts)))

    tried = after(acts, capacity)

    assert len(tried) == min(capacity, len(touched))
    for forgotten in touched[capacity:]:
        assert tried.of(forgotten) is NOTHING
    for kept in touched[:capacity]:
        assert tried.of(kept) is not NOTHING


def test_a_hundred_thousand_messages_are_remembered():
    tried = Tried()

    for number in range(100_001):
        tried.note(str(number), "ses", FAILED)

    assert len(tried) == 100_000
    assert (tried.of("0") is NOTHING, tried.of("1").outcomes) == (True, {"ses": FAILED})


@pytest.mark.parametrize("passing", ["throttled", "quota"])
def test_a_limit_reached_later_does_not_undo_that_a_message_failed(passing):
    tried = after([("note", "a", "ses", FAILED)])

    tried.note("a", "ses", OutcomeClass(passing))

    assert tried.of("a").outcomes == {"ses": FAILED}


def test_what_is_forgotten_is_as_if_it_had_never_been_tried():
    tried = after([("note", "a", "ses", FAILED), ("bury", "a", ["one"], 7.0)])

    tried.forget("a")

    assert tried.of("a") == NOTHING
