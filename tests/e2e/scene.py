"""Everything as real processes: sandbox, API and dispatch workers, on free ports."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 40
QUEUES = ("emails-1", "emails-2")
KEYS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_REGION": "eu-west-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "SENDGRID_API_KEY": "test",
}
SHORT = {"send_timeout": 1, "visibility_timeout": 12, "drain_timeout": 3}
"""Settings of dispatch under which what a killed worker held shows again as soon as may be."""


class Child:
    """A process whose output goes to a file."""

    def __init__(self, arguments: list[str], log: Path, **environment: str) -> None:
        own = ("AWS_", "GOMAIL_", "SENDGRID_")
        known = {name: value for name, value in os.environ.items() if not name.startswith(own)}
        self._log = log
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-u", *arguments],
                cwd=ROOT,
                env=known | environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def said(self) -> str:
        return self._log.read_text()

    def until(self, pattern: str) -> str:
        """Wait until it has said so; the first group."""

        def found() -> re.Match[str] | None:
            match = re.search(pattern, self.said)
            assert match or self._process.poll() is None, f"ended without {pattern}:\n{self.said}"
            return match

        return eventually(found, lambda: self.said)[1]

    def tell(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def ends(self, number: signal.Signals | None = None) -> int:
        """Its exit status, after a signal if one is given."""
        if number is not None:
            self.tell(number)
        return self._process.wait(PATIENCE_SECONDS)

    def kill(self) -> None:
        """End it as a crash would."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()


@dataclass
class Scene:
    """The processes of one test."""

    folder: Path
    cloud: str = ""
    """Address of the sandbox that has the queues."""
    post: str = ""
    """Address of the sandbox that has the providers; usually the same."""
    environment: dict[str, str] = field(default_factory=dict)
    children: list[Child] = field(default_factory=list)

    def child(self, name: str, *arguments: str) -> Child:
        log = self.folder / f"{len(self.children)}-{name}.log"
        child = Child(["-m", *arguments], log, **self.environment)
        self.children.append(child)
        return child

    def sandbox(self, *arguments: str, port: str = "0") -> tuple[Child, str]:
        """Start a sandbox with the queues; its address."""
        queues = [part for name in QUEUES for part in ("--queue", name)]
        child = self.child(
            "sandbox", "sandbox", "--port", port, "--dead-letter", "dead", *queues, *arguments
        )
        return child, child.until(r"sandbox ready on (http://\S+)")

    def settle_down(self, **settings: Any) -> None:
        """Write the settings of the API and the workers."""
        self.post = self.post or self.cloud
        given = {
            "queues": {
                "urls": [self.url(name) for name in QUEUES],
                "dead_letter": self.url("dead"),
                "endpoint_url": self.cloud,
            },
            "providers": {"ses": {"endpoint_url": self.post}, "sendgrid": {"base_url": self.post}},
            "ledger": {"url": f"sqlite:{self.folder / 'ledger.db'}", "spool": self.spool},
        }
        file = self.folder / "bytewax.yaml"
        file.write_text(json.dumps(given | settings))  # JSON is YAML
        self.environment = KEYS | {"GOMAIL_CONFIG": str(file)}

    @property
    def spool(self) -> str:
        """The folder for what a ledger that is down has yet to be told."""
        return str(self.folder / "spool")

    def url(self, queue: str) -> str:
        return f"{self.cloud}/000000000000/{queue}"

    def api(self) -> str:
        """Start the API; its address."""
        child = self.child(
            "api", "uvicorn", "--factory", "--no-access-log", "--port", "0", "ingest.app:create_app"
        )
        return child.until(r"Uvicorn running on (http://\S+)")

    def worker(self) -> Child:
        """Start a dispatch worker; it has begun to read."""
        child = self.child("worker", "bytewax.run", "flows.dispatch")
        child.until(f"(reading {self.url(QUEUES[1])})")
        return child

    # -- what is to be seen ---------------------------------------------------------------------

    def break_(self, endpoint: str, **switches: Any) -> None:
        """Set the fault switches of an endpoint; none heals it."""
        at = self.cloud if endpoint == "sqs" else self.post
        ask("PUT", f"{at}/faults/{endpoint}", switches)

    def accepted(self) -> Counter[str]:
        """How often each id is in the mailbox."""
        emails = ask("GET", f"{self.post}/mailbox?brief&limit=10000")["emails"]
        return Counter(email["id"] for email in emails)

    def by_provider(self) -> Counter[str]:
        return Counter(ask("GET", f"{self.post}/mailbox/count")["by_provider"])

    def depths(self) -> Counter[str]:
        """Messages in all queues: visible, hidden, delayed, and `dead` ones in whatever state."""
        depths = Counter(visible=0, hidden=0, delayed=0, dead=0)
        for name in QUEUES:
            for state, count in self._depth(name).items():
                depths[state] += count
        depths["dead"] = sum(self._depth("dead").values())
        return depths

    def _depth(self, queue: str) -> dict[str, int]:
        states = {"visible": "", "hidden": "NotVisible", "delayed": "Delayed"}
        names = {state: f"ApproximateNumberOfMessages{of}" for state, of in states.items()}
        question = {"QueueUrl": self.url(queue), "AttributeNames": list(names.values())}
        target = {"X-Amz-Target": "AmazonSQS.GetQueueAttributes"}
        found = ask("POST", f"{self.cloud}/", question, **target)["Attributes"]
        return {state: int(found[name]) for state, name in names.items()}

    def until_accepted(self, ids: set[str]) -> None:
        """Wait until the mailbox holds all of them and nothing is left on the queues."""
        eventually(lambda: ids <= self.accepted().keys(), self.state)
        eventually(lambda: not any(self.depths().values()), self.state)

    def state(self) -> str:
        logs = "\n".join(child.said[-2_000:] for child in self.children)
        return f"{self.by_provider()} accepted, {self.depths()} on the queues\n{logs}"


@contextmanager
def scene(folder: Path) -> Iterator[Scene]:
    """Everything that is started on it ends with the block."""
    made = Scene(folder)
    try:
        yield made
    finally:
        for child in made.children:
            child.kill()


def ask(method: str, address: str, body: Any = None, **headers: str) -> Any:
    """One call with JSON both ways."""
    data = None if body is None else json.dumps(body).encode()
    if "X-Amz-Target" in headers:
        headers["Content-Type"] = "application/x-amz-json-1.0"
    with urlopen(Request(address, data, headers, method=method), timeout=30) as answer:
        text = answer.read()
    return json.loads(text) if text else None


def post_email(api: str, number: int) -> str | None:
    """Post an email; the id under which it was promised, None where it was not."""
    email = {
        "fromEmail": "shop@example.com",
        "toEmail": f"reader-{number}@example.org",
        "subject": f"Receipt {number}",
        "body": "Thank you.",
    }
    try:
        return ask("POST", f"{api}/email/send", {"email": email})["messageId"]
    except HTTPError as error:
        assert error.code == 503, error  # noqa: PT017 - any other answer is a fault
        error.close()
        return None


def eventually(
    question: Callable[[], Any],
    explain: Callable[[], str] = str,
    *,
    patience: float = PATIENCE_SECONDS,
) -> Any:
    """Ask until the answer is true, or fail."""
    deadline = time.monotonic() + patience
    while not (answer := question()):
        assert time.monotonic() < deadline, f"not within {patience} s: {explain()}"
        threading.Event().wait(0.02)
    return answer
