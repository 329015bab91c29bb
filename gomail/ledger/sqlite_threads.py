"""The two threads that an event loop has its ledger's file read and written by.

The writer takes everything that is pending and commits it at once: a commit costs the same for one
change and for a hundred. Readers have a thread and a connection of their own, so that a slow read
delays no write. Every error of SQLite ends in `LedgerUnavailable` for whoever waits; the connection
is thrown away and the next work gets a new one.
"""

import asyncio
import logging
import sqlite3
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from gomail.errors import ConfigurationError
from gomail.ledger import LedgerUnavailable
from gomail.ledger.sqlite_book import Book

log = logging.getLogger(__name__)

T = TypeVar("T")

Open = Callable[[], sqlite3.Connection]

LARGEST_TRANSACTION = 256
"""Works: nobody waits for a transaction longer than these take."""


GATHER = 0.005
"""Seconds from one transaction's start to the next's: under load many works share one, and a work
that comes alone does not wait."""
FEW = 4
"""Works: after a transaction of fewer there is little to gather, and the next begins at once."""
LINGER = 0.01
"""Seconds that works which can wait are kept for others; far below a caller's patience."""


CLOSING_LOOK = 0.002
"""Seconds between two looks at a thread that is ending."""


class Urgency(Enum):
    """When a work is done, and whether it is once its caller has gone on."""

    WAITED_FOR = auto()
    """At once; not at all if nobody waits for it any more when its turn comes."""
    AT_ONCE = auto()
    """At once, whether or not anybody waits."""
    SOON = auto()
    """Whether or not anybody waits; it may share the transaction of the next work that comes."""


@dataclass(frozen=True, slots=True, eq=False)
class Work:
    """Something to do in a thread, and who waits for it."""

    do: Callable[[Any], Any]
    ids: Sequence[str]
    """The emails it is about."""
    urgency: Urgency
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]
    durable: bool = False
    """Whether it must survive a crash of the machine once it is done."""


Result = tuple[Work, Any]


