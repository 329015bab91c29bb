"""What a ledger costs, measured: `python -m benchmarks.ledger [sqlite|redis] [cost|reads]`.

`cost`: emails pass through the ledger as the courier takes them (intent, send, record) with up to
300 in hand on a uvloop loop and nobody behind who sends. CPU is the whole process's, less that of
the same loop without a ledger. Emails are either noted by the API before ("known"), as a
dispatcher behind a backlog finds them, or first heard of here ("new").

`reads`: a ledger is filled with 1,000,000 emails, which takes minutes, then read, alone and beside
500 sends a second.

Redis is a server started for the purpose.
"""

import asyncio
import random
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import uvloop
from uuid_utils import uuid7

from benchmarks.redis_server import redis_server
from gomail.ledger import Filter, Intent, Ledger, Queued, Recorded, Status
from gomail.ledger.redis import open_redis
from gomail.ledger.sqlite import SqliteLedger
from gomail.outcome import OutcomeClass

MESSAGES = 20_000
IN_HAND = 300
LATENCY = 0.05
LARGE = 1_000_000
PAGE = 50
LAST_YEAR = 1_790_000_000_000
PROVIDERS = ("ses", "sendgrid")

Batch = Sequence[Queued]


def emails(count: int, *, start: int = LAST_YEAR) -> list[Queued]:
    """Emails of one sender to many readers, one each 2 ms."""
    return [
        Queued(
            str(uuid7()), start + 2 * number, "shop@example.com",
            f"reader-{random.randrange(200_000)}@example.org",
        )
        for number in range(count)
    ]  # fmt: skip


def batches(of: Batch, size: int) -> list[Batch]:
    return [of[start : start + size] for start in range(0, len(of), size)]


async def send(ledger: Ledger | None, batch: Batch, *, latency: float = LATENCY) -> None:
    """One batch on its way to a provider, as the courier would take it."""
    known = await ledger.intend([_intent(each) for each in batch]) if ledger else {}
    await asyncio.sleep(latency)
    if ledger:
        await ledger.record([_sent(each, known[each.id].number) for each in batch])


def _intent(email: Queued) -> Intent:
    return Intent(
        id=email.id, provider=_provider(email), at=email.at + 20, receive_count=1,
        owner="host-4711", queued_at=email.at, from_email=email.from_email,
        to_email=email.to_email,
    )  # fmt: skip


def _sent(email: Queued, number: int) -> Recorded:
    return Recorded(
        id=email.id, status=Status.SENT, at=email.at + 70, provider=_provider(email),
        number=number, kind=OutcomeClass.ACCEPTED, code="200",
        provider_id="0102019a4c7e3f10-5d2c", started=email.at + 20, duration=50,
        owner="host-4711", queued_at=email.at, from_email=email.from_email,
        to_email=email.to_email,
    )  # fmt: skip


