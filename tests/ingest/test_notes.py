"""Notes are written behind the answers, together, again after a failure, and never without end."""

import asyncio
import logging

from gomail.ledger import LedgerUnavailable
from ingest.notes import BATCH, Notes
from ingest.pace import Pace
from ingest.quiet import QuietLog
from tests.ingest.ledgers import queued
from tests.ingest.scripted import settle


class Written:
    """Notes what it is told; fails as often as a test wants."""

    def __init__(self):
        self.batches = []
        self.failures = []

    async def queued(self, notes):
        if self.failures:
            raise self.failures.pop(0)
        self.batches.append([note.id for note in notes])


def run(scenario, **more):
    ledger = Written()

    async def scene():
        log = QuietLog(logging.getLogger("ingest"), now=lambda: 0.0)
        notes = Notes(ledger, pace=Pace(note=0, after_failure=0), log=log, **more)
        writing = asyncio.create_task(notes.keep_writing())
        await scenario(notes, ledger)
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)

    asyncio.run(scene())
    return ledger.batches


def test_a_lone_note_is_written_at_once():
    async def scenario(notes, _ledger):
        await settle()
        notes.add(queued("a"))
        await settle()
        assert len(notes) == 0

    assert run(scenario) == [["a"]]


def test_notes_that_come_together_are_written_together_up_to_a_bound():
    async def scenario(notes, _ledger):
        for number in range(BATCH + 7):
            notes.add(queued(f"m{number}"))
        await settle()

    assert [len(batch) for batch in run(scenario)] == [BATCH, 7]


def test_what_the_ledger_did_not_take_is_written_later_and_known_meanwhile():
    async def scenario(notes, ledger):
        ledger.failures = [LedgerUnavailable("down")] * 1_000
        notes.add(queued("a"))
        await settle()
        assert notes.get("a") == queued("a")
        assert notes.failing
        ledger.failures.clear()
        notes.add(queued("b"))
        await settle()
        assert not notes.failing
        assert (notes.lost, notes.get("a")) == (0, None)

    assert run(scenario) == [["a", "b"]]


def test_beyond_what_may_wait_notes_are_lost_and_counted(caplog):
    async def scenario(notes, _ledger):
        for number in range(5):
            notes.add(queued(f"m{number}"))
        assert (len(notes), notes.lost) == (3, 2)

    run(scenario, most=3)
    assert "1 notes for the ledger are lost" in caplog.text


def test_a_bug_costs_its_batch_and_no_other_and_shows_no_address(caplog):
    async def scenario(notes, ledger):
        ledger.failures = [RuntimeError("ada@example.com")]
        notes.add(queued("a"))
        await settle()
        notes.add(queued("b"))
        await settle()
        assert notes.lost == 1

    assert run(scenario) == [["b"]]
    assert "unexpected RuntimeError" in caplog.text
    assert "ada@" not in caplog.text


def test_the_last_notes_are_written_at_the_end_unless_the_ledger_is_down():
    async def scenario(notes, ledger):
        notes.add(queued("a"))
        await notes.close()
        notes.add(queued("b"))
        ledger.failures = [LedgerUnavailable("down")] * 3
        await notes.close()
        assert notes.lost == 1

    assert run(scenario) == [["a"]]
