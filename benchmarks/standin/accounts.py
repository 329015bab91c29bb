"""What became of each email, and what it took: the stand-in's account of one run."""

import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any


class Accounts:
    """Times are seconds of the monotonic clock."""

    def __init__(self) -> None:
        self.enqueued: dict[str, float] = {}
        self.accepted: dict[str, float] = {}
        """By id, the first acceptance."""
        self.times: defaultdict[str, list[float]] = defaultdict(list)
        """By provider, all acceptances."""
        self.failed: Counter[str] = Counter()
        """By provider, calls that were answered with an error."""
        self.operations: Counter[str] = Counter()
        """Requests to SQS."""
        self.sent = 0
        """Messages put on a queue over SQS."""
        self._marks: list[tuple[float, float, int]] = []

    def enqueue(self, ids: Sequence[str], now: float) -> None:
        """Emails are visible on a queue."""
        if not self.enqueued:
            self._mark(now)
        self.enqueued.update(dict.fromkeys(ids, now))

    def accept(self, provider: str, id_: str, now: float) -> None:
        """A provider has said yes."""
        self.times[provider].append(now)
        self.accepted.setdefault(id_, now)

    def tick(self, now: float) -> None:
        """Note the CPU used so far, while something happens."""
        if self._marks and self._marks[-1][2] != len(self.accepted):
            self._mark(now)

    def result(self) -> dict[str, Any]:
        """All of it, as `GET /result` tells it."""
        accepted = sum(len(times) for times in self.times.values())
        delays = sorted(
            (at - self.enqueued[id_]) * 1_000
            for id_, at in self.accepted.items()
            if id_ in self.enqueued
        )
        first = min(self.enqueued.values(), default=0.0)
        last = max(self.accepted.values(), default=first)
        return {
            "enqueued": len(self.enqueued),
            "accepted": {name: len(times) for name, times in sorted(self.times.items())},
            "distinct": len(self.accepted),
            "duplicates": accepted - len(self.accepted),
            "lost": len(self.enqueued.keys() - self.accepted.keys()),
            "seconds": last - first,
            "rates": {name: rate(times) for name, times in sorted(self.times.items())},
            "p50_ms": quantile(delays, 0.5),
            "p99_ms": quantile(delays, 0.99),
            "operations": dict(sorted(self.operations.items())),
            "sent": self.sent,
            "failed": dict(sorted(self.failed.items())),
            "cpu_seconds": time.process_time(),
            **self._own_cost(),
        }

    def _mark(self, now: float) -> None:
        self._marks.append((now, time.process_time(), len(self.accepted)))

    def _own_cost(self) -> dict[str, float]:
        """CPU of the stand-in a message, and the share of its core that it used meanwhile."""
        if len(self._marks) < 2:
            return {"standin_us": 0.0, "standin_busy": 0.0}
        (began, cpu_before, _), (ended, cpu_after, count) = self._marks[0], self._marks[-1]
        used = cpu_after - cpu_before
        return {
            "standin_us": used * 1e6 / count if count else 0.0,
            "standin_busy": used / (ended - began),
        }


def rate(times: Sequence[float]) -> float:
    """Acceptances a second over the middle 80 % of them."""
    middle = sorted(times)[len(times) // 10 : len(times) - len(times) // 10]
    if len(middle) < 2 or middle[-1] == middle[0]:
        return 0.0
    return (len(middle) - 1) / (middle[-1] - middle[0])


def quantile(ordered: Sequence[float], share: float) -> float:
    """A quantile of sorted values; 0 of none."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0
