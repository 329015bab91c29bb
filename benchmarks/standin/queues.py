"""Queues as SQS has them: long polls, visibility, receipt handles. No cost grows with the backlog.

Times are seconds of the monotonic clock; a queue never reads it.
"""

import heapq
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from hashlib import md5

import orjson


@dataclass(slots=True)
class Item:
    """One message on a queue."""

    id: str
    """Our id of the email; empty for one that came over SQS."""
    head: bytes
    """Its JSON in an answer, as far as it is always the same."""
    number: int
    sent: int = 0
    """Milliseconds since the epoch."""
    receives: int = 0
    until: float = 0.0
    """When it is visible again."""


@dataclass(slots=True)
class Poll:
    """A receive that waits."""

    answer: Callable[[bytes], None]
    is_open: Callable[[], bool]
    most: int
    visibility: float
    until: float


def item(number: int, body: str, *, id_: str = "") -> Item:
    """A message ready to be put on a queue."""
    fields = {"MessageId": message_id(number), "MD5OfBody": digest(body), "Body": body}
    return Item(id_, orjson.dumps(fields)[:-1], number)


def message_id(number: int) -> str:
    """In the form of SQS's."""
    return f"00000000-0000-4000-8000-{number:012x}"


def digest(body: str) -> str:
    """What clients check a body by."""
    return md5(body.encode(), usedforsecurity=False).hexdigest()


@dataclass
class Queue:
    """One queue."""

    ready: deque[Item] = field(default_factory=deque)
    hidden: dict[str, Item] = field(default_factory=dict)
    """By receipt handle."""
    _due: list[tuple[float, str]] = field(default_factory=list)
    """A heap: when which handle's visibility ends; stale where the item says something later."""
    _polls: deque[Poll] = field(default_factory=deque)

    @property
    def polls(self) -> int:
        """How many receives wait."""
        return sum(poll.is_open() for poll in self._polls)

    def put(self, items: Iterable[Item], now: float) -> None:
        """Make messages visible."""
        self.ready.extend(items)
        self._serve(now)

    def put_later(self, one: Item, delay: float, now: float) -> None:
        """Keep a new message hidden first."""
        self._hide(f"delayed-{one.number}", one, now + delay)

    def receive(self, poll: Poll, now: float) -> None:
        """Answer a poll, now if there is something or it does not wait, else when there is."""
        if self.ready or poll.until <= now:
            poll.answer(self._take(poll.most, now + poll.visibility))
        else:
            self._polls.append(poll)

    def delete(self, handle: str) -> None:
        """Forget a message; an old handle changes nothing, as with SQS."""
        self.hidden.pop(handle, None)

    def change(self, handle: str, seconds: float, now: float) -> bool:
        """Hide a message for so long from now; tells whether it was hidden."""
        if (one := self.hidden.get(handle)) is None:
            return False
        if seconds:
            self._hide(handle, one, now + seconds)
        else:
            del self.hidden[handle]
            self.put((one,), now)
        return True

    def tick(self, now: float) -> None:
        """Show what is due, and end the polls that have waited long enough."""
        while self._due and self._due[0][0] <= now:
            _, handle = heapq.heappop(self._due)
            one = self.hidden.get(handle)
            if one is not None and one.until <= now:
                del self.hidden[handle]
                self.ready.append(one)
        self._serve(now)
        if any(poll.until <= now or not poll.is_open() for poll in self._polls):
            over = [poll for poll in self._polls if poll.until <= now]
            self._polls = deque(p for p in self._polls if p.until > now and p.is_open())
            for poll in over:
                poll.answer(b"{}")

    def _hide(self, handle: str, one: Item, until: float) -> None:
        one.until = until
        self.hidden[handle] = one
        heapq.heappush(self._due, (until, handle))

    def _serve(self, now: float) -> None:
        while self.ready and self._polls:
            poll = self._polls.popleft()
            if poll.is_open():
                poll.answer(self._take(poll.most, now + poll.visibility))

    def _take(self, most: int, until: float) -> bytes:
        ready = self.ready
        taken = []
        for _ in range(min(most, len(ready))):
            one = ready.popleft()
            one.receives += 1
            handle = f"{one.number}-{one.receives}"
            self._hide(handle, one, until)
            taken.append(
                b'%b,"ReceiptHandle":"%b","Attributes":'
                b'{"ApproximateReceiveCount":"%d","SentTimestamp":"%d"}}'
                % (one.head, handle.encode(), one.receives, one.sent)
            )
        return b'{"Messages":[%b]}' % b",".join(taken) if taken else b"{}"
