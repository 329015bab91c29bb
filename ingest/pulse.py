"""Does the ledger answer within its patience? Asked by readiness probes only.

An answer counts for a second, so probes cannot flood it. Mail goes on whatever it says.
"""

import asyncio
from collections.abc import Callable

from gomail.ledger import Ledger, LedgerUnavailable
from ingest.asking import within
from ingest.notes import Notes
from ingest.quiet import QuietLog

FRESH = 1.0
"""Seconds for which an answer counts."""


class Pulse:
    """Feels whether the ledger lives."""

    def __init__(
        self,
        ledger: Ledger,
        notes: Notes,
        *,
        patience: float,
        now: Callable[[], float],
        log: QuietLog,
    ) -> None:
        self._ledger = ledger
        self._notes = notes
        self._patience = patience
        self._now = now
        self._log = log
        self._answers = False
        self._fresh_until = float("-inf")
        self._feeling = asyncio.Lock()

    async def works(self) -> bool:
        """It answers, as of a second ago at the latest, and takes what it is told."""
        async with self._feeling:
            if self._now() >= self._fresh_until:
                self._answers = await self._feel()
                self._fresh_until = self._now() + FRESH
        return self._answers and not self._notes.failing

    async def _feel(self) -> bool:
        try:
            await within(self._patience, self._ledger.events(None, limit=1))
        except LedgerUnavailable as error:
            self._log.warning("pulse", "the ledger does not answer: %s", error)
            return False
        except Exception as error:  # noqa: BLE001 - a bug here must not end a probe
            self._log.warning("pulse", "the ledger does not answer: unexpected %r", error)
            return False
        return True
