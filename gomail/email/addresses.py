"""What an address is, and how it goes out. Pure.

An address that passes the fast pattern is one the full validator would accept unchanged (a property
test holds that); only others pay for the validator (25 µs against 1, up to 600 for a long domain in
another script), and once for all that is asked of one address.

Before the @ an address may have letters of any script (RFC 6531), which only few servers take: who
can carry it is a matter of eligibility.
"""

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

from email_validator import EmailNotValidError, validate_email
from email_validator.types import ValidatedEmail

from gomail.email.model import Email

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"(?!.{2}--)[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_PLAIN_ADDRESS = re.compile(
    rf"(?=.{{1,254}}\Z)(?=[^@]{{1,64}}@){_ATOM}(?:\.{_ATOM})*@(?:{_LABEL}\.)+(?!(?:test|local|invalid|"
    r"localhost|onion|arpa|alt|internal)\Z)[a-z]{2,63}\Z"
)

_LONGEST = 254  # bytes of UTF-8: the validator's own limit, which it knows only at its end
_KEPT = 1_024  # addresses of which it is kept what the validator said; an email has up to 101
_LOCAL_BYTES = 64  # RFC 5321 counts octets, RFC 6531 those of UTF-8; the validator characters

LABELS = {"to": "To", "cc": "Cc", "bcc": "Bcc", "replyTo": "Reply-to"}
"""What sentences call the addresses of each list of people."""


def is_address(value: str) -> bool:
    """Whether mail can be sent to it: no quotes, no literal domain, no invisible characters."""
    if _PLAIN_ADDRESS.match(value):
        return True
    try:
        local = _validated(value).local_part
    except ValueError:
        return False
    return local.isascii() or len(local.encode()) <= _LOCAL_BYTES


def address_fault(label: str, value: str, ascii_only: str) -> str | None:
    """What is wrong with an address, as a sentence.

    Args:
        label: what the sentence calls it.
        value: the address, empty where there is none.
        ascii_only: why it has to be ASCII before the @, as the sentence's end; empty where it
            need not.
    """
    if _PLAIN_ADDRESS.match(value):
        return None
    if not value:
        return f"{label} is required"
    if not is_address(value):
        return f"{label} is not a valid email"
    if ascii_only and not is_ascii_local(one_form(value)):
        return f"{label} is not a valid email{ascii_only}"
    return None


def one_form(address: str) -> str:
    """The address in the one of its Unicode forms under which mailboxes are kept (NFC)."""
    return address if address.isascii() else unicodedata.normalize("NFC", address)


def is_ascii_local(address: str) -> bool:
    """Whether it is ASCII before the @."""
    return address.isascii() or address.rpartition("@")[0].isascii()


def ascii_address(address: str) -> str:
    """The address as most providers take it: an internationalised domain in Punycode.

    Raises:
        ValueError: it is not ASCII before the @, so that it has no such form.
    """
    if address.isascii():
        return address
    ascii_form = _validated(address).ascii_email
    if ascii_form is None:
        raise ValueError("not ASCII before the @")
    return ascii_form


def ascii_domain(address: str) -> str:
    """What is after the @ of a valid address, in Punycode and lower case."""
    if not address.isascii():
        return _validated(address).ascii_domain.lower()
    return address.rpartition("@")[2].lower()


def sameness(address: str) -> str:
    """What two addresses have in common that are one mailbox, however they are written."""
    if address.isascii():
        return address.lower()
    return f"{address.rpartition('@')[0]}@{ascii_domain(address)}".lower()


def addressed(email: Email) -> Iterator[tuple[str, str, str]]:
    """Each address of an email with its field and what sentences call it."""
    yield "fromEmail", "From email", email.from_email
    if not email.also_to:
        yield "toEmail", "To email", email.to_email
    lists = {
        "to": email.to if email.also_to else (),
        "cc": email.cc,
        "bcc": email.bcc,
        "replyTo": email.reply_to,
    }
    for name, people in lists.items():
        for place, one in enumerate(people):
            yield f"{name}.{place}.email", f"{LABELS[name]} email", one.email


def _validated(value: str) -> ValidatedEmail:
    """What the validator makes of it.

    Raises:
        ValueError: it is no address; the text is the validator's reason.
    """
    if len(value) > _LONGEST or len(value.encode(errors="replace")) > _LONGEST:
        raise ValueError("The email address is too long.")
    found, why_not = _found(value)
    if found is None:
        raise ValueError(why_not)
    return found


@lru_cache(maxsize=_KEPT)
def _found(value: str) -> tuple[ValidatedEmail | None, str]:
    try:
        found = validate_email(value, check_deliverability=False, allow_smtputf8=True, strict=True)
    except EmailNotValidError as error:
        return None, str(error)
    return found, ""
