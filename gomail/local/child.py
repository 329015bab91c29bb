"""One child process: started, listened to, ended.

All it says goes to its log file. Lines at WARNING or above, and what follows them (a traceback),
are shown too; the last lines are kept for the day it dies.
"""

import asyncio
import os
import re
import signal
import sys
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import BinaryIO

LAST_LINES = 15

# How a record of our own log, or of uvicorn's, begins. Other lines continue the record before them.
_RECORD = re.compile(r"^(?:\d{4}-\d\d-\d\d \S+ +)?(DEBUG|INFO|WARNING|ERROR|CRITICAL)\b")
_LOUD = frozenset({"WARNING", "ERROR", "CRITICAL"})

Show = Callable[[str], None]


class Filter:
    """Which lines of a log are worth showing."""

    def __init__(self) -> None:
        self._loud = False

    def shows(self, line: str) -> bool:
        """Whether this line, the next one of the log, is loud or continues a loud one."""
        if record := _RECORD.match(line):
            self._loud = record[1] in _LOUD
        return self._loud


class Child:
    """A Python module that runs as a process of its own, in a session of its own.

    The session keeps the terminal's Ctrl-C away from it: its parent decides in which order
    processes end.
    """

    def __init__(self, name: str, process: asyncio.subprocess.Process, log: Path) -> None:
        self.name = name
        self.log = log
        self.last: deque[str] = deque(maxlen=LAST_LINES)
        self._process = process
        self._said: list[tuple[re.Pattern[str], asyncio.Future[str]]] = []

    @classmethod
    async def start(
        cls, name: str, arguments: list[str], *, log: Path, environment: Mapping[str, str]
    ) -> "Child":
        """Start `python ARGUMENTS`."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gomail.local.leash", str(os.getpid()), *arguments),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={**environment, "PYTHONUNBUFFERED": "1"},
            start_new_session=True,
        )
        return cls(name, process, log)

    @property
    def status(self) -> int | None:
        """Its exit status, once it has ended and been waited for."""
        return self._process.returncode

    def says(self, pattern: str) -> asyncio.Future[str]:
        """The first group of the first line to come that matches. Ask before `listen` runs."""
        future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._said.append((re.compile(pattern), future))
        return future

    async def listen(self, show: Show) -> int:
        """Take all it says until it ends; gives back its exit status."""
        stream = self._process.stdout
        assert stream is not None
        loud = Filter()
        rest = b""
        with self.log.open("ab") as file:
            while chunk := await stream.read(65_536):
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    self._hear(line, file, loud, show)
            if rest:
                self._hear(rest, file, loud, show)
        return await self._process.wait()

    def _hear(self, raw: bytes, file: BinaryIO, loud: Filter, show: Show) -> None:
        file.write(raw + b"\n")
        file.flush()
        line = raw.decode(errors="replace").rstrip()
        self.last.append(line)
        for pattern, future in self._said:
            if not future.done() and (found := pattern.search(line)):
                future.set_result(found[1])
        if loud.shows(line):
            show(line)

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, if it still runs."""
        if self._process.returncode is None:
            self._process.send_signal(number)
