"""How a dispatch process ends: the first signal drains it, the second ends it at once."""

import logging
import os
import signal
import time
from collections.abc import Callable
from types import FrameType

log = logging.getLogger(__name__)

SIGNALS = (signal.SIGTERM, signal.SIGINT)
ENDED_AT_ONCE = 130


class Stop:
    """Whether the process has been asked to stop, and until when it may drain."""

    def __init__(
        self, drain_timeout: float, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.asked = False
        self._drain_timeout, self._monotonic = drain_timeout, monotonic
        self._asked_at = 0.0
        self._then: list[Callable[[], None]] = []

    def then(self, function: Callable[[], None]) -> None:
        """Have a function called when the stop is asked for; at once where it has been.

        One that comes at that very moment may be called twice.
        """
        self._then.append(function)
        if self.asked:
            function()

    def ask(self) -> None:
        """Begin to drain."""
        self._asked_at = self._monotonic()
        self.asked = True
        for function in self._then:
            function()

    def over(self) -> bool:
        """Whether the time to drain has passed."""
        return self.asked and self._monotonic() - self._asked_at >= self._drain_timeout

    def on_signals(self) -> None:
        """Install the handlers; bytewax itself does not handle SIGTERM."""
        for number in SIGNALS:
            signal.signal(number, self._handle)

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if self.asked:  # what is in hand comes back after its visibility timeout
            log.warning("second signal: ending at once")
            os._exit(ENDED_AT_ONCE)
        log.info("%s: draining for up to %g s", signal.Signals(number).name, self._drain_timeout)
        self.ask()
