"""Settling letters with their queues: delete, return, dead-letter. Batched, and off the workers.

A letter stays in hand, and keeps its room, until the queue has confirmed. Only what SQS names as
done is done. What becomes of a letter when a call fails:

- delete: repeated until confirmed; a provider has the email, so it must not be shown again;
- return: let go; it shows by itself when its visibility ends;
- dead-letter: not confirmed, it goes back to its queue after a delay. It is remembered as final, so
  it is not sent again but offered to the dead-letter queue once more.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import replace
from typing import assert_never

from bytewax.outputs import DynamicSink, StatelessSinkPartition

from flows.desk import Desk
from flows.loop import Loop
from flows.mail import Letter, Receipt, Settlement
from flows.payloads import Fetcher
from flows.scribe import Scribe
from gomail.errors import QueueError
from gomail.outcome import OutcomeClass
from gomail.queue import BATCH, Entry, Fault, Queue
from gomail.settlement import DeadLetter, Decision, Delete, LetGo, Return, backoff
from gomail.value import value

log = logging.getLogger(__name__)

DELETE_LINGER = 0.25
"""Seconds a delete waits for nine others; each request costs the same with one entry or ten."""
RETURN_LINGER = 0.005
FIRST_RETRY, LONGEST_RETRY = 0.2, 10.0
"""Seconds between repeated deletes, doubling."""
DEAD_LETTER_TIMEOUT = 5.0
ATTRIBUTE_LIMIT = 300
"""Characters of a reason on the dead-letter queue: attributes count towards the message's size."""

UNANSWERED = Fault("Unanswered", "the call failed, or its answer left this entry out", False)


@value
class _Item:
    """One copy of a letter that is to be settled with its queue."""

    settlement: Settlement
    receipt: Receipt
    tries: int = 0

    @property
    def letter(self) -> Letter:
        return self.settlement.letter


Work = Callable[[str, Sequence[_Item]], Coroutine[None, None, None]]


class _Batches:
    """Collects items by queue; hands them on by ten, or after a linger."""

    def __init__(self, loop: Loop, linger: float, work: Work) -> None:
        self._loop, self._linger, self._work = loop, linger, work
        self._waiting: dict[str, list[_Item]] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def add(self, queue: str, item: _Item) -> None:
        waiting = self._waiting.setdefault(queue, [])
        waiting.append(item)
        if len(waiting) >= BATCH:
            self._flush(queue)
        elif len(waiting) == 1:
            self._timers[queue] = self._loop.loop.call_later(self._linger, self._flush, queue)

    def _flush(self, queue: str) -> None:
        self._timers.pop(queue).cancel()
        self._loop.spawn(self._work(queue, self._waiting.pop(queue)))


