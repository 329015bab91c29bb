"""The state an email is in after each decision."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gomail.ledger import TERMINAL, Status
from gomail.outcome import OutcomeClass
from gomail.settlement import (
    DeadLetter,
    Delete,
    LetGo,
    Policy,
    Return,
    backoff,
    expired,
    given_up,
    settle,
)
from gomail.status import REFUSAL_REASONS, after_attempt, after_burial
from tests.builders import outcome

KINDS = list(OutcomeClass)
NAMES = ("ses", "sendgrid")


def test_what_a_provider_accepted_is_sent():
    assert after_attempt(OutcomeClass.ACCEPTED, Delete()) is Status.SENT


@pytest.mark.parametrize("decision", [Return(0), Return(7), LetGo(), DeadLetter("refused", "400")])
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind is not OutcomeClass.ACCEPTED])
def test_only_an_unknown_outcome_leaves_it_open_whether_it_was_sent(kind, decision):
    expected = Status.UNKNOWN if kind is OutcomeClass.UNKNOWN else Status.RETRYING

    assert after_attempt(kind, decision) is expected


@pytest.mark.parametrize("reason", sorted(REFUSAL_REASONS))
def test_what_is_at_fault_itself_is_refused_once_it_is_buried(reason):
    assert after_burial(DeadLetter(reason, "400")) is Status.REFUSED


@pytest.mark.parametrize(
    "decision", [given_up(90_000), given_up(90_000, outcome("failed")), DeadLetter("x", "y")]
)
def test_what_nobody_accepted_in_time_has_failed_once_it_is_buried(decision):
    assert after_burial(decision) is Status.FAILED


def test_what_its_senders_time_limit_ended_is_expired_once_it_is_buried():
    assert after_burial(expired()) is Status.EXPIRED


@given(
    kind=st.sampled_from(KINDS),
    others=st.dictionaries(st.sampled_from(NAMES), st.sampled_from(KINDS)),
    eligible=st.sets(st.sampled_from(NAMES), min_size=1),
    age=st.floats(0, 200_000),
    dead_letter_unknown=st.booleans(),
)
def test_of_all_decisions_only_a_delete_ends_an_email_before_its_burial(
    kind, others, eligible, age, dead_letter_unknown
):
    decision = settle(
        outcome(kind),
        outcomes={**others, "ses": kind},
        eligible=eligible | {"ses"},
        ready=eligible,
        receive_count=3,
        age=age,
        policy=Policy(dead_letter_unknown=dead_letter_unknown),
        random=lambda: 0.5,
    )

    state = after_attempt(kind, decision)
    assert (state in TERMINAL) == isinstance(decision, Delete)
    if isinstance(decision, DeadLetter):
        refusal = kind in {OutcomeClass.REFUSED, OutcomeClass.UNSUITABLE}
        at_fault = refusal and not decision.reason.startswith("given up")
        assert after_burial(decision) is (Status.REFUSED if at_fault else Status.FAILED)


def test_a_returned_email_is_retrying_however_long_it_waits():
    delay = Return(backoff(9, lambda: 0.9))

    assert after_attempt(OutcomeClass.THROTTLED, delay) is Status.RETRYING
