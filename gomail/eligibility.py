"""Which of the configured providers may and can carry an email. Pure.

May: the sender's own wish (`provider.only`, `provider.exclude`) and the domains the provider is
configured for. Can: what its kind takes. What no provider can carry is refused at the door, so that
nobody learns of it from the dead-letter queue.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from gomail.email import Email, Faults, addressed, ascii_domain, is_ascii_local

WhyUnable = Callable[[Email], str | None]
"""Why a kind of provider could never carry an email, as `field: sentence`; None where it can."""

ASCII_ONLY = "takes only ASCII before the @"
"""What most providers say of an address with other characters there."""

_REASON = re.compile(r"([!-9;-~]+): (.+)", re.DOTALL)
_NOBODY = "No configured provider can carry it"


@dataclass(frozen=True, slots=True)
class Outlet:
    """One configured provider, as far as eligibility goes."""

    name: str
    unable: WhyUnable
    from_domains: frozenset[str] = frozenset()
    """In lower-case ASCII; empty for all."""
    utf8: bool = False
    """Whether it takes addresses that are not ASCII before the @; `unable` says so too."""

    def why_not(self, email: Email) -> str | None:
        """Why it does not get this email, as `field: sentence`; None where it may."""
        if email.only and self.name not in email.only:
            return "provider.only: the email names others"
        if self.name in email.exclude:
            return "provider.exclude: the email excludes it"
        if (
            self.from_domains
            and (domain := ascii_domain(email.from_email)) not in self.from_domains
        ):
            return f"fromEmail: does not send for {domain}"
        return self.unable(email)


class Outlets:
    """All configured providers."""

    def __init__(self, outlets: Iterable[Outlet]) -> None:
        self._outlets: Mapping[str, Outlet] = {outlet.name: outlet for outlet in outlets}
        self.names = frozenset(self._outlets)
        refusals = [(name, ASCII_ONLY) for name, one in self._outlets.items() if not one.utf8]
        self.ascii_only = _tail(refusals) if len(refusals) == len(self._outlets) else ""
        """How the sentence ends that refuses an address which is not ASCII before the @; empty
        where some provider takes such addresses."""

    def able(self, email: Email) -> frozenset[str]:
        """The names of those that could carry it."""
        able = [name for name, one in self._outlets.items() if one.why_not(email) is None]
        return self.names if len(able) == len(self.names) else frozenset(able)

    def faults(self, email: Email) -> Faults:
        """Why nobody could carry it, by field, and each name in it that is no provider's.

        Empty where somebody can.
        """
        if (email.only or email.exclude) and (unknown := self._unknown(email)):
            return unknown
        return self._refusal(email)

    def why_nobody(self, email: Email) -> str:
        """The same as one text, for an email that nobody can carry; empty where somebody can."""
        refusal = self._refusal(email)
        if not refusal:
            return ""
        told = refusal | self._unknown(email)
        return "; ".join(f"{field}: {sentence}" for field, sentence in told.items())

    def _refusal(self, email: Email) -> Faults:
        reasons = self._reasons(email)
        if not reasons:
            return {}
        told = [(name, *_divided(reason)) for name, reason in reasons.items()]
        # What its sender ruled out is no news, unless nothing else stands in the way.
        told = [one for one in told if not one[1].startswith("provider.")] or told
        fields = {field for _, field, _ in told}
        if len(fields) > 1:
            reason = "; ".join(f"{name}: {field}: {said}" for name, field, said in told)
            return {"provider": f"{_NOBODY} ({reason})"}
        [field] = fields
        return {field: _sentence(email, field, [(name, said) for name, _, said in told])}

    def _reasons(self, email: Email) -> dict[str, str]:
        """Why each of them does not get it; nothing where one may."""
        reasons: dict[str, str] = {}
        for name, outlet in self._outlets.items():
            reason = outlet.why_not(email)
            if reason is None:
                return {}
            reasons[name] = reason
        return reasons

    def _unknown(self, email: Email) -> Faults:
        faults: Faults = {}
        for field, given in (("only", email.only), ("exclude", email.exclude)):
            unknown = [name for name in given if name not in self.names]
            if unknown:
                are = "is no configured provider" if len(unknown) == 1 else "are not configured"
                configured = ", ".join(sorted(self.names))
                faults[f"provider.{field}"] = (
                    f"{', '.join(unknown)} {are}; configured: {configured}"
                )
        return faults


def _sentence(email: Email, field: str, refusals: Iterable[tuple[str, str]]) -> str:
    for where, label, address in addressed(email):
        if where == field and not is_ascii_local(address):
            return f"{label} is not a valid email{_tail(refusals)}"
    return f"{_NOBODY} ({_told(refusals)})"


def _tail(refusals: Iterable[tuple[str, str]]) -> str:
    return f" for any configured provider ({_told(refusals)})"


def _told(refusals: Iterable[tuple[str, str]]) -> str:
    return "; ".join(f"{name}: {_without(name, said)}" for name, said in refusals)


def _without(name: str, said: str) -> str:
    """The sentence without its subject where that is the name: `ses: SES takes …` says it twice."""
    subject, _, rest = said.partition(" ")
    return rest if rest and subject.lower() == name.lower() else said


def _divided(reason: str) -> tuple[str, str]:
    """Field and sentence; a reason without a field is one of the email as a whole."""
    match = _REASON.fullmatch(reason)
    return (match[1], match[2]) if match else ("base", reason)
