"""Live events over a real server: from now on, since an event, for some emails, without an end."""

import asyncio
import logging

import pytest

from gomail.ledger import Event, EventKind, LedgerUnavailable, Queued
from gomail.ledger.sqlite import SqliteLedger
from ingest import feed as feeding
from ingest.feed import Feed
from ingest.pace import Pace
from ingest.quiet import QuietLog
from tests.ingest import ledgers
from tests.ingest.ledgers import NOON, accepted, app_over, queued
from tests.ingest.serving import Follower, serving

QUICK = Pace(poll=0.005, after_failure=0.005)
BEATING = Pace(poll=0.005, heartbeat=0.02)


class Stage:
    """A served application, its ledger, and whoever follows it."""

    def __init__(self, tmp_path, pace):
        self.ledger = ledgers.breakable(tmp_path)
        self.app = app_over(self.ledger, pace=pace)
        self.port = 0
        self.followers = []

    async def tell(self, *ids):
        await self.ledger.real.queued([queued(each) for each in ids])

    async def open(self, query="", headers="", **more):
        self.followers.append(await Follower.open(self.port, query, headers, **more))
        return self.followers[-1]

    async def follow(self, query="", headers="", **more):
        follower = await self.open(query, headers, **more)
        assert (await follower.head())[0] == 200
        return follower, (await follower.block())[0]

    @property
    def feed(self):
        return self.app.state.parts.memory.feed

    async def until(self, true):
        while not true():  # noqa: ASYNC110 - what is waited for tells nobody
            await asyncio.sleep(0)


def play(tmp_path, scenario, pace=QUICK):
    async def scene():
        stage = Stage(tmp_path, pace)
        async with serving(stage.app) as stage.port:
            try:
                await scenario(stage)
            finally:
                for follower in stage.followers:
                    await follower.leave()

    asyncio.run(scene())


def ids(events):
    return [event["data"]["id"] for event in events]


def test_an_event_is_told_as_it_happens(tmp_path):
    async def scenario(stage):
        await stage.tell("before")
        follower = await stage.open()
        status, headers = await follower.head()
        opening = (await follower.block())[0]

        await stage.ledger.real.record([accepted("m1")])
        (event,) = await follower.events(1)

        assert status == 200
        assert headers["content-type"] == "text/event-stream; charset=utf-8"
        assert headers["cache-control"] == "no-store"
        assert opening == {"retry": "2000", "id": "1"}
        assert (event["event"], event["id"]) == ("status", "2")
        assert event["data"] == {
            "id": "m1",
            "status": "sent",
            "provider": "ses",
            "code": "200",
            "detail": None,
            "number": 1,
            "possibleDuplicate": False,
            "at": "2026-01-31T12:00:00.250Z",
        }

    play(tmp_path, scenario)


def test_a_verdict_is_told_too(tmp_path):
    async def scenario(stage):
        follower, _ = await stage.follow()

        await stage.ledger.real.verdict(
            provider="ses", healthy=False, verdict=4, owner="mail-1:7", at=NOON
        )
        (event,) = await follower.events(1)

        assert event["event"] == "verdict"
        assert event["data"] == {
            "provider": "ses",
            "healthy": False,
            "verdict": 4,
            "owner": "mail-1:7",
            "at": "2026-01-31T12:00:00.000Z",
        }

    play(tmp_path, scenario)


def test_the_first_event_of_an_empty_ledger_is_not_missed(tmp_path):
    async def scenario(stage):
        follower, opening = await stage.follow()
        await stage.tell("a", "b", "c")

        assert opening["id"] == "0"
        assert ids(await follower.events(3)) == ["a", "b", "c"]

    play(tmp_path, scenario)


@pytest.mark.parametrize(
    ("query", "headers"),
    [
        ("?after=2", ""),
        ("", "Last-Event-ID: 2\r\n"),
        ("?after=1", "Last-Event-ID: 2\r\n"),
    ],
)
def test_a_reader_that_comes_back_gets_what_it_missed_once_and_in_order(tmp_path, query, headers):
    async def scenario(stage):
        await stage.tell("a", "b", "c", "d")
        follower, _ = await stage.follow(query, headers)
        await stage.tell("e")

        assert ids(await follower.events(3)) == ["c", "d", "e"]

    play(tmp_path, scenario)


def test_much_that_was_missed_comes_by_pages_while_more_happens(tmp_path, monkeypatch):
    monkeypatch.setattr(feeding, "PAGE", 7)

    async def scenario(stage):
        await stage.tell(*(f"m{n}" for n in range(100)))
        watcher, _ = await stage.follow()
        follower, _ = await stage.follow("?after=0")

        async def more():
            for number in range(100, 150):
                await stage.tell(f"m{number}")

        telling = asyncio.create_task(more())
        caught_up = await follower.events(150)
        watched = await watcher.events(50)
        await telling

        assert ids(caught_up) == [f"m{n}" for n in range(150)]
        assert ids(watched) == [f"m{n}" for n in range(100, 150)]

    play(tmp_path, scenario)


