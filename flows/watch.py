"""Looks at the providers every few seconds, and tells metrics and log what people should know.

Failover that works hides that a provider is gone, until the last one is gone, too (fluent-smtp
#380, symfony #60110). So whoever covers for an unhealthy one says so after a while.
"""

import asyncio
import logging
from collections.abc import Sequence
from math import inf

from flows import metrics
from flows.desk import Desk
from gomail.ledger import ExitReport
from gomail.masking import Masked, masked, told

log = logging.getLogger(__name__)

INTERVAL = 5.0
REMINDER = 3_600.0
"""Seconds between two warnings of the same."""


class Watch:
    """What has been said already; `alert_after` is that of the settings, in seconds."""

    def __init__(self, desk: Desk, *, alert_after: float) -> None:
        self._desk, self._alert_after = desk, alert_after
        self._warned: dict[str, float] = {}
        """When of whom, monotonic."""

    async def run(self) -> None:
        """Look again and again, until canceled."""
        while True:
            self.look()
            await asyncio.sleep(INTERVAL)

    def look(self) -> None:
        """Set the metrics, and warn of what is masked."""
        exits = self._desk.reports()
        now = self._desk.wall()
        alerts = masked(exits, int(now * 1_000), self._alert_after)
        _set_metrics(exits, {one.provider: now - one.since / 1_000 for one in alerts})
        self._warn(alerts, now)

    def _warn(self, alerts: Sequence[Masked], now: float) -> None:
        clock = self._desk.monotonic()
        for provider in self._warned.keys() - {one.provider for one in alerts}:
            del self._warned[provider]
            log.warning("provider %s is not unhealthy any more", provider)
        for one in alerts:
            if clock - self._warned.get(one.provider, -inf) >= REMINDER:
                self._warned[one.provider] = clock
                log.warning("provider %s", told(one, int(now * 1_000)))


def _set_metrics(exits: Sequence[ExitReport], masked_for: dict[str, float]) -> None:
    for one in exits:
        values = {
            metrics.HEALTHY: one.healthy,
            metrics.SHARE: one.share,
            metrics.IN_HAND: one.in_hand,
            metrics.RATE: inf if one.rate is None else one.rate,
            metrics.PAUSED: one.paused_for,
            metrics.SLOW: one.slow,
            metrics.ACCOUNT_FAULT: bool(one.mend),
            metrics.MASKED: masked_for.get(one.provider, 0.0),
        }
        for gauge, value in values.items():
            gauge.labels(one.provider).set(value)