class _Worker:
    """A thread with a connection of its own and a bounded number of pending works."""

    def __init__(self, name: str, open_file: Open, *, most_pending: int) -> None:
        self._open_file = open_file
        self._most_pending = most_pending
        self._pending: SimpleQueue[Work | None] = SimpleQueue()
        self._closed = False
        self._connection: sqlite3.Connection | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    async def ask(
        self,
        do: Callable[[Any], T],
        *,
        ids: Sequence[str] = (),
        urgency: Urgency = Urgency.WAITED_FOR,
        durable: bool = False,
    ) -> T:
        """Have something done in the thread.

        Raises:
            LedgerUnavailable: it was not done, or nobody knows whether it was.
        """
        if self._closed:
            raise LedgerUnavailable("ledger: it has been closed")
        if self._pending.qsize() >= self._most_pending:
            raise LedgerUnavailable(f"ledger: {self._most_pending} works are pending already")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._pending.put(Work(do, ids, urgency, loop, future, durable))
        return await future

    async def close(self) -> None:
        """Do what is pending, then end."""
        if not self._closed:
            self._closed = True
            self._pending.put(None)
        await ended(self._thread)

    def _run(self) -> None:
        while (works := self._take()) is not None:
            wanted = [each for each in works if not _given_up(each)]
            if wanted:
                _tell(self._do_all(wanted))
        self._let_go()

    def _take(self) -> list[Work] | None:
        first = self._pending.get()
        return None if first is None else [first]

    def _do_all(self, works: Sequence[Work]) -> list[Result]:
        raise NotImplementedError

    def _connected(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = self._open_file()
        return self._connection

    def _failed(self, error: Exception) -> LedgerUnavailable:
        self._let_go()
        return LedgerUnavailable(f"ledger: {error}")

    def _let_go(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.close()
            except sqlite3.Error as error:  # nothing is lost with it that was not lost before
                log.warning("ledger: closing the file: %s", error)


class Reader(_Worker):
    """Does one work after the other with the connection; never changes the file."""

    def _do_all(self, works: Sequence[Work]) -> list[Result]:
        return [(work, self._read(work)) for work in works]

    def _read(self, work: Work) -> Any:
        try:
            return work.do(self._connected())
        except (sqlite3.Error, ConfigurationError) as error:
            return self._failed(error)
        except Exception as error:  # noqa: BLE001 - it is the asker's; the thread goes on
            return error


class Writer(_Worker):
    """Does everything pending in one transaction, in order."""

    def __init__(self, name: str, open_file: Open, *, most_pending: int) -> None:
        self._closing = False
        self._begun = 0.0
        self._gather = 0.0
        super().__init__(name, open_file, most_pending=most_pending)

    def _take(self) -> list[Work] | None:
        if self._closing:
            return None
        first = self._pending.get()
        if first is None:
            return None
        works = [first]
        if (early := self._begun + self._gather - time.monotonic()) > 0:
            time.sleep(early)  # not woken for each of the works that come meanwhile
        self._take_more(works)
        if not self._closing and all(each.urgency is Urgency.SOON for each in works):
            self._take_more(works, wait=LINGER)
        self._begun = time.monotonic()
        self._gather = GATHER if len(works) >= FEW else 0.0
        return works

    def _take_more(self, works: list[Work], *, wait: float = 0) -> None:
        """Take what is pending; wait so many seconds for the first of it."""
        while len(works) < LARGEST_TRANSACTION:
            try:
                work = self._pending.get(timeout=wait) if wait else self._pending.get_nowait()
            except Empty:
                return
            if work is None:  # closing: nothing is taken after it
                self._closing = True
                return
            works.append(work)
            wait = 0

    def _do_all(self, works: Sequence[Work]) -> list[Result]:
        try:
            return self._transaction(works)
        except (sqlite3.OperationalError, ConfigurationError) as error:
            fault = self._failed(error)  # locked, full, unreadable: the same for all
            log.warning("%s (%d works)", fault, len(works))
        except Exception as error:
            # One work cannot be done, whichever it is; the others must not suffer for it.
            fault = self._failed(error)
            if len(works) > 1:
                return [result for work in works for result in self._do_all([work])]
            log.exception("ledger: a work that cannot be done")
        return [(work, fault) for work in works]

    def _transaction(self, works: Sequence[Work]) -> list[Result]:
        connection = self._connected()
        durable = any(each.durable for each in works)
        if durable:  # the commit waits for the disk; not to be changed within a transaction
            connection.execute("PRAGMA synchronous = FULL")
        connection.execute("BEGIN IMMEDIATE")
        book = Book(connection)
        book.load(each for work in works for each in work.ids)
        results = [(work, work.do(book)) for work in works]
        book.write()
        connection.execute("COMMIT")
        if durable:
            connection.execute("PRAGMA synchronous = NORMAL")
        return results


async def ended(thread: threading.Thread) -> None:
    """Wait for a thread that has been told to end.

    Not by a further thread: a dispatcher closes its ledger while the interpreter shuts down, when
    none can be started any more.
    """
    while thread.is_alive():  # noqa: ASYNC110 - a thread sets no event after its end
        await asyncio.sleep(CLOSING_LOOK)


def _given_up(work: Work) -> bool:
    return work.urgency is Urgency.WAITED_FOR and work.future.cancelled()


def _tell(results: Sequence[Result]) -> None:
    """Wake each loop once, with all that it waits for."""
    by_loop: defaultdict[asyncio.AbstractEventLoop, list[Result]] = defaultdict(list)
    for result in results:
        by_loop[result[0].loop].append(result)
    for loop, its in by_loop.items():
        try:
            loop.call_soon_threadsafe(_resolve, its)
        except RuntimeError:  # the loop is closed: nobody waits any more
            log.debug("ledger: %d answers for a loop that is gone", len(its))


def _resolve(results: Sequence[Result]) -> None:
    for work, result in results:
        if work.future.done():  # whoever asked has gone on without it
            continue
        if isinstance(result, Exception):
            work.future.set_exception(result)
        else:
            work.future.set_result(result)
