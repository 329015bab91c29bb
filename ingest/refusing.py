"""Ends a request while its body is being read, as plain ASGI: with an answer of our own."""

from collections.abc import Callable

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Refused(Exception):
    """Raised by a `receive`: the application is not to read on, and this is the answer."""

    def __init__(self, answer: Callable[[], Response]) -> None:
        self.answer = answer


async def answered_or_refused(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Have the application answer, or say why it was not to read on.

    A request that already has (part of) an answer keeps that one. Nothing of a refused one was
    queued: a body is read before all else.
    """
    answered = False

    async def noting(message: Message) -> None:
        nonlocal answered
        answered = True
        await send(message)

    try:
        await app(scope, receive, noting)
    except Refused as refused:
        if not answered:
            await refused.answer()(scope, receive, send)
