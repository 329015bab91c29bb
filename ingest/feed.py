"""Live events for many readers over one look at the ledger.

While there are readers, one task asks for what is new a few times a second and hands it to each of
them. A reader that resumes reads what it missed by pages, at its own speed, before it joins the
others. One that does not keep up is dropped: it may come back and resume.

Sequences have an order that only the ledger knows. So a reader joins under the same lock under
which the feed looks for news: the feed's own place is then the end, and a reader that has reached
that place has missed nothing and gets nothing twice.

Whoever has the lock looks for all who wait to begin, and nobody waits for lock and answers together
longer than for one answer: those who come to a ledger that hangs are told so at one time.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence

from gomail.ledger import Event, EventKind, Ledger, LedgerUnavailable
from ingest import shown
from ingest.asking import ASKED, within
from ingest.pace import Pace
from ingest.quiet import QuietLog

PAGE = 500
"""Events asked for at once."""
MOST_WAITING = 1_000
"""Events that may wait for one reader: less than 1 MB, shared by all readers."""
MOST_READERS = 100
BEGINNING = "0"
"""Before every sequence of every ledger."""
RETRY_MILLISECONDS = 2_000
"""When a browser whose line broke tries again."""


class Full(Exception):
    """There are too many readers, or the process is about to end."""


class Reader:
    """One reader's place in the stream, and what waits for it."""

    def __init__(self, place: str, ids: frozenset[str]) -> None:
        self.place = place
        """The last event it was given or that was none of its own."""
        self.start = place
        """Where its stream begins: what is offered before it has begun comes after that."""
        self.joined = False
        self.ended = asyncio.Event()
        """It gets nothing more: dropped, or the process ends."""
        self.dropped = False
        self._ids = ids
        self._waiting: list[bytes] = []
        self._news = asyncio.Event()

    def wants(self, event: Event) -> bool:
        """Whether it asked for this event."""
        if not self._ids:
            return True
        return event.kind is EventKind.STATUS and event.data.get("id") in self._ids

    def offer(self, event: Event, frame: bytes, *, most: int) -> None:
        """Give it an event, unless too many wait for it already."""
        if self.ended.is_set():
            return
        self.place = event.sequence
        if not self.wants(event):
            return
        if len(self._waiting) >= most:
            self.dropped = True
            self.end()
            return
        self._waiting.append(frame)
        self._news.set()

    def end(self) -> None:
        """Give it nothing more; what waited for it is dropped with it."""
        self._waiting.clear()
        self.ended.set()
        self._news.set()

    async def next(self, heartbeat: float) -> bytes:
        """What waits for it; after a silence its place, which no reader takes for an event."""
        try:
            async with asyncio.timeout(heartbeat):
                await self._news.wait()
        except TimeoutError:
            if not self._waiting:
                return self.heartbeat()
        self._news.clear()
        frames = b"".join(self._waiting)
        self._waiting.clear()
        return frames

    def heartbeat(self) -> bytes:
        """A comment, and the place to resume at: an id without data is no event."""
        return b": still here\nid: %b\n\n" % self.place.encode()


