"""What is said of the ledger: nothing is made, nothing migrated."""

import asyncio
import sqlite3
import time

import pytest

from gomail.doctor.stores import ask_ledger, ask_spool
from gomail.ledger import ExitReport, ProcessReport
from gomail.ledger.sqlite import SqliteLedger
from gomail.ledger.sqlite_schema import MIGRATIONS
from gomail.ledger.table import open_ledger
from gomail.providers import Level
from tests.doctor.scene import levels, settings
from tests.ledger.servers import redis_server


def asked(url, **environ):
    known = settings(ledger={"url": url})
    return asyncio.run(ask_ledger(url, lambda: open_ledger(known, environ)))


def with_file(path):
    """Make a ledger at the path."""

    async def make():
        await SqliteLedger(path).close()

    asyncio.run(make())
    return f"sqlite:{path}"


def report(path):
    one = ProcessReport(
        owner="one",
        at=int(time.time() * 1000),
        exits=(
            ExitReport(
                provider="ses",
                healthy=True,
                verdict=0,
                failing_rounds=0,
                good_rounds=0,
                in_hand=0,
                room=16,
                paused_for=0,
            ),
        ),
    )

    async def write():
        ledger = SqliteLedger(path)
        await ledger.report(one)
        await ledger.close()

    asyncio.run(write())


def test_a_ledger_that_answers_is_well_and_idle_processes_are_noted(tmp_path):
    findings = asked(with_file(tmp_path / "ledger.db"))

    assert [one.level for one in findings] == [Level.OK, Level.NOTE]
    assert "no dispatch process" in findings[1].text


def test_processes_that_report_are_counted(tmp_path):
    url = with_file(tmp_path / "ledger.db")
    report(tmp_path / "ledger.db")

    findings = asked(url)

    assert levels(findings) == {Level.OK}
    assert findings[1].text.endswith(": 1")


def test_a_file_that_is_not_there_is_not_made(tmp_path):
    file = tmp_path / "var" / "ledger.db"

    [finding] = asked(f"sqlite:{file}")

    assert finding.level is Level.OK
    assert not file.parent.exists()


def test_a_file_that_could_not_be_made_is_bad(tmp_path):
    (tmp_path / "file").write_text("")

    [finding] = asked(f"sqlite:{tmp_path}/file/ledger.db")

    assert finding.level is Level.BAD
    assert "cannot be made" in finding.text


def test_what_is_no_database_is_bad(tmp_path):
    (tmp_path / "ledger.db").write_text("no database " * 100)

    [finding] = asked(f"sqlite:{tmp_path}/ledger.db")

    assert finding.level is Level.BAD
    assert "cannot be read" in finding.text


def test_a_file_of_an_older_gomail_is_noted_and_not_migrated(tmp_path):
    file = tmp_path / "ledger.db"
    url = with_file(file)
    older = len(MIGRATIONS) - 1
    with sqlite3.connect(file) as opened:
        opened.execute(f"PRAGMA user_version = {older}")
    opened.close()

    [finding] = asked(url)

    assert finding.level is Level.NOTE
    opened = sqlite3.connect(file)
    assert opened.execute("PRAGMA user_version").fetchone()[0] == older
    opened.close()


def test_a_file_of_a_newer_gomail_is_bad(tmp_path):
    file = tmp_path / "ledger.db"
    url = with_file(file)
    opened = sqlite3.connect(file)
    opened.execute("PRAGMA user_version = 999")
    opened.close()

    [finding] = asked(url)

    assert finding.level is Level.BAD
    assert "run the newer gomail" in finding.mend


def test_a_file_that_another_process_keeps_locked_is_bad(tmp_path):
    file = tmp_path / "ledger.db"
    url = with_file(file)
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    findings = asked(url)

    other.close()
    assert levels(findings) == {Level.BAD}
    assert "locked" in findings[0].text


def test_no_ledger_is_a_note():
    assert levels(asked("")) == {Level.NOTE}


def test_a_redis_that_answers_is_well_and_one_without_persistence_is_noted(tmp_path):
    with redis_server(tmp_path) as server:
        findings = asked(server.url)

    assert findings[0].level is Level.OK
    assert [one.level for one in findings if "durable" in one.text] == [Level.NOTE]


def test_a_redis_that_is_down_is_bad():
    [finding] = asked("redis://127.0.0.1:9/0")

    assert finding.level is Level.BAD
    assert "127.0.0.1:9" in finding.text


@pytest.mark.parametrize("given", [{}, {"LEDGER_PASSWORD": "wrong-one"}])
def test_a_redis_that_lets_nobody_in_is_bad_and_no_password_is_shown(tmp_path, given):
    with redis_server(tmp_path, password="right-one") as server:
        [finding] = asked(server.url, **given)

    assert finding.level is Level.BAD
    assert "LEDGER_PASSWORD" in finding.mend
    assert "-one" not in str(finding)


def test_a_spool_that_nothing_waits_in_is_not_worth_a_word(tmp_path):
    assert ask_spool(tmp_path / "not" / "there" / "yet") == []


def test_what_waits_in_the_spool_is_noted(tmp_path):
    (tmp_path / "one.jsonl").touch()

    [finding] = ask_spool(tmp_path)

    assert finding.level is Level.NOTE
    assert finding.text.startswith("1 files of states")


def test_a_spool_that_cannot_be_written_is_noted_with_the_setting(tmp_path):
    (tmp_path / "spool").write_text("a file")

    [finding] = ask_spool(tmp_path / "spool")

    assert finding.level is Level.NOTE
    assert "ledger.spool" in finding.mend
