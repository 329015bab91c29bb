"""The queue port: what the API and the dispatcher ask of a queue, in values of our own.

Adapters do I/O and decide nothing. Every batched call answers per entry: what is not named as done
is not done. A whole call that failed raises `QueueUnavailable` or `QueueRefused`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from gomail.value import value

BATCH = 10
"""Most entries SQS takes in one batched call and gives in one receive."""
LONGEST_DELAY = 900
"""Seconds that SQS can hold back a new message."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One message to put on a queue; `key` names it in the answer, unique within the call."""

    key: str
    body: str
    attributes: Mapping[str, str] | None = None
    """String message attributes; they count towards the size limit."""
    delay: int = 0
    """Seconds for which the queue keeps it hidden at first; at most `LONGEST_DELAY`."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Why one entry of a batch was not done."""

    code: str
    text: str
    permanent: bool
    """The same entry would be refused again."""


@value
class Received:
    """One message as a receive brought it."""

    queue_message_id: str
    handle: str
    body: str
    receive_count: int
    sent_at: float
    """Seconds since the epoch, by the queue's clock."""
    attributes: Mapping[str, str] | None = None
    """Its string message attributes; None where nobody asked for them."""
    source_arn: str = ""
    """The queue from which SQS itself moved it here, where it did and somebody asked."""


@dataclass(frozen=True, slots=True)
class QueueInfo:
    """What a queue says of itself."""

    waiting: int
    """Visible messages, approximately."""
    max_message_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueDescription:
    """How a queue is set up, and what is on it; counts are approximate, times in seconds."""

    arn: str
    waiting: int
    hidden: int
    """Received and not settled yet, or returned with a delay."""
    delayed: int
    """Sent with a delay that is not over."""
    max_message_bytes: int
    visibility: int
    """For which a receive hides a message if it does not say otherwise."""
    retention: int
    """After which a message is forgotten, wherever it is."""
    delay: int
    """For which a new message is hidden if it does not say otherwise."""
    fifo: bool
    dead_letter_arn: str = ""
    """Where the redrive policy leads; empty without one."""
    max_receives: int = 0
    """After more receives than this a message goes there."""


class Sender(Protocol):
    """What the API and dead-lettering need."""

    async def send(
        self, queue: str, entries: Sequence[Entry], *, timeout: float
    ) -> dict[str, str | Fault]:
        """Put up to ten messages on a queue; answers key → SQS message id, or the fault."""
        ...


class Consumer(Protocol):
    """What the dispatcher needs."""

    async def receive(self, queue: str, *, most: int, wait: int, visibility: int) -> list[Received]:
        """Long-poll for `wait` seconds; what is received stays hidden `visibility` seconds."""
        ...

    async def delete(self, queue: str, handles: Sequence[str]) -> dict[str, Fault | None]:
        """Delete up to ten; answers handle → None where confirmed, else the fault."""
        ...

    async def hide(self, queue: str, handles: Mapping[str, int]) -> dict[str, Fault | None]:
        """Hide up to ten for so many seconds from now (0: visible at once); answers as `delete`."""
        ...


class Browser(Protocol):
    """What looking at dead letters needs."""

    async def browse(self, queue: str, *, most: int, wait: int, visibility: int) -> list[Received]:
        """As `receive`, with attributes and source; larger answers, so nothing for the way of mail.

        It counts as a receive, too: SQS has no other way of reading.
        """
        ...


class Inspector(Protocol):
    """What start-up, readiness and the receive policy need."""

    async def info(self, queue: str) -> QueueInfo:
        """Ask the queue's attributes."""
        ...


class Describer(Protocol):
    """What a check of the set-up needs."""

    async def describe(self, queue: str) -> QueueDescription:
        """Ask everything that a queue says of itself."""
        ...


class Queue(Sender, Consumer, Inspector, Protocol):
    """All of it; an adapter implements this, a caller asks for the narrowest part."""
