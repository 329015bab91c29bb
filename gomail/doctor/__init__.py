"""`gomail doctor`: asks every configured queue, provider and store whether mail could flow now.

It changes nothing and sends nothing. `queues` judges what queues say of themselves, `stores` asks
the ledger and the payload bucket, `keys` reads the file of API keys, `examination` asks all at once
and bounds the time, `page` shows what was found, `command` is the program.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gomail.errors import ConfigurationError
from gomail.providers import Finding, Level


@dataclass(frozen=True, slots=True)
class Section:
    """What was found of one queue, provider, store or file."""

    title: str
    findings: tuple[Finding, ...]


def well(text: str) -> Finding:
    """As it should be."""
    return Finding(Level.OK, text)


def note(text: str, mend: str = "") -> Finding:
    """Works, and deserves a look."""
    return Finding(Level.NOTE, text, mend)


def bad(text: str, mend: str = "") -> Finding:
    """To be mended before mail can go this way."""
    return Finding(Level.BAD, text, mend)


def misconfigured(error: ConfigurationError) -> list[Finding]:
    """A finding for each line of the error; after a semicolon stands what to do."""
    lines = (line.partition("; ") for line in str(error).splitlines())
    return [bad(text, mend) for text, _, mend in lines]


def count(sections: Sequence[Section], level: Level) -> int:
    """How many findings of a level there are."""
    return sum(finding.level is level for finding in _all(sections))


def _all(sections: Sequence[Section]) -> Iterator[Finding]:
    return (finding for section in sections for finding in section.findings)
