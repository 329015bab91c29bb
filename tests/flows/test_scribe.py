"""A ledger in trouble: mail goes on, nothing is sent twice, and states come late, not never."""

import os
import threading
import time
from pathlib import Path

import pytest

from flows import scribe, spool
from tests.flows.fake_ledger import Broken, Deaf, Down, Lost, Silent, Slow
from tests.flows.fakes import answering
from tests.flows.running import ONE, dispatching, settings
from tests.ledger.notes import recorded

pytestmark = pytest.mark.timeout(60)

SHORT = 0.05


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    """What the scribe waits for between tries and at its end takes hundredths."""
    monkeypatch.setattr(scribe, "REST", 0.03)
    monkeypatch.setattr(scribe, "CLOSING_PATIENCE", 0.2)


def are_known_as_sent(ledger, ids):
    assert [ledger.record_of(id_).status for id_ in ids] == ["sent"] * len(ids)


TROUBLES = {
    "down": Down(),
    "with lost answers": Lost(),
    "silent": Silent(),
    "deaf": Deaf(),
    "slow": Slow(2 * SHORT),
    "broken": Broken(),
}


@pytest.mark.parametrize("trouble", TROUBLES.values(), ids=TROUBLES.keys())
def test_whatever_ails_the_ledger_everything_is_accepted_once(world, ledger, by, trouble):
    ledger.always(trouble)
    ids = world.mail(40)

    with dispatching(world, by=by, given=settings(patience=SHORT)) as dispatch:
        dispatch.until_settled()

    assert sorted(world.calls) == sorted(ids)


@pytest.mark.parametrize(
    "trouble", [Down(), Lost(), Broken()], ids=["down", "with lost answers", "broken"]
)
def test_what_a_ledger_in_trouble_missed_it_is_told_once_it_is_back(world, ledger, trouble):
    ledger.always(trouble)
    ids = world.mail(20)

    with dispatching(world) as dispatch:
        dispatch.until_settled()
        dispatch.until(lambda: ledger.asked["record"] >= 3)
        ledger.always(None)
        dispatch.until(lambda: late(dispatch) == 0)
        are_known_as_sent(ledger, ids)

    assert all(ledger.history(id_)[1][-1] == "accepted" for id_ in ids)


def late(dispatch):
    return len(dispatch.parts.scribe._late)


@pytest.mark.parametrize("trouble", [Silent(), Deaf()], ids=["silent", "deaf"])
def test_what_a_ledger_that_hung_missed_it_is_told_once_it_is_released(world, ledger, trouble):
    ledger.always(trouble, "record")
    ids = world.mail(20)

    with dispatching(world, given=settings(patience=SHORT)) as dispatch:
        dispatch.until_settled()
        ledger.always(None, "record")
        ledger.release()
        dispatch.until(lambda: {one.id for one in ledger.told} == set(ids))

    are_known_as_sent(ledger, ids)


def test_a_ledger_that_hangs_costs_each_batch_its_patience_and_no_more(world, ledger):
    ledger.always(Silent(), "intend", "record")
    patience, batches = 0.3, 3

    with dispatching(world, given=settings(patience=patience)) as dispatch:
        for number in range(batches):
            began = time.monotonic()
            world.mail(10, first=10 * number, queues=[ONE])
            dispatch.until(lambda number=number: len(world.calls) == 10 * (number + 1))
            assert 0.9 * patience < time.monotonic() - began < 1.8 * patience
        dispatch.until_settled()

    assert len(world.accepted) == 10 * batches


def test_a_call_behind_a_slow_one_is_waited_for_no_longer_than_patience_in_all(world, ledger):
    patience = 0.4
    ledger.script("intend", Slow(0.75 * patience), Silent())

    with dispatching(world, given=settings(patience=patience)) as dispatch:
        world.mail(1, queues=[ONE])
        dispatch.until(lambda: ledger.asked["intend"] == 1)
        began = time.monotonic()
        world.mail(1, first=1, queues=[ONE])
        dispatch.until(lambda: "m-1" in world.calls)
        assert time.monotonic() - began < 1.4 * patience


def test_after_a_failure_the_ledger_is_left_alone_for_a_while(world, ledger, monkeypatch):
    monkeypatch.setattr(scribe, "REST", 30.0)
    ledger.script("intend", Down())
    world.mail(1)

    with dispatching(world) as dispatch:
        dispatch.until_settled()
        world.mail(20, first=1)
        dispatch.until_settled()
        assert (ledger.asked["intend"], ledger.asked["record"]) == (1, 0)

    # At its end the process tries once more, whether or not the ledger has had its rest.
    are_known_as_sent(ledger, [f"m-{number}" for number in range(21)])


