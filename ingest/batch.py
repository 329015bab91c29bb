"""`POST /email/batch`: up to a hundred emails in one request, each with an answer of its own.

Strict: one that is not valid keeps all of them out. Permissive: the others go in. Each gets an id
that is made from the request's, so a batch that is repeated under its `Idempotency-Key` after only
some of it was queued goes in under the same ids, and no email is sent twice.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from fastapi import FastAPI, Request, Response
from starlette.requests import ClientDisconnect
from uuid_utils import uuid7

from gomail.email import Email, Faults
from gomail.keys import Key
from ingest import answers, json_body
from ingest.bodies import whole
from ingest.gate import barred, caller
from ingest.idempotency import BadKey, fingerprint_of_batch, key_of, of_caller
from ingest.judging import Judge, misplaced
from ingest.openapi_batch import BATCH_REQUEST, BATCH_RESPONSES
from ingest.parts import Parts, parts_of
from ingest.taking import Ready, prepared, take_all
from ingest.turns import by_turns
from ingest.verdict import Verdict

MOST = 100
"""Emails in a batch; their ids have room for 256."""

_STRICT, _PERMISSIVE = "strict", "permissive"
_COULD_NOT = frozenset({Verdict.UNAVAILABLE, Verdict.LEDGER_UNAVAILABLE})


def add_routes(app: FastAPI) -> None:
    """Add the route to the application itself."""
    app.post(
        "/email/batch",
        summary="Queue up to 100 emails",
        tags=["email"],
        operation_id="sendBatch",
        responses=BATCH_RESPONSES,
        openapi_extra=BATCH_REQUEST,
    )(send_batch)


async def send_batch(request: Request) -> Response:
    """Take emails together; the answer comes when each is queued, or is known not to be.

    `results` are in the order of `emails`. A 207 says that some valid ones were not queued in time:
    the same request again, with the same `Idempotency-Key`, queues what is missing.
    """
    parts = parts_of(request)
    now = time.time_ns() // 1_000_000
    try:
        asked = await _asked(await whole(request), request, parts.door.judge, now)
    except ClientDisconnect:
        # The client left in the middle of its request: nothing is queued and nobody hears this.
        return answers.not_json()
    if isinstance(asked, Response):
        return asked
    batch_id = str(uuid7())
    plan = await _plan(parts, asked.emails, batch_id, now)
    if asked.strict and any(isinstance(one, Verdict) for one in plan):
        return _refused(plan)  # whatever its key: it could never be queued

    async def carry_out(id_: str) -> Response:
        same = plan if id_ == batch_id else await _plan(parts, asked.emails, id_, now)
        if asked.strict and not all(isinstance(one, Ready) for one in same):
            return _refused(same)
        return await _queue(parts, same)

    if asked.key is None:
        return await carry_out(batch_id)
    if parts.memory is None:
        return answers.no_ledger()
    return await parts.memory.keys.once(asked.key, asked.fingerprint, batch_id, carry_out)


Plan = Sequence[Ready | Verdict | Faults]
"""What is to become of each email: it goes in, or why it does not."""


@dataclass(frozen=True, slots=True)
class _Asked:
    emails: list[Email | Faults]
    strict: bool
    key: str | None
    fingerprint: str


async def _asked(raw: bytes, request: Request, judge: Judge, now: int) -> _Asked | Response:
    since = time.monotonic()
    try:
        given = json_body.read(raw)
        key = key_of(request.scope["headers"])
        by = caller(request)
        key = key and of_caller(key, by)
    except json_body.BadJSON as error:
        return answers.bad_json(error)
    except BadKey:
        return answers.bad_key()
    given = {} if given is None else given
    wires = _wires(given)
    if wires is None:
        return answers.not_json()
    validation = given.get("validation") or _STRICT
    if faults := _faults(wires, validation) | misplaced(given, "emails"):
        return answers.faulty(faults)
    measured = len(raw) <= judge.max_body_bytes
    judged = [
        _permitted(judge.item(wire, now, measured=measured), by)
        async for wire in by_turns(wires, since)
    ]
    return _judged(judged, wires, strict=validation == _STRICT, key=key)


def _permitted(
    judged: tuple[Email | Faults, Email | Faults], by: Key | None
) -> tuple[Email | Faults, Email | Faults]:
    """The same, or why the caller may not send it."""
    _, timeless = judged
    faults = barred(by, timeless) if isinstance(timeless, Email) else {}
    return (faults, faults) if faults else judged


def _judged(
    judged: Sequence[tuple[Email | Faults, Email | Faults]],
    wires: Sequence[object],
    *,
    strict: bool,
    key: str | None,
) -> _Asked | Response:
    emails = [email for email, _ in judged]
    same = [timeless for _, timeless in judged]
    if strict and not all(isinstance(one, Email) for one in same):
        return _refused(emails)
    if key is None:
        return _Asked(emails, strict, None, "")
    request = [
        one if isinstance(one, Email) else wire for one, wire in zip(same, wires, strict=True)
    ]
    return _Asked(emails, strict, key, fingerprint_of_batch(request, strict=strict))


def _wires(given: object) -> list[Any] | None:
    """The emails as they came; None where there are none of the right type."""
    if not isinstance(given, dict):
        return None
    wires = given.get("emails")
    wires = [] if wires is None else wires
    return wires if isinstance(wires, list) else None


def _faults(wires: Sequence[object], validation: object) -> Faults:
    faults = {}
    if not wires:
        faults["emails"] = "Emails are required"
    if len(wires) > MOST:
        faults["emails"] = f"There are more than {MOST} emails"
    if validation not in (_STRICT, _PERMISSIVE):
        faults["validation"] = f"Validation is neither {_STRICT} nor {_PERMISSIVE}"
    return faults


async def _plan(parts: Parts, emails: Sequence[Email | Faults], batch_id: str, now: int) -> Plan:
    return [
        prepared(parts, one, id_of(batch_id, place), now) if isinstance(one, Email) else one
        async for place, one in by_turns(enumerate(emails), time.monotonic())
    ]


def _refused(plan: Sequence[object]) -> Response:
    """What is wrong in a strict batch, at dotted names."""
    if Verdict.NO_LEDGER in plan:
        return answers.no_ledger()
    return answers.faulty(
        {
            f"emails.{place}.{field}": sentence
            for place, one in enumerate(plan)
            for field, sentence in _errors(one).items()
        }
    )


async def _queue(parts: Parts, plan: Plan) -> Response:
    ready = [one for one in plan if isinstance(one, Ready)]
    verdicts = await take_all(parts, ready)
    if verdicts and all(verdict in _COULD_NOT for verdict in verdicts):
        return answers.refused(verdicts[0])
    told = {one.message.id: verdict for one, verdict in zip(ready, verdicts, strict=True)}
    results = [_result(one, told) for one in plan]
    complete = all(verdict is Verdict.QUEUED for verdict in verdicts)
    return answers.batch(results, complete=complete)


def _result(one: Ready | Verdict | Faults, told: Mapping[str, Verdict]) -> dict[str, object]:
    if not isinstance(one, Ready):
        return {"errors": _errors(one)}
    verdict = told[one.message.id]
    if verdict is Verdict.QUEUED:
        return {"messageId": one.message.id}
    return {"errors": answers.faults_of(verdict)}


def _errors(one: object) -> Mapping[str, str]:
    if isinstance(one, Verdict):
        return answers.faults_of(one)
    return cast("Faults", one) if isinstance(one, dict) else {}


def id_of(batch_id: str, place: int) -> str:
    """The id of an email in a batch: the batch's own, with the place in its last 8 bits. Pure."""
    return f"{batch_id[:-2]}{place:02x}"
