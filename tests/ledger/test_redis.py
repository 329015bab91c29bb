"""The Redis ledger beyond the contract: servers that stop, hang, refuse, or hold other keys."""

import asyncio
import json
import logging
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gomail.errors import ConfigurationError
from gomail.ledger import (
    About,
    Claim,
    ClaimState,
    ExitReport,
    Filter,
    Intent,
    LedgerUnavailable,
    ProcessReport,
    Queued,
    Recorded,
    Scheduled,
    Status,
    Take,
)
from gomail.ledger.redis import PRUNE_STEP, SCAN, RedisLedger, open_redis
from gomail.ledger.redis.grouping import MOST, ROOM, Group
from gomail.ledger.redis.schema import STEPS
from gomail.ledger.redis.server import Server
from gomail.outcome import OutcomeClass
from tests.ledger.servers import RedisServer, redis_server

ROOT = Path(__file__).parents[2]
TIMEOUT = 0.3


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def server(shared):
    """A running, empty server."""
    with shared.client() as client:
        client.flushall()
    return shared


@pytest.fixture
def own_server(tmp_path):
    """A server that the test may stop."""
    with redis_server(tmp_path) as server:
        yield server


def ledger_on(server: RedisServer, **options) -> RedisLedger:
    """A ledger that tries a lost server again at once."""
    given = {"prefix": "gomail:", "timeout": TIMEOUT, "events": 100, "pause": 0.0} | options
    return RedisLedger(Server(server.url, **given))


def with_ledger(ledger, scenario):
    async def run():
        try:
            return await scenario(ledger)
        finally:
            await ledger.close()

    return asyncio.run(run())


def queued(number: int, **changes) -> Queued:
    given = {"at": 1_000 + number, "from_email": "from@example.com", "to_email": "to@example.com"}
    return Queued(f"id-{number:06}", **given | changes)


def intent(email_id: str, *, receive_count: int = 1) -> Intent:
    return Intent(email_id, "ses", 2_000, receive_count, "owner", 1_000, "from@x.org", "to@x.org")


def recorded(email_id: str, **changes) -> Recorded:
    given = {"status": Status.RETRYING, "at": 3_000, "provider": "ses", "started": 2_500}
    return Recorded(email_id, **given | {"kind": OutcomeClass.FAILED} | changes)


def ids(page) -> list[str]:
    return [email.id for email in page.emails]


# -- servers that fail ---------------------------------------------------------------------------


def test_a_stopped_server_is_unavailable_at_once_and_works_again_after_its_return(own_server):
    async def scenario(ledger):
        await ledger.queued([queued(1)])
        own_server.stop()
        began = time.monotonic()
        for _ in range(20):
            with pytest.raises(LedgerUnavailable):
                await ledger.intend([intent("id-000001")])
        took = time.monotonic() - began
        await asyncio.to_thread(own_server.start)
        return took, await ledger.intend([intent("a")]), await ledger.email("a")

    took, known, email = with_ledger(ledger_on(own_server), scenario)

    assert took < TIMEOUT
    assert known["a"].number == 1
    assert email.status is Status.SENDING


def test_connections_that_a_restart_has_closed_cost_no_call(own_server):
    """A process that asked nothing meanwhile does not meet the restart at all."""

    async def scenario(ledger):
        await asyncio.gather(*(ledger.stats(1_000) for _ in range(4)))
        own_server.stop()
        await asyncio.to_thread(own_server.start)
        await ledger.queued([queued(1)])
        await asyncio.gather(*(ledger.stats(1_000) for _ in range(4)))
        return await ledger.email("id-000001")

    assert with_ledger(ledger_on(own_server), scenario) is not None


def test_whoever_comes_at_once_to_a_server_that_has_forgotten_everything_is_served(server):
    async def scenario(ledger):
        for _ in range(20):
            server.client().flushall()
            await asyncio.gather(*(ledger.stats(1_000) for _ in range(8)))

    with_ledger(ledger_on(server), scenario)


