"""The scenarios: each does harm while mail comes in, mends it, and says how often it did what.

A scenario is a function of the ground and the seconds it has. When it returns, all is
mended, but for what `afterwards` ends.
"""

import random
import resource
import signal
import socket
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from benchmarks.torture.client import email, recipient
from benchmarks.torture.ground import (
    LATENCY,
    Ground,
    Process,
    faketime,
    has_redis,
    is_sound,
    ledger_size,
)
from tests.e2e.scene import SHORT, eventually

Harm = Callable[[Ground, float], Counter[str]]
SEED = 7
CALM = {"send_timeout": 5, "visibility_timeout": 20, "drain_timeout": 7}
"""Settings where no send may be cut off because the machine is busy."""
REFUSED_EVERY = 100
"""Of so many recipients one is refused for good."""
MOST_REQUESTS = 100_000
_UNAUTHORISED, _FORBIDDEN = 401, 403


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What is done, and under which circumstances."""

    title: str
    harm: Harm
    seconds: float = 25.0
    """At scale 1."""
    rate: float = 60.0
    """Emails a second."""
    workers: int = 2
    redis: bool = False
    """The ledger is a Redis server."""
    dispatch: Mapping[str, Any] = field(default_factory=lambda: SHORT)
    providers: Mapping[str, Any] = field(default_factory=dict)
    may_double: bool = True
    """Duplicates are allowed as long as they are flagged."""
    buries: bool = False
    """Every `REFUSED_EVERY`th email ends as a dead letter."""
    killers: Sequence[int] = ()
    """Emails that end as dead letters because no worker survives them."""
    afterwards: Callable[[Ground], Counter[str]] = lambda _: Counter()
    """Called once the queues are empty, for harm that lasts until then: what else was injected."""
    samples: bool = False
    """Memory is drawn, and may not grow too much at any time."""
    waiting: int = 0
    """Emails on the queues before the workers start, at scale 1."""
    moves_clocks: bool = False
    """The API and the workers have clocks that can be moved."""
    impossible: Callable[[], str] = str
    """Why this machine cannot play it; empty where it can."""


def kills(on: Ground, seconds: float) -> Counter[str]:
    """SIGKILL: all at once, then one or two, back after up to two seconds."""
    return _kill(on, seconds, ["worker", "worker", "API", "queue service"])


def redis_kills(on: Ground, seconds: float) -> Counter[str]:
    """The same, and Redis with them."""
    return _kill(on, seconds, ["worker", "worker", "API", "queue service", "Redis"])


def _kill(on: Ground, seconds: float, names: list[str]) -> Counter[str]:
    choice = random.Random(SEED)
    for provider in ("ses", "sendgrid"):
        on.break_(provider, latency=0.3)  # so that there is mail in hand
    until, done = time.monotonic() + seconds, Counter[str]()
    # All at once, then everybody's turn comes, however short it is.
    first = [[name] for name in choice.sample(names, len(names))] + [names]
    while time.monotonic() < until:
        victims = first.pop() if first else choice.sample(names, choice.choice((1, 1, 1, 2)))
        places = choice.sample(range(len(on.workers)), victims.count("worker"))
        for place in places:
            on.workers[place].kill()
        for name, victim in (("API", on.door), ("queue service", on.queues), ("Redis", on.redis)):
            if name in victims and victim:
                victim.kill()
        done.update(f"kill {victim}" for victim in victims)
        on.note(f"killed {', '.join(victims)} {places}")
        time.sleep(choice.uniform(0, 2))
        _bring_back(on, victims, places)
        on.note(f"back: {', '.join(victims)}")
        time.sleep(choice.uniform(0.5, 2))
    on.heal()
    return done


def _bring_back(on: Ground, victims: list[str], places: list[int]) -> None:
    if "queue service" in victims:
        on.open_queues()
    if "Redis" in victims and on.redis:
        on.redis.start()
    if "API" in victims:
        on.open_door()
    for place in places:
        on.replace_worker(place)


def freeze(on: Ground, seconds: float) -> Counter[str]:
    """A worker stops in the middle of its sends until others have had its mail, then goes on."""
    for provider in ("ses", "sendgrid"):
        on.break_(provider, latency=0.3)
    until, done = time.monotonic() + seconds, Counter[str]()
    place = 0
    while not done or time.monotonic() < until:
        time.sleep(2)
        on.workers[place].tell(signal.SIGSTOP)
        time.sleep(SHORT["visibility_timeout"] + 3)
        on.workers[place].tell(signal.SIGCONT)
        done[f"stop worker for {SHORT['visibility_timeout'] + 3} s"] += 1
        place = (place + 1) % len(on.workers)
    on.heal()
    return done


KILLER = 600
"""The email that kills each worker; so late that by then only workers run that it can kill."""
SOON_BURIED = 180.0
"""Seconds within which it must be on the dead-letter queue."""


def killer(on: Ground, seconds: float) -> Counter[str]:
    """One email kills whoever sends it; its workers are started again at once."""
    on.worker_command = ("tests.e2e.mortal", email(KILLER)["subject"])
    for place, old in enumerate(on.workers):
        on.replace_worker(place)
        old.ends(signal.SIGTERM)
    for provider in ("ses", "sendgrid"):
        on.break_(provider, latency=0.3)  # so that there is mail in hand
    began, done = time.monotonic(), Counter[str]()
    while not on.depths()["dead"] or time.monotonic() < began + seconds:
        assert time.monotonic() < began + SOON_BURIED, f"it is not buried: {on.state()}"
        for place, worker in enumerate(on.workers):
            if not worker.is_alive:
                on.replace_worker(place)
                done["worker killed by an email"] += 1
        time.sleep(0.1)
    on.heal()
    return done


QUEUE_FAULTS: Mapping[str, Mapping[str, Any]] = {
    "500 to 30 %": {"error_rate": 0.3, "status": 500},
    "503 to all": {"error_rate": 1, "status": 503},
    "throttle 30 %": {"throttle_rate": 0.3},
    "1 s slow": {"latency": 1},
    "half of a batch fails": {"partial_failure_rate": 0.5},
    "reset 20 %": {"reset_rate": 0.2},
    "all of them": {
        "error_rate": 0.1,
        "throttle_rate": 0.1,
        "reset_rate": 0.1,
        "partial_failure_rate": 0.2,
        "latency": 0.2,
    },
}


def queue_faults(on: Ground, seconds: float) -> Counter[str]:
    """The queue service has one trouble after the other, then all at once."""
    done = Counter[str]()
    for name, switches in QUEUE_FAULTS.items():
        on.break_("sqs", **switches)
        time.sleep(seconds / len(QUEUE_FAULTS))
        done[name] += 1
    on.heal()
    return done


def provider_faults(on: Ground, seconds: float) -> Counter[str]:
    """Both providers have everything that providers have, a little."""
    refused = [recipient(number) for number in range(0, MOST_REQUESTS, REFUSED_EVERY)]
    for provider in ("ses", "sendgrid"):
        on.break_(
            provider,
            latency=LATENCY,
            reset_rate=0.01,
            hang_rate=0.005,
            accept_then_reset_rate=0.01,
            garbage_rate=0.01,
            refuse_to=refused,
        )
    time.sleep(seconds)
    return Counter()


def met(on: Ground) -> Counter[str]:
    """How often the providers had what they have."""
    return on.faults_met()


DEPLOYS = 20
"""At scale 1."""


def deploys(on: Ground, seconds: float) -> Counter[str]:
    """A new worker begins, an old one is told to end: nobody gets anything twice."""
    done = Counter[str]()
    until = time.monotonic() + seconds
    while done["SIGTERM worker"] < DEPLOYS or time.monotonic() < until:
        place = done["SIGTERM worker"] % len(on.workers)
        old = on.workers[place]
        on.replace_worker(place)
        status = old.ends(signal.SIGTERM)
        assert status == 0, f"the old worker ended with {status}: {old.said[-2_000:]}"
        done["SIGTERM worker"] += 1
        if done["SIGTERM worker"] % 4 == 0:
            on.door.ends(signal.SIGTERM)
            on.open_door()
            done["SIGTERM API"] += 1
    return done


def full_disk(on: Ground, seconds: float) -> Counter[str]:
    """No file of a process that has the ledger may grow any further."""
    time.sleep(seconds / 5)
    full = ledger_size(on.folder)
    for process in on.survivors().values():
        process.limit(resource.RLIMIT_FSIZE, full)
    time.sleep(seconds * 3 / 5)
    for process in on.survivors().values():
        process.limit(resource.RLIMIT_FSIZE, None)
    time.sleep(seconds / 5)
    assert is_sound(on.folder), "the ledger's file is damaged"
    struck = sum("ledger" in line and "WARNING" in line for line in on.said())
    assert struck, "nobody has said a word about the ledger: the limit did not strike"
    return Counter({f"no file over {full // 1024} kB": 1, "warning": struck})


def few_files(on: Ground, seconds: float) -> Counter[str]:
    """256 files a process: slow providers want more connections, idle clients take the API's."""
    for process in on.survivors().values():
        process.limit(resource.RLIMIT_NOFILE, 256)
    for provider in ("ses", "sendgrid"):
        on.break_(provider, latency=2)
    time.sleep(seconds / 2)
    host, port = on.address.removeprefix("http://").split(":")
    with ExitStack() as idle:
        for _ in range(300):
            idle.enter_context(socket.create_connection((host, int(port)), timeout=30))
        time.sleep(seconds / 4)
    time.sleep(seconds / 4)
    for process in on.survivors().values():
        process.limit(resource.RLIMIT_NOFILE, None)
    on.heal()
    return Counter({"limit of 256": 1, "idle connections to the API": 300})


