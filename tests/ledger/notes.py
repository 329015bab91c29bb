"""Builders of what a ledger is told, with defaults: a test names only what it is about."""

from collections.abc import AsyncIterator
from typing import Any

from gomail.ledger import (
    About,
    EmailRecord,
    Event,
    Filter,
    Intent,
    Known,
    Ledger,
    Queued,
    Recorded,
    Scheduled,
    Status,
)
from gomail.outcome import OutcomeClass

NOW = 1_790_000_000_000
SENDER, READER = "shop@example.com", "reader@example.org"


def queued(id: str = "m-1", at: int = NOW, **given: Any) -> Queued:  # noqa: A002
    return Queued(**{"id": id, "at": at, "from_email": SENDER, "to_email": READER} | given)


def scheduled(
    id: str = "m-1",  # noqa: A002
    send_at: int = NOW + 3_600_000,
    body: str = "body",
    **given: Any,
) -> Scheduled:
    """An email for later; `recipients`, `tags` and `metadata` may be given beside `Queued`'s."""
    more = {name: given.pop(name) for name in ("recipients", "tags", "metadata") if name in given}
    return Scheduled(queued(id, about=About(send_at=send_at, **more), **given), body)


def intent(id: str = "m-1", **given: Any) -> Intent:  # noqa: A002
    fields = {
        "id": id,
        "provider": "ses",
        "at": NOW + 10,
        "receive_count": 1,
        "owner": "host-1",
        "queued_at": NOW,
        "from_email": SENDER,
        "to_email": READER,
    }
    return Intent(**fields | given)


def recorded(id: str = "m-1", status: str = "sent", **given: Any) -> Recorded:  # noqa: A002
    """What an attempt at SES brought; its outcome follows from the status unless it is named."""
    kinds = {"sent": "accepted", "retrying": "failed", "unknown": "unknown", "refused": "refused"}
    fields = {
        "id": id,
        "status": Status(status),
        "at": NOW + 20,
        "provider": "ses",
        "number": 1,
        "kind": given.pop("kind", kinds.get(status, "failed")),
        "started": NOW + 10,
        "duration": 10,
        "owner": "host-1",
        "queued_at": NOW,
        "from_email": SENDER,
        "to_email": READER,
    } | given
    if fields["kind"] is not None:
        fields["kind"] = OutcomeClass(fields["kind"])
    return Recorded(**fields)


def ended(id: str = "m-1", status: str = "failed", **given: Any) -> Recorded:  # noqa: A002
    """The end of an email without an attempt."""
    without = {"provider": "", "number": 0, "kind": None, "started": 0, "duration": 0}
    return recorded(id, status, **without | given)


async def intend(ledger: Ledger, id: str = "m-1", **given: Any) -> Known:  # noqa: A002
    """Tell one intent."""
    return (await ledger.intend([intent(id, **given)]))[id]


async def found(ledger: Ledger, id: str = "m-1") -> EmailRecord:  # noqa: A002
    """The record of an email that must be there."""
    record = await ledger.email(id)
    assert record is not None
    return record


async def pages(ledger: Ledger, which: Filter | None = None, *, limit: int) -> AsyncIterator[str]:
    """The ids on all pages, one after the other."""
    cursor = None
    while True:
        page = await ledger.emails(which or Filter(), cursor=cursor, limit=limit)
        assert len(page.emails) <= limit
        for email in page.emails:
            yield email.id
        if (cursor := page.next_cursor) is None:
            return


async def listed(ledger: Ledger, **which: Any) -> list[str]:
    return [each async for each in pages(ledger, Filter(**which), limit=50)]


async def everything(ledger: Ledger) -> list[Event]:
    """All events there are."""
    return await ledger.events("0", limit=10_000)
