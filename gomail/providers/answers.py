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

_WINDOW_END = "X-RateLimit-Reset"  # SendGrid: epoch seconds (Rate Limits page)
# Resend (Rate Limit page) and Brevo (Rate limit headers page): seconds from now.
_WINDOW_SECONDS = ("RateLimit-Reset", "X-Sib-RateLimit-Reset")

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
    """What is wrong and what an operator has to mend, in one sentence without a full stop; for
    account faults, quotas and whatever else only an operator can end."""
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


_KEY = "the provider refuses the key; look in its console whether the key is alive and may send"
_URL = (
    "what answers is not the provider's API for sending; look at the URL in this provider's "
    "settings and at what stands between"
)

BY_STATUS = (
    Row(kind=OutcomeClass.THROTTLED, statuses=(429,), source="RFC 6585, 4"),
    Row(
        kind=OutcomeClass.UNKNOWN,
        statuses=(408, 502, 504),
        source="RFC 9110, 15: no whole answer of the provider, a gateway gave up waiting for one",
    ),
    Row(
        kind=OutcomeClass.FAILED,
        statuses=(500, 503),
        source="RFC 9110, 15.6: a whole answer, so the provider itself says that it did not act",
    ),
    Row(
        kind=OutcomeClass.REFUSED,
        statuses=(400, 422),
        source="RFC 9110, 15.5: the content of this request",
    ),
    Row(
        kind=OutcomeClass.UNSUITABLE,
        statuses=(413,),
        source="RFC 9110, 15.5.14: larger than this provider takes",
    ),
    # These every message would meet: the key, the bill, a proxy, or the URL, method or format, so
    # our configuration.
    Row(
        kind=OutcomeClass.FAILED,
        statuses=(401, 403),
        account_fault=True,
        mend=_KEY,
        source="RFC 9110, 15.5: the key, or its rights",
    ),
    Row(
        kind=OutcomeClass.FAILED,
        statuses=(402,),
        account_fault=True,
        mend="the provider wants to be paid; look at the plan and the bills in its console",
        source="RFC 9110, 15.5.3, as providers use it",
    ),
    Row(
        kind=OutcomeClass.FAILED,
        statuses=(407,),
        account_fault=True,
        mend="a proxy on the way wants a password; let the dispatcher reach the provider itself",
        source="RFC 9110, 15.5.8",
    ),
    Row(
        kind=OutcomeClass.FAILED,
        statuses=(404, 405, 406, 410, 415),
        account_fault=True,
        mend=_URL,
        source="RFC 9110, 15.5: URL, method or format",
    ),
    # Nothing follows it with a signed POST.
    Row(
        kind=OutcomeClass.FAILED,
        statuses=range(300, 400),
        account_fault=True,
        mend=_URL,
        source="RFC 9110, 15.4: a redirection, so a wrong URL",
    ),
    # Unsuitable sends the email elsewhere and loses none; a guess at "failed" would let a message
    # hurt the provider's health, a guess at "refused" would end it.
    Row(
        kind=OutcomeClass.UNSUITABLE,
        statuses=range(400, 500),
        source="RFC 9110, 15.5: read and not acted on, but nothing says whose fault it is",
    ),
    Row(
        kind=OutcomeClass.UNKNOWN,
        source="no rule: a gateway's own status, such as 520, or a success nobody documents",
    ),
)
"""For what no row of the provider knows. The last fits everything."""


def deciding(answer: Answer, rows: Iterable[Row]) -> Row:
    """The first row that fits, of the provider's own and then of `BY_STATUS`."""
    return next((row for row in (*rows, *BY_STATUS) if row.fits(answer)), BY_STATUS[-1])


def judge(answer: Answer, rows: Iterable[Row]) -> Outcome:
    """The outcome by the row that decides."""
    row = deciding(answer, rows)
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
    """Seconds the provider asks to be left alone; None where it does not say so readably."""
    if kind not in {OutcomeClass.THROTTLED, OutcomeClass.QUOTA}:
        return None
    asked = headers.get("Retry-After", "").strip()
    seconds = _number(asked) or _from_now(_epoch(asked), headers)
    if seconds is None and kind is OutcomeClass.THROTTLED:
        seconds = _window(headers)  # a day's quota lasts longer than that
    return min(seconds, LONGEST_PAUSE) if seconds else None


def _window(headers: Mapping[str, str]) -> float | None:
    """Seconds to the end of the current rate window, by the headers that providers have for it."""
    moment = _number(headers.get(_WINDOW_END, "").strip())
    left = (_number(headers.get(name, "").strip()) for name in _WINDOW_SECONDS)
    seconds = next(filter(None, (_from_now(moment, headers), *left)), None)
    # No rate window is so long: a unit that is not seconds, such as milliseconds.
    return seconds if seconds and seconds <= LONGEST_PAUSE else None


def _from_now(moment: float | None, headers: Mapping[str, str]) -> float | None:
    """Seconds to a moment from the answer's own `Date`, so that our clock does not matter."""
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
