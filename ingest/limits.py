"""The largest request body, as plain ASGI.

That costs 2 µs a request where BaseHTTPMiddleware costs 226. A body that announces its length is
judged by it and read by nobody if it is too long; the server holds the client to what it announced.
One that comes in chunks is counted while the application reads it. Requests larger than usual share
a budget, so that memory stays bounded however many come at once.
"""

from collections.abc import Callable

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ingest.refusing import Refused, answered_or_refused

MOST_LARGE_BYTES = 256 * 1_048_576
"""Of all requests together that are larger than usual, from their first byte to their answer.

With the budget spent, by emails of 10 MB on their way to the payload store, a process has grown by
400 MB (measured)."""


class BodyLimit:
    """Answers a request whose body is over the limit in place of the application."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        most: int,
        usual: int,
        refusal: Callable[[], Response],
        busy: Callable[[], Response],
    ) -> None:
        self._app = app
        self._most = most
        self._usual = usual
        self._refusal = refusal
        self._busy = busy
        self._large = 0
        """Bytes of requests larger than usual that are being read or answered just now."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on unless it is too large."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        length = _announced(scope)
        if length is not None and length <= self._usual:
            await self._app(scope, receive, send)
        elif length is not None and length > self._most:
            await self._refusal()(scope, receive, send)
        else:
            await self._weigh(length or 0, scope, receive, send)

    async def _weigh(self, announced: int, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on a large request while there is memory for it, or one that has to be counted."""
        weight = read = 0

        def weigh(size: int) -> None:
            nonlocal weight
            if size > self._most:
                raise Refused(self._refusal)
            if size <= max(weight, self._usual):
                return
            if self._large + size - weight > MOST_LARGE_BYTES:
                raise Refused(self._busy)
            self._large += size - weight
            weight = size

        async def counting() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            weigh(read)
            return message

        async def weighed(scope: Scope, receive: Receive, send: Send) -> None:
            weigh(announced)
            await self._app(scope, receive, send)

        try:
            await answered_or_refused(weighed, scope, counting, send)
        finally:
            self._large -= weight


def _announced(scope: Scope) -> int | None:
    """The length the request announces, or None where it has to be counted."""
    length = None
    for name, value in scope["headers"]:
        if name == b"transfer-encoding":
            return None
        if name == b"content-length" and value.isdigit():
            length = int(value[:20])
    return length
