"""What every ledger promises of emails with more than a sender and a recipient, and of sends that
somebody else has begun."""

from typing import Any

import pytest

from gomail.ledger import REDRIVEN_AFTER, About, Filter, Known, Ledger, Status
from gomail.outcome import OutcomeClass
from tests.ledger.conftest import Play
from tests.ledger.notes import (
    NOW,
    READER,
    ended,
    found,
    intend,
    intent,
    listed,
    pages,
    queued,
    recorded,
)

ABOUT = About(
    recipients=("Ann@Example.org", "bob@example.org"),
    tags=("receipt", "eu"),
    metadata=(("order", "4711"), ("naïve", "'\"\\ 🙂")),
)
BUSY = 15_000


# -- what a reader is told besides -----------------------------------------------------------------


@pytest.mark.parametrize("teller", ["queued", "intend", "record"])
def test_a_reader_is_told_what_was_told_of_the_email(play: Play, teller: str) -> None:
    async def scenario(ledger: Ledger) -> None:
        await tell(ledger, teller, about=ABOUT)

        assert (await found(ledger)).about == ABOUT
        [email] = (await ledger.emails(Filter(), cursor=None, limit=1)).emails
        assert email.about == ABOUT

    play(scenario)


@pytest.mark.parametrize("teller", ["queued", "intend", "record"])
def test_an_email_to_one_reader_has_nothing_besides(play: Play, teller: str) -> None:
    async def scenario(ledger: Ledger) -> None:
        await tell(ledger, teller)

        assert (await found(ledger)).about is None

    play(scenario)


async def tell(ledger: Ledger, teller: str, **given: Any) -> None:
    match teller:
        case "queued":
            await ledger.queued([queued(**given)])
        case "intend":
            await ledger.intend([intent(**given)])
        case _:
            await ledger.record([recorded(number=0, **given)])


def test_what_is_told_besides_stays_as_it_was_first_told(play: Play) -> None:
    async def scenario(ledger: Ledger) -> None:
        await ledger.queued([queued(about=ABOUT)])
        await intend(ledger, about=About(tags=("other",)))
        await ledger.record([recorded()])

        assert (await found(ledger)).about == ABOUT

    play(scenario)


@pytest.mark.parametrize("reader", ["ann@example.ORG", "bob@example.org", READER])
def test_an_email_is_found_by_each_of_its_recipients(play: Play, reader: str) -> None:
    async def scenario(ledger: Ledger) -> None:
        await ledger.queued([queued(about=ABOUT), queued("other", to_email="eve@example.org")])

        assert await listed(ledger, to_email=reader) == ["m-1"]
        assert await listed(ledger, to_email=reader, status=Status.QUEUED) == ["m-1"]
        assert await listed(ledger, to_email=reader, status=Status.SENT) == []

    play(scenario)


def test_a_recipient_who_is_named_twice_finds_the_email_once(play: Play) -> None:
    about = About(recipients=("ann@example.org", "ANN@example.org", READER.upper()))

    async def scenario(ledger: Ledger) -> None:
        await ledger.queued([queued(about=about)])

        assert await listed(ledger, to_email="ann@example.org") == ["m-1"]
        assert await listed(ledger, to_email=READER) == ["m-1"]

    play(scenario)


