"""Where torture takes place: a queue service, providers, API and workers as real processes.

The queue service is a process of its own with its queues in a file, so that it can be killed; the
providers are another one, which nobody harms: its mailbox is the witness.
"""

import resource
import shutil
import signal
import socket
import sqlite3
import subprocess
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks.redis_server import Server
from benchmarks.torture.client import fill
from tests.e2e.scene import QUEUES, Child, Scene, ask, eventually

PROVIDERS = ("ses", "sendgrid")
LATENCY = 0.05
PATIENCE = 120.0
"""Seconds for whatever must happen in the end; the machine may have other work."""
_PAGE = 10_000
MOST_EMAILS = 2_000_000
"""That the mailbox remembers: it is asked at the end only."""
FAKE_CLOCK = {
    "DONT_FAKE_MONOTONIC": "1",
    "FAKETIME_FORCE_MONOTONIC_FIX": "0",
    "FAKETIME_NO_CACHE": "1",
    "NO_FAKE_STAT": "1",
    "PYTHONPATH": str(Path(__file__).parent / "sleep"),
}
"""How libfaketime moves the time of day alone, and looks each time by how much.

Its own mend for condition variables ends each wait for the interpreter's lock at once, where the
monotonic clock is not moved: a worker then took a whole core."""
_LIBRARIES = ("usr/lib/*/faketime/", "usr/lib*/faketime/", "usr/local/lib/faketime/")
_FAKETIME = "libfaketimeMT.so.1"


class Redis(Server):
    """A Redis server that can be killed."""

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """Its process, once started."""
        assert self._process is not None
        return self._process

    def kill(self) -> None:
        """End it as a crash would."""
        self.process.kill()
        self.process.wait()


class Process(Child):
    """A child of which the kernel is asked, which it limits, and whose clock may be moved."""

    clock: Path | None = None
    """The file that says how far its clock is off; None where it has the machine's."""

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether it runs, or is stopped."""
        return self._process.poll() is None

    @property
    def rss(self) -> float:
        """Memory it holds, in MB."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                return int(line.split()[1]) / 1024
        return 0.0

    @property
    def files(self) -> int:
        """Files and sockets it has open."""
        return sum(1 for _ in Path(f"/proc/{self.pid}/fd").iterdir())

    def set_clock(self, seconds: float) -> None:
        """Set its clock so much ahead of the machine's; the monotonic one runs on."""
        assert self.clock is not None, "its clock cannot be moved"
        new = self.clock.with_suffix(".new")
        new.write_text(f"{seconds:+g}")
        new.replace(self.clock)  # at once: it reads the file each time it asks for the time

    def limit(self, what: int, most: int | None) -> None:
        """Set a soft limit of the kernel's; None takes it away."""
        _, hard = resource.prlimit(self.pid, what)
        resource.prlimit(self.pid, what, (hard if most is None else most, hard))


