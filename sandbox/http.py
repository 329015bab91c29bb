"""The little of HTTP that all endpoints share: JSON answers, lost and broken connections."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from aiohttp import web

Handler = Callable[[web.BaseRequest], Awaitable[web.Response]]


def json_answer(value: Any, status: int = 200) -> web.Response:
    """Answer with JSON."""
    return web.Response(
        body=orjson.dumps(value), status=status, headers={"Content-Type": "application/json"}
    )


def is_gone(request: web.BaseRequest) -> bool:
    """Whether the client has closed its connection."""
    transport = request.transport
    return transport is None or transport.is_closing()


def cut(request: web.BaseRequest) -> web.Response:
    """Break the connection off; the response only satisfies the server and goes nowhere."""
    if (transport := request.transport) is not None:
        transport.abort()
    return web.Response(status=500)


async def hang(request: web.BaseRequest, seconds: float) -> web.Response:
    """Never answer; break off when the client has not left by itself."""
    await asyncio.sleep(seconds)
    return cut(request)
