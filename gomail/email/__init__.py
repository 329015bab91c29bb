"""What an email is, what makes one valid, and how it is written on the queue. Pure."""

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
from gomail.email.reading import (
    HEADER_LIMIT,
    VERSION,
    Faults,
    NotAnEmail,
    Unreadable,
    ascii_address,
    decode,
    encode,
    has_forbidden_characters,
    read,
    wire_fields,
)

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
    "ascii_address",
    "decode",
    "encode",
    "has_forbidden_characters",
    "read",
    "wire_fields",
]
