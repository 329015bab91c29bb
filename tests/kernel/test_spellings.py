"""How an address may be written in a ledger, whichever way somebody types it."""

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gomail.spellings import MOST_CASES, spellings


def bare(text: str) -> str:
    return unicodedata.normalize("NFD", text.casefold())


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        (" Ann@Example.ORG\n", {"ann@example.org"}),
        ("jose\u0301@example.org", {"josé@example.org", "josÉ@example.org"}),
        (
            "ann@bücher.example",
            {"ann@bücher.example", "ann@bÜcher.example", "ann@xn--bcher-kva.example"},
        ),
        (
            "ann@XN--bcher-kva.example",
            {"ann@bücher.example", "ann@bÜcher.example", "ann@xn--bcher-kva.example"},
        ),
        ("straße@example.org", {"straße@example.org", "straẞe@example.org"}),
        ("ı@example.org", {"ı@example.org"}),
        ("用户@localhost", {"用户@localhost"}),
        ("ſos@example.org", {"ſos@example.org"}),
    ],
    ids=ascii,
)
def test_an_address_is_looked_for_in_these_spellings(typed: str, expected: set[str]) -> None:
    found = spellings(typed)

    assert set(found) == expected
    assert len(found) == len(expected)


@pytest.mark.parametrize("typed", ["ΝΊΚΟΣ", "νίκος", "Νίκος"], ids=ascii)
def test_a_long_name_is_looked_for_as_people_write_it(typed: str) -> None:
    found = spellings(f"{typed}.παπαδόπουλος@example.org")

    assert len(found) <= MOST_CASES
    assert "νίκος.παπαδόπουλος@example.org" in found
    assert "ΝΊΚΟΣ.ΠΑΠΑΔΌΠΟΥΛΟΣ@example.org" in found
    assert "Νίκος.Παπαδόπουλος@example.org" in found


@settings(deadline=None)  # the first address looks at all letters there are
@given(st.text(alphabet="aZéÉßǅİıſΣςµ\u212a\u0301用", min_size=1))
def test_what_was_typed_is_among_them_and_none_is_another_letter(local: str) -> None:
    kept = unicodedata.normalize("NFC", local)

    found = [one.removesuffix("@example.org") for one in spellings(f"{local}@example.org")]

    assert "".join(one.lower() if one.isascii() else one for one in kept) in found
    assert {bare(one) for one in found} == {bare(kept)}
    assert all(unicodedata.normalize("NFC", one) == one for one in found)
