"""What the routes work with: made by the lifespan, kept at `app.state`."""

from dataclasses import dataclass
from typing import cast

from fastapi import Request

from gomail.ledger import Ledger
from ingest.batcher import Batcher
from ingest.feed import Feed
from ingest.idempotency import Keys
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
class Parts:
    """The running parts of one process."""

    batcher: Batcher
    watch: Watch
    memory: Memory | None
    """None where no ledger is configured."""


def parts_of(request: Request) -> Parts:
    """The parts behind this request."""
    return cast("Parts", request.app.state.parts)