class Settler:
    """Carries out settlements on the courier's loop.

    Args:
        loop: where everything but `hand_over` runs.
        desk: told of every letter that is settled.
        queue: all queues.
        dead_letter: URL of the dead-letter queue.
        freed: called when room has become free.
        scribe: told what attempts brought before anything is settled; None without a ledger.
        fetcher: forgets the payloads of emails that were accepted; None without a store.
    """

    def __init__(
        self,
        loop: Loop,
        desk: Desk,
        queue: Queue,
        *,
        dead_letter: str,
        freed: Callable[[], None],
        scribe: Scribe | None = None,
        fetcher: Fetcher | None = None,
    ) -> None:
        self._loop, self._desk, self._queue = loop, desk, queue
        self._scribe = scribe
        self._fetcher = fetcher
        self._dead_letter = dead_letter
        self._freed = freed
        self._deletes = _Batches(loop, DELETE_LINGER, self._delete)
        self._returns = _Batches(loop, RETURN_LINGER, self._return)
        self._burials = _Batches(loop, RETURN_LINGER, self._bury)

    def hand_over(self, settlements: Sequence[Settlement]) -> None:
        """Settle soon; never blocks. From a worker's thread."""
        self._loop.call(self._receive, settlements)

    def _receive(self, settlements: Sequence[Settlement]) -> None:
        if self._scribe is None:
            self.settle(settlements)
        else:  # an acceptance is recorded before the delete: a crash between is no second send
            self._scribe.record(settlements, lambda: self.settle(settlements))

    def settle(self, settlements: Iterable[Settlement]) -> None:
        """Settle each letter with every copy of it that is in hand."""
        for settlement in settlements:
            receipts = settlement.letter.receipts
            match settlement.decision:
                case LetGo():
                    self._put_away([_Item(settlement, receipt) for receipt in receipts])
                case DeadLetter():
                    self._burials.add(self._dead_letter, _Item(settlement, receipts[0]))
                case Delete():
                    self._add(self._deletes, settlement)
                case Return():
                    self._add(self._returns, settlement)
                case unreachable:
                    assert_never(unreachable)

    def _add(self, batches: _Batches, settlement: Settlement) -> None:
        for receipt in list(settlement.letter.receipts):
            batches.add(receipt.queue, _Item(settlement, receipt))

    def _put_away(self, items: Iterable[_Item]) -> None:
        """These copies are settled; a letter leaves our hands with the last of its copies."""
        self._desk.put_away((item.letter, item.receipt) for item in items)
        self._freed()

    async def _delete(self, queue: str, items: Sequence[_Item]) -> None:
        handles = [item.receipt.handle for item in items]
        answers = await self._answers("delete", queue, self._queue.delete(queue, handles))
        settled: list[_Item] = []
        again: list[_Item] = []
        deleted: list[_Item] = []
        for item in items:
            fault = answers.get(item.receipt.handle, UNANSWERED)
            (again if fault and not fault.permanent else settled).append(item)
            if fault is None:
                deleted.append(item)
            elif fault.permanent:
                # The handle is dead: the message shows again, is recognised and deleted then.
                log.warning("delete of %s: %s %s", item.letter.id, fault.code, fault.text)
        self._put_away(settled)
        self._forget_payloads(deleted)
        if again:
            tries = max(item.tries for item in again) + 1
            pause = min(LONGEST_RETRY, FIRST_RETRY * 2 ** min(tries - 1, 10))
            await asyncio.sleep(pause * (0.5 + 0.5 * self._desk.random()))
            for item in again:
                self._deletes.add(queue, _Item(item.settlement, item.receipt, tries))

    def _forget_payloads(self, items: Iterable[_Item]) -> None:
        """Only of what was accepted: a dead letter needs its payload when it is redriven."""
        if self._fetcher is None:
            return
        for item in items:
            email, outcome = item.letter.email, item.settlement.outcome
            accepted = outcome is not None and outcome.kind is OutcomeClass.ACCEPTED
            if email is not None and email.claim is not None and accepted:
                self._loop.spawn(self._fetcher.remove(email.claim))

    async def _return(self, queue: str, items: Sequence[_Item]) -> None:
        delays = {item.receipt.handle: _delay(item.settlement.decision) for item in items}
        await self._answers("return", queue, self._queue.hide(queue, delays))
        # Whatever the answers: what is not returned shows by itself when its visibility ends.
        self._put_away(items)

    async def _answers(
        self, what: str, queue: str, call: Coroutine[None, None, dict[str, Fault | None]]
    ) -> dict[str, Fault | None]:
        try:
            return await call
        except QueueError as error:  # none of the batch is done; the caller says what follows
            log.warning("%s at %s: %s", what, queue, error)
        except Exception:  # as above; a fault of our own must not leave letters in hand for ever
            log.exception("%s at %s", what, queue)
        return {}

    # -- dead letters --------------------------------------------------------------------------

    async def _bury(self, queue: str, items: Sequence[_Item]) -> None:
        whole = [
            Entry(str(key), item.letter.body, _attributes(item)) for key, item in enumerate(items)
        ]
        answers = await self._offer(queue, whole)
        too_large = [
            Entry(entry.key, entry.body)
            for entry in whole
            if isinstance(fault := answers.get(entry.key), Fault) and fault.permanent
        ]
        if too_large:  # the body alone; the reason is in the log
            answers |= await self._offer(queue, too_large)
        taken = []
        for key, item in enumerate(items):
            answer = answers.get(str(key), UNANSWERED)
            if isinstance(answer, Fault):
                self._not_buried(item, answer)
            else:
                taken.append(item.settlement)
        if self._scribe is None:
            self._buried(taken)
        else:
            self._scribe.record_burials(taken, lambda: self._buried(taken))

    async def _offer(self, queue: str, entries: Sequence[Entry]) -> dict[str, str | Fault]:
        try:
            return await self._queue.send(queue, entries, timeout=DEAD_LETTER_TIMEOUT)
        except QueueError as error:  # not confirmed: each goes back to its queue after a delay
            log.error("dead-letter queue %s: %s", queue, error)  # noqa: TRY400 - its text says all
        except Exception:  # as above
            log.exception("dead-letter queue %s", queue)
        return {}

    def _not_buried(self, item: _Item, fault: Fault) -> None:
        letter = item.letter
        delay = Return(backoff(letter.receive_count, self._desk.random))
        log.warning(
            "dead letter %s not taken (%s %s): back in %d s",
            letter.id, fault.code, fault.text, delay.delay,
        )  # fmt: skip
        self._add(self._returns, replace(item.settlement, decision=delay))

    def _buried(self, settlements: Iterable[Settlement]) -> None:
        for settlement in settlements:
            self._delete_buried(settlement)

    def _delete_buried(self, settlement: Settlement) -> None:
        letter, decision = settlement.letter, settlement.decision
        assert isinstance(decision, DeadLetter), "only dead letters are buried"
        log.warning(
            "dead letter %s: %s (%s) after %d receives: %s",
            letter.id, decision.reason, decision.code, letter.receive_count, decision.detail,
        )  # fmt: skip
        self._desk.buried(letter)
        self._add(self._deletes, replace(settlement, decision=Delete()))


def _delay(decision: Decision) -> int:
    assert isinstance(decision, Return), "only returns are returned"
    return decision.delay


def _attributes(item: _Item) -> dict[str, str]:
    """What a person needs to know of a dead letter; SQS takes at most ten, none empty."""
    letter, decision = item.letter, item.settlement.decision
    assert isinstance(decision, DeadLetter), "only dead letters are buried"
    facts = {
        "gomailId": letter.id,
        "reason": decision.reason,
        "code": decision.code,
        "detail": decision.detail,
        "provider": item.settlement.provider or letter.provider or "",
        "attempts": str(letter.receive_count),
        "queue": item.receipt.queue,
    }
    return {name: _printable(value) for name, value in facts.items() if value}


def _printable(value: str) -> str:
    """Attribute values must keep to the same characters as bodies."""
    return "".join(char if char.isprintable() else "?" for char in value)[:ATTRIBUTE_LIMIT]


class SettleSink(DynamicSink[Settlement]):
    """Where settlements leave the dataflow."""

    def __init__(self, settler: Settler) -> None:
        self._settler = settler

    def build(self, step_id: str, worker_index: int, worker_count: int) -> "_SettlePartition":  # noqa: ARG002
        """The sink of one worker."""
        return _SettlePartition(self._settler)


class _SettlePartition(StatelessSinkPartition[Settlement]):
    def __init__(self, settler: Settler) -> None:
        self._settler = settler

    def write_batch(self, items: list[Settlement]) -> None:
        self._settler.hand_over(items)