def no_names(_on: Ground, seconds: float) -> Counter[str]:
    """SES has a name that nobody knows: SendGrid carries everything."""
    time.sleep(seconds)
    return Counter({"unknown name": 1})


def no_ses(on: Ground) -> Counter[str]:
    """That who cannot be found has got nothing."""
    took = on.by_provider()
    assert not took["ses"], took
    return Counter()


def bad_keys(on: Ground, seconds: float) -> Counter[str]:
    """Credentials end in the middle: SES's, SendGrid's, both, the queues'; then they are mended."""
    bad: Mapping[str, Mapping[str, Any]] = {
        "ses": {"error_rate": 1, "status": _FORBIDDEN, "error_code": "ExpiredTokenException"},
        "sendgrid": {"error_rate": 1, "status": _UNAUTHORISED},
    }
    done = Counter[str]()
    for names in (["ses"], ["sendgrid"], ["ses", "sendgrid"]):
        for name in names:
            on.break_(name, latency=LATENCY, **bad[name])
        time.sleep(seconds / 5)
        on.heal()
        done[f"bad key at {' and '.join(names)}"] += 1
        time.sleep(seconds / 10)
    on.break_("sqs", error_rate=1, status=_FORBIDDEN)
    time.sleep(seconds / 10)
    on.heal()
    return done + Counter({"403 from the queues": 1})


