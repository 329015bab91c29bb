"""What dispatch meets: a queue that keeps SQS's rules, and providers that follow a script."""

import asyncio
import heapq
import itertools
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

from benchmarks.simulation.clock import Clock
from gomail.email import Email, Message, encode
from gomail.outcome import Outcome
from gomail.providers import Finding, Limits
from gomail.queue import Entry, Fault, QueueInfo, Received

QUEUE_CALL = 0.005
"""Seconds a call of the queue takes."""
USUAL_LATENCY = 0.05
"""Seconds in which a provider usually answers; half of it at least, never much more than double."""


@dataclass(slots=True, eq=False)
class Held:
    """One message on the queue."""

    number: int
    body: str
    sent_at: float
    """By the simulated clock."""
    due: float = 0.0
    """Hidden until then."""
    receives: int = 0
    gone: bool = False

    @property
    def handle(self) -> str:
        """Good until it is received again."""
        return f"{self.number}/{self.receives}"


@dataclass(slots=True, eq=False)
class _Poll:
    """A long poll that waits."""

    answer: "asyncio.Future[list[Received]]"
    most: int
    visibility: int


class SimulatedQueue:
    """One queue and its dead-letter queue. The oldest visible message is handed out first."""

    def __init__(self, clock: Clock) -> None:
        self.all: list[Held] = []
        """Every message there ever was, in the order of arrival; its number is its place."""
        self.dead: list[Mapping[str, str]] = []
        """What the dead-letter queue holds: the attributes of each."""
        self.left = 0
        """Messages that are on the queue, visible or not."""
        self.told: Callable[[], None] = lambda: None
        """Told when a receive brings something."""
        self._clock = clock
        self._visible: deque[Held] = deque()
        self._hidden: list[tuple[float, int, Held]] = []
        self._order = itertools.count()
        self._polls: deque[_Poll] = deque()
        self._alarm: asyncio.TimerHandle | None = None

    # -- who fills it and looks at it ----------------------------------------------------------

    def put(self, email: Email, count: int = 1) -> None:
        """Put equal emails on the queue, under ids of their own."""
        now = self._clock.time()
        for _ in range(count):
            number = len(self.all)
            held = Held(number, encode(Message(f"m-{number}", email)), now)
            self.all.append(held)
            self._visible.append(held)
        self.left += count
        self._answer_polls()

    @property
    def visible(self) -> list[Held]:
        """What a receive could get now."""
        self._show()
        return list(self._visible)

    @property
    def hidden(self) -> list[Held]:
        """What is in flight or held back."""
        self._show()
        return [held for due, _, held in self._hidden if not held.gone and held.due == due]

    # -- the port ------------------------------------------------------------------------------

    async def receive(self, queue: str, *, most: int, wait: int, visibility: int) -> list[Received]:  # noqa: ARG002
        """Long-poll as SQS does: whatever is there at once, else what comes first."""
        self._show()
        if self._visible:
            received = self._hand_out(most, visibility)
        else:
            poll = _Poll(self._clock.create_future(), most, visibility)
            self._polls.append(poll)
            over = self._clock.call_later(wait, self._give_up, poll)
            self._set_alarm()
            received = await poll.answer
            over.cancel()
        await asyncio.sleep(QUEUE_CALL)
        if received:
            self.told()
        return received

    async def delete(self, queue: str, handles: Sequence[str]) -> dict[str, Fault | None]:  # noqa: ARG002
        """Every handle is answered; an old one deletes nothing."""
        await asyncio.sleep(QUEUE_CALL)
        for handle in handles:
            held = self._of(handle)
            if held is not None and not held.gone:
                held.gone = True
                self.left -= 1
        return dict.fromkeys(handles)

    async def hide(self, queue: str, handles: Mapping[str, int]) -> dict[str, Fault | None]:  # noqa: ARG002
        """Hide from now on for so many seconds."""
        await asyncio.sleep(QUEUE_CALL)
        for handle, delay in handles.items():
            held = self._of(handle)
            if held is not None and not held.gone:
                self._hide(held, delay)
        self._answer_polls()
        return dict.fromkeys(handles)

    async def send(
        self,
        queue: str,  # noqa: ARG002
        entries: Sequence[Entry],
        *,
        timeout: float,  # noqa: ARG002
    ) -> dict[str, str | Fault]:
        """Only dead letters are sent here."""
        await asyncio.sleep(QUEUE_CALL)
        self.dead += [entry.attributes or {} for entry in entries]
        return {entry.key: f"dead-{entry.key}" for entry in entries}

    async def info(self, queue: str) -> QueueInfo:  # noqa: ARG002
        """How many are visible."""
        await asyncio.sleep(QUEUE_CALL)
        self._show()
        return QueueInfo(waiting=len(self._visible), max_message_bytes=1_048_576)

    # -- inside --------------------------------------------------------------------------------

    def _of(self, handle: str) -> Held | None:
        number, _, receives = handle.partition("/")
        held = self.all[int(number)]
        return held if held.receives == int(receives) else None

    def _hide(self, held: Held, seconds: float) -> None:
        held.due = self._clock.time() + seconds
        heapq.heappush(self._hidden, (held.due, next(self._order), held))

    def _show(self) -> None:
        """Whose time is over is visible again."""
        now = self._clock.time()
        while self._hidden and self._hidden[0][0] <= now:
            due, _, held = heapq.heappop(self._hidden)
            if not held.gone and held.due == due:
                held.due = 0.0
                self._visible.append(held)

    def _hand_out(self, most: int, visibility: int) -> list[Received]:
        received: list[Received] = []
        while self._visible and len(received) < most:
            held = self._visible.popleft()
            held.receives += 1
            self._hide(held, visibility)
            received.append(
                Received(
                    queue_message_id=f"sqs-{held.number}",
                    handle=held.handle,
                    body=held.body,
                    receive_count=held.receives,
                    sent_at=self._clock.wall() - self._clock.time() + held.sent_at,
                )
            )
        return received

    def _give_up(self, poll: _Poll) -> None:
        if not poll.answer.done():
            self._polls.remove(poll)
            poll.answer.set_result([])

    def _answer_polls(self) -> None:
        self._show()
        while self._polls and self._visible:
            poll = self._polls.popleft()
            if not poll.answer.done():
                poll.answer.set_result(self._hand_out(poll.most, poll.visibility))
        self._set_alarm()

    def _set_alarm(self) -> None:
        """Whoever polls is woken when the next hidden message shows."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        while self._hidden and (
            self._hidden[0][2].gone or self._hidden[0][2].due != self._hidden[0][0]
        ):
            heapq.heappop(self._hidden)
        if self._polls and self._hidden:
            self._alarm = self._clock.call_at(self._hidden[0][0], self._answer_polls)


Script = Callable[[float, Message], Outcome]
"""What a provider says to a message that reaches it at a time."""


@dataclass(frozen=True, slots=True)
class Send:
    """One attempt as its provider saw it."""

    provider: str
    number: int
    """Of the message."""
    began: float
    ended: float
    outcome: Outcome


@dataclass(slots=True)
class SimulatedProvider:
    """Answers after a while, as its script says."""

    name: str
    script: Script
    clock: Clock
    random: Random
    sends: list[Send] = field(default_factory=list)
    """Of all providers of this world, in the order of the answers."""
    allowed: Limits | None = None
    """What the provider says of the account's limits."""

    async def send(self, message: Message, *, timeout: float) -> Outcome:
        """One attempt."""
        began = self.clock.time()
        latency = USUAL_LATENCY * (0.5 + self.random.expovariate(2.0))
        await asyncio.sleep(min(latency, timeout))
        outcome = self.script(began, message)
        number = int(message.id.removeprefix("m-"))
        self.sends.append(Send(self.name, number, began, self.clock.time(), outcome))
        return outcome

    async def limits(self) -> Limits | None:
        """The account's limits."""
        return self.allowed

    async def check(self) -> list[Finding]:
        """Nobody asks in a simulation."""
        return []

    async def close(self) -> None:
        """It has nothing to close."""
