"""What `gomail dead-letters` says and with which status it ends, over a box in memory."""

from contextlib import asynccontextmanager

import pytest
from typer.testing import CliRunner

from gomail import dead_letters_cli
from tests.dead_letters.boxes import Stage


@pytest.fixture
def over(monkeypatch):
    """Run a command over the box of a stage; its status and all that it said."""

    def over(stage, *arguments, typed=None):
        @asynccontextmanager
        async def opened():
            yield stage.box, stage.ledger

        monkeypatch.setattr(dead_letters_cli, "_opened", opened)
        done = CliRunner().invoke(dead_letters_cli.app, list(arguments), input=typed)
        return done.exit_code, " ".join(done.output.split())

    return over


@pytest.mark.parametrize("option", ["--reason", "--code", "--provider", "--older-than"])
@pytest.mark.parametrize("command", [["list"], ["redrive"], ["purge", "--yes-really", "1"]])
@pytest.mark.parametrize("value", ["", " "])
def test_an_empty_filter_is_refused_and_means_no_letter(over, command, option, value):
    stage = Stage()
    stage.bury(1)

    status, said = over(stage, *command, option, value)

    assert (status, option in said, "it is empty" in said) == (2, True, True)
    assert sum(stage.queue.received.values()) == 0


@pytest.mark.parametrize("command", ["redrive", "purge"])
def test_an_empty_id_is_refused(over, command):
    status, said = over(Stage(), command, "")

    assert (status, "ID" in said, "it is empty" in said) == (2, True, True)


def test_a_redrive_that_has_done_its_limit_says_that_there_may_be_more(over):
    stage = Stage()
    stage.bury(3)

    assert over(stage, "redrive", "--all", "--limit", "1") == (
        0,
        "1 dead letter redriven. There may be more.",
    )
    assert over(stage, "redrive", "m-2") == (0, "1 dead letter redriven.")
    assert over(stage, "redrive", "--all") == (0, "1 dead letter redriven.")
