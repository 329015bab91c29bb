"""When messages of separate requests leave together: Nagle's rule.

With nothing in flight a message leaves at once, so a lone request waits for nobody. Otherwise
messages gather until ten wait, the last batch in flight comes back, or the oldest has waited five
milliseconds. A timer alone would charge every lone request its full length; this rule batches only
where there is something to gain.

Who waits is answered by the verdict on his own message, or told that the service is unavailable;
nobody waits beyond his time-out, because batches leave in order of arrival and each ends by its
oldest's.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from gomail.queue import BATCH, Entry
from ingest.quiet import QuietLog
from ingest.verdict import Verdict, Verdicts

MOST_IN_FLIGHT = 16
"""Batches under way at once."""
BATCH_BYTES = 1_048_576
"""Most bytes SQS takes in one call."""
LINGER = 0.005
"""Seconds after which the oldest message leaves whatever else is in flight."""
MOST_WAITING = 10_000
"""Messages that may wait; whoever comes after them is told to come back later."""
MOST_WAITING_BYTES = 64 * 1_048_576

# uvloop's timers count whole milliseconds and may go off that much early.
_TIMER_SLACK = 0.001

Deliver = Callable[[Sequence[Entry], float], Coroutine[Any, Any, Verdicts]]
"""Puts entries onto a queue before the deadline; never raises."""


class Clock(Protocol):
    """The part of an event loop that knows the time."""

    def time(self) -> float:
        """Seconds on a clock that never goes back."""
        ...

    def call_later(self, delay: float, callback: Callable[[], None], /) -> Any:
        """Call back after `delay` seconds."""
        ...


@dataclass(slots=True, eq=False)
class _Waiter:
    entry: Entry
    arrived: float
    answer: asyncio.Future[Verdict]


class Batcher:
    """One buffer for all requests of a process."""

    def __init__(self, deliver: Deliver, *, clock: Clock, timeout: float, log: QuietLog) -> None:
        self._deliver = deliver
        self._clock = clock
        self._timeout = timeout
        self._log = log
        self._waiting: deque[_Waiter] = deque()
        self._waiting_bytes = 0
        self._in_flight: set[asyncio.Task[Verdicts]] = set()
        self._timer_set = False

    async def put(self, message_id: str, body: str) -> Verdict:
        """Put a message onto some queue and say what became of it."""
        answer = self._wait(Entry(message_id, body))
        if isinstance(answer, Verdict):
            return answer
        self._send_what_is_due()
        return await answer

    async def put_all(self, entries: Sequence[Entry]) -> Verdicts:
        """Put messages of one request onto queues: full calls, because all of them are here."""
        answers = {entry.key: self._wait(entry) for entry in entries}
        self._send_what_is_due()
        return {
            key: answer if isinstance(answer, Verdict) else await answer
            for key, answer in answers.items()
        }

    async def close(self) -> None:
        """Wait for what is under way; each batch ends by its deadline."""
        while self._in_flight:
            await asyncio.wait(self._in_flight)

    def _wait(self, entry: Entry) -> "asyncio.Future[Verdict] | Verdict":
        """Where the verdict on a message will be; the verdict itself if it may not wait here."""
        size = len(entry.body)
        if size > BATCH_BYTES:
            return Verdict.TOO_LARGE
        if len(self._waiting) >= MOST_WAITING or self._waiting_bytes + size > MOST_WAITING_BYTES:
            self._log.warning("full", "refused a message: %d are waiting", len(self._waiting))
            return Verdict.UNAVAILABLE
        answer: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiter(entry, self._clock.time(), answer))
        self._waiting_bytes += size
        return answer

    def _send_what_is_due(self) -> None:
        while self._waiting and len(self._in_flight) < MOST_IN_FLIGHT and self._due():
            if batch := self._take():
                self._start(batch)
        self._set_timer()

    def _start(self, batch: list[_Waiter]) -> None:
        deadline = batch[0].arrived + self._timeout
        entries = [waiter.entry for waiter in batch]
        task = asyncio.create_task(self._deliver(entries, deadline))
        self._in_flight.add(task)
        task.add_done_callback(partial(self._returned, batch))

    def _due(self) -> bool:
        return (
            not self._in_flight
            or len(self._waiting) >= BATCH
            or self._waiting_bytes >= BATCH_BYTES
            or self._age() >= LINGER - _TIMER_SLACK
        )

    def _age(self) -> float:
        return self._clock.time() - self._waiting[0].arrived

    def _take(self) -> list[_Waiter]:
        """The oldest that fit into one call, without those whom no answer can reach in time."""
        batch: list[_Waiter] = []
        room = BATCH_BYTES
        while self._waiting and len(batch) < BATCH and len(self._waiting[0].entry.body) <= room:
            waiter = self._waiting.popleft()
            self._waiting_bytes -= len(waiter.entry.body)
            if waiter.answer.done():
                continue  # its request was cancelled: nobody was promised anything
            if self._clock.time() - waiter.arrived >= self._timeout:
                self._log.warning("late", "refused a message: its time was up before its turn")
                waiter.answer.set_result(Verdict.UNAVAILABLE)
                continue
            room -= len(waiter.entry.body)
            batch.append(waiter)
        return batch

    def _returned(self, batch: list[_Waiter], task: asyncio.Task[Verdicts]) -> None:
        self._in_flight.discard(task)
        verdicts: Verdicts = {}
        if task.cancelled() or (error := task.exception()):
            # Whoever has no verdict is told to try again. The error's text may hold a message.
            reason = "cancelled" if task.cancelled() else type(error).__name__
            self._log.warning("bug", "%d messages are without verdicts: %s", len(batch), reason)
        else:
            verdicts = task.result()
        for waiter in batch:
            if not waiter.answer.done():
                waiter.answer.set_result(verdicts.get(waiter.entry.key, Verdict.UNAVAILABLE))
        self._send_what_is_due()

    def _set_timer(self) -> None:
        # With no place in flight the next batch that returns does what the timer would.
        if self._waiting and not self._timer_set and len(self._in_flight) < MOST_IN_FLIGHT:
            self._timer_set = True
            self._clock.call_later(max(LINGER - self._age(), 0.0), self._timer_went_off)

    def _timer_went_off(self) -> None:
        self._timer_set = False
        self._send_what_is_due()
