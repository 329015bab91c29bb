"""Any email, sent by SMTP and read as the sandbox reads a message, has every field."""

import re
from base64 import b64encode
from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes
from email.utils import unquote

import httpx2
import pytest
import uvloop
from hypothesis import given, settings
from hypothesis import strategies as st

from gomail.email import Attachment, Email, ListUnsubscribe, Mailbox, Message
from gomail.provider_settings import SmtpSettings
from gomail.providers.mime import compose, on_the_wire
from gomail.providers.smtp import why_unable
from sandbox.mailbox import File
from sandbox.smtp import read
from tests.providers.case import ID, email
from tests.providers.smtp_servers import LOGIN, LONG, built
from tests.providers.test_arriving import decoded, emails, parties, unsubscribing
from tests.sandbox.test_smtp import process

NOW = datetime(2026, 11, 24, 15, 0, tzinfo=UTC)
UNABLE = why_unable(SmtpSettings(host="mail.example"))


def composed(mail: Email, id_: str = ID):
    return compose(Message(id_, mail), now=NOW)


def as_lines(text: str) -> str | None:
    """A text as a message carries it: lines, however they ended, and every one ended."""
    return re.sub("\r\n|\r", "\n", text).removesuffix("\n") or None


def as_shown(attachment: Attachment) -> File:
    # The reader takes brackets and quotes around a whole name for marks of its own.
    file = decoded(attachment)
    return replace(file, name=unquote(file.name))


@given(mail=emails())
@settings(max_examples=200)
def test_an_email_arrives_with_every_field(mail):
    assert UNABLE(mail) is None

    sent = composed(mail)
    got = read(sent.content, [address for address, _ in sent.recipients])

    assert (got.id, got.subject) == (ID, mail.subject)
    assert (got.text or None, got.html or None) == (as_lines(mail.body), as_lines(mail.html))
    assert (got.sender,) == parties([Mailbox(mail.from_email, mail.from_name)])
    assert (got.to, got.cc) == (parties(mail.to), parties(mail.cc))
    # Their names are told to nobody.
    assert got.bcc == parties([replace(one, name="") for one in mail.bcc])
    assert got.reply_to == parties(mail.reply_to)
    assert got.headers == mail.headers + unsubscribing(mail)
    assert sorted(map(repr, got.files)) == sorted(repr(as_shown(one)) for one in mail.attachments)
    assert b"metadata is not sent" not in sent.content


@given(mail=emails())
@settings(max_examples=200)
def test_what_is_sent_is_ascii_in_lines_that_every_server_takes(mail):
    wire = on_the_wire(composed(mail).content)

    assert wire.isascii()
    assert wire.endswith(b"\r\n.\r\n")
    lines = wire.split(b"\r\n")
    assert not any(b"\r" in line or b"\n" in line for line in lines)
    assert max(map(len, lines)) <= 998
    assert [line for line in lines if line.startswith(b".")] == [
        line for line in lines if line.startswith(b"..")
    ] + [b"."]


@given(st.text("ab é\u4f8b", min_size=1, max_size=995).map(str.strip).filter(bool))
def test_a_subject_of_any_length_arrives_in_short_lines(subject):
    subject = " ".join(subject.split())

    content = composed(email(subject=subject)).content

    assert read(content, []).subject == subject
    assert max(len(line) for line in content.split(b"\r\n")) <= 998


@pytest.mark.parametrize(
    "mail",
    [
        email(subject="x" * 995),
        email(headers=(("X-Long", "x" * 989),)),
        email(from_name='"' * 400, to_name="," * 500),
        email(subject=" ".join(["word"] * 200)),
    ],
    ids=["subject", "header", "names", "words"],
)
def test_no_line_is_longer_than_servers_take(mail):
    content = composed(mail).content

    assert max(len(line) for line in content.split(b"\r\n")) <= 998
    assert read(content, []).subject == mail.subject


HTML = {"html": '<p>Grüße <img src="cid:logo"></p>'}
LOGO = Attachment("logo.png", "image/png", "iVBORw0KGgo=", 8, "logo")
INVOICE = Attachment("Rechnung März.pdf", "application/pdf", "JVBERi0=", 5)


