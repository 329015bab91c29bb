"""`gomail forget`, with a ledger in a file."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gomail.cli import app
from gomail.ledger import ERASED, Ledger
from gomail.ledger.sqlite import SqliteLedger
from tests.ledger.conftest import run
from tests.ledger.notes import NOW, READER, found, queued, scheduled


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    config = tmp_path / "bytewax.yaml"
    config.write_text(
        "queues: {urls: ['http://127.0.0.1:1/1/a'], dead_letter: 'http://127.0.0.1:1/1/d'}\n"
        "providers: {ses: {weight: 1}}\n"
    )
    monkeypatch.setenv("GOMAIL_CONFIG", str(config))
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setenv("GOMAIL_LEDGER__URL", f"sqlite:{tmp_path / 'ledger.db'}")
    return tmp_path / "ledger.db"


def forget(address: str) -> Result:
    return CliRunner().invoke(app, ["forget", address])


def test_it_erases_an_address_and_says_from_how_many_emails(file: Path) -> None:
    async def told(ledger: Ledger) -> None:
        await ledger.queued([queued(f"m-{n}") for n in range(1_200)])

    async def check(ledger: Ledger) -> None:
        assert (await found(ledger, "m-7")).to_email == ERASED

    run(lambda: SqliteLedger(file), told)

    result = forget(READER.upper())

    assert (result.exit_code, result.stdout) == (0, "Erased from 1,200 emails.\n")
    assert "1,000 emails …" in result.stderr
    assert "holds no email" not in result.stderr
    run(lambda: SqliteLedger(file), check)


def test_it_names_what_is_still_scheduled_and_what_to_do(file: Path) -> None:
    async def told(ledger: Ledger) -> None:
        await ledger.schedule([scheduled("later", at=NOW)])

    run(lambda: SqliteLedger(file), told)

    assert (
        "1 scheduled emails with it are left as they are (later): cancel" in forget(READER).stdout
    )


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("jose\u0301@example.org", "josé@example.org"),
        ("JOSÉ@EXAMPLE.org", "josé@example.org"),
        ("josé@example.org", "JOSÉ@example.org"),
        ("ann@bücher.example", "ann@xn--bcher-kva.example"),
        ("ann@XN--BCHER-KVA.example", "ann@BÜCHER.example"),
        (" reader@example.org", READER),
    ],
    ids=ascii,
)
def test_an_address_is_erased_however_it_is_spelled(file: Path, typed: str, kept: str) -> None:
    async def told(ledger: Ledger) -> None:
        await ledger.queued([queued(to_email=kept)])

    async def check(ledger: Ledger) -> None:
        assert (await found(ledger)).to_email == ERASED

    run(lambda: SqliteLedger(file), told)

    assert forget(typed).stdout == "Erased from 1 emails.\n"
    run(lambda: SqliteLedger(file), check)


def test_one_that_is_scheduled_is_named_however_it_is_spelled(file: Path) -> None:
    async def told(ledger: Ledger) -> None:
        await ledger.schedule([scheduled("later", at=NOW, to_email="josé@example.org")])

    run(lambda: SqliteLedger(file), told)

    result = forget("JOSÉ@example.org")
    assert "(later)" in result.stdout
    assert "holds no email" not in result.stderr


@pytest.mark.usefixtures("file")
def test_where_nothing_is_found_it_names_what_it_looked_for_and_ends_well() -> None:
    result = forget("ann@bücher.example")

    assert (result.exit_code, result.stdout) == (0, "Erased from 0 emails.\n")
    assert "holds no email from or to ann@bücher.example, " in result.stderr
    assert "ann@xn--bcher-kva.example" in result.stderr


def test_what_is_no_address_is_refused(file: Path) -> None:
    result = forget("reader")

    assert (result.exit_code, "no email address" in result.stderr) == (1, True)
    assert not file.exists()


@pytest.mark.usefixtures("file")
def test_without_a_ledger_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOMAIL_LEDGER__URL", "")

    result = forget(READER)

    assert (result.exit_code, "ledger.url is empty" in result.stderr) == (1, True)
