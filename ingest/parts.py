"""What the routes work with: made by the lifespan, kept at `app.state`."""

from dataclasses import dataclass
from typing import cast

from fastapi import Request

from ingest.batcher import Batcher
from ingest.watch import Watch


@dataclass(frozen=True, slots=True)
class Parts:
    """The running parts of one process."""

    batcher: Batcher
    watch: Watch


def parts_of(request: Request) -> Parts:
    """The parts behind this request."""
    return cast("Parts", request.app.state.parts)