@pytest.mark.parametrize(
    ("given", "structure"),
    [
        ({}, "plain"),
        ({"body": ""} | HTML, "html"),
        (HTML, "alternative(plain, html)"),
        (HTML | {"attachments": (LOGO,)}, "alternative(plain, related(html, png))"),
        (
            HTML | {"attachments": (INVOICE, LOGO)},
            "mixed(alternative(plain, related(html, png)), pdf)",
        ),
        (
            {"body": ""} | HTML | {"attachments": (LOGO, INVOICE)},
            "mixed(related(html, png), pdf)",
        ),
        ({"attachments": (INVOICE, LOGO)}, "mixed(plain, pdf, png)"),
    ],
)
def test_parts_are_nested_as_readers_expect(given, structure):
    def shape(part):
        inner = part.get_payload() if part.is_multipart() else []
        return part.get_content_subtype() + (f"({', '.join(map(shape, inner))})" if inner else "")

    assert shape(message_from_bytes(composed(email(**given)).content)) == structure


def test_a_file_that_is_a_message_is_sent_as_bytes():
    file = Attachment("mail.eml", "message/rfc822", b64encode(b"A: b\r\n\r\nc").decode(), 10)

    (got,) = read(composed(email(attachments=(file,))).content, []).files

    assert (got.name, got.content_type) == ("mail.eml", "application/octet-stream")
    assert got.data == b"A: b\r\n\r\nc"


def test_the_header_has_a_date_and_ids_of_ours():
    header = message_from_bytes(composed(email(from_email="a@bücher.example.com"), "m<1>").content)

    assert header["Date"] == "Tue, 24 Nov 2026 15:00:00 +0000"
    assert header["Message-ID"] == "<m-1-@xn--bcher-kva.example.com>"
    assert header["X-Gomail-Id"] == "m<1>"


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"body": "x" * 70_000}, "body: the server takes at most 65536 bytes"),
        ({"headers": (("Bcc", "x@example.org"),)}, "headers: "),
        ({"body": "x" * 30_000}, None),
    ],
)
def test_what_a_server_could_never_carry_is_told_by_field(changes, fault):
    unable = why_unable(SmtpSettings(host="mail.example", max_message_bytes=65_536))

    told = unable(email(**changes))

    assert told == fault if fault is None else told.startswith(fault)


def test_an_email_with_everything_is_in_the_sandbox_s_mailbox():
    mail = email(
        subject="Ihre Bestellung " + "äöü " * 100 + "!",
        body="Grüße\n.\n",
        **HTML,
        cc=(Mailbox("c@bücher.example.com", "Müller, Jörg"),),
        bcc=(Mailbox("hidden@example.org"),),
        reply_to=(Mailbox("help@example.com", "Help"),),
        headers=(("X-Order", "7"),),
        attachments=(LOGO, INVOICE),
        list_unsubscribe=ListUnsubscribe("https://example.com/u", "mailto:u@example.com"),
    )

    with process() as (lines, _):

        async def scene():
            async with built(int(lines[1].rpartition(":")[2]), **LOGIN) as relay:
                return await relay.send(Message(ID, mail), timeout=LONG)

        outcome = uvloop.run(scene())
        (kept,) = httpx2.get(f"{lines[0].split()[-1]}/mailbox").json()["emails"]

    assert (kept["id"], kept["provider_id"]) == (ID, outcome.provider_id)
    assert kept["subject"] == mail.subject
    assert (kept["text"], kept["html"]) == ("Grüße\n.", mail.html)
    assert kept["cc"] == ["Müller, Jörg <c@xn--bcher-kva.example.com>"]
    assert (kept["bcc"], kept["reply_to"]) == (["hidden@example.org"], ["Help <help@example.com>"])
    assert [header["name"] for header in kept["headers"]] == [
        "X-Order",
        "List-Unsubscribe",
        "List-Unsubscribe-Post",
    ]
    assert [file["filename"] for file in kept["attachments"]] == ["logo.png", "Rechnung März.pdf"]
