"""What the suite must know of a provider, and builders for emails."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gomail.eligibility import WhyUnable
from gomail.email import Email, Message
from gomail.http import Response, Transport
from gomail.outcome import OutcomeClass
from gomail.providers.sending import HttpProvider
from tests.providers.scripted import Request

ID = "0198c5a2-7b1e-7c3d-9f40-5a6b7c8d9e0f"


@dataclass(frozen=True)
class Seen:
    """An email as its recipient would get it, read back from a request."""

    from_email: str
    from_name: str
    to_email: str
    to_name: str
    subject: str
    body: str
    ids: frozenset[str]


@dataclass(frozen=True)
class Example:
    """An answer as the provider gives it, and what it must be taken for."""

    name: str
    answer: Response
    kind: OutcomeClass
    code: str
    account_fault: bool = False
    retry_after: float | None = None


@dataclass(frozen=True, kw_only=True)
class Case:
    name: str
    build: Callable[[Transport], HttpProvider]
    url: str
    read: Callable[[bytes], Seen]
    accepted: Response
    provider_id: str
    garbage: tuple[Response, ...]
    """Successes that nobody can read."""
    echo: Callable[[Request], Response]
    """A refusal that repeats the headers it was sent."""
    secrets: tuple[str, ...]
    empty_subject: str
    unable: WhyUnable
    body_limit: int
    examples: tuple[Example, ...]
    content_type: str = "application/json"

    def __str__(self) -> str:
        return self.name

    def _repr_pretty_(self, printer: Any, _cycle: object) -> None:
        printer.text(self.name)  # in hypothesis's reports, which would list all examples


def email(**given: str) -> Email:
    fields = {
        "from_email": "shop@example.com",
        "from_name": "Example Shop",
        "to_email": "reader@example.org",
        "to_name": "A Reader",
        "subject": "Your receipt",
        "body": "Thank you.",
    }
    return Email(**fields | given)


def message(*, id: str = ID, **given: str) -> Message:  # noqa: A002 - the field's name
    return Message(id, email(**given))
