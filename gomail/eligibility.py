"""Which of the configured providers may and can carry an email. Pure.

May: the sender's own wish (`provider.only`, `provider.exclude`) and the domains the provider is
configured for. Can: what its kind takes. What no provider can carry is refused at the door, so that
nobody learns of it from the dead-letter queue.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from gomail.email import Email, Faults, ascii_address

WhyUnable = Callable[[Email], str | None]
"""Why a kind of provider could never carry an email, as `field: sentence`; None where it can."""


@dataclass(frozen=True, slots=True)
class Outlet:
    """One configured provider, as far as eligibility goes."""

    name: str
    unable: WhyUnable
    from_domains: frozenset[str] = frozenset()
    """In lower-case ASCII; empty for all."""

    def why_not(self, email: Email) -> str | None:
        """Why it does not get this email, as `field: sentence`; None where it may."""
        if email.only and self.name not in email.only:
            return "provider.only: the email names other providers"
        if self.name in email.exclude:
            return "provider.exclude: the email excludes it"
        if self.from_domains and (domain := _domain(email.from_email)) not in self.from_domains:
            return f"fromEmail: it does not send for {domain}"
        return self.unable(email)


class Outlets:
    """All configured providers."""

    def __init__(self, outlets: Iterable[Outlet]) -> None:
        self._outlets: Mapping[str, Outlet] = {outlet.name: outlet for outlet in outlets}
        self.names = frozenset(self._outlets)

    def able(self, email: Email) -> frozenset[str]:
        """The names of those that could carry it."""
        able = [name for name, one in self._outlets.items() if one.why_not(email) is None]
        return self.names if len(able) == len(self.names) else frozenset(able)

    def faults(self, email: Email) -> Faults:
        """Why nobody could carry it, by field; empty where somebody can."""
        reasons: dict[str, str] = {}
        for name, outlet in self._outlets.items():
            reason = outlet.why_not(email)
            if reason is None:
                return {}
            reasons[name] = reason
        fields = {reason.partition(": ")[0] for reason in reasons.values()}
        if len(fields) == 1:
            told = "; ".join(f"{name}: {said.partition(': ')[2]}" for name, said in reasons.items())
            return {fields.pop(): f"No configured provider can carry it ({told})"}
        told = "; ".join(f"{name}: {said}" for name, said in reasons.items())
        return {"provider": f"No configured provider can carry it ({told})"}


def _domain(address: str) -> str:
    return ascii_address(address).rpartition("@")[2].lower()
