"""Real Redis servers for tests, each on a free port and in a folder of its own."""

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis
from redis.backoff import ConstantBackoff
from redis.exceptions import ConnectionError as NoConnection
from redis.retry import Retry

PROGRAMS = ("redis-server", "valkey-server")
START_TIMEOUT = 10.0


def program() -> str:
    """The server's program; without one the test is skipped, or fails where everything must run."""
    for name in PROGRAMS:
        if path := shutil.which(name):
            return path
    reason = "no redis-server or valkey-server on this machine"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


class RedisServer:
    """A server that can be stopped, frozen and started again; what it holds ends with it."""

    def __init__(self, folder: Path, *, password: str | None = None) -> None:
        self._folder, self._password = folder, password
        self._process: subprocess.Popen[bytes] | None = None
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
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        patience = Retry(ConstantBackoff(0.02), int(START_TIMEOUT / 0.02), (NoConnection,))
        with self.client(retry=patience) as client:
            client.ping()

    def client(self, **options: Any) -> redis.Redis:
        return redis.Redis(port=self.port, password=self._password, **options)

    def freeze(self) -> None:
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def stop(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _signal(self, which: signal.Signals) -> None:
        assert self._process
        self._process.send_signal(which)


@contextmanager
def redis_server(folder: Path, *, password: str | None = None) -> Iterator[RedisServer]:
    server = RedisServer(folder, password=password)
    server.start()
    try:
        yield server
    finally:
        server.stop()
