"""What holds for the ledger in a file alone: locks, full disks, versions, bounds."""

import asyncio
import json
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gomail.errors import ConfigurationError
from gomail.ledger import (
    About,
    Cancellation,
    ExitReport,
    Filter,
    Known,
    LedgerUnavailable,
    ProcessReport,
    Status,
    Take,
    Turn,
    sqlite_reads,
)
from gomail.ledger.sqlite import SqliteLedger
from gomail.ledger.sqlite_checkpoints import PAUSE, SHORT_PAUSE, pause_after
from gomail.ledger.sqlite_schema import MIGRATIONS, WRITE_AHEAD_PAGES, migrate, open_file
from tests.ledger.conftest import run
from tests.ledger.notes import (
    NOW,
    everything,
    found,
    intend,
    intent,
    listed,
    queued,
    recorded,
    scheduled,
)

OLDER = (("CREATE TABLE old (word TEXT)", "INSERT INTO old VALUES ('kept')"),)
NEWER = (*OLDER, ("ALTER TABLE old ADD COLUMN more TEXT DEFAULT 'added'",))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


@pytest.fixture
def connection(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection of somebody else, to any file."""
    connection = sqlite3.connect(path, isolation_level=None)
    yield connection
    connection.close()


def open_ledger(path: Path, **given: Any) -> SqliteLedger:
    return SqliteLedger(path, **{"busy": 0.05} | given)


def play(path: Path, scenario: Any, **given: Any) -> Any:
    return run(lambda: open_ledger(path, **given), scenario)


def test_a_file_that_somebody_holds_is_unavailable_and_works_again_afterwards(path: Path) -> None:
    async def scenario(ledger: SqliteLedger) -> None:
        with sqlite3.connect(path, isolation_level=None) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(LedgerUnavailable, match="locked"):
                await ledger.intend([intent()])
            assert await ledger.email("m-1") is None  # readers go on
            other.execute("ROLLBACK")
        other.close()

        await ledger.intend([intent()])
        assert (await found(ledger)).status == "sending"

    play(path, scenario)


def test_a_file_that_is_held_at_the_start_is_waited_for_by_later_calls(
    path: Path, connection: sqlite3.Connection
) -> None:
    connection.execute("BEGIN EXCLUSIVE")
    ledger = SqliteLedger(path, busy=0.05)

    async def scenario(_: Any) -> None:
        with pytest.raises(LedgerUnavailable):
            await ledger.queued([queued()])
        connection.execute("ROLLBACK")
        await ledger.queued([queued()])
        assert (await found(ledger)).status == "queued"

    run(lambda: ledger, scenario)


def test_a_full_disk_is_unavailable_and_costs_nothing_that_was_there(path: Path) -> None:
    async def scenario(ledger: SqliteLedger) -> None:
        await ledger.queued([queued()])
        await ledger._writer.ask(limit_pages)

        with pytest.raises(LedgerUnavailable, match="full"):
            await ledger.queued([queued(f"x-{n}", from_email="x" * 200) for n in range(1_000)])

        await ledger.queued([queued("m-2")])  # on a new connection, which knows no such limit
        assert await listed(ledger) == ["m-2", "m-1"]

    play(path, scenario)


def limit_pages(book: Any) -> None:
    pages = book.connection.execute("PRAGMA page_count").fetchone()[0]
    book.connection.execute(f"PRAGMA max_page_count = {pages + 2}")


def test_a_file_that_is_none_of_ours_is_unavailable(path: Path) -> None:
    path.write_bytes(b"this is no database " * 1_000)

    async def scenario(ledger: SqliteLedger) -> None:
        with pytest.raises(LedgerUnavailable, match="not a database"):
            await ledger.queued([queued()])
        with pytest.raises(LedgerUnavailable, match="not a database"):
            await ledger.email("m-1")

    play(path, scenario)


def test_a_place_that_is_not_there_is_unavailable(path: Path) -> None:
    async def scenario(ledger: SqliteLedger) -> None:
        with pytest.raises(LedgerUnavailable, match="unable to open"):
            await ledger.queued([queued()])

    play(path / "missing" / "ledger.db", scenario)


def test_one_work_that_cannot_be_done_spoils_none_that_it_shares_a_transaction_with(
    path: Path,
) -> None:
    async def scenario(ledger: SqliteLedger) -> None:
        tried = await asyncio.gather(
            ledger.queued([queued("m-1")]),
            ledger.queued([queued("m-2", at=2**70)]),
            ledger.queued([queued("m-3", to_email="\ud800@example.org")]),
            ledger.queued([queued("m-4")]),
            return_exceptions=True,
        )

        assert [type(each) for each in tried] == [
            type(None), LedgerUnavailable, LedgerUnavailable, type(None),
        ]  # fmt: skip
        assert await listed(ledger) == ["m-4", "m-1"]
        assert len(await everything(ledger)) == 2

    play(path, scenario)


def test_more_than_may_be_pending_is_turned_away(path: Path) -> None:
    held, go = threading.Event(), threading.Event()

    def hold(_: Any) -> None:
        held.set()
        go.wait(timeout=30)

    async def scenario(ledger: SqliteLedger) -> None:
        holding = asyncio.ensure_future(ledger._writer.ask(hold))
        await asyncio.to_thread(held.wait)
        waiting = [asyncio.ensure_future(ledger.queued([queued(f"m-{n}")])) for n in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(LedgerUnavailable, match="pending"):
            await ledger.queued([queued("late")])
        go.set()
        await asyncio.gather(holding, *waiting)

        assert len(await listed(ledger)) == 3

    play(path, scenario, most_pending=3)


def test_an_intent_that_nobody_waits_for_any_more_is_not_noted(path: Path) -> None:
    held, go = threading.Event(), threading.Event()

    def hold(_: Any) -> None:
        held.set()
        go.wait(timeout=30)

    async def scenario(ledger: SqliteLedger) -> None:
        holding = asyncio.ensure_future(ledger._writer.ask(hold))
        await asyncio.to_thread(held.wait)
        gone = asyncio.ensure_future(ledger.intend([intent()]))
        await asyncio.sleep(0)
        gone.cancel()
        go.set()
        await holding
        await ledger.record([recorded(number=0)])

        assert [each.number for each in (await found(ledger)).attempts] == [1]

    play(path, scenario)


def test_what_is_asked_of_a_closed_ledger_is_unavailable(path: Path) -> None:
    async def scenario(ledger: SqliteLedger) -> None:
        await ledger.close()
        with pytest.raises(LedgerUnavailable, match="closed"):
            await ledger.queued([queued()])
        with pytest.raises(LedgerUnavailable, match="closed"):
            await ledger.email("m-1")

    play(path, scenario)


def test_events_beyond_their_number_are_forgotten(path: Path) -> None:
    async def scenario(ledger: SqliteLedger) -> None:
        await ledger.queued([queued(f"m-{number}") for number in range(30)])

        while await ledger.prune(NOW, limit=7):
            pass

        assert [each.data["id"] for each in await everything(ledger)] == [
            f"m-{number}" for number in range(20, 30)
        ]

    play(path, scenario, most_events=10)


def test_a_sequence_that_the_file_never_gave_resumes_at_the_oldest(path: Path) -> None:
    async def scenario(ledger: SqliteLedger) -> None:
        await ledger.queued([queued("m-1"), queued("m-2")])

        for sequence in ("999", "9" * 40, "", "-1", "nonsense", "²"):
            assert len(await ledger.events(sequence, limit=9)) == 2

    play(path, scenario)


def test_a_page_of_several_filters_looks_at_a_bounded_number_of_emails(path: Path) -> None:
    rows = 2 * sqlite_reads.MOST_SCANNED + 10

    async def scenario(ledger: SqliteLedger) -> None:
        await ledger.record([recorded("first", number=0, queued_at=NOW - 1)])
        for start in range(0, rows, 1_000):
            ids = range(start, min(rows, start + 1_000))
            await ledger.queued([queued(f"m-{number}") for number in ids])
        which = Filter(to_email="reader@example.org", status=Status.SENT)

        seen, pages, cursor = [], 0, None
        while pages == 0 or cursor:
            page = await ledger.emails(which, cursor=cursor, limit=50)
            seen += [email.id for email in page.emails]
            pages, cursor = pages + 1, page.next_cursor

        assert (seen, pages) == (["first"], 3)

    play(path, scenario)


@pytest.mark.parametrize(
    "which",
    [
        {}, {"status": Status.SENT}, {"to_email": "a@b"}, {"from_email": "a@b"},
        {"provider": "ses"}, {"provider": "ses", "status": Status.SENT},
        {"since": 1, "until": 2, "to_email": "a@b"},
    ],
)  # fmt: skip
def test_no_list_is_sorted_or_read_whole(path: Path, which: dict[str, Any]) -> None:
    connection = open_file(path, busy=1)
    statements: list[str] = []
    connection.set_trace_callback(statements.append)

    sqlite_reads.page(connection, Filter(**which), after=(NOW, 1), limit=50)
    connection.set_trace_callback(None)
    plans = [
        detail
        for statement in statements
        for *_, detail in connection.execute(f"EXPLAIN QUERY PLAN {statement}")
    ]
    connection.close()

    assert plans
    assert all(each.startswith(("SEARCH emails", "SEARCH recipients")) for each in plans), plans


# -- what emails cost ------------------------------------------------------------------------------


async def traced(ledger: SqliteLedger) -> list[str]:
    """All statements from now on."""
    statements: list[str] = []
    await ledger._writer.ask(lambda book: book.connection.set_trace_callback(statements.append))
    statements.clear()
    return statements


def test_a_plain_email_costs_no_statement_of_recipients_and_schedules(path: Path) -> None:
    async def scenario(ledger: SqliteLedger) -> None:
        statements = await traced(ledger)
        await ledger.queued([queued()])
        await intend(ledger)
        await ledger.record([recorded()])
        kinds = [each.split(maxsplit=1)[0] for each in statements]

        assert not [each for each in statements if "recipients" in each or "schedule" in each]
        assert kinds.count("SELECT") == 4  # a load for each call, and the last number
        assert "PRAGMA" not in kinds

    play(path, scenario)


def test_takes_of_one_provider_cost_the_same_statements_however_many_they_are(path: Path) -> None:
    one = Take("ses", 1, rate=14.0, quota=1_000)

    async def scenario(ledger: SqliteLedger) -> None:
        await ledger.take([one], now=NOW)
        statements = await traced(ledger)
        costs = []
        for number in (1, 10):
            statements.clear()
            await ledger.take([one] * number, now=NOW)
            costs.append([each.split(maxsplit=1)[0] for each in statements])

        assert costs[0] == costs[1]
        assert costs[0] == ["BEGIN", "DELETE", "SELECT", "REPLACE", "INSERT", "COMMIT"]

    play(path, scenario)


async def keep(ledger: SqliteLedger) -> None:
    await ledger.schedule([scheduled("m-2")])


async def call_back(ledger: SqliteLedger) -> None:
    assert await ledger.cancel("m-1", now=NOW) is Cancellation.CANCELED


@pytest.mark.parametrize("promise", [keep, call_back])
def test_what_a_sender_is_promised_is_on_the_disk_first(path: Path, promise: Any) -> None:
    async def scenario(ledger: SqliteLedger) -> None:
        await ledger.schedule([scheduled()])
        statements = await traced(ledger)

        await promise(ledger)

        assert statements[:2] == ["PRAGMA synchronous = FULL", "BEGIN IMMEDIATE"]
        assert statements[-2:] == ["COMMIT", "PRAGMA synchronous = NORMAL"]

    play(path, scenario)


def test_a_page_by_recipient_and_more_looks_at_a_bounded_number_of_emails(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_reads, "MOST_SCANNED", 5)
    ann = "ann@example.org"
    about = About(recipients=(ann,))

    async def scenario(ledger: SqliteLedger) -> None:
        await ledger.record([recorded("further", number=0, queued_at=NOW - 2, about=about)])
        await ledger.record([recorded("first", number=0, queued_at=NOW - 1, to_email=ann)])
        await ledger.queued([queued(f"first-{n}", NOW + n, to_email=ann) for n in range(6)])
        await ledger.queued([queued(f"further-{n}", NOW + 10 + n, about=about) for n in range(6)])

        seen, cursor = [], None
        while not seen or cursor:
            page = await ledger.emails(
                Filter(to_email=ann, status=Status.SENT), cursor=cursor, limit=50
            )
            seen.append([email.id for email in page.emails])
            cursor = page.next_cursor

        assert seen == [[], [], ["first", "further"]]

    play(path, scenario)


# -- versions --------------------------------------------------------------------------------------


def test_an_older_file_takes_the_steps_that_it_lacks(connection: sqlite3.Connection) -> None:
    migrate(connection, migrations=OLDER)

    migrate(connection, migrations=NEWER)

    assert connection.execute("SELECT * FROM old").fetchall() == [("kept", "added")]
    assert connection.execute("PRAGMA user_version").fetchone() == (2,)


def test_a_file_of_the_first_version_keeps_its_emails_and_takes_new_ones(
    path: Path, connection: sqlite3.Connection
) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    migrate(connection, migrations=MIGRATIONS[:1])
    connection.execute(
        "INSERT INTO emails VALUES (1, 'm-1', ?, ?, 'sending', 'shop@example.com', "
        "'reader@example.org', 'ses', '', '', 1, 0, ?, 0, 'host-1', 0)",
        (NOW, NOW + 10, NOW + 10),
    )

    async def scenario(ledger: SqliteLedger) -> None:
        assert (await found(ledger)).about is None
        assert await intend(ledger, owner="host-2", at=NOW + 11) == Known(under_way=True)
        await ledger.record([recorded()])
        await ledger.schedule([scheduled("m-2", recipients=("reader@example.org",))])

        assert (await found(ledger)).status is Status.SENT
        assert await listed(ledger, to_email="reader@example.org") == ["m-2", "m-1"]
        [due] = await ledger.due(2 * NOW, now=NOW, lease=1, limit=9)
        assert due.id == "m-2"

    play(path, scenario)


def test_a_file_of_the_version_before_keeps_its_emails_and_shares_out_rates(
    path: Path, connection: sqlite3.Connection
) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    migrate(connection, migrations=MIGRATIONS[:2])
    connection.execute(
        "INSERT INTO emails VALUES (1, 'm-1', ?, ?, 'queued', 'shop@example.com', "
        "'reader@example.org', '', '', '', 0, 0, NULL, 0, '', 0, NULL)",
        (NOW, NOW),
    )

    async def scenario(ledger: SqliteLedger) -> None:
        assert await ledger.take([Take("ses", 1, 14.0, quota=9)], now=NOW) == [Turn(0.0)]
        assert (await found(ledger)).status is Status.QUEUED

    play(path, scenario)


@pytest.mark.parametrize("more", [{}, {"share": 0.5, "why": "500", "of_tomorrow": [1]}])
def test_reports_of_older_and_newer_processes_are_read(
    path: Path, connection: sqlite3.Connection, more: dict[str, Any]
) -> None:
    told = {
        "provider": "ses", "healthy": True, "verdict": 3, "failing_rounds": 1, "good_rounds": 2,
        "in_hand": 40, "room": 60, "paused_for": 1.5,
    }  # fmt: skip
    report = {"owner": "host-1", "at": NOW, "exits": [told | more]}

    async def scenario(ledger: SqliteLedger) -> None:
        connection.execute(
            "INSERT INTO processes VALUES ('host-1', ?, ?)", (NOW, json.dumps(report))
        )
        known = {name: value for name, value in more.items() if name != "of_tomorrow"}
        exits = (ExitReport(**told | known),)

        assert (await ledger.stats(NOW)).processes == (ProcessReport("host-1", NOW, exits),)

    play(path, scenario)


def test_a_step_that_fails_leaves_the_file_as_it_was(connection: sqlite3.Connection) -> None:
    migrate(connection, migrations=OLDER)
    broken = (*OLDER, ("ALTER TABLE old ADD COLUMN more TEXT", "INSERT INTO nowhere VALUES (1)"))

    with pytest.raises(sqlite3.OperationalError, match="nowhere"):
        migrate(connection, migrations=broken)

    assert connection.execute("SELECT * FROM old").fetchall() == [("kept",)]
    assert connection.execute("PRAGMA user_version").fetchone() == (1,)


def test_a_file_of_a_newer_gomail_stops_the_start(
    path: Path, connection: sqlite3.Connection
) -> None:
    connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")

    with pytest.raises(ConfigurationError, match=r"ledger\.db has schema .* run the newer gomail"):
        SqliteLedger(path)


def test_many_may_open_a_new_file_at_once(path: Path) -> None:
    start = threading.Barrier(8)
    faults: list[Exception] = []

    def open_it() -> None:
        start.wait(timeout=30)
        try:
            open_file(path, busy=5).close()
        except Exception as error:  # noqa: BLE001 - told to the test, whatever it is
            faults.append(error)

    threads = [threading.Thread(target=open_it) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()

    assert faults == []


@pytest.mark.parametrize(("part", "pause"), [(0.4, PAUSE), (0.6, SHORT_PAUSE), (1.2, SHORT_PAUSE)])
def test_checkpoints_follow_closely_where_the_log_is_long(part, pause):
    assert pause_after(int(part * WRITE_AHEAD_PAGES)) == pause
