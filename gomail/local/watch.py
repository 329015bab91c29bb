"""Does a piece of work while three processes live and nobody says stop; then ends them."""

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any, TypeVar

from gomail.local.child import Child
from gomail.local.house import Failed, House

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_MOMENT_SECONDS = 1.0

T = TypeVar("T")


class Interrupted(Exception):
    """The person, or whoever started us, says stop."""


async def under_watch(house: House, work: Coroutine[Any, Any, T]) -> T:
    """The result of the work. A second signal kills the processes at once.

    Raises:
        Interrupted: a signal said stop.
        Failed: a process ended unasked, or the work failed.
    """
    stop = asyncio.Event()
    _on_signals(house, stop)
    working = asyncio.create_task(work)
    stopped = asyncio.create_task(stop.wait())
    ends: set[asyncio.Future[Any]] = {working, stopped, house.death}
    try:
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        if working.done() and working.exception():
            # Most often it failed because somebody died, which is the better thing to say.
            await asyncio.wait(ends - {working}, timeout=_MOMENT_SECONDS)
        if stopped.done():
            raise Interrupted
        if house.death.done():
            raise Failed(obituary(house.death.result()))
        return working.result()
    finally:
        for task in (working, stopped):
            task.cancel()
        await asyncio.gather(working, stopped, return_exceptions=True)


def obituary(child: Child) -> str:
    """How it ended, and its last lines."""
    status = child.status or 0
    how = f"was ended by {signal.Signals(-status).name}" if status < 0 else f"ended ({status})"
    lines = "".join(f"\n    {line}" for line in child.last)
    return f"{child.name} {how}; its last lines ({child.log}):{lines}"


def _on_signals(house: House, stop: asyncio.Event) -> None:
    def heard() -> None:
        if stop.is_set():
            house.kill()
        stop.set()

    for number in SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, heard)
