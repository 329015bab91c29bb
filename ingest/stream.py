"""The answer to `GET /events`: server-sent events until the client leaves or is dropped."""

import asyncio
import contextlib

from fastapi import Response
from starlette.types import Receive, Scope, Send

from ingest.feed import Feed, Reader
from ingest.quiet import QuietLog

HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store",
    # nginx would hold events back to fill a buffer.
    "X-Accel-Buffering": "no",
}
# A client that was dropped because it does not read cannot be told that the stream ends.
_FAREWELL = 0.1


class EventStream(Response):
    """Sends what the feed has for one reader."""

    def __init__(self, feed: Feed, reader: Reader, log: QuietLog) -> None:
        super().__init__(headers=HEADERS)
        del self.headers["content-length"]
        self._feed = feed
        self._reader = reader
        self._log = log
        self._started = False

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        """Send until the first of three: the client leaves, the reader ends, sending fails."""
        tasks = {
            asyncio.create_task(self._send_all(send)),
            asyncio.create_task(_left(receive)),
            asyncio.create_task(self._reader.ended.wait()),
        }
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._feed.leave(self._reader)
        if self._reader.dropped:
            self._log.warning("dropped", "dropped a reader of events that did not keep up")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_FAREWELL):
                await self._end(send)

    async def _send_all(self, send: Send) -> None:
        await self._start(send)
        async for frames in self._feed.follow(self._reader):
            await send({"type": "http.response.body", "body": frames, "more_body": True})

    async def _start(self, send: Send) -> None:
        self._started = True
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})

    async def _end(self, send: Send) -> None:
        if not self._started:
            await self._start(send)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
