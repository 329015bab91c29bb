"""What people should know of one provider: since when it is unhealthy, why, and what to mend. Pure.

Times are milliseconds since the epoch.
"""

from dataclasses import dataclass

from gomail.outcome import Outcome, OutcomeClass
from gomail.settlement import FAILED_HERE


@dataclass(slots=True)
class Condition:
    """One provider's, as one process has seen it."""

    unhealthy_since: int = 0
    """0 while it is healthy."""
    why: str = ""
    """What it said before it became unhealthy."""
    mend: str = ""
    """What an operator has to mend; empty from the next acceptance on."""
    mend_since: int = 0
    last_failure: str = ""

    def note(self, outcome: Outcome, at: int) -> bool:
        """Learn from an outcome; answers whether there is something new to mend."""
        if outcome.kind is OutcomeClass.ACCEPTED:
            self.mend, self.mend_since = "", 0
            return False
        if outcome.kind in FAILED_HERE:
            self.last_failure = " ".join(part for part in (outcome.code, outcome.detail) if part)
        if not outcome.mend:
            return False
        news = outcome.mend != self.mend
        if news:
            self.mend, self.mend_since = outcome.mend, self.mend_since or at
        return news

    def become(self, *, healthy: bool, at: int) -> None:
        """Take over a verdict."""
        if healthy:
            self.unhealthy_since, self.why = 0, ""
        elif not self.unhealthy_since:
            self.unhealthy_since, self.why = at, self.last_failure
