"""What the routes work with: made by the lifespan, kept at `app.state`."""

from dataclasses import dataclass
from typing import cast

from fastapi import Request

from gomail.ledger import Ledger
from gomail.payloads import Payloads
from ingest.batcher import Batcher
from ingest.feed import Feed
from ingest.idempotency import Keys
from ingest.judging import Judge
from ingest.notes import Notes
from ingest.pulse import Pulse
from ingest.quiet import QuietLog
from ingest.watch import Watch


@dataclass(frozen=True, slots=True)
class Memory:
    """The ledger, and what stands between it and the requests."""

    ledger: Ledger
    notes: Notes
    keys: Keys
    feed: Feed
    pulse: Pulse
    log: QuietLog


@dataclass(frozen=True, slots=True)
class Door:
    """What an email has to be, and where its large parts go."""

    judge: Judge
    payloads: Payloads | None
    """None where no payload store is configured: an email must then fit a queue."""
    prefix: str
    """What the keys of payloads begin with."""
    timeout: float
    """Seconds for storing a payload."""


@dataclass(frozen=True, slots=True)
class Parts:
    """The running parts of one process."""

    batcher: Batcher
    watch: Watch
    memory: Memory | None
    """None where no ledger is configured."""
    door: Door


def parts_of(request: Request) -> Parts:
    """The parts behind this request."""
    return cast("Parts", request.app.state.parts)
