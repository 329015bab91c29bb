"""Lists of dead letters, as people read them."""

import pytest

from gomail.dead_letters import grouped
from gomail.dead_letters_page import WIDTH, groups, letters
from tests.dead_letters.test_letters import NOW, letter

LONGEST = "MailFromDomainNotVerifiedException"
"""Of the codes that providers are known to give."""
REASON = "given up after 24.0 h; last outcome: failed"


@pytest.mark.parametrize("code", ["400", "MessageRejected", LONGEST])
def test_a_code_stands_in_the_lists_as_it_has_to_be_typed_back(code):
    found = [letter(code="400"), letter(code=code, id="m" * 36, reason=REASON)]

    for lines in (letters(found, NOW), groups(grouped(found), NOW)):
        assert any(f" {code} " in line for line in lines)
        assert max(map(len, lines)) <= WIDTH


def test_a_letter_without_a_code_has_a_line_of_its_own():
    head, line = letters([letter(code="")], NOW)

    assert head.index("CODE") == line.index("- ")
