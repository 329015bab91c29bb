"""The promises of dispatch under load and faults, measured: `python -m benchmarks.scenarios`.

Each scenario prints what it saw beside what is promised and fails if a promise is broken. Times of
different runs compare only on the same machine at the same hour; counts hold anywhere.
"""

import random
import sys
import time
from collections.abc import Callable

from benchmarks.redis_server import redis_server
from benchmarks.stage import Stage, Worker, stage
from gomail.ledger import EmailRecord, Status

LATENCY = 0.05
KILLS_VISIBILITY = 12
KILLS_DISPATCH = {"visibility_timeout": KILLS_VISIBILITY, "send_timeout": 1, "drain_timeout": 3}


def _line(name: str, **figures: object) -> None:
    print(f"{name:28}" + "  ".join(f"{key} {value}" for key, value in figures.items()), flush=True)


def _check(*promises: tuple[bool, str]) -> None:
    broken = [what for kept, what in promises if not kept]
    if broken:
        raise AssertionError("; ".join(broken))


def _run(on: Stage, count: int, *, timeout: float, what: str) -> tuple[Worker, float]:
    worker = on.worker()
    seconds = on.until(count, timeout=timeout, what=what)
    return worker, seconds


def drain(count: int = 20_000) -> None:
    """Two queues full, both providers at 50 ms: all accepted once, memory bounded."""
    with stage() as on:
        on.fill(count)
        for provider in ("ses", "sendgrid"):
            on.fault(provider, latency=LATENCY)
        worker, seconds = _run(on, count, timeout=120, what="drain")
        left, seen = on.until_empty(), on.mailbox()
        cpu, rss = worker.cpu, worker.peak_rss
        sqs = on.calls()["sqs"]["operations"]
        requests = sum(
            n for name, n in sqs.items() if name not in {"SendMessageBatch", "GetQueueAttributes"}
        )
        status = worker.stop()
        _line(
            "drain", seconds=f"{seconds:.1f}", per_second=f"{count / seconds:.0f}",
            cpu_us=f"{cpu / count * 1e6:.0f}", peak_rss_mb=f"{rss:.0f}", by=seen["by_provider"],
            duplicates=seen["duplicates"], left=left, sqs_requests_each=f"{requests / count:.3f}",
            exit=status,
        )  # fmt: skip
        _check(
            (seen["total"] == count, f"{seen} is not {count} once each"),
            (not any(left.values()), f"left on the queues: {left}"),
            (rss < 200, f"peak memory {rss:.0f} MB"),
            (status == 0, f"exit status {status}"),
        )


def _outage(name: str, count: int, **switches: object) -> tuple[float, float, dict[str, int]]:
    """Seconds until all are accepted, SendGrid's rate, and the calls that SES wasted."""
    with stage() as on:
        on.fill(count)
        on.fault("ses", **({"latency": LATENCY} | switches))
        on.fault("sendgrid", latency=LATENCY)
        worker, seconds = _run(on, count, timeout=180, what=name)
        seen, calls = on.mailbox(), on.calls()
        cpu = worker.cpu
        ses = calls["ses"]
        wasted = {"calls": ses["calls"], "accepted": ses["accepted"], "hung": ses["hung"]}
        rate = on.rate("sendgrid")
        left = on.until_empty(timeout=45)
        _line(
            name, seconds=f"{seconds:.1f}", per_second=f"{count / seconds:.0f}",
            cpu_us=f"{cpu / count * 1e6:.0f}", sendgrid_rate=f"{rate:.0f}", ses=wasted,
            duplicates=seen["duplicates"], left=left,
        )  # fmt: skip
        _check(
            (seen["distinct_ids"] == count, f"{seen} is not {count}"),
            (not any(left.values()), f"left on the queues: {left}"),
        )
        return seconds, rate, wasted


def alone(count: int = 8_000) -> float:
    """SendGrid as the only provider: its rate is what others' troubles must not cut."""
    with stage(providers=("sendgrid",)) as on:
        on.fill(count)
        on.fault("sendgrid", latency=LATENCY)
        _, seconds = _run(on, count, timeout=120, what="alone")
        rate = on.rate("sendgrid")
        _line("sendgrid alone", seconds=f"{seconds:.1f}", sendgrid_rate=f"{rate:.0f}")
        return rate


def outages(count: int = 8_000) -> None:
    """SES answers 500, is slow, hangs: SendGrid carries the mail at its own rate."""
    own = alone(count)
    healthy, _, _ = _outage("healthy", count)
    failing, _, wasted = _outage("ses answers 500", count, error_rate=1.0, latency=0.0)
    _, slow_rate, _ = _outage("ses at 2 s", count, latency=2.0)
    _, _, hung = _outage("ses hangs", count, hang_rate=1.0)
    _line(
        "outages", failing_to_healthy=f"{failing / healthy:.2f}",
        slow_rate_to_alone=f"{slow_rate / own:.2f}", hung=hung["hung"],
    )  # fmt: skip
    _check(
        (wasted["calls"] < 150, f"{wasted['calls']} calls wasted on SES"),
        (failing < 1.3 * healthy, f"{failing:.1f} s with SES down, {healthy:.1f} s healthy"),
        (
            slow_rate >= 0.9 * own,
            f"SendGrid at {slow_rate:.0f}/s beside a slow SES, {own:.0f}/s alone",
        ),
    )


