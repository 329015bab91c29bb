"""What every SQS operation works on, and how it reads its parameters."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from sandbox.attributes import ACCOUNT
from sandbox.errors import expired_handle, invalid, missing
from sandbox.queues import QueueJournal

if TYPE_CHECKING:
    from sandbox.queue import Queue
    from sandbox.queues import Queues
    from sandbox.waiting import Waiting


class Store(QueueJournal, Protocol):
    """Keeps what the journal hears."""

    async def committed(self) -> None:
        """Return once everything reported so far is kept."""


class Cloud:
    """Everything the operations work on."""

    def __init__(self, queues: Queues, store: Store, waiting: Waiting) -> None:
        self.queues = queues
        self.store = store
        self.waiting = waiting
        # Microseconds since the epoch, so that no number is given twice, not even by a later run:
        # an old receipt handle must never fit a new message.
        self._seq = time.time_ns() // 1000

    def next_seq(self) -> int:
        """The number of a new message."""
        self._seq += 1
        return self._seq

    def queue(self, parameters: dict[str, Any]) -> Queue:
        """The queue that a request is about."""
        url = parameters.get("QueueUrl")
        if not isinstance(url, str):
            raise missing("QueueUrl")
        return self.queues.get(url.rsplit("/", 1)[-1])


@dataclass(slots=True)
class Call:
    """One decoded request, where its queue URLs begin, and which parts of it are to fail."""

    parameters: dict[str, Any]
    origin: str
    entry_fails: Callable[[], bool]
    handle_expires: Callable[[], bool]

    def url_of(self, queue: Queue) -> str:
        """The queue's URL as this caller can reach it."""
        return f"{self.origin}/{ACCOUNT}/{queue.settings.name}"

    def handle(self, p: dict[str, Any]) -> object:
        """The receipt handle that the request, or an entry of it, names."""
        if p.get("ReceiptHandle") is None:
            raise missing("ReceiptHandle")
        if self.handle_expires():
            raise expired_handle()
        return p["ReceiptHandle"]


Answer = dict[str, Any]
Operation = Callable[[Cloud, Call], Answer]


def number(
    parameters: dict[str, Any], name: str, default: int, *, most: int, least: int = 0
) -> int:
    """Read a whole number within its range."""
    value = parameters.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise invalid(
            f"Value {value} for parameter {name} is invalid. "
            f"Reason: Must be between {least} and {most}, if provided."
        )
    return value


def strings(parameters: dict[str, Any], name: str) -> list[str]:
    """Read a list of names."""
    value = parameters.get(name) or []
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise invalid(f"{name} must be a list of strings.")
    return value