def test_a_server_that_is_down_at_start_is_used_once_it_is_there(tmp_path, caplog):
    server = RedisServer(tmp_path)

    async def scenario(ledger):
        with pytest.raises(LedgerUnavailable):
            await ledger.queued([queued(1)])
        await asyncio.to_thread(server.start)
        await ledger.queued([queued(1)])
        return await ledger.email("id-000001")

    try:
        with caplog.at_level(logging.WARNING):
            open_redis(server.url, timeout=TIMEOUT)
        email = with_ledger(ledger_on(server), scenario)
    finally:
        server.stop()

    assert "not available at start" in caplog.text
    assert email.status is Status.QUEUED


def test_nobody_waits_longer_than_the_timeout_for_a_server_that_hangs(own_server):
    async def scenario(ledger):
        await ledger.queued([queued(1)])
        own_server.freeze()
        began = time.monotonic()
        calls = [ledger.intend([intent(f"id-{n}")]) for n in range(3 * MOST)]
        outcomes = await asyncio.gather(*calls, ledger.email("x"), return_exceptions=True)
        took = time.monotonic() - began
        own_server.thaw()
        return took, outcomes, await ledger.email("id-000001")

    took, outcomes, email = with_ledger(ledger_on(own_server), scenario)

    assert {type(outcome) for outcome in outcomes} == {LedgerUnavailable}
    assert took < 2 * TIMEOUT
    assert email is not None


def test_calls_fail_at_once_for_a_moment_after_a_server_did_not_answer(own_server):
    async def scenario(ledger):
        own_server.freeze()
        with pytest.raises(LedgerUnavailable):
            await ledger.email("x")
        began = time.monotonic()
        with pytest.raises(LedgerUnavailable):
            await ledger.intend([intent("x")])
        own_server.thaw()
        return time.monotonic() - began

    assert with_ledger(ledger_on(own_server, pause=60.0), scenario) < TIMEOUT / 3


@pytest.mark.parametrize(
    ("command", "undo"),
    [
        (("CONFIG", "SET", "maxmemory", "1"), ("CONFIG", "SET", "maxmemory", "0")),
        (("REPLICAOF", "127.0.0.1", "1"), ("REPLICAOF", "NO", "ONE")),
        (("CONFIG", "SET", "min-replicas-to-write", "1"),
         ("CONFIG", "SET", "min-replicas-to-write", "0")),
    ],
    ids=["out of memory", "read only", "too few replicas"],
)  # fmt: skip
def test_a_server_that_takes_no_writes_is_unavailable_until_it_does(own_server, command, undo):
    async def scenario(ledger):
        with own_server.client() as client:
            await ledger.queued([queued(1)])
            client.execute_command(*command)
            with pytest.raises(LedgerUnavailable):
                await ledger.intend([intent("a")])
            client.execute_command(*undo)
        return await ledger.intend([intent("a")])

    assert with_ledger(ledger_on(own_server), scenario)["a"].number == 1


def test_a_server_busy_with_a_script_is_unavailable(own_server):
    async def scenario(ledger):
        await ledger.queued([queued(1)])
        with own_server.client() as client, own_server.client() as other:
            client.config_set("lua-time-limit", 1)
            endless = asyncio.create_task(
                asyncio.to_thread(_outcome, client.eval, "while true do end", 0)
            )
            with pytest.raises(LedgerUnavailable) as caught:
                await _ask_for_ever(ledger)
            other.script_kill()
            await endless
        return str(caught.value), await ledger.email("id-000001")

    text, email = with_ledger(ledger_on(own_server), scenario)

    assert "BUSY" in text or "Timeout" in text
    assert email is not None


async def _ask_for_ever(ledger):
    while True:
        await ledger.email("a")


def _outcome(call, *arguments):
    try:
        return call(*arguments)
    except Exception as error:  # noqa: BLE001 - the killed script's caller is told so
        return error


def test_a_server_that_has_forgotten_everything_is_written_anew(server):
    async def scenario(ledger):
        await ledger.queued([queued(1)])
        with server.client() as client:
            client.flushall()
            client.script_flush()
        return await ledger.intend([intent("id-000001", receive_count=2)])

    assert with_ledger(ledger_on(server), scenario)["id-000001"].possible_duplicate


