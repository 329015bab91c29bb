"""What the API knows of its queues: which can be reached, and the largest message all of them take.

Asked when the process starts, once a minute, and by readiness probes; an answer counts for a
second, so probes cannot flood SQS. A queue that will not tell its size (asking needs
`sqs:GetQueueAttributes`) counts as not reached and is taken to have SQS's default size.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import NoReturn

from gomail.errors import QueueError
from gomail.queue import Inspector
from ingest.quiet import QuietLog

DEFAULT_MESSAGE_BYTES = 1_048_576
"""What SQS gives a new queue, and the most it allows."""
PATIENCE = 2.0
"""Seconds a queue gets to answer."""
FRESH = 1.0
"""Seconds for which an answer counts."""
EVERY = 60.0
"""Seconds between two looks nobody asked for; SQS itself takes as long to apply a change."""


class Watch:
    """Looks at the queues and remembers what it saw."""

    def __init__(
        self,
        inspector: Inspector,
        queues: Sequence[str],
        *,
        now: Callable[[], float],
        log: QuietLog,
        patience: float = PATIENCE,
    ) -> None:
        self._inspector = inspector
        self._now = now
        self._log = log
        self._patience = patience
        self._sizes = dict.fromkeys(queues, DEFAULT_MESSAGE_BYTES)
        self._reachable: dict[str, bool] = {}
        self._fresh_until = float("-inf")
        self._looking = asyncio.Lock()
        self.max_message_bytes = DEFAULT_MESSAGE_BYTES

    async def look(self) -> dict[str, bool]:
        """Which queues can be reached, as of a second ago at the latest."""
        async with self._looking:
            if self._now() >= self._fresh_until:
                seen = await asyncio.gather(*(self._ask(queue) for queue in self._sizes))
                self._reachable = dict(zip(self._sizes, seen, strict=True))
                self.max_message_bytes = min(self._sizes.values())
                self._fresh_until = self._now() + FRESH
            return self._reachable

    async def keep_looking(self) -> NoReturn:
        """Look every minute until cancelled."""
        while True:
            await asyncio.sleep(EVERY)
            await self.look()

    async def _ask(self, queue: str) -> bool:
        try:
            async with asyncio.timeout(self._patience):
                info = await self._inspector.info(queue)
        except (QueueError, TimeoutError) as error:
            # Mail is still offered to this queue: it may take it all the same.
            reason = str(error) or f"no answer within {self._patience:g} s"
            self._log.warning(queue, "queue %s cannot be reached: %s", queue, reason)
            return False
        except Exception as error:  # noqa: BLE001 - a bug here must not end the process or a probe
            self._log.warning(queue, "queue %s: unexpected %r", queue, error)
            return False
        self._sizes[queue] = info.max_message_bytes
        return True
