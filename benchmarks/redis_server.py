"""A Redis server for measurements: `redis-server` from the machine, on a free port."""

import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager


class Server:
    """A Redis server that can be stopped and started on one port."""

    def __init__(self, folder: str, port: int) -> None:
        self._port = port
        self._arguments = [
            "redis-server", "--port", str(port), "--dir", folder, "--save", "", "--appendonly",
            "yes", "--bind", "127.0.0.1",
        ]  # fmt: skip
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; it keeps what it held when it was stopped."""
        self._process = subprocess.Popen(self._arguments, stdout=subprocess.DEVNULL)
        until = time.monotonic() + 10
        while socket.socket().connect_ex(("127.0.0.1", self._port)) and time.monotonic() < until:
            time.sleep(0.01)

    def stop(self) -> None:
        """Ask it to end, and wait until it has."""
        if self._process:
            self._process.terminate()
            self._process.wait(timeout=10)


@contextmanager
def redis_server() -> Iterator[tuple[str, Server]]:
    """A running server on a free port: its URL, and the switch. It ends with the block."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    with tempfile.TemporaryDirectory() as folder:
        server = Server(folder, port)
        server.start()
        try:
            yield f"redis://127.0.0.1:{port}/0", server
        finally:
            server.stop()
