"""The dispatch dataflow: `python -m bytewax.run flows.dispatch`. Composition root of the process.

`wire` is the picture: letters are received, read, routed and sent; what comes back is settled with
the queue and tells the health step, whose verdicts the router of every worker sees. `flow` builds
the parts from the settings; importing this module builds nothing.
"""

import asyncio
import atexit
import functools
import gc
import logging
import os
import secrets
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from pydantic import SecretStr

from flows import metrics, steps
from flows.allowances import Allowances
from flows.courier import Courier
from flows.desk import Able, Desk, Rules
from flows.loop import Loop
from flows.loopback import AttemptSource, ProviderSink
from flows.payloads import Fetcher
from flows.receive import LetterSource, Reader
from flows.scribe import Scribe
from flows.settle import Settler, SettleSink
from flows.spool import Spool
from flows.stopping import Stop
from flows.verdicts import Told, ViewSink, to_every_worker
from flows.watch import Watch
from gomail import logs
from gomail.aws import find_credentials
from gomail.errors import ConfigurationError
from gomail.exits import Manners
from gomail.health import Thresholds
from gomail.http import Transport
from gomail.http.opening import open_transport
from gomail.ledger import Ledger
from gomail.ledger.table import open_ledger
from gomail.payloads import Payloads
from gomail.payloads.table import open_payloads
from gomail.providers import Provider
from gomail.providers.opening import open_providers
from gomail.providers.table import outlet_rules, outlets
from gomail.queue import Queue
from gomail.queue.sqs import open_queue
from gomail.release import Releaser
from gomail.settings import SETTLING_MARGIN, Settings, load, provider_keys
from gomail.settlement import Policy

log = logging.getLogger(__name__)

BODIES_BESIDE_PAYLOADS = 4
"""A quarter of the memory for bodies stays theirs where there is a payload store."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What the dataflow is wired from."""

    letters: LetterSource
    desk: Desk
    courier: Courier
    settler: Settler
    stop: Stop
    thresholds: Thresholds
    told: Told
    """Who wants to know of new verdicts."""
    scribe: Scribe | None = None
    """Who writes to the ledger, where there is one; to be closed at the end."""


def flow() -> Dataflow:
    """The dataflow of this process, built from `bytewax.yaml` and the environment."""
    try:
        settings = load()
        logs.set_up(settings.log_level, settings.log_format)
        parts = build(settings)
    except ConfigurationError as error:  # nothing has been received: the process does not start
        print(error, file=sys.stderr)  # noqa: T201 - for the person who starts it
        raise SystemExit(1) from None
    parts.stop.on_signals()
    # What exists now lives as long as the process: keep the collector away from it (a quarter of
    # the CPU a message went into collections), and let it run seldom.
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)
    return wire(parts)


def wire(parts: Parts) -> Dataflow:
    """The picture: one line an arrow."""
    desk = parts.desk
    dataflow = Dataflow("dispatch")

    letters = op.input("receive", dataflow, parts.letters)
    read = op.flat_map_batch("read", letters, steps.logged(functools.partial(steps.read, desk)))
    routed = op.flat_map_batch("route", read, steps.logged(functools.partial(steps.route, desk)))
    for name in sorted(desk.all):
        mine = op.flat_map_batch(f"for_{name}", routed, functools.partial(steps.letters_for, name))
        op.output(f"send_{name}", mine, ProviderSink(desk, parts.courier))

    attempts = op.input("outcomes", dataflow, AttemptSource(desk, parts.stop.over))
    judge = steps.logged(functools.partial(steps.judge, desk))
    judged = op.flat_map_batch("judge", attempts, judge)
    unsent = op.flat_map_batch("unsent", routed, steps.unsent)
    settled = op.merge("settle", unsent, judged)
    ways = {"delete": steps.is_delete, "return": steps.is_return, "bury": steps.is_dead_letter}
    for name, is_so in ways.items():
        op.output(name, op.filter(f"to_{name}", settled, is_so), SettleSink(parts.settler))

    signs = op.flat_map("signs", judged, steps.logged(steps.signs))
    step = functools.partial(steps.health_step, parts.thresholds)
    changes = op.stateful_batch("health", signs, step)
    news = op.flat_map("to_all", changes, to_every_worker)
    op.output("publish", news, ViewSink(desk, parts.told))
    return dataflow


def build(settings: Settings) -> Parts:
    """Make the adapters and the parts, and start the loop that does their I/O.

    Raises:
        ConfigurationError: a key or credentials are missing.
    """
    keys = provider_keys(settings)
    loop = Loop()
    atexit.register(loop.close)
    transport = open_transport(settings)
    queue, providers, payloads = loop.wait(_open(settings, keys, transport))
    atexit.register(lambda: loop.wait(transport.close()))
    atexit.register(lambda: loop.wait(_close(providers)))
    ledger = loop.wait(_open_ledger(settings))
    parts = assemble(
        settings, loop=loop, queue=queue, providers=providers, ledger=ledger, payloads=payloads
    )
    allowances = Allowances(parts.desk, providers)
    loop.wait(allowances.first_look())
    atexit.register(loop.start(allowances.run()))
    if settings.dispatch.metrics_port:
        host, port = metrics.serve(settings.dispatch.metrics_host, settings.dispatch.metrics_port)
        log.info("metrics at http://%s:%d/metrics", host, port)
    watch = Watch(parts.desk, alert_after=settings.health.alert_after)
    atexit.register(loop.start(watch.run()))
    if (scribe := parts.scribe) is not None:
        atexit.register(lambda: loop.wait(scribe.close()))
    if ledger is not None:  # ends before the ledger is closed: what is registered last goes first
        atexit.register(loop.start(Releaser(ledger, queue, settings.queues.urls).run()))
    return parts


