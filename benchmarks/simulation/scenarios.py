"""The scenarios as data, and what is told of each: who was asked, who took it, after how long."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial

from benchmarks.simulation import scripts
from benchmarks.simulation.edges import Held, Send
from benchmarks.simulation.scripts import Make
from benchmarks.simulation.world import PLAIN, Verdict, World
from flows.desk import Rules
from gomail.email import Email
from gomail.exits import OutletRules
from gomail.outcome import OutcomeClass

UP: Make = lambda: scripts.up  # noqa: E731 - a constant of the type of the others


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Mail that comes evenly."""

    rate: float
    """Messages a second."""
    end: float
    start: float = 0.0


@dataclass(frozen=True, eq=False)
class Scenario:
    """What happens, in simulated seconds."""

    name: str
    providers: Mapping[str, Make]
    until: float
    rates: Mapping[str, float] = field(default_factory=dict)
    """Recipients a second, of those who have a limit."""
    backlog: int = 0
    """Messages on the queue at the start."""
    arrivals: Arrivals | None = None
    email: Callable[[int], Email] | None = None
    """Makes the n-th email."""
    watch: tuple[float, ...] = ()
    """Times at which the queue is looked at."""
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Sight:
    """The queue at a moment: the numbers of the visible, and when each hidden one shows."""

    visible: frozenset[int]
    hidden: Mapping[int, float]


@dataclass(frozen=True)
class Story:
    """What happened."""

    scenario: Scenario
    emails: Sequence[Held]
    sends: Sequence[Send]
    verdicts: Sequence[Verdict]
    dead: Sequence[Mapping[str, str]]
    left: int
    """Messages that are still on the queue."""
    sights: Mapping[float, Sight] = field(default_factory=dict)

    @property
    def accepted_at(self) -> Mapping[int, float]:
        """When each message was accepted."""
        return {
            send.number: send.ended
            for send in reversed(self.sends)
            if send.outcome.kind is OutcomeClass.ACCEPTED
        }

    @property
    def delays(self) -> Sequence[float]:
        """Seconds between arrival and acceptance, sorted."""
        return sorted(at - self.emails[number].sent_at for number, at in self.accepted_at.items())

    @property
    def attempts(self) -> Mapping[int, int]:
        """Sends a message."""
        return Counter(send.number for send in self.sends)

    def most_within(self, provider: str, seconds: float) -> int:
        """The most sends that a provider got in any time of this length."""
        began = sorted(send.began for send in self.sends if send.provider == provider)
        return max(bisect_right(began, time + seconds) - index for index, time in enumerate(began))

    @property
    def wasted(self) -> int:
        """Calls that a provider failed."""
        return sum(
            send.outcome.kind in {OutcomeClass.FAILED, OutcomeClass.UNKNOWN} for send in self.sends
        )

    @property
    def duplicates(self) -> int:
        """Acceptances beyond the first."""
        accepted = sum(send.outcome.kind is OutcomeClass.ACCEPTED for send in self.sends)
        return accepted - len(self.accepted_at)

    def count(self, provider: str, kind: OutcomeClass = OutcomeClass.ACCEPTED) -> int:
        """Outcomes of this kind at a provider."""
        return sum(one.provider == provider and one.outcome.kind is kind for one in self.sends)


@cache
def play(scenario: Scenario) -> Story:
    """Let it happen; always the same."""
    world = World(
        {name: make() for name, make in scenario.providers.items()},
        Rules({name: OutletRules(rate=scenario.rates.get(name)) for name in scenario.providers}),
        seed=scenario.seed,
    )
    sights: dict[float, Sight] = {}

    def look() -> None:
        queue = world.queue
        visible = frozenset(held.number for held in queue.visible)
        sights[world.now] = Sight(visible, {held.number: held.due for held in queue.hidden})

    try:
        for number in range(scenario.backlog):
            world.queue.put(scenario.email(number) if scenario.email else PLAIN)
        if (arrivals := scenario.arrivals) is not None:
            world.arrive(
                arrivals.rate, start=arrivals.start, end=arrivals.end, email=scenario.email
            )
        for time in scenario.watch:
            world.at(time, look)
        world.run(scenario.until)
    finally:
        world.close()
    queue = world.queue
    return Story(scenario, queue.all, world.sends, world.verdicts, queue.dead, queue.left, sights)


