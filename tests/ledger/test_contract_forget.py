"""What every ledger promises of an address that is to be forgotten."""

from pathlib import Path

import pytest

from gomail.ledger import ERASED, About, Cancellation, Known, Ledger, Stats, Status
from gomail.ledger.sqlite import SqliteLedger
from tests.ledger.conftest import Play, run
from tests.ledger.notes import (
    NOW,
    READER,
    SENDER,
    everything,
    found,
    intend,
    listed,
    queued,
    recorded,
    scheduled,
)

QUOTE = f"550 mailbox {READER.upper()} is full"
OTHER = "bob@example.org"


async def forget(ledger: Ledger, address: str = READER, *, limit: int = 100) -> int:
    """Repeats it as the port says; how many emails it was erased from."""
    erased = 0
    while count := await ledger.forget(address, limit=limit):
        assert count <= limit
        erased += count
    return erased


async def refused(ledger: Ledger, id: str = "m-1", detail: str = QUOTE) -> None:  # noqa: A002
    known = await intend(ledger, id)
    await ledger.record([recorded(id, "refused", number=known.number, detail=detail)])


def test_an_address_is_erased_and_the_rest_stays(play: Play) -> None:
    async def scenario(ledger: Ledger) -> None:
        await ledger.queued([queued(about=About((OTHER,), ("receipt",), (("order", "1"),)))])
        await refused(ledger, detail="550 no")
        before, counts = await found(ledger), await ledger.stats(NOW)

        assert await forget(ledger) == 1

        after = await found(ledger)
        assert (after.from_email, after.to_email) == (SENDER, ERASED)
        assert after.about == About((OTHER,), ("receipt",))
        assert (after.status, after.queued_at, after.updated_at) == (
            (before.status, before.queued_at, before.updated_at)
        )
        assert (after.provider, after.code, after.detail) == (before.provider, "", "550 no")
        assert after.attempts == before.attempts
        assert await ledger.stats(NOW) == counts

    play(scenario)


@pytest.mark.parametrize("address", [READER, READER.upper()])
def test_an_address_is_forgotten_wherever_it_stands_in_whatever_case(
    play: Play, address: str
) -> None:
    async def scenario(ledger: Ledger) -> None:
        await ledger.queued(
            [
                queued("m-1"),
                queued("m-2", from_email="Reader@Example.org", to_email=OTHER),
                queued("m-3", to_email=OTHER, about=About(("x@example.org", "READER@example.org"))),
                queued("m-4", about=About((READER, OTHER))),
                queued("m-5", to_email=OTHER),
            ]
        )

        assert await forget(ledger, address) == 4

        assert await listed(ledger, to_email=READER) == []
        assert await listed(ledger, from_email=READER) == []
        assert await listed(ledger, to_email=ERASED) == ["m-4", "m-3", "m-1"]
        assert (await found(ledger, "m-2")).from_email == ERASED
        assert (await found(ledger, "m-3")).about == About(("x@example.org", ERASED))
        assert (await found(ledger, "m-4")).about == About((ERASED, OTHER))
        assert await listed(ledger, to_email=OTHER) == ["m-5", "m-4", "m-3", "m-2"]
        assert (await found(ledger, "m-5")).from_email == SENDER

    play(scenario)


def test_nobody_is_told_a_detail_that_quotes_it(play: Play) -> None:
    async def scenario(ledger: Ledger) -> None:
        await ledger.queued([queued()])
        await refused(ledger)

        await forget(ledger)

        record = await found(ledger)
        assert [record.detail, record.attempts[0].detail] == ["", ""]
        assert not any(READER in str(each.data).lower() for each in await everything(ledger))

    play(scenario)


def test_an_address_is_erased_in_each_of_its_spellings_wherever_one_stands(play: Play) -> None:
    letters, punycode = "ann@bücher.example", "ann@xn--bcher-kva.example"

    async def scenario(ledger: Ledger) -> None:
        await ledger.queued(
            [
                queued("m-1", to_email=letters),
                queued("m-2", to_email=OTHER, about=About((punycode.upper(), letters))),
                queued("m-3", from_email=punycode, to_email=letters),
                queued("m-4", to_email="ann@bucher.example"),
            ]
        )
        await refused(ledger, detail=f"550 <{punycode.upper()}> is full")

        assert await ledger.forget(letters, punycode, limit=10) == 3
        assert await ledger.forget(letters, punycode, limit=10) == 0

        assert (await found(ledger, "m-1")).to_email == ERASED
        assert (await found(ledger, "m-1")).detail == ""
        assert (await found(ledger, "m-2")).about == About((ERASED, ERASED))
        m3 = await found(ledger, "m-3")
        assert (m3.from_email, m3.to_email) == (ERASED, ERASED)
        assert await listed(ledger, to_email=letters) == []
        assert await listed(ledger, to_email=punycode) == []
        assert await listed(ledger, from_email=punycode) == []
        assert (await found(ledger, "m-4")).to_email == "ann@bucher.example"
        told = str([each.data for each in await everything(ledger)]).lower()
        assert letters not in told
        assert punycode not in told

    play(scenario)


