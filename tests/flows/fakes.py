"""Queues and providers in memory, for dataflow tests: real semantics, and faults by script.

Several event loops (two processes of a cluster are two threads here) may share one fake.
"""

import asyncio
import itertools
import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TypeVar

from gomail.email import Email, Message
from gomail.errors import QueueRefused, QueueUnavailable
from gomail.outcome import Outcome, OutcomeClass
from gomail.providers import Finding
from gomail.queue import BATCH, Entry, Fault, QueueDescription, QueueInfo, Received

LIMIT = 1_048_576

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Not done, and the answer does not name the entry."""


@dataclass(frozen=True, slots=True)
class Lost:
    """Done, and the answer gets lost on its way."""


@dataclass(frozen=True, slots=True)
class Partly:
    """The first entry is done, the second meets the fault, and so on in turn."""

    fault: Fault | LeftOut


Reaction = Exception | Fault | LeftOut | Lost | Partly | None
"""How the queue departs from its duty in one call; None: it does not."""


@dataclass(slots=True)
class Held:
    """One message on a queue."""

    id: str
    body: str
    attributes: Mapping[str, str]
    sent_at: float
    due: float = 0.0
    """Visible from then on, by the monotonic clock."""
    receives: int = 0

    @property
    def handle(self) -> str:
        return f"{self.id}/{self.receives}"


class FakeQueue:
    """Implements `gomail.queue.Queue` in memory.

    The visibility that a receive asks for is real; delays that `hide` asks for are shortened by
    `delays`, so that a back-off of a second takes hundredths.
    """

    def __init__(self, *names: str, delays: float = 0.02) -> None:
        self.limit = LIMIT
        self.calls: Counter[str] = Counter()
        self.received: Counter[str] = Counter()
        """How often each message was handed out, by its SQS id."""
        self.hidden: list[tuple[str, int]] = []
        """Every message given back, with the seconds asked for."""
        self.open_polls = 0
        self.closed_polls = 0
        """Long polls that their caller cut off."""
        self._delays = delays
        self._lock = threading.RLock()
        self._numbers = itertools.count(1)
        self._queues: dict[str, dict[str, Held]] = {name: {} for name in names}
        self._scripts: defaultdict[str, deque[Reaction]] = defaultdict(deque)
        self._always: dict[str, Reaction] = {}
        self._waiters: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()
        self._ended = False

    # -- what tests do and see -----------------------------------------------------------------

    def put(self, queue: str, body: str, *, sent_at: float | None = None) -> str:
        """Put a message on a queue; its SQS id."""
        return self._add(queue, body, {}, time.time() if sent_at is None else sent_at)

    def on(self, queue: str) -> list[Held]:
        """What a queue holds, visible or not."""
        with self._lock:
            return list(self._queues[queue].values())

    def visible(self, queue: str) -> int:
        with self._lock:
            return sum(one.due <= time.monotonic() for one in self._queues[queue].values())

    def show(self, queue: str, message_id: str) -> None:
        """End a message's visibility timeout now; the handle stays good until its next receive."""
        with self._lock:
            self._queues[queue][message_id].due = 0.0
            self._wake()

    def script(self, operation: str, *reactions: Reaction) -> None:
        """How the next calls of `receive`, `delete`, `hide` or `send` go wrong, one each."""
        with self._lock:
            self._scripts[operation].extend(reactions)

    @contextmanager
    def broken(self, operation: str, reaction: Reaction) -> Iterator[None]:
        """Every call of the operation goes wrong in this way meanwhile."""
        self._always[operation] = reaction
        try:
            yield
        finally:
            del self._always[operation]

    def end_polls(self) -> None:
        """Answer every long poll at once from now on, so that a flow need not wait for them."""
        with self._lock:
            self._ended = True
            self._wake()

    def begin_polls(self) -> None:
        self._ended = False

    # -- the port ------------------------------------------------------------------------------

    async def send(
        self, queue: str, entries: Sequence[Entry], *, timeout: float
    ) -> dict[str, str | Fault]:
        assert timeout > 0
        assert len(entries) <= BATCH
        reaction = self._reaction("send", queue)
        answers: dict[str, str | Fault] = {}
        with self._lock:
            for index, entry in enumerate(entries):
                fault = _struck(reaction, index) or _fault(entry, self.limit)
                if isinstance(fault, Fault):
                    answers[entry.key] = fault
                elif fault is None:
                    attributes = entry.attributes or {}
                    answers[entry.key] = self._add(queue, entry.body, attributes, time.time())
        return _delivered(answers, reaction)

    async def receive(self, queue: str, *, most: int, wait: int, visibility: int) -> list[Received]:
        assert 1 <= most <= BATCH
        self._reaction("receive", queue)
        loop = asyncio.get_running_loop()
        deadline = time.monotonic() + wait
        self.open_polls += 1
        try:
            while True:
                waiter = (loop, asyncio.Event())
                with self._lock:
                    taken = self._take(queue, most, visibility)
                    now = time.monotonic()
                    if taken or self._ended or now >= deadline:
                        return taken
                    self._waiters.add(waiter)
                    soonest = min((one.due for one in self.on(queue)), default=deadline)
                await self._wait(waiter, min(deadline, soonest) - now)
        except asyncio.CancelledError:
            self.closed_polls += 1
            raise
        finally:
            self.open_polls -= 1

    async def delete(self, queue: str, handles: Sequence[str]) -> dict[str, Fault | None]:
        def remove(held: Held, handle: str) -> None:
            if held.handle == handle:  # an outdated one is confirmed, and deletes nothing
                del self._queues[queue][held.id]

        return self._settle("delete", queue, handles, remove)

    async def hide(self, queue: str, handles: Mapping[str, int]) -> dict[str, Fault | None]:
        def again(held: Held, handle: str) -> Fault | None:
            if held.handle != handle:
                return Fault("MessageNotInflight", "an outdated handle", permanent=True)
            self.hidden.append((held.id, handles[handle]))
            held.due = time.monotonic() + handles[handle] * self._delays
            self._wake()
            return None

        return self._settle("hide", queue, list(handles), again)

    async def info(self, queue: str) -> QueueInfo:
        self._reaction("info", queue)
        return QueueInfo(waiting=self.visible(queue), max_message_bytes=self.limit)

    async def describe(self, queue: str) -> QueueDescription:
        self._reaction("describe", queue)
        waiting = self.visible(queue)
        return QueueDescription(
            arn=f"arn:{queue}",
            waiting=waiting,
            hidden=len(self.on(queue)) - waiting,
            delayed=0,
            max_message_bytes=self.limit,
            visibility=30,
            retention=345_600,
            delay=0,
            fifo=False,
        )

    # -- within --------------------------------------------------------------------------------

    def _reaction(self, operation: str, queue: str) -> Reaction:
        if queue not in self._queues:
            raise QueueRefused(f"{operation} at {queue}", code="QueueDoesNotExist")
        with self._lock:
            self.calls[operation] += 1
            script = self._scripts[operation]
            reaction = script.popleft() if script else self._always.get(operation)
        if isinstance(reaction, Exception):
            raise reaction
        return reaction

    def _add(self, queue: str, body: str, attributes: Mapping[str, str], sent_at: float) -> str:
        with self._lock:
            message_id = f"sqs-{next(self._numbers)}"
            self._queues[queue][message_id] = Held(message_id, body, attributes, sent_at)
            self._wake()
            return message_id

    def _take(self, queue: str, most: int, visibility: int) -> list[Received]:
        now = time.monotonic()
        ready = (one for one in self._queues[queue].values() if one.due <= now)
        taken = []
        for held in itertools.islice(ready, most):
            held.receives += 1
            held.due = now + visibility
            self.received[held.id] += 1
            taken.append(Received(held.id, held.handle, held.body, held.receives, held.sent_at))
        return taken

    def _settle(
        self,
        operation: str,
        queue: str,
        handles: Sequence[str],
        act: Callable[[Held, str], Fault | None],
    ) -> dict[str, Fault | None]:
        assert 1 <= len(handles) <= BATCH
        assert len(set(handles)) == len(handles)
        reaction = self._reaction(operation, queue)
        answers: dict[str, Fault | None] = {}
        with self._lock:
            for index, handle in enumerate(handles):
                fault = _struck(reaction, index)
                if not isinstance(fault, LeftOut):
                    answers[handle] = fault or self._act(queue, handle, act)
        return _delivered(answers, reaction)

    def _act(
        self, queue: str, handle: str, act: Callable[[Held, str], Fault | None]
    ) -> Fault | None:
        message_id, slash, _ = handle.partition("/")
        if not slash:
            return Fault("ReceiptHandleIsInvalid", handle, permanent=True)
        held = self._queues[queue].get(message_id)
        return act(held, handle) if held else None  # SQS confirms what is gone already

    async def _wait(
        self, waiter: tuple[asyncio.AbstractEventLoop, asyncio.Event], seconds: float
    ) -> None:
        try:
            async with asyncio.timeout(seconds):
                await waiter[1].wait()
        except TimeoutError:
            pass
        finally:
            with self._lock:
                self._waiters.discard(waiter)

    def _wake(self) -> None:
        for loop, event in self._waiters:
            with suppress(RuntimeError):  # the loop of a flow that has ended
                loop.call_soon_threadsafe(event.set)


