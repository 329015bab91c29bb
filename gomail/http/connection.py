"""One HTTP/1.1 connection: a request out, its answer in, and the verdict when that fails.

httptools reads the answers. What is ours is when an answer is complete, whether another request
may follow it, and what a failure means: from the moment that a request is written, all of them are
`MaybeSent`.
"""

import asyncio
import zlib
from typing import Any, Protocol, cast

import httptools

from gomail.errors import MaybeSent
from gomail.http.port import Response

_PIECE = 64 * 1024  # bytes of a large body between two looks at whether there is room for more
_MOST_OF_A_HEAD = 256 * 1024  # bytes received until the headers of an answer are complete
_FINAL = 200  # lower statuses announce an answer
_ZIPPED = frozenset({"gzip", "x-gzip", "deflate"})


class Headers(dict[str, str]):
    """Headers by their names in lower case, found in any; the first of equal names counts."""

    def __getitem__(self, name: str) -> str:
        return super().__getitem__(name.lower())

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and super().__contains__(name.lower())

    def get(self, name: str, default: Any = None) -> Any:
        """The value of a header, else `default`."""
        return super().get(name.lower(), default)


class Owner(Protocol):
    """Who is told what becomes of a connection."""

    def idle(self, connection: "Connection") -> None:
        """It has brought its answer and can take another request."""
        ...

    def lost(self, connection: "Connection") -> None:
        """It is closed."""
        ...