def kills(count: int = 5_000, times: int = 10) -> None:
    """SIGKILL again and again, no ledger: nothing lost, duplicates at most what was in hand."""
    with stage(dispatch=KILLS_DISPATCH, ledger="") as on:
        held = _kill(on, count, times)
        left, seen = on.until_empty(timeout=60), on.mailbox()
        lost = count - seen["distinct_ids"] - left["dead"]
        _line(
            "kill -9, no ledger", kills=times, lost=lost, duplicates=seen["duplicates"],
            in_hand_at_kills=held, left=left,
        )  # fmt: skip
        _check(
            (lost == 0, f"{lost} lost"),
            (not any(left.values()), f"left: {left}"),
            (seen["duplicates"] <= held, f"{seen['duplicates']} duplicates, {held} in hand"),
        )


def ledger_kills(count: int = 10_000, times: int = 20) -> None:
    """SIGKILL with a ledger: every email ends as sent, every duplicate is among the flagged."""
    with stage(dispatch=KILLS_DISPATCH) as on:
        _kill(on, count, times)
        left, accepted = on.until_empty(timeout=60), on.accepted()
        on.workers[-1].stop()
        ids = [f"m{number}" for number in range(count)]
        records = on.records(ids)
        unsent = [one for one, record in zip(ids, records, strict=True) if not _is_sent(record)]
        flagged = {record.id for record in records if record and _is_flagged(record)}
        twice = {one for one, times_ in accepted.items() if times_ > 1}
        _line(
            "kill -9, ledger", kills=times, lost=count - len(accepted), duplicates=len(twice),
            flagged=len(flagged), flagged_for_nothing=len(flagged - twice),
            not_known_as_sent=len(unsent), left=left,
        )  # fmt: skip
        _check(
            (len(accepted) == count, f"{count - len(accepted)} lost"),
            (not any(left.values()), f"left: {left}"),
            (not unsent, f"not known as sent: {unsent[:5]}"),
            (twice <= flagged, f"duplicates that are not flagged: {sorted(twice - flagged)[:5]}"),
        )


def _kill(on: Stage, count: int, times: int) -> int:
    """Send emails with a worker that is killed again and again; how many it held in all."""
    on.fill(count)
    for provider in ("ses", "sendgrid"):
        on.fault(provider, latency=LATENCY)
    in_hand: list[tuple[float, int]] = []
    pause = random.Random(7)
    for number in range(times):
        worker = on.worker(log=f"worker-{number}.log")
        target = on.mailbox()["distinct_ids"] + count // (times + 1)
        on.until(min(target, count), timeout=60, what="kills")
        time.sleep(pause.random() * 0.05)
        worker.kill()
        in_hand.append((time.monotonic(), on.hidden() - _left_behind(in_hand)))
    on.worker()
    on.until(count, timeout=60, what="kills")
    return sum(number for _, number in in_hand)


def _left_behind(in_hand: list[tuple[float, int]]) -> int:
    """What workers killed before had in hand and is still hidden."""
    hidden_since = time.monotonic() - KILLS_VISIBILITY + 0.5
    return sum(number for at, number in in_hand if at > hidden_since)


def _is_sent(record: EmailRecord | None) -> bool:
    return record is not None and record.status is Status.SENT


def _is_flagged(record: EmailRecord) -> bool:
    return any(attempt.possible_duplicate for attempt in record.attempts)


def redis_restart(count: int = 5_000) -> None:
    """Redis stopped and started in mid-run: nothing lost, sending never stops."""
    with redis_server() as (url, server), stage(ledger=url) as on:
        on.fill(count)
        for provider in ("ses", "sendgrid"):
            on.fault(provider, latency=LATENCY)
        on.worker()
        on.until(count // 4, timeout=60, what="redis")
        server.stop()
        before = on.mailbox()["distinct_ids"]
        meanwhile = on.until(min(count, before + count // 4), timeout=60, what="redis is down")
        server.start()
        on.until(count, timeout=60, what="redis")
        left, seen = on.until_empty(), on.mailbox()
        _line(
            "redis restarted", accepted=seen["distinct_ids"], duplicates=seen["duplicates"],
            while_down=f"{count // 4} in {meanwhile:.1f} s", left=left,
        )  # fmt: skip
        _check(
            (seen["distinct_ids"] == count, f"{seen} is not {count}"),
            (not any(left.values()), f"left on the queues: {left}"),
        )


SCENARIOS: dict[str, Callable[[], object]] = {
    "drain": drain,
    "outages": outages,
    "kills": kills,
    "ledger-kills": ledger_kills,
    "redis-restart": redis_restart,
}


def main(names: list[str]) -> int:
    """Run the named scenarios, or all; the exit status says whether every promise was kept."""
    broken = 0
    for name in names or SCENARIOS:
        try:
            SCENARIOS[name]()
        except (AssertionError, TimeoutError) as error:
            print(f"{name}: BROKEN: {error}", flush=True)
            broken += 1
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