def _struck(reaction: Reaction, index: int) -> Fault | LeftOut | None:
    match reaction:
        case Fault() | LeftOut():
            return reaction
        case Partly(fault):
            return fault if index % 2 else None
        case _:
            return None


def _fault(entry: Entry, limit: int) -> Fault | None:
    try:
        size = _size(entry)
    except UnicodeEncodeError as error:
        return Fault("InvalidMessageContents", str(error), permanent=True)
    text = f"{size} bytes are more than {limit}"
    return Fault("InvalidParameterValue", text, permanent=True) if size > limit else None


def _size(entry: Entry) -> int:
    attributes = entry.attributes or {}
    return len(entry.body.encode()) + sum(
        len(name.encode()) + len("String") + len(value.encode())
        for name, value in attributes.items()
    )


def _delivered(answers: dict[str, T], reaction: Reaction) -> dict[str, T]:
    if isinstance(reaction, Lost):
        raise QueueUnavailable("the answer was lost")
    return answers


# -- providers ---------------------------------------------------------------------------------


class Hang:
    """The provider is silent until the time of the send is over."""


class HangForEver:
    """The provider is silent, and whoever sends waits for it beyond all limits."""


Answer = Outcome | Hang | HangForEver


def accepting(_: Message) -> Answer:
    return Outcome(OutcomeClass.ACCEPTED)


