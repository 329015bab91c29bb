"""Builders with defaults: a test names only what it is about."""

from dataclasses import replace
from typing import Any

from flows.mail import Attempt, Letter, Receipt, Routed
from gomail.email import Email, Message, encode
from gomail.outcome import Outcome, OutcomeClass
from gomail.queue import Received
from gomail.routing import Candidate

QUEUE = "https://queue.example/emails-1"


def email(to: str = "reader@example.org", **given: Any) -> Email:
    fields: dict[str, Any] = {
        "from_email": "shop@example.com",
        "subject": "Your receipt",
        "body": "Thank you.",
    }
    return Email(to_email=to, **fields | given)


def message(id: str = "m-1", *, accepted_at: str = "", **given: str) -> Message:  # noqa: A002
    """A message whose email has the given fields."""
    return Message(id, email(**given), accepted_at)


def received(id: str = "m-1", **given: Any) -> Received:  # noqa: A002
    """What a queue hands out of a message with that id."""
    fields: dict[str, Any] = {
        "queue_message_id": f"sqs-{id}",
        "handle": f"handle-{id}",
        "body": encode(message(id)),
        "receive_count": 1,
        "sent_at": 0.0,
    }
    return Received(**fields | given)


def letter(id: str = "m-1", **given: Any) -> Letter:  # noqa: A002
    """A letter as a receive brought it; `queue_message_id` and `handle` tell copies apart."""
    one = received(id)
    known = given.pop("queue_message_id", one.queue_message_id)
    receipt = Receipt(given.pop("queue", QUEUE), known, given.pop("handle", one.handle))
    fields: dict[str, Any] = {
        "id": known,
        "body": one.body,
        "receipts": [receipt],
        "receive_count": one.receive_count,
        "sent_at": one.sent_at,
        "deadline": 60.0,
        "lane": 0,
    }
    return Letter(**fields | given)


def candidate(**outcomes: str) -> Candidate:
    """A message that the named providers have tried, each with the outcome named."""
    return Candidate({name: OutcomeClass(kind) for name, kind in outcomes.items()})


def only(*names: str, **outcomes: str) -> Candidate:
    """A message that only these providers could carry."""
    return replace(candidate(**outcomes), eligible=frozenset(names))


def outcome(kind: str = "accepted", **given: Any) -> Outcome:
    return Outcome(OutcomeClass(kind), **given)


def attempt(routed: Routed, kind: str | None = "accepted", **given: Any) -> Attempt:
    """What came of a routed letter; None where the send did not begin."""
    return Attempt(routed, None if kind is None else outcome(kind, **given))
