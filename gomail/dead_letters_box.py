"""The dead-letter queue as a box of letters: look through it, send some again, throw some away.

SQS has no browsing. To look is to receive: a letter is then hidden from everybody else until it is
given back, which happens as soon as the looking ends (a process that is killed in between gives
them back after `hold` seconds), and its receive count rises. Whoever looks at the same time sees
the other part. So every way of looking is bounded, says how far it came, and holds no letter longer
than it has to.

Nothing is deleted before a queue has confirmed what is put on it. A crash between the two leaves a
letter on both: the dispatcher's ledger knows the second copy of it.
"""

import asyncio
import itertools
import logging
import time
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Collection,
    Iterable,
    Sequence,
    Sized,
)
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeVar

from gomail.dead_letters import (
    EVERY,
    PASSING,
    DeadLetter,
    Kept,
    Which,
    due,
    email_of,
    home,
    kept,
    read,
    redriven,
)
from gomail.email import Claim
from gomail.errors import QueueError, QueueRefused, QueueUnavailable
from gomail.ledger import Ledger, LedgerUnavailable, Status
from gomail.payloads import PayloadMissing, Payloads, PayloadUnavailable
from gomail.queue import (
    BATCH,
    Browser,
    Consumer,
    Describer,
    Entry,
    Fault,
    Inspector,
    Received,
    Sender,
)

log = logging.getLogger(__name__)

MOST = 100_000
"""Letters that one look holds at most: SQS gives out no more than 120,000 at a time."""
SHORTEST_HOLD, LONGEST_HOLD = 30, 900
"""Seconds. The longest is for what a person waits for; only a killed process leaves it to run."""
WIDEST = 8
"""Receives at a time."""
SEND_TIMEOUT = 5.0
LEDGER_TIMEOUT = 2.0
PAYLOAD_TIMEOUT = 10.0
DELETES = 4
"""Tries to delete what a queue has confirmed."""
STALE_ROUNDS = 100
"""Rounds in a row without a new letter that are borne; a queue that delivers twice has some."""
SERVERS_APART = 1
"""Seconds that the clocks of a queue's own servers may differ."""
FAILURES = 30
"""Letters in a row that stay for an outage, after which a redrive ends."""

T = TypeVar("T")


class DeadLetterQueue(Sender, Consumer, Browser, Inspector, Protocol):
    """What the box needs of a queue."""


@dataclass(slots=True)
class Look:
    """What a look has brought."""

    letters: list[DeadLetter] = field(default_factory=list)
    looked: int = 0
    """Letters looked at, whether meant or not."""
    complete: bool = False
    """The box had no more; otherwise it may have had. What others hold meanwhile is never seen."""


@dataclass(slots=True)
class Redrive:
    """What a redrive has done so far; every letter that is not among `redriven` is where it was."""

    redriven: list[str] = field(default_factory=list)
    """Ids that a queue has confirmed; in a dry run those that would be put on one."""
    kept: list[tuple[str, Kept]] = field(default_factory=list)
    """Ids that were meant and stay, with the reason."""
    copies: int = 0
    """Second copies of what this run redrove, deleted without being sent: they were dead before."""
    undeleted: list[str] = field(default_factory=list)
    """Of `redriven`, those whose dead letter could not be deleted: it shows again."""
    looked: int = 0
    complete: bool = False
    """The box had no more; otherwise it may have had."""
    stopped: str = ""
    """Why it ended early, if the queues, the ledger or the payload store is down."""


Told = Callable[[int, int], None]
"""Told of progress: letters looked at, and letters done."""


def _nobody(_looked: int, _done: int) -> None: ...


