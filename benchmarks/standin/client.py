"""The stand-in as a child process, and its control routes as functions."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.request import Request, urlopen

from benchmarks.processes import ROOT, end, plain_environment


@dataclass(frozen=True)
class Standin:
    """Where it is."""

    plain: str
    tls: str
    ca: str
    """The file of the authority behind its certificate."""

    def url(self, *, tls: bool) -> str:
        """Its address in plain HTTP or with TLS."""
        return self.tls if tls else self.plain

    def reset(self, **switches: dict[str, float]) -> None:
        """Begin anew; providers and `sqs` have the given switches, or their defaults."""
        self._ask("/reset", switches)

    def fill(self, count: int, queues: Sequence[str]) -> None:
        """Make emails, but keep them from the queues until `release`."""
        self._ask("/fill", {"count": count, "queues": queues})

    def release(self) -> None:
        """Put them on the queues, all at once."""
        self._ask("/release", {})

    def pace(self, rate: float, seconds: float, queues: Sequence[str]) -> None:
        """Put emails on the queues at a steady rate, from now on."""
        self._ask("/pace", {"rate": rate, "seconds": seconds, "queues": queues})

    def progress(self) -> Any:
        """How far it is; cheap."""
        return self._ask("/progress")

    def result(self) -> Any:
        """How it was: `accounts.py`."""
        return self._ask("/result")

    def _ask(self, path: str, body: object = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        with urlopen(Request(self.plain + path, data=data), timeout=120) as answer:
            return json.loads(answer.read())


@contextmanager
def standin() -> Iterator[Standin]:
    """A stand-in that ends with the block."""
    with tempfile.TemporaryDirectory(prefix="gomail-bench-") as folder:
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.standin", folder],
            cwd=ROOT,
            env=plain_environment(),
            stdout=subprocess.PIPE,
        )
        try:
            assert process.stdout is not None
            yield Standin(**json.loads(process.stdout.readline()))
        finally:
            end(process)
