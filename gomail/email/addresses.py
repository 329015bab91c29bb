"""What an address is, and how it goes out. Pure.

An address that passes the fast pattern is one the full validator would accept unchanged (a property
test holds that); only others pay for the validator (25 µs against 1).
"""

import re
from typing import cast

from email_validator import EmailNotValidError, validate_email
from email_validator.types import ValidatedEmail

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"(?!.{2}--)[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_PLAIN_ADDRESS = re.compile(
    rf"(?=.{{1,254}}\Z)(?=[^@]{{1,64}}@){_ATOM}(?:\.{_ATOM})*@(?:{_LABEL}\.)+(?!(?:test|local|invalid|"
    r"localhost|onion|arpa|alt|internal)\Z)[a-z]{2,63}\Z"
)


def ascii_address(address: str) -> str:
    """The address as providers take it: an internationalised domain in Punycode."""
    if address.isascii():
        return address
    return cast("str", _validated(address).ascii_email)


def is_address(value: str) -> bool:
    """Whether mail can be sent to it: ASCII before the @, no quotes, no literal domain."""
    if _PLAIN_ADDRESS.match(value):
        return True
    try:
        _validated(value)
    except EmailNotValidError:
        return False
    return True


def _validated(value: str) -> ValidatedEmail:
    return validate_email(value, check_deliverability=False, allow_smtputf8=False, strict=True)
