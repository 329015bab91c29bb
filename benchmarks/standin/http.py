"""HTTP/1.1 as the stand-in speaks it: one request at a time on a connection, no pipelining."""

import asyncio
from collections.abc import Callable
from typing import cast

import httptools

_TARGET = b"x-amz-target"

Handler = Callable[["Connection", "Request"], None]


class Request:
    """What is asked; `target` is the header `X-Amz-Target`, empty without one."""

    __slots__ = ("body", "method", "path", "target")

    def __init__(self, method: bytes, path: bytes, target: bytes, body: bytes) -> None:
        self.method, self.path, self.target, self.body = method, path, target, body


class Connection(asyncio.Protocol):
    """One connection; its handler is called for each request and answers at once or later."""

    def __init__(self, handle: Handler) -> None:
        self._handle = handle
        self._parser = httptools.HttpRequestParser(self)
        self._keep = True
        self.closed = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the protocol's form
        """Nobody waits for an answer any more."""
        self.closed = True

    def data_received(self, data: bytes) -> None:
        """Parse; what is no HTTP ends the connection."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._transport.close()

    def on_message_begin(self) -> None:
        """Forget the request before."""
        self._path = self._target = self._body = b""

    def on_url(self, url: bytes) -> None:
        """It may come in pieces, as the body may."""
        self._path += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Only one header matters."""
        if len(name) == len(_TARGET) and name.lower() == _TARGET:
            self._target = value

    def on_body(self, body: bytes) -> None:
        """Usually the only piece."""
        self._body = self._body + body if self._body else body

    def on_message_complete(self) -> None:
        """Hand it to the handler."""
        parser = self._parser
        self._keep = parser.should_keep_alive()
        self._handle(self, Request(parser.get_method(), self._path, self._target, self._body))

    def answer(self, head: bytes, body: bytes) -> None:
        """Write status line and headers, which end in `Content-Length: %d`, and body."""
        if self.closed:
            return
        self._transport.write(head % len(body) + body)
        if not self._keep:
            self._transport.close()
