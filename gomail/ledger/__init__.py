"""The ledger port: what became of each email, asked and told in values of our own.

It answers three questions: what became of an email, has this request been made before, has a
provider accepted it already. It is never in the way of a send: whoever calls it waits a bounded
time, goes on without it, and says so. Adapters raise `LedgerUnavailable` for everything that
another try may mend.

All times are whole milliseconds since the epoch, UTC.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from gomail.errors import GomailError
from gomail.outcome import OutcomeClass
from gomail.value import value

ERASED = "erased"
"""What stands for an address that was to be forgotten. No address has no @."""


class LedgerUnavailable(GomailError):
    """The ledger is slow, full, locked or down; mail goes on without it."""


class Status(StrEnum):
    """What became of an email so far."""

    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    RETRYING = "retrying"
    UNKNOWN = "unknown"
    """It may have been sent: a provider's answer was lost. It is tried again."""
    REFUSED = "refused"
    FAILED = "failed"
    """Given up: nobody accepted it in time."""
    SCHEDULED = "scheduled"
    """It waits for the time its sender asked for."""
    CANCELED = "canceled"
    """Its sender called it back before it was sent."""
    EXPIRED = "expired"
    """The time its sender set was over before anybody accepted it."""


TERMINAL = frozenset({Status.SENT, Status.REFUSED, Status.FAILED, Status.CANCELED, Status.EXPIRED})
"""States that nothing but an operator's redrive leaves; a sent email stays sent."""

REDRIVEN = "redriven"
"""Code of the entry that a redrive leaves among the attempts."""
REDRIVEN_AFTER = 60_000
"""Milliseconds between the first queueing and the one of a redrive, at least. The two times may be
of different clocks; what is wrongly taken for a copy goes back to the dead-letter queue."""

REPORT_LIFE = 30_000
"""Milliseconds for which a process counts as living after a report."""
SUSPECT = 2
"""So many attempts without an outcome make an email suspect: it may be what ended the processes.
Whether they are gone is known too late for that."""
KILLER = 3
"""So many of processes that are gone are proof enough: it is not sent again."""


@dataclass(frozen=True, slots=True)
class About:
    """What a reader is told of an email beyond sender and first recipient."""

    recipients: tuple[str, ...] = ()
    """Addresses of everybody else it goes to, bcc too: an email is found by each of them."""
    tags: tuple[str, ...] = ()
    metadata: tuple[tuple[str, str], ...] = ()
    send_at: int = 0
    """When it is to be sent; 0 for at once."""


@dataclass(frozen=True, slots=True)
class Queued:
    """An email that a queue has confirmed; with `about.send_at`, one that is scheduled."""

    id: str
    at: int
    from_email: str
    to_email: str
    about: About | None = None


@dataclass(frozen=True, slots=True)
class Scheduled:
    """An email that waits in the ledger until it is put on a queue."""

    email: Queued
    """`about.send_at` says when."""
    body: str
    """The queue message."""


@dataclass(frozen=True, slots=True)
class Due:
    """A scheduled email whose time is near, handed to one process for as long as its lease."""

    id: str
    send_at: int
    body: str


class Cancellation(StrEnum):
    """What became of an attempt to call an email back."""

    CANCELED = "canceled"
    """It is and stays unsent; the same answer to whoever asks again."""
    UNKNOWN_EMAIL = "unknown email"
    NOT_SCHEDULED = "not scheduled"
    """It had no `send_at`: it is on its way."""
    TOO_LATE = "too late"
    """It is being sent, may have been sent, or has ended otherwise."""


@value
class Intent:
    """A send that is about to begin."""

    id: str
    provider: str
    at: int
    receive_count: int
    """How often the queue has handed the message out, this time included."""
    owner: str
    """The process that is about to send it."""
    queued_at: int
    from_email: str
    to_email: str
    about: About | None = None
    busy: int = 15_000
    """Milliseconds for which an attempt that another process began may still be under way."""
    alone: bool = False
    """Its process has no other attempt at a suspect email under way."""


