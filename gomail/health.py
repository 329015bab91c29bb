"""Whether a provider counts as healthy: one counter over rounds of outcomes. Pure.

Outcomes in order of arrival form rounds: `round_size` of them, or those within `round_seconds` of
the round's first. While a provider is unhealthy every outcome is a round of its own (it only gets
probes). The counter is the number of rounds in a row that contradict the verdict; it clears at each
change, so a provider can fail again after it has recovered. Where little mail is sent a round is
one email, so the failing rounds must hold `least_failures` together, too. The number of the verdict
travels with each send: the outcome of a send routed under an earlier one says nothing about this.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from gomail.outcome import Outcome, OutcomeClass
from gomail.value import value

ACCOUNT_FAULTS = 2
"""Faults of the account, with nothing accepted between, that settle the matter at once."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """When the verdict changes; the meanings are those of `health` in the settings."""

    failure_ratio: float = 0.5
    unhealthy_threshold: int = 2
    healthy_threshold: int = 6
    round_size: int = 10
    round_seconds: float = 1.0
    least_failures: int = 10


class Sign(StrEnum):
    """What an outcome says about its provider."""

    GOOD = "good"
    BAD = "bad"
    ACCOUNT_FAULT = "account fault"


@value
class Observation:
    """One sign and the verdict under which its send was routed."""

    sign: Sign
    verdict: int


@dataclass(frozen=True, slots=True)
class Health:
    """One provider's verdict and what has been seen since."""

    healthy: bool = True
    verdict: int = 0
    """Rises by one at each change."""
    contradicting: int = 0
    """Rounds in a row that contradict the verdict."""
    failures: int = 0
    """Failures in those rounds, while healthy."""
    good: int = 0
    bad: int = 0
    """Outcomes of the open round."""
    opened_at: float | None = None
    account_faults: int = 0
    """Since the last acceptance."""


def sign_of(outcome: Outcome) -> Sign | None:
    """What the outcome says about the provider; None where it says nothing.

    A message's own fault and a limit reached are no fault of the provider.
    """
    match outcome.kind:
        case OutcomeClass.ACCEPTED:
            return Sign.GOOD
        case OutcomeClass.FAILED | OutcomeClass.UNKNOWN:
            return Sign.ACCOUNT_FAULT if outcome.account_fault else Sign.BAD
        case _:
            return None


def observe(health: Health, seen: Observation, now: float, thresholds: Thresholds) -> Health:
    """Take one observation into account; `now` is monotonic, in seconds."""
    if seen.verdict != health.verdict:
        return health
    health = tick(health, now, thresholds)
    if seen.verdict != health.verdict:  # the round that was due has just changed it
        return health
    good = seen.sign is Sign.GOOD
    faults = 0 if good else health.account_faults + (seen.sign is Sign.ACCOUNT_FAULT)
    if health.healthy and faults >= ACCOUNT_FAULTS:
        return _changed(health)
    health = replace(
        health,
        good=health.good + good,
        bad=health.bad + (not good),
        opened_at=now if health.opened_at is None else health.opened_at,
        account_faults=faults,
    )
    size = thresholds.round_size if health.healthy else 1
    return _close(health, thresholds) if health.good + health.bad >= size else health


def closes_at(health: Health, thresholds: Thresholds) -> float | None:
    """When the open round closes by itself; None where none is open."""
    return None if health.opened_at is None else health.opened_at + thresholds.round_seconds


def tick(health: Health, now: float, thresholds: Thresholds) -> Health:
    """Close the open round if its time is over."""
    due = closes_at(health, thresholds)
    return _close(health, thresholds) if due is not None and now >= due else health


def _close(health: Health, thresholds: Thresholds) -> Health:
    failing = health.bad / (health.good + health.bad) > thresholds.failure_ratio
    if failing is not health.healthy:
        return replace(health, contradicting=0, failures=0, good=0, bad=0, opened_at=None)
    contradicting, failures = health.contradicting + 1, health.failures + health.bad
    limit = thresholds.unhealthy_threshold if health.healthy else thresholds.healthy_threshold
    # A round of one email says little: a provider that fails one in five would often fail three.
    least = thresholds.least_failures if thresholds.failure_ratio else 1
    proven = not health.healthy or failures >= least
    if contradicting > limit and proven:
        return _changed(health)
    return replace(
        health, contradicting=contradicting, failures=failures, good=0, bad=0, opened_at=None
    )


def _changed(health: Health) -> Health:
    return Health(healthy=not health.healthy, verdict=health.verdict + 1)
