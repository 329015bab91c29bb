"""What becomes of a message after an attempt, or without one. Pure.

Three ends: deleted (a provider accepted it), returned to its queue (somebody may still take it),
dead letter (nobody will). Age alone ends attempts that could still succeed. A fourth way out, let
go, asks nothing of the queue: the message shows again by itself when its visibility ends.
"""

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace

from gomail.outcome import Outcome, OutcomeClass
from gomail.value import value

LONGEST_DELAY = 900
"""Seconds: no message waits longer than this for its next attempt."""

NO_ROOM_DELAY = 1
"""Seconds: how long a message is let go for when nobody who could take it has room."""

EXPIRED = "expired"
"""Code of a dead letter whose sender's own time limit was over."""

CRASH = "crash"
"""Code of a dead letter that ended whoever sent it."""

NEVER_HERE = frozenset({OutcomeClass.REFUSED, OutcomeClass.UNSUITABLE})
"""Outcomes after which a provider is not asked again with the same message."""

FAILED_HERE = frozenset({OutcomeClass.FAILED, OutcomeClass.UNKNOWN})
"""Outcomes after which another provider is preferred."""


@dataclass(frozen=True, slots=True)
class Delete:
    """Take it off its queue: a provider has it."""


@value
class Return:
    """Show it on its queue again after `delay` seconds, 0 for at once."""

    delay: int


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """Put it on the dead-letter queue with the reason, then delete it."""

    reason: str
    code: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class LetGo:
    """Leave it hidden: it was received too long ago for a send to begin."""


Decision = Delete | Return | DeadLetter | LetGo


@dataclass(frozen=True, slots=True)
class Policy:
    """The settings that settlement depends on."""

    give_up_after: float = 86_400.0
    dead_letter_unknown: bool = False


def settle(
    outcome: Outcome,
    *,
    outcomes: Mapping[str, OutcomeClass],
    eligible: Collection[str],
    ready: Collection[str],
    receive_count: int,
    age: float,
    policy: Policy,
    random: Callable[[], float],
) -> Decision:
    """Decide on a message after an attempt.

    Args:
        outcome: what the attempt brought.
        outcomes: the last outcome at each provider that has tried it, this one included.
        eligible: the configured providers that could carry it at all.
        ready: those of them that are healthy and not paused just now.
        receive_count: how often the queue has handed it out.
        age: seconds since it was put on its queue.
        policy: see `Policy`.
        random: uniform over [0, 1).
    """
    if outcome.kind is OutcomeClass.ACCEPTED:
        return Delete()
    if (final := _final(outcome, outcomes, eligible, policy)) is not None:
        return final
    if age >= policy.give_up_after:
        return given_up(age, outcome)
    if outcome.kind is not OutcomeClass.UNKNOWN and any(name not in outcomes for name in ready):
        return Return(0)
    return Return(backoff(receive_count, random))


def expired() -> DeadLetter:
    """The end of a message whose sender's own time limit is over."""
    return DeadLetter("expired", EXPIRED)


def for_message(policy: Policy, on_unknown: str) -> Policy:
    """The policy with what the message itself asks for, where it does."""
    if not on_unknown:
        return policy
    return replace(policy, dead_letter_unknown=on_unknown == "dead-letter")


def may_have_been_sent(code: str, detail: str = "") -> DeadLetter:
    """The end of a message that must not be sent twice, after an attempt nobody knows of."""
    return DeadLetter("it may have been sent", code, detail)


def crashed() -> DeadLetter:
    """The end of a message that the processes which sent it did not survive."""
    return DeadLetter(
        "it ended the process that sent it three times", CRASH, "it may have been sent"
    )


def backoff(receive_count: int, random: Callable[[], float]) -> int:
    """Whole seconds with full jitter over min(900 s, 2^(receive count - 1) s); at least one.

    Full jitter spreads what failed together (AWS architecture blog, "Exponential Backoff And
    Jitter"). SQS takes whole seconds; 0 would be a retry at once.
    """
    bound = min(LONGEST_DELAY, 1 << min(receive_count - 1, 10))
    return max(1, math.ceil(random() * bound))


def given_up(age: float, outcome: Outcome | None = None) -> DeadLetter:
    """The end of a message that was still unsent at its greatest age."""
    last = f"; last outcome: {outcome.kind}" if outcome else ""
    return DeadLetter(
        f"given up after {age / 3600:.1f} h{last}",
        outcome.code if outcome and outcome.code else "given-up",
        outcome.detail if outcome else "",
    )


def _final(
    outcome: Outcome,
    outcomes: Mapping[str, OutcomeClass],
    eligible: Collection[str],
    policy: Policy,
) -> DeadLetter | None:
    if outcome.kind is OutcomeClass.UNKNOWN and policy.dead_letter_unknown:
        return may_have_been_sent(outcome.code, outcome.detail)
    if outcome.kind not in NEVER_HERE:
        return None
    # One provider's refusal may be its own quirk; two agree that the message is at fault.
    refusals = sum(kind is OutcomeClass.REFUSED for kind in outcomes.values())
    if refusals > 1 or (refusals and len(eligible) == 1):
        return DeadLetter("refused", outcome.code, outcome.detail)
    if all(outcomes.get(name) in NEVER_HERE for name in eligible):
        return DeadLetter("no provider can carry it", outcome.code, outcome.detail)
    return None
