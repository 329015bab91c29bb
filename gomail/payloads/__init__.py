"""The payload store port: the large parts of emails that do not fit a queue (claim check).

Written before the message that refers to it is enqueued, read when the message has been routed,
removed after a provider accepted it. What nobody removed is swept by its age.
"""

from typing import Protocol

from gomail.errors import GomailError


class PayloadUnavailable(GomailError):
    """The store is slow, refuses or is down; another try may succeed."""


class PayloadMissing(GomailError):
    """The store has no such payload, and trying again does not bring it."""


class Payloads(Protocol):
    """Bytes by key. Keys are letters, digits, `-`, `_`, `.` and `/`."""

    async def put(self, key: str, data: bytes, *, timeout: float) -> None:
        """Keep `data`; durable when this returns. A key that exists is overwritten.

        Raises:
            PayloadUnavailable: it may or may not be kept.
        """
        ...

    async def get(self, key: str, *, timeout: float) -> bytes:
        """The bytes under a key.

        Raises:
            PayloadMissing: there are none.
            PayloadUnavailable: not known.
        """
        ...

    async def remove(self, key: str, *, timeout: float) -> None:
        """Forget a key; one that is not there is forgotten already.

        Raises:
            PayloadUnavailable: it may still be there.
        """
        ...

    async def sweep(self, before: float, *, limit: int) -> int:
        """Forget up to `limit` payloads written before a time (s since the epoch); how many.

        Raises:
            PayloadUnavailable: the store did not answer.
        """
        ...
