"""Takes valid emails in: on a queue now, or in the ledger's schedule for later.

What does not fit a queue message leaves its large parts in the payload store first. A payload whose
email then got onto no queue stays: a time-out may have queued it all the same. It is swept by age.
"""

import asyncio
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache

from gomail.about import about
from gomail.email import Email, Message, encode, pack
from gomail.ledger import LedgerUnavailable, Queued, Scheduled
from gomail.payloads import PayloadUnavailable
from gomail.queue import LONGEST_DELAY, Entry
from ingest.asking import ASKED, within
from ingest.parts import Memory, Parts
from ingest.verdict import Verdict, Verdicts

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Ready:
    """An email as it goes in."""

    message: Message
    at: int
    """When it came; milliseconds since the epoch."""
    body: str
    """The queue message."""
    payload_key: str = ""
    payload: bytes = b""
    """What is to be stored under `payload_key` before; empty where all of it is in `body`."""

    @property
    def note(self) -> Queued:
        """What the ledger is told of it."""
        email = self.message.email
        return Queued(self.message.id, self.at, email.from_email, email.to_email, about(email))

    @property
    def send_at(self) -> int:
        """When it is to be sent; 0 for at once."""
        return self.message.email.send_at


def prepared(parts: Parts, email: Email, message_id: str, now: int) -> Ready | Verdict:
    """The email as it goes in, or why it cannot. Pure but for what the parts know."""
    most = parts.watch.max_message_bytes
    message = Message(message_id, email, _written(now))
    if email.send_at - now > LONGEST_DELAY * 1_000 and parts.memory is None:
        return Verdict.NO_LEDGER
    # Encoding takes 25 ms where there are 10 MB to encode, so those are not encoded to be measured.
    # Escaping can treble the bytes of the others: what fitted the request may not fit the queue.
    body = "" if _contents(email) > most else encode(message)
    key, payload = "", b""
    if not body or len(body) > most:
        if parts.door.payloads is None:
            return Verdict.ATTACHMENTS_TOO_LARGE if email.attachments else Verdict.TOO_LARGE
        key = parts.door.prefix + message_id
        light, payload = pack(email, key)
        message = replace(message, email=light)
        body = encode(message)
        if len(body) > most:
            return Verdict.TOO_LARGE
    return Ready(message, now, body, key, payload)


async def take(parts: Parts, ready: Ready) -> Verdict:
    """Take one email; the verdict comes when a queue or the schedule has confirmed it."""
    if ready.payload or ready.send_at:
        return (await take_all(parts, [ready]))[0]
    verdict = await parts.batcher.put(ready.message.id, ready.body)
    if verdict is Verdict.QUEUED and parts.memory is not None:
        parts.memory.notes.add(ready.note)
    return verdict


async def take_all(parts: Parts, emails: Sequence[Ready]) -> list[Verdict]:
    """Take emails together; a verdict for each."""
    stored = await asyncio.gather(*(_store(parts, one) for one in emails))
    left = [one for one, done in zip(emails, stored, strict=True) if done]
    now = _now()
    soon = [one for one in left if one.send_at - now <= LONGEST_DELAY * 1_000]
    later = [one for one in left if one.send_at - now > LONGEST_DELAY * 1_000]
    queued, scheduled = await asyncio.gather(_enqueue(parts, soon, now), _schedule(parts, later))
    verdicts = queued | scheduled
    return [verdicts.get(one.message.id, Verdict.UNAVAILABLE) for one in emails]


async def _store(parts: Parts, ready: Ready) -> bool:
    payloads = parts.door.payloads
    if not ready.payload or payloads is None:
        return True
    try:
        await payloads.put(ready.payload_key, ready.payload, timeout=parts.door.timeout)
    except PayloadUnavailable as error:
        # Nothing is queued and nothing was promised.
        _log.warning("a payload is not stored: %s", error)
        return False
    return True


async def _enqueue(parts: Parts, emails: Sequence[Ready], now: int) -> Verdicts:
    entries = [
        Entry(one.message.id, one.body, delay=max(0, -((now - one.send_at) // 1_000)))
        for one in emails
    ]
    verdicts = await parts.batcher.put_all(entries)
    if parts.memory is not None:
        confirmed = [one for one in emails if verdicts[one.message.id] is Verdict.QUEUED]
        await _note(parts.memory, confirmed)
    return verdicts


async def _note(memory: Memory, emails: Sequence[Ready]) -> None:
    """Leave notes; of those with a time the ledger knows before the answer.

    They can be called back from then on, whichever process is asked.
    """
    quiet = memory.log
    timed = [one.note for one in emails if one.send_at]
    late = [one.note for one in emails if not one.send_at]
    if timed:
        try:
            await within(ASKED, memory.ledger.queued(timed))
        except Exception as error:  # noqa: BLE001 - they are on a queue, whatever happens here
            quiet.warning("timed", "notes are late: %s", type(error).__name__)
            late += timed
    for note in late:
        memory.notes.add(note)


async def _schedule(parts: Parts, emails: Sequence[Ready]) -> Verdicts:
    if not emails:
        return {}
    if parts.memory is None:
        return {one.message.id: Verdict.NO_LEDGER for one in emails}
    scheduled = [Scheduled(one.note, one.body) for one in emails]
    try:
        await within(parts.door.timeout, parts.memory.ledger.schedule(scheduled))
    except LedgerUnavailable as error:
        # Nothing was promised; they may be in the schedule all the same, as after any time-out.
        _log.warning("%d emails are not scheduled: %s", len(emails), error)
        return {one.message.id: Verdict.LEDGER_UNAVAILABLE for one in emails}
    return {one.message.id: Verdict.QUEUED for one in emails}


def _contents(email: Email) -> int:
    return sum(len(one.content) for one in email.attachments) if email.attachments else 0


def _now() -> int:
    return time.time_ns() // 1_000_000


def _written(milliseconds: int) -> str:
    seconds, rest = divmod(milliseconds, 1_000)
    return f"{_second(seconds)}.{rest:03d}Z"


@lru_cache(maxsize=1)
def _second(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}"
