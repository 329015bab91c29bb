"""The fast transport: an HTTP/1.1 client of our own on `asyncio.Protocol` and httptools' parser.

It does what sending email needs and no more: no redirects, cookies, proxies or HTTP/2. The pool
gives out the connection that was used last, so that the others grow idle and are closed.
"""

import asyncio
from collections.abc import Mapping
from ssl import SSLContext

from gomail.errors import NotSent
from gomail.http.connection import Connection
from gomail.http.dialling import Dialler
from gomail.http.head import Target, head, target
from gomail.http.port import (
    ANSWER_LIMIT,
    KEEPALIVE_SECONDS,
    LARGE,
    Response,
    connect_limit,
    host_of,
)


class FastTransport:
    """Transport over connections of our own, in the loop that runs its requests.

    The pool has no limit, and each request brings its own time limit: a long poll holds a
    connection of its own and delays nobody, so one transport serves long polls and short calls.
    """

    def __init__(
        self,
        *,
        answer_limit: int = ANSWER_LIMIT,
        idle_seconds: float = KEEPALIVE_SECONDS,
        tls: SSLContext | None = None,
    ) -> None:
        self._answer_limit = answer_limit
        self._idle_seconds = idle_seconds
        self._dialler = Dialler(tls=tls)
        self._idle: dict[tuple[str, str, int], list[Connection]] = {}
        self._all: set[Connection] = set()
        self._sweep: asyncio.TimerHandle | None = None
        self._empty: asyncio.Event | None = None  # set once closing is done
        self._closed = False

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes,
        timeout: float,
    ) -> Response:
        """Exchange one request for one answer; the URL goes out as written, never re-quoted.

        Raises:
            NotSent: nothing of it can have been acted on.
            MaybeSent: it may have been acted on.
        """
        if timeout <= 0:
            raise NotSent(f"{host_of(url)}: no time was left to connect")
        try:
            to = target(url)
            start = head(method, to, headers, len(body))
        except ValueError as error:
            raise NotSent(f"{host_of(url)}: {error}") from error
        connection = self._take(to)
        if connection is None:
            connection, timeout = await self._open(to, timeout)
        # Between here and the write nothing waits, so the connection cannot close unseen.
        if len(body) > LARGE:
            return await connection.exchange_large(method, start, body, seconds=timeout)
        waiter = connection.exchange(method, start, body, seconds=timeout)
        try:
            return await waiter
        except asyncio.CancelledError:
            connection.give_up(waiter)
            raise

    async def close(self) -> None:
        """Close all connections; requests under way are `MaybeSent`, later ones `NotSent`."""
        self._closed = True
        self._idle.clear()
        self._dialler.close()
        if self._sweep is not None:
            self._sweep.cancel()
        self._empty = asyncio.Event()
        for connection in list(self._all):
            connection.close()
        if self._all:
            await self._empty.wait()

    def idle(self, connection: Connection) -> None:
        """Keep a connection for the next request to its place."""
        if self._closed:
            connection.close()
            return
        loop = asyncio.get_running_loop()
        connection.idle_since = loop.time()
        self._idle.setdefault(connection.place, []).append(connection)
        if self._sweep is None:
            self._sweep = loop.call_later(self._idle_seconds, self._close_idle)

    def lost(self, connection: Connection) -> None:
        """Forget a connection, so that no request is written to it."""
        self._all.discard(connection)
        waiting = self._idle.get(connection.place)
        if waiting and connection in waiting:
            waiting.remove(connection)
        if self._empty is not None and not self._all:
            self._empty.set()

    def _take(self, to: Target) -> Connection | None:
        waiting = self._idle.get(to.place)
        while waiting:
            connection = waiting.pop()
            if connection.usable:
                return connection
        return None

    async def _open(self, to: Target, timeout: float) -> tuple[Connection, float]:
        """A new connection, and what it leaves of the time."""
        if self._closed:
            raise NotSent("the transport is closed")
        loop = asyncio.get_running_loop()
        end = loop.time() + timeout

        def make() -> Connection:
            return Connection(
                self,
                place=to.place,
                host=to.host_header,
                answer_limit=self._answer_limit,
                loop=loop,
            )

        connection = await self._dialler.dial(to, make, seconds=connect_limit(timeout))
        if not connection.usable:
            raise NotSent(f"{to.host_header}: closed the connection before the request was written")
        self._all.add(connection)
        if self._closed:
            connection.close()
            raise NotSent("the transport is closed")
        left = end - loop.time()
        if left <= 0:  # this thread was busy with something else
            self.idle(connection)
            raise NotSent(f"{to.host_header}: no time was left to send")
        return connection, left

    def _close_idle(self) -> None:
        """Close what has been idle long enough, and come back for the rest; the oldest is first."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        oldest = now
        for waiting in self._idle.values():
            while waiting and now - waiting[0].idle_since >= self._idle_seconds:
                waiting.pop(0).close()
            if waiting:
                oldest = min(oldest, waiting[0].idle_since)
        for place in [place for place, waiting in self._idle.items() if not waiting]:
            del self._idle[place]
        self._sweep = None
        if self._idle:
            self._sweep = loop.call_later(self._idle_seconds - (now - oldest), self._close_idle)
