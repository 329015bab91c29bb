"""`POST /email/send`: from bytes to a message that a queue has confirmed.

The route takes the bare `Request` and reads the body itself: FastAPI's own reading costs more,
looks at the Content-Type and answers an empty body, deep nesting or bad UTF-8 in shapes that are
not ours.
"""

import logging
import time
from dataclasses import replace
from datetime import UTC, datetime

import orjson
from fastapi import FastAPI, Request, Response
from starlette.requests import ClientDisconnect
from uuid_utils import uuid7

from gomail.about import about
from gomail.email import Email, Message, NotAnEmail, encode, has_forbidden_characters, pack, read
from gomail.ledger import ClaimState, LedgerUnavailable, Queued, Scheduled
from gomail.payloads import Payloads, PayloadUnavailable
from gomail.queue import LONGEST_DELAY
from ingest import answers
from ingest.asking import within
from ingest.failover import Verdict
from ingest.idempotency import BadKey, Keys, key_of
from ingest.openapi import SEND_REQUEST, SEND_RESPONSES
from ingest.parts import Parts, parts_of

_log = logging.getLogger(__name__)

SCHEDULING = 5.0
"""Seconds for an email to be written into the ledger's schedule, on its disk."""


def add_routes(app: FastAPI) -> None:
    """Add the route to the application itself: an included router costs every request a lookup."""
    app.post(
        "/email/send",
        summary="Queue one email",
        tags=["email"],
        operation_id="sendEmail",
        responses=SEND_RESPONSES,
        openapi_extra=SEND_REQUEST,
    )(send_email)


async def send_email(request: Request) -> Response:  # noqa: PLR0911 - one for each refusal
    """Take one email; the answer comes when a queue has confirmed it.

    `messageId` names the email from here to the provider. A 503 means that no queue confirmed it in
    time; sending it again may then, rarely, send it twice. With an `Idempotency-Key` it does not:
    every request with that key stands for the same email.
    """
    try:
        raw = await request.body()
    except ClientDisconnect:
        # The client left in the middle of its request: nothing is queued and nobody hears this.
        return answers.not_json()
    parts = parts_of(request)
    now = time.time_ns() // 1_000_000
    try:
        # On the loop, however large: 10 MB of attachments hold it for some 30 ms.
        email = read(
            orjson.loads(raw), now_ms=now, max_attachment_bytes=parts.door.max_attachment_bytes
        )
        key = key_of(request.scope["headers"])
    except (orjson.JSONDecodeError, NotAnEmail):
        return answers.not_json()
    except BadKey:
        return answers.bad_key()
    if not isinstance(email, Email):
        return answers.faulty(email)
    if has_forbidden_characters(email.body):
        return answers.forbidden_characters()
    if len(raw) - _contents(email) > parts.door.max_body_bytes:
        return answers.not_json()
    return await _take(parts, email, key, now)


def _contents(email: Email) -> int:
    """Bytes of a request that are its attachments' contents: the limit does not count them."""
    return sum(len(one.content) for one in email.attachments) if email.attachments else 0


async def _take(parts: Parts, email: Email, key: str | None, now: int) -> Response:
    message = Message(str(uuid7()), email, _written(now))
    body = encode(message)
    # Escaping can treble the bytes: what fitted the request may not fit the queue.
    if len(body) > parts.watch.max_message_bytes and parts.door.payloads is None:
        return answers.too_large_together() if email.attachments else answers.not_json()
    if key is None:
        return await _enqueue(parts, message, body, now)
    if parts.memory is None:
        return answers.no_ledger()
    return await _enqueue_once(parts, parts.memory.keys, key, message, now)


async def _enqueue_once(parts: Parts, keys: Keys, key: str, message: Message, now: int) -> Response:
    claim = await keys.claim(key, message.email, message.id)
    match claim.state:
        case ClaimState.ANSWERED:
            return answers.replayed(claim.answer)
        case ClaimState.OTHER_BODY:
            return answers.key_of_another()
        case ClaimState.IN_FLIGHT:
            return answers.in_flight()
        case ClaimState.NEW:
            message = replace(message, id=claim.message_id)
            response = await _enqueue(parts, message, encode(message), now)
            await keys.settle(key, claim, response)
            return response


async def _enqueue(parts: Parts, message: Message, body: str, now: int) -> Response:
    payloads = parts.door.payloads
    if len(body) > parts.watch.max_message_bytes and payloads is not None:
        divided = await _divide(parts, payloads, message)
        if isinstance(divided, Response):
            return divided
        body = divided
    email = message.email
    note = Queued(message.id, now, email.from_email, email.to_email, about(email))
    ahead = email.send_at - now if email.send_at else 0
    if ahead > LONGEST_DELAY * 1_000:
        return await _schedule(parts, Scheduled(note, body))
    match await parts.batcher.put(message.id, body, delay=-(-ahead // 1_000)):
        case Verdict.QUEUED:
            if parts.memory is not None:
                parts.memory.notes.add(note)
            return answers.queued(message.id)
        case Verdict.FORBIDDEN_CHARACTERS:
            return answers.forbidden_characters()
        case Verdict.TOO_LARGE:
            return answers.not_json()
        case Verdict.UNAVAILABLE:
            return answers.unavailable()


async def _divide(parts: Parts, payloads: Payloads, message: Message) -> str | Response:
    """The queue message of an email whose large parts are stored by now; else the refusal."""
    key = parts.door.prefix + message.id
    light, data = pack(message.email, key)
    body = encode(replace(message, email=light))
    if len(body) > parts.watch.max_message_bytes:
        return answers.not_json()
    try:
        await payloads.put(key, data, timeout=parts.door.timeout)
    except PayloadUnavailable as error:  # nothing is queued; what is stored is swept by its age
        _log.warning("a payload is not stored: %s", error)
        return answers.unavailable()
    return body


async def _schedule(parts: Parts, email: Scheduled) -> Response:
    if parts.memory is None:
        return answers.no_ledger()
    try:
        await within(SCHEDULING, parts.memory.ledger.schedule([email]))
    except LedgerUnavailable as error:
        # Nothing was promised; it may be in the schedule all the same, as after any time-out.
        _log.warning("an email is not scheduled: %s", error)
        return answers.unavailable()
    return answers.queued(email.email.id)


def _written(milliseconds: int) -> str:
    moment = datetime.fromtimestamp(milliseconds / 1_000, UTC)
    return moment.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
