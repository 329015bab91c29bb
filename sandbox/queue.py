"""The rules of one standard queue: what is ready, hidden, received, returned, deleted. Pure.

The clock is an argument (seconds since the epoch) and must not run backwards; changes are told to
a journal. No operation looks at more messages than it hands out or wakes: ready ones stand in a
deque, hidden ones in a heap by the moment they come back. A message that leaves either out of turn
stays there as a stale entry, which is skipped later, or swept out when stale ones prevail.

Departures from SQS: ready messages come in order, counts are exact, retention is looked at when a
message would be received.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, Protocol

from sandbox import receipts
from sandbox.errors import Refused, invalid
from sandbox.message import Message, State

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.attributes import Settings

MAX_IN_FLIGHT = 120_000
MAX_VISIBILITY = 43_200
_SWEEP_FROM = 64


@dataclass(slots=True)
class Trouble:
    """What queues do only where a fault is switched on; all queues of an account share one."""

    max_in_flight: int = MAX_IN_FLIGHT
    """Messages in flight in one queue."""
    repeats: Callable[[], bool] = lambda: False
    """Whether the message that is handed out now is handed out once more while it is hidden."""


class Journal(Protocol):
    """Hears of every change that a restart must not forget."""

    def added(self, queue: Queue, message: Message) -> None:
        """A message is new in this queue, sent or moved."""

    def changed(self, message: Message) -> None:
        """A message was received, or its visibility changed."""

    def removed(self, message: Message) -> None:
        """A message was deleted, or moved to another queue."""

    def emptied(self, queue: Queue) -> None:
        """All messages of the queue are gone."""


class Queue:
    """A standard queue."""

    def __init__(
        self, uid: str, settings: Settings, journal: Journal, trouble: Trouble | None = None
    ) -> None:
        self.uid = uid
        self.settings = settings
        self.dead_letters: Queue | None = None
        self.delayed = 0
        self.in_flight = 0
        self._journal = journal
        self._trouble = trouble or Trouble()
        self._repeated: deque[tuple[Message, int]] = deque()
        self._messages: dict[int, Message] = {}
        self._ready: deque[Message] = deque()
        self._hidden: list[tuple[float, int, Message]] = []

    @property
    def ready(self) -> int:
        """Messages that a receive could take now (as of the last `settle`)."""
        return len(self._messages) - self.delayed - self.in_flight

    @property
    def receivable(self) -> int:
        """Messages to be handed out now, as far as the limit of those in flight lets them out."""
        return min(self.ready + len(self._repeated), self._trouble.max_in_flight - self.in_flight)

    def settle(self, now: float) -> None:
        """Make ready what has waited long enough."""
        hidden = self._hidden
        while hidden and hidden[0][0] <= now:
            due, _, message = heappop(hidden)
            if self._is_hidden_until(message, due):
                self._count_hidden(message.state, -1)
                self._append_ready(message)

    def next_due(self) -> float | None:
        """When the next hidden message becomes ready."""
        hidden = self._hidden
        while hidden and not self._is_hidden_until(hidden[0][2], hidden[0][0]):
            heappop(hidden)
        return hidden[0][0] if hidden else None

    def send(self, message: Message, now: float, delay: float) -> None:
        """Put a new message into the queue, ready at once or after a delay."""
        self._messages[message.seq] = message
        if delay > 0:
            self._hide(message, now + delay, State.DELAYED)
        else:
            self._append_ready(message)
        self._journal.added(self, message)

    def restore(self, message: Message) -> None:
        """Take in a message that a store has kept, in the state in which it was."""
        self._messages[message.seq] = message
        if message.state is State.READY:
            self._append_ready(message)
        else:
            self._hide(message, message.due, message.state)

    def receive(self, now: float, limit: int, visibility: float) -> list[Message]:
        """Hand out up to `limit` messages and hide them for `visibility` seconds."""
        self.settle(now)
        taken = self._take_repeated(limit)
        repeated = len(taken)
        most = min(limit, self._trouble.max_in_flight - self.in_flight)
        while self._ready and len(taken) < most:
            message = self._ready.popleft()
            if message.state is not State.READY or self._is_dead(message, now):
                continue
            message.state = State.IN_FLIGHT  # no second time in this receive, if visibility is 0
            self._messages.pop(message.seq)
            taken.append(message)
        for message in taken:
            self._mark_received(message, now, visibility)
        self._repeated.extend(
            (message, message.receives)
            for message in taken[repeated:]
            if message.state is State.IN_FLIGHT and self._trouble.repeats()
        )
        return taken

    def _take_repeated(self, limit: int) -> list[Message]:
        """Messages in flight that are handed out once more, as at-least-once delivery may."""
        taken: list[Message] = []
        while self._repeated and len(taken) < limit:
            message, receives = self._repeated.popleft()
            if message.state is State.IN_FLIGHT and message.receives == receives:
                self._messages.pop(message.seq)
                self._count_hidden(message.state, -1)
                taken.append(message)
        return taken

    def handle(self, message: Message) -> str:
        """The receipt handle of the message's newest receive."""
        return receipts.issue(self.uid, message.seq, message.receives)

    def delete(self, handle: object, now: float) -> None:
        """Delete what the handle stands for; an outdated handle succeeds and deletes nothing."""
        self.settle(now)
        seq, receive = receipts.read(self.uid, handle)
        message = self._messages.get(seq)
        if message is None or message.receives != receive:
            return
        if now - message.received_at > MAX_VISIBILITY:
            raise invalid(
                f"Value {handle} for parameter ReceiptHandle is invalid. "
                "Reason: The receipt handle has expired."
            )
        self._drop(message)

    def change_visibility(self, handle: object, now: float, visibility: float) -> None:
        """Let a message in flight come back `visibility` seconds from now; 0 is at once."""
        self.settle(now)
        seq, receive = receipts.read(self.uid, handle)
        message = self._messages.get(seq)
        if message is None:
            raise invalid(
                f"Value {handle} for parameter ReceiptHandle is invalid. Reason: Message does not "
                "exist or is not available for visibility timeout change."
            )
        if message.receives != receive or message.state is not State.IN_FLIGHT:
            raise Refused("MessageNotInflight", "The specified message isn't in flight.")
        if now + visibility > message.received_at + MAX_VISIBILITY:
            raise invalid(
                f"Value {visibility:g} for parameter VisibilityTimeout is invalid. Reason: Total "
                "VisibilityTimeout for the message is beyond the limit [43200 seconds]"
            )
        self._count_hidden(message.state, -1)
        self._hide_or_show(message, now, visibility)
        self._journal.changed(message)

    def purge(self) -> None:
        """Forget every message, those in flight too."""
        for message in self._messages.values():
            message.state = State.GONE
        self._messages.clear()
        self._ready.clear()
        self._hidden.clear()
        self._repeated.clear()
        self.delayed = self.in_flight = 0
        self._journal.emptied(self)

    def _is_dead(self, message: Message, now: float) -> bool:
        """Get rid of a message that is too old or was received too often."""
        if message.sent_ms / 1000 + self.settings.retention <= now:
            self._drop(message)
            return True
        target = self.dead_letters
        if target is None or target is self or message.receives < self.settings.max_receives:
            return False
        self._drop(message)
        # A copy, because stale entries of this queue still hold the message itself.
        target.send(replace(message, source_arn=self.settings.arn), now, 0)
        return True

    def _mark_received(self, message: Message, now: float, visibility: float) -> None:
        self._messages[message.seq] = message
        message.receives += 1
        message.received_at = now
        message.first_received_ms = message.first_received_ms or int(now * 1000)
        self._hide_or_show(message, now, visibility)
        self._journal.changed(message)

    def _hide_or_show(self, message: Message, now: float, visibility: float) -> None:
        if visibility > 0:
            self._hide(message, now + visibility, State.IN_FLIGHT)
        else:
            self._append_ready(message)

    def _append_ready(self, message: Message) -> None:
        message.state = State.READY
        if len(self._ready) > 2 * self.ready + _SWEEP_FROM:
            self._ready = deque(m for m in self._ready if m.state is State.READY)
        self._ready.append(message)

    def _hide(self, message: Message, due: float, state: State) -> None:
        message.due = due
        message.state = state
        self._count_hidden(state, 1)
        if len(self._hidden) > 2 * (self.delayed + self.in_flight) + _SWEEP_FROM:
            self._hidden = [e for e in self._hidden if self._is_hidden_until(e[2], e[0])]
            heapify(self._hidden)
        heappush(self._hidden, (due, message.seq, message))

    @staticmethod
    def _is_hidden_until(message: Message, due: float) -> bool:
        return message.due == due and message.state in (State.DELAYED, State.IN_FLIGHT)

    def _count_hidden(self, state: State, by: int) -> None:
        if state is State.DELAYED:
            self.delayed += by
        elif state is State.IN_FLIGHT:
            self.in_flight += by

    def _drop(self, message: Message) -> None:
        self._count_hidden(message.state, -1)
        message.state = State.GONE
        del self._messages[message.seq]
        self._journal.removed(message)
