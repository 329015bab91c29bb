"""The benchmark: `python -m benchmarks.bench [--quick] [--write] [mode …]`, or `make bench`.

Prints the promises beside what was measured, and keeps the figures in
`benchmarks/results/latest.json`. With `--write`, `docs/benchmarks.json`, the plots and the tables
of `docs/benchmarks.md` become those of this run; modes that it did not measure keep theirs.
"""

import argparse
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import plots, report
from benchmarks.machine import machine
from benchmarks.modes import MODES, Bench, quick
from benchmarks.page import put_between
from benchmarks.processes import ROOT
from benchmarks.progress import Progress
from benchmarks.standin.client import standin
from benchmarks.systems import gomails, peers

LATEST = ROOT / "benchmarks/results/latest.json"
KEPT = ROOT / "docs/benchmarks.json"
PAGE = ROOT / "docs/benchmarks.md"
START = "<!-- figures: make bench -->"

Results = dict[str, Any]


def measure(options: argparse.Namespace, progress: Progress) -> tuple[Results, bool]:
    """Everything that is asked for, and whether all of gomail's own runs came to an end."""
    others, missing = ([], []) if options.quick or options.no_peers else peers()
    with standin() as stand_in:
        bench = Bench(stand_in, gomails(options.transport), others, options.rounds, progress.show)
        bench.notes += missing
        chosen = {"quick": quick} if options.quick else _chosen(options.modes)
        modes = {name: list(mode(bench)) for name, mode in chosen.items()}
    progress.clear()
    expected = {one.name: one.expected_us for one in others if one.expected_us}
    bench.notes += report.distances(modes.get("drain", []), expected)
    results = {
        "measured": datetime.now(UTC).isoformat(timespec="minutes"),
        "machine": machine(),
        "notes": bench.notes,
        "modes": modes,
    }
    return results, not bench.failed


def _chosen(names: list[str]) -> dict[str, Any]:
    return {name: MODES[name] for name in names or MODES}


def tables(results: Results) -> list[report.Table]:
    """What is shown of the results."""
    modes = results["modes"]
    found = report.check_table(report.checks(modes))
    runs = [run for own in modes.values() for run in own]
    return [table for table in (found, report.run_table(runs)) if len(table) > 1]


def write(results: Results) -> None:
    """Make the page, its plots and its figures those of the results."""
    if KEPT.exists():
        kept = json.loads(KEPT.read_text(encoding="utf-8"))
        results = {**results, "modes": {**kept["modes"], **results["modes"]}}
    _save(KEPT, results)
    drawn = plots.draw(results["modes"], ROOT / "docs/plots")
    parts = [
        f"Measured {results['measured'][:10]} on "
        + ", ".join(f"{name} {value}" for name, value in results["machine"].items())
        + ".",
        *(report.markdown(table) for table in tables(results)),
        report.standin_cost(results["modes"]),
        *(f"- {note.partition(':' + chr(10))[0]}" for note in results["notes"]),
        *(f"![{path.stem}](plots/{path.name})" for path in drawn),
    ]
    figures = "\n\n".join(filter(None, parts))
    put_between(PAGE, START, f"\n{figures}\n")


def _save(path: Path, results: Results) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench", description=__doc__)
    parser.add_argument("modes", nargs="*", metavar="mode", help=f"some of: {', '.join(MODES)}")
    parser.add_argument("--quick", action="store_true", help="a smoke test that judges no time")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each system (3)")
    parser.add_argument("--json", type=Path, help=f"the figures ({LATEST.relative_to(ROOT)})")
    parser.add_argument("--no-peers", action="store_true", help="gomail alone")
    parser.add_argument("--write", action="store_true", help="into docs/, too")
    parser.add_argument(
        "--transport", action="append", choices=["aiohttp", "fast"], help="only this one"
    )
    options = parser.parse_args(arguments)
    if unknown := set(options.modes) - MODES.keys():
        parser.error(f"there is no mode {min(unknown)}; use some of: {', '.join(MODES)}")
    options.transport = options.transport or ["aiohttp", "fast"]
    options.json = options.json or (None if options.quick else LATEST)
    return options


def main(arguments: list[str]) -> int:
    """Measure, print, keep.

    A missed promise is no failure: people judge times, who know what else the machine had to do.
    An email that was lost or sent twice is one, and so is a run of our own that came to nothing.
    """
    options = _options(arguments)
    results, complete = measure(options, Progress())
    shown = [report.text(table) for table in tables(results)]
    print("\n\n".join(filter(None, [*shown, report.standin_cost(results["modes"])])))
    for note in results["notes"]:
        print(f"note: {note}")
    if options.json:
        _save(options.json, results)
    if options.write:
        write(results)
    once = all(one.kept for one in report.everything_once(results["modes"]))
    return 0 if complete and once else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
