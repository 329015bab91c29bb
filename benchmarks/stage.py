"""A stage for measurements: the sandbox and dispatch workers as child processes.

CPU and memory are the kernel's own accounts of each worker (`/proc`), so they hold on a busy
machine where wall-clock time does not.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import orjson

from gomail.email import Email, Message, encode
from gomail.http import AiohttpTransport
from gomail.ledger import EmailRecord, Ledger, Queued
from gomail.ledger.table import open_ledger
from gomail.queue import Entry
from gomail.queue.sqs import SqsQueue, open_queue
from gomail.settings import load

ROOT = Path(__file__).parent.parent
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "sandbox",
    "AWS_SECRET_ACCESS_KEY": "sandbox",
    "AWS_REGION": "eu-west-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "SENDGRID_API_KEY": "sandbox",
}
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Worker:
    """One dispatch process and what the kernel says of it."""

    process: subprocess.Popen[bytes]

    @property
    def cpu(self) -> float:
        """CPU seconds used, user and system."""
        parts = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(parts[11]) + int(parts[12])) / TICKS

    @property
    def peak_rss(self) -> float:
        """Most memory it has held, in MB."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) / 1024
        return 0.0

    def kill(self) -> None:
        """End it as a crash would."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """Ask it to drain; answers its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=30)


@dataclass
class Stage:
    """A running sandbox with queues, and the workers that read them."""

    folder: Path
    url: str
    queues: list[str]
    dead_letter: str
    config: Path
    workers: list[Worker] = field(default_factory=list)
    samples: list[tuple[float, dict[str, int]]] = field(default_factory=list)
    """Seconds since `until` began, and what each provider had accepted."""

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Call the sandbox's own routes."""
        data = None if body is None else json.dumps(body).encode()
        with urlopen(Request(self.url + path, data=data, method=method), timeout=30) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def fault(self, provider: str, **switches: Any) -> None:
        """Set a provider's switches; none heals it."""
        self.ask("PUT", f"/faults/{provider}", switches)

    def mailbox(self) -> dict[str, Any]:
        """How many emails were accepted, by whom, how many ids, how many twice."""
        return self.ask("GET", "/mailbox/count")

    def accepted(self) -> Counter[str]:
        """How often each id was accepted."""
        ids: Counter[str] = Counter()
        after = 0
        while emails := self.ask("GET", f"/mailbox?after={after}&limit=10000&brief=yes")["emails"]:
            ids.update(email["id"] for email in emails)
            after = emails[-1]["seq"]
        return ids

    def records(self, ids: Sequence[str]) -> list[EmailRecord | None]:
        """What the ledger says of emails."""
        return asyncio.run(_records(self, ids))

    def calls(self) -> dict[str, Any]:
        """What each provider and the queue were asked."""
        return self.ask("GET", "/calls")

    def fill(self, count: int, *, first: int = 0, size: int = 1_000) -> None:
        """Put emails on the queues, spread evenly."""
        asyncio.run(_fill(self, count, first, size))

    def waiting(self) -> dict[str, int]:
        """Messages still on each queue, in whatever state."""
        return {name: sum(counts) for name, counts in asyncio.run(_depths(self)).items()}

    def hidden(self) -> int:
        """Messages that somebody has received and not settled."""
        return sum(counts[1] for counts in asyncio.run(_depths(self)).values())

    def worker(self, *, log: str = "worker.log") -> Worker:
        """Start a dispatch worker."""
        with (self.folder / log).open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "bytewax.run", "flows.dispatch"],
                cwd=ROOT,
                env={**os.environ, **ENVIRONMENT, "GOMAIL_CONFIG": str(self.config)},
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        worker = Worker(process)
        self.workers.append(worker)
        return worker

    def until(self, count: int, *, timeout: float, what: str = "") -> float:
        """Wait until so many ids are accepted; seconds it took. Shows progress."""
        began = last = time.monotonic()
        while (mailbox := self.mailbox())["distinct_ids"] < count:
            now = time.monotonic()
            self.samples.append((now - began, dict(mailbox["by_provider"])))
            if now - began > timeout:
                raise TimeoutError(f"{mailbox} after {timeout:g} s; log in {self.folder}")
            if now - last > 2:
                print(f"  {what} {mailbox['distinct_ids']:>6} of {count}", file=sys.stderr)
                last = now
            time.sleep(0.02)
        return time.monotonic() - began

    def rate(self, provider: str) -> float:
        """A provider's emails a second over the middle 80 % of what it took."""
        counts = [(at, by.get(provider, 0)) for at, by in self.samples]
        total = counts[-1][1]
        middle = [(at, count) for at, count in counts if 0.1 * total <= count <= 0.9 * total]
        (began, first), (ended, last) = middle[0], middle[-1]
        return (last - first) / (ended - began)

    def until_empty(self, *, timeout: float = 30) -> dict[str, int]:
        """Wait until nothing is left on the queues; answers what is."""
        began = time.monotonic()
        while any((left := self.waiting()).values()) and time.monotonic() - began < timeout:
            time.sleep(0.05)
        return left


