"""Old emails are forgotten in small steps, whatever happens in one of them."""

import asyncio
import logging
from datetime import timedelta

from gomail.ledger import LedgerUnavailable
from ingest import pruning
from ingest.pace import Pace
from ingest.quiet import QuietLog
from tests.ingest.ledgers import NOON, app_over, breakable, local_client, queued, told

DAY = 86_400_000


class Old:
    """A ledger in which so many emails are old."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.steps = []
        self.done = asyncio.Event()

    async def prune(self, before, *, limit):
        self.steps.append((before, limit))
        if not self.answers:
            self.done.set()
            return 0
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def forget(ledger):
    async def scene():
        task = asyncio.create_task(
            pruning.keep_pruning(
                ledger,
                keep=timedelta(days=30),
                now=lambda: NOON,
                pace=Pace(prune=0),
                quiet=QuietLog(logging.getLogger("ingest"), now=lambda: 0.0),
            )
        )
        await ledger.done.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(scene())
    return ledger.steps


def test_each_step_is_small_and_reaches_back_as_far_as_is_kept():
    steps = forget(Old(500, 3))

    assert steps == [(NOON - 30 * DAY, 500)] * 3


def test_neither_a_ledger_that_is_down_nor_a_bug_ends_it(caplog):
    steps = forget(Old(LedgerUnavailable("down"), RuntimeError("bug")))

    assert len(steps) == 3
    assert "the ledger forgets nothing: down" in caplog.text


def test_an_application_forgets_what_is_over_its_days(tmp_path):
    told(tmp_path, lambda ledger: ledger.queued([queued("old", at=1)]))
    with local_client(app_over(breakable(tmp_path), pace=Pace(prune=0.001))) as client:
        while client.get("/email/old").status_code != 404:
            pass
