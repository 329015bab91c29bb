"""Which characters may stand where, and the sentences about it. Pure."""

import re

# The longest header value SES takes; a name or subject beyond it could not be sent by anybody.
HEADER_LIMIT = 995

# C0, DEL, C1, line and paragraph separators and the two non-characters: in a header each can end
# the line or be cut by the next relay. Lone surrogates cannot be encoded at all.
_HEADER_FORBIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ufffe\uffff\ud800-\udfff]")
# Embeddings, overrides and isolates of writing direction: in a name they show another person or
# kind of file than is there. Marks (LRM, RLM, ALM) stay, names in two scripts need them; so do
# isolates in a subject, into which libraries of messages put them by themselves.
_DIRECTIONS = re.compile("[\u202a-\u202e\u2066-\u2069]")
# What SQS refuses in a message (its SendMessage reference): everything below space but TAB, LF and
# CR, surrogates and the two non-characters.
_BODY_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")


_ALLOWED_ASCII = bytes([*b"\t\n\r", *range(0x20, 0x80)])


def has_forbidden_characters(body: str) -> bool:
    """Whether the body holds a character that SQS would refuse."""
    if body.isascii():  # in a third of the time
        return bool(body.encode().translate(None, _ALLOWED_ASCII))
    return _BODY_FORBIDDEN.search(body) is not None


def fault_in_line(label: str, value: str, limit: int = HEADER_LIMIT) -> str | None:
    """What keeps a text from standing in a header, as a sentence; `limit` in bytes of UTF-8."""
    if value.isascii() and value.isprintable() and len(value) <= limit:
        return None  # as most are, in a fifth of the time
    if _HEADER_FORBIDDEN.search(value):
        return f"{label} contains a line break or another control character"
    if len(value.encode()) > limit:
        return f"{label} is longer than {limit} bytes"
    return None


def fault_in_name(label: str, value: str, limit: int = HEADER_LIMIT) -> str | None:
    """The same of a name, of a person or a file, that nobody has accepted yet."""
    if fault := fault_in_line(label, value, limit):
        return fault
    if not value.isascii() and _DIRECTIONS.search(value):
        return f"{label} contains a control character of writing direction"
    return None
