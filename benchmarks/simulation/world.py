"""One dispatch process on a simulated clock.

Everything that decides is the real code: the desk with its router, verdicts, settlement, the width
of receiving; and so are the reader, the courier and the settler around it. Simulated are time, the
queue and the providers, and of bytewax what it does here: it carries batches from step to step, a
millisecond after there is something to carry.
"""

from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random

from benchmarks.simulation.clock import SimulatedLoop
from benchmarks.simulation.edges import Script, Send, SimulatedProvider, SimulatedQueue
from flows import steps
from flows.courier import Courier
from flows.desk import Desk, Lane, Rules
from flows.mail import Attempt
from flows.receive import Reader
from flows.settle import Settler
from flows.verdicts import Change, HealthStep
from gomail.email import Email
from gomail.health import Observation, Thresholds

POLL = 0.001
"""Seconds after which bytewax looks at its sources again."""
PLAIN = Email(
    from_email="shop@example.com",
    to_email="reader@example.org",
    subject="Your receipt",
    body="Thank you.",
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """A change of one provider's verdict."""

    at: float
    provider: str
    healthy: bool


class World:
    """A queue, providers by name, and one dispatch process with default settings between them."""

    def __init__(self, scripts: Mapping[str, Script], rules: Rules, *, seed: int = 1) -> None:
        self.thresholds = Thresholds()
        self.loop = SimulatedLoop()
        clock = self.loop.clock
        self.random = Random(seed)
        self.queue = SimulatedQueue(clock)
        self.sends: list[Send] = []
        self.verdicts: list[Verdict] = []
        self.desk = Desk(
            rules, monotonic=clock.time, wall=clock.wall, random=Random(seed + 1).random
        )
        providers = {
            name: SimulatedProvider(name, script, clock, Random(f"{seed} {name}"), self.sends)
            for name, script in scripts.items()
        }
        self._worker = _Worker(self, providers)

    @property
    def now(self) -> float:
        """Simulated seconds since the start."""
        return self.loop.clock.time()

    def at(self, time: float, do: Callable[[], None]) -> None:
        """Have something happen at a time."""
        self.loop.clock.call_at(time, do)

    def arrive(
        self, rate: float, *, start: float, end: float, email: Callable[[int], Email] | None = None
    ) -> None:
        """Let mail arrive evenly, `rate` messages a second; `email` makes the n-th of the queue."""
        count = round((end - start) * rate)

        def one(index: int) -> None:
            number = len(self.queue.all)
            self.queue.put(email(number) if email else PLAIN)
            if index + 1 < count:
                self.at(start + (index + 1) / rate, lambda: one(index + 1))

        self.at(start, lambda: one(0))

    def run(self, until: float) -> None:
        """Let time pass."""
        self.loop.run_until(until)

    def close(self) -> None:
        """End everything."""
        self.loop.close()


class _Waking(deque[Attempt]):
    """The attempts of a lane; tells the worker that there are some."""

    def __init__(self, wake: Callable[[], None]) -> None:
        super().__init__()
        self._wake = wake

    def append(self, attempt: Attempt) -> None:
        super().append(attempt)
        self._wake()

    def extend(self, attempts: "list[Attempt]") -> None:  # type: ignore[override]
        super().extend(attempts)
        self._wake()


class _Worker:
    """What bytewax does: the steps of `flows.dispatch.wire`, one after the other."""

    def __init__(self, world: World, providers: Mapping[str, SimulatedProvider]) -> None:
        self._world, self._loop = world, world.loop
        desk = self._desk = world.desk
        lane = desk.lane(0)
        lane.attempts = _Waking(self._wake)
        self._lane: Lane = lane
        self._settler = Settler(
            self._loop,
            desk,
            world.queue,
            dead_letter="dead",
            freed=lambda: self._reader.wake(),  # noqa: PLW0108 - there is no reader yet
        )
        self._courier = Courier(self._loop, desk, providers, send_timeout=10.0)
        self._reader = Reader(
            "emails", queue=world.queue, loop=self._loop, desk=desk, lane=lane,
            settler=self._settler, visibility=60, send_timeout=10.0, max_receivers=16,
        )  # fmt: skip
        world.queue.told = self._wake
        self._health = {name: _Health(world, name) for name in providers}
        self._awake = False
        self._loop.spawn(self._reader.run())

    def _wake(self) -> None:
        if not self._awake:
            self._awake = True
            self._loop.clock.call_later(POLL, self._turn)

    def _turn(self) -> None:
        self._awake = False
        self._forward()
        self._back()

    def _forward(self) -> None:
        letters = self._reader.take()
        if not letters:
            return
        routed = steps.route(self._desk, steps.read(self._desk, letters))
        for name in self._health:
            if mine := steps.letters_for(name, routed):
                self._courier.send(self._lane, mine)
        if unsent := steps.unsent(routed):
            self._settler.hand_over(unsent)

    def _back(self) -> None:
        attempts = self._lane.attempts
        batch = [attempts.popleft() for _ in range(len(attempts))]
        if not batch:
            return
        judged = self._lane.judge(batch)
        self._settler.hand_over(judged)
        signs: defaultdict[str, list[Observation]] = defaultdict(list)
        for settlement in judged:
            for provider, observation in steps.signs(settlement):
                signs[provider].append(observation)
        for provider, observations in signs.items():
            self._health[provider].observe(observations)


class _Health:
    """The health step of one provider, and its timer."""

    def __init__(self, world: World, provider: str) -> None:
        self._world, self._provider = world, provider
        self._step = HealthStep(
            None, world.thresholds, monotonic=world.loop.clock.time, utc=self._utc
        )
        self._armed = False

    def observe(self, seen: list[Observation]) -> None:
        """Take outcomes into account."""
        self._publish(self._step.on_batch(seen)[0])

    def _utc(self) -> datetime:
        return datetime.fromtimestamp(self._world.loop.clock.wall(), UTC)

    def _publish(self, changes: list[Change]) -> None:
        for healthy, verdict, contradicting in changes:
            news = self._world.desk.publish(
                self._provider, healthy=healthy, verdict=verdict, contradicting=contradicting
            )
            if news:
                self._world.verdicts.append(Verdict(self._world.now, self._provider, healthy))
        self._arm()

    def _arm(self) -> None:
        if self._armed or (due := self._step.notify_at()) is None:
            return
        self._armed = True
        left = (due - self._utc()).total_seconds()  # whole microseconds: at least one must pass
        self._world.loop.clock.call_later(max(1e-6, left), self._notify)

    def _notify(self) -> None:
        self._armed = False
        self._publish(self._step.on_notify()[0])
