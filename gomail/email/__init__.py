"""What an email is, what makes one valid, and how it is written on the queue. Pure."""

from gomail.email.addresses import addressed, ascii_address, ascii_domain, is_ascii_local, one_form
from gomail.email.model import (
    MOST_ATTACHMENTS,
    MOST_RECIPIENTS,
    Attachment,
    Claim,
    Email,
    ListUnsubscribe,
    Mailbox,
    Message,
)
from gomail.email.reading import Faults, read
from gomail.email.shapes import NotAnEmail
from gomail.email.texts import HEADER_LIMIT, has_forbidden_characters
from gomail.email.wire import VERSION, Unreadable, decode, encode, is_id, pack, unpack, wire_fields

__all__ = [
    "HEADER_LIMIT",
    "MOST_ATTACHMENTS",
    "MOST_RECIPIENTS",
    "VERSION",
    "Attachment",
    "Claim",
    "Email",
    "Faults",
    "ListUnsubscribe",
    "Mailbox",
    "Message",
    "NotAnEmail",
    "Unreadable",
    "addressed",
    "ascii_address",
    "ascii_domain",
    "decode",
    "encode",
    "has_forbidden_characters",
    "is_ascii_local",
    "is_id",
    "one_form",
    "pack",
    "read",
    "unpack",
    "wire_fields",
]
