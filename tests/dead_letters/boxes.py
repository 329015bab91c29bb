"""A dead-letter queue in memory that can be browsed, a ledger and a store that tell what a test
wants, and a box over them whose clock a test moves."""

import asyncio
import itertools
import json
import time
from dataclasses import replace

from gomail.dead_letters_box import DeadLetterBox
from gomail.email import encode
from gomail.ledger import EmailRecord, LedgerUnavailable, Status
from gomail.payloads import PayloadMissing
from tests.builders import message
from tests.flows.fakes import FakeQueue

ONE, TWO, DEAD = "http://q/0/one", "http://q/0/two", "http://q/0/dead"
HOUR = 3_600


class BrowsableQueue(FakeQueue):
    """`FakeQueue` with `gomail.queue.Browser`; no poll waits."""

    def __init__(self, *names):
        super().__init__(*(names or (ONE, TWO, DEAD)), delays=1.0)
        self.end_polls()

    async def browse(self, queue, *, most, wait, visibility):
        received = await self.receive(queue, most=most, wait=wait, visibility=visibility)
        told = {one.id: one.attributes for one in self.on(queue)}
        return [replace(one, attributes=told[one.queue_message_id] or None) for one in received]

    def bury(self, id_, *, body=None, age=HOUR, **attributes):
        """Put a dead letter on the queue as the dispatcher does."""
        told = {"gomailId": id_, "reason": "refused", "code": "400", "queue": ONE} | attributes
        body = encode(message(id_)) if body is None else body
        return self._add(DEAD, body, told, time.time() - age)


class Told:
    """A ledger of which only `email` is asked, and a store of which only `get` is."""

    def __init__(self, **statuses):
        self.statuses = statuses
        self.down = False
        self.gone = True

    async def email(self, email_id):
        if self.down:
            raise LedgerUnavailable("down")
        status = self.statuses.get(email_id.replace("-", "_"))
        if status is None:
            return None
        return EmailRecord(email_id, Status(status), 0, 0, from_email="", to_email="")

    async def get(self, key, *, timeout):  # noqa: ARG002 - the port's signature
        if self.gone:
            raise PayloadMissing(key)
        return b""


class Stage:
    """A box, its queue, and what it slept."""

    def __init__(self, ledger=None, payloads=None):
        self.queue = BrowsableQueue()
        self.ledger = ledger
        self.now = 0.0
        self.slept = []
        self.box = DeadLetterBox(
            self.queue, url=DEAD, targets=(ONE, TWO), ledger=ledger, payloads=payloads,
            describer=self.queue, clock=lambda: self.now, sleep=self._sleep,
        )  # fmt: skip

    async def _sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)

    def bury(self, count, **more):
        ids = [f"m-{number}" for number in itertools.islice(itertools.count(1), count)]
        for id_ in ids:
            self.queue.bury(id_, **more)
        return ids

    def refuse_again(self, age=0):
        """From now on whatever is put on a queue is refused and dead again before the answer."""
        send = self.queue.send

        async def refused(queue, entries, **given):
            answers = await send(queue, entries, **given)
            for one in self.queue.on(queue):
                await self.queue.delete(queue, [one.handle])
                self.queue.bury(json.loads(one.body)["id"], body=one.body, age=age)
            return answers

        self.queue.send = refused

    def dead(self):
        return [one.attributes.get("gomailId") for one in self.queue.on(DEAD)]

    def bodies(self):
        return [one.body for url in (ONE, TWO) for one in self.queue.on(url)]

    def all_visible(self):
        return self.queue.visible(DEAD) == len(self.queue.on(DEAD))
