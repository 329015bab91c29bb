"""`POST /email/send`: from bytes to a message that a queue has confirmed.

The route takes the bare `Request` and reads the body itself: FastAPI's own reading costs more,
looks at the Content-Type and answers an empty body, deep nesting or bad UTF-8 in shapes that are
not ours.
"""

import time
from dataclasses import dataclass

from fastapi import FastAPI, Request, Response
from starlette.requests import ClientDisconnect
from uuid_utils import uuid7

from gomail.email import Email, Faults, NotAnEmail, has_forbidden_characters
from ingest import answers, json_body
from ingest.bodies import whole
from ingest.gate import barred, caller
from ingest.idempotency import BadKey, fingerprint, key_of, of_caller
from ingest.judging import Judge, misplaced
from ingest.openapi import SEND_REQUEST, SEND_RESPONSES
from ingest.parts import Parts, parts_of
from ingest.taking import Ready, prepared, take
from ingest.verdict import Verdict


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
    parts = parts_of(request)
    now = time.time_ns() // 1_000_000
    try:
        asked = _asked(await whole(request), request, parts.door.judge, now)
    except ClientDisconnect:
        # The client left in the middle of its request: nothing is queued and nobody hears this.
        return answers.not_json()
    if isinstance(asked, Response):
        return asked
    message_id = str(uuid7())
    if isinstance(asked, Email):
        ready = _ready(parts, asked, message_id, now)
        del asked  # files that were packed would stay in memory twice
        return await _take(parts, ready)
    ready = _ready(parts, asked.email, message_id, now)
    if isinstance(ready, Response) and isinstance(asked.email, Email):
        return ready  # whatever its key: it could never be queued
    if parts.memory is None:
        return answers.no_ledger()

    async def carry_out(id_: str) -> Response:
        same = id_ == message_id
        return await _take(parts, ready if same else _ready(parts, asked.email, id_, now))

    return await parts.memory.keys.once(asked.key, asked.fingerprint, message_id, carry_out)


@dataclass(frozen=True, slots=True)
class _Keyed:
    """What a request with an Idempotency-Key asks for."""

    email: Email | Faults
    """Faults only of its times: they do not count once the first answer was given."""
    key: str
    fingerprint: str


def _asked(  # noqa: PLR0911 - one for each kind of fault
    raw: bytes, request: Request, judge: Judge, now: int
) -> Email | _Keyed | Response:
    try:
        given = json_body.read(raw)
        if judge.is_too_large(raw, given):
            return answers.not_json()
        email = judge.email(given, now)
        key = key_of(request.scope["headers"])
        timeless = email if key is None else judge.timeless(given, email)
    except json_body.BadJSON as error:
        return answers.bad_json(error)
    except NotAnEmail:
        return answers.not_json()
    except BadKey:
        return answers.bad_key()
    beside = misplaced(given, "email")
    if beside or not isinstance(timeless, Email):
        wrong = [one for one in (email, timeless) if not isinstance(one, Email)]
        return answers.faulty({**(wrong[0] if wrong else {}), **beside})
    by = caller(request)
    if faults := barred(by, timeless):
        return answers.faulty(faults)
    if has_forbidden_characters(timeless.body):
        return answers.forbidden_characters()
    if key is None:
        return timeless
    return _Keyed(email, of_caller(key, by), fingerprint(timeless))


def _ready(parts: Parts, email: Email | Faults, message_id: str, now: int) -> Ready | Response:
    if not isinstance(email, Email):
        return answers.faulty(email)
    ready = prepared(parts, email, message_id, now)
    return answers.refused(ready) if isinstance(ready, Verdict) else ready


async def _take(parts: Parts, ready: Ready | Response) -> Response:
    if isinstance(ready, Response):
        return ready
    verdict = await take(parts, ready)
    message_id = ready.message.id
    return answers.queued(message_id) if verdict is Verdict.QUEUED else answers.refused(verdict)
