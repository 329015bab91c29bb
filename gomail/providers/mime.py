"""An email as SMTP carries it: one MIME message, 7-bit clean, every line ended by CRLF. Pure.

Bodies and files are `email.message`'s work. Header lines are written by the same functions as for
all other providers and folded here, because folding in `email.policy` decodes what it was given and
loses quotes on the way (a name with a comma and an umlaut becomes two recipients, CPython
gh-121284). Correctness comes before speed: a message costs about a millisecond, which is little
beside the five round trips of its delivery.

Bcc and tags are not in it: readers would see them.
"""

import re
from base64 import b64decode
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from email.header import Header
from email.message import EmailMessage, MIMEPart
from email.policy import SMTP, SMTPUTF8
from email.utils import format_datetime
from typing import Any

from gomail.email import (
    Attachment,
    Email,
    Mailbox,
    Message,
    addressed,
    ascii_domain,
    is_ascii_local,
)
from gomail.providers.headers import own_headers
from gomail.providers.mailbox import address, header_value, mailbox, one_line, quoted
from gomail.providers.sending import whole

# Every relay takes 7 bits; what is not is sent in quoted-printable or base64.
_POLICY = SMTP.clone(cte_type="7bit", refold_source="none")
_POLICY_UTF8 = SMTPUTF8.clone(cte_type="7bit", refold_source="none")

_LINE = 78
_LONGEST_LINE = 998  # RFC 5322, 2.1.1
_NAME_LIMIT = 900  # of a mailbox, so that a name without spaces stays within a line

_ID_CHARACTERS = re.compile(r"[^A-Za-z0-9._-]")
# What would end an address on an SMTP command line or in a header.
_NOT_IN_LOCAL_PART = re.compile(r'[\x00-\x20\x7f-\xa0"(),:;<>@\[\\\]\u2028\u2029]')
# A part of these types has parts of its own; as a file it is opaque.
_COMPOSITE = frozenset({"message", "multipart"})


@dataclass(frozen=True, slots=True)
class Mail:
    """What one transaction delivers."""

    sender: str
    recipients: tuple[tuple[str, str], ...]
    """Each once: the address, and the email's field it comes from."""
    utf8: bool
    """Whether an address needs SMTPUTF8."""
    content: bytes
    """The message, before dots are doubled."""


def compose(message: Message, *, now: datetime) -> Mail:
    """The email as a transaction; addresses that are not ASCII before the @ ask for SMTPUTF8.

    Raises:
        ValueError: something of it can stand in no message, or is still in the payload store.
    """
    email = message.email
    whole(message)
    sender = _address(email.from_email)
    recipients = _recipients(email)
    utf8 = not all(is_ascii_local(one) for _, _, one in addressed(email))
    mime = EmailMessage(policy=_POLICY_UTF8 if utf8 else _POLICY)
    _add_content(mime, email)
    domain = sender.rpartition("@")[2]
    for name, value in _headers(message, domain=domain, now=now):
        mime.set_raw(name, _folded(name, value))
    return Mail(sender, recipients, utf8, mime.as_bytes())


def on_the_wire(content: bytes) -> bytes:
    """The message as it follows DATA: dots doubled, ended by the final one (RFC 5321, 4.5.2)."""
    ending = b"" if content.endswith(b"\r\n") else b"\r\n"
    return re.sub(rb"(?m)^\.", b"..", content) + ending + b".\r\n"


def _recipients(email: Email) -> tuple[tuple[str, str], ...]:
    found: dict[str, tuple[str, str]] = {}
    for field, _, one in addressed(email):
        if field != "fromEmail" and not field.startswith("replyTo."):
            plain = _address(one)
            found.setdefault(plain.lower(), (plain, field))
    return tuple(found.values())


# -- headers ---------------------------------------------------------------------------------------


def _headers(message: Message, *, domain: str, now: datetime) -> Iterable[tuple[str, str]]:
    email = message.email
    yield "Date", format_datetime(now)
    yield "Message-ID", f"<{_ID_CHARACTERS.sub('-', message.id)}@{domain}>"
    yield "From", _mailbox(Mailbox(email.from_email, email.from_name))
    yield "To", _mailboxes(email.to)
    if email.cc:
        yield "Cc", _mailboxes(email.cc)
    if email.reply_to:
        yield "Reply-To", _mailboxes(email.reply_to)
    if email.subject:
        yield "Subject", header_value(email.subject)
    yield "X-Gomail-Id", header_value(message.id)
    yield from own_headers(email)


def _mailboxes(mailboxes: Iterable[Mailbox]) -> str:
    return ", ".join(_mailbox(one) for one in mailboxes)


def _mailbox(one: Mailbox) -> str:
    plain = _address(one.email)
    if plain.isascii():
        return mailbox(one.name, plain, limit=_NAME_LIMIT)
    name = one_line(one.name)
    in_words = header_value(name)
    return f"{quoted(name) if in_words == name else in_words} <{plain}>" if name else plain


def _address(given: str) -> str:
    """The address as it goes out: the domain in Punycode, in front of the @ what was given."""
    if is_ascii_local(given):
        return address(given)
    local = given.rpartition("@")[0]
    if _NOT_IN_LOCAL_PART.search(local):
        raise ValueError("not an address that can stand in a header")
    return f"{local}@{ascii_domain(given)}"


def _folded(name: str, value: str) -> str:
    """The value on lines of at most 78 characters, where it has spaces to break at."""
    words = value.split(" ")
    if max(map(len, words)) > _LONGEST_LINE - len(name) - len(": "):
        return Header(value, "utf-8", header_name=name).encode(linesep="\r\n")
    lines = [words[0]]
    room = _LINE - len(name) - len(": ")
    for word in words[1:]:
        # A line of nothing but spaces would end the header for some readers.
        if word and lines[-1].strip() and len(lines[-1]) + 1 + len(word) > room:
            lines.append(word)
            room = _LINE - 1
        else:
            lines[-1] += f" {word}"
    return "\r\n ".join(lines)


# -- content ---------------------------------------------------------------------------------------


def _add_content(mime: EmailMessage, email: Email) -> None:
    inline = [one for one in email.attachments if _is_shown(one, email)]
    if email.body:
        mime.set_content(email.body, charset="utf-8")
    if email.html:
        page: MIMEPart = mime
        if email.body:
            mime.add_alternative(email.html, subtype="html", charset="utf-8")
            *_, page = mime.iter_parts()
        else:
            mime.set_content(email.html, subtype="html", charset="utf-8")
        for one in inline:
            page.add_related(b64decode(one.content), **_described(one))
    for one in email.attachments:
        if not _is_shown(one, email):
            mime.add_attachment(b64decode(one.content), **_described(one))


def _is_shown(attachment: Attachment, email: Email) -> bool:
    return bool(attachment.content_id and email.html)


def _described(attachment: Attachment) -> dict[str, Any]:
    maintype, _, subtype = attachment.content_type.partition("/")
    if maintype.lower() in _COMPOSITE:
        maintype, subtype = "application", "octet-stream"
    described = {
        "maintype": maintype,
        "subtype": subtype,
        "filename": one_line(attachment.filename),
        "disposition": "inline" if attachment.content_id else "attachment",
    }
    if attachment.content_id:
        described["cid"] = f"<{attachment.content_id}>"
    return described
