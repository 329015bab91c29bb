"""Plays a scenario and judges it."""

import json
import shutil
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.torture.client import Client, flagged, posting, recipient
from benchmarks.torture.ground import Ground, ground
from benchmarks.torture.judge import MEMORY, Evidence, Sizes, growth, is_back, problems, swelling
from benchmarks.torture.scenarios import REFUSED_EVERY, Scenario
from tests.e2e.scene import ask, eventually

WARM_UP = 3.0
"""Seconds of load before memory and files are looked at for the first time."""
QUIET = 40.0
"""Seconds within which memory and files must be back."""
SAMPLE = 1.0
MOST_ASKED = 30_000
"""With more emails than this the API is asked only about those that came twice or died."""


@dataclass(kw_only=True)
class Report:
    """What was seen, and what of it was not promised."""

    name: str
    title: str
    load: str = ""
    faults: Counter[str] = field(default_factory=Counter)
    promised: int = 0
    unanswered: int = 0
    accepted: int = 0
    lost: int = 0
    flagged: int = 0
    seen: int = 0
    """Ids that were accepted more than once."""
    dead: int = 0
    recovery: float = 0.0
    """Seconds from the last fault's end until the queues were empty."""
    grown: str = ""
    problems: list[str] = field(default_factory=list)
    skipped: str = ""
    samples: list[tuple[float, Sizes]] = field(default_factory=list)
    folder: Path | None = None
    """Where something was not kept: what each process said, the harm done, queues and ledger."""


def play(name: str, scenario: Scenario, scale: float) -> Report:
    """Play it; what goes wrong is in the report."""
    report = Report(name=name, title=scenario.title, skipped=scenario.impossible())
    if report.skipped:
        return report
    folder = Path(tempfile.mkdtemp(prefix="gomail-torture-"))
    with (
        ground(
            folder,
            workers=scenario.workers,
            redis=scenario.redis,
            dispatch=dict(scenario.dispatch),
            providers=dict(scenario.providers),
            waiting=int(scenario.waiting * scale),
            moves_clocks=scenario.moves_clocks,
        ) as on,
    ):
        try:
            _play(on, scenario, scenario.seconds * scale, report)
        except (AssertionError, OSError) as error:
            # The rest cannot be judged: this alone makes the scenario one that failed.
            report.problems.append(f"{type(error).__name__}: {str(error)[:3_000]}")
    if report.problems:
        report.folder = folder
    else:
        shutil.rmtree(folder)
    return report


def _play(on: Ground, scenario: Scenario, seconds: float, report: Report) -> None:
    began = time.monotonic()
    with posting(on.address, scenario.rate, on.waiting_first) as client:
        time.sleep(WARM_UP)
        before = sizes(on)
        with _sampling(on, report if scenario.samples else None):
            report.faults = scenario.harm(on, seconds)
        healed = time.monotonic()
    report.load = f"{scenario.rate:g}/s for {healed - began:.0f} s"
    if on.waiting_first:
        report.load += f", {len(on.waiting_first):,} before"
    _until_settled(on, client)
    report.recovery = time.monotonic() - healed
    report.faults += scenario.afterwards(on)
    on.heal()
    evidence = _look(on, client)
    _tell(report, evidence)
    buried = [*range(0, client.asked, REFUSED_EVERY)] if scenario.buries else scenario.killers
    report.problems += problems(evidence, may_double=scenario.may_double, may_bury=buried)
    report.problems += _growth(on, before, report)
    if puzzling := evidence.lost | (evidence.twice - evidence.flagged):
        (on.folder / "puzzling.json").write_text(json.dumps(_stories(on, puzzling), indent=1))


def _until_settled(on: Ground, client: Client) -> None:
    """Wait for empty queues, and for what lets go of nothing before its time."""
    on.until_empty()
    counted = {id_ for id_, _ in on.mailbox()}
    if missing := client.promised.keys() - counted:  # dead, or lost: only time will tell
        eventually(
            lambda: not on.waiting() and on.depths()["dead"] >= len(missing),
            lambda: f"{len(missing)} promised are nowhere: {sorted(missing)[:3]}\n{on.state()}",
        )


def _look(on: Ground, client: Client) -> Evidence:
    mailbox = on.mailbox()
    times = Counter(id_ for id_, _ in mailbox)
    doubled = [id_ for id_, count in times.items() if count > 1]
    # A record may be later than the send; those of duplicates are worth waiting for.
    deadline = time.monotonic() + 10
    while flagged(on.address, doubled) != set(doubled) and time.monotonic() < deadline:
        time.sleep(0.2)
    dead = on.dead_letters()
    of_interest = {*doubled, *dead}
    if len(times) <= MOST_ASKED:
        of_interest |= client.promised.keys() | times.keys()
    return Evidence(
        recipients={recipient(number): number for number in range(client.asked)},
        promised=client.promised,
        unanswered=client.unanswered,
        refused=client.refused,
        mailbox=mailbox,
        dead=dead,
        flagged=flagged(on.address, of_interest),
    )


def _stories(on: Ground, ids: Iterable[str]) -> dict[str, Any]:
    """All that is known of certain emails: of the providers, and of the ledger."""
    return {
        id_: {
            "accepted": ask("GET", f"{on.post}/mailbox?brief&id={id_}")["emails"],
            "record": ask("GET", f"{on.address}/email/{id_}"),
        }
        for id_ in sorted(ids)
    }


def _tell(report: Report, evidence: Evidence) -> None:
    report.promised = len(evidence.promised)
    report.unanswered = len(evidence.unanswered)
    report.accepted = len(evidence.times)
    report.lost = len(evidence.lost)
    report.flagged, report.seen = len(evidence.flagged), len(evidence.twice)
    report.dead = len(evidence.dead)


def _growth(on: Ground, before: Sizes, report: Report) -> list[str]:
    try:
        eventually(lambda: is_back(before, sizes(on)), patience=QUIET)
    except AssertionError:
        report.grown = growth(before, sizes(on))
        return [f"memory and files are not back: {report.grown}"]
    report.grown = growth(before, sizes(on))
    most = max((swelling(before, held) for _, held in report.samples), default=0.0)
    if most > MEMORY:
        return [f"memory was not flat: {most:+.0f} MB at its highest"]
    counts = ask("GET", f"{on.post}/mailbox/count")
    total = report.accepted + counts["duplicates"]
    return [] if counts["total"] == total else [f"the mailbox counts {counts}, we count {total}"]


def sizes(on: Ground) -> Sizes:
    """What each process holds."""
    return {name: (one.rss, one.files) for name, one in on.survivors().items()}


@contextmanager
def _sampling(on: Ground, report: Report | None) -> Iterator[None]:
    """Note sizes once a second, where they are to be drawn."""
    if report is None:
        yield
        return
    over = threading.Event()
    began = time.monotonic()

    def sample() -> None:
        while not over.wait(SAMPLE):
            report.samples.append((time.monotonic() - began, sizes(on)))

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
