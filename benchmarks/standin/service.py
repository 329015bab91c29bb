"""The stand-in as one service: what is asked where, and the routes by which a run is controlled.

- `POST /reset` `{"ses": {"status": 500, "latency": 2}, "sqs": {"latency": 0.01}}`: begin anew with
  these switches; what is not named has its defaults.
- `POST /fill` `{"count", "size", "queues"}`: make emails, and keep them until
- `POST /release`: puts them on the queues at once.
- `POST /pace` `{"rate", "seconds", "size", "queues"}`: put emails on the queues at a steady rate.
- `GET /progress`, `GET /result`: how far it is, and how it was (`accounts.py`).
"""

import asyncio
import gc
from collections.abc import Coroutine
from time import monotonic, time
from typing import Any

import orjson

from benchmarks.standin.accounts import Accounts
from benchmarks.standin.http import Connection, Request
from benchmarks.standin.mail import make
from benchmarks.standin.providers import Provider, sendgrid_id, ses_id
from benchmarks.standin.queues import Item
from benchmarks.standin.sqs import Sqs

_TICK = 0.05
_OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
_NOT_FOUND = _OK.replace(b"200 OK", b"404 Not Found")
_SES, _SENDGRID = b"/v2/email/outbound-emails", b"/v3/mail/send"
_ACCOUNT = b"/v2/email/account"

Asked = dict[str, Any]


class Service:
    """Everything the stand-in stands for."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._tasks: set[asyncio.Task[None]] = set()
        self._begin({})

    def connection(self) -> Connection:
        """The protocol of a new connection."""
        return Connection(self._handle)

    async def tick(self) -> None:
        """Let time pass on the queues, for ever."""
        while True:
            await asyncio.sleep(_TICK)
            now = monotonic()
            self._sqs.tick(now)
            self._accounts.tick(now)

    def _begin(self, switches: Asked) -> None:
        for task in self._tasks - {asyncio.current_task()}:
            task.cancel()
        self._accounts = Accounts()
        later, now = self._loop.call_later, monotonic
        self._sqs = Sqs(self._accounts, later)
        self._sqs.latency = switches.get("sqs", {}).get("latency", 0.0)
        self._ses, self._sendgrid = (
            Provider(name, read_id, self._accounts, later, now, **switches.get(name, {}))
            for name, read_id in (("ses", ses_id), ("sendgrid", sendgrid_id))
        )
        self._held: list[tuple[str, list[Item]]] = []
        self._to_come = 0
        # A backlog is long-lived: no collection looks at it again and again.
        gc.unfreeze()
        gc.collect()

    def _handle(self, connection: Connection, request: Request) -> None:
        if request.target:
            self._sqs.handle(connection, request, monotonic())
        elif request.path == _SES:
            self._ses.send(connection, request.body)
        elif request.path == _SENDGRID:
            self._sendgrid.send(connection, request.body)
        elif request.path == _ACCOUNT:
            self._ses.account(connection)
        else:
            self._spawn(self._control(connection, request))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _control(self, connection: Connection, request: Request) -> None:
        asked = orjson.loads(request.body or b"{}")
        answer: object = None
        match request.path:
            case b"/reset":
                self._begin(asked)
            case b"/fill":
                await self._fill(**asked)
            case b"/release":
                self._release()
            case b"/pace":
                self._pace(**asked)
            case b"/progress":
                answer = self._progress()
            case b"/result":
                answer = {**self._accounts.result(), "left": self._left()}
            case _:
                connection.answer(_NOT_FOUND, b"{}")
                return
        connection.answer(_OK, orjson.dumps(answer))

    async def _fill(self, *, count: int, queues: list[str], size: int = 1_000) -> None:
        for number, queue in enumerate(queues):
            items = await make(range(number, count, len(queues)), size=size)
            self._held.append((queue, items))
        gc.freeze()

    def _release(self) -> None:
        held, self._held = self._held, []
        for queue, items in held:
            self._put(queue, items)

    def _pace(self, *, rate: float, seconds: float, queues: list[str], size: int = 1_000) -> None:
        self._to_come = round(rate * seconds)
        self._spawn(self._put_at(rate, queues, size))

    async def _put_at(self, rate: float, queues: list[str], size: int) -> None:
        items = await make(range(self._to_come), size=size)
        began = monotonic()
        for number, one in enumerate(items):
            # The loop's timers are as fine as a millisecond; what is late does not delay the next.
            if (early := began + number / rate - monotonic()) > 0:
                await asyncio.sleep(early)
            self._put(queues[number % len(queues)], [one])
            self._to_come -= 1

    def _put(self, queue: str, items: list[Item]) -> None:
        sent, now = int(time() * 1_000), monotonic()
        for one in items:
            one.sent = sent
        self._accounts.enqueue([one.id for one in items], now)
        self._sqs.queues[queue].put(items, now)

    def _progress(self) -> Asked:
        return {
            "accepted": len(self._accounts.accepted),
            "sent": self._accounts.sent,
            "requests": self._accounts.operations.total(),
            "to_come": self._to_come,
            "left": sum(self._left().values()),
            "polls": {name: queue.polls for name, queue in self._sqs.queues.items()},
            "receives": self._accounts.operations["ReceiveMessage"],
        }

    def _left(self) -> dict[str, int]:
        queues = self._sqs.queues.items()
        return {name: len(queue.ready) + len(queue.hidden) for name, queue in queues}
