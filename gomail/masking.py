"""Which providers are down without anybody noticing, since others cover for them. Pure.

Mail flows while a fallback carries it, so nothing else tells an operator that a provider has been
unhealthy for long, and that nothing is left if the fallback fails, too.

Times are milliseconds since the epoch, as a process reports them.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from gomail.ledger import ExitReport


@dataclass(frozen=True, slots=True)
class Masked:
    """An unhealthy provider, and who carries its mail."""

    provider: str
    since: int
    """When it became unhealthy."""
    why: str
    """What it said last that made it so."""
    covered_by: tuple[str, ...]
    """The healthy ones, by name."""


def masked(exits: Iterable[ExitReport], now: int, alert_after: float) -> list[Masked]:
    """Providers of one process that others have covered for longer than `alert_after` seconds.

    By name. One whose report does not say since when is left out: an older process wrote it.
    """
    reports = list(exits)
    healthy = tuple(sorted({each.provider for each in reports if each.healthy}))
    found = [
        Masked(each.provider, each.unhealthy_since, each.why, healthy)
        for each in reports
        if not each.healthy
        and each.unhealthy_since
        and now - each.unhealthy_since > alert_after * 1_000
    ]
    return sorted(found, key=lambda each: each.provider) if healthy else []


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