@value
class Known:
    """What the ledger knew of an email when it was told an intent."""

    ended: Status | None = None
    """The terminal state it is in: it must not be sent, and no attempt was noted."""
    number: int = 1
    """The number of the attempt that the intent became; the first is 1. 0 where it was put off."""
    possible_duplicate: bool = False
    """An earlier receive or attempt left no outcome, or an unknown one: it may have been sent."""
    under_way: bool = False
    """Another process began an attempt less than `busy` ago and has told no outcome: it must not be
    sent now, and no attempt was noted."""
    unanswered: bool = False
    """An attempt since the last redrive has no outcome or an unknown one: unlike
    `possible_duplicate`, somebody did begin to send it."""
    abandoned: int = 0
    """Attempts since the last redrive that have no outcome, and whose process, another one, is
    gone: it has not reported for `REPORT_LIFE`."""

    @property
    def put_off(self) -> bool:
        """Whether no attempt was noted because of earlier ones, since the last redrive.

        Either `KILLER` of them were abandoned, or the intent was not `alone` and `SUSPECT` of them,
        begun by other processes, have no outcome.
        """
        return self.number == 0

    @property
    def noted(self) -> bool:
        """Whether the intent became an attempt, which wants an outcome."""
        return self.ended is None and not self.under_way and not self.put_off


@value
class Recorded:
    """What an attempt brought, or what ended an email without one (`provider` is then empty)."""

    id: str
    status: Status
    """The email's state from now on; a terminal state that is already there stays."""
    at: int
    provider: str = ""
    number: int = 0
    """From `Known`; 0 where the ledger did not answer the intent: it gets the next number."""
    kind: OutcomeClass | None = None
    code: str = ""
    detail: str = ""
    provider_id: str = ""
    started: int = 0
    duration: int = 0
    """Milliseconds."""
    possible_duplicate: bool = False
    owner: str = ""
    queued_at: int = 0
    from_email: str = ""
    to_email: str = ""
    about: About | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt as a reader sees it; `kind` is None while it is under way or was cut off."""

    number: int
    provider: str
    started: int
    duration: int | None = None
    kind: OutcomeClass | None = None
    code: str = ""
    detail: str = ""
    provider_id: str = ""
    possible_duplicate: bool = False


@dataclass(frozen=True, slots=True)
class EmailRecord:
    """One email as a reader sees it."""

    id: str
    status: Status
    queued_at: int
    updated_at: int
    from_email: str
    to_email: str
    provider: str = ""
    """Who accepted it, or who tried it last."""
    code: str = ""
    detail: str = ""
    about: About | None = None
    attempts: tuple[Attempt, ...] = ()
    """In order; empty in lists."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which emails to list; None for any. Addresses compare without regard to ASCII case."""

    status: Status | None = None
    to_email: str | None = None
    from_email: str | None = None
    provider: str | None = None
    since: int | None = None
    """Queued at this time or later."""
    until: int | None = None
    """Queued before this time."""


@dataclass(frozen=True, slots=True)
class Page:
    """Emails, newest first, and where the next page begins (None after the last)."""

    emails: tuple[EmailRecord, ...]
    next_cursor: str | None = None


class EventKind(StrEnum):
    """What a live event tells."""

    STATUS = "status"
    VERDICT = "verdict"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that changed, in an order that all readers share."""

    sequence: str
    """Opaque and increasing in the ledger's own order; a reader resumes after it."""
    kind: EventKind
    at: int
    data: Mapping[str, str | int | bool]
    """status: id, status, provider, code, detail, number, possibleDuplicate. verdict: provider,
    healthy, verdict, owner."""


@dataclass(frozen=True, slots=True)
class ExitReport:
    """One provider as one dispatch process sees it."""

    provider: str
    healthy: bool
    verdict: int
    failing_rounds: int
    good_rounds: int
    in_hand: int
    room: int
    paused_for: float
    """Seconds; 0 where it is not paused."""
    share: float = 0.0
    """Its part of the mail just now, from 0 to 1, while all have room."""
    rate: float | None = None
    """Recipients a second that it gets at most just now; None for no limit."""
    slow: bool = False
    """It gets less because many of its sends took long."""
    unhealthy_since: int = 0
    """When its verdict became unhealthy; 0 while it is healthy."""
    why: str = ""
    """What it said last that made it so."""
    mend: str = ""
    """What an operator has to mend, while the account is at fault."""
    mend_since: int = 0


