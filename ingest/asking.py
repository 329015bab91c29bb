"""Asks the ledger for a bounded time: what takes longer counts as unavailable."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from gomail.ledger import LedgerUnavailable

ASKED = 2.0
"""Seconds a reader, or a request with an Idempotency-Key, waits for the ledger. Longer than mail
does: they need the answer, mail only likes to have it."""

T = TypeVar("T")


async def within(seconds: float, answer: Awaitable[T]) -> T:
    """The answer, if it comes in time.

    Raises:
        LedgerUnavailable: it did not.
    """
    try:
        async with asyncio.timeout(seconds):
            return await answer
    except TimeoutError as error:
        raise LedgerUnavailable(f"no answer within {seconds:g} s") from error
