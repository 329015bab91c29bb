"""Processes under measurement, and what the kernel says of them and all their children (`/proc`).

CPU time holds on a busy machine, where wall-clock time does not.
"""

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
_TICKS = os.sysconf("SC_CLK_TCK")
_OWN = ("GOMAIL_", "AWS_", "SENDGRID_")


@dataclass(frozen=True)
class Running:
    """A process with all its children."""

    process: subprocess.Popen[bytes]
    log: Path

    @property
    def cpu(self) -> float:
        """CPU seconds, user and system, of all that live and all that have been waited for."""
        return sum(sum(map(int, _stat(pid)[11:15])) / _TICKS for pid in self._tree())

    @property
    def peak_rss(self) -> float:
        """Most memory held by each, summed, in MB."""
        return sum(map(_peak, self._tree()))

    @property
    def has_ended(self) -> bool:
        """Nobody asked it to."""
        return self.process.poll() is not None

    def tail(self) -> str:
        """The end of what it has said."""
        return self.log.read_text(errors="replace")[-2_000:]

    def _tree(self) -> list[int]:
        parents = {pid: int(stat[1]) for pid in _all() if (stat := _stat(pid))}
        tree = [self.process.pid]
        for one in tree:  # grows while it is walked
            tree += [pid for pid, parent in parents.items() if parent == one]
        return [pid for pid in tree if pid in parents]


@contextmanager
def running(command: Sequence[str], environment: Mapping[str, str], log: Path) -> Iterator[Running]:
    """Start it in a group of its own, with its output in a file; end it with the block."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield Running(process, log)
    finally:
        end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """Ask it to stop, then its whole group without asking."""
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def plain_environment() -> dict[str, str]:
    """The environment without what somebody has set for gomail or AWS."""
    return {name: value for name, value in os.environ.items() if not name.startswith(_OWN)}


def _all() -> list[int]:
    return [int(one.name) for one in Path("/proc").glob("[0-9]*")]


def _stat(pid: int) -> list[str]:
    """The fields of `/proc/PID/stat` from the state on; empty where the process has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _peak(pid: int) -> float:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:  # it has ended since
        return 0.0
    lines = (line for line in status.splitlines() if line.startswith("VmHWM"))
    return next((int(line.split()[1]) / 1024 for line in lines), 0.0)
