"""Counts the calls of each endpoint: how many, how they ended, how many at once. Pure."""

from __future__ import annotations

from asyncio import CancelledError
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


class Calls:
    """The calls of one provider, or of the queue endpoint."""

    def __init__(self) -> None:
        self.in_flight = 0
        self.clear()

    def clear(self) -> None:
        """Start counting anew; calls under way stay under way."""
        self.calls = 0
        self.accepted = 0
        self.hung = 0
        self.reset = 0
        self.left = 0
        self.most_in_flight = self.in_flight
        self.failed: Counter[int] = Counter()
        self.operations: Counter[str] = Counter()

    @contextmanager
    def one(self) -> Iterator[None]:
        """One call, for the length of the block; whoever leaves before its end is counted."""
        self.calls += 1
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            yield
        except CancelledError:
            self.left += 1
            raise
        finally:
            self.in_flight -= 1

    def described(self) -> dict[str, Any]:
        """The counts as JSON shows them."""
        return {
            "calls": self.calls,
            "accepted": self.accepted,
            "failed": {str(status): count for status, count in sorted(self.failed.items())},
            "hung": self.hung,
            "reset": self.reset,
            "left": self.left,
            "in_flight": self.in_flight,
            "most_in_flight": self.most_in_flight,
            "operations": dict(self.operations),
        }
