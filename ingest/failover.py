"""Puts one batch onto some queue: one after another until each message has a verdict.

What a queue did not confirm is offered to the next one under the same id, and when all have
refused, again from the first while there is time: a throttle or a restart is soon over. After a
time-out a queue may have taken it all the same; the dispatcher knows such copies by their id.
"""

import asyncio
import traceback
from collections.abc import Awaitable, Callable, Mapping, Sequence

from gomail.errors import QueueError
from gomail.queue import Entry, Fault, Sender
from ingest.quiet import QuietLog
from ingest.rota import Rota
from ingest.verdict import Verdict, Verdicts

# An attempt may use this much of the time that is left while there is another queue to try.
_SHARE = 0.5
# With less than this left no further queue is asked: it could only add copies nobody is told of.
_LEAST_SECONDS = 0.05
# Between two rounds over all queues: what made every one of them refuse gets a chance to end.
_PAUSE_SECONDS = 0.5

_OVERSIZE_CODES = {"BatchRequestTooLong", "MessageTooLong"}
_CHARACTER_CODES = {"InvalidMessageContents"}


class Failover:
    """Delivers batches to the queues in the order of the rota."""

    def __init__(
        self,
        sender: Sender,
        rota: Rota,
        *,
        now: Callable[[], float],
        log: QuietLog,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._pause = pause
        self._sender = sender
        self._rota = rota
        self._now = now
        self._log = log

    async def deliver(self, entries: Sequence[Entry], deadline: float) -> Verdicts:
        """Get a verdict for every entry before the deadline."""
        verdicts: Verdicts = {}
        left = list(entries)
        while True:
            verdicts |= await self._round(left, deadline)
            left = [entry for entry in left if entry.key not in verdicts]
            if not left or deadline - self._now() < _PAUSE_SECONDS + _LEAST_SECONDS:
                return verdicts | {entry.key: Verdict.UNAVAILABLE for entry in left}
            await self._pause(_PAUSE_SECONDS)

    async def _round(self, left: Sequence[Entry], deadline: float) -> Verdicts:
        """Offer the entries to one queue after the other."""
        verdicts: Verdicts = {}
        queues = self._rota.order(self._now())
        for queue in queues:
            remaining = deadline - self._now()
            if not left or remaining < _LEAST_SECONDS:
                break
            timeout = remaining if queue == queues[-1] else remaining * _SHARE
            verdicts |= await self._offer(queue, left, timeout)
            left = [entry for entry in left if entry.key not in verdicts]
        return verdicts

    async def _offer(self, queue: str, entries: Sequence[Entry], timeout: float) -> Verdicts:
        """Offer entries to one queue; those it answers nothing final about are left out."""
        verdicts: Verdicts = {}
        self._rota.began(queue)
        try:
            answers = await self._sender.send(queue, entries, timeout=timeout)
            verdicts = self._judge(queue, entries, answers)
        except QueueError as error:
            # The next queue gets the entries.
            self._log.warning(queue, "queue %s took nothing: %s", queue, error)
        except Exception as error:  # noqa: BLE001 - a bug at one queue must not cost the mail
            # The next queue gets the entries. The text of an unforeseen error may hold a message.
            self._log.warning(queue, "queue %s: %s", queue, _traceback(error))
        finally:
            self._rota.ended(queue, worked=bool(verdicts), now=self._now())
        return verdicts

    def _judge(
        self, queue: str, entries: Sequence[Entry], answers: Mapping[str, str | Fault]
    ) -> Verdicts:
        verdicts: Verdicts = {}
        for entry in entries:
            answer = answers.get(entry.key)
            if isinstance(answer, str):
                verdicts[entry.key] = Verdict.QUEUED
                continue
            fault = answer or Fault("", "the answer does not name the entry", permanent=False)
            verdict = fault_of_message(fault.code, fault.text) if fault.permanent else None
            if verdict is not None:
                verdicts[entry.key] = verdict
            self._log.warning(
                queue, "queue %s refused %s: %s %s", queue, entry.key, fault.code, fault.text
            )
        return verdicts


def fault_of_message(code: str, text: str) -> Verdict | None:
    """The verdict if the message itself is at fault; None if another queue may take it. Pure."""
    if code in _CHARACTER_CODES:
        return Verdict.FORBIDDEN_CHARACTERS
    # SQS has no code of its own for one message over the queue's limit.
    if code in _OVERSIZE_CODES or (code.startswith("InvalidParameterValue") and "shorter" in text):
        return Verdict.TOO_LARGE
    return None


def _traceback(error: BaseException) -> str:
    frames = "".join(traceback.format_tb(error.__traceback__))
    return f"unexpected {type(error).__name__}\n{frames}"
