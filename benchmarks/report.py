"""What the figures mean: medians, ratios, the targets beside them, as text and Markdown. Pure."""

import statistics
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.ingesting import API
from benchmarks.modes import BACKLOG, SMALL_BACKLOG

Run = dict[str, Any]
Modes = dict[str, list[Run]]

PEER = "aio"
"""The peer whose figures gomail's targets are shares of: aiobotocore with aiohttp."""
NEAR = 0.25
"""A peer that is further from its reference than this must be explained before comparing."""

_TARGETS = {
    "gomail aiohttp": {"plain": 0.38, "TLS": 0.52, "rate": 2.5},
    "gomail fast": {"plain": 0.20, "TLS": 0.30, "rate": 5.0},
}


@dataclass(frozen=True)
class Check:
    """One promise and what was seen of it."""

    what: str
    seen: str
    promised: str
    kept: bool

    @property
    def verdict(self) -> str:
        """In a word."""
        return "ok" if self.kept else "MISSED"


def checks(modes: Modes) -> list[Check]:
    """The promises that the measured modes can judge."""
    found = list(everything_once(modes))
    systems = {run["system"] for runs in modes.values() for run in runs}
    for system in sorted(name for name in systems if name in _TARGETS):
        for judge in (_drained, _paced, _outage, _slow, _idle, _backlog, _two):
            found += judge(modes, system)
    return [*found, *_ingest(modes)]


def median(runs: Iterable[Run], key: str, **like: object) -> float | None:
    """Of a figure over the runs that have all the given fields; None of no run."""
    values = [
        run[key]
        for run in runs
        if key in run and all(run.get(name) == value for name, value in like.items())
    ]
    return statistics.median(values) if values else None


def ratio(over: float | None, under: float | None) -> float | None:
    """One to the other, where both are known."""
    return over / under if over is not None and under else None


def _most(what: str, seen: float | None, limit: float, unit: str = "") -> list[Check]:
    if seen is None:
        return []
    return [Check(what, f"{_number(seen)}{unit}", f"≤ {limit:g}{unit}", _as_shown(seen) <= limit)]


def _least(what: str, seen: float | None, limit: float) -> list[Check]:
    if seen is None:
        return []
    return [Check(what, _number(seen), f"≥ {limit:g}", _as_shown(seen) >= limit)]


def _as_shown(seen: float) -> float:
    """The figure that a reader compares with the promise: its last digits say nothing."""
    return float(_number(seen).replace(",", ""))


def _within(what: str, seen: float | None, share: float) -> list[Check]:
    """A ratio that shall not be above 1 by more than a share; below it is welcome."""
    return _most(what, seen, 1 + share)


def everything_once(modes: Modes) -> Iterator[Check]:
    """What must hold in every run of gomail's, however fast the machine is."""
    runs = [run for own in modes.values() for run in own if run["system"].startswith("gomail")]
    for what in ("lost", "duplicates"):
        counts = [run[what] for run in runs if what in run]
        if counts:
            yield Check(f"emails of all runs: {what}", f"{sum(counts)}", "0", not any(counts))


def _drained(modes: Modes, system: str) -> list[Check]:
    runs, targets = modes.get("drain", []), _TARGETS[system]
    found = []
    for way in ("plain", "TLS"):
        case = f"drain, {way}"
        ours, theirs = (median(runs, "cpu_us", case=case, system=s) for s in (system, PEER))
        what = f"{system}: CPU a message to {PEER}'s, {way}"
        found += _most(what, ratio(ours, theirs), targets[way])
    ours, theirs = (median(runs, "rate", case="drain, plain", system=s) for s in (system, PEER))
    found += _least(
        f"{system}: messages/s to {PEER}'s, plain", ratio(ours, theirs), targets["rate"]
    )
    asked = median(runs, "requests_a_message", case="drain, plain", system=system)
    return found + _most(f"{system}: SQS requests a message, draining", asked, 0.22)


def _paced(modes: Modes, system: str) -> list[Check]:
    found = []
    for case, delay, requests in (
        ("paced 100/s", 57, 1.1),
        ("paced 100/s, pause", 80, 0.9),
        ("paced 1000/s", 70, 0.35),
    ):
        runs = modes.get("paced", [])
        p99 = median(runs, "p99_ms", case=case, system=system)
        asked = median(runs, "requests_a_message", case=case, system=system)
        found += _most(f"{system}: {case}, p99", p99, delay, " ms")
        found += _most(f"{system}: {case}, SQS requests a message", asked, requests)
    return found


def _outage(modes: Modes, system: str) -> list[Check]:
    runs = [_flat(run) for run in modes.get("outage", [])]
    down, well = (
        median(runs, "sendgrid_rate", case=case, system=system) for case in ("SES down", "healthy")
    )
    failed = median(runs, "ses_failed", case="SES down", system=system)
    return [
        *_least(
            f"{system}: SendGrid's rate while SES is down, to healthy", ratio(down, well), 0.95
        ),
        *_most(f"{system}: failed calls while SES is down", failed, 60),
    ]


