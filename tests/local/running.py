"""`gomail …` as a process of its own, what it has said, and who of its children still lives."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 60


class Running:
    """One command, its output read as it comes."""

    def __init__(self, process: subprocess.Popen[str], folder: Path) -> None:
        self.process = process
        self.folder = folder
        self.said = ""
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said += line

    def until(self, pattern: str) -> re.Match[str]:
        """Wait until it has said so, or fail with all it has said."""

        def found() -> re.Match[str] | None:
            assert self._reader.is_alive() or re.search(pattern, self.said), self.said
            return re.search(pattern, self.said)

        return eventually(found, lambda: self.said)

    def until_ready(self) -> tuple[str, str]:
        """The addresses of the API and of the sandbox."""
        self.until(r"Stop +Ctrl-C")
        api = self.until(r"API: ready on (\S+)")[1]
        return api, self.until(r"sandbox: ready on (\S+)")[1]

    def ends(self, number: signal.Signals | None = None) -> int:
        """Its exit status, after a signal if one is given."""
        if number is not None:
            self.process.send_signal(number)
        status = self.process.wait(PATIENCE_SECONDS)
        self._reader.join(PATIENCE_SECONDS)
        return status

    def child(self, module: str) -> int:
        """The process of the child that runs a module."""
        return next(pid for pid, command in children(self.folder).items() if module in command)


@contextmanager
def up(folder: Path, *options: str) -> Iterator[Running]:
    """`gomail up` on free ports, ended afterwards if it still runs."""
    arguments = ["up", "--api-port", "0", "--sandbox-port", "0", "--folder", str(folder), *options]
    with command(*arguments, folder=folder) as running:
        yield running


@contextmanager
def command(
    *arguments: str, folder: Path, cwd: Path = ROOT, environment: dict[str, str] | None = None
) -> Iterator[Running]:
    """`python -m gomail ARGUMENTS`, ended afterwards if it still runs."""
    with subprocess.Popen(
        [sys.executable, "-m", "gomail", *arguments],
        cwd=cwd,
        env=(environment or plain_environment()) | {"TMPDIR": str(folder)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        running = Running(process, folder)
        try:
            yield running
        finally:
            if process.poll() is None:
                running.ends(signal.SIGTERM)


def plain_environment() -> dict[str, str]:
    """The environment without what a desk may have set for gomail or make."""
    own = ("GOMAIL_", "AWS_", "SENDGRID_", "MAKE", "MFLAGS")
    return {name: value for name, value in os.environ.items() if not name.startswith(own)}


def children(folder: Path) -> dict[int, str]:
    """The processes that read their configuration in the folder: pid and command."""
    found = {}
    mark = f"GOMAIL_CONFIG={folder}".encode()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (process / "environ").read_bytes():
                found[int(process.name)] = (process / "cmdline").read_text().replace("\0", " ")
        except OSError:  # it has ended, or is somebody else's
            continue
    return found


def eventually(question: Callable[[], T], explain: Callable[[], str] = str) -> T:
    """Ask until the answer is true, or fail."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (answer := question()):
        assert time.monotonic() < deadline, f"not within {PATIENCE_SECONDS} s: {explain()}"
        threading.Event().wait(0.02)
    return answer