def test_a_failure_is_told_once_and_not_for_each_call(world, ledger, caplog):
    ledger.always(Down())
    world.mail(40)

    with dispatching(world) as dispatch:
        dispatch.until_settled()

    assert 1 <= caplog.text.count("mail goes on without it") < 20


@pytest.mark.parametrize("trouble", [Down(), Silent(), Broken()], ids=["down", "silent", "broken"])
def test_a_process_whose_ledger_is_down_for_good_ends_in_time_and_says_so(
    world, ledger, caplog, trouble
):
    ledger.always(trouble)
    world.mail(10)

    with dispatching(world, given=settings(patience=SHORT)) as dispatch:
        dispatch.until_settled()
        dispatch.until(lambda: ledger.asked["record"] > 0)
        assert dispatch.end() < 2.0

    assert len(world.accepted) == 10
    assert ledger.closed == 1
    assert isinstance(trouble, Silent) or "10 states are missing" in caplog.text


def test_a_ledger_that_does_not_close_keeps_no_process(world, ledger, caplog):
    with dispatching(world) as dispatch:
        world.mail(1)
        dispatch.until_settled()
        ledger.always(Silent(), "close")
        assert dispatch.end() < 2.0

    assert "it does not close" in caplog.text


def test_more_than_one_batch_that_is_late_at_the_end_is_told_whole(world, ledger, monkeypatch):
    monkeypatch.setattr(scribe, "LATE_BATCH", 7)
    ledger.always(Down(), "record")
    ids = world.mail(20)

    with dispatching(world) as dispatch:
        dispatch.until_settled()
        ledger.always(None, "record")

    are_known_as_sent(ledger, ids)


def test_of_too_many_late_records_the_newest_are_missing_and_a_log_says_so(
    world, ledger, monkeypatch, caplog
):
    monkeypatch.setattr(spool, "MOST_IN_MEMORY", 15)
    ledger.always(Down())
    world.mail(40)

    with dispatching(world) as dispatch:
        dispatch.until_settled()
        ledger.always(None)
        dispatch.until(lambda: late(dispatch) == 0)
        assert dispatch.parts.scribe.missing == 25

    assert len(ledger.told) == 15
    assert caplog.text.count("states are missing so far") == 1


def test_what_becomes_too_many_while_late_records_are_told_costs_none_of_those(
    world, ledger, monkeypatch
):
    monkeypatch.setattr(spool, "MOST_IN_MEMORY", 10)
    with dispatching(world) as dispatch:
        hand = dispatch.parts.scribe
        ledger.always(Silent(), "record")
        on_loop(hand, lambda: hand._keep([recorded(f"old-{number}") for number in range(5)]))
        dispatch.until(lambda: ledger.asked["record"] == 1)
        on_loop(hand, lambda: hand._keep([recorded(f"new-{number}") for number in range(8)]))
        ledger.always(None, "record")
        ledger.release()
        dispatch.until(lambda: late(dispatch) == 0)
        assert hand.missing == 3

    are_known_as_sent(ledger, [f"old-{number}" for number in range(5)])
    are_known_as_sent(ledger, [f"new-{number}" for number in range(5)])


def on_loop(hand, act):
    done = threading.Event()
    hand._loop.call(lambda: (act(), done.set()))
    assert done.wait(5)


def test_states_that_come_while_others_are_late_wait_behind_them(world, ledger, monkeypatch):
    ledger.script("record", Down())
    monkeypatch.setattr(scribe, "REST", 0.0)
    world.ses.script = world.sendgrid.script = answering("failed", code="503")
    world.mail(1)

    with dispatching(world) as dispatch:
        dispatch.until(lambda: len(world.calls) == 2)
        world.ses.script = world.sendgrid.script = answering("accepted")
        dispatch.until_settled()
        dispatch.until(lambda: late(dispatch) == 0)

    assert [(one.number, one.status) for one in ledger.told[:2]] == [
        (1, "retrying"),
        (2, "retrying"),
    ]
    assert ledger.told[-1].status == "sent"


