"""How an address may be written that is to be found however it was written. Pure.

A ledger keeps an address as it was given (in NFC), and compares it without regard to ASCII case
alone. Letters that are not ASCII have cases, too, and a domain of such letters a form in Punycode.
"""

import math
import sys
from collections.abc import Iterator
from functools import cache
from itertools import product

from email_validator import EmailNotValidError, validate_email

from gomail.email import one_form

MOST_CASES = 32
"""Ways to write what is before the @. Where its letters have more of them, the usual ones are left:
as it was given, lower case, upper case, and words with a capital."""


def spellings(address: str) -> tuple[str, ...]:
    """The address as a ledger may hold it, in lower case as far as it is ASCII; each once."""
    given = one_form(address.strip())
    local, _, domain = given.rpartition("@")
    found = (f"{one}@{other}" for one in _cases(local) for other in _domains(given, domain))
    return tuple(dict.fromkeys(_folded(one_form(one)) for one in found))


def _cases(local: str) -> list[str]:
    if local.isascii():
        return [local]
    ways = [_ways(letter) for letter in local]
    if math.prod(map(len, ways)) > MOST_CASES:
        return list(_usual(local))
    return ["".join(way) for way in product(*ways)]


def _ways(letter: str) -> list[str]:
    """Every case of a letter that is not ASCII. `ı` is no case of `I`, nor `ß` of `ss`."""
    return [letter] if letter.isascii() else _letters_of().get(letter.casefold(), [letter])


@cache
def _letters_of() -> dict[str, list[str]]:
    """The letters that are not ASCII by what all their cases have in common."""
    letters: dict[str, list[str]] = {}
    for number in range(128, sys.maxunicode + 1):
        letter = chr(number)
        folded = letter.casefold()
        if folded != letter and one_form(letter) == letter:
            # What they have in common is a letter of its own, unless it is ASCII or several.
            alone = len(folded) == 1 and not folded.isascii() and one_form(folded) == folded
            letters.setdefault(folded, [folded] if alone else []).append(letter)
    return letters


def _domains(address: str, domain: str) -> Iterator[str]:
    yield domain
    try:
        valid = validate_email(address, check_deliverability=False, allow_smtputf8=True)
    except EmailNotValidError:  # no mail goes there, but a ledger may hold it
        yield from _usual(domain)
        return
    yield from _usual(valid.domain)
    yield valid.ascii_domain


def _usual(text: str) -> Iterator[str]:
    words = text.split(".")  # a sigma at the end of each is another letter
    for case in (str, str.lower, str.upper, str.title):
        one = ".".join(map(case, words))
        if len(one) == len(text) and one.casefold() == text.casefold():
            yield one


def _folded(address: str) -> str:
    return "".join(one.lower() if one.isascii() else one for one in address)
