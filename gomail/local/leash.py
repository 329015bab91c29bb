"""Becomes another Python program that the kernel ends when its parent dies, even by SIGKILL.

`python -m gomail.local.leash PARENT -m MODULE …`. Linux only; elsewhere it just becomes the
program, and a parent that is killed leaves it running.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>; outlives the exec below


def main(parent: int, arguments: list[str]) -> None:
    """Tie this process to its parent, then become `python ARGUMENTS`."""
    if sys.platform == "linux":
        # SIGKILL, since nothing would wait for a drain: what was in hand comes back by itself.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before it was heard
            sys.exit(1)
    os.execv(sys.executable, [sys.executable, *arguments])  # noqa: S606 - our own interpreter


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
