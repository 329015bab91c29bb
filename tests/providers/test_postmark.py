"""What only Postmark asks for."""

import asyncio
import json

import pytest

from gomail.email import Attachment, ListUnsubscribe, Mailbox
from gomail.outcome import OutcomeClass
from gomail.providers import Level, postmark
from tests.providers.case import ID, email, message
from tests.providers.postmark_case import POSTMARK, TOKEN, build, error
from tests.providers.scripted import ScriptedTransport, response

LOGO = Attachment("logo.png", "image/png", "iVBORw0KGgo=", 8, "logo")
INVOICE = Attachment("Rechnung März.pdf", "application/pdf", "JVBERi0=", 5)
OUR_ID = {"Name": "X-Gomail-Id", "Value": ID}

FIELDS = {
    "html": ({"html": "<p>Grüße</p>"}, {"HtmlBody": "<p>Grüße</p>"}),
    "html alone": ({"html": "<p>Hi</p>", "body": ""}, {"HtmlBody": "<p>Hi</p>"}),
    "also_to": (
        {"also_to": (Mailbox("b@bücher.example.com", "Bee, B."), Mailbox("c@example.org"))},
        {
            "To": 'A Reader <reader@example.org>, "Bee, B." <b@xn--bcher-kva.example.com>, '
            "c@example.org"
        },
    ),
    "cc": (
        {"cc": (Mailbox("d@example.org", "Jörg"),)},
        {"Cc": "=?utf-8?b?SsO2cmc=?= <d@example.org>"},
    ),
    "bcc": ({"bcc": (Mailbox("e@example.org"),)}, {"Bcc": "e@example.org"}),
    "reply_to": (
        {"reply_to": (Mailbox("help@example.com", "Help, please"), Mailbox("f@example.com"))},
        {"ReplyTo": '"Help, please" <help@example.com>, f@example.com'},
    ),
    "headers": (
        {"headers": (("X-Ort", "Köln"),)},
        {"Headers": [OUR_ID, {"Name": "X-Ort", "Value": "=?utf-8?b?S8O2bG4=?="}]},
    ),
    "list_unsubscribe": (
        {"list_unsubscribe": ListUnsubscribe("https://example.com/u", "mailto:u@example.com")},
        {
            "Headers": [
                OUR_ID,
                {
                    "Name": "List-Unsubscribe",
                    "Value": "<https://example.com/u>, <mailto:u@example.com>",
                },
                {"Name": "List-Unsubscribe-Post", "Value": "List-Unsubscribe=One-Click"},
            ]
        },
    ),
    "attachments": (
        {"attachments": (LOGO, INVOICE)},
        {
            "Attachments": [
                {
                    "Name": "logo.png",
                    "Content": "iVBORw0KGgo=",
                    "ContentType": "image/png",
                    "ContentID": "cid:logo",
                },
                {
                    "Name": "Rechnung März.pdf",
                    "Content": "JVBERi0=",
                    "ContentType": "application/pdf",
                },
            ]
        },
    ),
    "one tag": ({"tags": ("receipt",)}, {"Tag": "receipt"}),
    "several tags": (
        {"tags": ("receipt", "de_DE", "x-1")},
        {
            "Tag": "receipt",
            "Headers": [OUR_ID, {"Name": "X-Gomail-Tags", "Value": "receipt, de_DE, x-1"}],
        },
    ),
    "what is never sent": ({"metadata": (("order", "7"),), "expires_at": 1_800_000_000_001}, {}),
}


def request(**given):
    return json.loads(postmark.translator("outbound")(message(**given)))


def test_a_plain_email_is_written_as_postmark_reads_it():
    assert request() == {
        "From": "Example Shop <shop@example.com>",
        "To": "A Reader <reader@example.org>",
        "Subject": "Your receipt",
        "TextBody": "Thank you.",
        "Headers": [OUR_ID],
        "Metadata": {"gomail-id": ID},
        "MessageStream": "outbound",
    }


