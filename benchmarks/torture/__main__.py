"""`python -m benchmarks.torture [SCENARIO ...] [--scale X] [--write]`.

The exit status says whether everything that was promised was kept.
"""

import argparse
import sys

from benchmarks.torture import page
from benchmarks.torture.play import Report, play
from benchmarks.torture.scenarios import SCENARIOS


def main() -> int:
    """Play the named scenarios, or all."""
    options = _options()
    kept = True
    for name in options.scenarios or SCENARIOS:
        report = play(name, SCENARIOS[name], options.scale)
        _say(report)
        kept = kept and not report.problems
        if options.write:
            page.write(report, [scenario.title for scenario in SCENARIOS.values()])
        if options.write and report.samples:
            page.draw(report, page.DOCS / "plots" / f"{report.name}.svg")
    return 0 if kept else 1


def _say(report: Report) -> None:
    print(f"{report.name}: {page.row(report)}", flush=True)
    for problem in report.problems:
        print(f"  NOT KEPT: {problem}", flush=True)
    if report.folder:
        print(f"  what each process said, and the ledger: {report.folder}", flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.torture",
        description="Harm real processes in every way while mail comes in, and count the mail.",
    )
    add = parser.add_argument
    add("scenarios", nargs="*", metavar="SCENARIO", help=f"one of {', '.join(SCENARIOS)}; all")
    add("--scale", type=float, default=1.0, help="times as long (default: %(default)s)")
    add("--write", action="store_true", help="put the rows into docs/reliability.md")
    options = parser.parse_args()
    if unknown := set(options.scenarios) - set(SCENARIOS):
        parser.error(f"no scenario is called {', '.join(sorted(unknown))}")
    return options


if __name__ == "__main__":
    sys.exit(main())
