"""docs/answers.md is what the providers' tables say."""

import re

import pytest

from gomail import answers_page
from gomail.outcome import OutcomeClass
from gomail.providers.answers import BY_STATUS
from gomail.providers.table import KINDS
from tests.docs.pages import text
from tests.local.running import command


def lines(title: str) -> list[list[str]]:
    """The cells of each row in a section."""
    section = answers_page.page().partition(f"## {title}\n")[2].partition("\n## ")[0]
    table = [line for line in section.splitlines() if line.startswith("| ")][1:]
    return [re.split(r"(?<!\\)\|", line)[1:-1] for line in table]


def test_the_page_is_current():
    assert text(answers_page.FILE) == answers_page.page(), (
        "docs/answers.md is stale: run `.venv/bin/python -m gomail answers-page`"
    )


@pytest.mark.parametrize(("kind", "module"), answers_page.tables().items())
def test_every_row_of_a_provider_is_on_the_page(kind, module):
    written = lines(f"`{kind}`")

    assert len(written) == len(module.ROWS)
    assert all(len(cells) == 7 for cells in written)
    for row, cells in zip(module.ROWS, written, strict=True):
        told = [cell.strip().replace("\\|", "|") for cell in cells]
        assert told[1:2] + told[3:] == [
            f"`{row.code}`" if row.code else "",
            row.kind,
            "yes" if row.account_fault else "",
            row.mend,
            row.source,
        ]
        assert row.text in told[2]


def test_every_row_by_status_is_on_the_page():
    written = lines("By status")

    assert len(written) == len(BY_STATUS)
    assert [cells[0].strip() for cells in written][:2] == ["429", "408, 502, 504"]
    assert [cells[0].strip() for cells in written][-3:] == ["300 to 399", "400 to 499", "any"]


def test_every_kind_of_provider_is_on_the_page():
    page = answers_page.page()

    assert [kind for kind in KINDS if f"## `{kind}`\n" not in page] == []


def test_every_class_is_explained():
    page = answers_page.page()

    assert [one for one in OutcomeClass if f"| {one} | " not in page] == []


def test_the_command_writes_it(tmp_path):
    file = tmp_path / "page.md"

    with command("answers-page", str(file), folder=tmp_path) as written:
        assert written.ends() == 0

    assert file.read_text() == answers_page.page()


def test_a_place_that_cannot_be_written_is_a_sentence(tmp_path):
    with command("answers-page", str(tmp_path / "none" / "page.md"), folder=tmp_path) as refused:
        assert refused.ends() == 1

    assert refused.said.endswith("page.md: cannot be written (No such file or directory)\n")
