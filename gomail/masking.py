"""Which providers have been down for long, perhaps unnoticed since others cover for them. Pure.

Mail flows while a fallback carries it, so nothing else tells an operator that a provider has been
unhealthy for long, and that nothing is left if the fallback fails, too.

Times are milliseconds since the epoch, as a process reports them.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from gomail.ledger import ExitReport

_UNITS = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))


@dataclass(frozen=True, slots=True)
class Masked:
    """An unhealthy provider, and who carries its mail."""

    provider: str
    since: int
    """When it became unhealthy."""
    why: str
    """What it said last that made it so."""
    covered_by: tuple[str, ...]
    """Those that are healthy and not paused, by name; empty where nobody carries its mail."""


def masked(exits: Iterable[ExitReport], now: int, alert_after: float) -> list[Masked]:
    """Providers of one process that have been unhealthy for longer than `alert_after` seconds.

    By name; covered by nobody where no other is healthy and not paused. One whose report does not
    say since when is left out: an older process wrote it.
    """
    reports = list(exits)
    covering = sorted({each.provider for each in reports if each.healthy and not each.paused_for})
    found = [
        Masked(each.provider, each.unhealthy_since, each.why, tuple(covering))
        for each in reports
        if not each.healthy
        and each.unhealthy_since
        and now - each.unhealthy_since > alert_after * 1_000
    ]
    return sorted(found, key=lambda each: each.provider)


def merged(processes: Iterable[Iterable[Masked]]) -> list[Masked]:
    """What several processes say, each provider once, by name.

    Since the earliest time that one of them tells, with what that one tells of it; covered by all
    that cover for it anywhere.
    """
    told: dict[str, list[Masked]] = {}
    for process in processes:
        for each in process:
            told.setdefault(each.provider, []).append(each)
    return [_together(told[provider]) for provider in sorted(told)]


def _together(told: list[Masked]) -> Masked:
    first = min(told, key=lambda each: (each.since, not each.why, each.why))
    covering = {name for each in told for name in each.covered_by}
    return Masked(first.provider, first.since, first.why, tuple(sorted(covering)))


def told(one: Masked, now: int) -> str:
    """The same in a sentence without a full stop."""
    why = f" ({one.why})" if one.why else ""
    return f"{one.provider} has been unhealthy{lasting(one.since, now)}{why}; {_cover(one)} for it"


def _cover(one: Masked) -> str:
    names = one.covered_by
    if not names:
        return "nobody covers"
    listed = " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
    return f"{listed} {'cover' if len(names) > 1 else 'covers'}"


def lasting(since: int, now: int) -> str:
    """How long, in the largest unit that it fills; nothing where nobody knows since when."""
    if not since:
        return ""
    seconds = max(0, now - since) // 1_000
    length, unit = next(((n, unit) for n, unit in _UNITS if seconds >= n), _UNITS[-1])
    count = seconds // length
    return f" for {count} {unit}{'' if count == 1 else 's'}"
