"""Read by processes whose clock libfaketime moves, at their start: `time.sleep` by another call.

Where libfaketime (0.9.10) leaves the monotonic clock alone, it hands `clock_nanosleep`, which
Python's `time.sleep` is, a time before now, and every sleep fails with `EINVAL`.
"""

import select
import time


def _sleep(seconds: float) -> None:
    select.select((), (), (), seconds)


time.sleep = _sleep
