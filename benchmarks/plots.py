"""The figures as pictures, `docs/plots/bench-*.svg`."""

from collections.abc import Callable, Sequence
from pathlib import Path

import matplotlib as mpl

from benchmarks.page import save
from benchmarks.report import Modes, median
from benchmarks.routing import GREY, STYLE

mpl.use("svg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

PLAIN, TLS = "#3f8fd2", "#d9822b"
"""Readable on white and on black."""
_RATES = ("100/s", "1000/s")


def draw(modes: Modes, folder: Path) -> list[Path]:
    """Draw what has been measured; answers the files."""
    systems = list(dict.fromkeys(run["system"] for run in modes.get("drain", [])))
    drawn = []
    if systems:
        cpu, rate = _drain(modes, "cpu_us"), _drain(modes, "rate")
        drawn += [
            _bars(folder / "bench-cpu.svg", systems, cpu, "CPU µs a message, draining"),
            _bars(folder / "bench-rate.svg", systems, rate, "messages a second, draining"),
        ]
    waited = list(dict.fromkeys(run["system"] for run in modes.get("paced", [])))
    if waited:
        drawn.append(_latencies(folder / "bench-latency.svg", waited, modes))
    return drawn


Series = dict[str, tuple[str, Callable[[str], float | None]]]
"""By name: a colour, and the value for a system."""


def _drain(modes: Modes, key: str) -> Series:
    def value(way: str) -> Callable[[str], float | None]:
        return lambda system: median(modes["drain"], key, case=f"drain, {way}", system=system)

    return {"plain HTTP": (PLAIN, value("plain")), "TLS": (TLS, value("TLS"))}


def _bars(path: Path, systems: Sequence[str], series: Series, label: str) -> Path:
    with mpl.rc_context({**STYLE, "figure.figsize": (7.2, 0.6 + 0.55 * len(systems))}):
        axes = plt.figure().subplots()
        for number, (name, (colour, value)) in enumerate(series.items()):
            places = [place + (number - 0.5) * 0.38 for place in range(len(systems))]
            lengths = [value(system) or 0.0 for system in systems]
            bars = axes.barh(places, lengths, height=0.36, color=colour, label=name)
            axes.bar_label(bars, fmt="{:,.0f}", padding=3, color=GREY)
        axes.set_yticks(range(len(systems)), systems)
        axes.invert_yaxis()
        _finish(axes, label)
        return _write(path)


def _latencies(path: Path, systems: Sequence[str], modes: Modes) -> Path:
    """A line from p50 to p99 for each system, with mail at two rates."""
    with mpl.rc_context({**STYLE, "figure.figsize": (7.2, 0.6 + 0.55 * len(systems))}):
        axes = plt.figure().subplots()
        for number, (rate, colour) in enumerate(zip(_RATES, (PLAIN, TLS), strict=True)):
            label: str | None = rate
            for place, system in enumerate(systems):
                p50, p99 = (
                    median(modes["paced"], key, case=f"paced {rate}", system=system)
                    for key in ("p50_ms", "p99_ms")
                )
                if p50 is None or p99 is None:
                    continue
                height = place + (number - 0.5) * 0.3
                axes.plot([p50, p99], [height] * 2, "o-", color=colour, label=label, markersize=4)
                label = None
        axes.set_yticks(range(len(systems)), systems)
        axes.set_ylim(len(systems) - 0.5, -0.5)
        axes.set_xlim(left=0)
        _finish(axes, "ms from the queue to acceptance, p50 and p99")
        return _write(path)


def _finish(axes: Axes, label: str) -> None:
    axes.set_xlabel(label)
    axes.legend(loc="upper left", bbox_to_anchor=(1.02, 1.0))


def _write(path: Path) -> Path:
    """Save the current figure."""
    save(plt.gcf(), path)
    plt.close()
    return path