@dataclass(frozen=True, slots=True)
class ProcessReport:
    """What a dispatch process says of itself every few seconds."""

    owner: str
    at: int
    exits: tuple[ExitReport, ...]


@dataclass(frozen=True, slots=True)
class Stats:
    """Counts since the ledger began (pruned emails stay counted), and the living processes."""

    by_status: Mapping[Status, int] = field(default_factory=dict)
    """Emails by the state they are in."""
    sent_by_provider: Mapping[str, int] = field(default_factory=dict)
    attempts: Mapping[tuple[str, OutcomeClass], int] = field(default_factory=dict)
    """Attempts by provider and outcome."""
    possible_duplicates: int = 0
    processes: tuple[ProcessReport, ...] = ()
    """Reports not older than 30 s."""


@value
class Take:
    """Recipients that are to be sent to through one provider, within its rate and quota."""

    provider: str
    count: int
    rate: float | None = None
    """Recipients a second; None for any."""
    burst: int = 1
    """Recipients that may follow each other at once."""
    quota: int | None = None
    """Recipients in 24 hours, of all who take; None for any."""


@value
class Turn:
    """When what was taken may be sent."""

    delay: float
    """Seconds from now; 0 for at once."""
    over_quota: bool = False
    """The quota is used up: nothing was taken."""


SET_BACK = 60.0
"""Seconds by which the clocks of those who take may differ; a take further ahead of now was noted
by a clock that has been set back since."""


class ClaimState(StrEnum):
    """What the ledger says of an Idempotency-Key."""

    NEW = "new"
    """The caller has it now: it may enqueue under `message_id`, and must `answer` or `release`."""
    ANSWERED = "answered"
    """The first answer is to be given again."""
    IN_FLIGHT = "in flight"
    """Another request with this key is under way and its lease has not ended."""
    OTHER_BODY = "other body"
    """The key belongs to a different request."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The state of a key; `message_id` is the one reserved for it, `answer` the stored one."""

    state: ClaimState
    message_id: str = ""
    answer: bytes = b""


