"""The largest request body, as plain ASGI.

That costs 2 µs a request where BaseHTTPMiddleware costs 226. A body that announces that it is too
long is read by nobody; every other is counted while the application reads it, whatever it said.
Requests larger than usual share a budget, so that memory stays bounded however many come at once.
They are charged with what has come of them: who promises a large body and sends none takes nothing
from the others.
"""

from collections.abc import Callable

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ingest.refusing import Refused, answered_or_refused

MOST_LARGE_BYTES = 256 * 1_048_576
"""What has come of all requests that are larger than usual, until their answers.

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
        if _announced(scope) > self._most:
            await self._refusal()(scope, receive, send)
        else:
            await self._weigh(scope, receive, send)

    async def _weigh(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on a request while it is not too large and, if large, there is memory for it."""
        weight = read = 0

        async def counting() -> Message:
            nonlocal weight, read
            message = await receive()
            read += len(message.get("body", b""))
            if read > self._usual:
                if read > self._most:
                    raise Refused(self._refusal)
                if self._large + read - weight > MOST_LARGE_BYTES:
                    raise Refused(self._busy)
                self._large += read - weight
                weight = read
            return message

        try:
            await answered_or_refused(self._app, scope, counting, send)
        finally:
            self._large -= weight


def _announced(scope: Scope) -> int:
    """The length the request announces; 0 where it announces none that can be read."""
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            # What is longer than 20 digits without its leading zeros is too large all the same.
            return int(value.lstrip(b"0")[:20] or b"0")
    return 0