def test_a_ledger_that_says_too_late_that_an_email_was_sent_makes_the_second_send_flagged(
    world, ledger
):
    ledger.read(lambda at: at.record([recorded("m-0")]))
    ledger.always(Slow(2 * SHORT), "intend")
    for provider in (world.ses, world.sendgrid):
        provider.latency = 6 * SHORT
    world.mail(1)

    with dispatching(world, given=settings(patience=SHORT)) as dispatch:
        dispatch.until_settled()

    assert world.accepted == ["m-0"]
    assert ledger.history("m-0") == ("sent", ["accepted", "accepted"])
    assert ledger.is_flagged("m-0")


def test_an_intent_that_is_answered_late_still_gives_its_attempt_the_right_number(world, ledger):
    ledger.always(Slow(2 * SHORT), "intend")
    for provider in (world.ses, world.sendgrid):
        provider.latency = 6 * SHORT
    world.mail(1)

    with dispatching(world, given=settings(patience=SHORT)) as dispatch:
        dispatch.until_settled()

    assert ledger.history("m-0") == ("sent", ["accepted"])
    assert not ledger.is_flagged("m-0")


# -- a process that ends while the ledger is down --------------------------------------------------


@pytest.fixture
def kept(tmp_path):
    """Settings of processes of one machine, which have a folder for what is late."""
    return settings(patience=SHORT, spool=str(tmp_path / "spool"))


def test_what_a_process_could_not_tell_before_its_end_the_next_one_tells(
    world, ledger, kept, caplog
):
    ledger.always(Down())
    ids = world.mail(20)
    with dispatching(world, given=kept) as first:
        first.until_settled()
    ledger.always(None)

    with dispatching(world, given=kept) as second:
        second.until(lambda: len(ledger.told) == 20)

    are_known_as_sent(ledger, ids)
    assert all(ledger.history(id_)[1] == ["accepted"] for id_ in ids)
    assert "20 states wait in" in caplog.text
    assert "missing" not in caplog.text
    assert left_in(kept) == []


def left_in(given):
    return [file.name for file in Path(given.ledger.spool).iterdir()]


def test_what_a_killed_process_could_not_tell_one_that_runs_beside_it_tells(
    world, ledger, kept, monkeypatch
):
    monkeypatch.setattr(scribe, "LEFT_INTERVAL", 0.05)
    ledger.always(Down())
    ids = world.mail(20)
    with dispatching(world, given=kept) as second:
        with dispatching(world, given=kept) as first:
            first.until(lambda: len(world.accepted) == 20 and world.left == 0)
            first.processes[0].die()
        ledger.always(None)
        second.until(lambda: {one.id for one in ledger.told} == set(ids))
        second.until(lambda: left_in(kept) == [])

    are_known_as_sent(ledger, ids)


def test_whatever_lies_in_the_folder_no_state_of_others_is_lost_over_it(world, ledger, kept):
    folder = Path(kept.ledger.spool)
    folder.mkdir()
    before = spool.Spool(folder, ledger=kept.ledger.url, owner="gone")
    before.put([recorded("one"), recorded("two")])
    [file] = folder.iterdir()
    file.write_bytes(file.read_bytes()[:-9])  # it was killed in the middle of a line
    before.close()
    (folder / file.name.replace("gone", "all")).mkdir()

    with dispatching(world, given=kept) as dispatch:
        dispatch.until(lambda: ledger.told)

    assert [one.id for one in ledger.told] == ["one"]
    assert not file.exists()


def test_a_ledger_that_fails_while_it_is_told_what_was_left_is_told_all_of_it_later(
    world, ledger, kept, monkeypatch
):
    monkeypatch.setattr(scribe, "LEFT_INTERVAL", 0.05)
    monkeypatch.setattr(scribe, "LATE_BATCH", 2)
    before = spool.Spool(Path(kept.ledger.spool), ledger=kept.ledger.url, owner="gone")
    before.put([recorded(f"m-{number}") for number in range(5)])
    before.close()
    ledger.script("record", None, Lost())

    with dispatching(world, given=kept) as dispatch:
        dispatch.until(lambda: left_in(kept) == [])

    are_known_as_sent(ledger, [f"m-{number}" for number in range(5)])
    assert all(ledger.history(f"m-{number}") == ("sent", ["accepted"]) for number in range(5))


def test_what_is_settled_while_the_ledger_hangs_is_in_the_spool_by_then(world, ledger, kept):
    ledger.always(Silent(), "record")
    world.mail(1)

    with dispatching(world, given=kept) as dispatch:
        dispatch.until(lambda: world.queue.calls["delete"])
        assert len(left_in(kept)) == 1
        ledger.always(None, "record")
        ledger.release()
        dispatch.until(lambda: left_in(kept) == [])

    assert ledger.history("m-0") == ("sent", ["accepted"])
    assert not ledger.is_flagged("m-0")


