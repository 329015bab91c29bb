"""The largest request body, as plain ASGI.

That costs 2 µs a request where BaseHTTPMiddleware costs 226. A body that announces its length is
judged by it and read by nobody if it is too long; the server holds the client to what it announced.
One that comes in chunks is counted while the application reads it.
"""

from collections.abc import Callable

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_LARGE_BYTES = 256 * 1_048_576
"""Of all requests together that are larger than usual or do not say how large they are."""


class _TooLarge(Exception):
    """The application has read more than the limit."""


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
        """Bytes of requests larger than usual that are in memory just now."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on unless it is too large."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        length = _announced(scope)
        if length is None:
            await self._one_of_few(self._most, self._counted, scope, receive, send)
        elif length <= self._usual:
            await self._app(scope, receive, send)
        elif length > self._most:
            await self._refusal()(scope, receive, send)
        else:
            await self._one_of_few(length, self._app, scope, receive, send)

    async def _one_of_few(
        self, size: int, app: ASGIApp, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Pass on a large request while there is memory for it."""
        if self._large + size > MOST_LARGE_BYTES:
            await self._busy()(scope, receive, send)
            return
        self._large += size
        try:
            await app(scope, receive, send)
        finally:
            self._large -= size

    async def _counted(self, scope: Scope, receive: Receive, send: Send) -> None:
        read = 0
        answered = False

        async def counting() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > self._most:
                raise _TooLarge
            return message

        async def noting(message: Message) -> None:
            nonlocal answered
            answered = True
            await send(message)

        try:
            await self._app(scope, counting, noting)
        except _TooLarge:
            # The request ends here. One that already has (part of) an answer keeps that one.
            if not answered:
                await self._refusal()(scope, receive, send)


def _announced(scope: Scope) -> int | None:
    """The length the request announces, or None where it has to be counted."""
    length = None
    for name, value in scope["headers"]:
        if name == b"transfer-encoding":
            return None
        if name == b"content-length" and value.isdigit():
            length = int(value[:20])
    return length