@pytest.mark.parametrize("where", ["to_email", "from_email", "recipients"])
def test_a_detail_that_is_told_later_is_not_kept(play: Play, where: str) -> None:
    async def scenario(ledger: Ledger) -> None:
        parts = {"about": About((READER,)), "to_email": OTHER}
        await ledger.queued([queued(**parts if where == "recipients" else {where: READER})])
        known = await intend(ledger)
        await forget(ledger)

        await ledger.record([recorded(status="refused", number=known.number, detail=QUOTE)])

        record = await found(ledger)
        assert record.status is Status.REFUSED
        assert [record.detail, record.attempts[0].detail] == ["", ""]
        assert not any(READER in str(each.data).lower() for each in await everything(ledger))

    play(scenario)


def test_what_was_sent_to_it_is_not_sent_again(play: Play) -> None:
    async def scenario(ledger: Ledger) -> None:
        await ledger.queued([queued()])
        await intend(ledger)
        await ledger.record([recorded()])
        await forget(ledger)

        assert await intend(ledger, receive_count=2) == Known(ended=Status.SENT)
        await ledger.queued([queued()])
        assert (await found(ledger)).to_email == ERASED

    play(scenario)


def test_a_scheduled_email_stays_until_it_is_called_back(play: Play) -> None:
    async def scenario(ledger: Ledger) -> None:
        await ledger.schedule([scheduled()])
        assert await forget(ledger) == 0
        assert (await found(ledger)).to_email == READER

        assert await ledger.cancel("m-1", now=NOW) is Cancellation.CANCELED
        assert await forget(ledger) == 1
        assert (await found(ledger)).to_email == ERASED

    play(scenario)


def test_it_works_through_many_emails_past_those_that_are_scheduled(play: Play) -> None:
    async def scenario(ledger: Ledger) -> None:
        await ledger.schedule([scheduled(f"s-{n}", at=NOW + n) for n in range(7)])
        await ledger.queued([queued(f"m-{n}", at=NOW + n) for n in range(250)])
        await ledger.queued([queued("other", to_email=OTHER)])

        assert await ledger.forget(READER, limit=120) == 120
        assert await forget(ledger, limit=3) == 130

        assert len(await listed(ledger, to_email=READER)) == 7
        assert (await found(ledger, "other")).to_email == OTHER
        assert (await ledger.stats(NOW)).by_status == {Status.QUEUED: 251, Status.SCHEDULED: 7}

    play(scenario)


def test_what_is_erased_is_pruned_like_the_rest(play: Play) -> None:
    async def scenario(ledger: Ledger) -> None:
        await ledger.queued([queued(about=About((OTHER, READER)))])
        await forget(ledger)

        while await ledger.prune(NOW + 1_000, limit=10):
            pass

        assert await listed(ledger, to_email=ERASED) == []
        assert await ledger.email("m-1") is None

    play(scenario)


def test_an_address_that_is_not_there_and_the_placeholder_change_nothing(play: Play) -> None:
    async def scenario(ledger: Ledger) -> Stats:
        await ledger.queued([queued()])
        assert await ledger.forget(OTHER, limit=10) == 0
        await forget(ledger)
        assert await ledger.forget(ERASED, limit=10) == 0
        return await ledger.stats(NOW)

    assert play(scenario).by_status == {Status.QUEUED: 1}


def test_the_file_does_not_hold_it_any_more(tmp_path: Path) -> None:
    file = tmp_path / "ledger.db"

    async def scenario(ledger: Ledger) -> None:
        await ledger.queued([queued(f"m-{n}", about=About((OTHER,))) for n in range(300)])
        await refused(ledger)
        await forget(ledger)

    run(lambda: SqliteLedger(file), scenario)

    assert READER.encode() not in file.read_bytes().lower()