def _provider(email: Queued) -> str:
    return PROVIDERS[email.at // 2 % 2]


async def pass_through(ledger: Ledger | None, of: Batch, size: int) -> None:
    """All of them, never more than `IN_HAND` at a time."""
    waiting = iter(batches(of, size))

    async def lane() -> None:
        for batch in waiting:
            await send(ledger, batch)

    await asyncio.gather(*(lane() for _ in range(IN_HAND // size)))


async def _cpu(work: Awaitable[None]) -> tuple[float, float]:
    """CPU and wall seconds of some work."""
    wall, cpu = time.perf_counter(), time.process_time()
    await work
    return time.process_time() - cpu, time.perf_counter() - wall


async def cost(open_ledger: Callable[[], Ledger]) -> None:
    """CPU a message on the dispatcher's side."""
    ledger = open_ledger()
    for size in (50, 25, 10, 1):
        alone, _ = await _cpu(pass_through(None, emails(MESSAGES), size))
        known, new = emails(MESSAGES), emails(MESSAGES)
        for batch in batches(known, 250):
            await ledger.queued(batch)
        figures = []
        for of in (known, new):
            cpu, wall = await _cpu(pass_through(ledger, of, size))
            figures.append(
                f"{(cpu - alone) / MESSAGES * 1e6:6.1f} µs ({MESSAGES / wall:6.0f} a second)"
            )
        print(f"batches of {size:3}   known {figures[0]}   new {figures[1]}", flush=True)
    await ledger.close()


async def reads(open_ledger: Callable[[], Ledger]) -> None:
    """How long readers wait at a million emails."""
    ledger = open_ledger()
    started = time.perf_counter()
    all_emails = emails(LARGE)
    for batch in batches(all_emails, 500):
        await ledger.queued(batch)
        await send(ledger, batch[25:], latency=0)  # one in twenty stays queued
    print(f"{LARGE} emails in {time.perf_counter() - started:.0f} s", flush=True)
    for beside in ("alone", "beside 500 sends a second"):
        task = asyncio.ensure_future(_sends(ledger)) if beside != "alone" else None
        print(beside)
        await _read_all(ledger, all_emails)
        if task:
            task.cancel()
    await ledger.close()


async def _sends(ledger: Ledger) -> None:
    for batch in batches(emails(1_000_000, start=LAST_YEAR + 2 * LARGE), 25):
        await asyncio.gather(send(ledger, batch, latency=0), asyncio.sleep(0.05))


async def _read_all(ledger: Ledger, of: Batch) -> None:
    middle = of[len(of) // 2].at
    one = of[len(of) // 3]
    lists = {
        "no filter": Filter(),
        "status=sent": Filter(status=Status.SENT),
        "status=queued": Filter(status=Status.QUEUED),
        "status=refused (none)": Filter(status=Status.REFUSED),
        "from": Filter(from_email=one.from_email),
        "to": Filter(to_email=one.to_email),
        "provider": Filter(provider="ses"),
        "until (half way)": Filter(until=middle),
        "from, status=queued": Filter(from_email=one.from_email, status=Status.QUEUED),
        "from, status=refused (none)": Filter(
            from_email=one.from_email, status=Status.REFUSED, until=middle
        ),
        "to, status=sent, provider": Filter(
            to_email=one.to_email, status=Status.SENT, provider="ses"
        ),
    }
    await _timed("email(id)", 3_000, lambda: ledger.email(random.choice(of).id))
    for name, which in lists.items():
        await _read_list(ledger, name, which)
    await _timed("stats", 300, lambda: ledger.stats(LAST_YEAR))
    await _timed("events, 100 of them", 300, lambda: ledger.events("1000", limit=100))


async def _read_list(ledger: Ledger, name: str, which: Filter) -> None:
    """The first page, and one far behind it where there is one."""
    await _timed(name, 100, lambda: ledger.emails(which, cursor=None, limit=PAGE))
    cursor = None
    for _ in range(100):
        cursor = (await ledger.emails(which, cursor=cursor, limit=PAGE)).next_cursor
        if cursor is None:
            return
    await _timed(f"{name}, page 100", 100, lambda: ledger.emails(which, cursor=cursor, limit=PAGE))


async def _timed(name: str, times: int, read: Callable[[], Awaitable[object]]) -> None:
    took = []
    for _ in range(times):
        started = time.perf_counter()
        await read()
        took.append((time.perf_counter() - started) * 1e3)
        await asyncio.sleep(0)
    took.sort()
    print(f"  {name:38} p50 {took[times // 2]:7.2f} ms   p99 {took[times * 99 // 100]:7.2f} ms")


@contextmanager
def _sqlite() -> Iterator[Callable[[], Ledger]]:
    with tempfile.TemporaryDirectory() as folder:
        yield lambda: SqliteLedger(Path(folder, "ledger.db"))


@contextmanager
def _redis() -> Iterator[Callable[[], Ledger]]:
    with redis_server() as (url, _):
        yield lambda: open_redis(url)


def main(kind: str = "sqlite", *what: str) -> None:
    for measure in (cost, reads):
        if what and measure.__name__ not in what:
            continue
        print(f"{kind}: {measure.__name__}")
        with _redis() if kind == "redis" else _sqlite() as opener:
            uvloop.run(measure(opener))


if __name__ == "__main__":
    main(*sys.argv[1:])
