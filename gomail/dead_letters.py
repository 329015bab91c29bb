"""Dead letters: what one tells, which are meant, and whether and how one is sent again. Pure.

The dispatcher says in message attributes why it gave a message up. One that SQS itself moved has
none: it was received too often. One whose attributes did not fit, or that somebody else put there,
tells its body only.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import orjson

from gomail.email import Email, Unreadable, decode, is_id
from gomail.ledger import REDRIVEN_AFTER, Status
from gomail.queue import Received
from gomail.settlement import EXPIRED

TOO_OFTEN = "received more often than its queue allows"
TOO_OFTEN_CODE = "max-receives"
UNTOLD = "not told"

FRESH_SECONDS = REDRIVEN_AFTER / 1_000 + 1
"""A message that is put on a queue sooner after its first time counts there as a copy of the dead
letter, not as redriven, and would come back; a second more for two clocks."""

_ATTEMPTS = re.compile(r"[0-9]{1,9}")
"""More digits are nobody's count, and no number that JSON carries everywhere."""
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_AGE = re.compile(r"(\d{1,6})([smhd])")
_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One message on the dead-letter queue."""

    id: str
    """Under which the API promised it; the queue's own where it names none."""
    copy: str
    """The dead-letter queue's own id; two dead letters may have one `id`."""
    handle: str
    body: str
    reason: str
    code: str
    detail: str
    provider: str
    """Who tried it last; empty for nobody."""
    attempts: int
    """How often it had been received; 0 where that is not told."""
    source: str
    """URL or ARN of the queue it came from; empty where that is not told."""
    buried_at: float
    """Seconds since the epoch, by the queue's clock; of one that SQS moved, when it was sent."""
    by_us: bool
    """The dispatcher put it there."""


def read(message: Received) -> DeadLetter:
    """What a message of the dead-letter queue tells; every body is one."""
    told = message.attributes or {}
    by_us = "reason" in told
    moved = bool(message.source_arn) and not by_us
    return DeadLetter(
        id=told.get("gomailId") or _id_of(message.body) or message.queue_message_id,
        copy=message.queue_message_id,
        handle=message.handle,
        body=message.body,
        reason=told.get("reason") or (TOO_OFTEN if moved else UNTOLD),
        code=told.get("code") or (TOO_OFTEN_CODE if moved else ""),
        detail=told.get("detail", ""),
        provider=told.get("provider", ""),
        attempts=int(given) if _ATTEMPTS.fullmatch(given := told.get("attempts", "")) else 0,
        source=told.get("queue") or message.source_arn,
        buried_at=message.sent_at,
        by_us=by_us,
    )


# -- which ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Which:
    """Which dead letters are meant; None for any."""

    id: str | None = None
    reason: str | None = None
    """A part of the reason, in whatever case."""
    code: str | None = None
    provider: str | None = None
    older_than: float | None = None
    """Seconds on the dead-letter queue, at least."""
    newer_than: float | None = None
    """Seconds on the dead-letter queue, less than."""

    def has(self, letter: DeadLetter, now: float) -> bool:
        """Whether this one is among them; `now` in seconds since the epoch."""
        age = now - letter.buried_at
        return (
            (self.id is None or self.id in {letter.id, letter.copy})
            and (self.reason is None or self._is_reason(letter.reason))
            and (self.code is None or self.code == letter.code)
            and (self.provider is None or self.provider == letter.provider)
            and (self.older_than is None or age >= self.older_than)
            and (self.newer_than is None or age < self.newer_than)
        )

    def _is_reason(self, reason: str) -> bool:
        wanted = (self.reason or "").casefold()
        return wanted in reason.casefold() or wanted in kind_of(reason).casefold()


EVERY = Which()


def age_of(text: str) -> float:
    """Seconds of an age such as `90s`, `15m`, `24h` or `7d`.

    Raises:
        ValueError: it is none.
    """
    match = _AGE.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no age; write it like 90s, 15m, 24h or 7d")
    return float(int(match[1]) * _UNITS[match[2]])


# -- groups -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Group:
    """Dead letters with one kind of reason and one code."""

    reason: str
    code: str
    count: int
    oldest: float
    """When its oldest was buried, seconds since the epoch."""


def kind_of(reason: str) -> str:
    """A reason without its numbers: `given up after … h` is one kind, whatever the hours."""
    return _NUMBER.sub("…", reason)