@cache
def healthy(scenario: Scenario) -> Story:
    """What happens with the same mail and providers without faults and limits."""
    providers = dict.fromkeys(scenario.providers, UP)
    return play(replace(scenario, providers=providers, rates={}, email=None))


def quantile(values: Sequence[float], share: float) -> float:
    """Of sorted values, the one below which this share lies."""
    return values[min(len(values) - 1, int(share * len(values)))]


# (a) SES is down for 30 s, up for 30 s, and so on, beside SendGrid.
FLAPPING = Scenario(
    "flapping",
    {"ses": partial(scripts.flapping, 30), "sendgrid": UP},
    arrivals=Arrivals(rate=30, end=300),
    until=330,
)


# (b) Both providers fail some calls, whichever.
def random_failures(ratio: float, *, rate: float = 500, count: int = 10_000) -> Scenario:
    """Each provider fails this share of its calls."""
    return Scenario(
        f"random-{ratio:.0%}".removesuffix("%"),
        {name: partial(scripts.failing, ratio, name) for name in ("ses", "sendgrid")},
        arrivals=Arrivals(rate=rate, end=count / rate),
        until=count / rate + 120,
    )


RANDOM = {ratio: random_failures(ratio) for ratio in (0.01, 0.05, 0.2)}


# (c) One recipient in 50 does not exist; a tenant SES does not know sends a tenth, 100 in a row.
def particular_email(number: int) -> Email:
    """The n-th email of mixed senders."""
    to = "gone@nowhere.example" if number % 50 == 7 else PLAIN.to_email
    sender = "tenant@example.net" if number % 1_000 >= 900 else PLAIN.from_email
    return replace(PLAIN, to_email=to, from_email=sender)


PARTICULAR = Scenario(
    "refusals",
    {name: partial(scripts.particular, name) for name in ("ses", "sendgrid")},
    arrivals=Arrivals(rate=30, end=300),
    email=particular_email,
    until=360,
)

# (d) SES allows 14 recipients a second, and throttles what is more.
RATE = 14
LIMITED = Scenario(
    "limited",
    {"ses": partial(scripts.limited, RATE), "sendgrid": UP},
    rates={"ses": RATE},
    backlog=1_000,
    arrivals=Arrivals(rate=60, end=30),
    until=60,
)
ALONE = Scenario(
    "limited-alone",
    {"ses": partial(scripts.limited, RATE)},
    rates={"ses": RATE},
    backlog=20_000,
    until=20_000 / RATE + 60,
)

# (e) Nobody takes anything for an hour.
ENDS = 3_600.0
FULL_SPEED = ENDS + 120


def outage(waiting: int, *, rate: float = 0.0) -> Scenario:
    """Both providers are down for an hour; so much waits from the start, and new mail arrives."""
    return Scenario(
        f"outage-{waiting}" + ("-and-new-mail" if rate else ""),
        dict.fromkeys(("ses", "sendgrid"), partial(scripts.down, 0.0, ENDS)),
        backlog=waiting,
        arrivals=Arrivals(rate, end=ENDS + 300) if rate else None,
        until=ENDS + 1_000,
        watch=(ENDS, FULL_SPEED),
    )


OUTAGES = (outage(100), outage(2_000), outage(100, rate=0.5))

# (f) Little mail, and SES recovers.
RECOVERS = 300.0


def recovering(at: float = RECOVERS) -> Scenario:
    """SES is down from the start until a time; a message a second arrives."""
    return Scenario(
        "recovering",
        {"ses": partial(scripts.down, 0.0, at), "sendgrid": UP},
        arrivals=Arrivals(rate=1, end=at + 120),
        until=at + 130,
    )


RECOVERING = recovering()
