"""What only Resend asks for."""

import asyncio
import json
import mimetypes

import pytest

from gomail.email import Attachment, ListUnsubscribe, Mailbox
from gomail.outcome import OutcomeClass
from gomail.providers import Level, file_types, resend
from gomail.providers.table import KINDS
from tests.providers.case import ID, email, message
from tests.providers.resend_case import KEY, RESEND, build, error
from tests.providers.scripted import ScriptedTransport, response

LOGO = Attachment("logo.png", "image/png", "iVBORw0KGgo=", 8, "logo")
INVOICE = Attachment("Rechnung März.pdf", "application/pdf", "JVBERi0=", 5)

FIELDS = {
    "html": ({"html": "<p>Grüße</p>"}, {"html": "<p>Grüße</p>"}),
    "html alone": ({"html": "<p>Hi</p>", "body": ""}, {"html": "<p>Hi</p>"}),
    "also_to": (
        {"also_to": (Mailbox("b@bücher.example.com", "Bee, B."), Mailbox("c@example.org"))},
        {
            "to": [
                "A Reader <reader@example.org>",
                '"Bee, B." <b@xn--bcher-kva.example.com>',
                "c@example.org",
            ]
        },
    ),
    "cc": (
        {"cc": (Mailbox("d@example.org", "Jörg"),)},
        {"cc": ["=?utf-8?b?SsO2cmc=?= <d@example.org>"]},
    ),
    "bcc": ({"bcc": (Mailbox("e@example.org"),)}, {"bcc": ["e@example.org"]}),
    "reply_to": (
        {"reply_to": (Mailbox("help@example.com", "Help, please"),)},
        {"reply_to": ['"Help, please" <help@example.com>']},
    ),
    "headers": (
        {"headers": (("X-Ort", "Köln"),)},
        {"headers": {"X-Gomail-Id": ID, "X-Ort": "=?utf-8?b?S8O2bG4=?="}},
    ),
    "list_unsubscribe": (
        {"list_unsubscribe": ListUnsubscribe("https://example.com/u")},
        {
            "headers": {
                "X-Gomail-Id": ID,
                "List-Unsubscribe": "<https://example.com/u>",
                "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
            }
        },
    ),
    "attachments": (
        {"attachments": (LOGO, INVOICE)},
        {
            "attachments": [
                {
                    "filename": "logo.png",
                    "content": "iVBORw0KGgo=",
                    "content_type": "image/png",
                    "content_id": "logo",
                },
                {
                    "filename": "Rechnung März.pdf",
                    "content": "JVBERi0=",
                    "content_type": "application/pdf",
                },
            ]
        },
    ),
    "tags": (
        {"tags": ("receipt", "de_DE")},
        {
            "tags": [
                {"name": "gomail-id", "value": ID},
                {"name": "tag1", "value": "receipt"},
                {"name": "tag2", "value": "de_DE"},
            ]
        },
    ),
    "what is never sent": ({"metadata": (("order", "7"),), "expires_at": 1_800_000_000_001}, {}),
}


def request(**given):
    return json.loads(resend.translate(message(**given)))


def sent(**given):
    transport = ScriptedTransport(RESEND.accepted)
    asyncio.run(build(transport).send(message(**given), timeout=10))
    (one,) = transport.requests
    return one


def test_a_plain_email_is_written_as_resend_reads_it():
    assert request() == {
        "from": "Example Shop <shop@example.com>",
        "to": ["A Reader <reader@example.org>"],
        "subject": "Your receipt",
        "text": "Thank you.",
        "headers": {"X-Gomail-Id": ID},
        "tags": [{"name": "gomail-id", "value": ID}],
    }


@pytest.mark.parametrize("field", FIELDS)
def test_a_field_adds_its_part_to_the_request_and_changes_nothing_else(field):
    given, parts = FIELDS[field]
    plain = request()
    if field == "html alone":
        del plain["text"]

    assert request(**given) == plain | parts


def test_an_id_that_no_tag_can_hold_is_in_the_header_alone():
    written = request(id="a/b:c")

    assert "tags" not in written
    assert written["headers"] == {"X-Gomail-Id": "a/b:c"}


def test_a_send_names_the_messages_id_as_its_idempotency_key():
    assert sent().headers["Idempotency-Key"] == ID
    assert sent(id="a/b:c").headers["Idempotency-Key"] == "a/b:c"
    assert KINDS["resend"].idempotent


@pytest.mark.parametrize("odd", ["x" * 257, "Grüße", "a b", "a\r\nb", ""])
def test_an_id_that_no_key_can_hold_is_sent_without_one(odd):
    assert "Idempotency-Key" not in sent(id=odd).headers


def test_a_repeated_send_is_the_same_to_the_byte():
    given = {name: value for fields, _ in FIELDS.values() for name, value in fields.items()}

    first, second = sent(**given), sent(**given)

    assert (first.body, first.headers) == (second.body, second.headers)


@pytest.mark.parametrize("name", ["concurrent_idempotent_requests", "invalid_idempotent_request"])
def test_a_conflict_of_keys_ends_no_email_and_sends_it_nowhere_else(name):
    answer = next(e.answer for e in RESEND.examples if e.code == name)

    outcome = asyncio.run(build(ScriptedTransport(answer)).send(message(), timeout=10))

    # Of all classes only this one is repeated later at the same provider.
    assert outcome.kind is OutcomeClass.UNKNOWN


def file(filename, content_type):
    return Attachment(filename, content_type, "JVBERi0=", 5)


