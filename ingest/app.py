"""The API's process: `uvicorn --factory --no-access-log ingest.app:create_app`.

The composition root: the only file of this room that names concrete adapters and reads settings.
Each process batches for itself; run as many as needed.
"""

import asyncio
import gc
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware

from gomail.aws import find_credentials
from gomail.email import MOST_ATTACHMENTS
from gomail.http.opening import open_transport
from gomail.keys_file import KeysFile
from gomail.ledger import Ledger, LedgerUnavailable
from gomail.ledger.table import open_ledger
from gomail.payloads import Payloads
from gomail.payloads.table import open_payloads
from gomail.providers.table import outlets
from gomail.queue import Browser, Consumer, Inspector, Sender
from gomail.queue.sqs import open_queue
from gomail.release import Releaser
from gomail.settings import Settings
from ingest import answers, batch, cancel, dead_letters, health, openapi_keys, readers, send, web
from ingest.batcher import MOST_IN_FLIGHT, Batcher
from ingest.failover import Failover
from ingest.gate import Gate
from ingest.judging import Judge
from ingest.limits import BodyLimit
from ingest.memory import remembering
from ingest.pace import Pace
from ingest.parts import Door, Memory, Parts
from ingest.patience import Patience
from ingest.quiet import QuietLog
from ingest.rota import Rota
from ingest.start import PlainRefusal, settings_of_process
from ingest.storing import sweeping
from ingest.watch import Watch

_log = logging.getLogger(__name__)


class IngestQueue(Sender, Consumer, Browser, Inspector, Protocol):
    """What the API needs of a queue; it receives from the dead-letter queue only."""


OpenQueue = Callable[[Settings], AbstractAsyncContextManager[IngestQueue]]
"""Opens the queue for the life of the application and closes it."""

OpenPayloads = Callable[[Settings], AbstractAsyncContextManager[Payloads | None]]
"""Opens the payload store for the life of the application and closes it."""

OpenLedger = Callable[[Settings], Ledger | None]
"""Opens the ledger on the loop that uses it."""


def create_app(
    settings: Settings | None = None,
    *,
    queue: OpenQueue | None = None,
    ledger: OpenLedger = open_ledger,
    payloads: OpenPayloads | None = None,
    pace: Pace | None = None,
) -> FastAPI:
    """Build the application.

    Called without settings, as uvicorn does, it reads them, and a fault in them ends the process
    with one line for each.
    """
    settings = settings or settings_of_process()
    app = FastAPI(
        title="gomail",
        version="1",
        summary="Takes transactional email and keeps it safe until a provider has accepted it.",
        lifespan=_lifespan(
            settings, queue or open_sqs, ledger, payloads or open_store, pace or Pace()
        ),
        # Its pages load scripts from another origin; the description itself is at /openapi.json.
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        exception_handlers={
            HTTPException: answers.http_error,
            LedgerUnavailable: answers.ledger_unavailable,
            Exception: answers.internal_error,
        },
    )
    send.add_routes(app)
    batch.add_routes(app)
    cancel.add_routes(app)
    readers.add_routes(app, settings)
    dead_letters.add_routes(app)
    health.add_routes(app)
    web.add_routes(app, settings)
    openapi_keys.describe(app)
    _add_middleware(app, settings)
    return app


@asynccontextmanager
async def open_sqs(settings: Settings) -> AsyncIterator[IngestQueue]:
    """SQS, over a connection pool that lives as long as the application."""
    transport = open_transport(settings)
    try:
        yield await open_queue(
            region=settings.aws.region,
            endpoint_url=settings.queues.endpoint_url,
            transport=transport,
        )
    finally:
        await transport.close()


@asynccontextmanager
async def open_store(settings: Settings) -> AsyncIterator[Payloads | None]:
    """S3, over a connection pool of its own; None where no bucket is named."""
    if not settings.payloads.bucket:
        yield None
        return
    transport = open_transport(settings)
    try:
        yield open_payloads(settings, transport, await find_credentials(settings.aws.region))
    finally:
        await transport.close()


def _add_middleware(app: FastAPI, settings: Settings) -> None:
    """The last one added is the outermost.

    A refused body still gets its CORS headers; whoever may not come in is told so at once, and not
    when the body is there or was too slow.
    """
    app.add_middleware(
        BodyLimit,
        most=_largest_request(settings),
        usual=settings.ingest.max_body_bytes,
        refusal=answers.not_json,
        busy=answers.unavailable,
    )
    app.add_middleware(Patience, refusal=answers.too_slow)
    app.add_middleware(Gate, allowed_origins=settings.ingest.allowed_origins)
    app.add_middleware(PlainRefusal)
    if settings.ingest.allowed_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.ingest.allowed_origins,
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type", "Idempotency-Key", "Last-Event-ID"],
            expose_headers=["Retry-After", "Idempotent-Replayed"],
        )


def _largest_request(settings: Settings) -> int:
    """In base64 attachments are a third larger, and a little more where its slashes are escaped."""
    ingest = settings.ingest
    if not ingest.max_attachment_bytes:
        return ingest.max_body_bytes
    contents = 4 * ingest.max_attachment_bytes // 3 + 4 * MOST_ATTACHMENTS
    return ingest.max_body_bytes + contents + contents // 32


def _lifespan(
    settings: Settings, queue: OpenQueue, ledger: OpenLedger, store: OpenPayloads, pace: Pace
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with (
            queue(settings) as opened,
            store(settings) as payloads,
            sweeping(payloads, keep_days=settings.payloads.keep_days, pace=pace),
            remembering(ledger(settings), settings, pace) as memory,
        ):
            parts = _parts(settings, opened, memory, payloads)
            app.state.parts = parts
            app.state.keys = _keys(settings)
            app.state.dead_letters = dead_letters.looker(settings, opened, memory, payloads)
            await parts.watch.look()
            tasks = [asyncio.create_task(parts.watch.keep_looking())]
            if memory is not None:
                releaser = Releaser(memory.ledger, opened, settings.queues.urls)
                tasks.append(asyncio.create_task(releaser.run()))
            # What exists now stays: a full collection over it cost 47 ms in the middle of requests.
            gc.collect()
            gc.freeze()
            _log.info("takes email for %s", ", ".join(settings.queues.urls))
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                await parts.batcher.close()

    return lifespan


def _keys(settings: Settings) -> KeysFile:
    file = KeysFile(settings.ingest.keys_file, now=time.monotonic)
    if not file.keys.keys:
        _log.warning(
            "no API key is configured: only clients on this machine are served; "
            "`gomail keys create` makes one"
        )
    return file


def _parts(
    settings: Settings, queue: IngestQueue, memory: Memory | None, payloads: Payloads | None
) -> Parts:
    clock = asyncio.get_running_loop()
    urls = settings.queues.urls
    rota = Rota(urls, room=max(MOST_IN_FLIGHT // 2, 1))
    log = QuietLog(_log, now=clock.time)
    failover = Failover(queue, rota, now=clock.time, log=log)
    return Parts(
        Batcher(failover.deliver, clock=clock, timeout=settings.ingest.enqueue_timeout, log=log),
        # A log of its own: what it sees and what a send sees are two subjects.
        Watch(queue, urls, now=clock.time, log=QuietLog(_log, now=clock.time)),
        memory,
        Door(
            Judge(
                settings.ingest.max_body_bytes,
                settings.ingest.max_attachment_bytes,
                outlets(settings),
            ),
            payloads,
            settings.payloads.prefix,
            settings.ingest.enqueue_timeout,
        ),
    )
