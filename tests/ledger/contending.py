"""What a second process does to a store; in a module that it can import."""

import asyncio
import time
from dataclasses import dataclass
from multiprocessing.synchronize import Barrier
from typing import Any, Protocol

from gomail.ledger import ClaimState, Ledger, Take
from tests.ledger.conftest import Store, run
from tests.ledger.notes import NOW, intent, queued, recorded


class Answers(Protocol):
    """Where a process puts what it found."""

    def put(self, answer: Any) -> None: ...


def claim_all(store: Store, start: Barrier, answers: Answers, count: int) -> None:
    """Claim the same keys as everybody else; tell which were new."""

    async def scenario(ledger: Ledger) -> list[str]:
        await ledger.email("x")
        start.wait(timeout=30)
        claims = await asyncio.gather(
            *(
                ledger.claim(
                    f"key-{number}", fingerprint="f", message_id=f"m-{number}",
                    now=NOW, lease=30_000, keep=86_400_000,
                )
                for number in range(count)
            )
        )  # fmt: skip
        return [
            f"key-{number}" for number, claim in enumerate(claims) if claim.state is ClaimState.NEW
        ]

    answers.put(run(store, scenario))


def send_all(store: Store, start: Barrier, answers: Answers, ids: list[str]) -> None:
    """Take emails from queued to sent, one call each, as many at once as there are."""

    async def send(ledger: Ledger, email_id: str) -> None:
        await ledger.queued([queued(email_id)])
        known = await ledger.intend([intent(email_id)])
        await ledger.record([recorded(email_id, number=known[email_id].number)])

    async def scenario(ledger: Ledger) -> int:
        await ledger.email("x")
        start.wait(timeout=30)
        await asyncio.gather(*(send(ledger, each) for each in ids))
        return len(ids)

    answers.put(run(store, scenario))


def take_all(store: Store, start: Barrier, answers: Answers) -> None:
    """Take what is due, a few at a time, until there is no more; tell what it was."""

    async def scenario(ledger: Ledger) -> list[str]:
        await ledger.email("x")
        start.wait(timeout=30)
        taken: list[str] = []
        while some := await ledger.due(NOW + 1_000, now=NOW, lease=60_000, limit=7):
            taken += [each.id for each in some]
        return taken

    answers.put(run(store, scenario))


@dataclass(frozen=True, slots=True)
class TakenTurn:
    """Between which moments, in seconds since the epoch, a turn is; a ledger's clock is its own."""

    earliest: float
    latest: float


def take_turns(store: Store, start: Barrier, answers: Answers, asked: Take, count: int) -> None:
    """Take one turn after the other, without waiting for any; tell those within the quota."""

    async def scenario(ledger: Ledger) -> list[TakenTurn]:
        await ledger.email("x")
        start.wait(timeout=30)
        turns: list[TakenTurn] = []
        for _ in range(count):
            now = time.time_ns() // 1_000_000
            [turn] = await ledger.take([asked], now=now)
            if not turn.over_quota:
                turns.append(TakenTurn(now / 1_000 + turn.delay, time.time() + turn.delay))
        return turns

    answers.put(run(store, scenario))
