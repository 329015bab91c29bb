"""The health step: keyed by provider, it turns outcomes into verdicts and publishes each change.

Between workers travel only the provider, what an outcome says of it and the number of the verdict
under which it was sent. Changes go sideways, through a sink that every process has, to the routers:
routing them back into the stream of letters would close a loop that bytewax cannot end.
"""

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from bytewax.operators import StatefulBatchLogic
from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition

from flows.desk import Desk
from gomail.health import Health, Observation, Thresholds, closes_at, observe, tick

log = logging.getLogger(__name__)

# A part for every worker there may ever be: part i goes to worker i modulo their number, so each
# gets every change. A resumed flow's store knows the keys, so they must not follow the number.
PARTS = [f"{part:03d}" for part in range(64)]

Change = tuple[bool, int, int]
"""Healthy or not, the number of the verdict, and the rounds in a row that contradict it."""


class HealthStep(StatefulBatchLogic[Observation, Change, Health]):
    """One provider's health."""

    def __init__(
        self,
        resumed: Health | None,
        thresholds: Thresholds,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        utc: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        # The clock of the process that stored the open round is gone, and so is the round.
        self._health = Health() if resumed is None else Health(resumed.healthy, resumed.verdict)
        self._unpublished = resumed is not None
        self._thresholds, self._monotonic, self._utc = thresholds, monotonic, utc

    def on_batch(self, values: list[Observation]) -> tuple[list[Change], bool]:
        """Take outcomes into account in their order of arrival."""
        now = self._monotonic()
        changes: list[Change] = []
        for value in values:
            changes += self._become(observe(self._health, value, now, self._thresholds))
        return changes, self.RETAIN

    def on_notify(self) -> tuple[list[Change], bool]:
        """Close a round whose time is over; bytewax may call this without need."""
        changes = self._become(tick(self._health, self._monotonic(), self._thresholds))
        if self._unpublished and not changes:
            changes = [_view(self._health)]
        self._unpublished = False
        return changes, self.RETAIN

    def _become(self, health: Health) -> list[Change]:
        before, self._health = _view(self._health), health
        return [_view(health)] if _view(health) != before else []

    def notify_at(self) -> datetime | None:
        """When the open round closes; at once after a resume, since routers start without views."""
        if self._unpublished:
            return self._utc()
        due = closes_at(self._health, self._thresholds)
        if due is None:
            return None
        return self._utc() + timedelta(seconds=max(0.0, due - self._monotonic()))

    def snapshot(self) -> Health:
        """What a resumed flow needs."""
        return self._health


def _view(health: Health) -> Change:
    return health.healthy, health.verdict, health.contradicting


def to_every_worker(change: tuple[str, Change]) -> list[tuple[str, tuple[str, Change]]]:
    """One copy of a change for each part of the view."""
    return [(part, change) for part in PARTS]


Told = Callable[[str, bool, int], object]
"""Told of a new verdict: provider, healthy, number."""


class ViewSink(FixedPartitionedSink[tuple[str, Change], None]):
    """Writes each change of verdict into the routers of its process, and tells who asked to be."""

    def __init__(self, desk: Desk, told: Told) -> None:
        self._desk, self._told = desk, told

    def list_parts(self) -> list[str]:
        """The same for any number of workers."""
        return PARTS

    def part_fn(self, item_key: str) -> int:
        """A part is its own key."""
        return int(item_key)

    def build_part(
        self,
        step_id: str,  # noqa: ARG002 - the base class fixes the signature
        for_part: str,  # noqa: ARG002
        resume_state: None,  # noqa: ARG002
    ) -> "_View":
        """The view of one process."""
        return _View(self._desk, self._told)


class _View(StatefulSinkPartition[tuple[str, Change], None]):
    def __init__(self, desk: Desk, told: Told) -> None:
        self._desk, self._told = desk, told

    def write_batch(self, items: list[tuple[str, Change]]) -> None:
        for provider, (healthy, verdict, contradicting) in items:
            if self._desk.publish(
                provider, healthy=healthy, verdict=verdict, contradicting=contradicting
            ):
                state = "healthy again" if healthy else "unhealthy: it gets probes only"
                log.warning("provider %s is %s (verdict %d)", provider, state, verdict)
                self._told(provider, healthy, verdict)

    def snapshot(self) -> None:
        return None
