"""Asks each provider once a minute what the account is allowed, and tells the desk.

An account's rate and quota change while mail flows: AWS raises them with use, and lowers them with
complaints. Where a provider does not answer, what was known before stays in force.
"""

import asyncio
import logging
from collections.abc import Mapping

from flows.desk import Desk
from gomail.providers import Limits, Provider

log = logging.getLogger(__name__)

INTERVAL = 60.0
"""Seconds; SES takes one such question a second from all processes together (its quotas page)."""
FIRST_PATIENCE = 3.0
"""Seconds a starting process waits for the first answers, so as not to begin too fast."""


class Allowances:
    """What the providers said last."""

    def __init__(self, desk: Desk, providers: Mapping[str, Provider]) -> None:
        self._desk, self._providers = desk, providers
        self._known: dict[str, Limits] = {}

    async def look(self) -> None:
        """Ask all of them once."""
        names = list(self._providers)
        answers = await asyncio.gather(*(self._providers[name].limits() for name in names))
        for name, limits in zip(names, answers, strict=True):
            if limits is not None:
                self._learn(name, limits)

    async def first_look(self) -> None:
        """Ask all of them, and go on without an answer after a while."""
        try:
            await asyncio.wait_for(self.look(), FIRST_PATIENCE)
        except TimeoutError:
            log.warning("a provider does not say what the account is allowed; sending begins")

    async def run(self) -> None:
        """Ask again and again, until canceled; processes that start together do not stay so."""
        while True:
            await asyncio.sleep(INTERVAL * (0.8 + 0.4 * self._desk.random()))
            await self.look()

    def _learn(self, name: str, limits: Limits) -> None:
        self._desk.turns.allow(name, limits)
        known = self._known.get(name)
        self._known[name] = limits
        if known is None or (known.rate, known.quota) != (limits.rate, limits.quota):
            log.info("provider %s: %s", name, described(limits))


def described(limits: Limits) -> str:
    """The limits in words."""
    rate = "any rate" if limits.rate is None else f"{limits.rate:g} recipients a second"
    if limits.quota is None:
        return f"the account is allowed {rate}"
    return f"the account is allowed {rate}, {limits.used} of {limits.quota} are used in 24 hours"
