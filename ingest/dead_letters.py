"""What nobody could send: `GET /dead-letters` and `/{id}` under it, `POST /dead-letters/redrive`.

What can be redriven is what the queue holds, so these ask the queue; what became of an email is the
ledger's (`GET /emails?status=refused`). To look at a queue is to receive from it: each request
looks at a bounded number for a bounded time, holds what it sees for at most a minute if this
process dies, and otherwise gives it back before it answers. One request of a process looks at a
time, since the next would see what is left over; a few wait for it.

A redrive is done when it is answered: at most a hundred, with `more` for a next request. So there
is no job whose state some process would have to keep, and to lose; the queue is that state.
"""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from gomail.dead_letters import EVERY, Which, grouped
from gomail.dead_letters_box import DeadLetterBox, DeadLetterQueue
from gomail.dead_letters_page import group, item, whole
from gomail.email import Faults
from gomail.errors import QueueError
from gomail.ledger import LedgerUnavailable
from gomail.payloads import Payloads
from gomail.settings import Settings
from ingest import answers, bodies, json_body
from ingest.asking import ASKED, within
from ingest.openapi_dead_letters import LETTER_ROUTE, LETTERS_ROUTE, REDRIVE_ROUTE
from ingest.parts import Memory

LOOKED = 500
"""Letters that a request looks at, at most."""
MOST = 100
"""Letters on a page, and those that a request redrives."""
DEFAULT = 50
HOLD = 30
"""Seconds."""
LOOKING = 5.0
REDRIVING = 20.0
"""Seconds in which a redrive begins with batches. The last one may wait for the ledger, a payload
store and the queues for as long again."""
REDRIVE_HOLD = 60
"""Seconds; a redrive is answered before its letters show again."""
WAITING = 3
"""Requests that wait until another has looked; more are told to come again."""
SLOWEST, FASTEST, USUAL_RATE = 1.0, 1_000.0, 10.0

NOT_THERE = "There is no dead letter with this id, or somebody else is looking at it"
NO_QUEUE = "The dead-letter queue does not answer just now"
BUSY = "Too many requests wait for the dead letters just now"
ONE_OF = "give one of id, filter and all"

_TEXTS = {"reason": "reason", "code": "code", "provider": "provider"}
_AGES = {"olderThanSeconds": "older_than", "newerThanSeconds": "newer_than"}


def add_routes(app: FastAPI) -> None:
    """Add the three routes."""
    routes = _Routes()
    # Without a class of their own, FastAPI would add to the description that all is JSON.
    app.get("/dead-letters", tags=["dead letters"], response_class=Response, **LETTERS_ROUTE)(
        routes.letters
    )
    # Before its neighbour, whose path fits too: who comes with a wrong method is told of this one.
    app.post(
        "/dead-letters/redrive", tags=["dead letters"], response_class=Response, **REDRIVE_ROUTE
    )(routes.redrive)
    app.get("/dead-letters/{id}", tags=["dead letters"], response_class=Response, **LETTER_ROUTE)(
        routes.letter
    )


class _Turns:
    """One request looks at a time, and few wait."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()
        self._waiting = 0

    @asynccontextmanager
    async def of(self, request: Request) -> AsyncIterator[None]:
        """The turn of this request.

        Raises:
            HTTPException: too many wait, or the client has left meanwhile: nothing is done for it.
        """
        if self._waiting >= WAITING:
            raise _busy()
        self._waiting += 1
        try:
            await self._turn.acquire()
        finally:
            self._waiting -= 1
        try:
            if await request.is_disconnected():
                raise _busy()  # nobody hears this
            yield
        finally:
            self._turn.release()


@dataclass(frozen=True, slots=True)
class Looker:
    """What the routes work with: made by the lifespan, kept at `app.state.dead_letters`."""

    box: DeadLetterBox
    memory: Memory | None
    turns: _Turns = field(default_factory=_Turns)


def looker(
    settings: Settings, queue: DeadLetterQueue, memory: Memory | None, payloads: Payloads | None
) -> Looker:
    """The parts of these routes."""
    box = DeadLetterBox(
        queue,
        url=settings.queues.dead_letter,
        targets=settings.queues.urls,
        ledger=memory.ledger if memory else None,
        payloads=payloads,
    )
    return Looker(box, memory)


@dataclass(frozen=True, slots=True)
class Wish:
    """What a redrive is asked for."""

    which: Which
    rate: float = USUAL_RATE
    dry: bool = False
    force: bool = False


class _Routes:
    async def letters(self, request: Request) -> Response:
        """Dead letters by reason and code, and the first of them."""
        looker = _looker(request)
        asked = read_query(request.query_params.multi_items())
        if not isinstance(asked, tuple):
            return answers.faulty(asked)
        which, limit = asked
        try:
            async with looker.turns.of(request):
                look = await looker.box.look(which, most=LOOKED, within=LOOKING, hold=HOLD)
        except QueueError as error:
            raise _no_queue() from error
        return answers.shown(
            {
                "groups": [group(one) for one in grouped(look.letters)],
                "items": [item(letter) for letter in look.letters[:limit]],
                "count": len(look.letters),
                "looked": look.looked,
                "complete": look.complete,
            }
        )

    async def letter(self, request: Request) -> Response:
        """One dead letter, with its addresses and the state that the ledger knows."""
        looker = _looker(request)
        letter_id = request.path_params["id"]
        if letter_id == "redrive":
            # The neighbour's address, `POST /dead-letters/redrive`, with the wrong method.
            raise HTTPException(HTTPStatus.METHOD_NOT_ALLOWED, headers={"Allow": "POST"})
        try:
            async with looker.turns.of(request):
                letter, _ = await looker.box.find(letter_id, most=LOOKED, within=LOOKING, hold=HOLD)
        except QueueError as error:
            raise _no_queue() from error
        if letter is None:
            raise HTTPException(HTTPStatus.NOT_FOUND, NOT_THERE)
        return answers.shown(whole(letter) | {"status": await _status(looker, letter.id)})

    async def redrive(self, request: Request) -> Response:
        """Put dead letters on the queues again; what is answered is done."""
        looker = _looker(request)
        try:
            wish = read_wish(await bodies.whole(request))
        except ClientDisconnect:
            # The client left in the middle of its request: nothing is done and nobody hears this.
            return answers.not_json()
        except json_body.BadJSON as error:
            return answers.bad_json(error)
        if not isinstance(wish, Wish):
            return answers.faulty(wish)
        try:
            async with looker.turns.of(request):
                done = await looker.box.redrive(
                    wish.which, rate=wish.rate, dry=wish.dry, force=wish.force,
                    most=MOST, look_at=LOOKED, within=REDRIVING, hold=REDRIVE_HOLD,
                )  # fmt: skip
        except QueueError as error:  # of what was done before, nothing is lost: ask again
            raise _no_queue() from error
        if wish.which.id is not None and not (done.redriven or done.kept):
            raise HTTPException(HTTPStatus.NOT_FOUND, NOT_THERE)
        return answers.shown(
            {
                "redriven": done.redriven,
                "kept": [{"id": id_, "why": str(why)} for id_, why in done.kept],
                "undeleted": done.undeleted,
                "dryRun": wish.dry,
                # Only where something was done: whoever asks as long as there is more comes to
                # an end, though those that are kept show again.
                "more": bool(done.redriven) and not done.complete and wish.which.id is None,
            }
        )


def _looker(request: Request) -> Looker:
    """The parts; who may use them is the gate's matter."""
    looker: Looker = request.app.state.dead_letters
    return looker


