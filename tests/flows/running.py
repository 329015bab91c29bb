"""Runs the dispatch dataflow over fakes in threads of its own, and sees that it ends."""

import asyncio
import inspect
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from bytewax.dataflow import Dataflow
from bytewax.testing import cluster_main, run_main

from flows.dispatch import Parts, assemble, wire
from flows.loop import Loop
from gomail.email import Email, encode
from gomail.settings import Settings
from tests.builders import message
from tests.flows.fake_ledger import FakeLedger
from tests.flows.fake_payloads import FakePayloads
from tests.flows.fakes import FakeProvider, FakeQueue

PATIENCE_SECONDS = 10
ONE, TWO = "https://queue.example/emails-1", "https://queue.example/emails-2"
DEAD = "https://queue.example/dead"

Enter = Callable[[Dataflow], None]


def settings(
    *,
    queues: Mapping[str, Any] | None = None,
    health: Mapping[str, Any] | None = None,
    patience: float = 5.0,
    bucket: str = "",
    spool: str = "",
    providers: Mapping[str, Any] | None = None,
    **given: Any,
) -> Settings:
    """Settings of a flow over two queues and two providers; further names are `dispatch`'s.

    `patience` is that with the ledger: what a test does not cut short is waited for.
    """
    return Settings(
        queues={"urls": [ONE, TWO], "dead_letter": DEAD, **(queues or {})},
        providers=providers or {"ses": {}, "sendgrid": {}},
        aws={"region": "eu-west-1"},
        dispatch=given,
        health=health or {},
        ledger={"patience": patience, "spool": spool},
        payloads={"bucket": bucket},
    )


@dataclass
class World:
    """What is around the dataflow: the queues, the providers, and what else there may be."""

    queue: FakeQueue = field(default_factory=lambda: FakeQueue(ONE, TWO, DEAD))
    ses: FakeProvider = field(default_factory=lambda: FakeProvider("ses"))
    sendgrid: FakeProvider = field(default_factory=lambda: FakeProvider("sendgrid"))
    ledger: FakeLedger | None = None
    payloads: FakePayloads | None = None

    @property
    def providers(self) -> dict[str, FakeProvider]:
        return {"ses": self.ses, "sendgrid": self.sendgrid}

    def able(self, email: Email) -> frozenset[str]:
        """The providers that can carry it."""
        return frozenset(name for name, one in self.providers.items() if not one.why_unable(email))

    def mail(
        self, count: int = 1, *, first: int = 0, queues: Sequence[str] = (ONE, TWO)
    ) -> list[str]:
        """Put emails on the queues in turn; their ids."""
        ids = [f"m-{first + number}" for number in range(count)]
        for number, name in enumerate(ids):
            self.queue.put(queues[number % len(queues)], encode(message(name)))
        return ids

    @property
    def calls(self) -> list[str]:
        """Ids of all sends."""
        return self.ses.calls + self.sendgrid.calls

    @property
    def accepted(self) -> list[str]:
        return self.ses.accepted + self.sendgrid.accepted

    @property
    def left(self) -> int:
        """Messages on the queues, visible or not."""
        return len(self.queue.on(ONE)) + len(self.queue.on(TWO))

    @property
    def dead(self) -> list[Any]:
        """Messages on the dead-letter queue."""
        return self.queue.on(DEAD)


class Reach:
    """What a process reaches of a fake, until it dies; calls that are under way then end."""

    def __init__(self, real: Any, died: threading.Event) -> None:
        self._real, self._died = real, died

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._real, name)
        return self._called(found) if inspect.iscoroutinefunction(found) else found

    def _called(self, call: Callable[..., Any]) -> Callable[..., Any]:
        async def reached(*args: Any, **given: Any) -> Any:
            if self._died.is_set():
                raise asyncio.CancelledError
            return await call(*args, **given)

        return reached


