"""The values that travel through the dataflow, from a receive to a settlement."""

from dataclasses import dataclass, field

from gomail.email import Email
from gomail.health import Observation
from gomail.ledger import Known, Status
from gomail.outcome import Outcome
from gomail.queue import Received
from gomail.routing import Way
from gomail.settlement import Decision
from gomail.value import value

NOT_BEGUN = "not-begun"
"""Code of an attempt that the ledger has noted and that ended before its send."""


@value
class Receipt:
    """What it takes to settle one copy of a message with its queue."""

    queue: str
    queue_message_id: str
    handle: str


@dataclass(slots=True, eq=False)
class Letter:
    """One message in hand: received, and not yet settled with the queue's confirmation.

    It is one object for its whole way through one worker. `id` is SQS's message id until the letter
    has been read, then the one the API promised.
    """

    id: str
    body: str
    """As it stands on the queue; the dead-letter queue gets it unchanged."""
    receipts: list[Receipt]
    """The newest of each copy on the queues."""
    receive_count: int
    sent_at: float
    """When it was put on its queue, seconds since the epoch."""
    deadline: float
    """Until when it stays hidden, by the monotonic clock from before the receive call."""
    lane: int
    """Index of the worker that holds it."""
    email: Email | None = None
    accepted_at: str = ""
    provider: str | None = None
    """Whose room it takes; None while no provider has been chosen."""
    eligible: frozenset[str] | None = None
    """The providers that could carry it; None for all."""
    decision: Decision | None = None
    """What becomes of it; once that is decided, no further copy is added to its receipts."""


def letter(received: Received, *, queue: str, deadline: float, lane: int) -> Letter:
    """A letter as a receive brought it, unread."""
    return Letter(
        id=received.queue_message_id,
        body=received.body,
        receipts=[Receipt(queue, received.queue_message_id, received.handle)],
        receive_count=received.receive_count,
        sent_at=received.sent_at,
        deadline=deadline,
        lane=lane,
    )


@value
class Routed:
    """A letter on its way to a provider."""

    letter: Letter
    provider: str
    way: Way
    verdict: int
    """Number of the provider's verdict under which it was chosen."""
    at: float = float("-inf")
    """From when on it may be sent, within the provider's rate; monotonic seconds."""

    @property
    def recipients(self) -> int:
        """How many recipients count against the provider's rate and quota."""
        return self.letter.email.recipients if self.letter.email else 1


@dataclass(slots=True, eq=False)
class Ticket:
    """One attempt's place in the ledger. Times in ms since the epoch."""

    known: Known | None = None
    """What the ledger knew of the email; None while it has not answered."""
    started: int = 0
    duration: int = 0
    unused: bool = False
    """Nothing was sent because the ledger had not answered; an answer that is late ends it."""
    alone: bool = False
    """The email is suspect of ending processes, and no other one is under way here."""


@value
class Attempt:
    """What one send brought; `outcome` is None where none was begun and none was noted.

    That is so where too little time was left, or where the ledger said that the email has ended.
    """

    routed: Routed
    outcome: Outcome | None
    ticket: Ticket = field(default_factory=Ticket)
    obstacle: Decision | None = None
    """What becomes of the letter where something of ours or the sender's wish held the send back:
    it says nothing about the provider. `outcome` is then what the ledger is told of the attempt."""

    @property
    def ended_before(self) -> Status | None:
        """The end that the ledger knew of, where it said so before a send was begun."""
        return self.ticket.known.ended if self.outcome is None and self.ticket.known else None


@value
class Settlement:
    """What becomes of a letter, and what its attempt says about the provider's health."""

    letter: Letter
    decision: Decision
    attempt: Attempt | None = None
    observation: Observation | None = None

    @property
    def provider(self) -> str | None:
        """Who was asked; None without an attempt."""
        return self.attempt.routed.provider if self.attempt else None

    @property
    def outcome(self) -> Outcome | None:
        """What came of it; None without an attempt."""
        return self.attempt.outcome if self.attempt else None

    @property
    def held_back(self) -> bool:
        """Whether the send was kept from beginning by something that is not the provider's."""
        return self.attempt is not None and self.attempt.obstacle is not None