def _slow(modes: Modes, system: str) -> list[Check]:
    runs = [_flat(run) for run in modes.get("slow", [])]
    slow, alone = (
        median(runs, "sendgrid_rate", case=case, system=system)
        for case in ("SES slow", "SendGrid alone")
    )
    return _least(f"{system}: SendGrid's rate beside a slow SES, to alone", ratio(slow, alone), 0.9)


def _idle(modes: Modes, system: str) -> list[Check]:
    runs = modes.get("idle", [])
    asked, used = (
        median(runs, key, system=system) for key in ("requests_a_second", "percent_of_a_core")
    )
    return [
        *_most(f"{system}: idle, SQS requests a second", asked, 0.15),
        *_most(f"{system}: idle, of a core", used, 3.5, " %"),
    ]


def _backlog(modes: Modes, system: str) -> list[Check]:
    runs = modes.get("backlog", [])
    large, small = (
        median(runs, "cpu_us", count=count, system=system) for count in (BACKLOG, SMALL_BACKLOG)
    )
    rss = median(runs, "rss_mb", count=BACKLOG, system=system)
    return [
        *_most(f"{system}: memory with {BACKLOG:,} waiting", rss, 200, " MB"),
        *_within(f"{system}: CPU with {BACKLOG:,} to {SMALL_BACKLOG:,}", ratio(large, small), 0.1),
    ]


def _two(modes: Modes, system: str) -> list[Check]:
    two, one = (
        median(modes.get("two", []), "cpu_us", case=f"processes: {copies}", system=system)
        for copies in (2, 1)
    )
    return _within(f"{system}: CPU a message, two processes to one", ratio(two, one), 0.1)


def _ingest(modes: Modes) -> list[Check]:
    runs = modes.get("ingest", [])
    alone, sqs = (median(runs, key) for key in ("alone_ms", "sqs_alone_ms"))
    extra = alone - sqs if alone is not None and sqs is not None else None
    return [
        *_most(f"{API}: CPU a request", median(runs, "cpu_us"), 230, " µs"),
        *_most(f"{API}: SQS requests an email", median(runs, "requests_an_email"), 0.12),
        *_most(f"{API}: p99 with 64 connections", median(runs, "p99_ms"), 40, " ms"),
        *_most(f"{API}: a lone request, beyond SQS's own time", extra, 4, " ms"),
    ]


def _flat(run: Run) -> Run:
    """With SendGrid's rate and SES's failures as figures of their own."""
    return {
        **run,
        "sendgrid_rate": run["rates"].get("sendgrid", 0.0),
        "ses_failed": run["failed"].get("ses", 0),
    }


def distances(runs: Sequence[Run], expected: dict[str, tuple[float, float]]) -> list[str]:
    """What must be explained of peers before they are compared with."""
    found = []
    for system, references in expected.items():
        for way, reference in zip(("plain", "TLS"), references, strict=True):
            seen = median(runs, "cpu_us", case=f"drain, {way}", system=system)
            if seen is not None and abs(seen / reference - 1) > NEAR:
                found.append(
                    f"{system}, {way}: {seen:.0f} µs a message, {seen / reference:.2f} times the "
                    f"reference of {reference:.0f}"
                )
    return found


def standin_cost(modes: Modes) -> str:
    """What the stand-in took beside what was measured; empty where nothing was drained."""
    runs = modes.get("drain", [])
    costs = [
        f"{cost:.0f} µs {way}"
        for way, tls in (("plain", False), ("with TLS", True))
        if (cost := median(runs, "standin_us", tls=tls)) is not None
    ]
    busiest = max((run["standin_busy"] for run in runs if "standin_busy" in run), default=0.0)
    if not costs:
        return ""
    return (
        f"The stand-in took {', '.join(costs)} a message; its core was {busiest:.0%} busy at most."
    )


Table = list[list[str]]
"""The first row is the head."""


def check_table(found: Sequence[Check]) -> Table:
    """Promises beside what was seen."""
    rows = [[one.what, one.seen, one.promised, one.verdict] for one in found]
    return [["what", "measured", "promised", ""], *rows]


def run_table(runs: Sequence[Run]) -> Table:
    """Each system in each case, by medians."""
    head = [
        *("case", "system", "msg/s", "CPU µs", "with start", "MB", "SQS"),
        *("p50 ms", "p99 ms"),
    ]
    keys = (
        *("rate", "cpu_us", "cpu_us_with_start", "rss_mb", "requests_a_message"),
        *("p50_ms", "p99_ms"),
    )
    rows = []
    for case, system in dict.fromkeys((run["case"], run["system"]) for run in runs):
        seen = [median(runs, key, case=case, system=system) for key in keys]
        if seen[0] is not None:
            rows.append([case, system, *("" if one is None else _number(one) for one in seen)])
    return [head, *rows] if rows else []


def text(table: Table) -> str:
    """For a terminal, in columns."""
    widths = [max(len(row[place]) for row in table) for place in range(len(table[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in table
    )


def markdown(table: Table) -> str:
    """For a page."""
    head, *rows = [f"| {' | '.join(row)} |" for row in table]
    return "\n".join([head, "|---" * len(table[0]) + "|", *rows])


def _number(value: float) -> str:
    """With three digits that count."""
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