SOAK = 700.0
"""Emails a second; with everything that takes part, about 60 % of two cores."""


def soak(_on: Ground, seconds: float) -> Counter[str]:
    """No fault at all, for longer."""
    time.sleep(seconds)
    return Counter()


def deliver_twice(on: Ground, seconds: float) -> Counter[str]:
    """The queues hand out one message in twenty once more while somebody has it."""
    on.break_("sqs", duplicate_delivery_rate=0.05)
    time.sleep(seconds)
    on.heal()
    return Counter({"5 % delivered twice": 1})


def expire_handles(on: Ground, seconds: float) -> Counter[str]:
    """One delete or return in twenty has a handle that is not valid any more."""
    on.break_("sqs", expired_handle_rate=0.05)
    time.sleep(seconds)
    on.heal()
    return Counter({"5 % of the handles expired": 1})


IN_FLIGHT: Mapping[str, Mapping[str, Any]] = {
    "10 in flight at the most": {"max_in_flight": 10},
    "none more in flight": {"max_in_flight": 0},
    "OverLimit to half of the receives": {"over_limit_rate": 0.5},
    "OverLimit to all": {"over_limit_rate": 1},
}


def over_limit(on: Ground, seconds: float) -> Counter[str]:
    """The queues have as many messages in flight as they may, then they say so to whoever asks."""
    for provider in ("ses", "sendgrid"):
        on.break_(provider, latency=0.5)
    done = Counter[str]()
    for name, switches in IN_FLIGHT.items():
        on.break_("sqs", **switches)
        time.sleep(seconds / len(IN_FLIGHT))
        done[name] += 1
    on.heal()
    return done


HOUR = 3_600
SKEW = 900
"""Seconds by which a signature's date may be off at AWS."""


