"""How the loop closes in a dataflow without feedback edges: a sink sends, a source brings back.

The sink of each provider hands its batch to the courier; the outcomes source of the same worker
emits what came back. Outcomes must never be routed into a stream that reaches one of these sinks:
both would wait for the other's end.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime

from bytewax.inputs import DynamicSource, StatelessSourcePartition
from bytewax.outputs import DynamicSink, StatelessSinkPartition

from flows.courier import Courier
from flows.desk import Desk, Lane
from flows.mail import Attempt, Routed

MOST_ATTEMPTS = 1_000
"""Attempts emitted in one batch."""
ALWAYS_DUE = datetime.fromtimestamp(0, UTC)
"""When a source is to be polled next. Bytewax compares it with the time of day: by its default, in
a millisecond from now, a clock that is set back by an hour stops a source for an hour."""
IDLE = 0.0015
"""Seconds a worker rests where none of its sources has brought anything; a round costs 35 µs."""
WAY = 8
"""Rounds of a worker without a rest after that: what a source brought may be on its way still."""


class ProviderSink(DynamicSink[Routed]):
    """Where letters leave for one provider."""

    def __init__(self, desk: Desk, courier: Courier) -> None:
        self._desk, self._courier = desk, courier

    def build(
        self,
        step_id: str,  # noqa: ARG002 - the base class fixes the signature
        worker_index: int,
        worker_count: int,  # noqa: ARG002
    ) -> "_ProviderPartition":
        """The sink of one worker."""
        return _ProviderPartition(self._courier, self._desk.lane(worker_index))


class _ProviderPartition(StatelessSinkPartition[Routed]):
    def __init__(self, courier: Courier, lane: Lane) -> None:
        self._courier, self._lane = courier, lane
        lane.open_sinks += 1

    def write_batch(self, items: list[Routed]) -> None:
        self._courier.send(self._lane, items)

    def close(self) -> None:
        """Every source upstream, on all workers, has ended."""
        self._lane.open_sinks -= 1


class AttemptSource(DynamicSource[Attempt]):
    """What came back from the providers.

    It ends when no letter can come any more and all in hand are settled, or when `given_up` says
    that the time to wait for them is over.
    """

    def __init__(self, desk: Desk, given_up: Callable[[], bool]) -> None:
        self._desk, self._given_up = desk, given_up

    def build(self, step_id: str, worker_index: int, worker_count: int) -> "_AttemptPartition":  # noqa: ARG002
        """The source of one worker."""
        return _AttemptPartition(self._desk.lane(worker_index), self._given_up)


class _AttemptPartition(StatelessSourcePartition[Attempt]):
    def __init__(self, lane: Lane, given_up: Callable[[], bool]) -> None:
        self._lane, self._given_up = lane, given_up

    def next_batch(self) -> list[Attempt]:
        lane = self._lane
        attempts = lane.attempts
        batch = [attempts.popleft() for _ in range(min(len(attempts), MOST_ATTEMPTS))]
        if not batch and lane.open_sinks == 0 and (lane.empty or self._given_up()):
            raise StopIteration
        lane.idle_rounds = 0 if batch else lane.idle_rounds + 1
        if lane.idle_rounds > WAY:
            time.sleep(IDLE)
        return batch

    def next_awake(self) -> datetime:
        """Always due; `next_batch` rests where there is nothing to do."""
        return ALWAYS_DUE