def assemble(
    settings: Settings,
    *,
    loop: Loop,
    queue: Queue,
    providers: Mapping[str, Provider],
    ledger: Ledger | None = None,
    payloads: Payloads | None = None,
    able: Able | None = None,
) -> Parts:
    """The parts over given adapters."""
    dispatch = settings.dispatch
    all_outlets = outlets(settings)
    desk = Desk(
        _rules(settings, shared=ledger is not None),
        able=able or all_outlets.able,
        why_nobody=all_outlets.why_nobody,
    )
    stop = Stop(dispatch.drain_timeout)
    scribe = _scribe(settings, loop, desk, ledger) if ledger else None
    fetcher = Fetcher(payloads, most_bytes=_payload_bytes(settings)) if payloads else None
    readers: list[Reader] = []

    def wake_readers() -> None:
        for reader in readers:
            reader.wake()

    def open_reader(url: str) -> Reader:
        reader = Reader(
            url,
            queue=queue,
            loop=loop,
            desk=desk,
            lane=desk.lane_here(),
            settler=settler,
            visibility=dispatch.visibility_timeout,
            send_timeout=dispatch.send_timeout,
            max_receivers=dispatch.max_receivers,
            pause=dispatch.receive_pause,
        )
        readers.append(reader)
        stop.then(lambda: loop.call(reader.stop))
        loop.call(lambda: loop.spawn(reader.run()))
        log.info("reading %s", url)
        return reader

    settler = Settler(
        loop,
        desk,
        queue,
        dead_letter=settings.queues.dead_letter,
        freed=wake_readers,
        scribe=scribe,
        fetcher=fetcher,
    )
    courier = Courier(
        loop,
        desk,
        providers,
        send_timeout=dispatch.send_timeout,
        scribe=scribe,
        fetcher=fetcher,
    )
    stop.then(lambda: loop.call(courier.stop))
    return Parts(
        letters=LetterSource(
            settings.queues.urls,
            retired=settings.queues.retired,
            shards=settings.queues.shards,
            open_reader=open_reader,
            stop=stop,
        ),
        desk=desk,
        courier=courier,
        settler=settler,
        stop=stop,
        thresholds=_thresholds(settings),
        told=scribe.tell_verdict if scribe else _nobody,
        scribe=scribe,
    )


def _payload_bytes(settings: Settings) -> int:
    """What payloads in hand may take of the memory for bodies; the rest is the bodies'."""
    most = settings.dispatch.max_body_bytes_in_hand
    return most - most // BODIES_BESIDE_PAYLOADS if settings.payloads.bucket else 0


async def _close(providers: Mapping[str, Provider]) -> None:
    await asyncio.gather(*(one.close() for one in providers.values()))


async def _open_ledger(settings: Settings) -> Ledger | None:
    return open_ledger(settings)


def _scribe(settings: Settings, loop: Loop, desk: Desk, ledger: Ledger) -> Scribe:
    owner = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
    scribe = Scribe(
        loop,
        ledger,
        desk,
        patience=settings.ledger.patience,
        owner=owner,
        spool=Spool(
            Path(settings.ledger.spool) if settings.ledger.spool else None,
            ledger=settings.ledger.url,
            owner=owner,
        ),
        busy=settings.dispatch.send_timeout + SETTLING_MARGIN,
    )
    loop.call(lambda: loop.spawn(scribe.report()))
    loop.call(lambda: loop.spawn(scribe.tell_what_was_left()))
    return scribe


def _nobody(_provider: str, _healthy: bool, _verdict: int) -> None:  # noqa: FBT001 - the form of `Told`
    """Without a ledger nobody else wants to know."""


async def _open(
    settings: Settings, keys: Mapping[str, SecretStr], transport: Transport
) -> tuple[Queue, dict[str, Provider], Payloads | None]:
    region = settings.aws.region
    credentials = await find_credentials(region)
    queue = await open_queue(
        region=region,
        endpoint_url=settings.queues.endpoint_url,
        transport=transport,
        credentials=credentials,
    )
    providers = await open_providers(settings, keys, transport, credentials)
    if not settings.payloads.bucket:
        return queue, providers, None
    return queue, providers, open_payloads(settings, transport, credentials)


def _rules(settings: Settings, *, shared: bool) -> Rules:
    dispatch, health = settings.dispatch, settings.health
    return Rules(
        outlets={name: outlet_rules(one) for name, one in settings.providers.items()},
        manners=Manners(health.ramp, health.slow_after, health.slow_ratio),
        shared=shared,
        policy=Policy(
            give_up_after=dispatch.give_up_after,
            dead_letter_unknown=dispatch.on_unknown == "dead-letter",
        ),
        max_in_flight=dispatch.max_in_flight,
        max_bytes=dispatch.max_body_bytes_in_hand - _payload_bytes(settings),
        probe_interval=settings.health.probe_interval,
    )


def _thresholds(settings: Settings) -> Thresholds:
    health = settings.health
    return Thresholds(
        failure_ratio=health.failure_ratio,
        unhealthy_threshold=health.unhealthy_threshold,
        healthy_threshold=health.healthy_threshold,
        round_size=health.round_size,
        round_seconds=health.round_seconds,
        least_failures=health.least_failures,
    )
