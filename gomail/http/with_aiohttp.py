"""The transport on aiohttp: which of its many exceptions leave the outcome open."""

from collections.abc import Mapping
from functools import lru_cache
from io import BytesIO
from ssl import SSLContext

import aiohttp
from yarl import URL

from gomail.errors import MaybeSent, NotSent
from gomail.http.port import (
    ANSWER_LIMIT,
    DNS_SECONDS,
    KEEPALIVE_SECONDS,
    LARGE,
    Response,
    connect_limit,
    host_of,
    not_sent,
)

# Nothing is written before a connection stands and the URL is understood.
_NOT_SENT = (
    aiohttp.ClientConnectorError,  # refused, no such host, no TLS, a wrong certificate
    aiohttp.ConnectionTimeoutError,
    aiohttp.InvalidURL,
    aiohttp.NonHttpUrlClientError,
)


class AiohttpTransport:
    """Transport over one aiohttp session, opened by the first request in the loop that runs it.

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
        self._tls = tls
        self._session: aiohttp.ClientSession | None = None
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
        if timeout <= 0:  # aiohttp would read it as "no limit"
            raise NotSent(f"{host_of(url)}: no time was left to connect")
        session = self._session or self._open()
        try:
            response = await session.request(
                method,
                URL(url, encoded=True),
                headers=headers,
                data=body if len(body) <= LARGE else BytesIO(body),
                timeout=_limits(timeout),
                allow_redirects=False,
            )
            try:
                content = await self._read(response)
            finally:
                response.release()  # an unfinished answer closes its connection
        except _NOT_SENT as error:
            raise not_sent(_sentence(url, error), error) from error
        except (aiohttp.ClientError, OSError, ValueError, RuntimeError) as error:
            # Also a TimeoutError: the connection stood, so the request may have arrived.
            raise MaybeSent(_sentence(url, error)) from error
        return Response(response.status, response.headers, content)

    async def close(self) -> None:
        """Close all connections; later requests are `NotSent`."""
        self._closed = True
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _open(self) -> aiohttp.ClientSession:
        if self._closed:
            raise NotSent("the transport is closed")
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0,
                limit_per_host=0,
                keepalive_timeout=self._idle_seconds,
                ttl_dns_cache=int(DNS_SECONDS),
                ssl=self._tls or True,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("User-Agent",),
        )
        # aiohttp repeats a GET whose reused connection broke; we never repeat unasked.
        self._session._retry_connection = False  # noqa: SLF001 - it has no public switch
        return self._session

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        chunks, size = [], 0
        while chunk := await response.content.readany():
            size += len(chunk)
            if size > self._answer_limit:
                raise MaybeSent(
                    f"{response.url.host}: the answer is longer than {self._answer_limit} bytes"
                )
            chunks.append(chunk)
        return b"".join(chunks)


@lru_cache(maxsize=64)
def _limits(timeout: float) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(
        total=timeout,
        connect=connect_limit(timeout),
        ceil_threshold=float("inf"),  # exact: no rounding up to a whole second
    )


def _sentence(url: str, error: Exception) -> str:
    """Host and failure; never the path or the query, which may hold what is private."""
    match error:
        case aiohttp.ConnectionTimeoutError():
            text = "no connection in time"
        case TimeoutError():
            text = "no complete answer in time"
        case aiohttp.ServerDisconnectedError():
            text = "closed the connection before it had answered"
        case OSError() | aiohttp.ClientPayloadError():
            text = str(error)
        case _:
            text = type(error).__name__
    return f"{host_of(url)}: {text}"
