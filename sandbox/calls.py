"""Counts the calls of each endpoint: how many, how they ended, how many at once. Pure."""

from __future__ import annotations

from collections import Counter
from typing import Any


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

    def begin(self) -> None:
        """A call has come."""
        self.calls += 1
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)

    def end(self) -> None:
        """A call is over, answered or not."""
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