class DeadLetterBox:
    """The letters on one dead-letter queue, and the queues they may be put on again.

    Args:
        queue: all queues.
        url: the dead-letter queue.
        targets: URLs of the queues that the dispatcher reads.
        ledger: asked whether an email has been sent meanwhile; None without one.
        payloads: asked whether the large parts of an email are still there; None without a store.
        describer: the same queues, asked how many letters others hold; None where nobody wants to
            know.
    """

    def __init__(
        self,
        queue: DeadLetterQueue,
        *,
        url: str,
        targets: Sequence[str],
        ledger: Ledger | None = None,
        payloads: Payloads | None = None,
        describer: Describer | None = None,
        wall: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._queue, self._url, self._targets = queue, url, targets
        self._ledger, self._payloads, self._describer = ledger, payloads, describer
        self._wall, self._clock, self._sleep = wall, clock, sleep
        self._turns = itertools.cycle(targets)

    async def count(self) -> int:
        """Letters that nobody holds, approximately.

        Raises:
            QueueError: the queue did not answer.
        """
        return (await self._queue.info(self._url)).waiting

    async def held(self) -> int:
        """Letters that somebody holds, approximately; asked before a look, others do.

        Raises:
            QueueError: the queue did not answer.
        """
        return (await self._describer.describe(self._url)).hidden if self._describer else 0

    # -- looking -------------------------------------------------------------------------------

    async def look(
        self,
        which: Which = EVERY,
        *,
        most: int = MOST,
        within: float = float("inf"),
        hold: int | None = None,
        told: Told = _nobody,
    ) -> Look:
        """Look at up to `most` letters, for `within` seconds; those meant are answered.

        What it holds is given back after that. A receive that is broken off then may have brought
        letters that show again when the hold is over.

        Their bodies are left out, so that 100,000 of them fit into memory: `find` has one.

        Raises:
            QueueError: the queue did not answer.
        """
        look = Look()
        async with self._sweep(hold or _hold_for(most), most=most, within=within) as sweep:
            while letters := await sweep.more():
                now = self._wall()
                look.letters += [replace(one, body="") for one in letters if which.has(one, now)]
                told(sweep.looked, len(look.letters))
            look.looked, look.complete = sweep.looked, sweep.complete
        return look

    async def find(
        self,
        letter_id: str,
        *,
        most: int = MOST,
        within: float = float("inf"),
        hold: int | None = None,
        told: Told = _nobody,
    ) -> tuple[DeadLetter | None, Look]:
        """The first letter with this id, and how far was looked for it.

        Raises:
            QueueError: the queue did not answer.
        """
        wanted, found = Which(id=letter_id), None
        look = Look()
        async with self._sweep(hold or _hold_for(most), most=most, within=within) as sweep:
            while found is None and (letters := await sweep.more()):
                now = self._wall()
                found = next((one for one in letters if wanted.has(one, now)), None)
                told(sweep.looked, 0)
            look.looked, look.complete = sweep.looked, sweep.complete
        return found, look

    # -- redriving -----------------------------------------------------------------------------

    async def redrive(
        self,
        which: Which,
        *,
        rate: float,
        most: int = MOST,
        look_at: int = MOST,
        within: float = float("inf"),
        hold: int = LONGEST_HOLD,
        force: bool = False,
        dry: bool = False,
        told: Told = _nobody,
    ) -> Redrive:
        """Put letters on the queues again, `rate` a second, and delete each that is confirmed.

        Ended at any moment it may be begun again: what was done is gone from the box. `force` also
        takes what `Kept` names, except what nobody could send. With an id it ends at the first.

        Raises:
            QueueError: the dead-letter queue did not answer a receive.
        """
        done = Redrive()
        run = _Run(self, done, rate=rate, most=most, force=force, dry=dry)
        async with self._sweep(hold, most=look_at, within=within) as sweep:
            while not run.is_over and (letters := await sweep.more(eager=not run.has_met)):
                now = self._wall()
                meant = [one for one in letters if which.has(one, now)]
                run.has_met = bool(meant)
                while meant and not (run.is_over or sweep.is_late):
                    batch, meant = meant[: run.size], meant[run.size :]
                    meant = await run.work(batch, sweep) + meant
                    run.found |= which.id is not None
                    told(sweep.looked, len(done.redriven))
                told(sweep.looked, len(done.redriven))
            done.looked, done.complete = sweep.looked, sweep.complete
        return done

    async def reason_to_keep(self, letter: DeadLetter, *, force: bool) -> Kept | None:
        """Why a letter stays: by itself, by the ledger, by the payload store."""
        email = email_of(letter)
        if not force:
            try:
                status = await self._status(letter.id)
            except LedgerUnavailable as error:  # it stays: it may have been sent
                log.warning("redrive of %s: %s", letter.id, error)
                return Kept.LEDGER_SILENT
            if reason := kept(letter, email, status, self._wall()):
                return reason
        return await self._missing(email.claim) if email and email.claim else None

    async def _status(self, letter_id: str) -> Status | None:
        if self._ledger is None:
            return None
        try:
            async with asyncio.timeout(LEDGER_TIMEOUT):
                record = await self._ledger.email(letter_id)
        except TimeoutError as error:
            raise LedgerUnavailable(f"no answer within {LEDGER_TIMEOUT:g} s") from error
        return record.status if record else None

    async def _missing(self, claim: Claim) -> Kept | None:
        if self._payloads is None:
            return Kept.NO_STORE
        try:
            await self._payloads.get(claim.key, timeout=PAYLOAD_TIMEOUT)
        except PayloadMissing:
            return Kept.PAYLOAD_GONE
        except PayloadUnavailable as error:  # it stays; it may be redriven once the store answers
            log.warning("redrive: %s", error)
            return Kept.PAYLOAD_UNKNOWN
        return None

    async def put(self, letters: Sequence[DeadLetter]) -> list[bool]:
        """Put up to ten on their queues; for each whether its queue has confirmed it."""
        turn = next(self._turns)
        places = [home(letter, self._targets) or turn for letter in letters]
        confirmed = [False] * len(letters)
        for target in dict.fromkeys(places):
            entries = [
                Entry(str(index), redriven(letter))
                for index, letter in enumerate(letters)
                if places[index] == target
            ]
            try:
                answers = await self._queue.send(target, entries, timeout=SEND_TIMEOUT)
            except QueueError as error:  # none counts as confirmed: all of them stay
                log.warning("redrive to %s: %s", target, error)
                continue
            for entry in entries:
                answer = answers.get(entry.key)
                confirmed[int(entry.key)] = isinstance(answer, str)
                if isinstance(answer, Fault):  # it stays
                    log.warning("redrive to %s: %s %s", target, answer.code, answer.text)
        return confirmed

    # -- throwing away -------------------------------------------------------------------------

    async def purge(self, copies: Collection[str], *, told: Told = _nobody) -> int:
        """Delete the letters with these ids of the queue's own; how many were confirmed.

        Raises:
            QueueError: the queue did not answer a receive.
        """
        left, deleted = set(copies), 0
        async with self._sweep(LONGEST_HOLD, most=MOST, within=float("inf")) as sweep:
            while left and (letters := await sweep.more()):
                for batch in _batches([one for one in letters if one.copy in left], BATCH):
                    gone = await self.delete(batch)
                    sweep.gone(gone)
                    left -= {one.copy for one in batch}
                    deleted += len(gone)
                told(sweep.looked, deleted)
        return deleted

    async def delete(self, letters: Iterable[DeadLetter]) -> list[DeadLetter]:
        """Delete up to ten, tried several times; those of which the queue has confirmed it."""
        left = {letter.handle: letter for letter in letters}
        gone: list[DeadLetter] = []
        for attempt in range(DELETES):
            if not left:
                break
            if attempt:
                await self._sleep(0.2 * 2**attempt)
            try:
                answers = await self._queue.delete(self._url, list(left))
            except QueueError as error:  # none is deleted: asked again, else it shows again
                log.warning("delete at %s: %s", self._url, error)
                continue
            gone += [left.pop(handle) for handle, fault in answers.items() if fault is None]
        return gone

    # -- the queue -----------------------------------------------------------------------------

    @asynccontextmanager
    async def _sweep(self, hold: int, *, most: int, within: float) -> AsyncIterator["_Sweep"]:
        """One way through the box; what is not gone at its end is given back at once.

        Raises:
            QueueRefused: a FIFO queue gives out no more of a group of which somebody holds a
                letter, so a look would see a part of it only.
        """
        if self._url.endswith(".fifo"):
            raise QueueRefused(
                f"queues.dead_letter: {self._url} is a FIFO queue, which cannot be looked through; "
                "name a standard queue"
            )
        sweep = _Sweep(
            self._queue, self._url, hold=hold, most=most, until=self._clock() + within,
            clock=self._clock,
        )  # fmt: skip
        try:
            yield sweep
        finally:
            await sweep.give_back()


class _Run:
    """One redrive: what it has done, and when it may do more."""

    def __init__(
        self,
        box: DeadLetterBox,
        done: Redrive,
        *,
        rate: float,
        most: int,
        force: bool,
        dry: bool,
    ) -> None:
        self._box, self._done = box, done
        self._rate, self._most, self._force, self._dry = rate, most, force, dry
        self._began: float | None = None
        self._failures = 0
        self._put_after: dict[tuple[str, int], float] = {}
        """Of what this run has put on a queue: a time of the queue's clock that was over by then.
        """
        self.size = max(1, min(BATCH, int(rate)))
        self.has_met = False
        """Something was meant in the last round: what follows is received as it is needed."""
        self.found = False

    @property
    def is_over(self) -> bool:
        done = self._done
        return self.found or bool(done.stopped) or len(done.redriven) >= self._most

    async def work(self, batch: Sequence[DeadLetter], sweep: "_Sweep") -> list[DeadLetter]:
        """Redrive what may be of a batch; those that were not tried, for want of room."""
        room = self._most - len(self._done.redriven)
        kept_before = len(self._done.kept)
        copies = [letter for letter in batch if self._is_copy(letter)]
        again = [letter for letter in batch if self._is_known(letter) and letter not in copies]
        self._done.kept += [(letter.id, Kept.AGAIN) for letter in again]
        able = [letter for letter in batch if not self._is_known(letter)]
        reasons = await asyncio.gather(
            *(self._box.reason_to_keep(letter, force=self._force) for letter in able)
        )
        ready: dict[tuple[str, int], DeadLetter] = {}
        untried: list[DeadLetter] = []
        for letter, reason in zip(able, reasons, strict=True):
            if reason:
                self._done.kept.append((letter.id, reason))
            elif _key(letter) in ready:
                copies.append(letter)
            elif len(ready) < room:
                ready[_key(letter)] = letter
            else:
                untried.append(letter)
        if self._dry:
            self._count_failure(kept_before, ready)
            self._note(ready.values(), sweep.over)
            self._done.redriven += [letter.id for letter in ready.values()]
            self._done.copies += len(copies)
            return untried
        taken = await self._put(list(ready.values()), sweep)
        self._count_failure(kept_before, taken)
        # Of what no queue has confirmed, the copy stays as well.
        self._done.kept += [(one.id, Kept.NOT_TAKEN) for one in copies if not self._is_known(one)]
        wanted = taken + [letter for letter in copies if self._is_known(letter)]
        gone = await self._box.delete(wanted) if wanted else []
        sweep.gone(gone)
        self._done.redriven += [letter.id for letter in taken]
        self._done.copies += sum(letter in copies for letter in gone)
        self._done.undeleted += [letter.id for letter in taken if letter not in gone]
        return untried

    async def _put(self, letters: list[DeadLetter], sweep: "_Sweep") -> list[DeadLetter]:
        """Those that a queue has confirmed; the others stay."""
        if not letters:
            return []
        await self._wait()
        over = sweep.over
        confirmed = await self._box.put(letters)
        taken = [one for one, is_taken in zip(letters, confirmed, strict=True) if is_taken]
        self._note(taken, over)
        self._done.kept += [(one.id, Kept.NOT_TAKEN) for one in letters if one not in taken]
        return taken

    def _count_failure(self, kept_before: int, taken: Sized) -> None:
        """End the run if nothing is redriven for an outage, letter after letter."""
        passing = [why for _, why in self._done.kept[kept_before:] if why in PASSING]
        self._failures = self._failures + len(passing) if passing and not taken else 0
        if self._failures >= FAILURES:
            self._done.stopped = f"{PASSING[passing[-1]]} for {self._failures} letters in a row"

    async def _wait(self) -> None:
        now = self._box._clock()  # noqa: SLF001 - a run is a part of the box
        self._began = now if self._began is None else self._began
        pause = self._began + due(len(self._done.redriven), self._rate) - now
        if pause > 0:
            await self._box._sleep(pause)  # noqa: SLF001

    def _note(self, letters: Iterable[DeadLetter], over: float) -> None:
        for letter in letters:
            self._put_after[_key(letter)] = over

    def _is_known(self, letter: DeadLetter) -> bool:
        """Whether this run has put the same message on a queue."""
        return _key(letter) in self._put_after

    def _is_copy(self, letter: DeadLetter) -> bool:
        """Whether it was dead already when this run put the same message on a queue.

        One that was buried later is that message, refused again: it is on no queue any more.
        """
        return letter.buried_at <= self._put_after.get(_key(letter), float("-inf"))


class _Sweep:
    """One way through the box: what was received, what is to be given back."""

    def __init__(
        self,
        queue: DeadLetterQueue,
        url: str,
        *,
        hold: int,
        most: int,
        until: float,
        clock: Callable[[], float],
    ) -> None:
        self._queue, self._url, self._hold = queue, url, hold
        self._most, self._until, self._clock = most, until, clock
        self._held: dict[str, str] = {}
        self._seen: set[str] = set()
        self._width = 1
        self.latest = float("-inf")
        """When the last of those seen was buried, by the queue's clock."""
        self.complete = False

    @property
    def looked(self) -> int:
        return len(self._seen)

    @property
    def over(self) -> float:
        """A time that is over by the queue's own clock, whatever ours shows."""
        return self.latest - SERVERS_APART

    @property
    def is_late(self) -> bool:
        return self._clock() >= self._until

    async def more(self, *, eager: bool = True) -> list[DeadLetter]:
        """The next letters; none at the end of the box, or of what one look may see.

        Rounds that bring only what has been seen are passed over: it was held too long, and shows
        again.

        Raises:
            QueueError: the queue did not answer, or nothing of it came within the time of the look.
        """
        for _ in range(STALE_ROUNDS):
            room = self._most - self.looked
            if room <= 0 or self.is_late:
                return []
            try:
                received = await self._round(room, eager=eager)
            except TimeoutError as error:
                if self._seen:
                    return []  # as if its time had been over before
                raise QueueUnavailable("no answer within the time of the look") from error
            # By id: one may come twice in a round if its time is over in the middle.
            new = {m.queue_message_id: m for m in received if m.queue_message_id not in self._seen}
            self._seen |= new.keys()
            self.latest = max([self.latest, *(message.sent_at for message in received)])
            if new or not received:
                break
        self.complete = not received
        return [read(message) for message in new.values()]

    async def _round(self, room: int, *, eager: bool) -> list[Received]:
        """Several receives at a time, the more the fuller they come back."""
        width = min(self._width, -(-room // BATCH)) if eager else 1
        asked = [min(BATCH, room - BATCH * index) for index in range(width)]
        parts = await asyncio.gather(
            *(self._browse(most) for most in asked), return_exceptions=True
        )
        received = [one for part in parts if not isinstance(part, BaseException) for one in part]
        for part in parts:
            if isinstance(part, BaseException):
                raise part  # what the others brought is among what is given back
        self._width = min(WIDEST, 2 * width) if len(received) == sum(asked) else 1
        return received

    async def _browse(self, most: int) -> list[Received]:
        # A long poll, however short, asks all of SQS's servers; a short one asks some of them.
        left = self._until - self._clock()
        async with asyncio.timeout(left if left < float("inf") else None):
            received = await self._queue.browse(self._url, most=most, wait=1, visibility=self._hold)
        # At once: should the look be broken off while others are under way, these are given back.
        self._held |= {one.queue_message_id: one.handle for one in received}
        return received

    def gone(self, letters: Iterable[DeadLetter]) -> None:
        """These are deleted."""
        for letter in letters:
            self._held.pop(letter.copy, None)

    async def give_back(self) -> None:
        """Show the others again at once; what cannot be shown does so when its time is over."""
        handles = list(self._held.values())
        self._held.clear()
        batches = [handles[at : at + BATCH] for at in range(0, len(handles), BATCH)]
        for at in range(0, len(batches), WIDEST):
            shown = await asyncio.gather(*map(self._show, batches[at : at + WIDEST]))
            if not any(shown):
                break  # whoever waits for the end of the look need not wait for each of the others

    async def _show(self, handles: Sequence[str]) -> bool:
        """Whether the queue has answered."""
        try:
            await self._queue.hide(self._url, dict.fromkeys(handles, 0))
        except QueueError as error:  # they show by themselves when the hold is over
            log.warning("give back to %s: %s", self._url, error)
            return False
        return True


def _key(letter: DeadLetter) -> tuple[str, int]:
    """Equal for one message, before and after it was put on a queue."""
    return letter.id, hash(redriven(letter))


def _hold_for(most: int) -> int:
    """Seconds for looking at so many: a hundred a second is slow."""
    return max(SHORTEST_HOLD, min(LONGEST_HOLD, most // 100))


def _batches(letters: Sequence[T], size: int) -> Iterable[Sequence[T]]:
    return (letters[at : at + size] for at in range(0, len(letters), size))
