"""What only SendGrid asks for, judged by its own package."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sendgrid.helpers.mail import (
    Attachment as PackageAttachment,
)
from sendgrid.helpers.mail import (
    Bcc,
    Category,
    Cc,
    CustomArg,
    From,
    Header,
    Mail,
    ReplyTo,
    To,
)

from gomail.email import Attachment, ListUnsubscribe, Mailbox, Message
from gomail.outcome import OutcomeClass
from gomail.providers import Finding, Level, sendgrid
from tests.providers.case import ID, email, message
from tests.providers.scripted import ScriptedTransport, response
from tests.providers.sendgrid_case import BAD_KEY, KEY, build, errors

text = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")))
plain = st.text("abc äöü😀.'", max_size=20)


@given(from_name=plain, to_name=plain, subject=text.filter(bool), body=text.filter(bool))
def test_the_payload_is_what_the_sendgrid_package_builds(from_name, to_name, subject, body):
    mail = Mail(
        from_email=From("shop@example.com", from_name),
        to_emails=To("reader@example.org", to_name),
        subject=subject,
        plain_text_content=body,
    )
    mail.add_custom_arg(CustomArg("gomail_id", ID))

    ours = sendgrid.payload(
        message(from_name=from_name, to_name=to_name, subject=subject, body=body)
    )

    assert ours == mail.get()


mailboxes = st.lists(
    st.builds(Mailbox, st.integers(1, 10**6).map("r{}@example.org".format), plain),
    max_size=3,
    unique_by=lambda mailbox: mailbox.email,
).map(tuple)
words = st.text("abc_-1", min_size=1, max_size=8)
files = st.builds(
    Attachment,
    words,
    st.just("image/png"),
    st.just("iVBORw0KGgo="),
    st.just(8),
    words | st.just(""),
)


whole_emails = st.builds(
    email,
    html=text.filter(bool),
    also_to=mailboxes,
    cc=mailboxes,
    bcc=mailboxes,
    reply_to=mailboxes,
    headers=st.dictionaries(words.map("X-{}".format), words, max_size=3).map(
        lambda headers: tuple(headers.items())
    ),
    list_unsubscribe=st.just(ListUnsubscribe("https://example.com/u")),
    attachments=st.lists(files, max_size=3).map(tuple),
    tags=st.lists(words, max_size=3, unique=True).map(tuple),
)


@given(mail=whole_emails)
def test_the_payload_of_an_email_with_every_field_is_what_the_package_builds(mail):
    ours = sendgrid.payload(Message(ID, mail))

    theirs = {name: part for name, part in packaged(mail).get().items() if part != []}
    for reversed_by_the_package in ("categories", "attachments"):
        theirs.get(reversed_by_the_package, []).reverse()
    assert ours == theirs


def packaged(mail):
    built = Mail(
        from_email=From(mail.from_email, mail.from_name),
        to_emails=party(To, mail.to),
        subject=mail.subject,
        plain_text_content=mail.body,
        html_content=mail.html,
    )
    for one in party(Cc, mail.cc):
        built.add_cc(one)
    for one in party(Bcc, mail.bcc):
        built.add_bcc(one)
    built.reply_to_list = party(ReplyTo, mail.reply_to)
    for name, value in mail.headers:
        built.add_header(Header(name, value))
    built.add_header(Header("List-Unsubscribe", f"<{mail.list_unsubscribe.url}>"))
    built.add_header(Header("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"))
    for one in mail.attachments:
        built.add_attachment(packaged_file(one))
    for tag in mail.tags:
        built.add_category(Category(tag))
    built.add_custom_arg(CustomArg("gomail_id", ID))
    return built


def party(kind, mailboxes):
    return [kind(mailbox.email, mailbox.name) for mailbox in mailboxes]


def packaged_file(file):
    kind = "inline" if file.content_id else "attachment"
    return PackageAttachment(
        file.content, file.filename, file.content_type, kind, file.content_id or None
    )


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("Doe, Jane", '"Doe, Jane"'),
        ("Doe; Jane", '"Doe; Jane"'),
        ('Jane "JD", Doe', '"Jane \\"JD\\", Doe"'),
        ("Jane Doe", "Jane Doe"),
        ("J. Doe", "J. Doe"),
    ],
)
def test_a_recipients_name_is_quoted_where_sendgrid_would_misread_it(name, written):
    payload = sendgrid.payload(message(to_name=name, from_name=name))

    assert payload["personalizations"][0]["to"][0]["name"] == written
    assert payload["from"]["name"] == name


def test_the_key_is_a_bearer_token_in_the_header_and_nowhere_else():
    transport = ScriptedTransport(response(202))

    asyncio.run(build(transport).send(message(), timeout=10))

    (request,) = transport.requests
    key = request.headers["Authorization"].removeprefix("Bearer ")
    assert key.startswith("SG.")
    assert key.encode() not in request.body
    assert key not in request.url


def test_sandbox_mode_is_said_in_the_outcome():
    outcome = asyncio.run(build(ScriptedTransport(response(200))).send(message(), timeout=10))

    assert outcome.kind is OutcomeClass.ACCEPTED
    assert "not delivered" in outcome.detail


def check(answer) -> Finding:
    (finding,) = asyncio.run(build(ScriptedTransport(answer)).check())
    return finding


def test_the_key_is_asked_for_its_scopes():
    transport = ScriptedTransport(response(200, '{"scopes": ["mail.send", "alerts.read"]}'))

    (finding,) = asyncio.run(build(transport).check())

    (request,) = transport.requests
    assert (request.method, request.url) == ("GET", "https://api.sendgrid.com/v3/scopes")
    assert request.headers["Authorization"] == f"Bearer {KEY}"
    assert finding == Finding(Level.OK, "the API key may send")


@pytest.mark.parametrize(
    ("answer", "level", "words"),
    [
        (response(200, '{"scopes": ["alerts.read"]}'), Level.BAD, "lacks the scope mail.send"),
        (response(200, "{}"), Level.BAD, "is not SendGrid"),
        (response(200, "<html>"), Level.BAD, "is not SendGrid"),
        (errors(401, BAD_KEY), Level.BAD, "answers 401"),
        (errors(401, "Maximum credits exceeded"), Level.BAD, "answers 401"),
        (errors(403, "access forbidden"), Level.BAD, "answers 403"),
        (errors(429, "too many requests"), Level.NOTE, "does not answer just now (429)"),
        (response(503), Level.NOTE, "does not answer just now (503)"),
    ],
)
def test_what_keeps_a_key_from_sending_is_told_with_what_to_mend(answer, level, words):
    finding = check(answer)

    assert finding.level is level
    assert words in finding.text
    assert finding.mend


def test_a_refusal_that_repeats_the_key_is_told_without_it():
    finding = check(lambda request: errors(401, f"bad: {request.headers['Authorization']}"))

    assert finding.level is Level.BAD
    assert KEY not in repr(finding)


def test_sendgrid_tells_no_limits():
    assert asyncio.run(build(ScriptedTransport(response(200))).limits()) is None
