"""Names and addresses as they may stand in a header. Pure.

Validation at the door already refuses what could end a header line; this does not rely on it,
because here a mistake would let a sender add headers or recipients. `email.message` and
`email.header` do the same work in 20 to 100 times the time.
"""

import re
from base64 import b64encode

from gomail.email import ascii_address

# Unquoted, a display name is words of these with one space between (RFC 5322 atoms).
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?: [A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*\Z")
_SPECIALS = re.compile(r'(["\\])')
_LINE_ENDING = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
# No quoted local parts and no domain literals: the API takes neither.
_ADDRESS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+@[A-Za-z0-9.-]+\Z")

# RFC 2047: an encoded word is at most 75 characters; this leaves 60 for base64, so 45 bytes.
_WORD_BYTES = 45
_CONTINUATION = 0x80


def one_line(text: str) -> str:
    """The text with whatever could end a line as a space."""
    # What could end a line is not printable; most texts are, and need no search.
    return text if text.isprintable() else _LINE_ENDING.sub(" ", text)


def header_value(text: str) -> str:
    """The text as an unstructured header's value in ASCII: where it must be, as encoded words."""
    text = one_line(text)
    # "=?" would be read as the beginning of an encoded word.
    return text if text.isascii() and "=?" not in text else _encoded_words(text)


def address(given: str) -> str:
    """The address in ASCII (Punycode domain).

    Raises:
        ValueError: a character that has no place in an address.
    """
    ascii_form = ascii_address(given)
    if not _ADDRESS.match(ascii_form):
        raise ValueError("not an address that can stand in a header")
    return ascii_form


def mailbox(name: str, given: str, *, limit: int) -> str:
    """`name <address>` in ASCII, of at most `limit` characters: a longer name is cut."""
    plain = address(given)
    if not name:
        return plain
    room = limit - len(plain) - len(" <>")
    name = one_line(name)
    phrase = _phrase(name)
    while len(phrase) > room:
        name = name[: min(len(name) - 1, len(name) * room // len(phrase))].rstrip()
        phrase = _phrase(name) if name else ""
    return f"{phrase} <{plain}>" if phrase else plain


def quoted(text: str) -> str:
    """The text as an RFC 5322 quoted string."""
    return '"' + _SPECIALS.sub(r"\\\1", text) + '"'


def _phrase(name: str) -> str:
    # "=?" would be read as the beginning of an encoded word, by many readers even in quotes.
    if not name.isascii() or "=?" in name:
        return _encoded_words(name)
    return name if _ATOMS.match(name) else quoted(name)


def _encoded_words(text: str) -> str:
    data = text.encode()
    words = []
    start = 0
    while start < len(data):
        end = min(start + _WORD_BYTES, len(data))
        while end < len(data) and data[end] & 0xC0 == _CONTINUATION:
            end -= 1  # a character must not be split between two words
        words.append(f"=?utf-8?b?{b64encode(data[start:end]).decode()}?=")
        start = end
    return " ".join(words)