def grouped(letters: Iterable[DeadLetter]) -> list[Group]:
    """The groups, largest first, then by reason and code."""
    counts: Counter[tuple[str, str]] = Counter()
    oldest: dict[tuple[str, str], float] = {}
    for letter in letters:
        key = kind_of(letter.reason), letter.code
        counts[key] += 1
        oldest[key] = min(letter.buried_at, oldest.get(key, letter.buried_at))
    groups = [Group(*key, count, oldest[key]) for key, count in counts.items()]
    return sorted(groups, key=lambda group: (-group.count, group.reason, group.code))


# -- redriving --------------------------------------------------------------------------------


class Kept(StrEnum):
    """Why a dead letter stays on the dead-letter queue; the text is for people."""

    FRESH = "not yet a minute old: it would count as a copy and come back; try again in a minute"
    AGAIN = "came back dead while this ran, or is a young second copy: look at it first"
    SENT = "sent already, by the ledger"
    CANCELED = "called back by its sender"
    EXPIRED = "its sender's own time limit is over: it would come back"
    UNREADABLE = "still unreadable: it would come back"
    LEDGER_SILENT = "the ledger does not answer: it may have been sent"
    PAYLOAD_GONE = "its large parts are gone from the payload store: nobody can send it"
    PAYLOAD_UNKNOWN = "the payload store does not answer"
    NO_STORE = "its large parts are in a payload store, and payloads.bucket names none"
    NOT_TAKEN = "no queue has confirmed it; it may be on one: try again"


PASSING = {
    Kept.NOT_TAKEN: "the queues took nothing",
    Kept.LEDGER_SILENT: "the ledger answered nothing",
    Kept.PAYLOAD_UNKNOWN: "the payload store answered nothing",
}
"""What keeps one letter like any other, until it is over; how it is told of all of them."""


def email_of(letter: DeadLetter) -> Email | None:
    """The email in it; None if there is none that the dispatcher would send."""
    try:
        return decode(letter.body, queue_message_id=letter.copy).email
    except Unreadable:  # shown and kept as such; a newer dispatcher may read it
        return None


def kept(letter: DeadLetter, email: Email | None, status: Status | None, now: float) -> Kept | None:
    """Why it should not be redriven, by what it tells and the ledger knows; None if it should.

    `status` is None where the ledger does not know it, or there is none. Seconds since the epoch.
    """
    if status is Status.SENT:
        return Kept.SENT
    if status is Status.CANCELED:
        return Kept.CANCELED
    if email is None:
        return Kept.UNREADABLE
    over = bool(email.expires_at) and email.expires_at <= now * 1_000
    if over or letter.code == EXPIRED or status is Status.EXPIRED:
        return Kept.EXPIRED
    if letter.by_us and now - letter.buried_at < FRESH_SECONDS:
        return Kept.FRESH
    return None


def redriven(letter: DeadLetter) -> str:
    """The body that is put on a queue: the original one, unchanged, so that id and history stay.

    A body of the Go service names no id and would get a new one with each message: it gets a
    member `id`, and is otherwise the same text.
    """
    if not _lacks_id(letter.body) or not is_id(letter.id):
        return letter.body
    start = letter.body.index("{") + 1
    member = f'"id":{orjson.dumps(letter.id).decode()},'
    return f"{letter.body[:start]}{member}{letter.body[start:]}"


def home(letter: DeadLetter, queues: Sequence[str]) -> str | None:
    """The queue it came from, if it is among these; a queue is named by its URL."""
    if letter.source in queues:
        return letter.source
    parts = letter.source.split(":")
    if len(parts) != 6 or parts[0] != "arn":  # noqa: PLR2004 - arn:aws:sqs:region:account:name
        return None
    end = f"/{parts[4]}/{parts[5]}"
    return next((url for url in queues if url.rstrip("/").endswith(end)), None)


def due(done: int, rate: float) -> float:
    """Seconds after the first send at which the next may follow, at `rate` a second."""
    return done / rate


def _id_of(body: str) -> str:
    message = _object(body)
    given = message.get("id")
    return given if isinstance(given, str) and is_id(given) else ""


def _lacks_id(body: str) -> bool:
    message = _object(body)
    return isinstance(message.get("email"), dict) and "id" not in message


def _object(body: str) -> dict[str, object]:
    try:
        message = orjson.loads(body)
    except (ValueError, UnicodeEncodeError):  # any text may be a dead letter
        return {}
    return message if isinstance(message, dict) else {}