def test_a_recipients_list_tells_first_and_further_ones_newest_first(play: Play) -> None:
    about = About(recipients=("ann@example.org",))

    async def scenario(ledger: Ledger) -> None:
        for number in range(12):
            further = number % 3 == 0
            given = {"about": about} if further else {"to_email": "ann@example.org"}
            await ledger.queued([queued(f"m-{number}", NOW + number // 2, **given)])
        which = Filter(to_email="ann@example.org")
        expected = [f"m-{number}" for number in reversed(range(12))]

        for limit in (1, 2, 5, 12):
            assert [each async for each in pages(ledger, which, limit=limit)] == expected
        bounded = Filter(to_email="ann@example.org", since=NOW + 1, until=NOW + 3)
        assert [each async for each in pages(ledger, bounded, limit=2)] == [
            "m-5", "m-4", "m-3", "m-2",
        ]  # fmt: skip

    play(scenario)


def test_a_forgotten_email_is_not_found_by_further_recipients(play: Play) -> None:
    async def scenario(ledger: Ledger) -> None:
        await ledger.queued([queued(about=ABOUT)])
        while await ledger.prune(NOW + 1, limit=10):
            pass

        assert await listed(ledger, to_email="bob@example.org") == []
        await ledger.queued([queued("later", NOW + 2)])
        assert await listed(ledger, to_email="bob@example.org") == []

    play(scenario)


# -- ends that nobody redrives ---------------------------------------------------------------------


@pytest.mark.parametrize("status", [Status.CANCELED, Status.EXPIRED])
def test_an_email_whose_sender_ended_it_is_not_sent_however_it_comes_back(
    play: Play, status: Status
) -> None:
    async def scenario(ledger: Ledger) -> None:
        await ledger.queued([queued()])
        await ledger.record([ended(status=status)])

        known = await intend(ledger, queued_at=NOW + 10 * REDRIVEN_AFTER)

        assert known.ended is status
        assert (await found(ledger)).attempts == ()

    play(scenario)


# -- sends that somebody else has begun ------------------------------------------------------------


@pytest.mark.parametrize("receives", [1, 2], ids=["a copy", "what was hidden"])
def test_an_attempt_of_another_process_is_under_way(play: Play, receives: int) -> None:
    async def scenario(ledger: Ledger) -> None:
        await intend(ledger, owner="host-1", at=NOW, busy=BUSY)
        before = await found(ledger)

        known = await intend(
            ledger, owner="host-2", at=NOW + BUSY - 1, busy=BUSY, receive_count=receives
        )

        assert known == Known(under_way=True)
        assert await found(ledger) == before

    play(scenario)


def test_an_attempt_under_way_still_gets_its_outcome(play: Play) -> None:
    async def scenario(ledger: Ledger) -> None:
        await intend(ledger, owner="host-1", at=NOW)
        await intend(ledger, owner="host-2", at=NOW + 1)
        await ledger.record([recorded()])

        known = await intend(ledger, owner="host-2", at=NOW + 2)

        assert (known.ended, known.under_way) == (Status.SENT, False)
        assert [each.kind for each in (await found(ledger)).attempts] == [OutcomeClass.ACCEPTED]

    play(scenario)


@pytest.mark.parametrize(
    "later",
    [
        {"owner": "host-1", "at": NOW + 1},
        {"owner": "host-2", "at": NOW + BUSY},
        {"owner": "host-2", "at": NOW + 1, "busy": 1},
    ],
    ids=["of the same process", "too long ago", "by what the asker says"],
)
def test_an_attempt_is_not_under_way(play: Play, later: dict[str, Any]) -> None:
    async def scenario(ledger: Ledger) -> None:
        await intend(ledger, owner="host-1", at=NOW)

        known = await intend(ledger, **{"busy": BUSY} | later)

        assert (known.number, known.under_way, known.unanswered) == (2, False, True)

    play(scenario)


def test_an_attempt_with_an_outcome_is_not_under_way(play: Play) -> None:
    async def scenario(ledger: Ledger) -> None:
        await intend(ledger, owner="host-1", at=NOW)
        await ledger.record([recorded(status="retrying")])

        known = await intend(ledger, owner="host-2", at=NOW + 1, receive_count=2)

        assert known == Known(number=2)

    play(scenario)


# -- attempts that nobody answered -----------------------------------------------------------------


def test_an_unknown_outcome_is_unanswered(play: Play) -> None:
    async def scenario(ledger: Ledger) -> None:
        await intend(ledger)
        await ledger.record([recorded(status="unknown")])

        known = await intend(ledger, receive_count=2)

        assert (known.unanswered, known.possible_duplicate) == (True, True)

    play(scenario)


def test_a_receive_that_left_no_record_is_no_unanswered_attempt(play: Play) -> None:
    async def scenario(ledger: Ledger) -> None:
        await ledger.queued([queued()])

        known = await intend(ledger, receive_count=2)

        assert (known.unanswered, known.possible_duplicate) == (False, True)

    play(scenario)


def test_an_outcome_that_comes_late_answers_its_attempt(play: Play) -> None:
    async def scenario(ledger: Ledger) -> None:
        await intend(ledger)
        second = await intend(ledger, receive_count=2)
        await ledger.record([recorded(number=2, status="retrying")])
        await ledger.record([recorded(number=1, status="retrying")])

        third = await intend(ledger, receive_count=3)

        assert (second.unanswered, third.unanswered) == (True, False)

    play(scenario)


def test_attempts_before_a_redrive_count_as_answered_by_the_operator(play: Play) -> None:
    async def scenario(ledger: Ledger) -> None:
        await intend(ledger)
        await ledger.record([recorded(status="unknown"), ended(status="failed")])
        later = NOW + REDRIVEN_AFTER + 1

        redriven = await intend(ledger, queued_at=later, at=later)
        again = await intend(ledger, queued_at=later, at=later + 10, receive_count=2)

        assert (redriven.unanswered, redriven.possible_duplicate) == (False, True)
        assert again.unanswered

    play(scenario)
