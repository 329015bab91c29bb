"""The source of letters: one partition a queue (or shard of one), read in the background.

`next_batch` takes what the receives have brought and never waits. A reader keeps as many long polls
open as the backlog calls for (`gomail.receiving`) and the room of the providers allows. A letter is
let go at every way out: what was received and not emitted when the process stops goes back at once,
what a closed long poll caught comes back when its visibility ends.
"""

import asyncio
import logging
import math
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime

from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition

from flows.desk import Desk, Lane
from flows.loop import Loop
from flows.loopback import ALWAYS_DUE
from flows.mail import Letter, Settlement, letter
from flows.settle import Settler
from flows.stopping import Stop
from gomail.errors import QueueError
from gomail.queue import Queue, Received
from gomail.receiving import Pause, Width, catch
from gomail.settings import SETTLING_MARGIN
from gomail.settlement import NO_ROOM_DELAY, Return

log = logging.getLogger(__name__)

LONGEST_POLL = 20
"""Seconds: the longest that SQS allows, and the cheapest."""
EXTRA_POLL = 1
"""Seconds a further receive of the same partition waits: each that stays empty narrows the width,
and its room is soon free for others."""
STARVED_RETRY = 0.05
"""Seconds until a reader without room looks again; a settled letter wakes it sooner."""
CLOSING_GRACE = 2.0
"""Seconds an open long poll gets when the process stops."""
MOST_LETTERS = 100
"""Letters emitted in one batch."""
FIRST_BACKOFF, LONGEST_BACKOFF = 0.2, 30.0
"""Seconds between receives that fail, doubling."""


class Reader:
    """Reads one queue for one worker. Everything but `take` runs on the courier's loop."""

    def __init__(
        self,
        url: str,
        *,
        queue: Queue,
        loop: Loop,
        desk: Desk,
        lane: Lane,
        settler: Settler,
        visibility: int,
        send_timeout: float,
        max_receivers: int,
        pause: float = 0.0,
    ) -> None:
        lane.partitions += 1
        self.stopping = False
        """No more is received, and what has been is not taken any more."""
        self.closed = False
        """Everything received has been taken or given back."""
        self._url, self._queue, self._loop = url, queue, loop
        self._desk, self._lane, self._settler = desk, lane, settler
        self._visibility = visibility
        self._long_poll = long_poll(visibility, send_timeout)
        self._width = Width(max_receivers)
        self._pause = Pause(pause)
        self._fetched: deque[Letter] = deque()
        self._open: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()
        self._long_poll_open = False
        self._failures = 0
        self._not_before = 0.0

    def take(self) -> list[Letter]:
        """What has been received; from the worker's thread."""
        fetched = self._fetched
        letters = [fetched.popleft() for _ in range(min(len(fetched), MOST_LETTERS))]
        if letters:
            self._lane.idle_rounds = 0
        return letters

    def wake(self) -> None:
        """Look again whether there is room for another receive."""
        self._wake.set()

    async def run(self) -> None:
        """Keep the right number of receives open until stopped."""
        while not self.stopping:
            self._wake.clear()
            starved = self._open_receives()
            timer = self._loop.loop.call_later(starved, self._wake.set) if starved else None
            await self._wake.wait()
            if timer:
                timer.cancel()
        await self._close()

    def _open_receives(self) -> float:
        """Open what width and room allow; seconds until looking again, 0 for not by the clock."""
        while len(self._open) < self._width.value:
            if (left := self._not_before - self._desk.monotonic()) > 0:
                return left
            first = not self._long_poll_open
            if not (asked := self._lane.reserve(first=first)):
                return STARVED_RETRY
            self._long_poll_open = True
            task = self._loop.loop.create_task(self._receive(asked, first=first))
            self._open.add(task)
            task.add_done_callback(self._received)
        return 0.0

    def _received(self, task: "asyncio.Task[None]") -> None:
        self._open.discard(task)
        self._wake.set()

    async def _receive(self, asked: int, *, first: bool) -> None:
        began = self._desk.monotonic()
        letters: list[Letter] = []
        try:
            received = await self._queue.receive(
                self._url,
                most=asked,
                wait=self._long_poll if first else EXTRA_POLL,
                visibility=self._visibility,
            )
            self._failures = 0
            deadline = began + self._visibility
            letters = [
                letter(one, queue=self._url, deadline=deadline, lane=self._lane.index)
                for one in received
            ]
            self._follow(asked, received)
        except QueueError as error:
            # Nothing is in hand: what the queue may have handed out shows again by itself.
            self._slow_down(error)
        except Exception:
            # As above; a fault of our own must not end the reading of this queue.
            log.exception("receiving from %s failed", self._url)
            self._slow_down(None)
        finally:
            # Also when the long poll is closed: its credits go back.
            excess = self._lane.landed(asked, letters, first=first)
            self._long_poll_open &= not first
            self._fetched.extend(letters[: len(letters) - len(excess)])
            self._settler.settle([Settlement(one, Return(NO_ROOM_DELAY)) for one in excess])
        if self._width.asks_depth(self._desk.monotonic()):
            await self._ask_depth()

    def _follow(self, asked: int, received: Sequence[Received]) -> None:
        now = self._desk.wall()
        ages = [now - one.sent_at for one in received if one.receive_count == 1]
        caught = catch(asked, ages, len(received))
        self._width.after(caught)
        monotonic = self._desk.monotonic()
        if (pause := self._pause.after(caught, monotonic)) > 0:
            self._not_before = max(self._not_before, monotonic + pause)

    async def _ask_depth(self) -> None:
        try:
            self._width.jump((await self._queue.info(self._url)).waiting)
        except QueueError as error:  # the width grows without it too, by doubling
            log.debug("depth of %s not known: %s", self._url, error)

    def _slow_down(self, error: QueueError | None) -> None:
        self._failures += 1
        pause = min(LONGEST_BACKOFF, FIRST_BACKOFF * 2 ** min(self._failures - 1, 10))
        pause *= 0.5 + 0.5 * self._desk.random()
        self._not_before = self._desk.monotonic() + pause
        if error is not None:
            log.warning("receiving from %s: %s; again in %.1f s", self._url, error, pause)

    def stop(self) -> None:
        """Begin no more receives."""
        self.stopping = True
        self._wake.set()

    async def _close(self) -> None:
        if self._open:
            await asyncio.wait(self._open, timeout=CLOSING_GRACE)
        for task in list(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)
        left = list(self._fetched)
        self._fetched.clear()
        self._settler.settle([Settlement(one, Return(0)) for one in left])
        self.closed = True


