"""The asyncio loop in a thread that does all the I/O of a dispatch process."""

import asyncio
import logging
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import uvloop

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
        """Have the loop call a function soon; from any thread. A loop that has ended does not."""
        if not self.loop.is_closed():
            self.loop.call_soon_threadsafe(function, *args)

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the loop and wait for it; for start and end only."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result()

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Start a task on the loop; only from its thread."""
        self.keep(self.loop.create_task(work))

    def later(self, seconds: float, function: Callable[..., object], *args: object) -> None:
        """Call a function after a while; only from the loop's thread."""
        self.loop.call_later(seconds, function, *args)

    def start(self, work: Coroutine[Any, Any, None]) -> Callable[[], None]:
        """Start a task that goes on until what is returned is called; not from the loop's thread.

        That ends it, and waits until it has ended.
        """

        async def begin() -> asyncio.Task[None]:
            task = self.loop.create_task(work)
            self.keep(task)
            return task

        async def end() -> None:
            task.cancel()
            await asyncio.wait([task])

        task = self.wait(begin())
        return lambda: self.wait(end())

    def keep(self, task: "asyncio.Task[Any]") -> None:
        """Hold on to a task until it is done; only from the loop's thread."""
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            # Letters in its hands stay there, and show again when their visibility ends.
            log.error("a task of the courier raised", exc_info=error)

    def close(self) -> None:
        """Stop the loop and its thread."""
        if self._thread.is_alive():
            self.call(self.loop.stop)
            self._thread.join(timeout=1)
        if not self._thread.is_alive():
            self.loop.close()
