"""An event loop whose time jumps to the next event: an hour passes in a second, always the same.

What runs on it is asyncio as ever. Nothing is read and nobody waits: where a loop would wait for
its next timer, its clock is moved there instead.
"""

import asyncio
import selectors
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeVar

from flows.loop import Loop

EPOCH = 1_750_000_000.0
"""The wall clock at the simulated zero, seconds since 1970."""
RESOLUTION = 1e-9

T = TypeVar("T")


class Clock(asyncio.SelectorEventLoop):
    """A loop with a clock of its own, which starts at zero."""

    def __init__(self) -> None:
        self._now = 0.0
        super().__init__(_Jump(self))
        self._clock_resolution = RESOLUTION

    def time(self) -> float:
        """Simulated seconds."""
        return self._now

    def wall(self) -> float:
        """Seconds since the epoch, simulated."""
        return EPOCH + self._now

    def advance(self, seconds: float) -> None:
        """Move the clock."""
        self._now += seconds


class _Jump(selectors.BaseSelector):
    """Has no event ever, and does not wait for one: it moves the clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._keys: dict[Any, selectors.SelectorKey] = {}

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        """The loop registers the pipe that wakes it from other threads; there are none."""
        key = selectors.SelectorKey(fileobj, fileobj, events, data)
        self._keys[fileobj] = key
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        """Forget it."""
        return self._keys.pop(fileobj)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Let the time pass that the loop would wait."""
        if timeout is None:
            raise RuntimeError("the simulation has stopped: nothing will ever happen any more")
        if timeout > 0:
            self._clock.advance(timeout)
        return []

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        """What is registered."""
        return self._keys

    def get_key(self, fileobj: Any) -> selectors.SelectorKey:
        """The key of what is registered: the loop looks before it registers."""
        return self._keys[fileobj]


class SimulatedLoop(Loop):
    """The courier's loop, in the thread that runs the simulation. What a task raises is kept."""

    def __init__(self) -> None:  # the base class starts a thread, which would have real time
        self.clock = Clock()
        self.loop = self.clock  # type: ignore[assignment]
        self._tasks: set[asyncio.Task[Any]] = set()
        self.raised: list[BaseException] = []

    def call(self, function: Callable[..., object], *args: object) -> None:
        """Call a function soon."""
        self.loop.call_soon(function, *args)

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """Run until the work is done."""
        return self.loop.run_until_complete(work)

    def run_until(self, time: float) -> None:
        """Let time pass.

        Raises:
            BaseException: the first thing that a task of the simulation has raised.
        """
        self.wait(asyncio.sleep(time - self.clock.time()))
        if self.raised:
            raise self.raised[0]

    def close(self) -> None:
        """End every task, and the loop."""

        async def end() -> None:
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

        self.wait(end())
        self.loop.close()

    def _ended(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            self.raised.append(error)
