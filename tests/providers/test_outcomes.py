"""Every provider: whatever it or the network does is an outcome of the right class."""

import asyncio
import importlib
import json
from collections.abc import Iterable
from dataclasses import replace
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gomail.answers_page import tables
from gomail.errors import Exhausted, MaybeSent, NotSent
from gomail.outcome import DETAIL_LIMIT, Outcome, OutcomeClass
from gomail.providers import answers
from gomail.providers.answers import Answer, Row, deciding, judge
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


# SMTP's answers are no HTTP responses; its own suite has examples for its table.
HTTP_TABLES = {kind: module for kind, module in tables().items() if kind != "smtp"}
every_table = pytest.mark.parametrize(("kind", "module"), HTTP_TABLES.items())
every_row = pytest.mark.parametrize(
    "row",
    [
        pytest.param(row, id=f"{name}: {place}")
        for name, rows in [
            *((kind, module.ROWS) for kind, module in tables().items()),
            ("by status", answers.BY_STATUS),
        ]
        for place, row in enumerate(rows)
    ],
)


def decided(kind: str, module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> list[Row]:
    """The row that decides each example of a provider's that a row decides."""
    seen = []

    def watched(answer: Answer, rows: Iterable[Row]) -> Outcome:
        seen.append(deciding(answer, rows))
        return judge(answer, rows)

    monkeypatch.setattr(module, "judge", watched)
    case = importlib.import_module(f"tests.providers.{kind}_case")
    for one in (found for found in vars(case).values() if isinstance(found, Case)):
        for example in one.examples:
            one.build(ScriptedTransport(example.answer)).classify(example.answer)
    return seen


def lacking(rows: Iterable[Row], seen: list[Row]) -> list[Row]:
    # By identity: two rows may be equal, and only the first of them ever decides.
    return [row for row in rows if not any(row is one for one in seen)]


@every_row
def test_every_row_says_where_it_is_known_from(row: Row):
    assert row.source
    assert not row.source.endswith(".")


@every_row
def test_whatever_only_an_operator_can_end_says_what_to_mend(row: Row):
    if row.account_fault or row.kind is OutcomeClass.QUOTA:
        assert row.mend
    assert not row.mend.endswith(".")


@every_table
def test_every_row_of_a_provider_decides_an_example_of_its_answers(
    kind: str, module: ModuleType, monkeypatch
):
    assert lacking(module.ROWS, decided(kind, module, monkeypatch)) == []


def test_every_row_by_status_decides_an_example_of_some_provider(monkeypatch):
    seen = [row for one in HTTP_TABLES.items() for row in decided(*one, monkeypatch)]

    assert lacking(answers.BY_STATUS, seen) == []


NOW = {"Date": "Thu, 01 Jan 2026 00:00:00 GMT"}


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "3"}, 3),
        ({"Retry-After": "3", "RateLimit-Reset": "9"}, 3),
        ({"Retry-After": "Thu, 01 Jan 2026 00:01:00 GMT", **NOW}, 60),
        ({"X-RateLimit-Reset": "1767225630", **NOW}, 30),
        ({"X-RateLimit-Reset": "1767225630", "RateLimit-Reset": "9", **NOW}, 30),
        ({"RateLimit-Reset": "9"}, 9),
        ({"X-Sib-RateLimit-Reset": "0.25"}, 0.25),
        ({"RateLimit-Reset": "0", "X-Sib-RateLimit-Reset": "soon"}, None),
        ({"X-RateLimit-Reset": "1767225630000", **NOW}, None),
        ({"RateLimit-Reset": "86401"}, None),
        ({"Retry-After": "86401"}, 86_400),
    ],
    ids=str,
)
def test_a_throttle_is_obeyed_for_as_long_as_its_headers_say(headers, seconds):
    named = {name.replace("-", "_"): text for name, text in headers.items()}

    outcome = judge(Answer(status=429, headers=response(429, **named).headers), ())

    assert outcome.retry_after == seconds


def test_a_quota_is_not_over_with_the_rate_window():
    rows = (Row(kind=OutcomeClass.QUOTA),)

    def pause(**headers: str) -> float | None:
        return judge(Answer(status=429, headers=response(429, **headers).headers), rows).retry_after

    assert pause(RateLimit_Reset="1", X_Sib_RateLimit_Reset="1") is None
    assert pause(RateLimit_Reset="1", Retry_After="3600") == 3600


@every_provider
def test_an_account_fault_says_what_to_mend(case: Case):
    for example in (one for one in case.examples if one.account_fault):
        assert attempt(case, example.answer).mend, example.name


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
def test_a_process_that_can_open_no_connection_blames_no_provider(case: Case):
    outcome = attempt(case, Exhausted("mail.example: no file descriptor left"))

    assert (outcome.kind, outcome.code) == (OutcomeClass.THROTTLED, "no-files")


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
        RateLimit_Reset=header,
        X_Sib_RateLimit_Reset=header,
    )

    outcome = attempt(case, answer)

    assert status in range(200, 300) or outcome.kind is not OutcomeClass.ACCEPTED
    assert len(outcome.detail) <= DETAIL_LIMIT
    assert outcome.retry_after is None or outcome.retry_after > 0
    for text in (outcome.detail, outcome.code, outcome.provider_id):
        assert text.encode().decode() == text
        assert all(character >= " " for character in text)
