"""Which headers a sender may add of its own. Pure."""

import re

from gomail.email.texts import HEADER_LIMIT, fault_in_line

# Longer names, or a colon, space or control character in one, would be another header or none.
_NAME = re.compile(r"[!-9;-~]{1,76}")
# What the email's other fields, the providers or the way of the mail write.
_RESERVED = re.compile(
    r"(from|to|cc|bcc|subject|sender|reply-to|date|message-id|return-path|mime-version"
    r"|content-.*|dkim-.*|arc-.*|received.*|authentication-results"
    r"|x-sg-.*|x-ses-.*|x-gomail-.*|x-mailgun-.*)",
    re.IGNORECASE,
)
# By which mail gets recipients or another sender, of which the ledger would not know: the fields of
# somebody who sends it on (RFC 5322, 3.6.6), and what SMTP servers of providers take as orders:
# SendGrid's recipients (its page "Building an X-SMTPAPI Header"), SparkPost's options (its "SMTP
# API"), Mandrill's copies, return path, times and templates (its "Use SMTP Headers to Customize
# Your Messages") and Mailjet's copy of what has a fault (its "Using template with SMTP"). Mailgun's
# are above. Those of others set tags, streams or tracking, and may go out.
_ORDERS = re.compile(
    r"resent-.*|x-smtpapi|x-msys-api|x-mc-.*|x-mj-templateerrorreporting", re.IGNORECASE
)
_UNSUBSCRIBE = re.compile(r"list-unsubscribe(-post)?", re.IGNORECASE)


def header_fault(name: str, value: str) -> str | None:
    """What keeps a header from going out, as a sentence."""
    if not _NAME.fullmatch(name):
        return "Header name is not 1 to 76 printable ASCII characters without colon"
    if _UNSUBSCRIBE.fullmatch(name):
        return "Header is reserved; use listUnsubscribe"
    if _RESERVED.fullmatch(name):
        return "Header is reserved"
    if not value.strip():
        return "Header is empty"
    if len(name) + _length_sent(value) > HEADER_LIMIT:
        return f"Header is longer than {HEADER_LIMIT} bytes"
    return fault_in_line("Header", value)


def new_header_fault(name: str, value: str) -> str | None:
    """The same of a header that nobody has accepted yet."""
    if _ORDERS.fullmatch(name):
        return "Header can add recipients or change the sender; use to, cc, bcc and fromEmail"
    return header_fault(name, value)


def _length_sent(value: str) -> int:
    """Characters of a header value as it goes out: in words of 45 bytes where it is not ASCII."""
    return len(value) if value.isascii() else -(-len(value.encode(errors="replace")) // 42) * 76