def long_poll(visibility: int, send_timeout: float) -> int:
    """Seconds a receive may wait, so that what comes at its end can still be sent.

    A letter's time counts from before the call: nobody knows when in its course the queue began to
    hide it.
    """
    return max(1, min(LONGEST_POLL, math.floor(visibility - send_timeout - SETTLING_MARGIN - 1)))


class LetterSource(FixedPartitionedSource[Letter, None]):
    """The queues, one partition each, or `shards` of them.

    Args:
        urls: the queues that are read.
        retired: names of partitions of an earlier configuration. A flow resumed from a recovery
            store insists on every partition it knew; these read nothing and end when the flow does.
        shards: partitions a queue.
        open_reader: makes and starts the reader of a queue.
        stop: says when retired partitions end.
    """

    def __init__(
        self,
        urls: Sequence[str],
        *,
        retired: Sequence[str] = (),
        shards: int = 1,
        open_reader: Callable[[str], "Reader"],
        stop: Stop,
    ) -> None:
        self._parts = {part: url for url in urls for part in _parts(url, shards)}
        self._retired = [name for name in retired if name not in self._parts]
        self._open_reader = open_reader
        self._stop = stop

    def list_parts(self) -> list[str]:
        """Every partition, read or retired."""
        return [*self._parts, *self._retired]

    def build_part(
        self,
        step_id: str,  # noqa: ARG002 - the base class fixes the signature
        for_part: str,
        resume_state: None,  # noqa: ARG002 - what is in flight is the queue's business
    ) -> "StatefulSourcePartition[Letter, None]":
        """Begin to read a partition."""
        url = self._parts.get(for_part)
        return _Retired(self._stop) if url is None else _Partition(self._open_reader(url))


def _parts(url: str, shards: int) -> list[str]:
    return [url] if shards == 1 else [f"{url}#{shard}" for shard in range(shards)]


class _Partition(StatefulSourcePartition[Letter, None]):
    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def next_batch(self) -> list[Letter]:
        if self._reader.closed:
            raise StopIteration
        return [] if self._reader.stopping else self._reader.take()

    def next_awake(self) -> datetime:
        return ALWAYS_DUE

    def snapshot(self) -> None:
        return None


class _Retired(StatefulSourcePartition[Letter, None]):
    def __init__(self, stop: Stop) -> None:
        self._stop = stop

    def next_batch(self) -> list[Letter]:
        if self._stop.asked:
            raise StopIteration
        return []

    def next_awake(self) -> datetime:
        return ALWAYS_DUE

    def snapshot(self) -> None:
        return None
