"""What a client is told of an email, whoever decides it: a queue, the ledger or our own limits."""

from enum import Enum, auto


class Verdict(Enum):
    """What the client is told of one email."""

    QUEUED = auto()
    FORBIDDEN_CHARACTERS = auto()
    TOO_LARGE = auto()
    ATTACHMENTS_TOO_LARGE = auto()
    """For a queue, and there is no payload store."""
    UNAVAILABLE = auto()
    LEDGER_UNAVAILABLE = auto()
    NO_LEDGER = auto()
    """It is for later, and there is no ledger that could keep it."""


Verdicts = dict[str, Verdict]
"""What became of each email, by its id."""
