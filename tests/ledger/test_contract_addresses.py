"""What every ledger promises of addresses that are not ASCII: kept, found, compared as they are."""

import pytest

from gomail.ledger import About, Ledger
from tests.ledger.conftest import Play
from tests.ledger.notes import found, intend, listed, queued, recorded

SENDER, READER, COPY = "jörg@bücher.example", "用户@例え.example", "ünal@Example.org"
ABOUT = About(recipients=(COPY, "ada@example.org"))


def test_addresses_of_any_script_come_back_as_they_were(play: Play) -> None:
    async def scenario(ledger: Ledger) -> None:
        await ledger.queued([queued(from_email=SENDER, to_email=READER, about=ABOUT)])
        await intend(ledger, from_email=SENDER, to_email=READER, about=ABOUT)
        await ledger.record([recorded(from_email=SENDER, to_email=READER)])

        email = await found(ledger)
        assert (email.from_email, email.to_email, email.about) == (SENDER, READER, ABOUT)

    play(scenario)


@pytest.mark.parametrize(
    "asked",
    [
        {"from_email": SENDER},
        {"from_email": "JöRG@BüCHER.example"},
        {"to_email": READER},
        {"to_email": COPY},
        {"to_email": "üNAL@example.ORG"},
        {"from_email": SENDER, "to_email": COPY},
    ],
)
def test_an_email_is_found_without_regard_to_ascii_case(play: Play, asked: dict[str, str]) -> None:
    async def scenario(ledger: Ledger) -> None:
        other = queued("other", to_email="u@example.org", from_email="jorg@example.org")
        await ledger.queued(
            [queued(from_email=SENDER, to_email=READER, about=ABOUT), other],
        )

        assert await listed(ledger, **asked) == ["m-1"]

    play(scenario)


@pytest.mark.parametrize(
    "asked",
    [
        {"from_email": "JÖRG@bücher.example"},
        {"from_email": "jo\u0308rg@bücher.example"},
        {"to_email": "Ünal@example.org"},
    ],
    ids=ascii,
)
def test_other_letters_are_compared_as_they_are(play: Play, asked: dict[str, str]) -> None:
    async def scenario(ledger: Ledger) -> None:
        await ledger.queued([queued(from_email=SENDER, to_email=READER, about=ABOUT)])

        assert await listed(ledger, **asked) == []

    play(scenario)