def test_a_reader_may_follow_some_emails_only(tmp_path):
    async def scenario(stage):
        follower, _ = await stage.follow("?id=b&id=d")
        await stage.ledger.real.verdict(provider="ses", healthy=True, verdict=1, owner="x", at=1)
        await stage.tell("a", "b", "c", "d")

        assert ids(await follower.events(2)) == ["b", "d"]

    play(tmp_path, scenario)


def test_silence_is_broken_by_a_comment_that_moves_the_place_to_resume_at(tmp_path):
    async def scenario(stage):
        follower, opening = await stage.follow("?id=other")
        first = (await follower.block())[0]
        await stage.tell("a", "b")
        beats = first
        while beats["id"] != "2":
            beats = (await follower.block())[-1]

        assert opening["id"] == first["id"] == "0"
        assert first[""] == "still here"

    play(tmp_path, scenario, BEATING)


def test_all_readers_share_one_look_and_without_readers_nobody_looks(tmp_path):
    async def scenario(stage):
        followers = [(await stage.follow())[0] for _ in range(10)]
        before = len(stage.ledger.asked("events"))
        await stage.tell("a")
        for follower in followers:
            assert ids(await follower.events(1)) == ["a"]
        looks = len(stage.ledger.asked("events")) - before
        for follower in followers:
            await follower.leave()
        await stage.until(lambda: len(stage.feed) == 0)
        at_rest = len(stage.ledger.asked("events"))
        await asyncio.sleep(QUICK.poll * 4)

        assert looks < 10
        assert len(stage.ledger.asked("events")) == at_rest

    play(tmp_path, scenario, Pace(poll=0.05))


def test_a_reader_that_leaves_frees_its_place_and_a_new_one_starts_from_now(tmp_path):
    async def scenario(stage):
        first, _ = await stage.follow()
        await first.leave()
        await stage.until(lambda: len(stage.feed) == 0)
        await stage.tell("meanwhile")

        second, opening = await stage.follow()
        await stage.tell("later")

        assert opening["id"] == "1"
        assert ids(await second.events(1)) == ["later"]

    play(tmp_path, scenario)


def test_a_reader_that_does_not_keep_up_is_dropped_and_the_others_are_not_kept_waiting(
    tmp_path, caplog
):
    async def scenario(stage):
        slow, _ = await stage.follow(small=True)
        quick, _ = await stage.follow()
        told = 0
        while len(stage.feed) == 2:
            notes = [Queued(f"{told + n}" + "x" * 900, 1, "a", "b") for n in range(400)]
            await stage.ledger.real.queued(notes)
            told += 400
            assert len(await quick.events(400)) == 400
            assert told < 40_000, "nobody was dropped"
        await slow.leave()

    play(tmp_path, scenario)
    assert "dropped a reader of events that did not keep up" in caplog.text


def test_a_ledger_that_is_down_for_a_while_costs_no_reader_its_line_nor_an_event(tmp_path, caplog):
    async def scenario(stage):
        follower, _ = await stage.follow()
        stage.ledger.down = {"events"}
        await stage.tell("a")
        await stage.until(lambda: "the ledger does not tell events" in caplog.text)
        stage.ledger.down = set()

        assert ids(await follower.events(1)) == ["a"]

    play(tmp_path, scenario)


def test_a_reader_who_was_told_503_holds_no_place(tmp_path):
    async def scenario(stage):
        warm, _ = await stage.follow()
        stage.ledger.down = {"events"}
        refused = await stage.open()
        await warm.leave()

        assert (await refused.head())[0] == 503
        await stage.until(lambda: len(stage.feed) == 0)

    play(tmp_path, scenario)


def test_beyond_what_may_read_at_once_there_is_a_503(tmp_path, monkeypatch):
    async def scenario(stage):
        monkeypatch.setattr(stage.feed, "_most_readers", 1)
        follower, _ = await stage.follow()
        status, headers = await (await stage.open()).head()

        assert status == 503
        assert headers["retry-after"]
        await follower.leave()

    async def first(stage):
        # The lifespan has begun once a first request is answered.
        warm, _ = await stage.follow()
        await warm.leave()
        await stage.until(lambda: len(stage.feed) == 0)
        await scenario(stage)

    play(tmp_path, first)


def test_when_the_process_is_to_end_streams_end_in_order(tmp_path):
    async def scenario(stage):
        follower, _ = await stage.follow()
        stage.feed.close()

        await follower.ended()
        status, _ = await (await stage.open()).head()
        assert status == 503

    play(tmp_path, scenario)


