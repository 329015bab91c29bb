"""Every provider: whatever it or the network does is an outcome of the right class."""

import asyncio
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gomail.errors import MaybeSent, NotSent
from gomail.outcome import DETAIL_LIMIT, Outcome, OutcomeClass
from gomail.providers.sending import HttpProvider
from tests.providers.case import Case, Example, message
from tests.providers.cases import CASES
from tests.providers.scripted import ScriptedTransport, response

every_provider = pytest.mark.parametrize("case", CASES, ids=str)
every_example = pytest.mark.parametrize(
    ("case", "example"),
    [
        pytest.param(case, example, id=f"{case}: {example.name}")
        for case in CASES
        for example in case.examples
    ],
)

BY_STATUS = {
    301: (OutcomeClass.FAILED, True),
    400: (OutcomeClass.REFUSED, False),
    401: (OutcomeClass.FAILED, True),
    403: (OutcomeClass.FAILED, True),
    404: (OutcomeClass.FAILED, True),
    405: (OutcomeClass.FAILED, True),
    408: (OutcomeClass.UNKNOWN, False),
    409: (OutcomeClass.UNSUITABLE, False),
    413: (OutcomeClass.UNSUITABLE, False),
    415: (OutcomeClass.FAILED, True),
    418: (OutcomeClass.UNSUITABLE, False),
    429: (OutcomeClass.THROTTLED, False),
    500: (OutcomeClass.FAILED, False),
    502: (OutcomeClass.UNKNOWN, False),
    503: (OutcomeClass.FAILED, False),
    504: (OutcomeClass.UNKNOWN, False),
    520: (OutcomeClass.UNKNOWN, False),
}


def attempt(case: Case, answer) -> Outcome:
    return asyncio.run(case.build(ScriptedTransport(answer)).send(message(), timeout=10))


@every_provider
def test_an_acceptance_carries_the_providers_id(case: Case):
    outcome = attempt(case, case.accepted)

    assert outcome == Outcome(OutcomeClass.ACCEPTED, provider_id=case.provider_id)


@every_example
def test_an_answer_is_classified(case: Case, example: Example):
    outcome = attempt(case, example.answer)

    assert (outcome.kind, outcome.code) == (example.kind, example.code)
    assert outcome.account_fault == example.account_fault
    assert outcome.retry_after == example.retry_after


@every_provider
@pytest.mark.parametrize("status", BY_STATUS)
def test_an_answer_that_says_nothing_is_classified_by_its_status(case: Case, status):
    outcome = attempt(case, response(status, "<html>nothing to see</html>"))

    assert (outcome.kind, outcome.account_fault) == BY_STATUS[status]
    assert outcome.code == str(status)
    assert str(status) in outcome.detail


@every_provider
def test_a_success_that_cannot_be_read_is_unknown(case: Case):
    for garbage in case.garbage:
        assert attempt(case, garbage).kind is OutcomeClass.UNKNOWN, garbage


@every_provider
def test_a_request_that_never_left_has_failed(case: Case):
    outcome = attempt(case, NotSent("mail.example: connection refused"))

    assert outcome == Outcome(
        OutcomeClass.FAILED, code="not-sent", detail="mail.example: connection refused"
    )


@every_provider
def test_a_request_without_an_answer_is_unknown(case: Case):
    outcome = attempt(case, MaybeSent("mail.example: no complete answer in time"))

    assert (outcome.kind, outcome.code) == (OutcomeClass.UNKNOWN, "no-answer")


@every_provider
def test_an_error_nobody_foresaw_in_the_exchange_is_unknown(case: Case):
    outcome = attempt(case, KeyError("secret"))

    assert (outcome.kind, outcome.detail) == (OutcomeClass.UNKNOWN, "KeyError")


@every_provider
def test_a_cancelled_send_stays_cancelled(case: Case):
    with pytest.raises(asyncio.CancelledError):
        attempt(case, asyncio.CancelledError())


def broken(*_args):
    raise LookupError("no credentials in /somewhere/private")


def changed(case: Case, **parts) -> HttpProvider:
    return replace(case.build(ScriptedTransport(case.accepted)), **parts)


@every_provider
def test_an_error_in_classify_is_unknown_because_there_was_an_answer(case: Case, caplog):
    outcome = asyncio.run(changed(case, classify=broken).send(message(), timeout=10))

    assert (outcome.kind, outcome.detail) == (OutcomeClass.UNKNOWN, "LookupError")
    assert message().id in caplog.text
    assert "test_outcomes.py" in caplog.text


@every_provider
def test_without_credentials_a_send_is_an_account_fault_and_tells_nothing_of_them(
    case: Case, caplog
):
    outcome = asyncio.run(changed(case, sign=broken).send(message(), timeout=10))

    assert (outcome.kind, outcome.code) == (OutcomeClass.FAILED, "sign")
    assert outcome.account_fault
    assert "private" not in repr(outcome) + caplog.text


@every_provider
def test_no_secret_is_in_a_repr_or_in_an_outcome_or_in_the_log(case: Case, caplog):
    transport = ScriptedTransport(case.echo)
    provider = case.build(transport)

    outcome = asyncio.run(provider.send(message(), timeout=10))

    for secret in case.secrets:
        assert secret in repr(transport.requests)
        assert secret not in repr(outcome)
        assert secret not in repr(provider) + caplog.text


@every_provider
@given(
    status=st.integers(100, 599),
    body=st.one_of(
        st.binary(),
        st.recursive(
            st.none() | st.integers(0, 9) | st.text(),
            lambda inner: (
                st.lists(inner)
                | st.dictionaries(st.sampled_from(["errors", "message", "field", "__type"]), inner)
            ),
        ).map(lambda value: json.dumps(value).encode()),
    ),
    header=st.text(),
)
def test_any_answer_is_an_outcome_that_can_be_kept(case: Case, status, body, header):
    answer = response(
        status,
        body,
        Retry_After=header,
        Date=header,
        X_Message_Id=header,
        x_amzn_ErrorType=header,
        X_RateLimit_Reset=header,
    )

    outcome = attempt(case, answer)

    assert status in range(200, 300) or outcome.kind is not OutcomeClass.ACCEPTED
    assert len(outcome.detail) <= DETAIL_LIMIT
    assert outcome.retry_after is None or outcome.retry_after > 0
    for text in (outcome.detail, outcome.code, outcome.provider_id):
        assert text.encode().decode() == text
        assert all(character >= " " for character in text)
