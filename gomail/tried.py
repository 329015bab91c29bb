"""What is known of messages already tried: where, with which outcome, and how it ended. Pure.

Bounded: the oldest of 100,000 ids is forgotten first. Forgetting costs at most a needless attempt
or, for an id that was accepted and whose copy comes back much later, a duplicate.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from gomail.outcome import OutcomeClass

CAPACITY = 100_000
TWIN_SECONDS = 60.0
"""How much later the API may have put a second copy of a message on a queue, after a time-out."""
PASSING = frozenset({OutcomeClass.THROTTLED, OutcomeClass.QUOTA})


@dataclass(frozen=True, slots=True)
class Record:
    """One message's history in this process."""

    outcomes: Mapping[str, OutcomeClass] = field(default_factory=dict)
    """The last outcome at each provider."""
    accepted: bool = False
    final: tuple[str, str] | None = None
    """Reason and code, once it was decided to dead-letter it."""
    buried: frozenset[str] = frozenset()
    """SQS's ids of the copies that the dead-letter queue has confirmed: if one shows again, it only
    has to be deleted."""
    twins_until: float = float("-inf")
    """A message with the same id of ours that was put on its queue up to this time (seconds, by
    SQS's clock) is a twin of the buried one; a later one has been redriven and starts anew."""


NOTHING = Record()
"""The history of a message nobody has tried."""

_ACCEPTED = Record(accepted=True)


class Tried:
    """Records by message id, the least recently touched first."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._records: dict[str, Record] = {}
        self._capacity = capacity

    def __len__(self) -> int:
        return len(self._records)

    def of(self, message_id: str) -> Record:
        """What is known of a message."""
        return self._records.get(message_id, NOTHING)

    def note(self, message_id: str, provider: str, kind: OutcomeClass) -> None:
        """Remember an outcome; acceptance replaces all that went before."""
        if kind is OutcomeClass.ACCEPTED:
            self._put(message_id, _ACCEPTED)
            return
        record = self.of(message_id)
        if kind in PASSING and provider in record.outcomes:
            return  # it has failed there already, and a limit reached later does not undo that
        outcomes = {**record.outcomes, provider: kind}
        self._put(message_id, replace(record, outcomes=outcomes))

    def finish(self, message_id: str, reason: str, code: str) -> None:
        """Remember that a message goes to the dead-letter queue and must not be sent again."""
        self._put(message_id, replace(self.of(message_id), final=(reason, code)))

    def bury(self, message_id: str, copies: Iterable[str], sent_at: float) -> None:
        """Remember that the dead-letter queue holds a message, received as these copies.

        `sent_at` is when it was put on its queue, by SQS's clock.
        """
        record = self.of(message_id)
        buried, until = record.buried.union(copies), sent_at + TWIN_SECONDS
        self._put(message_id, Record(final=record.final, buried=buried, twins_until=until))

    def forget(self, message_id: str) -> None:
        """Know nothing of a message any more."""
        self._records.pop(message_id, None)

    def _put(self, message_id: str, record: Record) -> None:
        self._records.pop(message_id, None)
        self._records[message_id] = record
        if len(self._records) > self._capacity:
            del self._records[next(iter(self._records))]
