"""How often the API does what no request asked for."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pace:
    """All in seconds."""

    note: float = 0.1
    """Between two writes of queued emails; the first of a quiet time is written at once."""
    poll: float = 0.25
    """Between two looks for new events, while somebody reads them."""
    heartbeat: float = 15.0
    """Silence after which a reader of events is shown that the line still stands."""
    prune: float = 5.0
    """Between two steps of forgetting."""
    sweep: float = 3_600.0
    """Between two sweeps of the payload store, give or take a third."""
    after_failure: float = 1.0
    """Rest after the ledger did not do what it was asked."""