async def _status(looker: Looker, email_id: str) -> str | None:
    if looker.memory is None:
        return None
    try:
        record = await within(ASKED, looker.memory.ledger.email(email_id))
    except LedgerUnavailable:  # the letter is shown without
        return None
    return record.status if record else None


def _no_queue() -> HTTPException:
    return HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, NO_QUEUE, {"Retry-After": "5"})


def _busy() -> HTTPException:
    # Clients that were refused together must not come back together.
    later = {"Retry-After": str(random.randint(5, 15))}
    return HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, BUSY, later)


# -- what is asked for; pure ------------------------------------------------------------------


def read_query(pairs: list[tuple[str, str]]) -> tuple[Which, int] | Faults:
    """What `GET /dead-letters` asks for. A parameter without a value counts as left out."""
    names = {*_TEXTS, *_AGES, "limit"}
    given: dict[str, Any] = {}
    faults: Faults = {}
    for name, value in pairs:
        if name not in names:
            faults[name] = f"{name} is not a parameter of this request"
        elif name in given:
            faults[name] = f"{name} is given more than once"
        elif value:
            given[name] = _number(value) if name in {*_AGES, "limit"} else value
    limit = given.pop("limit", DEFAULT)
    if not (isinstance(limit, int) and 1 <= limit <= MOST):
        faults["limit"] = f"limit is not a whole number from 1 to {MOST}"
    which = _which(given, "", faults)
    return faults or (which, limit)


def read_wish(body: bytes) -> Wish | Faults:
    """What `POST /dead-letters/redrive` asks for.

    Raises:
        BadJSON: the body is no JSON object, or has a key twice.
    """
    given = json_body.read(body)
    if not isinstance(given, dict):
        raise json_body.BadJSON(answers.NOT_JSON)
    faults: Faults = {
        name: f"{name} is not a field of this request"
        for name in given.keys() - {"id", "filter", "all", "rate", "dryRun", "force"}
    }
    rate = given.get("rate", USUAL_RATE)
    if isinstance(rate, bool) or not (isinstance(rate, int | float) and SLOWEST <= rate <= FASTEST):
        faults["rate"] = f"rate is not a number from {SLOWEST:g} to {FASTEST:g}"
    for name in ("dryRun", "force"):
        if not isinstance(given.get(name, False), bool):
            faults[name] = f"{name} is not true or false"
    which = _selected(given, faults)
    if faults:
        return faults
    return Wish(which, rate, given.get("dryRun", False), given.get("force", False))


def _selected(given: dict[str, Any], faults: Faults) -> Which:
    if len(given.keys() & {"id", "filter", "all"}) != 1:
        faults["base"] = ONE_OF
    elif "all" in given:
        if given["all"] is not True:
            faults["all"] = "all is not true"
    elif "id" in given:
        if isinstance(given["id"], str) and given["id"].strip():
            return Which(id=given["id"])
        faults["id"] = "id is not a text, or is empty"
    elif not isinstance(given["filter"], dict) or not given["filter"]:
        # An empty one would be all of them, which has to be said in so many words.
        faults["filter"] = "filter is not an object with at least one field"
    else:
        return _which(given["filter"], "filter.", faults)
    return EVERY


def _which(given: dict[str, Any], path: str, faults: Faults) -> Which:
    found: dict[str, Any] = {}
    for name, value in given.items():
        if name in _TEXTS and isinstance(value, str) and value.strip():
            found[_TEXTS[name]] = value
        elif name in _AGES and _is_age(value):
            found[_AGES[name]] = value
        elif name in _TEXTS:
            faults[path + name] = f"{name} is not a text, or is empty"
        elif name in _AGES:
            faults[path + name] = f"{name} is not a number of seconds"
        else:
            faults[path + name] = f"{name} is not a field of a filter"
    return Which(**found)


def _is_age(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None  # noqa: PLR2004 - more digits than any of them needs
