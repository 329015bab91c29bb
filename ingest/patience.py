"""How long a body may take to come, as plain ASGI: who trickles one in is told so and let go.

A request that is being read holds memory, of the budget for large ones too, and the server waits
for its rest for ever. So does a client whose network is gone. What is slow before the body (the
request line, headers, a connection that says nothing) only the server sees, or a proxy before it.
"""

import asyncio
from collections.abc import Callable

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ingest.refusing import Refused, answered_or_refused

GRACE = 20.0
"""Seconds that any body may take."""
LEAST_RATE = 32_768
"""Bytes a second of what came that are paid for beyond: the 14 MB of the largest attachments may
take seven minutes."""


class Patience:
    """Answers a request whose body is too slow in place of the application."""

    def __init__(self, app: ASGIApp, *, refusal: Callable[[], Response]) -> None:
        self._app = app
        self._refusal = refusal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and its body while that is quick enough."""
        if scope["type"] != "http" or scope["method"] == "GET":
            await self._app(scope, receive, send)
            return
        until: float | None = None  # by the loop's clock, from when the body is first waited for
        whole = False

        async def timely() -> Message:
            nonlocal until, whole
            if whole:  # what is waited for now is that the client leaves
                return await receive()
            until = until or asyncio.get_running_loop().time() + GRACE
            try:
                async with asyncio.timeout_at(until):
                    message = await receive()
            except TimeoutError:
                raise Refused(self._refusal) from None
            until += len(message.get("body", b"")) / LEAST_RATE
            whole = not message.get("more_body", False)
            return message

        await answered_or_refused(self._app, scope, timely, send)
