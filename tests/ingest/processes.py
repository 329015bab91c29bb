"""Starts the API and the sandbox as processes of their own, and waits for what they print."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
SANDBOX = ["-m", "sandbox", "--port", "0", "--queue", "a", "--queue", "b", "--dead-letter", "d"]
API = ["-m", "uvicorn", "--factory", "--no-access-log", "--port", "0", "ingest.app:create_app"]


class Process:
    """A child process whose output is read line by line."""

    def __init__(self, arguments: list[str], **environment: str) -> None:
        known = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "GOMAIL_"))}
        self._process = subprocess.Popen(
            [sys.executable, "-W", "error", "-u", *arguments],
            cwd=ROOT,
            env={**known, "AWS_EC2_METADATA_DISABLED": "true", **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines: list[str] = []

    def wait_for(self, pattern: str) -> str:
        """The first group of the first line that matches."""
        assert self._process.stdout
        for line in self._process.stdout:
            self.lines.append(line)
            if match := re.search(pattern, line):
                return match[1]
        raise AssertionError(f"ended without {pattern!r}:\n{''.join(self.lines)}")

    def terminate(self) -> None:
        self._process.send_signal(signal.SIGTERM)

    def end(self) -> tuple[int, str]:
        """Its exit status and all that it printed, once it has ended."""
        rest, _ = self._process.communicate(timeout=60)
        return self._process.returncode, "".join(self.lines) + rest

    def kill(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()


@contextmanager
def running(arguments: list[str], **environment: str) -> Iterator[Process]:
    process = Process(arguments, **environment)
    try:
        yield process
    finally:
        process.kill()


def write_settings(folder: Path, endpoint: str, **ingest: Any) -> Mapping[str, str]:
    """Settings for the API over a sandbox; gives back the environment that names them."""
    queues = {
        "urls": [f"{endpoint}/000000000000/a", f"{endpoint}/000000000000/b"],
        "dead_letter": f"{endpoint}/000000000000/d",
        "endpoint_url": endpoint,
    }
    file = folder / "bytewax.yaml"
    given = {
        "queues": queues,
        "providers": {"ses": {}},
        "ingest": ingest,
        "ledger": {"url": f"sqlite:{folder}/ledger.db"},
    }
    file.write_text(json.dumps(given))  # JSON is YAML
    keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    return {"GOMAIL_CONFIG": str(file), "AWS_REGION": "eu-west-1", **keys}
