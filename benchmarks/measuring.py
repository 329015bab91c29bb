"""One measured run: a system against the stand-in, from its start to the last confirmed delete.

A system is started on empty queues and left until it waits for mail; what it has used by then is
its start. Only then mail is put on the queues. CPU a message is what all its processes and their
children use from there on.
"""

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.processes import Running, running
from benchmarks.standin.client import Standin
from benchmarks.systems import PROVIDERS, QUEUES, Place, System, write_settings

PATIENCE = 60.0
"""Seconds without any progress after which a run has failed."""
BUSY = 0.85
"""A stand-in that used more of its core was the bottleneck, or nearly so."""
_LOOK = 0.1
_COPIED = (
    *("accepted", "rates", "duplicates", "lost", "failed", "p50_ms", "p99_ms"),
    *("standin_us", "standin_busy"),
)

Show = Callable[[str], None]


class RunFailed(Exception):
    """A system ended or made no progress; the text holds the end of its log."""


@dataclass(frozen=True)
class Setup:
    """How a system is run."""

    system: System
    tls: bool = False
    copies: int = 1
    """Processes of the system on the same queues."""
    providers: Sequence[str] = PROVIDERS
    dispatch: Mapping[str, Any] = field(default_factory=dict)
    """Settings of gomail's that differ from the defaults."""
    switches: Mapping[str, dict[str, float]] = field(default_factory=dict)
    """Of the stand-in."""


@dataclass(frozen=True)
class Drain:
    """A backlog that appears at once."""

    count: int


@dataclass(frozen=True)
class Pace:
    """So many emails a second, one after the other."""

    rate: float
    seconds: float


@dataclass(frozen=True)
class Idle:
    """Nothing to do."""

    seconds: float


Work = Drain | Pace | Idle

Run = dict[str, Any]
"""The figures of a run by name, as they stand in the JSON; µs are CPU, a message each."""


def measure(standin: Standin, setup: Setup, work: Work, show: Show) -> Run:
    """Start the system, give it the work, and take its figures.

    Raises:
        RunFailed: it has ended by itself, or has stood still for a minute.
    """
    standin.reset(**setup.switches)
    if isinstance(work, Drain):
        show("making the mail")
        standin.fill(work.count, QUEUES)
    with _started(standin, setup) as processes:
        show("starting")
        system = _System(standin, setup, processes, show)
        system.until_polls()
        start = system.until_calm()
        match work:
            case Drain(count):
                standin.release()
                return system.figures(start, used=system.until_done(count))
            case Pace(rate, seconds):
                standin.pace(rate, seconds, QUEUES)
                return system.figures(start, used=system.until_done(round(rate * seconds)))
            case Idle(seconds):
                return system.idle(seconds)


@contextmanager
def _started(standin: Standin, setup: Setup) -> Iterator[list[Running]]:
    """The system's processes; they end with the block."""
    with tempfile.TemporaryDirectory(prefix="gomail-bench-") as name, ExitStack() as stack:
        place = Place(standin.url(tls=setup.tls), standin.ca, Path(name))
        write_settings(place, providers=setup.providers, dispatch=setup.dispatch)
        environment = setup.system.environment(place)
        logs = [place.folder / f"{number}.log" for number in range(setup.copies)]
        yield [stack.enter_context(running(setup.system.command, environment, log)) for log in logs]


@dataclass(frozen=True)
class _System:
    """A system that runs."""

    standin: Standin
    setup: Setup
    processes: Sequence[Running]
    show: Show

    @property
    def cpu(self) -> float:
        """Seconds used by all its processes."""
        return sum(one.cpu for one in self.processes)

    def until_polls(self) -> None:
        """Wait until every process polls every queue."""
        deadline = time.monotonic() + PATIENCE
        while True:
            polls = self.standin.progress()["polls"]
            if all(polls.get(name, 0) >= self.setup.copies for name in QUEUES):
                return
            self._check(deadline, "does not poll all queues")
            time.sleep(_LOOK)

    def until_calm(self) -> float:
        """Wait until its start is over; CPU seconds used so far."""
        deadline = time.monotonic() + 10
        before, used = 0.0, self.cpu
        while used - before > 0.02 * len(self.processes) and time.monotonic() < deadline:
            time.sleep(0.4)
            before, used = used, self.cpu
        return used

    def until_done(self, count: int) -> float:
        """Wait until all is accepted and deleted; CPU seconds used by then."""
        seen, deadline = None, 0.0
        while True:
            used, progress = self.cpu, self.standin.progress()
            accepted, left = progress["accepted"], progress["left"]
            if accepted >= count and not left:
                return used
            if (accepted, left) != seen:
                seen, deadline = (accepted, left), time.monotonic() + PATIENCE
            self._check(deadline, f"stands at {accepted} of {count}, {left} left on the queues")
            self.show(f"{accepted:,} of {count:,}")
            time.sleep(_LOOK)

    def idle(self, seconds: float) -> Run:
        """What it takes to do nothing."""
        self._pause(2.0)  # until it has noticed that there is nothing
        requests, used = self.standin.progress()["requests"], self.cpu
        began = time.monotonic()
        self._pause(seconds)
        took = time.monotonic() - began
        return {
            "seconds": took,
            "requests_a_second": (self.standin.progress()["requests"] - requests) / took,
            "percent_of_a_core": 100 * (self.cpu - used) / took,
        }

    def figures(self, start: float, *, used: float) -> Run:
        """Those of work that is done."""
        result = self.standin.result()
        count, seconds = result["distinct"], result["seconds"]
        return {
            "tls": self.setup.tls,
            "count": count,
            "seconds": seconds,
            "rate": count / seconds,
            "cpu_us": (used - start) * 1e6 / count,
            "cpu_us_with_start": used * 1e6 / count,
            "start_seconds": start,
            "rss_mb": sum(one.peak_rss for one in self.processes),
            "requests": {name: number / count for name, number in result["operations"].items()},
            "requests_a_message": sum(result["operations"].values()) / count,
            **{name: result[name] for name in _COPIED},
        }

    def _pause(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self.show(f"{left:.0f} s to go")
            time.sleep(min(left, 1.0))

    def _check(self, deadline: float, how: str) -> None:
        name = self.setup.system.name
        for one in self.processes:
            if one.has_ended:
                raise RunFailed(f"{name} has ended by itself:\n{one.tail()}")
        if time.monotonic() > deadline:
            raise RunFailed(f"{name} {how}:\n{self.processes[0].tail()}")
