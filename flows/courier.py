"""Sends letters, off the workers' threads, and brings back what came of it.

Workers hand the courier batches and go on at once; one crossing of threads serves a whole batch,
since a crossing a message costs a third more CPU. What a send brings goes back to the worker that
asked for it through its lane.
"""

import logging
from collections.abc import Mapping, Sequence

from flows.desk import Desk, Lane
from flows.loop import Loop
from flows.mail import Attempt, Routed, Ticket
from flows.scribe import Scribe
from gomail.email import Message
from gomail.outcome import Outcome, OutcomeClass
from gomail.providers import Provider
from gomail.settings import SETTLING_MARGIN

log = logging.getLogger(__name__)


class Courier:
    """Sends letters and puts the attempts on the lanes they came from."""

    def __init__(
        self,
        loop: Loop,
        desk: Desk,
        providers: Mapping[str, Provider],
        *,
        send_timeout: float,
        scribe: Scribe | None = None,
    ) -> None:
        self._loop = loop
        self._desk = desk
        self._providers = providers
        self._send_timeout = send_timeout
        self._scribe = scribe

    def send(self, lane: Lane, batch: Sequence[Routed]) -> None:
        """Hand over a batch; never blocks. From the worker's thread."""
        self._loop.call(self._receive, lane, batch)

    def _receive(self, lane: Lane, batch: Sequence[Routed]) -> None:
        latest = self._desk.monotonic() + self._send_timeout + SETTLING_MARGIN
        timely = [routed for routed in batch if routed.letter.deadline >= latest]
        for routed in batch:
            if routed.letter.deadline < latest:
                lane.attempts.append(Attempt(routed, None))
        if self._scribe is None:
            self._begin(lane, [(routed, Ticket()) for routed in timely])
        elif timely:
            self._scribe.intend(
                timely, lambda tickets: self._begin(lane, list(zip(timely, tickets, strict=True)))
            )

    def _begin(self, lane: Lane, batch: Sequence[tuple[Routed, Ticket]]) -> None:
        for routed, ticket in batch:
            if ticket.known is not None and ticket.known.ended is not None:
                lane.attempts.append(Attempt(routed, None, ticket))
            else:
                self._loop.spawn(self._attempt(lane, routed, ticket))

    async def _attempt(self, lane: Lane, routed: Routed, ticket: Ticket) -> None:
        began = self._desk.monotonic()
        ticket.started = int(self._desk.wall() * 1_000)
        outcome = await self._send(routed)
        ticket.duration = int((self._desk.monotonic() - began) * 1_000)
        lane.attempts.append(Attempt(routed, outcome, ticket))

    async def _send(self, routed: Routed) -> Outcome:
        letter = routed.letter
        assert letter.email is not None, "only what has been read is routed"
        message = Message(letter.id, letter.email, letter.accepted_at)
        try:
            return await self._providers[routed.provider].send(message, timeout=self._send_timeout)
        except Exception as error:
            # A provider must not raise; if one does all the same, the email may be out already.
            log.exception("provider %s raised on message %s", routed.provider, letter.id)
            return Outcome(OutcomeClass.UNKNOWN, code=type(error).__name__)
