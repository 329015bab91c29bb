"""Any email, translated and read as the sandbox reads what a provider is sent, has every field."""

from base64 import b64decode, b64encode
from dataclasses import replace
from mimetypes import guess_type

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gomail.email import Attachment, Email, ListUnsubscribe, Mailbox, Message
from gomail.providers import brevo, mailgun, postmark, resend, sendgrid, ses, ses_limits
from sandbox.brevo import Brevo
from sandbox.mailbox import File
from sandbox.mailgun import Mailgun
from sandbox.parties import Party
from sandbox.postmark import Postmark
from sandbox.resend import Resend
from sandbox.sendgrid import SendGrid
from sandbox.ses import Ses
from tests.providers.case import ID

WAYS = {
    "ses": (ses.translator(), Ses("bad"), ses_limits.why_unable),
    "sendgrid": (sendgrid.translate, SendGrid("bad"), sendgrid.why_unable),
    "postmark": (postmark.translator("outbound"), Postmark("bad"), postmark.why_unable),
    "resend": (resend.translate, Resend("bad"), resend.why_unable),
    "mailgun": (mailgun.translate, Mailgun("bad"), mailgun.why_unable),
    "brevo": (brevo.translate, Brevo("bad"), brevo.why_unable),
}


def typed(filename):
    return guess_type(filename)[0] or "application/octet-stream"


# What a provider makes of a file, where that is not all as it was given.
AS_SHOWN = {
    # An inline file is shown under its file name.
    "mailgun": lambda file: replace(file, name=file.content_id) if file.inline else file,
    # The type of a file follows from its ending.
    "brevo": lambda file: replace(file, content_type=typed(file.name)),
}

# What a header promises to keep of a text: its words, with one space between them.
lines = (
    st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp", "Cn")))
    | st.text('",;:<>@()[]\\=? .aé😀')
).map(lambda text: " ".join(text.split())[:60].strip())
texts = st.text(st.characters(exclude_categories=("Cs",)), min_size=1)
tokens = st.text("abcXYZ019_-", min_size=1, max_size=12)
names = lines.map(lambda name: name[:20].strip())
addresses = st.builds(
    "{}@{}".format, tokens, st.sampled_from(["example.org", "bücher.example.com"])
)


def mailboxes(most):
    one = st.builds(Mailbox, addresses, names)
    return st.lists(one, max_size=most, unique_by=lambda mailbox: mailbox.email.lower())


@st.composite
def attachments(draw):
    data = draw(st.binary(max_size=40))
    return Attachment(
        filename=draw(lines.filter(bool)),
        content_type=draw(st.sampled_from(["image/png", "application/pdf", "text/plain"])),
        content=b64encode(data).decode(),
        size=len(data),
        content_id=draw(st.just("") | tokens),
    )


@st.composite
def emails(draw):
    everybody = draw(mailboxes(8).filter(bool))
    cuts = sorted(draw(st.tuples(*[st.integers(1, len(everybody))] * 2)))
    first, *also_to = everybody[: cuts[0]]
    body = draw(st.just("") | texts)
    headers = st.dictionaries(tokens.map("X-A{}".format), lines.filter(bool), max_size=14)
    return Email(
        from_email=draw(addresses),
        from_name=draw(names),
        to_email=first.email,
        to_name=first.name,
        subject=draw(lines.filter(bool)),
        body=body,
        html=draw(texts if not body else st.just("") | texts),
        also_to=tuple(also_to),
        cc=tuple(everybody[cuts[0] : cuts[1]]),
        bcc=tuple(everybody[cuts[1] :]),
        reply_to=tuple(draw(mailboxes(3))),
        headers=tuple(draw(headers).items()),
        attachments=tuple(draw(st.lists(attachments(), max_size=3))),
        tags=tuple(draw(st.lists(tokens, max_size=10, unique=True))),
        metadata=(("order", "metadata is not sent"),),
        list_unsubscribe=draw(
            st.none()
            | st.builds(
                ListUnsubscribe,
                tokens.map("https://example.com/{}".format),
                st.just("") | tokens.map("mailto:{}@example.com".format),
            )
        ),
    )


def parties(mailboxes):
    puny = ("bücher.example.com", "xn--bcher-kva.example.com")
    return tuple(Party(mailbox.email.replace(*puny), mailbox.name) for mailbox in mailboxes)


def unsubscribing(mail):
    if mail.list_unsubscribe is None:
        return ()
    uris = [uri for uri in (mail.list_unsubscribe.url, mail.list_unsubscribe.mailto) if uri]
    return (
        ("List-Unsubscribe", ", ".join(f"<{uri}>" for uri in uris)),
        ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
    )


def decoded(attachment):
    return File(
        attachment.filename,
        attachment.content_type,
        attachment.content_id or None,
        bool(attachment.content_id),
        b64decode(attachment.content),
    )


@pytest.mark.parametrize("provider", WAYS)
@given(mail=emails())
def test_an_email_arrives_with_every_field_or_the_provider_says_why_it_cannot(provider, mail):
    translate, dialect, why_unable = WAYS[provider]
    if why_unable(mail):
        return

    sent = translate(Message(ID, mail))
    read = dialect.read(sent)

    assert (read.id, read.subject) == (ID, mail.subject)
    assert (read.text, read.html) == (mail.body or None, mail.html or None)
    assert (read.sender,) == parties([Mailbox(mail.from_email, mail.from_name)])
    assert (read.to, read.cc, read.bcc) == (
        parties(mail.to),
        parties(mail.cc),
        parties(mail.bcc),
    )
    assert read.reply_to == parties(mail.reply_to)
    ours = ("X-Gomail-Id", ID)
    assert tuple(h for h in read.headers if h != ours) == mail.headers + unsubscribing(mail)
    assert read.tags == mail.tags
    as_shown = AS_SHOWN.get(provider, lambda file: file)
    assert read.files == tuple(as_shown(decoded(one)) for one in mail.attachments)
    assert b"metadata is not sent" not in sent
