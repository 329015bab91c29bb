"""The port of the hot path's HTTP: one request for one answer, and what both transports share.

What matters to a sender of email is which failures leave the outcome open. `NotSent` is raised only
where no byte of the request can have reached the service; everything later is `MaybeSent`. A
transport never retries: a silent retry of a send is a duplicate email.
"""

from collections.abc import Mapping
from typing import Protocol
from urllib.parse import urlsplit

from gomail.errors import NO_FILES, Exhausted, NotSent
from gomail.value import value

ANSWER_LIMIT = 40 * 1024 * 1024
"""Most bytes of one answer: the largest payload (attachments of 20 MiB in base64, and texts)."""

KEEPALIVE_SECONDS = 12.0
"""Idle connections are closed after this; services close them after 15 s and more."""

DNS_SECONDS = 10.0
"""How long the addresses of a host are kept."""

LARGE = 512 * 1024
"""A body of more bytes is written piece by piece, other requests between."""

_CONNECT_SECONDS = 3.0
_CONNECT_SHARE = 0.9  # of a short time limit, so that "no connection in time" is seen as just that


@value
class Response:
    """A complete answer; header names are case-insensitive, of a repeated one the first counts."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def not_sent(text: str, error: Exception) -> NotSent:
    """The failure of a request before anything of it was written."""
    if isinstance(error, OSError) and error.errno in NO_FILES:
        return Exhausted(f"{text}; this process has no file descriptor left: raise its limit")
    return NotSent(text)


class Transport(Protocol):
    """One request over a pooled connection."""

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


def connect_limit(timeout: float) -> float:
    """Seconds of `timeout` that may pass until a connection stands."""
    return min(_CONNECT_SECONDS, timeout * _CONNECT_SHARE)


def host_of(url: str) -> str:
    """Host and port, for error texts: path and query may hold what is private."""
    try:
        return urlsplit(url).netloc.rpartition("@")[2] or "the URL"
    except ValueError:
        return "the URL"
