"""A client that posts emails at a steady rate and remembers every id it was promised.

It never repeats a request, so a request whose answer was lost, or that was told to come again
later, may be accepted once or not at all.
"""

import asyncio
import json
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

import aiohttp

PATIENCE = aiohttp.ClientTimeout(total=20)
MOST_CONNECTIONS = 500
"""To the API, so that a machine with other work does not cost us our files; others wait."""
_READERS = 16
_BATCH = 10


class Client:
    """Posts in a thread of its own."""

    def __init__(self, address: str, rate: float, waiting: Mapping[str, int]) -> None:
        self._address, self._rate = address, rate
        self._stop = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._post_all()))
        self.asked = len(waiting)
        self.promised: dict[str, int] = dict(waiting)
        """The request of each id that came with a 200, or was on a queue before."""
        self.unanswered: set[int] = set()
        """Requests whose answer was lost or was a 503."""
        self.refused: dict[int, int] = {}
        """Requests with any other answer: their status. There should be none."""

    def start(self) -> None:
        """Begin to post."""
        self._thread.start()

    def stop(self) -> None:
        """Post no more; return when every request has its end."""
        self._stop.set()
        self._thread.join()

    async def _post_all(self) -> None:
        connector = aiohttp.TCPConnector(limit=MOST_CONNECTIONS)
        async with aiohttp.ClientSession(connector=connector, timeout=PATIENCE) as session:
            began, under_way = time.monotonic(), set[asyncio.Task[None]]()
            base = self.asked
            while not self._stop.is_set():
                due = base + int((time.monotonic() - began) * self._rate)
                for number in range(self.asked, due):
                    task = asyncio.create_task(self._post(session, number))
                    under_way.add(task)
                    task.add_done_callback(under_way.discard)
                self.asked = max(self.asked, due)
                await asyncio.sleep(0.01)
            await asyncio.gather(*under_way)

    async def _post(self, session: aiohttp.ClientSession, number: int) -> None:
        request = {"email": email(number)}
        try:
            async with session.post(f"{self._address}/email/send", json=request) as answer:
                given = await answer.json()
        except (aiohttp.ClientError, TimeoutError, ValueError, OSError):
            # Nobody knows what became of it.
            self.unanswered.add(number)
            return
        if answer.status == 200:
            self.promised[given["messageId"]] = number
        elif answer.status == 503:
            self.unanswered.add(number)
        else:
            self.refused[number] = answer.status


@contextmanager
def posting(address: str, rate: float, waiting: Mapping[str, int]) -> Iterator[Client]:
    """A client that posts for the length of the block, and counts on what is `waiting` already."""
    client = Client(address, rate, waiting)
    client.start()
    try:
        yield client
    finally:
        client.stop()


def recipient(number: int) -> str:
    """To whom a request's email goes: every one to somebody else."""
    return f"reader-{number}@example.org"


def email(number: int) -> dict[str, str]:
    """A request's email, as the API takes it and a queue holds it."""
    return {
        "fromEmail": "shop@example.com",
        "toEmail": recipient(number),
        "subject": f"Receipt {number}",
        "body": "Thank you.",
    }


def fill(address: str, queues: Sequence[str], count: int) -> dict[str, int]:
    """Put emails on the queues as the API does; answers the request of each id.

    The ledger has not heard of them, as of what comes from elsewhere.
    """
    return asyncio.run(_fill(address, queues, count))


async def _fill(address: str, queues: Sequence[str], count: int) -> dict[str, int]:
    put: dict[str, int] = {}
    batches = iter(range(0, count, _BATCH))
    headers = {
        "Content-Type": "application/x-amz-json-1.0",
        "X-Amz-Target": "AmazonSQS.SendMessageBatch",
    }

    async def send(session: aiohttp.ClientSession) -> None:
        for first in batches:
            numbers = range(first, min(first + _BATCH, count))
            ids = {f"waiting-{number}": number for number in numbers}
            question = {
                "QueueUrl": queues[first // _BATCH % len(queues)],
                "Entries": [
                    {"Id": id_, "MessageBody": _message(id_, number)} for id_, number in ids.items()
                ],
            }
            async with session.post(address, json=question, headers=headers) as answer:
                done = await answer.json(content_type=None)
            put.update({one["Id"]: ids[one["Id"]] for one in done["Successful"]})

    async with aiohttp.ClientSession(timeout=PATIENCE) as session:
        await asyncio.gather(*(send(session) for _ in range(_READERS)))
    return put


def _message(id_: str, number: int) -> str:
    accepted_at = datetime.now(UTC).isoformat(timespec="milliseconds")
    message = {"v": 1, "id": id_, "acceptedAt": accepted_at, "email": email(number)}
    return json.dumps(message)


def flagged(address: str, ids: Iterable[str]) -> set[str]:
    """Those of which the API says that they may have been sent twice."""
    return asyncio.run(_flagged(address, ids))


async def _flagged(address: str, ids: Iterable[str]) -> set[str]:
    found: set[str] = set()
    left = iter(list(ids))

    async def read(session: aiohttp.ClientSession) -> None:
        for id_ in left:
            async with session.get(f"{address}/email/{id_}") as answer:
                record = await answer.json()
            if answer.status == 200 and any(a["possibleDuplicate"] for a in record["attempts"]):
                found.add(id_)

    async with aiohttp.ClientSession(timeout=PATIENCE) as session:
        await asyncio.gather(*(read(session) for _ in range(_READERS)))
    return found