def clock_jumps(on: Ground, seconds: float) -> Counter[str]:
    """All clocks jump, then one worker's; then those who check signatures see it."""
    everybody = list(on.survivors().values())
    worker = [on.workers[0]]
    jumps: list[tuple[str, list[Process], int, list[str]]] = [
        ("an hour ahead", everybody, HOUR, []),
        ("an hour behind", everybody, -HOUR, []),
        ("a worker an hour ahead", worker, HOUR, []),
        ("a worker an hour behind", worker, -HOUR, []),
        ("an hour ahead, SES refuses", everybody, HOUR, ["ses"]),
        ("an hour behind, SES and queues refuse", everybody, -HOUR, ["ses", "sqs"]),
    ]
    done = Counter[str]()
    for name, whose, by, strict in jumps:
        for endpoint in strict:
            given = {"latency": LATENCY} if endpoint == "ses" else {}
            on.break_(endpoint, max_clock_skew=SKEW, **given)
        for process in whose:
            process.set_clock(by)
        time.sleep(seconds / len(jumps) / 2)
        for process in whose:
            process.set_clock(0)
        time.sleep(seconds / len(jumps) / 2)
        on.heal()
        done[name] += 1
    assert any("clock" in line for line in on.said()), "nobody has said a word about the clock"
    return done


LONGEST_BACKLOG = 1_200.0
"""Seconds that a backlog may take."""


def drain(on: Ground, _seconds: float) -> Counter[str]:
    """What was on the queues before is sent while more comes in."""
    eventually(lambda: on.waiting() < len(on.workers) * 256, on.state, patience=LONGEST_BACKLOG)
    return Counter()


def no_redis() -> str:
    """Why nothing with Redis can be played here."""
    return "" if has_redis() else "no redis-server on this machine"


def clocks_are_fixed() -> str:
    """Why no clock can be moved here."""
    return "" if faketime() else "libfaketime is not on this machine (Debian: package faketime)"


SCENARIOS: Mapping[str, Scenario] = {
    "kills": Scenario(title="SIGKILL of workers, API and queue service, seeded order", harm=kills),
    "redis-kills": Scenario(
        title="the same with a Redis ledger, Redis too",
        harm=redis_kills,
        redis=True,
        impossible=no_redis,
    ),
    "freeze": Scenario(title="SIGSTOP beyond the visibility timeout, SIGCONT", harm=freeze),
    "killer": Scenario(
        title="an email that kills the worker that sends it",
        harm=killer,
        rate=40,
        killers=(KILLER,),
    ),
    "queue-faults": Scenario(title="the queue service fails", harm=queue_faults, seconds=28),
    "provider-faults": Scenario(
        title="providers reset, hang, answer garbage, refuse",
        harm=provider_faults,
        afterwards=met,
        buries=True,
    ),
    "deploys": Scenario(title="deploys", harm=deploys, dispatch=CALM, may_double=False),
    "full-disk": Scenario(
        title="full disk under the ledger", harm=full_disk, dispatch=CALM, may_double=False
    ),
    "few-files": Scenario(
        title="256 file descriptors",
        harm=few_files,
        rate=150,
        workers=1,
        dispatch=CALM | {"max_in_flight": 1_000},
    ),
    "no-names": Scenario(
        title="DNS fails for SES",
        harm=no_names,
        afterwards=no_ses,
        dispatch=CALM,
        providers={"ses": {"endpoint_url": "http://ses.invalid:4579"}},
        may_double=False,
    ),
    "bad-keys": Scenario(
        title="credentials end in the middle", harm=bad_keys, dispatch=CALM, may_double=False
    ),
    "deliver-twice": Scenario(
        title="the queue service delivers twice", harm=deliver_twice, dispatch=CALM
    ),
    "expire-handles": Scenario(
        title="the queue service expires handles",
        harm=expire_handles,
        dispatch=CALM,
        may_double=False,
    ),
    "over-limit": Scenario(
        title="the queue service has 120,000 in flight",
        harm=over_limit,
        dispatch=CALM,
        may_double=False,
    ),
    "clock-jumps": Scenario(
        title="the clock jumps by an hour",
        harm=clock_jumps,
        seconds=36,
        dispatch=CALM,
        may_double=False,
        moves_clocks=True,
        impossible=clocks_are_fixed,
    ),
    "redis-clock-jumps": Scenario(
        title="the same with a Redis ledger",
        harm=clock_jumps,
        seconds=36,
        redis=True,
        dispatch=CALM,
        may_double=False,
        moves_clocks=True,
        impossible=lambda: clocks_are_fixed() or no_redis(),
    ),
    "backlog": Scenario(
        title="100,000 waiting",
        harm=drain,
        waiting=100_000,
        dispatch=CALM,
        samples=True,
    ),
    "soak": Scenario(
        title="soak",
        harm=soak,
        seconds=120,
        rate=SOAK,
        dispatch=CALM,
        may_double=False,
        samples=True,
    ),
}