@pytest.mark.parametrize("field", FIELDS)
def test_a_field_adds_its_part_to_the_request_and_changes_nothing_else(field):
    given, parts = FIELDS[field]
    plain = request()
    if field == "html alone":
        del plain["TextBody"]

    assert request(**given) == plain | parts


def test_an_id_that_metadata_cannot_hold_is_in_the_header_alone():
    written = request(id="x" * 81)

    assert "Metadata" not in written
    assert written["Headers"] == [{"Name": "X-Gomail-Id", "Value": "x" * 81}]
    assert request(id="x" * 80)["Metadata"] == {"gomail-id": "x" * 80}


def test_the_token_is_in_its_header_and_nowhere_else():
    transport = ScriptedTransport(POSTMARK.accepted)

    asyncio.run(build(transport).send(message(), timeout=10))

    (sent,) = transport.requests
    assert sent.headers["X-Postmark-Server-Token"] == TOKEN
    assert TOKEN.encode() not in sent.body
    assert "Authorization" not in sent.headers


def test_recipients_who_get_nothing_are_named_in_an_acceptance():
    inactive = next(e for e in POSTMARK.examples if e.name == "some recipients who get nothing")

    outcome = asyncio.run(build(ScriptedTransport(inactive.answer)).send(message(), timeout=10))

    assert (outcome.kind, outcome.provider_id) == (OutcomeClass.ACCEPTED, POSTMARK.provider_id)
    assert "will not deliver to these inactive addresses: b@example.org" in outcome.detail


@pytest.mark.parametrize("field", ["body", "html"])
def test_each_text_has_a_limit_of_its_own(field):
    assert postmark.why_unable(email(**{field: "é" * 2_500_000})) is None
    assert postmark.why_unable(email(**{field: "é" * 2_500_001})) == (
        f"{field}: Postmark takes at most 5 MB"
    )


@pytest.mark.parametrize(
    ("filename", "ending"), [("setup.exe", "exe"), ("a.pdf.SCR ", "scr"), ("b.mdb", "mdb")]
)
def test_postmark_takes_no_file_that_could_run(filename, ending):
    one = Attachment(filename, "application/octet-stream", "JVBERi0=", 5)

    assert postmark.why_unable(email(attachments=(INVOICE, one))) == (
        f"attachments.1.filename: Postmark takes no .{ending} files"
    )


@pytest.mark.parametrize("filename", ["exe", "a.exe.pdf", "run.js"])
def test_postmark_takes_other_files(filename):
    one = Attachment(filename, "application/octet-stream", "JVBERi0=", 5)

    assert postmark.why_unable(email(attachments=(one,))) is None


def checked(answer):
    transport = ScriptedTransport(answer)
    findings = asyncio.run(build(transport).check())
    return findings, transport.requests


def server(delivery):
    said = {"ID": 1, "Name": "Shop", "ApiTokens": [TOKEN], "DeliveryType": delivery}
    return response(200, json.dumps(said))


def test_a_check_asks_for_the_tokens_server_and_sends_nothing():
    (finding,), (asked,) = checked(server("Live"))

    assert (asked.method, asked.url) == ("GET", "https://api.postmarkapp.com/server")
    assert asked.headers["X-Postmark-Server-Token"] == TOKEN
    assert finding.level is Level.OK
    assert TOKEN not in finding.text


def test_a_sandbox_server_works_and_deserves_a_look():
    (finding,), _ = checked(server("Sandbox"))

    assert finding.level is Level.NOTE
    assert "delivers none" in finding.text
    assert "Live" in finding.mend


def test_a_bad_token_is_found():
    (finding,), _ = checked(error(401, 10, "Bad token"))

    assert finding.level is Level.BAD
    assert "API Tokens" in finding.mend


def test_a_provider_that_is_away_is_no_bad_token():
    (finding,), _ = checked(response(503, "<h1>503</h1>"))

    assert finding.level is Level.NOTE


@pytest.mark.parametrize("body", ["{}", "[]", "<html>", '{"Name": "Shop"}'])
def test_what_is_not_postmark_is_found(body):
    (finding,), _ = checked(response(200, body))

    assert finding.level is Level.BAD
    assert "base_url" in finding.mend