@contextmanager
def stage(
    *,
    queues: int = 2,
    dispatch: dict[str, Any] | None = None,
    providers: Sequence[str] = ("ses", "sendgrid"),
    ledger: str | None = None,
) -> Iterator[Stage]:
    """A sandbox on a free port; everything started on it ends with the block.

    The ledger is a file of its own unless a URL is given; an empty one is none.
    """
    names = [f"emails-{number + 1}" for number in range(queues)]
    with tempfile.TemporaryDirectory(prefix="gomail-") as folder:
        arguments = [part for name in names for part in ("--queue", name)]
        sandbox = subprocess.Popen(
            [sys.executable, "-m", "sandbox", "--port", "0", "--dead-letter", "dead", *arguments],
            cwd=ROOT,
            stdout=subprocess.PIPE,
        )
        assert sandbox.stdout is not None
        url = sandbox.stdout.readline().decode().split()[-1]
        made = _stage(
            Path(folder),
            url=url,
            names=names,
            dispatch=dispatch or {},
            providers=providers,
            ledger=ledger,
        )
        try:
            yield made
        finally:
            for worker in made.workers:
                if worker.process.poll() is None:
                    worker.kill()
            sandbox.terminate()
            sandbox.wait(timeout=10)


def _stage(
    folder: Path,
    *,
    url: str,
    names: Sequence[str],
    dispatch: dict[str, Any],
    providers: Sequence[str],
    ledger: str | None,
) -> Stage:
    urls = [f"{url}/000000000000/{name}" for name in names]
    dead = f"{url}/000000000000/dead"
    ways = {"ses": {"endpoint_url": url}, "sendgrid": {"base_url": url}}
    config = folder / "bytewax.yaml"
    config.write_text(
        json.dumps(
            {
                "queues": {"urls": urls, "dead_letter": dead, "endpoint_url": url},
                "providers": {name: ways[name] for name in providers},
                "dispatch": dispatch,
                "ledger": {
                    "url": f"sqlite:{folder}/ledger.db" if ledger is None else ledger,
                    "spool": f"{folder}/spool",
                },
            }
        )
    )
    return Stage(folder, url, urls, dead, config)


async def _queue(on: Stage, transport: AiohttpTransport) -> SqsQueue:
    os.environ.update(ENVIRONMENT)
    return await open_queue(region="eu-west-1", endpoint_url=on.url, transport=transport)


async def _fill(on: Stage, count: int, first: int, size: int) -> None:
    transport = AiohttpTransport()
    queue = await _queue(on, transport)
    body = "x" * size
    gate = asyncio.Semaphore(8)

    async def put(number: int) -> None:
        entries = [
            Entry(str(key), encode(Message(f"m{first + number + key}", _email(body))))
            for key in range(min(10, count - number))
        ]
        async with gate:
            await queue.send(on.queues[number // 10 % len(on.queues)], entries, timeout=30)

    await asyncio.gather(*(put(number) for number in range(0, count, 10)))
    await transport.close()
    await _note(on, [f"m{first + number}" for number in range(count)])


def _ledger(on: Stage) -> Ledger | None:
    environment = {**ENVIRONMENT, "GOMAIL_CONFIG": str(on.config)}
    return open_ledger(load(environ=environment), environment)


async def _records(on: Stage, ids: Sequence[str]) -> list[EmailRecord | None]:
    ledger = _ledger(on)
    assert ledger is not None, "asked of a stage with a ledger only"
    records = [await ledger.email(one) for one in ids]
    await ledger.close()
    return records


async def _note(on: Stage, ids: Sequence[str]) -> None:
    """Tell the ledger of the emails, as the API does."""
    ledger = _ledger(on)
    if ledger is None:
        return
    now = int(time.time() * 1_000)
    email = _email("")
    for start in range(0, len(ids), 500):
        await ledger.queued(
            [Queued(one, now, email.from_email, email.to_email) for one in ids[start : start + 500]]
        )
    await ledger.close()


def _email(body: str) -> Email:
    return Email("shop@example.com", "reader@example.org", body, subject="Your receipt")


async def _depths(on: Stage) -> dict[str, list[int]]:
    """Visible, hidden and delayed messages of each queue."""
    transport = AiohttpTransport()
    queue = await _queue(on, transport)
    names = [f"ApproximateNumberOfMessages{state}" for state in ("", "NotVisible", "Delayed")]
    depths = {}
    for url in [*on.queues, on.dead_letter]:
        response = await queue._service.post(  # noqa: SLF001 - all three counts in one call
            "GetQueueAttributes",
            "/",
            headers={
                "Content-Type": "application/x-amz-json-1.0",
                "X-Amz-Target": "AmazonSQS.GetQueueAttributes",
            },
            body=orjson.dumps({"QueueUrl": url, "AttributeNames": names}),
            timeout=10,
        )
        attributes = orjson.loads(response.body)["Attributes"]
        depths[url.rsplit("/", 1)[1]] = [int(attributes[name]) for name in names]
    await transport.close()
    return depths
