"""What the suite saw, as the table and the picture of `docs/reliability.md`."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import matplotlib as mpl

from benchmarks.page import between, put_between, save
from benchmarks.routing import COLOURS, GREY, STYLE
from benchmarks.torture.play import Report

mpl.use("svg")
from matplotlib import pyplot as plt

DOCS = Path(__file__).parents[2] / "docs"
START = "<!-- figures: make torture -->"
HEAD = (
    "| scenario | load | faults injected | promised | no answer | accepted | lost "
    "| duplicates, flagged / seen | dead letters | time to recover | memory, files | kept |"
)


def row(report: Report) -> str:
    """One line of the table."""
    if report.skipped:
        return f"| {report.title} | {' | ' * 10}not played: {report.skipped} |"
    faults = ", ".join(f"{count} × {what}" for what, count in report.faults.items()) or "none"
    cells = [
        report.title,
        report.load,
        faults,
        f"{report.promised:,}",
        f"{report.unanswered:,}",
        f"{report.accepted:,}",
        f"{report.lost:,}",
        f"{report.flagged} / {report.seen}",
        f"{report.dead:,}",
        f"{report.recovery:.0f} s",
        report.grown,
        "no: " + "; ".join(text.split("\n")[0][:100] for text in report.problems)
        if report.problems
        else "yes",
    ]
    return f"| {' | '.join(cells)} |"


def table(rows: Iterable[str]) -> str:
    """All of them."""
    return "\n".join([HEAD, "|---" * 12 + "|", *rows])


def write(report: Report, titles: Sequence[str]) -> None:
    """Put its row on the page, between the markers; rows of others stay, in the order given."""
    page = DOCS / "reliability.md"
    old = between(page, START)
    rows = {line.split("|")[1].strip(): line for line in old.splitlines() if line.startswith("| ")}
    rows[report.title] = row(report)
    told = table(rows[title] for title in titles if title in rows)
    put_between(page, START, told)


def draw(report: Report, path: Path) -> None:
    """Memory over time, a line for each process."""
    colours = [GREY, *COLOURS.values()]
    with mpl.rc_context(STYLE):
        figure, axes = plt.subplots()
        for name, colour in zip(report.samples[0][1], colours, strict=False):
            times = [at for at, _ in report.samples]
            axes.plot(
                times,
                [by[name][0] for _, by in report.samples],
                color=colour,
                linewidth=1.2,
                label=name,
            )
        axes.set_xlim(0, report.samples[-1][0])
        axes.set_ylim(bottom=0)
        axes.set_xlabel("seconds")
        axes.set_ylabel("resident memory, MB")
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
        save(figure, path)
        plt.close(figure)
