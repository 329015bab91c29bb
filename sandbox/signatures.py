"""What AWS says of a signature whose date is too far from its own clock. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_FORM = "%Y%m%dT%H%M%SZ"


def skew(headers: Mapping[str, str], most: float | None, now: float) -> str | None:
    """The refusal's text if `X-Amz-Date` is more than `most` seconds from `now`.

    The two texts as users have met them: aws-sdk-go #487 (SQS), aws-sdk-js #1652. Without a limit,
    or without a date that can be read, nothing is said here.
    """
    try:
        date = datetime.strptime(headers.get("X-Amz-Date", ""), _FORM).replace(tzinfo=UTC)
    except ValueError:
        return None
    if most is None:
        return None
    here, allowed = datetime.fromtimestamp(now, UTC), timedelta(seconds=most)
    signed, at, minutes = f"{date:{_FORM}}", f"{here:{_FORM}}", f"{most / 60:g} min."
    if date < here - allowed:
        limit = f"{here - allowed:{_FORM}}"
        return f"Signature expired: {signed} is now earlier than {limit} ({at} - {minutes})"
    if date > here + allowed:
        limit = f"{here + allowed:{_FORM}}"
        return f"Signature not yet current: {signed} is still later than {limit} ({at} + {minutes})"
    return None