class Feed:
    """All readers of one process."""

    def __init__(
        self,
        ledger: Ledger,
        *,
        pace: Pace,
        log: QuietLog,
        most_readers: int = MOST_READERS,
        most_waiting: int = MOST_WAITING,
    ) -> None:
        self._ledger = ledger
        self._pace = pace
        self._log = log
        self._most_readers = most_readers
        self._most_waiting = most_waiting
        self._readers: set[Reader] = set()
        self._place: str | None = None
        self._lock = asyncio.Lock()
        self._looking: asyncio.Task[None] | None = None
        self._closed = False

    def __len__(self) -> int:
        return len(self._readers)

    async def open(self, after: str | None, ids: frozenset[str]) -> Reader:
        """A reader of what comes after a sequence, or from now on.

        Raises:
            Full: not now.
            LedgerUnavailable: the ledger cannot be read now.
            ValueError: the sequence is not one of the ledger's.
        """
        if self._closed or len(self._readers) >= self._most_readers:
            raise Full
        reader = Reader(after or "", ids)
        self._readers.add(reader)
        try:
            await within(ASKED, self._place_first(reader))
        except BaseException:
            self.leave(reader)
            raise
        if self._looking is None:
            self._looking = asyncio.create_task(self._keep_looking())
        return reader

    async def follow(self, reader: Reader) -> AsyncIterator[bytes]:
        """What the reader is to be sent, until it ends."""
        yield b"retry: %d\nid: %b\n\n" % (RETRY_MILLISECONDS, reader.start.encode())
        while not reader.joined and not reader.ended.is_set():
            if missed := await self._missed(reader):
                yield missed
        while not reader.ended.is_set():
            if frames := await reader.next(self._pace.heartbeat):
                yield frames

    def leave(self, reader: Reader) -> None:
        """The reader is gone. After the last one nobody looks for events any more."""
        self._readers.discard(reader)
        reader.end()
        if not self._readers:
            self._place = None
            if self._looking is not None:
                self._looking.cancel()
                self._looking = None

    def close(self) -> None:
        """End every reader's stream; take no new ones."""
        self._closed = True
        for reader in list(self._readers):
            reader.end()

    async def _place_first(self, reader: Reader) -> None:
        async with self._lock:
            if self._place is None:
                newest = await self._events(None, limit=1)
                self._place = newest[-1].sequence if newest else BEGINNING
            if not reader.place:
                waiting = [one for one in self._readers if not one.place]
                await self._look()
                for one in waiting:
                    one.start = one.place = self._place
                    one.joined = True
        if not reader.joined:
            await self._events(reader.place, limit=1)  # is it a sequence?

    async def _missed(self, reader: Reader) -> bytes:
        """A page of what the reader missed; joins it to the others after the last one."""
        try:
            page = await within(ASKED, self._next_page(reader))
        except LedgerUnavailable as error:
            # The line stands; a browser that is told 503 would not come back by itself.
            self._log.warning("events", "the ledger does not tell events: %s", error)
            await asyncio.sleep(self._pace.after_failure)
            return reader.heartbeat()
        return b"".join(shown.event(event) for event in page if reader.wants(event))

    async def _next_page(self, reader: Reader) -> list[Event]:
        async with self._lock:
            await self._look()
            return [] if reader.place == self._place else await self._page(reader)

    async def _page(self, reader: Reader) -> list[Event]:
        page = await self._events(reader.place, limit=PAGE)
        known = [event.sequence for event in page]
        if self._place in known:
            del page[known.index(self._place) + 1 :]
        if page:
            reader.place = page[-1].sequence
        # Nothing after its place: it is at the end, or comes from another ledger's future.
        reader.joined = not page or reader.place == self._place
        return page

    async def _keep_looking(self) -> None:
        while True:
            await asyncio.sleep(self._pace.poll)
            try:
                async with self._lock:
                    await self._look()
            except LedgerUnavailable as error:
                # Readers keep their lines and get what they missed later.
                self._log.warning("events", "the ledger does not tell events: %s", error)
                await asyncio.sleep(self._pace.after_failure)
            except Exception as error:  # noqa: BLE001 - a bug here must not silence all readers
                self._log.warning("events", "unexpected %r", error)
                await asyncio.sleep(self._pace.after_failure)

    async def _look(self) -> None:
        """Hand what is new to those who have joined."""
        while self._readers:
            page = await self._events(self._place, limit=PAGE)
            self._hand_on(page)
            if len(page) < PAGE:
                return

    def _hand_on(self, page: Sequence[Event]) -> None:
        joined = [reader for reader in self._readers if reader.joined]
        for event in page:
            frame = shown.event(event)
            for reader in joined:
                reader.offer(event, frame, most=self._most_waiting)
        if page and self._readers:
            self._place = page[-1].sequence

    async def _events(self, after: str | None, *, limit: int) -> list[Event]:
        return await within(ASKED, self._ledger.events(after, limit=limit))
