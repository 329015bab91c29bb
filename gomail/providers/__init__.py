"""The provider port: one attempt to hand one email to one provider.

One file a provider: translate, classify and why_unable, all pure; what all HTTP providers share is
in `gomail.providers.sending`. A provider's answer, whatever it is, is an `Outcome`. The rest of the
port is the cold path: what the provider says of the account.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from gomail.email import Message
from gomail.outcome import Outcome


@dataclass(frozen=True, slots=True)
class Limits:
    """What a provider allows the account; None for no limit."""

    rate: float | None = None
    """Recipients a second."""
    quota: int | None = None
    """Recipients in 24 hours."""
    used: int = 0
    """Of the quota, in the last 24 hours, by whoever uses the account."""


class Level(StrEnum):
    """How bad a finding is."""

    OK = "ok"
    NOTE = "note"
    """Works, and deserves a look."""
    BAD = "bad"
    """Mail cannot go this way until it is mended."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a check has found."""

    level: Level
    text: str
    """One sentence without a full stop, without secrets."""
    mend: str = ""
    """What to do, where there is something to do."""


class Provider(Protocol):
    """A way out for email."""

    @property
    def name(self) -> str:
        """Its name in settings, logs and records."""
        ...

    async def send(self, message: Message, *, timeout: float) -> Outcome:
        """Try once, within `timeout` seconds; never raises for what the provider or network did."""
        ...

    async def limits(self) -> Limits | None:
        """What the account is allowed; None where the provider does not say, or not just now."""
        ...

    async def check(self) -> list[Finding]:
        """Whether mail could go out now, without sending any: reachable, key, account."""
        ...

    async def close(self) -> None:
        """Let go of connections of its own."""
        ...