class Ledger(Protocol):
    """What the API, the dispatcher and readers ask of a ledger."""

    # -- the API ---------------------------------------------------------------------------------

    async def queued(self, emails: Sequence[Queued]) -> None:
        """Note emails that a queue has taken. One that is known already changes nothing."""
        ...

    async def claim(
        self, key: str, *, fingerprint: str, message_id: str, now: int, lease: int, keep: int
    ) -> Claim:
        """Reserve `message_id` for a key, unless the key is taken; atomic among all processes.

        `lease` ms after the claim an unanswered key may be taken over by the same request; it
        keeps its first message id. `keep` ms after its answer a key is forgotten.
        """
        ...

    async def answer(self, key: str, *, message_id: str, answer: bytes) -> None:
        """Store the answer that requests with this key get from now on."""
        ...

    async def release(self, key: str, *, message_id: str) -> None:
        """End the lease of an unanswered key; a retry takes the same message id over."""
        ...

    # -- the schedule ----------------------------------------------------------------------------

    async def schedule(self, emails: Sequence[Scheduled]) -> None:
        """Keep emails until their time; when this returns they survive a crash of the machine.

        Their state is scheduled from then on. One that is known already changes nothing.
        """
        ...

    async def due(self, until: int, *, now: int, lease: int, limit: int) -> list[Due]:
        """Take up to `limit` emails that are to be sent up to `until`, earliest first.

        Atomic among all processes: nobody else is given them before `lease` ms after `now`, and
        whoever was given them calls `released` or leaves them to be given out again.
        """
        ...

    async def released(self, ids: Sequence[str], *, at: int) -> None:
        """Forget the bodies of these: a queue has confirmed them at `at`.

        What is put on a queue more than `REDRIVEN_AFTER` after `at` has been redriven.
        """
        ...

    async def cancel(self, email_id: str, *, now: int) -> Cancellation:
        """Call back an email with a `send_at` that is scheduled, queued or retrying; atomic.

        Its body leaves the schedule. A copy that is on a queue already is told `ended` by `intend`.
        """
        ...

    # -- the dispatcher --------------------------------------------------------------------------

    async def intend(self, intents: Sequence[Intent]) -> dict[str, Known]:
        """Note sends that are about to begin; answers what was known of every id.

        `possible_duplicate`: an attempt before this one has no outcome or an unknown one, or there
        are fewer attempts than receives before this one (a receive left no record).

        `under_way`: see `Known`. Besides copies that is a message that a standard queue hands out
        though it is hidden, and one that was returned before what its attempt brought is told. One
        that shows again as its visibility has ended is never that: a send begins only if longer
        than `busy` is left of it.

        `put_off`: see `Known`. What is only suspect may be asked about again, `alone`. So no email
        gets its third attempt without an outcome because another suspect ended the process.

        An email that was refused or given up (not canceled, not expired), and was put on its queue
        more than `REDRIVEN_AFTER` later than at first, has been redriven by an operator: that is
        noted as an attempt without provider and with the code `REDRIVEN`, receives count anew, and
        the send is noted.
        """
        ...

    async def take(self, takes: Sequence[Take], *, now: int) -> list[Turn]:
        """Share out the rate and quota of providers among all processes; atomic, in this order.

        The generic cell rate algorithm (ITU-T I.371): each provider has a time `due` at which what
        was taken so far is paid for. What is taken may be sent at max(now, due - (burst - 1) /
        rate), and `due` becomes max(now, due) + count / rate. Takes with different rates share one
        `due`. Where the last take is more than `SET_BACK` after now, a clock was set back, and
        `due` counts as now. The quota counts whole hours, so that it is kept in any 24 hours. Redis
        goes by its own clock, not by `now`.
        """
        ...

    async def record(self, records: Sequence[Recorded]) -> None:
        """Note what attempts brought; told twice, in whatever order, it changes nothing.

        An attempt with a number is known by that, one without by its provider and its start.

        What is told late overtakes nothing: a state that is no end changes nothing where a later
        attempt is known, nor does an end without an attempt where the email has been redriven since
        (its `queued_at` is more than `REDRIVEN_AFTER` before that of the redrive).
        """
        ...

    async def verdict(
        self, *, provider: str, healthy: bool, verdict: int, owner: str, at: int
    ) -> None:
        """Note a change of a provider's verdict; readers of events see it."""
        ...

    async def report(self, report: ProcessReport) -> None:
        """Replace what a dispatch process says of itself."""
        ...

    # -- readers ---------------------------------------------------------------------------------

    async def email(self, email_id: str) -> EmailRecord | None:
        """One email with its attempts."""
        ...

    async def emails(self, which: Filter, *, cursor: str | None, limit: int) -> Page:
        """A page of emails, newest first; constant cost a page however many there are.

        Raises:
            ValueError: the cursor is not one of ours.
        """
        ...

    async def events(self, after: str | None, *, limit: int) -> list[Event]:
        """Events after a sequence, oldest first; None for only the newest one, to start from.

        A sequence that has been pruned resumes at the oldest event there is.
        """
        ...

    async def stats(self, now: int) -> Stats:
        """Counts and reports."""
        ...

    # -- housekeeping ----------------------------------------------------------------------------

    async def prune(self, before: int, *, limit: int) -> int:
        """Forget up to `limit` each of emails queued before a time, old events and old keys.

        One that is still to be sent is not old. Answers how many things were forgotten.
        """
        ...

    async def forget(self, *spellings: str, limit: int) -> int:
        """Erase an address from up to `limit` emails; answers how many.

        It is erased in each of its spellings, in whatever ASCII case: a detail may quote another
        one than the email has.

        Whoever calls this repeats it until it answers 0: only then is the address gone, from live
        events too. An email keeps its id, state, times, provider, attempts and counts; `ERASED`
        stands for the address, under which it is found no more; its metadata are gone, and so is
        each detail that quotes the address. Details told of it later are not kept. One that is
        scheduled stays as it is: its message needs the address.
        """
        ...

    async def close(self) -> None:
        """Write what is pending and let go of the store."""
        ...