# -- access --------------------------------------------------------------------------------------


def test_a_password_in_the_url_lets_us_in_and_appears_in_no_error(tmp_path, caplog):
    with redis_server(tmp_path, password="s3cret-right") as server:
        right = server.url.replace("//", "//:s3cret-right@")
        wrong = server.url.replace("//", "//:s3cret-wrong@")
        email = with_ledger(open_redis(right), lambda ledger: ledger.email("x"))
        with pytest.raises(ConfigurationError) as refused:
            open_redis(wrong)
    with caplog.at_level(logging.DEBUG):
        down = open_redis(right)
    with pytest.raises(LedgerUnavailable) as unavailable:
        with_ledger(down, lambda ledger: ledger.queued([queued(1)]))

    assert email is None
    assert "LEDGER_PASSWORD" in str(refused.value)
    for text in (_all_of(refused.value), _all_of(unavailable.value), caplog.text):
        assert "s3cret" not in text


def _all_of(error: BaseException | None) -> str:
    if error is None:
        return ""
    shown = None if error.__suppress_context__ else error.__context__
    return repr(error) + _all_of(error.__cause__ or shown)


@pytest.mark.parametrize("url", ["http://:s3cret@host", "redis://:s3cret@host:port/0", "s3cret"])
def test_a_url_that_is_none_stops_the_start_and_is_not_repeated(url):
    with pytest.raises(ConfigurationError) as caught:
        open_redis(url)

    assert "s3cret" not in _all_of(caught.value)


# -- schema --------------------------------------------------------------------------------------

RENAME = """
local moved = redis.call('SPOP', ARGV[1] .. 'old')
if not moved then return 0 end
redis.call('SADD', ARGV[1] .. 'new', moved)
return 1
"""


def test_keys_of_an_older_schema_are_migrated_in_steps(server):
    with server.client() as client:
        client.set("gomail:schema", 1 + len(STEPS))
        client.sadd("gomail:old", "a", "b", "c")

        given = {"prefix": "gomail:", "timeout": TIMEOUT, "events": 100}
        Server(server.url, steps=(*STEPS, RENAME), **given).settle_schema()

        assert client.smembers("gomail:new") == {b"a", b"b", b"c"}
        assert client.get("gomail:schema") == b"%d" % (2 + len(STEPS))


def test_keys_of_a_newer_schema_stop_the_start(server):
    with server.client() as client:
        client.set("gomail:schema", 99)

    with pytest.raises(ConfigurationError, match="schema 99"):
        open_redis(server.url)


def test_a_process_that_runs_while_a_newer_one_migrates_stops_writing(server):
    async def scenario(ledger):
        await ledger.queued([queued(1)])
        with server.client() as client:
            client.set("gomail:schema", 99)
        with pytest.raises(LedgerUnavailable, match="schema 99"):
            await ledger.intend([intent("id-000001")])

    with_ledger(ledger_on(server), scenario)


def test_ledgers_with_different_prefixes_do_not_meet(server):
    async def scenario(ledger):
        await ledger.queued([queued(1)])
        with server.client() as client:
            assert all(key.startswith(b"mine:") for key in client.scan_iter())

    with_ledger(ledger_on(server, prefix="mine:"), scenario)

    other = with_ledger(ledger_on(server), lambda ledger: ledger.email("id-000001"))
    assert other is None


# -- many processes, many callers ----------------------------------------------------------------

CLAIMER = """
import asyncio, sys
from gomail.ledger.redis import open_redis

async def main(url, message_id):
    ledger = open_redis(url, timeout=5)
    await ledger.email("x")
    print("ready", flush=True)
    sys.stdin.readline()
    for number in range(200):
        claim = await ledger.claim(
            f"key-{number}", fingerprint="f", message_id=message_id, now=1, lease=9_000, keep=9_000
        )
        print(claim.state.value, claim.message_id)
    await ledger.close()

asyncio.run(main(*sys.argv[1:]))
"""


