"""What is going on, on stderr: one line that changes, or now and then a line where it is a file."""

import sys
import time

SELDOM = 10.0
"""Seconds between two lines of the same run where a line cannot change."""


class Progress:
    """Shows the latest text."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._can_change = sys.stderr.isatty()
        self._run, self._shown_at = "", 0.0

    def show(self, text: str) -> None:
        """Tell; `text` is `run: how far`."""
        now = time.monotonic()
        line = f"{now - self._began:6.0f} s  {text}"
        if self._can_change:
            sys.stderr.write(f"\r\033[K{line[:100]}")
            sys.stderr.flush()
            return
        run = text.rpartition(": ")[0]
        if run != self._run or now - self._shown_at > SELDOM:
            self._run, self._shown_at = run, now
            print(line, file=sys.stderr, flush=True)

    def clear(self) -> None:
        """Make room for something else."""
        if self._can_change:
            sys.stderr.write("\r\033[K")
            sys.stderr.flush()
