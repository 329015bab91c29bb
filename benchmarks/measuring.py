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
from benchmarks.systems import PROVIDERS, QUEUES, System, told, write_settings

PATIENCE = 60.0
"""Seconds without any progress after which a run has failed."""
BUSY = 0.85
"""A stand-in that used more of its core was the bottleneck, or nearly so."""
_LOOK = 0.1

Show = Callable[[str], None]


class RunFailed(Exception):
    """A system ended or made no progress; the text holds the end of its log."""


@dataclass(frozen=True)
class Setup:
    """What is the same in all parts of one run."""

    standin: Standin
    system: System
    show: Show
    tls: bool = False
    copies: int = 1
    """Processes of the system on the same queues."""
    providers: Sequence[str] = PROVIDERS
    dispatch: Mapping[str, Any] = field(default_factory=dict)
    """Settings of gomail's that differ from the defaults."""
    switches: Mapping[str, dict[str, float]] = field(default_factory=dict)


Run = dict[str, Any]
"""The figures of a run by name, as they stand in the JSON; µs are CPU, a message each."""


def drain(setup: Setup, count: int) -> Run:
    """A backlog of `count` emails that appears at once."""
    with _waiting(setup, hold=count) as (processes, start):
        setup.standin.release()
        used = _until_done(setup, processes, count)
        return _run(setup, processes, start=start, used=used)


def pace(setup: Setup, rate: float, seconds: float) -> Run:
    """Emails one after the other."""
    with _waiting(setup) as (processes, start):
        setup.standin.pace(rate, seconds, QUEUES)
        used = _until_done(setup, processes, round(rate * seconds))
        return _run(setup, processes, start=start, used=used)


def idle(setup: Setup, seconds: float) -> Run:
    """Nothing to do, for so long."""
    with _waiting(setup) as (processes, start):
        _pause(setup, 2.0)  # until it has noticed
        requests, used = setup.standin.progress()["requests"], _cpu(processes)
        began = time.monotonic()
        _pause(setup, seconds)
        took = time.monotonic() - began
        return {
            "system": setup.system.name,
            "seconds": took,
            "requests_a_second": (setup.standin.progress()["requests"] - requests) / took,
            "percent_of_a_core": 100 * (_cpu(processes) - used) / took,
            "start_seconds": start,
        }


@contextmanager
def _waiting(setup: Setup, *, hold: int = 0) -> Iterator[tuple[list[Running], float]]:
    """The system's processes, once they wait for mail, and the CPU seconds of their start."""
    standin = setup.standin
    standin.reset(**setup.switches)
    if hold:
        setup.show("making the mail")
        standin.fill(hold, QUEUES)
    with tempfile.TemporaryDirectory(prefix="gomail-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        write_settings(
            folder,
            standin.url(tls=setup.tls),
            providers=setup.providers,
            dispatch=setup.dispatch,
        )
        environment = told(standin, tls=setup.tls, folder=folder)
        environment |= setup.system.environment
        processes = [
            stack.enter_context(
                running(setup.system.command, environment, folder / f"{number}.log")
            )
            for number in range(setup.copies)
        ]
        setup.show("starting")
        _until_polls(setup, processes)
        yield processes, _until_calm(processes)


def _until_polls(setup: Setup, processes: Sequence[Running]) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        polls = setup.standin.progress()["polls"]
        if all(polls.get(name, 0) >= setup.copies for name in QUEUES):
            return
        _check(setup, processes, deadline, "does not poll all queues")
        time.sleep(_LOOK)


def _until_calm(processes: Sequence[Running]) -> float:
    """Wait until a start is over; CPU seconds used so far."""
    deadline = time.monotonic() + 10
    used = _cpu(processes)
    while time.monotonic() < deadline:
        time.sleep(0.4)
        before, used = used, _cpu(processes)
        if used - before <= 0.02 * len(processes):
            break
    return used


def _until_done(setup: Setup, processes: Sequence[Running], count: int) -> float:
    """Wait until all is accepted and deleted; CPU seconds used by then."""
    seen: Any = None
    while True:
        used, progress = _cpu(processes), setup.standin.progress()
        if progress["accepted"] >= count and not progress["left"]:
            return used
        if (state := (progress["accepted"], progress["left"], progress["to_come"])) != seen:
            seen, deadline = state, time.monotonic() + PATIENCE
        _check(setup, processes, deadline, f"stands at {state[0]} of {count}, {state[1]} left")
        setup.show(f"{progress['accepted']:,} of {count:,}")
        time.sleep(_LOOK)


def _check(setup: Setup, processes: Sequence[Running], deadline: float, how: str) -> None:
    for one in processes:
        if one.has_ended:
            raise RunFailed(f"{setup.system.name} has ended by itself:\n{one.tail()}")
    if time.monotonic() > deadline:
        raise RunFailed(f"{setup.system.name} {how}:\n{processes[0].tail()}")


def _run(setup: Setup, processes: Sequence[Running], *, start: float, used: float) -> Run:
    result = setup.standin.result()
    count = result["distinct"]
    return {
        "system": setup.system.name,
        "tls": setup.tls,
        "copies": setup.copies,
        "count": count,
        "seconds": result["seconds"],
        "rate": count / result["seconds"] if result["seconds"] else 0.0,
        "cpu_us": (used - start) * 1e6 / count,
        "cpu_us_with_start": used * 1e6 / count,
        "start_seconds": start,
        "rss_mb": sum(one.peak_rss for one in processes),
        "requests": {name: number / count for name, number in result["operations"].items()},
        "requests_a_message": sum(result["operations"].values()) / count,
        **{
            name: result[name]
            for name in ("accepted", "rates", "duplicates", "lost", "failed", "p50_ms", "p99_ms")
        },
        **{name: result[name] for name in ("standin_us", "standin_busy")},
    }


def _pause(setup: Setup, seconds: float) -> None:
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        setup.show(f"{left:.0f} s to go")
        time.sleep(min(left, 1.0))


def _cpu(processes: Sequence[Running]) -> float:
    return sum(one.cpu for one in processes)
