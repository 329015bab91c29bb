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
from gomail.providers import Finding, Level, Limits, ses
from gomail.providers.mailbox import mailbox
from tests.providers.case import message
from tests.providers.scripted import Request, ScriptedTransport, response
from tests.providers.ses_case import DENIED, SES, build, error, parsed

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


def account(*, rate=14.0, most=50_000.0, sent=10.0, **parts):
    quota = {"Max24HourSend": most, "MaxSendRate": rate, "SentLast24Hours": sent}
    standing = {
        "EnforcementStatus": "HEALTHY",
        "ProductionAccessEnabled": True,
        "SendingEnabled": True,
        "SendQuota": quota,
    }
    return response(200, json.dumps(standing | parts))


def identity(name, status="SUCCESS"):
    sending = status == "SUCCESS"
    return {"IdentityName": name, "SendingEnabled": sending, "VerificationStatus": status}


def identities(*listed, **parts):
    return response(200, json.dumps({"EmailIdentities": listed, **parts}))


VERIFIED = identities(identity("example.com"))


def limits(answer) -> Limits | None:
    return asyncio.run(build(ScriptedTransport(answer)).limits())


def check(account_answer=None, identities_answer=VERIFIED) -> list[Finding]:
    def answer(request: Request):
        asked_for_account = request.url.endswith("/v2/email/account")
        return (account_answer or account()) if asked_for_account else identities_answer

    return asyncio.run(build(ScriptedTransport(answer)).check())


def found(findings: list[Finding], level: Level) -> list[str]:
    return [finding.text for finding in findings if finding.level is level]


def test_the_account_is_asked_where_the_services_model_says():
    transport = ScriptedTransport(account())

    asyncio.run(build(transport).limits())

    (request,) = transport.requests
    model = Session().get_service_model("sesv2").operation_model("GetAccount")
    assert f"{request.method} {request.url}" == (
        f"{model.http['method']} https://email.eu-west-1.amazonaws.com{model.http['requestUri']}"
    )
    assert request.headers["Authorization"].startswith("AWS4-HMAC-SHA256")


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (account(), Limits(rate=14, quota=50_000, used=10)),
        (account(rate=0.5, most=-1.0, sent=7), Limits(rate=0.5, quota=None, used=7)),
        (account(rate=0.0, most=0.0, sent=0.0), Limits(rate=None, quota=0, used=0)),
        (error(403, "AccessDeniedException", DENIED), None),
        (error(429, "TooManyRequestsException", "Rate exceeded"), None),
        (response(200, "<html>"), None),
        (account(SendQuota=7), None),
        (account(SendQuota={"MaxSendRate": True}), None),
    ],
)
def test_the_limits_are_those_of_the_account(answer, expected):
    assert limits(answer) == expected


def test_an_account_in_order_is_told_with_its_quota_and_identities():
    findings = check()

    assert found(findings, Level.OK) == [
        "account: 14 a second, 10 of 50,000 sent in 24 hours",
        "verified identities: example.com",
    ]
    assert len(findings) == 2


def test_a_quota_without_limit_is_told():
    assert found(check(account(most=-1.0)), Level.OK)[0] == (
        "account: 14 a second, any number a day"
    )


@pytest.mark.parametrize(
    ("answer", "level", "words"),
    [
        (account(ProductionAccessEnabled=False), Level.NOTE, "only verified recipients, 200 a day"),
        (account(SendingEnabled=False), Level.BAD, "sending is paused"),
        (account(EnforcementStatus="PROBATION"), Level.NOTE, "under review"),
        (account(EnforcementStatus="SHUTDOWN"), Level.BAD, "shut this account down"),
        (account(sent=45_000.0), Level.NOTE, "nearly used"),
        (error(429, "TooManyRequestsException", "Rate exceeded"), Level.NOTE, "just now"),
        (response(200, "<html>"), Level.BAD, "is not SES"),
        (response(200, "[]"), Level.BAD, "is not SES"),
        (response(404), Level.BAD, "refuses the question (404)"),
    ],
)
def test_what_stands_in_the_way_of_an_account_is_told_with_what_to_mend(answer, level, words):
    (finding,) = [one for one in check(answer) if one.level is not Level.OK]

    assert finding.level is level
    assert words in finding.text
    assert finding.mend


def test_a_key_that_may_not_ask_can_still_send_and_is_told_what_it_lacks():
    denied = error(403, "AccessDeniedException", DENIED)

    findings = check(denied, denied)

    assert [finding.level for finding in findings] == [Level.NOTE, Level.NOTE]
    assert "ses:GetAccount" in findings[0].mend
    assert "ses:ListEmailIdentities" in findings[1].mend


def test_bad_credentials_are_told_once_and_without_them():
    def refused(request: Request):
        said = " ".join(f"{name}:{value}" for name, value in request.headers.items())
        return error(403, "IncompleteSignature", f"not a valid key=value pair in {said}")

    findings = asyncio.run(build(ScriptedTransport(refused)).check())

    assert found(findings, Level.BAD) == ["SES refuses the question (IncompleteSignature)"]
    assert len(findings) == 1
    assert "access key" in findings[0].mend
    assert not [secret for secret in SES.secrets if secret in repr(findings)]


def test_identities_that_are_not_verified_are_named():
    findings = check(None, identities(identity("example.com"), identity("new.example", "PENDING")))

    assert found(findings, Level.NOTE) == [
        "identities that are not verified: new.example (PENDING)"
    ]


def test_an_account_without_a_verified_identity_can_send_nothing():
    findings = check(None, identities(identity("new.example", "FAILED")))

    assert len(found(findings, Level.BAD)) == 1
    assert found(findings, Level.NOTE) == ["identities that are not verified: new.example (FAILED)"]


def test_a_first_page_without_a_verified_identity_proves_nothing():
    findings = check(None, identities(identity("new.example", "FAILED"), NextToken="2"))

    assert found(findings, Level.BAD) == []


def test_of_many_identities_some_are_named_and_the_others_counted():
    listed = identities(*(identity(f"{n}.example") for n in range(23)))

    text = found(check(None, listed), Level.OK)[-1]

    assert text.endswith("19.example and 3 more")


def test_a_list_of_identities_that_ses_does_not_give_is_no_fault_of_the_account():
    for status in (404, 405, 503):
        findings = check(None, response(status))

        assert found(findings, Level.BAD) == []
        assert found(findings, Level.NOTE) == [
            f"SES does not list its identities just now ({status})"
        ]


@pytest.mark.parametrize("said", ["Signature expired: 1 is now", "Signature not yet current: 1 is"])
def test_whoever_has_a_wrong_clock_is_told_so_and_not_to_look_at_the_key(said):
    outcome = ses.classify(error(403, "InvalidSignatureException", said))

    assert outcome.mend == "the clock of this machine is more than 15 minutes off: set it"
