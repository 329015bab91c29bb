"""How dead letters are shown: lines of 80 columns for people, JSON for machines. Pure.

Addresses are in neither list: reasons and details of providers may quote one, so a detail is shown
only with the letter itself.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from textwrap import wrap
from typing import Any

from gomail.dead_letters import DeadLetter, Group, email_of
from gomail.dead_letters_box import LONGEST_HOLD, Look, Redrive
from gomail.ledger import EmailRecord
from gomail.outcome import clip

WIDTH = 80
_CODE_WIDTH = 34
"""A code has to be typed back to `--code` to the letter, so it is cut later than a reason is."""
_SPANS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))
LATER = f"in some minutes, {LONGEST_HOLD // 60} at most"
"""When others have given back what they hold, however they ended."""
_NAMED = 10
"""Ids that are named one by one; more are counted."""
_ADDRESS = re.compile(r"[^\s<>@]+@[^\s<>@]+")


# -- for machines -----------------------------------------------------------------------------


def item(letter: DeadLetter) -> dict[str, Any]:
    """One dead letter in a list; what is not told is null."""
    return {
        "id": letter.id,
        "reason": _anonymous(letter.reason),
        "code": letter.code or None,
        "provider": letter.provider or None,
        "attempts": letter.attempts or None,
        "buriedAt": moment(letter.buried_at),
    }


def whole(letter: DeadLetter) -> dict[str, Any]:
    """One dead letter with its addresses; without its texts, which may be secret."""
    email = email_of(letter)
    return {
        **item(letter),
        "reason": letter.reason,
        "detail": letter.detail or None,
        "queue": letter.source or None,
        "queueMessageId": letter.copy,
        "bytes": len(letter.body.encode(errors="replace")),
        "from": email.from_email if email else None,
        "to": email.to_email if email else None,
        "subject": email.subject if email else None,
    }


def group(one: Group) -> dict[str, Any]:
    """One group of dead letters."""
    return {
        "reason": _anonymous(one.reason),
        "code": one.code or None,
        "count": one.count,
        "oldest": moment(one.oldest),
    }


def moment(seconds: float) -> str:
    """`2026-01-31T12:00:00Z`."""
    return f"{datetime.fromtimestamp(math.floor(seconds), UTC):%Y-%m-%dT%H:%M:%SZ}"


# -- for people -------------------------------------------------------------------------------


def letters(found: Sequence[DeadLetter], now: float) -> list[str]:
    """A line for each."""
    if not found:
        return []
    wide = _code_width(letter.code for letter in found)
    head = f"{'AGE':<7} {'CODE':<{wide}} {'ID':<36} REASON"
    return [_cut(line, WIDTH) for line in (head, *(_line(one, now, wide) for one in found))]


def groups(found: Sequence[Group], now: float) -> list[str]:
    """A line for each group."""
    wide = _code_width(one.code for one in found)
    lines = [
        f"{one.count:>7,} {span(now - one.oldest):<7} {_cut(one.code or '-', wide):<{wide}} "
        f"{_anonymous(one.reason)}"
        for one in found
    ]
    head = f"{'COUNT':>7} {'OLDEST':<7} {'CODE':<{wide}} REASON"
    return [_cut(line, WIDTH) for line in (head, *lines)] if lines else []


def end(look: Look) -> str:
    """How far was looked."""
    meant = _count(len(look.letters), "dead letter")
    if look.complete:
        rest = "" if look.looked == len(look.letters) else f" of {look.looked:,}"
        return f"{meant}{rest}."
    return f"{meant} among the first {look.looked:,}; there may be more (--limit)."


def letter_(letter: DeadLetter, record: EmailRecord | None) -> list[str]:
    """All that is known of one, addresses too; its history if the ledger has one."""
    shown = whole(letter)
    names = {
        "id": "id", "reason": "reason", "code": "code", "detail": "detail", "provider": "provider",
        "attempts": "receives", "buriedAt": "dead since", "queue": "came from", "bytes": "bytes",
        "from": "from", "to": "to", "subject": "subject",
    }  # fmt: skip
    lines = [
        line
        for key, name in names.items()
        if shown[key] is not None
        for line in _field(name, str(shown[key]))
    ]
    if record is None:
        return lines
    return [*lines, *_field("ledger", record.status), *_history(record)]


def redrive(done: Redrive, *, dry: bool, one: bool = False) -> list[str]:
    """What a redrive has done; `one` if one letter was meant, and no more are to be done."""
    count = _count(len(done.redriven), "dead letter")
    lines = [f"{count} would be redriven." if dry else f"{count} redriven."]
    if done.copies:
        fate = "would be deleted" if dry else "deleted"
        lines.append(f"{_count(done.copies, 'second copy', 'second copies')} of them {fate}.")
    for reason, number in Counter(reason for _, reason in done.kept).most_common():
        lines += _wrapped(f"{number:,} kept: {reason}.")
        if number <= _NAMED:
            lines += [f"  {_cut(id_, 76)}" for id_, why in done.kept if why == reason]
    if done.undeleted:
        lines += _wrapped(
            f"{len(done.undeleted):,} of those redriven could not be deleted and show again; the "
            "ledger knows them once they are sent."
        )
    if done.stopped:
        lines += _wrapped(f"Ended early: {done.stopped}; the log says why. Run it again.")
    elif not (done.complete or one):
        lines.append("There may be more.")
    return lines


def unseen(look: Look, held: int) -> list[str]:
    """What a look has not seen, and how to go on; nothing if it has seen all."""
    lines = []
    if not look.complete:
        lines.append(f"There may be more than the {look.looked:,} looked at; run it again.")
    if held:
        lines += _wrapped(
            f"About {held:,} were held by somebody else and not looked at; run it again {LATER}."
        )
    return lines


def missing(letter_id: str) -> str:
    """What is said of one that was not found."""
    return (
        f"{letter_id} is not on the dead-letter queue, or another look holds it just now; try "
        f"again {LATER}"
    )


def span(seconds: float) -> str:
    """An age in its largest unit: `3 d`."""
    for length, unit in _SPANS:
        if seconds >= length:
            return f"{int(seconds // length)} {unit}"
    return "0 s"


def _line(letter: DeadLetter, now: float, wide: int) -> str:
    age, code = span(now - letter.buried_at), _cut(letter.code or "-", wide)
    return f"{age:<7} {code:<{wide}} {letter.id:<36} {_anonymous(letter.reason)}"


def _code_width(codes: Iterable[str]) -> int:
    return min(_CODE_WIDTH, max(map(len, ("CODE", *codes))))


def _history(record: EmailRecord) -> list[str]:
    return [
        _cut(
            f"  {one.number:>3} {moment(one.started / 1_000)} {one.provider or '-':<12} "
            f"{one.kind or one.code or 'no outcome'} {one.code if one.kind else ''}".rstrip(),
            WIDTH,
        )
        for one in record.attempts
    ]


def _field(name: str, text: str) -> list[str]:
    parts = wrap(clip(_printable(text)), WIDTH - 12) or [""]
    return [f"{label:<11} {part}" for label, part in zip([name] + [""] * len(parts), parts)]  # noqa: B905 - one label a line, as long as there are lines


def _wrapped(text: str) -> list[str]:
    return wrap(text, WIDTH, subsequent_indent="  ")


def _anonymous(text: str) -> str:
    return _ADDRESS.sub("(address)", _printable(text))


def _printable(text: str) -> str:
    """What others wrote must not move a terminal's cursor."""
    return "".join(char if char.isprintable() else "?" for char in text)


def _cut(text: str, width: int) -> str:
    text = _printable(text)
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"