def fault(filename, content_type):
    return resend.why_unable(email(attachments=(LOGO, file(filename, content_type))))


@pytest.mark.parametrize(
    ("filename", "content_type"),
    [
        ("data.csv", "text/csv"),
        ("DATA.CSV", "Text/CSV"),
        ("photo.jpeg", "image/jpeg"),
        ("photo.jpg", "image/jpeg"),
        ("feed.xml", "application/xml"),
        ("feed.xml", "text/xml"),
        ("data.custom", "text/x-custom"),
        ("data.custom", "application/octet-stream"),
        ("README", "application/octet-stream"),
    ],
)
def test_resend_takes_files_whose_name_and_type_agree_and_files_it_does_not_know(
    filename, content_type
):
    assert fault(filename, content_type) is None


@pytest.mark.parametrize(
    ("filename", "content_type", "words"),
    [
        ("data.txt", "text/csv", "of type text/csv whose name does not end in .csv"),
        ("photo.png", "image/jpeg", "does not end in .jpg or .jpeg"),
        ("invoice", "application/pdf", "does not end in .pdf"),
        ("report.pdf", "application/octet-stream", "a .pdf file of another type than"),
        ("data.csv", "text/x-custom", "a .csv file of another type than text/csv"),
        ("", "application/octet-stream", "without a name"),
        (" \u2028", "application/octet-stream", "without a name"),
    ],
)
def test_resend_would_drop_files_whose_name_and_type_disagree(filename, content_type, words):
    said = fault(filename, content_type)

    assert said is not None
    assert said.startswith("attachments.1.filename: Resend drops ")
    assert words in said


def test_the_machines_table_of_types_decides_nothing():
    mimetypes.add_type("application/x-strange", ".pdf")
    try:
        assert fault("report.pdf", "application/pdf") is None
        assert fault("report.pdf", "application/x-strange") is not None
    finally:
        mimetypes.init()


def test_every_common_type_can_be_sent_under_the_names_of_its_files():
    for kind, endings in file_types.ENDINGS.items():
        assert endings, kind
        for ending in endings:
            assert fault(f"a.{ending}", kind) is None


def test_resend_takes_fifty_recipients_in_to():
    others = tuple(Mailbox(f"r{n}@example.org") for n in range(50))

    assert resend.why_unable(email(also_to=others[:49], cc=others)) is None
    assert resend.why_unable(email(also_to=others)) == "to: Resend takes at most 50 recipients"


def checked(answer):
    transport = ScriptedTransport(answer)
    findings = asyncio.run(build(transport).check())
    return findings, transport.requests


def domains(*, has_more=False, **states):
    data = [
        {"id": "1", "name": f"{name}.example.com", "status": state}
        for name, state in states.items()
    ]
    said = {"object": "list", "has_more": has_more, "data": data}
    return response(200, json.dumps(said))


def test_a_check_asks_for_the_domains_and_sends_nothing():
    (finding,), (asked,) = checked(domains(mail="verified"))

    assert (asked.method, asked.url) == ("GET", "https://api.resend.com/domains")
    assert asked.headers["Authorization"] == f"Bearer {KEY}"
    assert finding.level is Level.OK


def test_a_key_that_may_only_send_is_fine():
    text = "This API key is restricted to only send emails"

    (finding,), _ = checked(error(401, "restricted_api_key", text))

    assert finding.level is Level.OK


def test_domains_that_are_not_verified_are_named():
    (known, finding), _ = checked(domains(mail="verified", news="pending", old="failed"))

    assert (known.level, finding.level) == (Level.OK, Level.NOTE)
    assert finding.text == "not verified at Resend: news.example.com, old.example.com"
    assert finding.mend


def test_of_many_domains_that_are_not_verified_ten_are_named():
    many = {f"d{n}": "pending" for n in range(12)}

    (_, finding), _ = checked(domains(mail="verified", **many))

    assert finding.text.endswith("d9.example.com and 2 more")


@pytest.mark.parametrize("states", [{}, {"news": "pending"}])
def test_without_a_verified_domain_no_mail_can_go(states):
    (finding,), _ = checked(domains(**states))

    assert finding.level is Level.BAD
    assert "resend.com/domains" in finding.mend


def test_a_page_without_a_verified_domain_says_nothing_of_the_next():
    (known, finding), _ = checked(domains(news="pending", has_more=True))

    assert (known.level, finding.level) == (Level.OK, Level.NOTE)


@pytest.mark.parametrize(
    "answer",
    [
        error(403, "invalid_api_key", "API key is invalid"),
        error(401, "missing_api_key", "Missing API Key"),
        error(400, "validation_error", "API key is invalid"),
    ],
)
def test_a_bad_key_is_found(answer):
    (finding,), _ = checked(answer)

    assert finding.level is Level.BAD
    assert "API key" in finding.mend


@pytest.mark.parametrize("answer", [response(503), error(429, "rate_limit_exceeded", "Too fast")])
def test_a_provider_that_is_away_is_no_bad_key(answer):
    (finding,), _ = checked(answer)

    assert finding.level is Level.NOTE


@pytest.mark.parametrize("body", ["{}", "[]", "<html>", '{"data": 7}'])
def test_what_is_not_resend_is_found(body):
    (finding,), _ = checked(response(200, body))

    assert finding.level is Level.BAD
    assert "base_url" in finding.mend


def test_an_entry_that_is_no_domain_breaks_no_check():
    (finding,), _ = checked(response(200, '{"data": [7, {"name": 3, "status": "verified"}]}'))

    assert finding.level is Level.OK
