"""The payload store while the application lives, and the sweep of what nobody removed."""

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gomail.aws import find_credentials
from gomail.http import AiohttpTransport
from gomail.payloads import Payloads, PayloadUnavailable
from gomail.payloads.table import open_payloads
from gomail.settings import Settings

_log = logging.getLogger(__name__)

SWEEP_INTERVAL = 3_600.0
"""Seconds, give or take a third: every process does it."""
SWEEP_STEP = 1_000
_DAY = 86_400.0


@asynccontextmanager
async def storing(settings: Settings) -> AsyncIterator[Payloads | None]:
    """The payload store, None where none is configured; closes its connections at the end."""
    if not settings.payloads.bucket:
        yield None
        return
    transport = AiohttpTransport()
    payloads = open_payloads(settings, transport, await find_credentials(settings.aws.region))
    assert payloads is not None, "there is a bucket"
    sweeping = asyncio.create_task(_keep_sweeping(payloads, settings.payloads.keep_days * _DAY))
    try:
        yield payloads
    finally:
        sweeping.cancel()
        await asyncio.gather(sweeping, return_exceptions=True)
        await transport.close()


async def _keep_sweeping(payloads: Payloads, keep: float) -> None:
    while True:
        await asyncio.sleep(SWEEP_INTERVAL * random.uniform(0.67, 1.33))
        try:
            if swept := await payloads.sweep(time.time() - keep, limit=SWEEP_STEP):
                _log.info("swept %d payloads that nobody removed", swept)
        except PayloadUnavailable as error:  # they stay an hour longer
            _log.warning("no payloads are swept: %s", error)
        except Exception:  # noqa: BLE001 - a fault of ours here must not end the sweeping
            _log.exception("sweeping payloads")
