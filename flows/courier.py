"""The asyncio loop in a thread that does all the I/O of a dispatch process.

Workers hand it batches and go on at once; one crossing of threads serves a whole batch, since a
crossing a message costs a third more CPU. What a send brings goes back to the worker that asked for
it through its lane.
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, TypeVar

import uvloop

from flows.desk import Desk, Lane
from flows.mail import Attempt, Routed
from gomail.email import Message
from gomail.outcome import Outcome, OutcomeClass
from gomail.providers import Provider
from gomail.settings import SETTLING_MARGIN

log = logging.getLogger(__name__)

T = TypeVar("T")


class Loop:
    """An event loop of its own in a daemon thread."""

    def __init__(self) -> None:
        self.loop = uvloop.new_event_loop()
        self._tasks: set[asyncio.Task[Any]] = set()  # asyncio itself holds them weakly
        self._thread = threading.Thread(target=self._run, name="courier", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()

    def call(self, function: Callable[..., object], *args: object) -> None:
        """Have the loop call a function soon; from any thread."""
        self.loop.call_soon_threadsafe(function, *args)

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the loop and wait for it; for start and end only."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result()

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Start a task on the loop; only from its thread."""
        task = self.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            # Its letters stay in hand, and show again when their visibility ends.
            log.error("a task of the courier raised", exc_info=error)

    def close(self) -> None:
        """Stop the loop and its thread."""
        if self._thread.is_alive():
            self.call(self.loop.stop)
            self._thread.join(timeout=1)


class Courier:
    """Sends letters and puts the attempts on the lanes they came from."""

    def __init__(
        self,
        loop: Loop,
        desk: Desk,
        providers: Mapping[str, Provider],
        *,
        send_timeout: float,
    ) -> None:
        self._loop = loop
        self._desk = desk
        self._providers = providers
        self._send_timeout = send_timeout

    def send(self, lane: Lane, batch: Sequence[Routed]) -> None:
        """Hand over a batch; never blocks. From the worker's thread."""
        self._loop.call(self._begin, lane, batch)

    def _begin(self, lane: Lane, batch: Sequence[Routed]) -> None:
        for routed in batch:
            self._loop.spawn(self._attempt(lane, routed))

    async def _attempt(self, lane: Lane, routed: Routed) -> None:
        letter = routed.letter
        left = letter.deadline - self._desk.monotonic()
        if left < self._send_timeout + SETTLING_MARGIN:
            lane.attempts.append(Attempt(routed, None))
            return
        lane.attempts.append(Attempt(routed, await self._send(routed)))

    async def _send(self, routed: Routed) -> Outcome:
        letter = routed.letter
        assert letter.email is not None, "only what has been read is routed"
        message = Message(letter.id, letter.email, letter.accepted_at)
        try:
            return await self._providers[routed.provider].send(message, timeout=self._send_timeout)
        except Exception as error:
            # A provider must not raise; if one does all the same, the email may be out already.
            log.exception("provider %s raised on message %s", routed.provider, letter.id)
            return Outcome(OutcomeClass.UNKNOWN, code=type(error).__name__)
