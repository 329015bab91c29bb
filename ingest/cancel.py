"""`POST /email/{id}/cancel`: calls back an email with `sendAt`, whoever is asked.

Whoever may send may cancel what he has the id of; nobody guesses one, and the answer tells no more
of the email than its end. A key with From addresses of its own cancels email from those only.
"""

import time
from http import HTTPStatus

from fastapi import FastAPI, Request, Response

from gomail.email import is_id
from gomail.ledger import Cancellation
from ingest import answers
from ingest.asking import within
from ingest.gate import caller
from ingest.openapi_readers import CANCEL_ROUTE
from ingest.parts import Memory, parts_of

PATIENCE = 5.0
"""Seconds for a cancellation to be on the ledger's disk."""


def add_routes(app: FastAPI) -> None:
    """Add the route to the application itself."""
    # Without a class of its own, FastAPI would add to the description that all is JSON.
    app.post("/email/{id}/cancel", tags=["email"], response_class=Response, **CANCEL_ROUTE)(
        cancel_email
    )


async def cancel_email(request: Request) -> Response:
    """Call back an email with `sendAt` before it is sent; after a 200 nobody sends it."""
    memory = parts_of(request).memory
    if memory is None:
        return answers.no_ledger()
    email_id = request.path_params["id"]
    if not is_id(email_id):
        return answers.base_error(HTTPStatus.NOT_FOUND, answers.NO_SUCH_EMAIL)
    key = caller(request)
    if key is not None and key.senders:
        sender = await within(PATIENCE, _sender(memory, email_id))
        if sender is not None and not key.may_send_from(sender):
            return answers.not_from()
    return _told(email_id, await within(PATIENCE, _cancel(memory, email_id)))


def _told(email_id: str, cancellation: Cancellation) -> Response:
    match cancellation:
        case Cancellation.CANCELED:
            return answers.canceled(email_id)
        case Cancellation.UNKNOWN_EMAIL:
            return answers.base_error(HTTPStatus.NOT_FOUND, answers.NO_SUCH_EMAIL)
        case Cancellation.NOT_SCHEDULED:
            return answers.base_error(HTTPStatus.CONFLICT, answers.NOT_SCHEDULED)
        case Cancellation.TOO_LATE:
            return answers.base_error(HTTPStatus.CONFLICT, answers.TOO_LATE)


async def _sender(memory: Memory, email_id: str) -> str | None:
    """The email's From address; None where nobody knows the email, which then is not canceled."""
    known = memory.notes.get(email_id) or await memory.ledger.email(email_id)
    return known.from_email if known else None


async def _cancel(memory: Memory, email_id: str) -> Cancellation:
    if note := memory.notes.get(email_id):  # a note that is late: the ledger has to know it first
        await memory.ledger.queued([note])
    return await memory.ledger.cancel(email_id, now=time.time_ns() // 1_000_000)
