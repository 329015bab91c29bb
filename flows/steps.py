"""The functions of the dataflow's steps: each takes what bytewax hands over, and calls the desk.

A batch has passed through one worker only, so all its letters are on one lane.
"""

import functools
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from typing import ParamSpec, TypeVar

from flows.desk import Desk
from flows.mail import Attempt, Letter, Routed, Settlement
from flows.metrics import ATTEMPTS
from flows.verdicts import HealthStep
from gomail.health import Health, Observation, Thresholds
from gomail.outcome import OutcomeClass
from gomail.settlement import DeadLetter, Delete, LetGo, Return

log = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")


def logged(step: Callable[P, R]) -> Callable[P, R]:
    """The step, its exceptions logged with their traceback before bytewax sees them.

    In a cluster bytewax prints no traceback of ours. What is in hand then shows on its queue again.
    """

    @functools.wraps(step)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return step(*args, **kwargs)
        except Exception:
            log.exception("the dataflow ends: a step raised")
            raise

    return run


def read(desk: Desk, letters: list[Letter]) -> list[Letter | Settlement]:
    """Decode a batch, and sort out what needs no provider any more."""
    return desk.lane_of(letters[0]).read(letters) if letters else []


def route(desk: Desk, items: list[Letter | Settlement]) -> list[Routed | Settlement]:
    """Choose a provider for each letter of a batch."""
    letters = [item for item in items if isinstance(item, Letter)]
    ended: list[Routed | Settlement] = [item for item in items if isinstance(item, Settlement)]
    return ended + desk.lane_of(letters[0]).route(letters) if letters else ended


def judge(desk: Desk, attempts: list[Attempt]) -> list[Settlement]:
    """Decide what becomes of what came back."""
    if not attempts:
        return []
    settlements = desk.lane_of(attempts[0].routed.letter).judge(attempts)
    _report(settlements)
    return settlements


def _report(settlements: Sequence[Settlement]) -> None:
    """One line a batch; each message at DEBUG. Neither addresses nor bodies are logged."""
    counts = Counter(
        (one.provider, one.outcome.kind) for one in settlements if one.outcome and not one.held_back
    )
    for (provider, kind), count in counts.items():
        ATTEMPTS.labels(provider, kind).inc(count)
    parts = [f"{provider} {kind} {count}" for (provider, kind), count in sorted(counts.items())]
    if ended := sum(bool(one.attempt and one.attempt.ended_before) for one in settlements):
        parts.append(f"{ended} not sent: the ledger knows their end")
    if held := sum(one.held_back and not isinstance(one.decision, LetGo) for one in settlements):
        parts.append(f"{held} held back unsent")
    if late := sum(isinstance(one.decision, LetGo) for one in settlements):
        parts.append(f"{late} let go unsent: received too long ago")
    log.info("%s", ", ".join(parts))
    for one in settlements:
        if one.outcome and one.outcome.kind is not OutcomeClass.ACCEPTED:
            log.info(
                "message %s: %s %s (%s): %s",
                one.letter.id, one.provider, one.outcome.kind, one.outcome.code, one.outcome.detail,
            )  # fmt: skip
        elif log.isEnabledFor(logging.DEBUG) and one.outcome:
            log.debug("message %s: %s accepted %s", one.letter.id, one.provider, one.outcome.code)


def signs(one: Settlement) -> list[tuple[str, Observation]]:
    """What a settlement says about its provider's health, keyed by the provider."""
    if one.provider is None or one.observation is None:
        return []
    return [(one.provider, one.observation)]


def health_step(thresholds: Thresholds, resumed: Health | None) -> HealthStep:
    """The health of one provider, new or resumed."""
    return HealthStep(resumed, thresholds)


def letters_for(name: str, items: list[Routed | Settlement]) -> list[Routed]:
    """The part of a batch that goes to one provider."""
    return [item for item in items if isinstance(item, Routed) and item.provider == name]


def unsent(items: list[Routed | Settlement]) -> list[Settlement]:
    """The part of a batch that goes to none."""
    return [item for item in items if isinstance(item, Settlement)]


def is_delete(item: Settlement) -> bool:
    """Whether a provider has it."""
    return isinstance(item.decision, Delete)


def is_dead_letter(item: Settlement) -> bool:
    """Whether nobody will send it."""
    return isinstance(item.decision, DeadLetter)


def is_return(item: Settlement) -> bool:
    """Whether somebody may still take it."""
    return isinstance(item.decision, Return | LetGo)
