"""Work of many parts on the loop: after each that made others wait, they get their turn.

A thread would not help: it holds the interpreter's lock for as long.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from time import monotonic
from typing import TypeVar

AT_A_TIME = 0.01
"""Seconds of work, of which the last part may be longer: small batches are done in one go."""

T = TypeVar("T")


async def by_turns(parts: Iterable[T], since: float) -> AsyncIterator[T]:
    """The parts, and others' turns between them; `since` is when work began, by `monotonic`."""
    for part in parts:
        if monotonic() - since > AT_A_TIME:
            await asyncio.sleep(0)
            since = monotonic()
        yield part
