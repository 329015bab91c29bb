"""What only Mailgun asks for."""

import asyncio
import json
import re
from base64 import b64decode, b64encode

import pytest

from gomail.email import Attachment, ListUnsubscribe, Mailbox, Message
from gomail.providers import Level
from gomail.providers.mailgun import BOUNDARY, translate, why_unable
from sandbox.mailgun import Mailgun
from tests.providers.case import ID, email, message
from tests.providers.mailgun_case import DOMAIN, KEY, MAILGUN, build, form
from tests.providers.scripted import ScriptedTransport, response

LOGO = Attachment("logo.png", "image/png", "iVBORw0KGgo=", 8, "logo")
ODD = Attachment('Rechnung "März"; \\1.pdf', "application/pdf", "JVBERi0=", 5)


def send(transport):
    return asyncio.run(build(transport).send(message(), timeout=10))


def test_the_key_is_the_password_of_the_user_api_and_is_nowhere_else():
    transport = ScriptedTransport(MAILGUN.accepted)

    send(transport)

    (request,) = transport.requests
    credentials = request.headers["Authorization"].removeprefix("Basic ")
    assert b64decode(credentials).decode() == f"api:{KEY}"
    assert KEY.encode() not in request.body
    assert KEY not in request.url


def test_the_header_names_the_boundary_that_the_form_has():
    transport = ScriptedTransport(MAILGUN.accepted)

    send(transport)

    (request,) = transport.requests
    _, _, boundary = request.headers["Content-Type"].partition("boundary=")
    assert request.body.startswith(f"--{boundary}\r\n".encode())
    assert request.body.endswith(f"\r\n--{boundary}--\r\n".encode())


def test_the_boundary_cannot_be_guessed():
    assert re.fullmatch("gomail-[0-9a-f]{32}", BOUNDARY)


def test_every_field_of_an_email_has_its_name_in_the_form():
    whole = message_with(
        html="<p>Hi</p>",
        also_to=(Mailbox("b@example.org", "Bee, B."),),
        cc=(Mailbox("c@example.org"),),
        bcc=(Mailbox("d@example.org"),),
        reply_to=(Mailbox("help@example.com", "Help"), Mailbox("more@example.com")),
        headers=(("X-Ort", "Köln"),),
        list_unsubscribe=ListUnsubscribe("https://example.com/u"),
        tags=("receipt", "de_DE"),
        metadata=(("order", "7"),),
    )

    assert form(translate(whole)) == {
        "from": ["Example Shop <shop@example.com>"],
        "to": ["A Reader <reader@example.org>", '"Bee, B." <b@example.org>'],
        "cc": ["c@example.org"],
        "bcc": ["d@example.org"],
        "subject": ["Your receipt"],
        "text": ["Thank you."],
        "html": ["<p>Hi</p>"],
        "h:Reply-To": ["Help <help@example.com>, more@example.com"],
        "h:X-Ort": ["=?utf-8?b?S8O2bG4=?="],
        "h:List-Unsubscribe": ["<https://example.com/u>"],
        "h:List-Unsubscribe-Post": ["List-Unsubscribe=One-Click"],
        "o:tag": ["receipt", "de_DE"],
        "v:gomail-id": [ID],
        "h:X-Gomail-Id": [ID],
    }


def message_with(**given):
    return Message(ID, email(**given))


def test_a_text_that_is_left_out_has_no_field():
    assert "text" not in form(translate(message_with(body="", html="<p>Hi</p>")))
    assert "html" not in form(translate(message_with()))


def test_an_inline_file_is_named_by_the_id_that_the_html_shows_it_under():
    body = translate(message_with(attachments=(LOGO, ODD)))

    assert b'name="inline"; filename="logo"\r\nContent-Type: image/png\r\n' in body
    read = Mailgun("bad").read(body)
    assert [(file.name, file.content_id, file.inline) for file in read.files] == [
        ("logo", "logo", True),
        (ODD.filename, None, False),
    ]
    assert [file.data for file in read.files] == [b"\x89PNG\r\n\x1a\n", b"%PDF-"]


def test_no_file_name_can_begin_a_header_or_a_part():
    name = f'a"\r\nX: y\r\n\r\n--{BOUNDARY}--'
    hostile = Attachment(name, "text/plain", b64encode(b"x").decode(), 1)

    read = Mailgun("bad").read(translate(message_with(attachments=(hostile,))))

    assert [file.name for file in read.files] == [f'a" X: y --{BOUNDARY}--']


def test_options_over_16_kilobytes_are_more_than_mailgun_takes():
    def headers(count):
        return tuple((f"X-{n}", "v" * 900) for n in range(count))

    assert why_unable(email(headers=headers(17))) is None
    assert why_unable(email(headers=headers(18))) == (
        "headers: Mailgun takes at most 16 KB of headers, reply-to and tags together"
    )


def test_ten_tags_are_as_many_as_mailgun_takes():
    tags = tuple(f"tag-{n}" for n in range(10))

    assert form(translate(message_with(tags=tags)))["o:tag"] == list(tags)
    assert why_unable(email(tags=tags)) is None


def test_a_size_says_at_which_field():
    assert why_unable(email(body="x" * 18_750_004)) == "body: Mailgun takes at most 25 MB"


def check(answer):
    transport = ScriptedTransport(answer)
    findings = asyncio.run(build(transport).check())
    (request,) = transport.requests
    assert (request.method, request.url) == (
        "GET",
        f"https://api.mailgun.net/v3/domains/{DOMAIN}",
    )
    assert request.headers["Authorization"].startswith("Basic ")
    return findings


def domain(state):
    return response(200, json.dumps({"domain": {"name": DOMAIN, "state": state}}))


@pytest.mark.parametrize(
    ("answer", "level", "words"),
    [
        (domain("active"), Level.OK, "active"),
        (domain("unverified"), Level.BAD, "not verified"),
        (domain("disabled"), Level.BAD, "disabled"),
        (response(401, "Forbidden"), Level.BAD, "401"),
        (response(403, "Forbidden"), Level.NOTE, "may not look at the domain"),
        (response(404, '{"message": "Domain not found: x"}'), Level.BAD, "404"),
        (response(200, "Mailgun Magnificent API"), Level.BAD, "200"),
        (response(200, "<html>"), Level.NOTE, "200"),
        (response(503), Level.NOTE, "503"),
    ],
)
def test_a_check_says_whether_the_domain_may_send(answer, level, words):
    (finding,) = check(answer)

    assert finding.level is level
    assert words in finding.text
    assert bool(finding.mend) == (level is not Level.OK)
