"""`python -m tests.e2e.mortal SUBJECT`: a dispatch worker that an email with that subject kills.

It stands for whatever a message can do to a process: a fault in a library written in C, all memory
used up. Everything else is the worker as it is.
"""

import os
import runpy
import signal
import sys
from typing import Any

from flows import dispatch
from gomail.email import Message
from gomail.outcome import Outcome
from gomail.providers import Provider

FLOW = "flows.dispatch"


class Deadly:
    """A provider whose process does not survive one email."""

    def __init__(self, real: Provider, subject: str) -> None:
        self._real, self._subject = real, subject

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    async def send(self, message: Message, *, timeout: float) -> Outcome:
        """Die, or send as ever."""
        if message.email.subject == self._subject:
            os.kill(os.getpid(), signal.SIGKILL)
        return await self._real.send(message, timeout=timeout)


def main(subject: str) -> None:
    """Run the worker."""
    open_real = dispatch.open_providers

    async def open_deadly(*given: Any) -> dict[str, Deadly]:
        return {name: Deadly(one, subject) for name, one in (await open_real(*given)).items()}

    dispatch.open_providers = open_deadly  # type: ignore[assignment]
    sys.argv = ["bytewax.run", FLOW]
    runpy.run_module("bytewax.run", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(sys.argv[1])
