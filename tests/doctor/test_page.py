"""How the findings are shown."""

import json

from hypothesis import given
from hypothesis import strategies as st

from gomail.doctor import Section, bad, note, page, well

SECTIONS = [
    Section("queue emails-1", (well("is fine"), bad("does not exist", "create it"))),
    Section("provider ses", (note("in the SES sandbox", "ask for more"), bad("is paused"))),
]


def test_each_section_has_its_marks_and_the_remedy_below():
    assert (
        page.text(SECTIONS)
        == """\
queue emails-1
  ok    is fine
  MEND  does not exist
        -> create it

provider ses
  note  in the SES sandbox
        -> ask for more
  MEND  is paused

2 things to mend, 1 note."""
    )


def test_where_nothing_is_to_be_mended_the_last_line_says_so():
    assert page.summary([Section("ledger", (well("answers"),))]) == "Nothing to mend."
    assert page.summary([Section("ledger", (note("a"), note("b")))]) == "Nothing to mend, 2 notes."


def test_machines_are_told_the_same():
    assert json.loads(page.machine(SECTIONS[:1])) == {
        "ok": False,
        "mend": 1,
        "notes": 0,
        "sections": [
            {
                "title": "queue emails-1",
                "findings": [
                    {"level": "ok", "text": "is fine", "mend": ""},
                    {"level": "bad", "text": "does not exist", "mend": "create it"},
                ],
            }
        ],
    }


@given(st.text(max_size=300), st.text(max_size=300))
def test_no_line_is_wider_than_a_terminal_whatever_is_said(text, mend):
    shown = page.text([Section(text, (note(text, mend), bad(f"x{text}")))])

    assert max(map(len, shown.split("\n"))) <= page.WIDTH


def test_nothing_that_is_said_moves_the_cursor():
    shown = page.text([Section("provider x", (bad("\x1b[2J\x9bA", "\x07"),))])

    assert {character for character in shown if not character.isprintable()} == {"\n"}