def test_of_two_processes_that_claim_a_key_at_once_one_gets_it(server):
    def started(name):
        return subprocess.Popen(
            [sys.executable, "-W", "error", "-c", CLAIMER, server.url, name],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    with started("a") as first, started("b") as second:
        for process in (first, second):
            assert process.stdout.readline() == "ready\n"
        for process in (first, second):
            process.stdin.write("go\n")
            process.stdin.flush()
        claims = list(zip(first.stdout, second.stdout, strict=True))

    assert len(claims) == 200
    for pair in claims:
        assert sorted(line.split()[0] for line in pair) == ["in", "new"]
        assert len({line.split()[-1] for line in pair}) == 1


def test_whoever_asks_while_a_call_is_under_way_shares_the_next_one():
    calls = []

    async def call(items):
        calls.append(len(items))
        await asyncio.sleep(0)
        return [item * 2 for item in items]

    async def scenario():
        group = Group(call)
        return await asyncio.gather(*(group.ask([n, n + 1]) for n in range(10)))

    answers = asyncio.run(scenario())

    assert answers == [[2 * n, 2 * n + 2] for n in range(10)]
    assert calls == [20]


@pytest.mark.parametrize(("droppable", "told"), [(True, ["a"]), (False, ["a", "b"])])
def test_a_caller_that_goes_on_before_its_turn_takes_back_what_is_droppable(droppable, told):
    seen = []

    async def scenario():
        called, go_on = asyncio.Event(), asyncio.Event()

        async def call(items):
            seen.extend(items)
            called.set()
            await go_on.wait()
            return items

        group = Group(call, droppable=droppable)
        first = asyncio.create_task(group.ask(["a"]))
        await called.wait()
        second = asyncio.create_task(group.ask(["b"]))
        await asyncio.sleep(0)
        second.cancel()
        go_on.set()
        await group.close()
        return await first

    assert asyncio.run(scenario()) == ["a"]
    assert seen == told


def test_more_than_may_wait_is_refused_at_once():
    async def scenario():
        stuck = asyncio.Event()

        async def call(items):
            await stuck.wait()
            return items

        group = Group(call)
        waiting = [asyncio.create_task(group.ask(list(range(MOST)))) for _ in range(ROOM // MOST)]
        await asyncio.sleep(0)
        with pytest.raises(LedgerUnavailable):
            await group.ask([1])
        stuck.set()
        return await asyncio.gather(*waiting)

    assert len(asyncio.run(scenario())) == ROOM // MOST


def test_a_fault_of_ours_reaches_its_callers_and_the_group_serves_on():
    async def call(items):
        return [1 // item for item in items]

    async def scenario():
        group = Group(call)
        with pytest.raises(ZeroDivisionError):
            await group.ask([0])
        return await group.ask([1])

    assert asyncio.run(scenario()) == [1]


# -- the schedule --------------------------------------------------------------------------------


def scheduled(number: int) -> Scheduled:
    return Scheduled(queued(number, about=About(send_at=50_000)), "body")


def test_a_server_that_cannot_say_what_is_on_its_disk_is_warned_of_once_and_used(server, caplog):
    async def scenario(ledger):
        for number in range(3):
            await ledger.schedule([scheduled(number)])
        return await ledger.due(50_000, now=50_000, lease=1, limit=9)

    with caplog.at_level(logging.WARNING):
        given = {"prefix": "gomail:", "timeout": TIMEOUT, "events": 100}
        one = Server(server.url, **given)
        one.settle_schema()
        taken = with_ledger(RedisLedger(one), scenario)

    assert len(taken) == 3
    assert [record.getMessage().split(":")[0] for record in caplog.records] == [
        "scheduled emails are only as durable as the persistence of the ledger's server"
    ]


def test_an_email_that_its_server_has_lost_meanwhile_is_not_promised(server):
    async def scenario(ledger):
        await ledger.schedule([scheduled(1)])
        with server.client() as client:
            client.delete("gomail:email:id-000001")
        with pytest.raises(LedgerUnavailable, match="lost"):
            await ledger._server.sync(["email:id-000001"])

    with_ledger(ledger_on(server), scenario)


def test_nothing_of_a_schedule_is_left_when_its_emails_are_forgotten(server):
    async def scenario(ledger):
        await ledger.schedule([scheduled(number) for number in range(30)])
        await ledger.due(50_000, now=1, lease=1_000, limit=20)
        await ledger.released([queued(number).id for number in range(20)], at=2)
        for number in range(20, 30):
            await ledger.cancel(queued(number).id, now=3)
        return await ledger.prune(50_001, limit=100)

    with_ledger(ledger_on(server), scenario)

    with server.client() as client:
        assert set(client.keys()) == {
            b"gomail:schema", b"gomail:counts", b"gomail:events", b"gomail:synced",
        }  # fmt: skip


def test_pruning_passes_over_what_waits_however_much_it_is(server):
    async def scenario(ledger):
        await ledger.schedule([scheduled(number) for number in range(2 * PRUNE_STEP)])
        await ledger.queued([queued(9_000), queued(9_001)])
        await ledger.prune(20_000, limit=2)
        return ids(await ledger.emails(Filter(status=Status.QUEUED), cursor=None, limit=9))

    assert with_ledger(ledger_on(server, timeout=5.0), scenario) == []


def test_emails_of_the_release_before_stay_readable_and_go_on(server):
    old = ["retrying", 1, 2, "a@x.org", "b@x.org", "ses", "503", "Down.",
           [[1, "ses", 1, -1, "", "", "", "", 0]]]  # fmt: skip

    async def scenario(ledger):
        await ledger.email("x")
        with server.client() as client:
            client.set("gomail:schema", 1)
            client.set("gomail:email:old", json.dumps(old))
            client.zadd("gomail:all", {"old": 1})
        before = await ledger.email("old")
        known = (await ledger.intend([intent("old")]))["old"]
        return before, known, await ledger.email("old")

    before, known, after = with_ledger(ledger_on(server), scenario)

    assert (before.about, before.attempts[0].kind) == (None, None)
    assert (known.number, known.unanswered, known.under_way) == (2, True, False)
    assert after.status is Status.SENDING


# -- what it keeps -------------------------------------------------------------------------------


def test_a_further_filter_looks_at_a_bounded_number_of_emails_a_page(server):
    async def scenario(ledger):
        await ledger.queued([queued(n) for n in range(2 * SCAN + 500)])
        await ledger.queued([queued(9_000, at=1, from_email="FROM@example.com")])
        await ledger.record([recorded("id-009000", status=Status.SENT)])
        await ledger.record([recorded("other", status=Status.SENT, queued_at=2)])
        which = Filter(from_email="from@example.com", to_email="to@example.com")
        pages, cursor = [], None
        for _ in range(3):
            page = await ledger.emails(which, cursor=cursor, limit=SCAN + 500)
            pages.append(page)
            cursor = page.next_cursor
        return pages, await ledger.emails(
            Filter(status=Status.SENT, from_email="from@example.com"), cursor=None, limit=10
        )

    pages, sent = with_ledger(ledger_on(server, timeout=5.0), scenario)

    assert [len(page.emails) for page in pages] == [SCAN, SCAN, 501]
    assert len({email.id for page in pages for email in page.emails}) == 2 * SCAN + 501
    assert pages[-1].next_cursor is None
    assert ids(sent) == ["id-009000"]


def test_a_cursor_holds_its_place_among_emails_of_one_millisecond(server):
    async def scenario(ledger):
        await ledger.queued([queued(n, at=5) for n in range(300)])
        found, cursor = [], None
        while True:
            page = await ledger.emails(Filter(status=Status.QUEUED), cursor=cursor, limit=70)
            found += ids(page)
            cursor = page.next_cursor
            if cursor is None:
                return found
            # The email that the cursor names leaves the listing.
            await ledger.record([recorded(found[-1])])

    found = with_ledger(ledger_on(server), scenario)

    assert found == sorted((queued(n).id for n in range(300)), reverse=True)


def test_pruning_leaves_no_key_of_an_email_behind(server):
    async def scenario(ledger):
        await ledger.queued([queued(n, to_email=f"To{n}@x.org") for n in range(PRUNE_STEP + 50)])
        await ledger.record([recorded(queued(n).id) for n in range(50)])
        await ledger.prune(10_000, limit=PRUNE_STEP + 1)
        left = await ledger.emails(Filter(), cursor=None, limit=99)
        await ledger.prune(10_000, limit=PRUNE_STEP + 1)
        return ids(left)

    left = with_ledger(ledger_on(server), scenario)

    assert left == [queued(n).id for n in range(PRUNE_STEP + 49, PRUNE_STEP, -1)]
    with server.client() as client:
        assert set(client.keys()) == {b"gomail:schema", b"gomail:counts", b"gomail:events"}


def test_keys_and_reports_end_by_themselves(server):
    async def scenario(ledger):
        given = {"fingerprint": "f", "message_id": "m", "now": 1, "lease": 1_000, "keep": 50_000}
        await ledger.claim("k", **given)
        await ledger.answer("k", message_id="m", answer=b"\x00\xff")
        return await ledger.claim("k", **given)

    claim = with_ledger(ledger_on(server), scenario)

    assert claim == Claim(ClaimState.ANSWERED, "m", b"\x00\xff")
    with server.client() as client:
        assert 0 < client.pttl("gomail:key:k") <= 50_000


def test_the_stream_of_events_stays_short(server):
    async def scenario(ledger):
        await ledger.queued([queued(n) for n in range(2_000)])

    with_ledger(ledger_on(server, events=100), scenario)

    with server.client() as client:
        assert client.xlen("gomail:events") < 400


def test_a_record_without_a_number_that_is_told_twice_is_one_attempt(server):
    async def scenario(ledger):
        for _ in range(2):
            await ledger.record([recorded("a", number=0)])
        return await ledger.email("a")

    assert len(with_ledger(ledger_on(server), scenario).attempts) == 1


def test_text_that_json_cannot_carry_is_kept_readable(server):
    async def scenario(ledger):
        await ledger.record([recorded("a", detail="lone \ud800 half", code="\x00/é€")])
        return await ledger.email("a")

    email = with_ledger(ledger_on(server), scenario)

    assert (email.detail, email.code) == ("lone ? half", "\x00/é€")


def test_an_email_is_stored_as_json_that_people_can_read(server):
    with_ledger(ledger_on(server), lambda ledger: ledger.queued([queued(1)]))

    with server.client() as client:
        stored = json.loads(client.get("gomail:email:id-000001"))
    assert stored[:5] == ["queued", 1_001, 1_001, "from@example.com", "to@example.com"]


def test_rates_and_quotas_end_by_themselves(server):
    with_ledger(ledger_on(server), lambda ledger: ledger.take([Take("ses", 3, 0.1)], now=0))

    with server.client() as client:
        assert 0 < client.ttl("gomail:due:ses") <= 150
        assert 25 * 3_600 < client.ttl("gomail:used:ses") <= 26 * 3_600


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (["ses", True, 3, 1, 2, 40, 60, 1.5], ExitReport("ses", True, 3, 1, 2, 40, 60, 1.5)),
        (
            ["ses", False, 3, 1, 2, 40, 60, 1.5, 0.25, 14.0, True, 7, "500", "Mend it.", 8, "new"],
            ExitReport(
                "ses", False, 3, 1, 2, 40, 60, 1.5,
                share=0.25, rate=14.0, slow=True, unhealthy_since=7, why="500", mend="Mend it.",
                mend_since=8,
            ),
        ),
    ],
)  # fmt: skip
def test_reports_of_older_and_newer_processes_are_read(server, told, expected):
    async def scenario(ledger):
        await ledger.report(ProcessReport("host-1", 1_000, ()))
        with server.client() as client:
            client.set("gomail:process:host-1", json.dumps([told]))
        return (await ledger.stats(1_000)).processes

    [process] = with_ledger(ledger_on(server), scenario)

    assert process.exits == (expected,)
