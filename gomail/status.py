"""The state an email is in after an attempt was judged, and after it was buried. Pure."""

from gomail.ledger import Status
from gomail.outcome import OutcomeClass
from gomail.settlement import EXPIRED, DeadLetter, Decision, Delete

REFUSAL_REASONS = frozenset({"refused", "no provider can carry it", "unreadable"})


def after_attempt(kind: OutcomeClass, decision: Decision) -> Status:
    """The email's state once `decision` was made on an outcome of `kind`.

    A dead letter is not final before the dead-letter queue has confirmed it.
    """
    if isinstance(decision, Delete):
        return Status.SENT
    return Status.UNKNOWN if kind is OutcomeClass.UNKNOWN else Status.RETRYING


def after_burial(decision: DeadLetter) -> Status:
    """The email's state once the dead-letter queue has it.

    One that may have been sent, and must not be sent again, ends as failed: its detail says so.
    """
    if decision.code == EXPIRED:
        return Status.EXPIRED
    return Status.REFUSED if decision.reason in REFUSAL_REASONS else Status.FAILED