class Connection(asyncio.Protocol):
    """A connection that carries one exchange at a time."""

    __slots__ = (
        "_answer_limit", "_chunks", "_closing", "_head_only", "_head_size", "_headers", "_host",
        "_in_pieces", "_loop", "_owner", "_parser", "_paused", "_response", "_reusable", "_room",
        "_size", "_status", "_timer", "_transport", "_waiter", "idle_since", "place",
    )  # fmt: skip

    def __init__(
        self,
        owner: Owner,
        *,
        place: tuple[str, str, int],
        host: str,
        answer_limit: int,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self.place = place
        self.idle_since = 0.0
        self._owner = owner
        self._host = host
        self._answer_limit = answer_limit
        self._loop = loop
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport
        self._waiter: asyncio.Future[Response] | None = None
        self._timer: asyncio.TimerHandle
        self._room: asyncio.Future[None] | None = None  # a large body waits for it
        self._closing = self._paused = self._in_pieces = False
        self._begin(head_only=False)

    def _begin(self, *, head_only: bool) -> None:
        self._head_only = head_only
        self._response: Response | None = None
        self._reusable = False
        self._status = self._head_size = self._size = 0
        self._headers = Headers()
        self._chunks: list[bytes] = []

    @property
    def usable(self) -> bool:
        """Whether a request could be written to it now."""
        return not (self._closing or self._transport.is_closing())

    def exchange(
        self, method: str, head: bytes, body: bytes, *, seconds: float
    ) -> asyncio.Future[Response]:
        """Write a request; its answer, or a `MaybeSent`, comes within `seconds`."""
        self._begin(head_only=method == "HEAD")
        self._waiter = waiter = self._loop.create_future()
        self._timer = self._loop.call_later(seconds, self._expire)
        self._transport.write(head + body)
        return waiter

    async def exchange_large(
        self, method: str, head: bytes, body: bytes, *, seconds: float
    ) -> Response:
        """Exchange a request whose body is written as fast as the service takes it.

        Raises:
            MaybeSent: it may have been acted on.
        """
        waiter = self.exchange(method, head, b"", seconds=seconds)
        self._in_pieces = True
        view = memoryview(body)
        try:
            for start in range(0, len(body), _PIECE):
                if self._paused and not waiter.done():
                    self._room = self._loop.create_future()
                    await self._room
                if waiter.done():  # an answer before the request was complete, or none
                    break
                self._transport.write(view[start : start + _PIECE])
            else:
                self._in_pieces = False
            return await waiter
        except asyncio.CancelledError:
            self.give_up(waiter)
            raise

    def give_up(self, waiter: asyncio.Future[Response]) -> None:
        """Nobody waits any more; unless the exchange is over, the connection cannot be used on."""
        if self._waiter is waiter:
            self._end(waiter)
            self._transport.abort()
        elif not waiter.cancelled():
            waiter.exception()  # over and cancelled at once: the outcome has been seen

    def close(self) -> None:
        """Close it, at once where an exchange is under way."""
        if self._waiter is None:
            self._transport.close()
        else:
            self._fail("the transport was closed before there was an answer")

    # Called by the event loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep what is written to."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Read on in the answer."""
        if self._waiter is None:  # nobody asked: what follows could not be told from an answer
            self._closing = True
            self._transport.abort()
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            # Behind a complete answer it spoils the connection, not the answer.
            self._reusable = False
            if self._response is None:
                self._fail(f"its answer is no HTTP/1.1 ({error})")
                return
        if self._response is not None:
            self._deliver(self._response)
        elif self._size > self._answer_limit:
            self._fail(f"the answer is longer than {self._answer_limit} bytes")
        elif not self._status:
            self._head_size += len(data)
            if self._head_size > _MOST_OF_A_HEAD:
                self._fail(f"the headers are longer than {_MOST_OF_A_HEAD} bytes")

    def eof_received(self) -> None:
        """The other side has ended, which completes an answer that says no length."""
        self._closing = True
        framed = "content-length" in self._headers or "transfer-encoding" in self._headers
        if self._waiter is not None and self._status >= _FINAL and not framed:
            self._complete()
            if self._response is not None:
                self._deliver(self._response)

    def connection_lost(self, error: Exception | None) -> None:
        """The connection is gone; with it an exchange under way."""
        self._closing = True
        self._fail(str(error) if error else "closed the connection before it had answered")
        self._owner.lost(self)
        del self._parser  # it knows us by our methods, which is a circle

    def pause_writing(self) -> None:
        """More is written than sent."""
        self._paused = True

    def resume_writing(self) -> None:
        """Enough of it is sent."""
        self._paused = False
        self._make_room()

    # Called by the parser.

    def on_message_begin(self) -> None:
        """Another answer begins, which is one too many behind a complete one."""
        if self._response is not None:
            raise ValueError("bytes behind the answer")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep one header."""
        self._headers.setdefault(
            name.lower().decode("latin-1"), value.decode("utf-8", "surrogateescape")
        )

    def on_headers_complete(self) -> None:
        """The status is known, and an answer to HEAD is complete."""
        status = self._parser.get_status_code()
        if status < _FINAL:
            self._headers = Headers()
            return
        self._status = status
        if self._head_only:
            self._complete()

    def on_body(self, data: bytes) -> None:
        """Keep a part of the body, as long as there is room for it."""
        self._size += len(data)
        if self._size <= self._answer_limit:
            self._chunks.append(data)

    def on_message_complete(self) -> None:
        """Another request may follow a final answer that leaves the connection open."""
        if self._status and self._response is None and self._size <= self._answer_limit:
            self._reusable = self._parser.should_keep_alive()
            self._complete()

    # What becomes of an exchange.

    def _complete(self) -> None:
        body = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        if body and (coding := self._headers.get("content-encoding", "identity")) != "identity":
            try:
                body = _unzipped(body, coding, self._answer_limit)
            except ValueError as error:
                self._fail(str(error))
                return
        self._response = Response(self._status, self._headers, body)

    def _deliver(self, response: Response) -> None:
        waiter = self._waiter
        if waiter is None:
            return
        self._end(waiter)
        if not waiter.done():
            waiter.set_result(response)
        if self._in_pieces or self._paused:  # the request was answered before it was complete
            self._closing = True
            self._transport.abort()
        elif self._reusable and self.usable:
            self._owner.idle(self)
        else:
            self._closing = True
            self._transport.close()

    def _expire(self) -> None:
        self._fail("no complete answer in time")

    def _fail(self, text: str) -> None:
        waiter = self._waiter
        if waiter is None:
            return
        self._end(waiter)
        self._closing = True
        if not waiter.done():
            waiter.set_exception(MaybeSent(f"{self._host}: {text}"))
        self._transport.abort()

    def _end(self, waiter: asyncio.Future[Response]) -> None:
        assert waiter is self._waiter
        self._waiter = None
        self._timer.cancel()
        self._make_room()

    def _make_room(self) -> None:
        room, self._room = self._room, None
        if room is not None and not room.done():
            room.set_result(None)


def _unzipped(body: bytes, coding: str, limit: int) -> bytes:
    """A compressed body as it was; we ask for none, but what is in the way may not heed that.

    Raises:
        ValueError: it cannot be read.
    """
    if coding.lower() not in _ZIPPED:
        raise ValueError(f"its answer is encoded as {coding!r}")
    unzip = zlib.decompressobj(wbits=47)  # gzip or zlib, as its first bytes say
    try:
        text = unzip.decompress(body, limit + 1)
    except zlib.error:
        raise ValueError(f"its answer is not {coding}, as it says") from None
    if len(text) > limit:
        raise ValueError(f"the answer is longer than {limit} bytes")
    if not unzip.eof:
        raise ValueError(f"its answer in {coding} is cut off")
    return text