def feed_over(ledger):
    return Feed(ledger, pace=QUICK, log=QuietLog(logging.getLogger("x"), now=lambda: 0.0))


def test_a_place_that_the_ledger_never_gave_out_leads_to_the_present():
    class Future:
        """A ledger that was made anew: nothing comes after what a reader remembers."""

        def __init__(self):
            self.told = []

        async def events(self, after, *, limit):
            if after is None:
                return self.told[-1:]
            known = [event.sequence for event in self.told]
            start = known.index(after) + 1 if after in known else 0 if after == "0" else limit
            return self.told[start : start + limit]

    async def scene():
        ledger = Future()
        ledger.told = [Event("1", EventKind.STATUS, NOON, {"id": "a"})]
        feed = feed_over(ledger)
        reader = await feed.open("99", frozenset())
        stream = feed.follow(reader)
        await anext(stream)
        nothing = asyncio.create_task(anext(stream))
        while not reader.joined:  # noqa: ASYNC110
            await asyncio.sleep(0)
        ledger.told.append(Event("2", EventKind.STATUS, NOON, {"id": "b"}))
        frames = await nothing
        feed.leave(reader)
        return frames

    assert b'"id":"b"' in asyncio.run(scene())


class Held:
    """A ledger that answers once it is let go, and counts what it is asked."""

    def __init__(self):
        self.asked = 0
        self.go = asyncio.Event()

    async def events(self, after, *, limit):
        assert limit
        self.asked += 1
        await self.go.wait()
        return [] if after else [Event("1", EventKind.STATUS, NOON, {"id": "a"})]


@pytest.mark.parametrize("after", [None, "1"])
def test_those_who_come_to_a_ledger_that_hangs_are_told_so_together(monkeypatch, after):
    monkeypatch.setattr(feeding, "ASKED", 0.05)

    async def scene():
        feed = feed_over(Held())
        loop = asyncio.get_running_loop()
        began = loop.time()
        told = await asyncio.gather(
            *(feed.open(after, frozenset()) for _ in range(100)), return_exceptions=True
        )
        return {type(one) for one in told}, loop.time() - began, len(feed)

    kinds, took, readers = asyncio.run(scene())
    assert (kinds, readers) == ({LedgerUnavailable}, 0)
    assert took < 100 * 0.05 / 2


def test_those_who_come_together_begin_by_one_look():
    async def scene():
        ledger = Held()
        feed = feed_over(ledger)
        opening = [asyncio.create_task(feed.open(None, frozenset())) for _ in range(100)]
        while len(feed) < 100:  # noqa: ASYNC110
            await asyncio.sleep(0)
        ledger.go.set()
        readers = await asyncio.gather(*opening)
        asked = ledger.asked
        for one in readers:
            feed.leave(one)
        return asked, {(one.joined, one.place) for one in readers}

    asked, readers = asyncio.run(scene())
    assert readers == {(True, "1")}
    assert asked == 2, "where is the end, and what came since"


def test_those_who_catch_up_while_the_ledger_hangs_hear_that_their_line_stands(monkeypatch):
    async def scene():
        ledger = Held()
        ledger.go.set()
        feed = feed_over(ledger)
        readers = [await feed.open("1", frozenset()) for _ in range(100)]
        streams = [feed.follow(one) for one in readers]
        for one in streams:
            await anext(one)
        ledger.go.clear()
        monkeypatch.setattr(feeding, "ASKED", 0.05)
        loop = asyncio.get_running_loop()
        began = loop.time()
        said = await asyncio.gather(*(anext(one) for one in streams))
        took = loop.time() - began
        for one in readers:
            feed.leave(one)
        return said, took

    said, took = asyncio.run(scene())
    assert set(said) == {b": still here\nid: 1\n\n"}
    assert took < 100 * 0.05 / 2


def test_a_stream_begins_where_its_reader_came_whatever_was_told_before_it_began():
    async def scene():
        ledger = Held()
        ledger.go.set()
        feed = feed_over(ledger)
        reader = await feed.open(None, frozenset())
        event = Event("2", EventKind.STATUS, NOON, {"id": "b"})
        reader.offer(event, b"the second", most=10)
        stream = feed.follow(reader)
        begun, told = await anext(stream), await anext(stream)
        feed.leave(reader)
        return begun, told

    begun, told = asyncio.run(scene())
    assert begun.endswith(b"id: 1\n\n")
    assert told == b"the second"


def test_a_ledger_of_the_kind_that_is_used_knows_the_beginning(tmp_path):
    async def scene():
        ledger = SqliteLedger(tmp_path / "ledger.db")
        await ledger.queued([queued("a"), queued("b")])
        events = await ledger.events(feeding.BEGINNING, limit=10)
        await ledger.close()
        return [event.data["id"] for event in events]

    assert asyncio.run(scene()) == ["a", "b"]
