"""Times on the wire: RFC 3339. Pure."""

import re
from datetime import UTC, datetime, timedelta

_TIME = re.compile(
    r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)", re.ASCII
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_LAST = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MILLISECOND


def milliseconds(given: str, *, rounded_up: bool) -> int | None:
    """Milliseconds since the epoch; None where it is no time with an offset.

    Whatever was before is 1: long over, and not 0, which stands for no time at all.
    """
    if not _TIME.fullmatch(given):
        return None
    try:
        since = datetime.fromisoformat(given.upper()) - _EPOCH
    except ValueError:  # such as the 30th of February: no time either
        return None
    whole = -(-since // _MILLISECOND) if rounded_up else since // _MILLISECOND
    return max(1, whole) if whole <= _LAST else None


def written(since: int) -> str:
    """UTC with milliseconds; empty for 0."""
    if not since:
        return ""
    seconds, rest = divmod(since, 1_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:03d}Z"
