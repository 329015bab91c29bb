"""Addresses and headers as people read them. Pure."""

from __future__ import annotations

from email.errors import MessageError
from email.header import decode_header, make_header
from email.utils import getaddresses
from typing import NamedTuple


class Party(NamedTuple):
    """An address and the name shown for it."""

    email: str
    name: str = ""

    def __str__(self) -> str:
        return f"{self.name} <{self.email}>" if self.name else self.email


def parties(header: str) -> tuple[Party, ...]:
    """All addresses of a header; none of them is empty."""
    return tuple(Party(email, decoded(name)) for name, email in getaddresses([header]) if email)


def decoded(value: str) -> str:
    """The value with its encoded words decoded (RFC 2047); as it is where they are none."""
    try:
        return clean(make_header(decode_header(value)))
    except (MessageError, LookupError, ValueError):
        return clean(value)


def clean(text: object) -> str:
    """Replace what a parser could not decode: no JSON can hold its surrogates."""
    return str(text).encode(errors="replace").decode()
