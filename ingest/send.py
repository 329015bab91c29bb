"""`POST /email/send`: from bytes to a message that a queue has confirmed.

The route takes the bare `Request` and reads the body itself: FastAPI's own reading costs more,
looks at the Content-Type and answers an empty body, deep nesting or bad UTF-8 in shapes that are
not ours.
"""

import time
from dataclasses import replace
from datetime import UTC, datetime

import orjson
from fastapi import FastAPI, Request, Response
from starlette.requests import ClientDisconnect
from uuid_utils import uuid7

from gomail.email import Email, Message, NotAnEmail, encode, has_forbidden_characters, read
from gomail.ledger import ClaimState, Queued
from ingest import answers
from ingest.failover import Verdict
from ingest.idempotency import BadKey, Keys, key_of
from ingest.openapi import SEND_REQUEST, SEND_RESPONSES
from ingest.parts import Parts, parts_of


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


async def send_email(request: Request) -> Response:
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
    try:
        email = read(orjson.loads(raw))
        key = key_of(request.scope["headers"])
    except (orjson.JSONDecodeError, NotAnEmail):
        return answers.not_json()
    except BadKey:
        return answers.bad_key()
    if not isinstance(email, Email):
        return answers.faulty(email)
    if has_forbidden_characters(email.body):
        return answers.forbidden_characters()
    return await _take(parts_of(request), email, key)


async def _take(parts: Parts, email: Email, key: str | None) -> Response:
    now = time.time_ns() // 1_000_000
    message = Message(str(uuid7()), email, _written(now))
    body = encode(message)
    # Escaping can treble the bytes: what fitted the request may not fit the queue.
    if len(body) > parts.watch.max_message_bytes:
        return answers.not_json()
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
    match await parts.batcher.put(message.id, body):
        case Verdict.QUEUED:
            if parts.memory is not None:
                email = message.email
                parts.memory.notes.add(Queued(message.id, now, email.from_email, email.to_email))
            return answers.queued(message.id)
        case Verdict.FORBIDDEN_CHARACTERS:
            return answers.forbidden_characters()
        case Verdict.TOO_LARGE:
            return answers.not_json()
        case Verdict.UNAVAILABLE:
            return answers.unavailable()


def _written(milliseconds: int) -> str:
    moment = datetime.fromtimestamp(milliseconds / 1_000, UTC)
    return moment.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
