"""The large parts of emails, fetched when their turn has come.

Everything runs on the courier's loop. The bytes of payloads in hand have a budget; whoever comes
when it is used up waits in the order of arrival. One alone is always fetched, however large.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from gomail.email import Claim, Email, unpack
from gomail.payloads import Payloads, PayloadUnavailable

log = logging.getLogger(__name__)

FETCH_TIMEOUT = 10.0
"""Seconds."""
COPIES = 2
"""How often the bytes of a payload are in memory while it is sent: as an email, as a request."""


class Budget:
    """Bytes that are given out in the order in which they were asked for."""

    def __init__(self, most: int) -> None:
        self._most = self._free = most
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @asynccontextmanager
    async def taking(self, size: int) -> AsyncIterator[None]:
        """Hold so many bytes, or all of them if it is more, for the length of the block."""
        size = min(size, self._most)
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((size, turn))
        self._give_out()
        try:
            await turn
            yield
        finally:
            if turn.done() and not turn.cancelled():
                self._free += size
            self._give_out()

    def _give_out(self) -> None:
        while self._waiting:
            size, turn = self._waiting[0]
            if not turn.cancelled():
                if size > self._free:
                    return
                self._free -= size
                turn.set_result(None)
            self._waiting.popleft()


class Fetcher:
    """Fetches payloads within a budget, and removes those of emails that are sent."""

    def __init__(self, payloads: Payloads, *, most_bytes: int) -> None:
        self._payloads = payloads
        self._budget = Budget(most_bytes)

    @asynccontextmanager
    async def whole(
        self, light: Email, claim: Claim, *, in_time: Callable[[], bool]
    ) -> AsyncIterator[Email | None]:
        """The email with all its parts, for the length of the block.

        None where it is not `in_time` any more when its turn has come: it is then not fetched, so
        that what came too late does not make what follows late as well.

        Raises:
            PayloadMissing: it is gone for good.
            PayloadUnavailable: not to be had just now.
            Unreadable: it is not what was stored.
        """
        async with self._budget.taking(claim.size * COPIES):
            yield await self._fetch(light, claim) if in_time() else None

    async def _fetch(self, light: Email, claim: Claim) -> Email:
        # A function of its own: the stored bytes are let go of before the send begins.
        return unpack(light, await self._payloads.get(claim.key, timeout=FETCH_TIMEOUT))

    async def remove(self, claim: Claim) -> None:
        """Forget the payload of an email that a provider has accepted."""
        try:
            await self._payloads.remove(claim.key, timeout=FETCH_TIMEOUT)
        except PayloadUnavailable as error:  # the email is out; the sweep by age takes the payload
            log.warning("payload %s is not removed yet: %s", claim.key, error)