def answering(kind: str, **given: object) -> Callable[[Message], Answer]:
    """A provider that says the same to every message."""
    outcome = Outcome(OutcomeClass(kind), **given)
    return lambda _: outcome


def in_turn(*answers: Answer) -> Callable[[Message], Answer]:
    """A provider that gives these answers, the last one for ever."""
    left = deque(answers)
    return lambda _: left.popleft() if len(left) > 1 else left[0]


@dataclass
class FakeProvider:
    """Implements `gomail.providers.Provider`; `script` says what becomes of each message."""

    name: str
    script: Callable[[Message], Answer] = accepting
    latency: float = 0.0
    unable: Callable[[Email], str | None] = lambda _: None
    calls: list[str] = field(default_factory=list)
    """Ids of the messages it was asked to send, in order."""
    accepted: list[str] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    _open: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._open.set()

    def hold(self) -> None:
        """Keep every send waiting until `release`."""
        self._open.clear()

    def release(self) -> None:
        self._open.set()

    def why_unable(self, email: Email) -> str | None:
        return self.unable(email)

    async def limits(self) -> None:
        return None

    async def check(self) -> list[Finding]:
        return []

    async def close(self) -> None:
        pass

    async def send(self, message: Message, *, timeout: float) -> Outcome:
        self.calls.append(message.id)
        self.messages.append(message)
        answer = self.script(message)
        if self.latency:
            await asyncio.sleep(self.latency)
        while not self._open.is_set():  # noqa: ASYNC110 - a switch for several loops at once
            await asyncio.sleep(0.002)
        if isinstance(answer, HangForEver):
            await asyncio.get_running_loop().create_future()
        if isinstance(answer, Hang):
            await asyncio.sleep(timeout)
            return Outcome(OutcomeClass.UNKNOWN, code="timeout")
        if answer.kind is OutcomeClass.ACCEPTED:
            self.accepted.append(message.id)
        return answer


def times(ids: Iterable[str]) -> dict[str, int]:
    """How often each id occurs."""
    return dict(Counter(ids))
