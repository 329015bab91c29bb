"""Forgets old emails in the background, in steps too small for anybody to notice.

Every process does it: the steps of several only make it faster.
"""

import random
from asyncio import sleep
from collections.abc import Callable
from datetime import timedelta
from typing import NoReturn

from gomail.errors import GomailError
from gomail.ledger import Ledger
from ingest.asking import within
from ingest.pace import Pace
from ingest.quiet import QuietLog

STEP = 500
"""Most emails forgotten at once."""
PATIENCE = 10.0
"""Seconds a step may take; nobody waits for it."""
# After a full step there is more to forget: at one such step every few seconds a process that
# takes 200 emails/s would never catch up.
_HASTE = 5.0


async def keep_pruning(
    ledger: Ledger,
    *,
    keep: timedelta,
    now: Callable[[], int],
    pace: Pace,
    quiet: QuietLog,
) -> NoReturn:
    """Forget what is older than `keep` until cancelled; `now` is in milliseconds."""
    forgotten = 0
    while True:
        wait = pace.prune / _HASTE if forgotten >= STEP else pace.prune
        # Processes that started together must not step together.
        await sleep(wait * random.uniform(0.8, 1.2))
        before = now() - int(keep / timedelta(milliseconds=1))
        forgotten = 0
        try:
            forgotten = await within(PATIENCE, ledger.prune(before, limit=STEP))
        except GomailError as error:
            # Old emails are kept a little longer.
            quiet.warning("prune", "the ledger forgets nothing: %s", error)
        except Exception as error:  # noqa: BLE001 - a bug here must not end the task
            quiet.warning("prune", "the ledger forgets nothing: unexpected %r", error)
