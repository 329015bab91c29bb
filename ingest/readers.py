"""What became of my email: `GET /email/{id}`, `/emails`, `/stats` and `/events`.

Who may ask is the gate's matter.
"""

import time
from typing import Any, NoReturn

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException

from gomail.email import is_id
from gomail.settings import Settings
from ingest import answers, listing, shown
from ingest.asking import ASKED, within
from ingest.feed import Full
from ingest.openapi_readers import EMAIL_ROUTE, EMAILS_ROUTE, EVENTS_ROUTE, STATS_ROUTE
from ingest.parts import Memory, parts_of
from ingest.stream import EventStream


def add_routes(app: FastAPI, settings: Settings) -> None:
    """Add the four routes."""
    Readers(alert_after=settings.health.alert_after).add_routes(app)


class Readers:
    """The routes of those who read; they know when to alert."""

    def __init__(self, *, alert_after: float) -> None:
        self._alert_after = alert_after

    def add_routes(self, app: FastAPI) -> None:
        """Add them to the application."""
        routes: list[tuple[str, Any, dict[str, Any]]] = [
            ("/email/{id}", self.email, EMAIL_ROUTE),
            ("/emails", self.emails, EMAILS_ROUTE),
            ("/stats", self.stats, STATS_ROUTE),
            ("/events", self.events, EVENTS_ROUTE),
        ]
        for path, endpoint, described in routes:
            # Without a class of their own, FastAPI would add to the description that all is JSON.
            app.get(path, tags=["ledger"], response_class=Response, **described)(endpoint)

    async def email(self, request: Request) -> Response:
        """One email: its state and every attempt to send it."""
        email_id = request.path_params["id"]
        if email_id in {"send", "batch"}:
            # The neighbours' addresses, `POST /email/send` and `/batch`, with the wrong method.
            raise HTTPException(405, headers={"Allow": "POST"})
        memory = _memory(request)
        if not is_id(email_id):
            _unknown()
        note = memory.notes.get(email_id)
        found = await within(ASKED, memory.ledger.email(email_id))
        if found is None and note is not None:
            found = shown.of_note(note)
        return answers.shown(shown.whole(found)) if found else _unknown()

    async def emails(self, request: Request) -> Response:
        """Emails, newest first, a page at a time."""
        memory = _memory(request)
        asked = listing.emails(request.query_params.multi_items())
        if not isinstance(asked, listing.Listing):
            return answers.faulty(asked)
        try:
            page = await within(
                ASKED, memory.ledger.emails(asked.which, cursor=asked.cursor, limit=asked.limit)
            )
        except ValueError:
            return answers.faulty({"cursor": f"cursor {listing.NOT_OURS}"})
        emails = [shown.summary(email) for email in page.emails]
        return answers.shown({"emails": emails, "nextCursor": page.next_cursor})

    async def stats(self, request: Request) -> Response:
        """Counts, what each dispatch process says of its providers, and alerts."""
        memory = _memory(request)
        now = time.time_ns() // 1_000_000
        stats = await within(ASKED, memory.ledger.stats(now))
        notes = memory.notes
        ledger = shown.ledger(
            failing=notes.failing, waiting=len(notes), lost=notes.lost, failures=notes.failures
        )
        return answers.shown(
            shown.stats(stats, now=now, ledger=ledger, alert_after=self._alert_after)
        )

    async def events(self, request: Request) -> Response:
        """What happens from now on, or since an event, as server-sent events."""
        memory = _memory(request)
        asked = listing.events(
            request.query_params.multi_items(), request.headers.get("last-event-id")
        )
        if not isinstance(asked, listing.Following):
            return answers.faulty(asked)
        try:
            reader = await memory.feed.open(asked.after, asked.ids)
        except Full:
            return answers.too_many_readers()
        except ValueError:
            return answers.faulty({"after": f"after {listing.NOT_OURS}"})
        return EventStream(memory.feed, reader, memory.log)


def _memory(request: Request) -> Memory:
    memory = parts_of(request).memory
    if memory is None:
        raise HTTPException(503, answers.NO_LEDGER)
    return memory


def _unknown() -> NoReturn:
    raise HTTPException(404, answers.NO_SUCH_EMAIL)
