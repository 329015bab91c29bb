"""Real Redis servers for tests, each on a free port and in a folder of its own."""

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path

import pytest
import redis

PROGRAMS = ("redis-server", "valkey-server")


def program() -> str:
    """The server's program; without one the test is skipped, or fails where everything must run."""
    for name in PROGRAMS:
        if path := shutil.which(name):
            return path
    reason = "no redis-server or valkey-server on this machine"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def _not_ready(line: str) -> bool:
    return "Ready to accept connections" not in line


class RedisServer:
    """A server that can be stopped, frozen and started again; what it holds ends with it."""

    def __init__(self, folder: Path, *, password: str | None = None) -> None:
        self._folder, self._password = folder, password
        self._process: subprocess.Popen[str] | None = None
        with socket.socket() as chosen:
            chosen.bind(("127.0.0.1", 0))
            self.port: int = chosen.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        command = [
            program(), "--port", str(self.port), "--bind", "127.0.0.1",
            "--save", "", "--appendonly", "no", "--dir", str(self._folder),
        ]  # fmt: skip
        if self._password:
            command += ["--requirepass", self._password]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout
        # What it says later is little, and stays in the pipe.
        said = list(takewhile(_not_ready, self._process.stdout))
        assert self._process.poll() is None, "".join(said)

    def client(self) -> redis.Redis:
        return redis.Redis(port=self.port, password=self._password)

    def freeze(self) -> None:
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def stop(self) -> None:
        if self._process:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def _signal(self, which: signal.Signals) -> None:
        assert self._process
        self._process.send_signal(which)


@contextmanager
def redis_server(folder: Path, *, password: str | None = None) -> Iterator[RedisServer]:
    server = RedisServer(folder, password=password)
    try:
        server.start()
        yield server
    finally:
        server.stop()
