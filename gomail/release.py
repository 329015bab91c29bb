"""Puts scheduled emails on a queue when their time is near. Every API and dispatch process does it.

The ledger hands each email to one process for the time of its lease; that process puts it on a
queue with the seconds that are left as its delay, then tells the ledger to forget the body. What a
process does not finish is handed out again when the lease ends, so nothing is lost. What a crash
leaves behind:

- after `due`, before the queue has it: handed out again, up to a lease later;
- after the queue has it, before `released`: handed out again, and so on a queue twice with the same
  id. The dispatcher's intent tells the second copy by the ledger, as it does any copy.

The same holds where an answer is lost on its way. An email is never early: its delay counts from
the queue's receipt, is rounded up, and the dispatcher looks at the time again.
"""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import NoReturn, TypeVar

from gomail.errors import GomailError, QueueError, QueueUnavailable
from gomail.ledger import Due, Ledger, LedgerUnavailable
from gomail.queue import BATCH, Entry, Fault, Sender

logger = logging.getLogger(__name__)

PERIOD = 10.0
"""Seconds between two looks at the schedule, ± 20 %."""
AHEAD = 60_000
"""Milliseconds by which an email is on its queue before its time: several looks, so that one that
fails delays nothing."""
LEASE = 60_000
"""Milliseconds for which a process may keep what it took."""

_SEND = 5.0  # seconds a queue has to confirm
_ASK = 5.0  # seconds the ledger has to answer; nobody waits for it
_REST_OF_LEASE = 10_000  # milliseconds of it kept for telling the ledger; no send begins in them

T = TypeVar("T")


class Releaser:
    """Looks at the schedule again and again.

    Ten emails at a time, one batch of a queue: no more bodies than that are ever in hand.
    """

    def __init__(
        self,
        ledger: Ledger,
        sender: Sender,
        queues: Sequence[str],
        *,
        clock: Callable[[], float] = time.time,
        pause: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        """`clock` is in seconds since the epoch."""
        self._ledger = ledger
        self._sender = sender
        self._queues = list(queues)
        self._clock = clock
        self._pause = pause
        self._turn = random.randrange(len(self._queues))
        self._owed: list[tuple[list[str], int]] = []

    async def run(self) -> NoReturn:
        """Release until cancelled; whatever goes wrong is logged and tried again."""
        while True:
            taken = 0
            try:
                taken = await self.once()
            except GomailError as error:
                # Whatever it was doing is handed out again when its lease ends.
                logger.warning("scheduled emails wait: %s", error)
            except Exception as error:  # noqa: BLE001 - a bug here must not end the task
                logger.warning("scheduled emails wait: unexpected %r", error)
            if taken < BATCH:  # else more are due
                # Processes that started together must not look together.
                await self._pause(PERIOD * random.uniform(0.8, 1.2))

    async def once(self) -> int:
        """Release up to ten emails that are due; answers how many it took.

        Raises:
            LedgerUnavailable: what is due is not known, or what was released is not noted.
            QueueError: no queue took anything.
        """
        await self._pay()
        now = self._now()
        due = await _within(_ASK, self._ledger.due(now + AHEAD, now=now, lease=LEASE, limit=BATCH))
        if due and (confirmed := await self._send(due, until=now + LEASE - _REST_OF_LEASE)):
            self._owed.append((confirmed, self._now()))
            await self._pay()
        return len(due)

    async def _pay(self) -> None:
        """Tell the ledger what queues have confirmed, before the lease ends if it can be."""
        while self._owed:
            ids, at = self._owed[0]
            await _within(_ASK, self._ledger.released(ids, at=at))
            del self._owed[0]

    async def _send(self, due: Sequence[Due], *, until: int) -> list[str]:
        """The ids that a queue has confirmed; other queues are tried as long as one fails.

        Raises:
            QueueError: all failed, or the time was over.
        """
        failure: QueueError = QueueUnavailable("the ledger took too long")
        confirmed: list[str] = []
        turn, self._turn = self._turn, (self._turn + 1) % len(self._queues)
        for queue in self._queues[turn:] + self._queues[:turn]:
            now = self._now()
            if now >= until:
                break
            left = [one for one in due if one.id not in confirmed]
            entries = [Entry(one.id, one.body, delay=seconds_left(one, now)) for one in left]
            try:
                answers = await self._sender.send(
                    queue, entries, timeout=min(_SEND, (until - now) / 1000)
                )
            except QueueError as error:
                failure = error  # the next queue; it may be on this one too, with the same id
                continue
            confirmed += [one.id for one in left if isinstance(answers.get(one.id), str)]
            if len(confirmed) == len(due):
                return confirmed
            failure = QueueUnavailable(_why_left(answers))
        if confirmed:
            logger.warning("scheduled emails wait: %s", failure)
            return confirmed
        raise failure

    def _now(self) -> int:
        return int(self._clock() * 1000)


def seconds_left(due: Due, now: int) -> int:
    """Whole seconds until its time, rounded up: never early. Pure."""
    return max(0, -((now - due.send_at) // 1000))


def _why_left(answers: Mapping[str, str | Fault]) -> str:
    """What a queue says of those it did not take; they are handed out again after their lease."""
    faults = {id_: answer for id_, answer in answers.items() if isinstance(answer, Fault)}
    if not faults:
        return "a queue does not answer for all of them"
    id_, fault = next(iter(faults.items()))
    return f"{len(faults)} not queued, {id_} among them ({fault.code}: {fault.text})"


async def _within(seconds: float, answer: Awaitable[T]) -> T:
    try:
        async with asyncio.timeout(seconds):
            return await answer
    except TimeoutError as error:
        raise LedgerUnavailable(f"the ledger did not answer within {seconds:g} s") from error
