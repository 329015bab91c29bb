"""When what is routed to a limited provider may be sent: by the ledger for all processes, or alone.

A turn is taken twice: by the router of this process, so that no more is received than can be sent
soon, and from the ledger, which shares rate and quota out among all processes. Where there is none
that decides nothing more; where there is one that does not answer, this process keeps to its part.
"""

import threading
from collections.abc import Callable, Mapping, Sequence

from flows.mail import Routed
from gomail.exits import OutletRules, paces
from gomail.ledger import Take, Turn
from gomail.providers import Limits


class Turns:
    """The paces of all providers in one process; `lock` is the desk's, whose routers use them, too.

    Args:
        outlets: how each provider takes part.
        shared: whether the ledger shares rates and quotas out.
        lock: held while a pace changes.
        monotonic: seconds.
    """

    def __init__(
        self,
        outlets: Mapping[str, OutletRules],
        *,
        shared: bool,
        lock: threading.Lock,
        monotonic: Callable[[], float],
    ) -> None:
        self._outlets, self._shared = outlets, shared
        self._lock, self._monotonic = lock, monotonic
        self.paces = paces(outlets, shared=shared)
        self._alone = paces(outlets, shared=False)

    def takes(self, batch: Sequence[Routed]) -> list[Take | None]:
        """What each send takes of its provider's rate and quota; None where there is no limit."""
        now = self._monotonic()
        with self._lock:
            return [self._take(routed, now) for routed in batch]

    def _take(self, routed: Routed, now: float) -> Take | None:
        rules, rate = self._outlets[routed.provider], self.paces[routed.provider].rate(now)
        if rate is None and rules.quota is None:
            return None
        return Take(routed.provider, routed.recipients, rate, rules.burst, rules.quota)

    def at(self, routed: Routed, turn: Turn | None) -> float | None:
        """From when on it may be sent; `turn` is the ledger's answer, None where there is none.

        None where the quota does not allow it.
        """
        now = self._monotonic()
        with self._lock:
            if turn is not None:
                self._alone[routed.provider].due = now  # what it put off is over
                at = None if turn.over_quota else now + turn.delay
            elif self._shared:
                at = self._by_our_part(routed, now)
            else:
                return routed.at  # the router's own turn is the only one
            if at is not None:
                self.paces[routed.provider].postpone(at, routed.recipients, now)
            return at

    def _by_our_part(self, routed: Routed, now: float) -> float | None:
        alone = self._alone[routed.provider]
        fits = alone.fits(routed.recipients, now)
        return alone.take(routed.recipients, now) if fits else None

    def allow(self, name: str, limits: Limits) -> None:
        """Take over what an account is allowed, where the settings do not say."""
        rules = self._outlets[name]
        with self._lock:
            for pace, shared in ((self.paces[name], self._shared), (self._alone[name], False)):
                part = 1.0 if shared else rules.rate_share
                rate = limits.rate or None if rules.rate is None else rules.rate
                left = None
                if rules.quota is None and limits.quota is not None:
                    left = int((limits.quota - limits.used) * part)
                pace.allow(None if rate is None else rate * part, left)
