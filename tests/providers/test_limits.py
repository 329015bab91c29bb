"""What a provider cannot carry, it says by the field, before anything is sent."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gomail.email import Attachment, Claim, ListUnsubscribe
from gomail.outcome import OutcomeClass
from gomail.providers import sendgrid, ses_limits
from gomail.providers.headers import own_headers
from tests.providers.case import Case, email, message
from tests.providers.cases import CASES
from tests.providers.scripted import ScriptedTransport

every_provider = pytest.mark.parametrize("case", CASES, ids=str)

MIB = 1_048_576


def unable(case: Case, **given):
    return case.unable(email(**given))


def file(size=5, *, filename="a.pdf", content_type="application/pdf", content="JVBERi0="):
    return Attachment(filename, content_type, content, size)


def headers(count):
    return tuple((f"X-{n}", "v") for n in range(count))


@every_provider
def test_the_sizes_of_texts_and_files_in_base64_count_together(case: Case):
    # Postmark's limit on one text is half of that on the whole email.
    half = {"postmark": case.body_limit}.get(case.name, case.body_limit // 2)
    text = "x" * half
    # Where texts do not count as base64, a file that takes as much room is smaller.
    as_they_are = {"sendgrid", "postmark", "resend"}
    in_base64 = half * 3 // 4 if case.name in as_they_are else half

    assert unable(case, body=text, html="y" * half) is None
    assert "MB" in (unable(case, body=text, html="y" * (half + 4)) or "")
    assert unable(case, body=text, attachments=(file(in_base64),)) is None
    assert "MB" in (unable(case, body=text, attachments=(file(in_base64 + 4),)) or "")


@every_provider
def test_an_email_whose_parts_are_in_the_payload_store_is_judged_by_their_size(case: Case):
    def stored(size):
        return Claim("payloads/1", "0" * 64, size)

    light = {"body": "", "attachments": (file(5 * MIB, content=""),)}

    assert unable(case, **light, claim=stored(8 * MIB)) is None
    assert "MB" in (unable(case, body="", claim=stored(40_000_001)) or "")
    heavy = {"body": "", "attachments": (file(30 * MIB, content=""),)}
    assert "MB" in (unable(case, **heavy, claim=stored(41 * MIB)) or "")


@every_provider
@pytest.mark.parametrize(
    "lacking", [{"body": ""}, {"attachments": (file(content=""),)}], ids=["texts", "a file"]
)
def test_an_email_that_is_not_whole_is_not_sent(case: Case, lacking):
    transport = ScriptedTransport(case.accepted)

    outcome = asyncio.run(case.build(transport).send(message(**lacking), timeout=10))

    assert (outcome.kind, outcome.code) == (OutcomeClass.UNSUITABLE, "translate")
    assert not transport.requests


def test_ses_takes_fifteen_headers_with_those_of_gomail():
    unsubscribe = ListUnsubscribe("https://example.com/u")

    assert ses_limits.why_unable(email(headers=headers(14))) is None
    assert ses_limits.why_unable(email(headers=headers(15))) == (
        "headers: SES takes at most 15, 1 of them gomail's"
    )
    assert ses_limits.why_unable(email(headers=headers(12), list_unsubscribe=unsubscribe)) is None
    assert ses_limits.why_unable(email(headers=headers(13), list_unsubscribe=unsubscribe)) == (
        "headers: SES takes at most 15, 3 of them gomail's"
    )
    assert sendgrid.why_unable(email(headers=headers(25), list_unsubscribe=unsubscribe)) is None


def test_a_header_is_measured_as_it_goes_out():
    assert ses_limits.why_unable(email(headers=(("X-Note", "v" * 990),))) is None
    assert "headers.X-Note" in (
        ses_limits.why_unable(email(headers=(("X-Note", "v" * 991),))) or ""
    )
    assert "headers.X-Note" in (
        ses_limits.why_unable(email(headers=(("X-Note", "é" * 400),))) or ""
    )


@pytest.mark.parametrize("filename", ["setup.exe", "SETUP.EXE", "run.me.js", "a.exe "])
def test_ses_takes_no_file_that_could_run(filename):
    said = ses_limits.why_unable(email(attachments=(file(), file(filename=filename))))

    assert said is not None
    assert said.startswith("attachments.1.filename: SES takes no .")
    assert sendgrid.why_unable(email(attachments=(file(filename=filename),))) is None


@pytest.mark.parametrize("filename", ["exe", "a.exe.pdf", "a.", ".profile", "a.docx"])
def test_ses_takes_other_files(filename):
    assert ses_limits.why_unable(email(attachments=(file(filename=filename),))) is None


def test_ses_takes_no_content_type_longer_than_78_characters():
    def typed(length):
        return email(attachments=(file(content_type="a/" + "b" * (length - 2)),))

    assert ses_limits.why_unable(typed(78)) is None
    assert "attachments.0.contentType" in (ses_limits.why_unable(typed(79)) or "")


def test_sendgrid_takes_no_empty_file():
    empty = email(attachments=(file(size=0, content=""),))

    assert sendgrid.why_unable(empty) == ("attachments.0.content: SendGrid takes no empty files")


@pytest.mark.parametrize(
    "name",
    ["", "X Y", "X:", "X\nBcc", "Bcc", "to", "FROM", "Content-Type", "X-Gomail-Id", "X" * 77, "É"],
)
@every_provider
def test_a_header_that_is_not_the_senders_own_is_not_sent(case: Case, name):
    transport = ScriptedTransport(case.accepted)

    outcome = asyncio.run(case.build(transport).send(message(headers=((name, "v"),)), timeout=10))

    assert (outcome.kind, outcome.code) == (OutcomeClass.UNSUITABLE, "translate")
    assert not transport.requests


@pytest.mark.parametrize("uri", ["https://e.org/>, <mailto:a@e.org", "https://e.org/\n", "", "é:"])
def test_no_uri_to_unsubscribe_by_can_add_another(uri):
    with pytest.raises(ValueError, match="URI"):
        own_headers(email(list_unsubscribe=ListUnsubscribe(uri)))


@given(value=st.text(st.characters(exclude_categories=("Cs",)), min_size=1))
def test_a_headers_value_is_one_line_of_ascii(value):
    ((_, written),) = own_headers(email(headers=(("X-Note", value),)))

    assert written.isascii()
    assert written.isprintable()
