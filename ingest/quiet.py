"""Warnings that nothing broken can turn into a flood: one for each subject every few seconds."""

import logging
from collections.abc import Callable

EVERY = 10.0
"""Seconds between two warnings about the same subject."""


class QuietLog:
    """A logger that says how many like it were left out."""

    def __init__(
        self, logger: logging.Logger, *, now: Callable[[], float], every: float = EVERY
    ) -> None:
        self._logger = logger
        self._now = now
        self._every = every
        self._silent_until: dict[str, float] = {}
        self._left_out: dict[str, int] = {}

    def warning(self, subject: str, text: str, *values: object) -> None:
        """Log the warning, unless there was one about the subject a moment ago."""
        now = self._now()
        if now < self._silent_until.get(subject, now):
            self._left_out[subject] = self._left_out.get(subject, 0) + 1
            return
        self._silent_until[subject] = now + self._every
        left_out = self._left_out.pop(subject, 0)
        more = f" (and {left_out} more like it)" if left_out else ""
        self._logger.warning("%s%s", text % values, more)
