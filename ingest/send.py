"""`POST /email/send`: from bytes to a message that a queue has confirmed.

The route takes the bare `Request` and reads the body itself: FastAPI's own reading costs more,
looks at the Content-Type and answers an empty body, deep nesting or bad UTF-8 in shapes that are
not ours.
"""

from datetime import UTC, datetime

import orjson
from fastapi import FastAPI, Request, Response
from starlette.requests import ClientDisconnect
from uuid_utils import uuid7

from gomail.email import Email, Message, NotAnEmail, encode, has_forbidden_characters, read
from ingest import answers
from ingest.failover import Verdict
from ingest.openapi import SEND_REQUEST, SEND_RESPONSES
from ingest.parts import parts_of


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
    time; sending it again may then, rarely, send it twice.
    """
    try:
        raw = await request.body()
    except ClientDisconnect:
        # The client left in the middle of its request: nothing is queued and nobody hears this.
        return answers.not_json()
    try:
        email = read(orjson.loads(raw))
    except (orjson.JSONDecodeError, NotAnEmail):
        return answers.not_json()
    if not isinstance(email, Email):
        return answers.faulty(email)
    if has_forbidden_characters(email.body):
        return answers.forbidden_characters()
    return await _enqueue(request, Message(str(uuid7()), email, _now()))


async def _enqueue(request: Request, message: Message) -> Response:
    parts = parts_of(request)
    body = encode(message)
    # Escaping can treble the bytes: what fitted the request may not fit the queue.
    if len(body) > parts.watch.max_message_bytes:
        return answers.not_json()
    match await parts.batcher.put(message.id, body):
        case Verdict.QUEUED:
            return answers.queued(message.id)
        case Verdict.FORBIDDEN_CHARACTERS:
            return answers.forbidden_characters()
        case Verdict.TOO_LARGE:
            return answers.not_json()
        case Verdict.UNAVAILABLE:
            return answers.unavailable()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