class Process:
    """What would be one dispatch process: its parts, its loop, and the thread of its worker."""

    def __init__(self, given: Settings, world: World, enter: Enter) -> None:
        self._loop = Loop()
        self._died = threading.Event()
        self.parts: Parts = assemble(
            given,
            loop=self._loop,
            queue=Reach(world.queue, self._died),
            providers={name: Reach(one, self._died) for name, one in world.providers.items()},
            ledger=Reach(world.ledger, self._died) if world.ledger else None,
            payloads=Reach(world.payloads, self._died) if world.payloads else None,
            able=world.able,
        )
        self.error: BaseException | None = None
        self._dataflow = wire(self.parts)
        self._enter = enter
        self._thread = threading.Thread(target=self._run, name="process", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._enter(self._dataflow)
        except BaseException as error:  # noqa: BLE001 - bytewax panics are no Exception
            self.error = error

    @property
    def ended(self) -> bool:
        return not self._thread.is_alive()

    def join(self, seconds: float) -> None:
        self._thread.join(seconds)

    def close(self) -> float:
        """End as a process does: let go of the ledger, then of the loop; seconds it took."""
        began = time.monotonic()
        if self._loop.loop.is_running():
            if self.parts.scribe is not None:
                self._loop.wait(asyncio.wait_for(self.parts.scribe.close(), PATIENCE_SECONDS))
            self._end_loop()
        return time.monotonic() - began

    def die(self) -> None:
        """End as by SIGKILL: nothing it does from now on reaches anybody."""
        self._died.set()
        self.parts.stop._drain_timeout = 0
        self.parts.stop.ask()
        # Only the readers may go on, since they end the worker's thread.
        self._loop.wait(_cancel_all(but="Reader.run"))
        self.join(PATIENCE_SECONDS)
        self._end_loop()
        if self.parts.scribe is not None:  # as the kernel does
            self.parts.scribe._late.close()

    def _end_loop(self) -> None:
        self._loop.wait(_cancel_all())
        self._loop.close()

    def has_all_given_back(self) -> bool:
        """Whether no letter is in hand and no room is taken."""
        desk = self.parts.desk
        return all(lane.empty and lane._bytes == 0 for lane in desk.lanes) and desk._in_hand == {}


async def _cancel_all(*, but: str | None = None) -> None:
    everything = asyncio.all_tasks() - {asyncio.current_task()}
    tasks = [task for task in everything if task.get_coro().__qualname__ != but]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


class Dispatch:
    """The running dataflow: one process or several."""

    def __init__(self, world: World, processes: Sequence[Process]) -> None:
        self.processes = list(processes)
        self._world = world

    @property
    def parts(self) -> Parts:
        """Those of the first process."""
        return self.processes[0].parts

    def until(self, question: Callable[[], object], *, seconds: float = PATIENCE_SECONDS) -> None:
        """Wait until the answer is true; a flow that has ended, or takes longer, fails the test."""
        deadline = time.monotonic() + seconds
        while not question():
            for process in self.processes:
                if process.error is not None:
                    raise AssertionError("the flow ended by itself") from process.error
            assert time.monotonic() < deadline, f"not within {seconds:g} s: {self.state()}"
            threading.Event().wait(0.002)

    def until_settled(self) -> None:
        """Wait until the queues are empty and all room is free again."""
        self.until(lambda: self._world.left == 0)
        # Free of letters; long polls that are open go on holding the room they asked for.
        self.until(lambda: all(one.parts.desk._in_hand == {} for one in self.processes))

    def ask_to_stop(self) -> None:
        for process in self.processes:
            process.parts.stop.ask()

    def end(self, *, seconds: float = PATIENCE_SECONDS) -> float:
        """Drain, and wait for the end; seconds it took."""
        began = time.monotonic()
        self.ask_to_stop()
        self._world.queue.end_polls()
        return self.wait_for_end(seconds=seconds, began=began)

    def wait_for_end(
        self, *, seconds: float = PATIENCE_SECONDS, began: float | None = None
    ) -> float:
        """Wait for the end of all; seconds it took."""
        began = time.monotonic() if began is None else began
        for process in self.processes:
            process.join(max(0.0, began + seconds - time.monotonic()))
        took = time.monotonic() - began
        alive = [process for process in self.processes if not process.ended]
        assert not alive, f"{len(alive)} flows did not end within {seconds:g} s: {self.state()}"
        for process in self.processes:
            process.close()
            if process.error is not None:
                raise process.error
        return took

    def fails(self) -> list[BaseException]:
        """Wait until every process has ended by itself; what each raised."""
        for process in self.processes:
            process.join(PATIENCE_SECONDS)
        assert all(process.ended for process in self.processes), self.state()
        return [process.error for process in self.processes if process.error is not None]

    def close(self) -> None:
        """End what a failed test has left; no letter is waited for any more."""
        for process in self.processes:
            process.parts.stop._drain_timeout = 0
            process.join(PATIENCE_SECONDS)
            process.close()

    def state(self) -> str:
        world = self._world
        in_hand = [len(process.parts.desk._in_hand) for process in self.processes]
        return (
            f"{len(world.calls)} sends, {len(world.accepted)} accepted, "
            f"{world.left} on the queues, {len(world.dead)} dead, {in_hand} in hand"
        )


def one_worker() -> list[Enter]:
    return [run_main]


def two_workers() -> list[Enter]:
    return [lambda flow: cluster_main(flow, [], 0, worker_count_per_proc=2)]


def two_processes() -> list[Enter]:
    addresses = free_addresses(2)
    return [
        lambda flow: cluster_main(flow, addresses, 0),
        lambda flow: cluster_main(flow, addresses, 1),
    ]


def free_addresses(count: int) -> list[str]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    addresses = [f"127.0.0.1:{one.getsockname()[1]}" for one in sockets]
    for one in sockets:
        one.close()
    return addresses


@contextmanager
def dispatching(
    world: World,
    *,
    by: Sequence[Enter] = (run_main,),
    worlds: Sequence[World] = (),
    given: Settings | None = None,
) -> Iterator[Dispatch]:
    """The flow runs meanwhile; at the end it drains, and nothing is left in hand.

    `worlds` gives each process providers of its own; the queues must be the same.
    """
    given = given or settings()
    around = worlds or [world] * len(by)
    dispatch = Dispatch(
        world, [Process(given, one, enter) for one, enter in zip(around, by, strict=True)]
    )
    try:
        yield dispatch
        if not all(process.ended for process in dispatch.processes):
            dispatch.end()
            assert all(process.has_all_given_back() for process in dispatch.processes)
    finally:
        dispatch.ask_to_stop()
        for one in {id(one): one for one in around}.values():
            one.queue.end_polls()
            for provider in one.providers.values():
                provider.release()
            if one.ledger is not None:
                one.ledger.release()
            if one.payloads is not None:
                one.payloads.release()
        dispatch.close()
