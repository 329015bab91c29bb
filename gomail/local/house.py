"""Sandbox, API and worker: started in order, watched, ended in order.

The API ends first (no new mail), then the worker (it drains what it has in hand), then the sandbox.
One that ends unasked ends all.
"""

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gomail.errors import GomailError
from gomail.http import AiohttpTransport
from gomail.local import surroundings
from gomail.local.child import Child
from gomail.local.clients import Api, Sandbox
from gomail.local.ports import HOST

STOP_ORDER = ("api", "worker", "sandbox")
READY_SECONDS = 60.0
_LOOK_SECONDS = 0.05
_PATIENCE_SECONDS = 2.0  # longest silence while waiting


class Failed(GomailError):
    """It cannot go on; the text says what happened."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Where it runs and with what."""

    folder: Path
    settings: Callable[[str, int], dict[str, Any]]
    """From the sandbox's address and its port for SMTP, 0 for none, to the children's settings."""
    sandbox_port: int = 0
    api_port: int = 0
    sandbox_data: Path | None = None
    stop_seconds: float = 20.0
    """How long all of them may take to end; whoever takes longer is killed."""


class Teller:
    """Prints lines with the time since the start."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._began

    def __call__(self, line: str) -> None:
        """Say a line."""
        print(f"{self.elapsed:5.1f} s  {line}", flush=True)  # noqa: T201 - for the person


class House:
    """The three processes, made in a running loop.

    `sandbox` and `api` are there once `start` has returned; `death` is the first of them to end.
    """

    sandbox: Sandbox
    api: Api

    def __init__(self, plan: Plan, say: Callable[[str], None]) -> None:
        self._plan = plan
        self._say = say
        self._children: list[Child] = []
        self._listening: dict[Child, asyncio.Task[int]] = {}
        self.death: asyncio.Future[Child] = asyncio.get_running_loop().create_future()
        self._transport = AiohttpTransport()
        self.configuration = plan.folder / "gomail.yaml"
        self.logs = plan.folder / "log"
        self.waiting_for = "a start"

    async def start(self) -> None:
        """Start all three, and wait until each does its work.

        Raises:
            Failed: one did not get ready in time.
        """
        self.logs.mkdir(parents=True, exist_ok=True)
        smtp_port = await self._start_sandbox()
        settings = self._plan.settings(self.sandbox.base, smtp_port)
        ledger = surroundings.ledger_in(self._plan.folder, settings)
        surroundings.write({**settings, "ledger": ledger}, self.configuration)
        await self._start_api_and_worker()

    async def stop(self) -> dict[str, int]:
        """End all in order; gives back each one's exit status."""
        deadline = time.monotonic() + self._plan.stop_seconds
        in_order = sorted(self._children, key=lambda child: STOP_ORDER.index(child.name))
        for child in in_order:
            await self._end(child, deadline)
        await self._transport.close()
        return {child.name: _status(child) for child in in_order}

    def kill(self) -> None:
        """End all at once; `stop` then has nothing to wait for."""
        for child in self._children:
            child.signal(signal.SIGKILL)

    async def wait_for(
        self,
        what: str,
        question: Callable[[], Awaitable[bool]],
        *,
        seconds: float = READY_SECONDS,
    ) -> None:
        """Ask until the answer is yes, and say now and then what is being waited for.

        Raises:
            Failed: it took too long.
        """
        self.waiting_for = what
        began = said = time.monotonic()
        while not await question():
            now = time.monotonic()
            if now - began > seconds:
                raise Failed(f"{what}: not within {seconds:g} s; see {self.logs}/")
            if now - said > _PATIENCE_SECONDS:
                self._say(f"still waiting: {what}")
                said = now
            await asyncio.sleep(_LOOK_SECONDS)

    async def _start_sandbox(self) -> int:
        """Start it; gives back the port where it takes mail by SMTP, 0 for none."""
        self._say("sandbox: starting (queues and providers of this machine)")
        arguments = ["-m", "sandbox", "--host", HOST, "--port", str(self._plan.sandbox_port)]
        for name in surroundings.QUEUES:
            arguments += ["--queue", name]
        arguments += ["--dead-letter", surroundings.DEAD_LETTER]
        if self._plan.sandbox_data:
            arguments += ["--data", str(self._plan.sandbox_data)]
        child = await self._child("sandbox", arguments)
        mail = child.says(r"sandbox takes (no mail|mail by SMTP on \S+)")
        address = await self._address(child, r"sandbox ready on (\S+)")
        await self.wait_for("sandbox: SMTP", _done(mail))
        self.sandbox = Sandbox(address, self._transport)
        await self.wait_for("sandbox: health", lambda: self.sandbox.answers("/health"))
        self._say(f"sandbox: ready on {address}")
        port = mail.result().rpartition(":")[2]
        return int(port) if port.isdecimal() else 0

    async def _start_api_and_worker(self) -> None:
        self._say("API and dispatch worker: starting")
        await self._child("worker", ["-m", "bytewax.run", "flows.dispatch"])
        arguments = ["-m", "uvicorn", "--factory", "ingest.app:create_app", "--no-access-log"]
        arguments += ["--host", HOST, "--port", str(self._plan.api_port)]
        arguments += ["--timeout-graceful-shutdown", "5"]
        child = await self._child("api", arguments)
        address = await self._address(child, r"Uvicorn running on (\S+)")
        self.api = Api(address, self._transport)
        await self.wait_for(
            "API: reaching a queue (/health/ready)", lambda: self.api.answers("/health/ready")
        )
        self._say(f"API: ready on {address}")
        await self.wait_for("dispatch worker: reading the queues", self._worker_reads)
        self._say("dispatch worker: reading the queues")

    async def _worker_reads(self) -> bool:
        operations = (await self.sandbox.calls("sqs"))["operations"]
        return int(operations.get("ReceiveMessage", 0)) >= len(surroundings.QUEUES)

    async def _child(self, name: str, arguments: list[str]) -> Child:
        log = self.logs / f"{name}.log"
        log.unlink(missing_ok=True)
        environment = surroundings.environment(self.configuration, os.environ)
        child = await Child.start(name, arguments, log=log, environment=environment)
        self._children.append(child)
        listening = asyncio.create_task(child.listen(self._show(name)))
        listening.add_done_callback(lambda _: self._died(child))
        self._listening[child] = listening
        return child

    def _died(self, child: Child) -> None:
        if not self.death.done():
            self.death.set_result(child)

    async def _address(self, child: Child, pattern: str) -> str:
        """Wait for the line that tells where a child listens."""
        said = child.says(pattern)
        await self.wait_for(f"{child.name}: listening", _done(said))
        return said.result().rstrip("/")

    def _show(self, name: str) -> Callable[[str], None]:
        return lambda line: self._say(f"{name} | {line}")

    async def _end(self, child: Child, deadline: float) -> None:
        listening = self._listening[child]
        child.signal(signal.SIGTERM)
        await asyncio.wait({listening}, timeout=max(1.0, deadline - time.monotonic()))
        if not listening.done():
            self._say(f"{child.name}: takes too long to end and is killed")
            child.signal(signal.SIGKILL)
            await asyncio.wait({listening})


def _done(future: asyncio.Future[str]) -> Callable[[], Awaitable[bool]]:
    async def done() -> bool:
        return future.done()

    return done


def _status(child: Child) -> int:
    status = child.status or 0
    # uvicorn, once it has shut down in order, ends by the signal that asked for it.
    return 0 if (child.name, status) == ("api", -signal.SIGTERM) else status
