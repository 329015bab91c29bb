"""All queues by name, with their dead-letter ties and everything a store kept of them. Pure."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from sandbox.attributes import Settings, check_name, check_values
from sandbox.errors import Refused, invalid, no_queue
from sandbox.queue import Journal, Queue, Trouble

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sandbox.message import Message


class QueueJournal(Journal, Protocol):
    """Hears also of queues that come, change and go."""

    def created(self, queue: Queue) -> None:
        """A queue is new, or its settings changed."""

    def deleted(self, queue: Queue) -> None:
        """A queue and its messages are gone."""


class Queues:
    """The queues of one account."""

    def __init__(self, journal: QueueJournal) -> None:
        self.trouble = Trouble()
        self._journal = journal
        self._by_name: dict[str, Queue] = {}

    def __iter__(self) -> Iterator[Queue]:
        return iter(self._by_name.values())

    def __contains__(self, name: str) -> bool:
        return name in self._by_name

    def get(self, name: str) -> Queue:
        """The queue of that name, or SQS's refusal."""
        try:
            return self._by_name[name]
        except KeyError:
            raise no_queue() from None

    def create(self, name: object, values: object, now: float) -> Queue:
        """Create a queue, or find the one that has this name and the same attributes."""
        name, values = check_name(name), check_values(values)
        if (queue := self._by_name.get(name)) is not None:
            if not queue.settings.agrees_with(values):
                raise Refused(
                    "QueueNameExists",
                    "A queue already exists with the same name and different values of attributes",
                )
            return queue
        settings = Settings(name, int(now), int(now), values)
        self._check_target(settings)
        queue = self._add(uuid.uuid4().hex, settings)
        self._journal.created(queue)
        return queue

    def configure(self, queue: Queue, values: object, now: float) -> None:
        """Set attributes; those not named stay as they are."""
        merged = {**queue.settings.values, **check_values(values)}
        kept = {name: value for name, value in merged.items() if value != ""}
        settings = replace(queue.settings, values=kept, modified=int(now))
        self._check_target(settings)
        queue.settings = settings
        self._tie()
        self._journal.created(queue)

    def delete(self, queue: Queue) -> None:
        """Delete a queue with everything in it."""
        del self._by_name[queue.settings.name]
        queue.purge()
        self._tie()
        self._journal.deleted(queue)

    def restore(self, uid: str, settings: Settings, messages: Iterable[Message]) -> None:
        """Take in what a store kept of a queue."""
        queue = self._add(uid, settings)
        for message in messages:
            queue.restore(message)

    def sources_of(self, queue: Queue) -> list[Queue]:
        """The queues whose dead letters this one takes."""
        return [source for source in self if source.dead_letters is queue]

    def _check_target(self, settings: Settings) -> None:
        target = settings.dead_letter_name
        if target is not None and target not in self._by_name:
            raise invalid(
                f"Value {settings.values['RedrivePolicy']} for parameter RedrivePolicy is invalid. "
                "Reason: Dead letter target does not exist."
            )

    def _add(self, uid: str, settings: Settings) -> Queue:
        queue = Queue(uid, settings, self._journal, self.trouble)
        self._by_name[settings.name] = queue
        self._tie()
        return queue

    def _tie(self) -> None:
        for queue in self:
            target = queue.settings.dead_letter_name
            queue.dead_letters = self._by_name.get(target) if target is not None else None
