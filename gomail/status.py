"""The state an email is in after an attempt was judged. Pure."""

from gomail.ledger import Status
from gomail.outcome import OutcomeClass
from gomail.settlement import DeadLetter, Decision, Delete

REFUSAL_REASONS = frozenset({"refused", "no provider can carry it", "unreadable"})


def after(kind: OutcomeClass | None, decision: Decision) -> Status:
    """The email's state once `decision` was made on an outcome of `kind` (None without attempt)."""
    match decision:
        case Delete():
            return Status.SENT
        case DeadLetter(reason=reason):
            if kind is OutcomeClass.UNKNOWN:
                return Status.UNKNOWN
            return Status.REFUSED if reason in REFUSAL_REASONS else Status.FAILED
        case _:
            return Status.UNKNOWN if kind is OutcomeClass.UNKNOWN else Status.RETRYING
