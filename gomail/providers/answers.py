"""How a provider's refusal is judged: tables as data, the first row that fits decides. Pure.

Each provider's own rows come first and `BY_STATUS` last. A row knows an answer by what the
provider wrote where that says more than the status (quota and throttling share codes, an
unverified sender and a bad key share 403), else by its code, else by its status.
"""

import re
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime

from gomail.outcome import Outcome, OutcomeClass

# As long as `give_up_after` by default: a slip of a provider's clock must not pause it for years.
LONGEST_PAUSE = 86_400.0

# What neither a log line nor a message attribute on SQS may hold.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_WORD_LIMIT = 200

_SECONDS = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,9})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A complete answer other than an acceptance, reduced to what the rows look at."""

    status: int
    headers: Mapping[str, str]
    code: str = ""
    """The provider's own code, where it has codes."""
    text: str = ""
    """What it wrote for people."""
    field: str = ""
    """The part of the request it complains about, where it says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of a table; what is left out fits everything."""

    kind: OutcomeClass
    statuses: Container[int] = range(1000)
    code: str = ""
    """A regular expression that the whole code matches."""
    text: str = ""
    """A regular expression, sought anywhere, in any case."""
    field: str = ""
    """The beginning of the field's name."""
    account_fault: bool = False
    mend: str = ""
    """What an operator has to mend, in one sentence without a full stop; for account faults."""
    source: str = ""
    """Where it is known from: a page of the provider's, a report, the specification."""

    def fits(self, answer: Answer) -> bool:
        """Whether all that this row names is so."""
        return (
            answer.status in self.statuses
            and answer.field.startswith(self.field)
            and (not self.code or re.fullmatch(self.code, answer.code) is not None)
            and (not self.text or re.search(self.text, answer.text, re.IGNORECASE) is not None)
        )


BY_STATUS = (
    Row(kind=OutcomeClass.THROTTLED, statuses=(429,)),
    # No whole answer of the provider itself: a gateway gave up waiting for one (design §4).
    Row(kind=OutcomeClass.UNKNOWN, statuses=(408, 502, 504)),
    Row(kind=OutcomeClass.FAILED, statuses=(500, 503)),
    Row(kind=OutcomeClass.REFUSED, statuses=(400, 422)),
    Row(kind=OutcomeClass.UNSUITABLE, statuses=(413,)),
    # The key (401, 403), the bill (402), a proxy on the way (407), or the URL, method or format,
    # so our configuration: every message would meet it.
    Row(
        kind=OutcomeClass.FAILED,
        statuses=(401, 402, 403, 404, 405, 406, 407, 410, 415),
        account_fault=True,
    ),
    # A redirection is a wrong URL too; nothing follows it with a signed POST.
    Row(kind=OutcomeClass.FAILED, statuses=range(300, 400), account_fault=True),
    # Any other 4xx was read and not acted on, but nothing says whose fault it is. Unsuitable sends
    # the email elsewhere and loses none; a guess at "failed" would let a message hurt the
    # provider's health, a guess at "refused" would end it.
    Row(kind=OutcomeClass.UNSUITABLE, statuses=range(400, 500)),
)
"""For what no row of the provider knows. Whatever is not here either, a gateway's 520 or a 2xx
that no provider documents, is unknown."""

_NO_ROW = Row(kind=OutcomeClass.UNKNOWN)


def judge(answer: Answer, rows: Iterable[Row]) -> Outcome:
    """The outcome by the first row that fits, of the provider's own and then of `BY_STATUS`."""
    row = next((row for row in (*rows, *BY_STATUS) if row.fits(answer)), _NO_ROW)
    return Outcome(
        row.kind,
        code=word(answer.code) or str(answer.status),
        detail=answer.text or f"HTTP {answer.status} without a readable reason",
        retry_after=_pause(row.kind, answer.headers),
        account_fault=row.account_fault,
        mend=row.mend,
    )


def printable(text: str) -> str:
    """The text with a space for whatever could not be logged, stored or sent on."""
    return _UNPRINTABLE.sub(" ", text)


def word(text: str) -> str:
    """A code or an id that a provider gave, fit to be kept."""
    return printable(text).strip()[:_WORD_LIMIT]


def _pause(kind: OutcomeClass, headers: Mapping[str, str]) -> float | None:
    """Seconds the provider asks to be left alone; None where it does not say so readably.

    Dates and `X-RateLimit-Reset` (SendGrid: epoch seconds) are taken relative to the answer's own
    `Date`, so that our clock does not matter.
    """
    if kind not in {OutcomeClass.THROTTLED, OutcomeClass.QUOTA}:
        return None
    asked = headers.get("Retry-After", "").strip()
    seconds = _number(asked) or _from_now(_epoch(asked), headers)
    if seconds is None and kind is OutcomeClass.THROTTLED:
        # The end of the current rate window; a day's quota lasts longer than that.
        seconds = _from_now(_number(headers.get("X-RateLimit-Reset", "").strip()), headers)
    return min(seconds, LONGEST_PAUSE) if seconds else None


def _from_now(moment: float | None, headers: Mapping[str, str]) -> float | None:
    now = _epoch(headers.get("Date", ""))
    return moment - now if moment and now and moment > now else None


def _number(text: str) -> float | None:
    return float(text) if _SECONDS.fullmatch(text) else None


def _epoch(date: str) -> float | None:
    try:
        moment = parsedate_to_datetime(date)
    except (ValueError, OverflowError):
        return None
    # "-0000" parses as a naive time; HTTP knows GMT only.
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
