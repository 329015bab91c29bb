"""A queue that does what a test tells it, a clock that a test moves, and builders with defaults."""

import asyncio
import heapq
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import count

from gomail.errors import QueueError
from gomail.queue import Entry, Fault, QueueInfo
from gomail.settings import Settings

Q1, Q2 = "http://queues.example.com/1/q1", "http://queues.example.com/1/q2"
FIELDS = {"fromEmail": "shop@example.com", "toEmail": "ada@example.com", "body": "Hello"}

Answer = Mapping[str, str | Fault]
Script = Callable[[str, Sequence[Entry]], Answer | Awaitable[Answer]]


def settings(*, ledger: str = "", **ingest: object) -> Settings:
    return Settings(
        queues={"urls": [Q1, Q2], "dead_letter": "http://queues.example.com/1/dead"},
        providers={"ses": {}},
        aws={"region": "eu-west-1"},
        # Short, so that a queue that refuses for good costs no test the time of a second round.
        ingest={"web_client": "", "keys_file": "", "enqueue_timeout": 0.5, **ingest},
        ledger={"url": ledger},
    )


def email(**fields: object) -> dict[str, object]:
    return {"email": {**FIELDS, **fields}}


def take_all(_queue: str, entries: Sequence[Entry]) -> Answer:
    return {entry.key: f"sqs-{entry.key}" for entry in entries}


def refuse_all(error: QueueError) -> Script:
    def script(_queue: str, _entries: Sequence[Entry]) -> Answer:
        raise error

    return script


def fault_all(code: str, *, text: str = "", permanent: bool = True) -> Script:
    return lambda _queue, entries: {e.key: Fault(code, text, permanent) for e in entries}


class ScriptedQueue:
    """Sender and inspector; notes every call."""

    def __init__(self, script: Script = take_all) -> None:
        self.script = script
        self.scripts: dict[str, Script] = {}
        self.size: int | QueueError = 1_048_576
        self.calls: list[tuple[str, list[Entry]]] = []
        self.timeouts: list[float] = []
        self.on: dict[str, list[Entry]] = {}
        self.looks = 0
        self.closed = False

    async def send(
        self, queue: str, entries: Sequence[Entry], *, timeout: float
    ) -> dict[str, str | Fault]:
        self.calls.append((queue, list(entries)))
        self.timeouts.append(timeout)
        answer = self.scripts.get(queue, self.script)(queue, entries)
        given = dict(await answer if isinstance(answer, Awaitable) else answer)
        taken = [entry for entry in entries if isinstance(given.get(entry.key), str)]
        self.on.setdefault(queue, []).extend(taken)
        return given

    async def info(self, _queue: str) -> QueueInfo:
        self.looks += 1
        if isinstance(self.size, QueueError):
            raise self.size
        return QueueInfo(waiting=0, max_message_bytes=self.size)

    @property
    def bodies(self) -> list[str]:
        return [entry.body for entries in self.on.values() for entry in entries]

    @asynccontextmanager
    async def open(self, _settings: Settings) -> AsyncIterator["ScriptedQueue"]:
        yield self
        self.closed = True


class ScriptedClock:
    """The part of an event loop that knows the time; only a test moves it."""

    def __init__(self) -> None:
        self.now = 100.0
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()

    def time(self) -> float:
        return self.now

    def call_later(self, delay: float, callback: Callable[[], None], /) -> None:
        heapq.heappush(self._timers, (self.now + delay, next(self._order), callback))

    def move(self, seconds: float) -> None:
        until = self.now + seconds
        while self._timers and self._timers[0][0] <= until:
            self.now, _, callback = heapq.heappop(self._timers)
            callback()
        self.now = until


async def settle() -> None:
    """Let everything run that can run without time passing."""
    for _ in range(20):
        await asyncio.sleep(0)
