"""The one HTTP transport of the hot path: a port, and its adapter on aiohttp.

What matters to a sender of email is which failures leave the outcome open. `NotSent` is raised only
where no byte of the request can have reached the service; everything later is `MaybeSent`. The
transport never retries: a silent retry of a send is a duplicate email.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Response:
    """A complete answer; header names are case-insensitive."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Transport(Protocol):
    """One POST or GET over a pooled connection."""

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes,
        timeout: float,
    ) -> Response:
        """Exchange one request for one answer within `timeout` seconds, connecting included.

        Raises:
            NotSent: nothing of it can have been acted on.
            MaybeSent: it may have been acted on.
        """
        ...

    async def close(self) -> None:
        """Close all connections."""
        ...
