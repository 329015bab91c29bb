"""Attempts that ended with their process: counted, and from the second on not noted beside others.

A process is gone when it has not reported for a while; time is moved, nobody dies here.
"""

from typing import Any

import pytest

from gomail.ledger import KILLER, REPORT_LIFE, SUSPECT, Known, Ledger, ProcessReport, Status
from tests.ledger.conftest import Play
from tests.ledger.notes import NOW, ended, found, intend, intent, recorded

A_MINUTE = 60_000
"""Milliseconds after which a message shows again whose process is gone."""


async def deaths(ledger: Ledger, times: int, **given: Any) -> None:
    """So many processes begin to send the email and are never heard of again."""
    for number in range(1, times + 1):
        at = NOW + A_MINUTE * (number - 1)
        await ledger.report(ProcessReport(f"dead-{number}", at, ()))
        await intend(
            ledger, **{"owner": f"dead-{number}", "at": at, "receive_count": number} | given
        )


async def asked(ledger: Ledger, after: int, **given: Any) -> Known:
    """What another process is told a minute after so many have died."""
    usual = {"owner": "living", "at": NOW + A_MINUTE * after, "receive_count": after + 1}
    return await intend(ledger, **usual | given)


def test_attempts_whose_process_is_gone_are_counted(play: Play) -> None:
    async def scenario(ledger: Ledger) -> None:
        await deaths(ledger, 1)

        known = await asked(ledger, after=1)

        assert known == Known(number=2, possible_duplicate=True, unanswered=True, abandoned=1)
        assert known.noted

    play(scenario)


def test_a_process_that_reports_is_not_gone_however_long_its_attempt_takes(play: Play) -> None:
    async def scenario(ledger: Ledger) -> None:
        await deaths(ledger, 1)
        await ledger.report(ProcessReport("dead-1", NOW + A_MINUTE - REPORT_LIFE, ()))

        assert (await asked(ledger, after=1)).abandoned == 0

    play(scenario)


def test_a_process_that_went_silent_and_reports_again_is_not_gone(play: Play) -> None:
    async def scenario(ledger: Ledger) -> None:
        await deaths(ledger, 1)
        assert (await asked(ledger, after=1)).abandoned == 1
        await ledger.record([recorded(number=2, status="retrying")])
        await ledger.report(ProcessReport("dead-1", NOW + 2 * A_MINUTE, ()))

        assert (await asked(ledger, after=2)).abandoned == 0

    play(scenario)


def test_a_process_whose_clock_is_ahead_is_not_gone(play: Play) -> None:
    async def scenario(ledger: Ledger) -> None:
        await deaths(ledger, 1)
        await ledger.report(ProcessReport("dead-1", NOW + 60 * A_MINUTE, ()))

        assert (await asked(ledger, after=1)).abandoned == 0

    play(scenario)


def test_a_process_that_never_reported_is_gone(play: Play) -> None:
    async def scenario(ledger: Ledger) -> None:
        await intend(ledger, owner="dead-1", at=NOW)

        assert (await asked(ledger, after=1)).abandoned == 1

    play(scenario)


def test_nobody_abandons_his_own_attempts(play: Play) -> None:
    async def scenario(ledger: Ledger) -> None:
        for number in range(5):
            known = await intend(
                ledger, owner="living", at=NOW + A_MINUTE * number, receive_count=number + 1
            )

        assert (known.number, known.abandoned) == (5, 0)

    play(scenario)


@pytest.mark.parametrize("status", ["sent", "retrying", "unknown"])
def test_an_outcome_that_is_told_late_ends_an_attempt_that_was_abandoned(
    play: Play, status: str
) -> None:
    async def scenario(ledger: Ledger) -> None:
        await intend(ledger, owner="frozen", at=NOW)
        await asked(ledger, after=1)
        await ledger.record([recorded(number=2, status="retrying")])
        await ledger.record([recorded(number=1, status=status, owner="frozen")])

        known = await asked(ledger, after=2)

        assert known.abandoned == 0

    play(scenario)


def test_outcomes_in_between_leave_the_count(play: Play) -> None:
    async def scenario(ledger: Ledger) -> None:
        await intend(ledger, owner="dead-1", at=NOW)
        for number in (2, 3):
            await asked(ledger, after=number - 1)
            await ledger.record([recorded(number=number, status="retrying")])

        assert (await asked(ledger, after=3)).abandoned == 1

    play(scenario)


