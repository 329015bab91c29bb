"""What became of the mail, and whether that was promised. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

MEMORY, FILES = 48.0, 64
"""MB and open files by which a process may have grown: buffers, connections that are kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All that was seen."""

    recipients: Mapping[str, int]
    """The request of each address that was posted."""
    promised: Mapping[str, int]
    """The request of each id that was promised."""
    unanswered: AbstractSet[int]
    refused: Mapping[int, int] = field(default_factory=dict)
    mailbox: Sequence[tuple[str, str]]
    """Id and recipient of each email that a provider accepted."""
    dead: Sequence[str]
    flagged: AbstractSet[str]
    """Ids that the ledger says may have been sent twice."""

    @property
    def times(self) -> Counter[str]:
        """How often each id was accepted."""
        return Counter(id_ for id_, _ in self.mailbox)

    @property
    def lost(self) -> set[str]:
        """Promised, and neither accepted nor a dead letter."""
        return self.promised.keys() - self.times.keys() - set(self.dead)

    @property
    def twice(self) -> set[str]:
        """Accepted more than once, or accepted and buried."""
        times = self.times
        return {id_ for id_, count in times.items() if count > 1} | (times.keys() & set(self.dead))

    @property
    def duplicates(self) -> int:
        """Acceptances too many."""
        return sum(count - 1 for count in self.times.values())


def problems(seen: Evidence, *, may_double: bool = True, may_bury: Iterable[int] = ()) -> list[str]:
    """What was promised and not kept, in sentences; `may_bury` are the requests that must die."""
    unasked = [id_ for id_, to in seen.mailbox if to not in seen.recipients]
    other = [
        id_
        for id_, to in seen.mailbox
        if (number := seen.promised.get(id_)) is not None and seen.recipients.get(to) != number
    ]
    by_request: dict[int, set[str]] = {}
    for id_, to in seen.mailbox:
        by_request.setdefault(seen.recipients.get(to, -1), set()).add(id_)
    several = [number for number, ids in by_request.items() if len(ids) > 1]
    meant = set(may_bury)
    buried = [id_ for id_ in seen.dead if seen.promised.get(id_, -1) not in meant]
    if meant:  # of what had no answer, the number is not known by the id
        buried = [id_ for id_ in buried if id_ in seen.promised]
    found = [
        (seen.lost, "lost"),
        (unasked, "accepted and never asked for"),
        (other, "accepted for somebody else"),
        (several, "requests became several emails"),
        (seen.twice - seen.flagged, "accepted twice and not flagged"),
        (() if may_double else seen.twice, "accepted twice"),
        (buried, "dead letters that should have been sent"),
        (seen.refused, "requests answered with neither 200 nor 503"),
    ]
    return [f"{len(ids)} {what}: {sorted(map(str, ids))[:3]}" for ids, what in found if ids]


Sizes = Mapping[str, tuple[float, int]]
"""Of each process: MB of memory, open files."""


def swelling(before: Sizes, after: Sizes) -> float:
    """By how many MB the process that grew most has grown."""
    return max(after[name][0] - before[name][0] for name in after)


def growth(before: Sizes, after: Sizes) -> str:
    """By how much the processes that grew most have grown: MB, and files."""
    files = max(after[name][1] - before[name][1] for name in after)
    return f"{swelling(before, after):+.0f} MB, {files:+d}"


def is_back(before: Sizes, after: Sizes) -> bool:
    """Whether memory and open files of each process are near where they were."""
    return all(
        after[name][0] - before[name][0] <= MEMORY and after[name][1] - before[name][1] <= FILES
        for name in after
    )
