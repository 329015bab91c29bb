"""How readers see what the ledger holds: the JSON of emails, events, counts and alerts. Pure.

What is not known is null. Times are RFC 3339 in UTC with milliseconds.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

from gomail.ledger import (
    About,
    Attempt,
    EmailRecord,
    Event,
    ExitReport,
    ProcessReport,
    Queued,
    Stats,
    Status,
)
from gomail.masking import Masked, lasting, masked, merged, told
from gomail.outcome import OutcomeClass

Shown = dict[str, Any]


def time(milliseconds: int) -> str:
    """`2026-01-31T12:00:00.000Z`."""
    seconds, rest = divmod(milliseconds, 1_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:03d}Z"


def of_note(note: Queued) -> EmailRecord:
    """The record of an email that the ledger has not been told of yet."""
    scheduled = note.about is not None and note.about.send_at
    return EmailRecord(
        note.id,
        Status.SCHEDULED if scheduled else Status.QUEUED,
        note.at,
        note.at,
        from_email=note.from_email,
        to_email=note.to_email,
        about=note.about,
    )


def summary(email: EmailRecord) -> Shown:
    """One email in a list."""
    return {
        "id": email.id,
        "status": email.status,
        "queuedAt": time(email.queued_at),
        "updatedAt": time(email.updated_at),
        "from": email.from_email,
        "to": email.to_email,
        "provider": email.provider or None,
        "code": email.code or None,
        "detail": email.detail or None,
    }


def whole(email: EmailRecord) -> Shown:
    """One email with its attempts."""
    about = email.about or About()
    return {
        **summary(email),
        "recipients": [email.to_email, *about.recipients],
        "tags": list(about.tags),
        "metadata": dict(about.metadata),
        "sendAt": time(about.send_at) if about.send_at else None,
        "attempts": [_attempt(attempt) for attempt in email.attempts],
    }


def event(event: Event) -> bytes:
    """One event as it stands in a stream of server-sent events."""
    known = {name: None if value == "" else value for name, value in event.data.items()}
    data = orjson.dumps({**known, "at": time(event.at)})
    return b"event: %b\nid: %b\ndata: %b\n\n" % (
        event.kind.encode(),
        event.sequence.encode(),
        data,
    )


def stats(stats: Stats, *, now: int, ledger: Shown, alert_after: float) -> Shown:
    """Counts by state, provider and class; what the dispatch processes say; our own notes.

    Others may cover for an unhealthy provider for `alert_after` seconds without an alert.
    """
    return {
        "at": time(now),
        "byStatus": {status.value: stats.by_status.get(status, 0) for status in Status},
        "byProvider": _by_provider(stats),
        "failures": _failures(stats.attempts),
        "possibleDuplicates": stats.possible_duplicates,
        "processes": [_process(report) for report in stats.processes],
        "alerts": alerts(stats.processes, now=now, alert_after=alert_after),
        "ledger": ledger,
    }


def ledger(*, failing: bool, waiting: int, lost: int, failures: int) -> Shown:
    """How this API process gets on with telling the ledger what it has queued."""
    return {
        "state": "behind" if failing else "ok",
        "notesWaiting": waiting,
        "notesLost": lost,
        "failedWrites": failures,
    }


def alerts(processes: Iterable[ProcessReport], *, now: int, alert_after: float) -> list[Shown]:
    """What an operator has to look at: accounts at fault, then providers that others cover for.

    What several processes say of the same is one alert, since the earliest time.
    """
    exits = [report.exits for report in processes]
    faults: dict[tuple[str, str], int] = {}
    for each in (each for one in exits for each in one if each.mend):
        fault = each.provider, each.mend
        faults[fault] = min(each.mend_since, faults.get(fault, each.mend_since))
    masks = merged(masked(one, now, alert_after) for one in exits)
    return [
        *(_account(*fault, faults[fault], now) for fault in sorted(faults)),
        *(_masking(each, now) for each in masks),
    ]


def _account(provider: str, mend: str, since: int, now: int) -> Shown:
    needs = "has needed" if since else "needs"
    return {
        "kind": "account",
        "provider": provider,
        "since": _since(since),
        "mend": mend,
        "text": f"{provider} {needs} mending{lasting(since, now)}: {mend}",
    }


def _masking(one: Masked, now: int) -> Shown:
    return {
        "kind": "masking",
        "provider": one.provider,
        "since": time(one.since),
        "why": one.why or None,
        "coveredBy": list(one.covered_by),
        "text": told(one, now),
    }


def _since(milliseconds: int) -> str | None:
    return time(milliseconds) if milliseconds else None


def _attempt(attempt: Attempt) -> Shown:
    return {
        "number": attempt.number,
        "provider": attempt.provider,
        "outcome": attempt.kind,
        "code": attempt.code or None,
        "message": attempt.detail or None,
        "providerMessageId": attempt.provider_id or None,
        "startedAt": time(attempt.started),
        "durationMs": attempt.duration,
        "possibleDuplicate": attempt.possible_duplicate,
    }


def _by_provider(stats: Stats) -> Shown:
    names = {*stats.sent_by_provider, *(provider for provider, _ in stats.attempts)}
    return {
        name: {
            "sent": stats.sent_by_provider.get(name, 0),
            "attempts": {kind.value: stats.attempts.get((name, kind), 0) for kind in OutcomeClass},
        }
        for name in sorted(names)
    }


def _failures(attempts: Mapping[tuple[str, OutcomeClass], int]) -> Shown:
    return {
        kind.value: sum(count for (_, each), count in attempts.items() if each is kind)
        for kind in OutcomeClass
        if kind is not OutcomeClass.ACCEPTED
    }


def _process(report: ProcessReport) -> Shown:
    return {
        "owner": report.owner,
        "at": time(report.at),
        "providers": [_exit(one) for one in report.exits],
    }


def _exit(report: ExitReport) -> Shown:
    return {
        "provider": report.provider,
        "healthy": report.healthy,
        "verdict": report.verdict,
        "failingRounds": report.failing_rounds,
        "goodRounds": report.good_rounds,
        "inHand": report.in_hand,
        "room": report.room,
        "pausedForSeconds": report.paused_for,
        "share": report.share,
        "rate": report.rate,
        "slow": report.slow,
        "unhealthySince": _since(report.unhealthy_since),
        "why": report.why or None,
        "mend": report.mend or None,
        "mendSince": _since(report.mend_since),
    }
