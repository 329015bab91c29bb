"""What only Amazon SES asks for, judged by AWS's own model of it."""

import asyncio
import json
from email import policy

import pytest
from botocore.session import Session
from botocore.validate import ParamValidator
from hypothesis import given
from hypothesis import strategies as st

from gomail.outcome import OutcomeClass
from gomail.providers import ses
from gomail.providers.mailbox import mailbox
from tests.providers.case import message
from tests.providers.scripted import ScriptedTransport
from tests.providers.ses_case import SES, build, error, parsed

LIMIT = ses.MAILBOX_LIMIT


@pytest.fixture(scope="module")
def send_email():
    return Session().get_service_model("sesv2").operation_model("SendEmail")


def test_the_request_is_valid_by_the_services_model(send_email):
    request = json.loads(ses.translator("receipts")(message()))

    report = ParamValidator().validate(request, send_email.input_shape)

    assert not report.has_errors(), report.generate_report()
    assert f"https://host{send_email.http['requestUri']}" == "https://host" + ses.PATH


def test_every_error_that_the_model_declares_has_its_class(send_email):
    expected = {
        "TooManyRequestsException": OutcomeClass.THROTTLED,
        "LimitExceededException": OutcomeClass.QUOTA,
        "AccountSuspendedException": OutcomeClass.FAILED,
        "SendingPausedException": OutcomeClass.FAILED,
        "MessageRejected": OutcomeClass.REFUSED,
        "MailFromDomainNotVerifiedException": OutcomeClass.UNSUITABLE,
        "NotFoundException": OutcomeClass.FAILED,
        "BadRequestException": OutcomeClass.REFUSED,
    }

    declared = {
        shape.name: ses.classify(
            error(shape.metadata["error"]["httpStatusCode"], shape.name, "")
        ).kind
        for shape in send_email.error_shapes
    }

    assert declared == expected


def test_without_a_configuration_set_none_is_named():
    assert "ConfigurationSetName" not in json.loads(ses.translator()(message()))


def test_an_id_that_no_tag_can_hold_is_in_the_header_alone():
    request = json.loads(ses.translator()(message(id="a/b:c")))

    assert "EmailTags" not in request
    assert request["Content"]["Simple"]["Headers"] == [{"Name": "X-Gomail-Id", "Value": "a/b:c"}]


def test_our_own_id_is_in_tag_and_header():
    request = json.loads(ses.translator()(message()))

    assert request["EmailTags"] == [{"Name": "gomail-id", "Value": message().id}]
    assert request["Content"]["Simple"]["Headers"][0]["Value"] == message().id


def test_a_failed_policy_check_for_one_sender_counts_but_proves_no_account_fault():
    denied = next(e for e in SES.examples if e.name.endswith("as this sender"))

    outcome = asyncio.run(build(ScriptedTransport(denied.answer)).send(message(), timeout=10))

    assert (outcome.kind, outcome.account_fault) == (OutcomeClass.FAILED, False)


@given(st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=995))
def test_a_mailbox_is_ascii_and_never_longer_than_ses_takes(name):
    text = mailbox(name, "reader@example.org", limit=LIMIT)

    assert text.isascii()
    assert len(text) <= LIMIT
    assert parsed(text).addr_spec == "reader@example.org"


@given(st.text("é😀a", min_size=300, max_size=400))
def test_a_name_that_is_too_long_is_cut_at_its_end(name):
    read = parsed(mailbox(name, "reader@example.org", limit=LIMIT)).display_name

    assert read
    assert name.startswith(read)


def test_the_longest_address_leaves_room_for_a_name():
    address = f"{'a' * 64}@{'b' * 60}.{'c' * 60}.{'d' * 60}.org"

    text = mailbox("😀" * 200, address, limit=LIMIT)

    assert len(text) <= LIMIT
    assert parsed(text).display_name.startswith("😀")


@given(st.text(st.characters(exclude_categories=("Cs", "Cc", "Z")), min_size=1, max_size=11))
def test_pythons_newer_reader_of_headers_agrees_on_a_name_of_one_word(name):
    text = mailbox(name, "reader@example.org", limit=LIMIT)

    (address,) = policy.default.header_factory("to", text).addresses

    assert (address.display_name, address.addr_spec) == (name, "reader@example.org")


@given(st.text(st.characters(exclude_categories=("Cs",)), max_size=300))
def test_no_encoded_word_is_longer_than_the_standard_allows(name):
    words = mailbox(name + "é", "reader@example.org", limit=10_000).split()

    assert all(len(word) <= 75 for word in words)
