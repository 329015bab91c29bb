"""What `gomail dead-letters` says and with which status it ends, over a box in memory."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from typer.testing import CliRunner

from gomail import dead_letters_cli
from tests.dead_letters.boxes import DEAD, Stage, Told


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


def hold(stage, count):
    """Somebody else looks at so many and does not give them back."""
    asyncio.run(stage.queue.receive(DEAD, most=count, wait=0, visibility=60))


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


@pytest.mark.parametrize("command", [["show"], ["redrive"], ["purge", "--yes-really", "1"]])
def test_an_id_that_is_unknown_or_held_is_said_to_be_so(over, command):
    stage = Stage()
    stage.bury(1)
    hold(stage, 1)

    for id_ in ("nobody", "m-1"):
        status, said = over(stage, *command, id_)
        assert (status, f"{id_} is not on the dead-letter queue" in said) == (1, True)
        assert "another look holds it just now; try again in some minutes" in said
    assert stage.dead() == ["m-1"]


@pytest.mark.parametrize("count", ["1,234", "1234", " 1,234 "])
@pytest.mark.parametrize("by_option", [True, False])
def test_a_count_is_typed_back_with_or_without_commas(over, count, by_option):
    stage = Stage()
    stage.bury(1_234)

    given = ["--yes-really", count] if by_option else []
    status, said = over(stage, "purge", "--all", *given, typed=f"{count}\n")

    assert (status, "1,234 deleted." in said, stage.dead()) == (0, True, [])


def test_another_count_deletes_nothing(over):
    stage = Stage()
    stage.bury(2)

    for count in ("1", "two", "", "-2", "2.0"):
        status, said = over(stage, "purge", "--all", "--yes-really", count)
        assert (status, "is not 2; nothing is deleted" in said) == (1, True)
    assert len(stage.dead()) == 2


def test_a_purge_says_what_others_held(over):
    stage = Stage()
    stage.bury(20)
    hold(stage, 8)

    status, said = over(stage, "purge", "--all", "--yes-really", "12")

    assert (status, "12 deleted. About 8 were held by somebody else" in said) == (1, True)
    status, said = over(stage, "purge", "--all", "--yes-really", "1")
    assert (status, "nothing is deleted. About 8 were held" in said) == (1, True)
    assert len(stage.dead()) == 8


def test_a_purge_says_that_it_has_not_looked_at_all(over, monkeypatch):
    stage = Stage()
    stage.bury(150)
    look = stage.box.look
    monkeypatch.setattr(stage.box, "look", lambda which, **more: look(which, most=100, **more))

    status, said = over(stage, "purge", "--all", "--yes-really", "100")

    assert (status, "There may be more than the 100 looked at; run it again." in said) == (1, True)
    assert over(stage, "purge", "--all", "--yes-really", "50") == (0, "50 deleted.")


def test_a_purge_of_one_says_nothing_of_what_else_is_held(over):
    stage = Stage()
    stage.bury(2)
    hold(stage, 1)

    assert over(stage, "purge", "m-2", "--yes-really", "1") == (0, "1 deleted.")


@pytest.mark.parametrize("count", [1, 50])
def test_a_redrive_that_a_ledger_keeps_from_its_work_ends_with_status_1(over, count):
    ledger = Told()
    ledger.down = True
    stage = Stage(ledger=ledger)
    stage.bury(count)

    status, said = over(stage, "redrive", "--all")

    assert (status, "kept: the ledger does not answer" in said) == (1, True)
    assert ("Ended early: the ledger answered nothing" in said) is (count == 50)


def test_a_redrive_of_many_that_keeps_some_for_good_ends_with_status_0(over):
    stage = Stage(ledger=Told(m_1="sent"))
    stage.bury(2)

    assert over(stage, "redrive", "--all")[0] == 0