def test_after_the_second_time_none_is_noted_beside_others(play: Play) -> None:
    async def scenario(ledger: Ledger) -> None:
        await deaths(ledger, SUSPECT)
        before = await found(ledger)

        first, again = [await asked(ledger, after=SUSPECT) for _ in range(2)]

        assert first == again
        assert (first.put_off, first.noted, first.abandoned) == (True, False, SUSPECT)
        assert (first.possible_duplicate, first.unanswered) == (True, True)
        assert len((await found(ledger)).attempts) == len(before.attempts) == SUSPECT

    play(scenario)


def test_after_the_second_time_one_that_is_alone_is_noted(play: Play) -> None:
    async def scenario(ledger: Ledger) -> None:
        await deaths(ledger, SUSPECT)
        await asked(ledger, after=SUSPECT)

        known = await asked(ledger, after=SUSPECT, alone=True)

        assert (known.number, known.noted, known.abandoned) == (SUSPECT + 1, True, SUSPECT)
        assert len((await found(ledger)).attempts) == SUSPECT + 1

    play(scenario)


def test_whoever_may_still_be_living_makes_it_suspect_and_is_no_proof(play: Play) -> None:
    """Deaths that follow each other quickly: their reports are not stale yet."""

    async def scenario(ledger: Ledger) -> None:
        for number in range(KILLER):
            await ledger.report(ProcessReport(f"dead-{number}", NOW + number, ()))
            await intend(
                ledger,
                owner=f"dead-{number}",
                at=NOW + number,
                receive_count=number + 1,
                alone=True,
                busy=0,
            )

        beside = await asked(ledger, after=0, receive_count=4, busy=0)
        alone = await asked(ledger, after=0, receive_count=4, alone=True, busy=0)

        assert (beside.put_off, beside.abandoned) == (True, 0)
        assert (alone.number, alone.abandoned) == (KILLER + 1, 0)

    play(scenario)


@pytest.mark.parametrize("alone", [True, False])
@pytest.mark.parametrize("times", [KILLER, 20])
def test_after_the_third_time_none_is_noted(play: Play, times: int, *, alone: bool) -> None:
    async def scenario(ledger: Ledger) -> None:
        for number in range(times):  # all die at once, after the last of them has begun
            await ledger.report(ProcessReport(f"dead-{number}", NOW, ()))
            await intend(
                ledger, owner=f"dead-{number}", at=NOW, receive_count=2, alone=True, busy=0
            )

        known = await asked(ledger, after=1, alone=alone)

        assert known.put_off
        assert min(known.abandoned, 15) == min(times, 15)
        assert len((await found(ledger)).attempts) == times

    play(scenario)


def test_a_redrive_counts_anew(play: Play) -> None:
    async def scenario(ledger: Ledger) -> None:
        await deaths(ledger, SUSPECT)
        await asked(ledger, after=SUSPECT, alone=True, owner="dead-3")
        assert (await asked(ledger, after=KILLER)).abandoned == KILLER
        await ledger.record([ended(status="failed", code="crash", at=NOW + 4 * A_MINUTE)])

        known = await asked(ledger, after=10, receive_count=1, queued_at=NOW + 9 * A_MINUTE)

        assert known == Known(number=KILLER + 2, possible_duplicate=True)
        assert (await found(ledger)).status is Status.SENDING

    play(scenario)


def test_of_a_batch_only_the_suspects_are_put_off(play: Play) -> None:
    async def scenario(ledger: Ledger) -> None:
        for number in range(SUSPECT):
            at = NOW + A_MINUTE * number
            both = [
                intent(each, owner=f"dead-{number}", at=at, receive_count=number + 1)
                for each in ("poison", "beside")
            ]
            await ledger.intend(both)

        batch = [
            intent(each, owner="living", at=NOW + A_MINUTE * SUSPECT, receive_count=receives)
            for each, receives in (("poison", 3), ("beside", 3), ("fresh", 1))
        ]
        known = await ledger.intend(batch)

        assert {id_ for id_, one in known.items() if one.put_off} == {"poison", "beside"}
        assert known["fresh"] == Known(number=1)

    play(scenario)
