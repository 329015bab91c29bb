"""What can become of one attempt to send one email. Pure.

The classes and what each means for the message, the provider's health and the queue are the
design's list; `gomail.settlement` decides what follows from each, `gomail.health` which count.
"""

from enum import StrEnum

from gomail.value import value


class OutcomeClass(StrEnum):
    """The kinds of outcome, by whose fault it is and whether the email may have gone out."""

    ACCEPTED = "accepted"
    """The provider took the email."""
    REFUSED = "refused"
    """The message is at fault, everywhere."""
    UNSUITABLE = "unsuitable"
    """Only this provider cannot carry it."""
    THROTTLED = "throttled"
    """Too fast just now."""
    QUOTA = "quota"
    """The day's or month's allowance is used up."""
    FAILED = "failed"
    """Certainly not sent; the provider, the account or the way to it is at fault."""
    UNKNOWN = "unknown"
    """It may have been sent: no readable answer after the request had been written."""


@value
class Outcome:
    """What one provider said to one attempt, in words a person and the ledger can use."""

    kind: OutcomeClass
    code: str = ""
    """The provider's own code or the HTTP status, for logs and the dead-letter queue."""
    detail: str = ""
    """One sentence, without secrets; at most 300 characters."""
    provider_id: str = ""
    """The provider's message id, where it accepted."""
    retry_after: float | None = None
    """Seconds the provider asked to be left alone."""
    account_fault: bool = False
    """A failure that every message would meet: bad key, suspended, sending paused."""
    mend: str = ""
    """Where an operator has something to mend: what, in one sentence without a full stop."""


DETAIL_LIMIT = 300


def clip(text: str) -> str:
    """One line of at most `DETAIL_LIMIT` characters, whatever a provider wrote."""
    line = " ".join(text.split())
    return line if len(line) <= DETAIL_LIMIT else line[: DETAIL_LIMIT - 1] + "…"