class Ground(Scene):
    """A scene on which each process can be replaced by one that looks the same from outside."""

    queues: Process
    door: Process
    """The API."""
    workers: list[Process]
    worker_command: tuple[str, ...] = ("bytewax.run", "flows.dispatch")
    """What every further worker is started as."""
    redis: Redis | None = None
    address: str = ""
    """Where the API is, whichever process serves it."""
    waiting_first: Mapping[str, int]
    """The request of each id that was on a queue before the workers started."""
    moves_clocks: bool = False
    """The API and the workers have clocks of their own."""

    def child(self, name: str, *arguments: str) -> Process:
        """Start a process of this scene."""
        place = self.folder / f"{len(self.children)}-{name}"
        environment = self.environment
        if clock := place.with_suffix(".clock") if self.moves_clocks else None:
            clock.write_text("+0")
            environment = environment | {"FAKETIME_TIMESTAMP_FILE": str(clock)}
        made = Process(["-m", *arguments], place.with_suffix(".log"), **environment)
        made.clock = clock
        self.children.append(made)
        return made

    def begin(
        self,
        *,
        workers: int,
        redis: bool,
        dispatch: Any,
        providers: Any,
        waiting: int = 0,
        moves_clocks: bool = False,
    ) -> None:
        """Start everything, the workers once so many emails are on the queues."""
        self._data = str(self.folder / "queues.db")
        self.queues, self.cloud = self.sandbox("--data", self._data)  # type: ignore[assignment]
        _, self.post = self.sandbox("--mailbox", str(MOST_EMAILS))
        given: dict[str, Any] = {"dispatch": dispatch}
        if redis:
            self.redis = Redis(str(self.folder), free_port())
            self.redis.start()
            address = f"redis://127.0.0.1:{self.redis._port}/0"  # noqa: SLF001
            given["ledger"] = {"url": address, "spool": self.spool}
        if providers:
            ours = {"ses": {"endpoint_url": self.post}, "sendgrid": {"base_url": self.post}}
            given["providers"] = {name: ours[name] | providers.get(name, {}) for name in ours}
        self.settle_down(**given)
        if moves_clocks:
            self.moves_clocks = True
            self.environment |= FAKE_CLOCK | {"LD_PRELOAD": faketime()}
        self.heal()
        port = free_port()
        self.address = f"http://127.0.0.1:{port}"
        self.open_door()
        urls = [self.url(name) for name in QUEUES]
        self.waiting_first = fill(f"{self.cloud}/", urls, waiting)
        self.workers = [self.new_worker() for _ in range(workers)]

    def heal(self) -> None:
        """No faults; providers answer in an ordinary time."""
        self.break_("sqs")
        for provider in PROVIDERS:
            self.break_(provider, latency=LATENCY)

    def note(self, what: str) -> None:
        """Write down when something was done to them, beside what they say."""
        with (self.folder / "harm.log").open("a") as file:
            file.write(f"{datetime.now().isoformat(timespec='milliseconds')} {what}\n")  # noqa: DTZ005 - as they do

    # -- processes that take the place of others ------------------------------------------------

    def open_door(self) -> None:
        """Start the API where it was."""
        port = self.address.rpartition(":")[2]
        self.door = self.child(
            "api",
            "uvicorn",
            "--factory",
            "--no-access-log",
            "--port",
            port,
            "ingest.app:create_app",
        )
        self.door.until(r"(Uvicorn running on)")

    def open_queues(self) -> None:
        """Start the queue service on the same file and port."""
        port = self.cloud.rpartition(":")[2]
        self.queues, _ = self.sandbox("--data", self._data, port=port)  # type: ignore[assignment]

    def new_worker(self) -> Process:
        """Start a worker; it has begun to read."""
        worker = self.child("worker", *self.worker_command)
        worker.until(f"(reading {self.url(QUEUES[1])})")
        return worker

    def replace_worker(self, place: int) -> None:
        """Start another one in its place."""
        self.workers[place] = self.new_worker()

    # -- what is to be seen ---------------------------------------------------------------------

    def mailbox(self) -> list[tuple[str, str]]:
        """Id and recipient of every email that was accepted, in order."""
        found: list[tuple[str, str]] = []
        after = 0
        while page := ask("GET", f"{self.post}/mailbox?after={after}&limit={_PAGE}&brief")[
            "emails"
        ]:
            found += [(email["id"], email["to"][0]) for email in page]
            after = page[-1]["seq"]
        return found

    def dead_letters(self) -> list[str]:
        """Ids on the dead-letter queue; what was looked at is hidden for a while."""
        ids: list[str] = []
        question = {
            "QueueUrl": self.url("dead"),
            "MaxNumberOfMessages": 10,
            "MessageAttributeNames": ["All"],
            "VisibilityTimeout": 600,
        }
        target = {"X-Amz-Target": "AmazonSQS.ReceiveMessage"}
        while found := ask("POST", f"{self.cloud}/", question, **target).get("Messages"):
            ids += [one["MessageAttributes"]["gomailId"]["StringValue"] for one in found]
        return ids

    def waiting(self) -> int:
        """Messages on the queues in whatever state, but for dead ones."""
        depths = self.depths()
        return depths["visible"] + depths["hidden"] + depths["delayed"]

    def until_empty(self) -> float:
        """Wait until nothing is left on the queues; seconds it took."""
        began = time.monotonic()
        eventually(lambda: not self.waiting(), self.state, patience=PATIENCE)
        return time.monotonic() - began

    def faults_met(self) -> Counter[str]:
        """Calls at the providers that the switches struck."""
        met: Counter[str] = Counter()
        calls = ask("GET", f"{self.post}/calls")
        for name in PROVIDERS:
            met["reset, half of them after acceptance"] += calls[name]["reset"]
            met["hang"] += calls[name]["hung"]
            met["refuse"] += sum(calls[name]["failed"].values())
        return met

    def said(self) -> list[str]:
        """The lines that all processes have said."""
        return [line for child in self.children for line in child.said.splitlines()]

    def survivors(self) -> dict[str, Process]:
        """What runs of ours, by name."""
        return {"api": self.door, **{f"worker {n}": one for n, one in enumerate(self.workers)}}


@contextmanager
def ground(folder: Path, **given: Any) -> Iterator[Ground]:
    """Everything that is started on it ends with the block."""
    made = Ground(folder)
    try:
        made.begin(**given)
        yield made
    finally:
        for child in made.children:
            if isinstance(child, Process) and child.is_alive:
                child.tell(signal.SIGCONT)
            child.kill()
            if isinstance(child, Process) and child.clock:
                _forget_clock(child.pid)
        if made.redis is not None:
            made.redis.kill()


def free_port() -> int:
    """A port that nobody has just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def has_redis() -> bool:
    """Whether this machine has a Redis server."""
    return shutil.which("redis-server") is not None


def faketime() -> str:
    """The library that moves the clock of a process; empty where this machine has none."""
    found = (path for folder in _LIBRARIES for path in Path("/").glob(folder + _FAKETIME))
    return str(next(found, ""))


def _forget_clock(pid: int) -> None:
    """What the library leaves of a process that was killed."""
    for name in (f"faketime_shm_{pid}", f"sem.faketime_sem_{pid}"):
        Path("/dev/shm", name).unlink(missing_ok=True)


def ledger_size(folder: Path) -> int:
    """Bytes of the larger one of the ledger's file and its log."""
    return max(file.stat().st_size for file in folder.glob("ledger.db*"))


def is_sound(folder: Path) -> bool:
    """Whether SQLite finds nothing wrong with the ledger's file."""
    with sqlite3.connect(folder / "ledger.db") as db:
        return bool(db.execute("PRAGMA integrity_check").fetchone() == ("ok",))
