"""Fault switches, and which calls they strike. Pure.

Nothing is drawn at random. Every rate has a credit that grows by the rate with each call; the call
at which a credit reaches 1 is struck and pays for it, the fullest credit first. So an error rate of
0.5 strikes the 2nd, 4th, 6th... call after the switch was set, 0.1 the 10th, 20th..., 1 every call;
several rates keep their shares as long as their sum is at most 1.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable

_ALMOST_ONE = 1 - 1e-9
_RANGES = {
    "status": (400, 599),
    "latency": (0, 300),
    "rate_limit": (0, 1_000_000),
    "max_in_flight": (0, 120_000),
    "max_clock_skew": (0, 86_400),
}
_WHOLE = {"status", "max_in_flight"}
_OPTIONAL = {"rate_limit", "max_in_flight", "max_clock_skew"}


@dataclass(frozen=True, slots=True)
class Switches:
    """What goes wrong at a provider."""

    error_rate: float = 0.0
    status: int = 500
    error_code: str | None = None
    error_message: str | None = None
    latency: float = 0.0
    rate_limit: float | None = None
    hang_rate: float = 0.0
    reset_rate: float = 0.0
    accept_then_reset_rate: float = 0.0
    garbage_rate: float = 0.0
    refuse_ids: tuple[str, ...] = ()
    refuse_to: tuple[str, ...] = ()
    max_clock_skew: float | None = None
    """Seconds by which the date of a signature may be off, 900 at AWS; SES alone looks at it."""

    def strikes(self) -> Strikes:
        """Deals out what hits whole calls."""
        rates = {
            "hang": self.hang_rate,
            "reset": self.reset_rate,
            "error": self.error_rate,
            "accept_then_reset": self.accept_then_reset_rate,
            "garbage": self.garbage_rate,
        }
        return Strikes(rates)

    def refuses(self, addresses: Iterable[str]) -> bool:
        """Whether one of these recipients is refused for good."""
        refused = {address.lower() for address in self.refuse_to}
        return any(address.lower() in refused for address in addresses)


@dataclass(frozen=True, slots=True)
class QueueSwitches:
    """What goes wrong at the queue endpoint; `operations` limits it to these, None is all."""

    error_rate: float = 0.0
    status: int = 500
    latency: float = 0.0
    reset_rate: float = 0.0
    throttle_rate: float = 0.0
    partial_failure_rate: float = 0.0
    """Of the entries of batches: fail without the sender's fault."""
    duplicate_delivery_rate: float = 0.0
    """Of the messages received for the first time since they were ready: handed out once more while
    they are hidden, with a handle of its own. A delete by the older handle succeeds and deletes
    nothing."""
    expired_handle_rate: float = 0.0
    """Of the deletes and changes of visibility: answered `ReceiptHandleIsInvalid`, nothing done."""
    over_limit_rate: float = 0.0
    """Of the receives, long polls too: answered `OverLimit`."""
    max_in_flight: int | None = None
    """Messages in flight in one queue, 120,000 where None. At the limit a short poll is answered
    `OverLimit`, a long poll brings nothing. `operations` does not limit it."""
    max_clock_skew: float | None = None
    """Seconds by which the date of a signature may be off, 900 at AWS; None looks at none."""
    operations: tuple[str, ...] | None = None

    def strikes(self) -> Strikes:
        """Deals out what hits whole calls."""
        rates = {
            "reset": self.reset_rate,
            "throttle": self.throttle_rate,
            "error": self.error_rate,
        }
        return Strikes(rates)


AnySwitches = Switches | QueueSwitches
_S = TypeVar("_S", Switches, QueueSwitches)


class BadSwitches(ValueError):
    """Switches that cannot be set, with a sentence that names each mistake."""


def switches(kind: type[_S], wanted: object) -> _S:
    """Read switches from JSON; what is not named is off."""
    if not isinstance(wanted, dict):
        raise BadSwitches("The switches must be a JSON object; {} switches all faults off.")
    known = {field.name for field in fields(kind)}
    if unknown := sorted(set(wanted) - known):
        raise BadSwitches(
            f"Unknown switches: {', '.join(unknown)}. Known: {', '.join(sorted(known))}."
        )
    if wrong := [name for name, value in wanted.items() if not _is_fit(name, value)]:
        raise BadSwitches(f"Not a possible value: {', '.join(sorted(wrong))}.")
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in wanted.items()
    }
    return kind(**values)


def described(active: AnySwitches) -> dict[str, Any]:
    """Switches as JSON shows them."""
    return asdict(active)


def _is_fit(name: str, value: object) -> bool:
    if name in ("refuse_ids", "refuse_to", "operations"):
        return _are_strings(value) or (value is None and name == "operations")
    if name in ("error_code", "error_message"):
        return value is None or isinstance(value, str)
    if value is None or isinstance(value, bool) or not isinstance(value, int | float):
        return value is None and name in _OPTIONAL
    low, high = _RANGES.get(name, (0, 1))
    return low <= value <= high and (name not in _WHOLE or isinstance(value, int))


def _are_strings(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


class Strikes:
    """Deals out, call by call, which fault strikes."""

    def __init__(self, rates: dict[str, float]) -> None:
        self._rates = {name: rate for name, rate in rates.items() if rate > 0}
        self._credits = dict.fromkeys(self._rates, 0.0)

    def next(self) -> str | None:
        """The fault that strikes this call, if any."""
        if not self._rates:
            return None
        credit = self._credits
        for name, rate in self._rates.items():
            # Bounded, or rates that sum up to more than 1 would gather debts for ever.
            credit[name] = min(credit[name] + rate, 2.0)
        fullest = max(credit, key=credit.__getitem__)
        if credit[fullest] < _ALMOST_ONE:
            return None
        credit[fullest] -= 1
        return fullest


class RateLimit:
    """Lets at most so many calls a second through, a second's worth of them at once."""

    def __init__(self, per_second: float | None) -> None:
        self._rate = per_second
        self._tokens = max(per_second or 0.0, 1.0)
        self._filled_at: float | None = None

    def allows(self, now: float) -> bool:
        """Whether a call at this moment is within the rate."""
        if self._rate is None:
            return True
        if self._rate == 0:
            return False
        since = now - self._filled_at if self._filled_at is not None else 0.0
        self._filled_at = now
        self._tokens = min(self._tokens + since * self._rate, max(self._rate, 1.0))
        if self._tokens < _ALMOST_ONE:
            return False
        self._tokens -= 1
        return True
