"""Ends streams when the process is told to stop: the server would wait for them for ever.

uvicorn closes its lifespan only after the last request, and a stream of events is a request without
an end. The only sign that comes earlier is the signal itself, so its handler is preceded by ours.
"""

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def told(stop: Callable[[], None]) -> Iterator[None]:
    """Call `stop` in the event loop when the server is told to end, as well as what was to be."""
    if threading.current_thread() is not threading.main_thread():
        yield  # a test's server: signals go elsewhere
        return
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in SIGNALS}

    def heard(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(stop)
        handler = before[signal.Signals(number)]
        if callable(handler):
            handler(number, frame)

    # Without a handler the process ends at once, and so do its streams.
    ours = [number for number, handler in before.items() if callable(handler)]
    for number in ours:
        signal.signal(number, heard)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, before[number])