def test_a_process_that_ends_while_the_ledger_hangs_leaves_what_it_could_not_tell(
    world, ledger, kept
):
    ledger.always(Silent(), "record")
    ids = world.mail(3)
    with dispatching(world, given=kept) as first:
        first.until_settled()
    assert len(left_in(kept)) == 1
    ledger.always(None, "record")

    with dispatching(world, given=kept) as second:
        second.until(lambda: left_in(kept) == [])

    are_known_as_sent(ledger, ids)


def test_however_much_comes_meanwhile_catching_up_has_an_end(world, ledger):
    """Each call takes as long as the next records take to come: none of them is ever the last."""
    with dispatching(world) as dispatch:
        hand = dispatch.parts.scribe
        ledger.always(Slow(0.01), "record")
        ledger.script("record", Down())
        on_loop(hand, lambda: hand._record([recorded("m-0")], lambda: None))
        for number in range(1, 200):
            one = recorded(f"m-{number}")
            on_loop(hand, lambda one=one: hand._record([one], lambda: None))
            if not hand.is_behind and number > 50:
                break
            threading.Event().wait(0.002)
        assert not hand.is_behind


def test_one_state_that_no_ledger_takes_keeps_no_other(world, ledger, caplog):
    def refuse(records):
        if any(one.id == "odd" for one in records):
            raise ValueError("an odd one")

    with dispatching(world) as dispatch:
        hand = dispatch.parts.scribe
        ledger.before_record = refuse
        on_loop(hand, lambda: hand._keep([recorded("one"), recorded("odd"), recorded("two")]))
        dispatch.until(lambda: late(dispatch) == 0)
        assert hand.missing == 1

    are_known_as_sent(ledger, ["one", "two"])
    assert "message odd" in caplog.text


def test_a_file_that_this_gomail_cannot_read_stays_and_keeps_no_other(world, ledger, kept, caplog):
    folder = Path(kept.ledger.spool)
    for owner in ("a-newer-one", "b"):
        before = spool.Spool(folder, ledger=kept.ledger.url, owner=owner)
        before.put([recorded(owner)])
        before.close()
    newer, _ = sorted(folder.iterdir())
    newer.write_bytes(newer.read_bytes().replace(b'"sent"', b'"framed"'))

    with dispatching(world, given=kept) as dispatch:
        dispatch.until(lambda: left_in(kept) == [newer.name])

    are_known_as_sent(ledger, ["b"])
    assert caplog.text.count("its states stay there") == 1


def test_a_file_with_nothing_but_a_state_that_no_ledger_takes_keeps_no_other(world, ledger, kept):
    def refuse(records):
        if any(one.id == "odd" for one in records):
            raise ValueError("an odd one")

    ledger.before_record = refuse
    folder = Path(kept.ledger.spool)
    for owner, id_ in (("a", "odd"), ("b", "even")):
        before = spool.Spool(folder, ledger=kept.ledger.url, owner=owner)
        before.put([recorded(id_)])
        before.close()

    with dispatching(world, given=kept) as dispatch:
        dispatch.until(lambda: len(left_in(kept)) == 1)

    are_known_as_sent(ledger, ["even"])


def test_what_is_told_more_slowly_than_mail_waits_is_told_once(world, ledger, kept):
    ledger.always(Slow(3 * SHORT), "record")
    world.mail(1)

    with dispatching(world, given=kept) as dispatch:
        dispatch.until_settled()
        dispatch.until(lambda: ledger.told)
        dispatch.until(lambda: late(dispatch) == 0)

    assert [one.id for one in ledger.told] == ["m-0"]


def test_states_whose_file_somebody_has_emptied_are_lost_and_others_are_told(
    world, ledger, kept, monkeypatch, caplog
):
    monkeypatch.setattr(spool, "MOST_IN_MEMORY", 3)
    ledger.always(Down(), "record")
    with dispatching(world, given=kept) as dispatch:
        hand = dispatch.parts.scribe
        on_loop(hand, lambda: hand._record([recorded(f"m-{n}") for n in range(9)], lambda: None))
        dispatch.until(lambda: late(dispatch) == 9)
        os.truncate(hand._late.path, 0)
        ledger.always(None, "record")
        dispatch.until(lambda: late(dispatch) == 0)
        on_loop(hand, lambda: hand._record([recorded("next")], lambda: None))
        dispatch.until(lambda: len(ledger.told) == 4)

    assert "6 states are lost" in caplog.text
