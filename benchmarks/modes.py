"""The modes of the benchmark: which runs there are, in which order. What they mean: `report.py`.

Systems take turns (A B A B), so that what disturbs the machine disturbs them all.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from benchmarks.ingesting import API, ingest
from benchmarks.measuring import (
    BUSY,
    Drain,
    Idle,
    Pace,
    Run,
    RunFailed,
    Setup,
    Show,
    Work,
    measure,
)
from benchmarks.standin.client import Standin
from benchmarks.systems import System

DRAIN, BACKLOG, SMALL_BACKLOG, OUTAGE = 20_000, 100_000, 5_000, 8_000
PACED_SECONDS, IDLE_SECONDS = 20, 30
RECEIVE_PAUSE = 0.025
SLOW = 2.0

DOWN: dict[str, dict[str, float]] = {"ses": {"status": 500}}
SLOW_SES = {"ses": {"latency": SLOW}}


@dataclass
class Bench:
    """What the modes work with."""

    standin: Standin
    gomails: list[System]
    peers: list[System]
    rounds: int
    show: Show
    notes: list[str] = field(default_factory=list)
    """What a reader of the figures must know: systems left out, a stand-in that was too busy."""
    failed: bool = False
    """A run of gomail's own came to nothing."""

    def run(self, case: str, setup: Setup, work: Work) -> Iterator[Run]:
        """A run of the dispatcher or of a peer."""
        name = setup.system.name
        yield from self._made(
            case,
            name,
            lambda show: measure(self.standin, setup, work, show),
            is_ours=setup.system.is_gomail,
        )

    def ingest(self, case: str, *, seconds: float, alone: int) -> Iterator[Run]:
        """A run of the API."""
        yield from self._made(
            case,
            API,
            lambda show: ingest(self.standin, show, seconds=seconds, alone=alone),
            is_ours=True,
        )

    def _made(
        self, case: str, name: str, make: Callable[[Show], Run], *, is_ours: bool
    ) -> Iterator[Run]:
        what = f"{case}, {name}"
        try:
            run = make(lambda text: self.show(f"{what}: {text}"))
        except RunFailed as error:
            # The figures of the other runs stand, and the note says what is missing.
            self.notes.append(f"{what}: {error}")
            self.failed |= is_ours
            return
        busy = run.get("standin_busy", 0.0)
        if busy > BUSY:
            self.notes.append(f"{what}: the stand-in's core was {busy:.0%} busy and held it back")
        yield {"case": case, "system": name, **run}


def drains(bench: Bench) -> Iterator[Run]:
    for _ in range(bench.rounds):
        for tls in (False, True):
            for system in [*bench.gomails, *bench.peers]:
                case = "drain, TLS" if tls else "drain, plain"
                yield from bench.run(case, Setup(system, tls=tls), Drain(DRAIN))


def backlogs(bench: Bench) -> Iterator[Run]:
    for system in _turns(bench):
        for count in (SMALL_BACKLOG, BACKLOG):
            yield from bench.run(f"backlog {count:,}", Setup(system), Drain(count))


def paced(bench: Bench) -> Iterator[Run]:
    paused = {"receive_pause": RECEIVE_PAUSE}
    for rate in (100, 1_000):
        for system in [*bench.gomails, *bench.peers]:
            yield from bench.run(f"paced {rate}/s", Setup(system), Pace(rate, PACED_SECONDS))
    for system in bench.gomails:
        setup = Setup(system, dispatch=paused)
        yield from bench.run("paced 100/s, pause", setup, Pace(100, PACED_SECONDS))


def outages(bench: Bench) -> Iterator[Run]:
    for system in _turns(bench):
        yield from bench.run("healthy", Setup(system), Drain(OUTAGE))
        yield from bench.run("SES down", Setup(system, switches=DOWN), Drain(OUTAGE))


def slows(bench: Bench) -> Iterator[Run]:
    for system in _turns(bench):
        alone = Setup(system, providers=("sendgrid",))
        yield from bench.run("SendGrid alone", alone, Drain(OUTAGE))
        yield from bench.run("SES slow", Setup(system, switches=SLOW_SES), Drain(OUTAGE))


def idles(bench: Bench) -> Iterator[Run]:
    for system in bench.gomails:
        yield from bench.run("idle", Setup(system), Idle(IDLE_SECONDS))


def twos(bench: Bench) -> Iterator[Run]:
    for system in _turns(bench):
        for copies in (1, 2):
            yield from bench.run(f"processes: {copies}", Setup(system, copies=copies), Drain(DRAIN))


def ingests(bench: Bench) -> Iterator[Run]:
    for _ in range(bench.rounds):
        yield from bench.ingest("ingest", seconds=10, alone=200)


def quick(bench: Bench) -> Iterator[Run]:
    """Every kind of run, as small as can be: what is counted holds, what is timed does not."""
    for system in bench.gomails:
        yield from bench.run("quick, drain, TLS", Setup(system, tls=True), Drain(500))
        yield from bench.run("quick, paced, plain", Setup(system), Pace(100, 1))
    yield from bench.ingest("quick, ingest", seconds=1, alone=5)


def _turns(bench: Bench) -> Iterator[System]:
    for _ in range(bench.rounds):
        yield from bench.gomails


MODES: dict[str, Callable[[Bench], Iterator[Run]]] = {
    "drain": drains,
    "paced": paced,
    "outage": outages,
    "slow": slows,
    "idle": idles,
    "two": twos,
    "backlog": backlogs,
    "ingest": ingests,
}
