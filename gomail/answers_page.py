"""Shows people how providers' answers are judged: docs/answers.md from the tables themselves."""

from collections.abc import Container, Iterable, Iterator
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

from gomail import providers
from gomail.outcome import OutcomeClass
from gomail.provider_settings import PROVIDER_KINDS
from gomail.providers.answers import BY_STATUS, Row

FILE = "docs/answers.md"

_MEANINGS = {
    OutcomeClass.ACCEPTED: "The provider took the email. No row says so: each provider's own form.",
    OutcomeClass.REFUSED: "The message is at fault, everywhere.",
    OutcomeClass.UNSUITABLE: "Only this provider cannot carry it; another may.",
    OutcomeClass.THROTTLED: "Too fast; the provider rests as long as it asks, else a little longer "
    "each time.",
    OutcomeClass.QUOTA: "The allowance of a day or a plan is used up.",
    OutcomeClass.FAILED: "Certainly not sent; the provider, the account or the way is at fault.",
    OutcomeClass.UNKNOWN: "It may have been sent.",
}

_HEAD = """# What a provider's answer means

Written by `gomail answers-page` from `gomail/providers/`; change it there.

Of a provider's table the first row that fits decides, and where none does, the table by status at
the end. Codes are regular expressions that match the whole code; texts are such that are sought in
what the provider wrote, in any case; a field is how the name begins of the part of the request that
the answer is about (of SMTP: the step of the session, and the status is the reply code).

| class | meaning |
|---|---|
{classes}

An *account fault* is a failure that every message would meet: two of them on different messages,
with nothing accepted between, and the provider is unhealthy at once. What to mend then stands in
the log and in `GET /stats`.
"""

_TABLE = (
    "| status | code | text | class | account fault | what to mend | source |\n"
    "|---|---|---|---|---|---|---|"
)
_STATUSES = 1000


def tables() -> dict[str, ModuleType]:
    """By kind of provider the module whose `ROWS` judge its answers."""
    named = ((kind, _table(kind)) for kind in sorted(PROVIDER_KINDS))
    return {kind: module for kind, module in named if module is not None}


def _table(kind: str) -> ModuleType | None:
    # A large table is a module of its own. It is looked for first, because a provider's own module
    # may need what is not installed.
    for name in (f"{providers.__name__}.{kind}_answers", f"{providers.__name__}.{kind}"):
        if find_spec(name) and hasattr(module := import_module(name), "ROWS"):
            return module
    return None


def page() -> str:
    """The text of docs/answers.md."""
    classes = "\n".join(f"| {one} | {meaning} |" for one, meaning in _MEANINGS.items())
    sections = [
        _section(f"`{kind}`", (module.__doc__ or "").partition("\n")[0], module.ROWS)
        for kind, module in tables().items()
    ]
    by_status = "For every provider that speaks HTTP, where no row of its own fits."
    return "\n".join(
        [_HEAD.format(classes=classes), *sections, _section("By status", by_status, BY_STATUS)]
    )


def _section(title: str, text: str, rows: Iterable[Row]) -> str:
    return "\n".join([f"## {title}\n", f"{text}\n", _TABLE, *_lines(rows), ""])


def _lines(rows: Iterable[Row]) -> Iterator[str]:
    for row in rows:
        cells = (
            _statuses(row.statuses),
            _code(row.code),
            _text(row),
            row.kind,
            "yes" if row.account_fault else "",
            row.mend,
            row.source,
        )
        yield "|" + "|".join(f" {_cell(cell)} " if cell else " " for cell in cells) + "|"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")  # in code, too: a table's cells end at every other one


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


def _text(row: Row) -> str:
    field = f"field `{row.field}…`" if row.field else ""
    return ", ".join(part for part in (_code(row.text), field) if part)


def _statuses(statuses: Container[int]) -> str:
    """The numbers in words: "any", "401, 403", "300 to 399"."""
    numbers = [n for n in range(_STATUSES) if n in statuses]
    if len(numbers) == _STATUSES:
        return "any"
    if len(numbers) > 2 and numbers[-1] - numbers[0] == len(numbers) - 1:  # noqa: PLR2004 - "a, b"
        return f"{numbers[0]} to {numbers[-1]}"
    return ", ".join(map(str, numbers))
