"""What the doctor found, for people (80 columns) and for machines (JSON). Pure."""

import json
import textwrap
from collections.abc import Iterator, Sequence

from gomail.doctor import Section, count
from gomail.providers import Finding, Level
from gomail.providers.answers import printable

WIDTH = 80

_MARKS = {Level.OK: "ok", Level.NOTE: "note", Level.BAD: "MEND"}
_INDENT = "        "  # as wide as "  MEND  "


def text(sections: Sequence[Section]) -> str:
    """A section a queue, provider, store or file, and how many things there are to mend."""
    return "\n".join([*(_shown(section) for section in sections), summary(sections)])


def machine(sections: Sequence[Section]) -> str:
    """The same as one JSON object."""
    found = {
        "ok": not count(sections, Level.BAD),
        "mend": count(sections, Level.BAD),
        "notes": count(sections, Level.NOTE),
        "sections": [
            {
                "title": section.title,
                "findings": [
                    {"level": one.level.value, "text": one.text, "mend": one.mend}
                    for one in section.findings
                ],
            }
            for section in sections
        ],
    }
    return json.dumps(found, indent=2)


def summary(sections: Sequence[Section]) -> str:
    """The last line."""
    bad, notes = count(sections, Level.BAD), count(sections, Level.NOTE)
    mend = _several(bad, "thing") + " to mend" if bad else "Nothing to mend"
    return f"{mend}, {_several(notes, 'note')}." if notes else f"{mend}."


def _shown(section: Section) -> str:
    lines = (line for finding in section.findings for line in _lines(finding))
    return "\n".join([*_wrapped(section.title, "", ""), *lines, ""])


def _lines(finding: Finding) -> Iterator[str]:
    yield from _wrapped(finding.text, f"  {_MARKS[finding.level]:<6}", _INDENT)
    if finding.mend:
        yield from _wrapped(f"-> {finding.mend}", _INDENT, f"{_INDENT}   ")


def _wrapped(given: str, first: str, later: str) -> list[str]:
    # A name or a URL stays whole unless it is longer than a line.
    return textwrap.wrap(
        printable(given),
        WIDTH,
        initial_indent=first,
        subsequent_indent=later,
        break_on_hyphens=False,
    )


def _several(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
