"""The services that stand in for the cloud: the sandbox as a process, and moto over HTTP."""

import logging
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from moto.server import ThreadedMotoServer


@contextmanager
def sandbox() -> Iterator[str]:
    """A sandbox for the length of the block; its address."""
    command = [sys.executable, "-m", "sandbox", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            line = process.stdout.readline()
            assert line.startswith("sandbox ready on "), line
            yield line.split()[-1]
        finally:
            process.terminate()


@contextmanager
def moto() -> Iterator[str]:
    """A moto for the length of the block; its address."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.stop()
