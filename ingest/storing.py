"""The payload store while the application lives, and the sweep of what nobody removed.

Every process sweeps; it is seldom and at random times, so that they rarely do it together. Swept
twice is no harm.
"""

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NoReturn

from gomail.errors import GomailError
from gomail.payloads import Payloads
from ingest.pace import Pace

_log = logging.getLogger(__name__)

SWEEP_STEP = 1_000
"""Most payloads removed in a sweep."""
_DAY = 86_400.0


@asynccontextmanager
async def sweeping(
    payloads: Payloads | None, *, keep_days: float, pace: Pace
) -> AsyncIterator[None]:
    """Sweep until the application ends."""
    if payloads is None:
        yield
        return
    task = asyncio.create_task(keep_sweeping(payloads, keep=keep_days * _DAY, pace=pace))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def keep_sweeping(payloads: Payloads, *, keep: float, pace: Pace) -> NoReturn:
    """Forget payloads older than `keep` seconds until cancelled."""
    while True:
        await asyncio.sleep(pace.sweep * random.uniform(0.67, 1.33))
        try:
            if swept := await payloads.sweep(time.time() - keep, limit=SWEEP_STEP):
                _log.info("swept %d payloads that nobody removed", swept)
        except GomailError as error:
            # They stay until the next sweep.
            _log.warning("no payloads are swept: %s", error)
        except Exception as error:  # noqa: BLE001 - a bug here must not end the task
            _log.warning("no payloads are swept: unexpected %r", error)
