"""What only Brevo asks for."""

import asyncio
import json

import pytest

from gomail.email import Attachment, Mailbox, Message
from gomail.providers import Level
from gomail.providers.brevo import payload, why_unable
from tests.providers.brevo_case import BREVO, KEY, build
from tests.providers.case import ID, email, message
from tests.providers.scripted import ScriptedTransport, response


def message_with(**given):
    return Message(ID, email(**given))


def file(filename, content_id=""):
    return Attachment(filename, "application/pdf", "JVBERi0=", 5, content_id)


def test_the_key_is_in_a_header_of_brevos_own_and_nowhere_else():
    transport = ScriptedTransport(BREVO.accepted)

    asyncio.run(build(transport).send(message(), timeout=10))

    (request,) = transport.requests
    assert request.headers["api-key"] == KEY
    assert KEY.encode() not in request.body
    assert KEY not in request.url


def test_every_field_of_an_email_has_its_place_in_the_request():
    whole = message_with(
        html="<p>Hi</p>",
        also_to=(Mailbox("b@bücher.example.com"),),
        cc=(Mailbox("c@example.org", "Cee"),),
        bcc=(Mailbox("d@example.org"),),
        reply_to=(Mailbox("help@example.com", "Jörg"),),
        headers=(("X-Order", "7"),),
        attachments=(file("a.pdf"),),
        tags=("receipt",),
        metadata=(("order", "7"),),
    )

    assert payload(whole) == {
        "sender": {"name": "Example Shop", "email": "shop@example.com"},
        "to": [
            {"name": "A Reader", "email": "reader@example.org"},
            {"email": "b@xn--bcher-kva.example.com"},
        ],
        "cc": [{"name": "Cee", "email": "c@example.org"}],
        "bcc": [{"email": "d@example.org"}],
        "replyTo": {"name": "=?utf-8?b?SsO2cmc=?=", "email": "help@example.com"},
        "subject": "Your receipt",
        "textContent": "Thank you.",
        "htmlContent": "<p>Hi</p>",
        "headers": {
            "X-Order": "7",
            "X-Gomail-Id": ID,
            "X-Mailin-custom": ID,
        },
        "attachment": [{"name": "a.pdf", "content": "JVBERi0="}],
        "tags": ["receipt"],
    }


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("Müller", "Müller"),
        ("Doe, Jane", "Doe, Jane"),
        ("Müller, Jörg", "=?utf-8?b?TcO8bGxlciwgSsO2cmc=?="),
        ("J. Müller", "=?utf-8?b?Si4gTcO8bGxlcg==?="),
        ("=?utf-8?q?hidden?=", "=?utf-8?b?PT91dGYtOD9xP2hpZGRlbj89?="),
        ("n" * 71, "n" * 70),
        # Encoded it would be longer than Brevo takes: better no name than no email.
        ("é" * 40 + ",", "é" * 40 + ","),
    ],
)
def test_a_name_is_encoded_where_brevo_would_drop_it(name, written):
    mail = payload(message(from_name=name, to_name=name))

    assert (mail["sender"]["name"], mail["to"][0]["name"]) == (written, written)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            {"reply_to": (Mailbox("a@example.com"), Mailbox("b@example.com"))},
            "replyTo: Brevo takes only one",
        ),
        (
            {"attachments": (file("a.pdf"), file("b.png", "logo"))},
            "attachments.1.contentId: Brevo takes no inline files",
        ),
        (
            {"attachments": (file("Setup.EXE"),)},
            "attachments.0.filename: Brevo takes no .exe files",
        ),
        (
            {"attachments": (file("README"),)},
            "attachments.0.filename: Brevo takes no files without an ending that it knows",
        ),
        (
            {"headers": (("X-Ort", "Köln"),)},
            "headers.X-Ort: Brevo sends no header intact that is not plain ASCII",
        ),
        (
            {"headers": (("X-Odd", "=?utf-8?q?a?="),)},
            "headers.X-Odd: Brevo sends no header intact that is not plain ASCII",
        ),
        ({"headers": (("Bcc", "x"),)}, "headers: not a header of the sender's own"),
        ({"body": "x" * 15_000_004}, "body: Brevo takes at most 20 MB"),
    ],
)
def test_what_brevo_cannot_carry_it_says_by_the_field(given, said):
    assert why_unable(email(**given)) == said


@pytest.mark.parametrize(
    "name", ["sender.ip", "idempotencyKey", "Idempotency-Key", "X-Mailin-custom", "X-Sib-Sandbox"]
)
def test_no_sender_can_give_brevo_orders_by_a_header(name):
    assert why_unable(email(headers=((name, "drop"),))) == (
        f"headers.{name}: Brevo obeys it instead of sending it"
    )


@pytest.mark.parametrize("filename", ["a.pdf", "A.PDF", "list.of.things.csv", "logo.png"])
def test_brevo_takes_files_with_an_ending_that_it_knows(filename):
    assert why_unable(email(attachments=(file(filename),))) is None


def check(answer):
    transport = ScriptedTransport(answer)
    findings = asyncio.run(build(transport).check())
    (request,) = transport.requests
    assert (request.method, request.url) == ("GET", "https://api.brevo.com/v3/account")
    assert request.headers["api-key"] == KEY
    return [(finding.level, finding.text) for finding in findings]


def account(*plans, enabled=True):
    return response(200, json.dumps({"plan": list(plans), "relay": {"enabled": enabled}}))


def plan(credits_, kind="free"):
    return {"type": kind, "creditsType": "sendLimit", "credits": credits_}


MAY_SEND = (Level.OK, "the account may send")


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (
            account(plan(250), plan(9, "sms")),
            [MAY_SEND, (Level.OK, "250 emails are left of the plan")],
        ),
        (account(plan("250")), [MAY_SEND, (Level.OK, "250 emails are left of the plan")]),
        (
            account(plan(0, "subscription"), plan(0, "payAsYouGo"), plan(9, "sms")),
            [MAY_SEND, (Level.BAD, "no emails are left of the plan")],
        ),
        (
            account(plan(None)),
            [MAY_SEND, (Level.NOTE, "how many emails are left of the plan is not told")],
        ),
        (
            account(plan(300), enabled=False),
            [
                (Level.BAD, "transactional email is not activated"),
                (Level.OK, "300 emails are left of the plan"),
            ],
        ),
        (
            response(401, '{"code": "unauthorized", "message": "Key not found"}'),
            [(Level.BAD, "Brevo answers unauthorized to this key")],
        ),
        (response(503), [(Level.NOTE, "Brevo does not answer just now (503)")]),
        (response(200, "<html>"), [(Level.BAD, "what answers is not Brevo: it tells of no plan")]),
    ],
)
def test_a_check_says_whether_the_account_may_send_and_what_is_left(answer, found):
    assert check(answer) == found
