"""The routing scenarios on a simulated clock: their plots and figures, into `docs/`.

`python -m benchmarks.routing` writes `docs/plots/routing-*.svg` and the table of `docs/routing.md`
between its two markers. A run is always the same, so what it writes changes only with the rules.
"""

import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl

from benchmarks.page import put_between, save
from benchmarks.simulation.scenarios import (
    ALONE,
    ENDS,
    FLAPPING,
    LIMITED,
    OUTAGES,
    PARTICULAR,
    RANDOM,
    RECOVERING,
    RECOVERS,
    Scenario,
    Story,
    healthy,
    play,
    quantile,
)
from gomail.outcome import OutcomeClass

mpl.use("svg")
from matplotlib import pyplot as plt

DOCS = Path(__file__).parent.parent / "docs"
START = "<!-- figures: make routing -->"
GREY = "#777777"
"""Readable on white and on black; so are the others."""
COLOURS = {"ses": "#d9822b", "sendgrid": "#3f8fd2"}
BAD = "#d64550"
FAILURES = {OutcomeClass.FAILED, OutcomeClass.UNKNOWN}

STYLE: Any = {
    "svg.hashsalt": "gomail",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 9,
    "figure.figsize": (7.2, 2.2),
    "savefig.transparent": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    **dict.fromkeys(
        ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), GREY
    ),
}


@dataclass(frozen=True)
class Plot:
    """One picture of one story: sends a second, by provider."""

    story: Story
    bin: float
    """Seconds that are counted together."""
    down: Sequence[tuple[float, float]] = ()
    """When who has a fault has it: shaded."""
    start: float = 0.0
    end: float | None = None


def draw(plot: Plot, path: Path) -> None:
    """Accepted a second as a line for each provider, failed calls as an area."""
    end = plot.end or plot.story.scenario.until
    with mpl.rc_context(STYLE):
        figure, axes = plt.subplots()
        for begin, over in plot.down:
            axes.axvspan(max(begin, plot.start), over, color=GREY, alpha=0.15, linewidth=0)
        for provider in plot.story.scenario.providers:
            times = _times(plot.story, provider, {OutcomeClass.ACCEPTED})
            axes.plot(
                *_rate(times, plot, end), color=COLOURS[provider], linewidth=1.2, label=provider
            )
        failed = _rate(_times(plot.story, None, FAILURES), plot, end)
        if any(failed[1]):
            edges = [plot.start + index * plot.bin for index in range(len(failed[1]) + 1)]
            axes.stairs(failed[1], edges, fill=True, color=BAD, linewidth=0, label="failed calls")
        axes.set_xlim(plot.start, end)
        axes.set_ylim(bottom=0)
        axes.set_xlabel("seconds")
        axes.set_ylabel("emails a second")
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
        save(figure, path)
        plt.close(figure)


def _times(story: Story, provider: str | None, kinds: set[OutcomeClass]) -> Iterable[float]:
    for send in story.sends:
        if provider in {None, send.provider} and send.outcome.kind in kinds:
            yield send.ended


def _rate(times: Iterable[float], plot: Plot, end: float) -> tuple[list[float], list[float]]:
    counts = Counter(int((time - plot.start) / plot.bin) for time in times if time >= plot.start)
    bins = range(int((end - plot.start) / plot.bin))
    middles = [plot.start + (index + 0.5) * plot.bin for index in bins]
    return middles, [counts[index] / plot.bin for index in bins]


def _seconds(value: float) -> str:
    if value < 0.0005:
        return "0"
    if value < 1:
        return f"{value * 1_000:.0f} ms"
    return f"{value:.1f} s" if value < 100 else f"{value:,.0f} s"


def row(what: str, scenario: Scenario) -> str:
    """One line of the table."""
    story = play(scenario)
    delays, calm = story.delays, healthy(scenario).delays
    added = " / ".join(
        _seconds(quantile(delays, share) - quantile(calm, share)) for share in (0.5, 0.99, 1.0)
    )
    attempts = story.attempts.values()
    mean = sum(attempts) / len(attempts)
    cells = [
        what,
        f"{len(story.emails):,}",
        f"{story.wasted:,}",
        f"{mean:.2f} / {max(attempts)}",
        added,
        str(len(story.verdicts)),
        f"{len(story.dead):,}",
    ]
    return f"| {' | '.join(cells)} |"


def table() -> str:
    """The figures of every scenario."""
    small, large, mixed = OUTAGES
    rows = [
        row("SES flaps, 30 s down, 30 s up", FLAPPING),
        *(row(f"{ratio:.0%} of the calls fail", one) for ratio, one in RANDOM.items()),
        row("bad recipients, an unverified sender", PARTICULAR),
        row("SES limited to 14 a second, SendGrid beside it", LIMITED),
        row("SES alone, limited to 14 a second", ALONE),
        row("both down for an hour, 100 waiting", small),
        row("… 2,000 waiting", large),
        row("… 100 waiting, new mail arrives", mixed),
        row("SES recovers, a message a second", RECOVERING),
    ]
    head = (
        "| scenario | emails | wasted calls | attempts an email, mean / most "
        "| added delay, p50 / p99 / max | verdict changes | dead letters |"
    )
    return "\n".join([head, "|---" * 7 + "|", *rows])


def plots() -> dict[str, Plot]:
    """The pictures by name."""
    small, large, _ = OUTAGES
    downs = [(start, start + 30) for start in range(0, 300, 60)]
    return {
        "flapping": Plot(play(FLAPPING), bin=1, down=downs, end=300),
        "random": Plot(play(RANDOM[0.2]), bin=1, end=30),
        "refusals": Plot(play(PARTICULAR), bin=5, end=300),
        "limited": Plot(play(LIMITED), bin=1, start=2, end=32),
        "outage": Plot(play(small), bin=60, down=[(0, ENDS)]),
        "outage-full": Plot(play(large), bin=1, down=[(0, ENDS)], start=ENDS - 20, end=ENDS + 20),
        "recovering": Plot(
            play(RECOVERING), bin=10, down=[(0, RECOVERS)], start=200, end=RECOVERS + 120
        ),
    }


def main() -> None:
    """Draw and write everything."""
    logging.disable()  # the dead letters of the scenarios are meant
    (DOCS / "plots").mkdir(exist_ok=True)
    for name, plot in plots().items():
        draw(plot, DOCS / "plots" / f"routing-{name}.svg")
    figures = table()
    put_between(DOCS / "routing.md", START, figures)
    print(figures)


if __name__ == "__main__":
    main()
