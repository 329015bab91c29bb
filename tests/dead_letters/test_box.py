"""Looking, redriving and purging, with a queue that fails in every way: no letter is lost."""

import asyncio
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from gomail.dead_letters import EVERY, Kept, Which
from gomail.dead_letters_box import DeadLetterBox
from gomail.email import Claim, Message, encode
from gomail.errors import QueueRefused, QueueUnavailable
from gomail.queue import Fault
from tests.builders import email, message
from tests.dead_letters.boxes import DEAD, HOUR, ONE, TWO, Stage, Told
from tests.flows.fakes import LeftOut, Lost, Partly

FAST = {"rate": 1_000_000.0}


def run(call):
    return asyncio.run(call)


def test_a_look_sees_every_letter_once_and_gives_all_of_them_back_at_once():
    stage = Stage()
    ids = stage.bury(123)

    look = run(stage.box.look())

    assert sorted(letter.id for letter in look.letters) == sorted(ids)
    assert (look.looked, look.complete) == (123, True)
    assert stage.all_visible()
    assert set(stage.queue.received.values()) == {1}


def test_a_look_is_bounded_and_says_that_there_is_more():
    stage = Stage()
    stage.bury(50)

    look = run(stage.box.look(most=17))

    assert (look.looked, look.complete) == (17, False)
    assert sum(stage.queue.received.values()) == 17
    assert stage.all_visible()


def test_a_look_ends_when_its_time_is_over():
    stage = Stage()
    stage.bury(50)

    look = run(stage.box.look(within=0))

    assert (look.looked, look.complete) == (0, False)


def test_a_receive_that_is_longer_than_the_look_is_broken_off_and_what_was_seen_is_answered():
    stage = Stage()
    stage.bury(30)
    browse, asked = stage.queue.browse, []

    async def stuck(queue, **given):
        asked.append(queue)
        if len(asked) == 3:  # of the second round, of which the other part has come
            await asyncio.Event().wait()
        return await browse(queue, **given)

    stage.queue.browse = stuck
    look = run(stage.box.look(within=0.1))

    assert (look.looked, look.complete) == (10, False)
    assert stage.all_visible()


def test_giving_back_is_not_tried_for_ever_at_a_queue_that_does_not_answer():
    stage = Stage()
    stage.bury(300)

    with stage.queue.broken("hide", QueueUnavailable("no answer")):
        look = run(stage.box.look())

    assert look.looked == 300
    assert stage.queue.calls["hide"] == 8


def test_a_look_holds_letters_for_half_a_minute_and_for_longer_only_where_it_sees_many():
    stage = Stage()
    asked = []
    browse = stage.queue.browse

    async def noting(queue, **given):
        asked.append(given["visibility"])
        return await browse(queue, **given)

    stage.queue.browse = noting
    for most in (1, 10_000, 100_000):
        run(stage.box.look(most=most))

    assert asked == [30, 100, 900]


def test_what_a_look_cannot_go_on_with_is_given_back():
    stage = Stage()
    stage.bury(25)
    stage.queue.script("receive", None, QueueUnavailable("no answer"))

    with pytest.raises(QueueUnavailable):
        run(stage.box.look())

    assert stage.all_visible()


def test_a_look_that_is_broken_off_gives_back_what_it_holds():
    stage = Stage()
    stage.bury(5)

    def broken_off(_looked, _done):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(stage.box.look(told=broken_off))

    assert stage.all_visible()


def test_a_letter_is_found_by_its_id_or_the_queue_s_own_with_its_body():
    stage = Stage()
    stage.bury(30)
    copy = stage.queue.on(DEAD)[6].id

    for wanted in ("m-7", copy):
        letter, _ = run(stage.box.find(wanted))
        assert (letter.id, letter.body) == ("m-7", encode(message("m-7")))
    missing, look = run(stage.box.find("m-99"))
    assert (missing, look.complete) == (None, True)
    assert stage.all_visible()


def test_a_redrive_puts_each_on_its_queue_with_its_body_and_deletes_it():
    stage = Stage()
    ids = stage.bury(25)

    done = run(stage.box.redrive(EVERY, **FAST))

    assert sorted(done.redriven) == sorted(ids)
    assert (done.kept, done.undeleted, done.complete) == ([], [], True)
    assert sorted(one.body for one in stage.queue.on(ONE)) == sorted(
        encode(message(id_)) for id_ in ids
    )
    assert stage.dead() == []


def test_letters_of_an_unknown_queue_are_put_on_the_configured_ones_in_turn():
    stage = Stage()
    stage.bury(20, queue="http://elsewhere/0/gone")

    run(stage.box.redrive(EVERY, **FAST))

    assert (len(stage.queue.on(ONE)), len(stage.queue.on(TWO))) == (10, 10)


def test_a_filter_redrives_what_it_means_and_gives_back_the_rest():
    stage = Stage()
    stage.bury(12)
    stage.queue.bury("other", code="550")

    done = run(stage.box.redrive(Which(code="550"), **FAST))

    assert done.redriven == ["other"]
    assert len(stage.dead()) == 12
    assert stage.all_visible()


def test_one_is_redriven_by_its_id_without_looking_at_all_others():
    stage = Stage()
    stage.bury(500)

    done = run(stage.box.redrive(Which(id="m-3"), **FAST))

    assert done.redriven == ["m-3"]
    assert sum(stage.queue.received.values()) < 50
    assert stage.all_visible()


def test_a_dry_run_says_what_would_be_done_and_changes_nothing():
    stage = Stage(ledger=Told(m_2="sent"))
    stage.bury(3)

    done = run(stage.box.redrive(EVERY, dry=True, **FAST))

    assert (done.redriven, done.kept) == (["m-1", "m-3"], [("m-2", Kept.SENT)])
    assert stage.bodies() == []
    assert len(stage.dead()) == 3
    assert stage.all_visible()


def test_no_more_than_the_rate_is_redriven_in_any_second():
    stage = Stage()
    stage.bury(35)

    run(stage.box.redrive(EVERY, rate=5.0))

    assert stage.now == pytest.approx(30 / 5)
    assert max(stage.slept) <= 1.0


def test_a_bounded_redrive_goes_on_where_it_ended():
    stage = Stage()
    ids = stage.bury(25)

    parts = [run(stage.box.redrive(EVERY, most=10, **FAST)) for _ in range(3)]

    assert [len(part.redriven) for part in parts] == [10, 10, 5]
    assert [part.complete for part in parts] == [False, False, True]
    assert sorted(id_ for part in parts for id_ in part.redriven) == sorted(ids)
    assert stage.dead() == []


def test_a_bound_counts_what_is_redriven_and_what_is_left_is_not_called_complete():
    stage = Stage(ledger=Told(m_1="sent"))
    ids = stage.bury(10)

    parts = [run(stage.box.redrive(EVERY, most=1, **FAST)) for _ in range(9)]

    assert [part.redriven for part in parts] == [[id_] for id_ in ids[1:]]
    assert not any(part.complete for part in parts)
    assert run(stage.box.redrive(EVERY, **FAST)).complete


def test_a_bound_is_not_used_up_by_what_no_queue_takes():
    stage = Stage()
    stage.bury(3)
    stage.queue.script("send", QueueUnavailable("no answer"))

    done = run(stage.box.redrive(EVERY, most=1, **FAST))

    assert (done.redriven, done.kept) == (["m-2"], [("m-1", Kept.NOT_TAKEN)])


def test_a_look_that_meets_only_what_it_has_seen_is_not_complete():
    stage = Stage()
    stage.bury(1)
    browse = stage.queue.browse

    async def again(queue, **given):
        for one in stage.queue.on(queue):
            stage.queue.show(queue, one.id)  # it was held too long
        return await browse(queue, **given)

    stage.queue.browse = again
    look = run(stage.box.look())

    assert (look.looked, look.complete) == (1, False)


@pytest.mark.parametrize(
    "reaction",
    [
        Fault("InternalError", "not now", permanent=False),
        LeftOut(),
        QueueUnavailable("no answer"),
        QueueRefused("no such queue", code="QueueDoesNotExist"),
    ],
)
def test_what_no_queue_confirms_stays_and_a_queue_that_takes_nothing_ends_it(reaction):
    stage = Stage()
    stage.bury(100)

    with stage.queue.broken("send", reaction):
        done = run(stage.box.redrive(EVERY, **FAST))

    assert done.redriven == []
    assert {reason for _, reason in done.kept} == {Kept.NOT_TAKEN}
    assert len(done.kept) == 30, "it ended after thirty letters"
    assert "took nothing" in done.stopped
    assert len(stage.dead()) == 100
    assert stage.all_visible()


def test_a_slow_redrive_does_not_end_over_a_few_letters_that_no_queue_takes():
    stage = Stage()
    stage.bury(12)
    refused = Fault("InvalidMessageContents", "not this one", permanent=True)
    stage.queue.script("send", *[refused] * 6)

    done = run(stage.box.redrive(EVERY, rate=1))

    assert (len(done.redriven), len(done.kept), done.stopped) == (6, 6, "")


def test_a_look_that_is_broken_off_gives_back_what_some_of_its_receives_have_brought():
    stage = Stage()
    stage.bury(200)
    browse, asked, hangs = stage.queue.browse, [], asyncio.Event()

    async def one_hangs(*given, **named):
        asked.append(given)
        if len(asked) == 12:
            hangs.set()
            await asyncio.Event().wait()
        return await browse(*given, **named)

    stage.queue.browse = one_hangs

    async def broken_off():
        look = asyncio.create_task(stage.box.look(EVERY))
        await hangs.wait()
        for _ in range(20):  # the others of its round come to their end
            await asyncio.sleep(0)
        look.cancel()
        with pytest.raises(asyncio.CancelledError):
            await look

    asyncio.run(broken_off())

    assert stage.all_visible()


def test_a_lost_answer_costs_a_second_copy_and_no_letter():
    stage = Stage()
    stage.bury(1)
    stage.queue.script("send", Lost())

    first = run(stage.box.redrive(EVERY, **FAST))
    second = run(stage.box.redrive(EVERY, **FAST))

    assert (first.redriven, second.redriven) == ([], ["m-1"])
    assert stage.bodies() == [encode(message("m-1"))] * 2
    assert stage.dead() == []


def test_what_is_confirmed_and_cannot_be_deleted_is_named():
    stage = Stage()
    stage.bury(1)

    with stage.queue.broken("delete", QueueUnavailable("no answer")):
        done = run(stage.box.redrive(EVERY, **FAST))

    assert (done.redriven, done.undeleted) == (["m-1"], ["m-1"])
    assert stage.dead() == ["m-1"]
    assert stage.bodies() == [encode(message("m-1"))]


def test_a_second_copy_of_what_a_run_redrove_is_deleted_and_not_sent():
    stage = Stage()
    stage.queue.bury("m-2", age=HOUR - 10)
    for _ in range(30):
        stage.queue.bury("m-1")

    done = run(stage.box.redrive(EVERY, **FAST))

    assert (done.redriven, done.copies) == (["m-2", "m-1"], 29)
    assert stage.bodies() == [encode(message("m-2")), encode(message("m-1"))]
    assert stage.dead() == []


def test_a_copy_of_which_no_clock_but_ours_says_that_it_was_dead_before_stays():
    """Ours may be off: what was refused again would be deleted, and is on no queue."""
    stage = Stage()
    for _ in range(30):
        stage.queue.bury("m-1")

    done = run(stage.box.redrive(EVERY, **FAST))

    assert (done.redriven, done.copies, len(stage.dead())) == (["m-1"], 9, 20)
    assert done.kept == [("m-1", Kept.AGAIN)] * 20


GO_SERVICE = '{"email":{"fromEmail":"a@example.com","toEmail":"b@example.com","body":"Hi"}}'


@pytest.mark.parametrize("body", [None, GO_SERVICE])
@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("age", [HOUR, 30 * 24 * HOUR, 120])
def test_what_is_refused_again_while_a_redrive_runs_stays_dead_and_is_named(age, force, body):
    stage = Stage()
    ids = stage.bury(30, age=age, body=body)
    stage.refuse_again()

    done = run(stage.box.redrive(EVERY, force=force, **FAST))

    assert sorted(stage.dead()) == sorted(ids), "each is dead again, and none is gone"
    assert (sorted(done.redriven), done.copies) == (sorted(ids), 0)
    assert sorted(done.kept) == [(id_, Kept.AGAIN) for id_ in sorted(ids)]
    assert stage.all_visible()


def test_a_young_letter_is_a_copy_if_a_later_one_had_come_before_it_was_redriven():
    stage = Stage()
    stage.queue.bury("m-1", age=120)
    for number in range(9):
        stage.queue.bury(f"later-{number}", age=100)
    for age in (110, 90):
        stage.queue.bury("m-1", age=age)

    done = run(stage.box.redrive(EVERY, **FAST))

    assert (done.copies, done.kept) == (1, [("m-1", Kept.AGAIN)])
    assert stage.dead() == ["m-1"]


def test_a_queue_whose_clock_is_ahead_or_behind_costs_no_letter():
    for off in (-600, 600):
        stage = Stage()
        ids = stage.bury(30, age=120 - off)
        stage.refuse_again(age=-off)

        run(stage.box.redrive(EVERY, force=True, **FAST))

        assert sorted(stage.dead()) == sorted(ids)


def test_a_copy_of_what_no_queue_confirms_stays_and_is_named():
    stage = Stage()
    for _ in range(2):
        stage.queue.bury("m-1")

    with stage.queue.broken("send", QueueUnavailable("no answer")):
        done = run(stage.box.redrive(EVERY, **FAST))

    assert done.kept == [("m-1", Kept.NOT_TAKEN)] * 2
    assert stage.dead() == ["m-1", "m-1"]


def test_two_letters_with_one_id_and_different_bodies_are_both_redriven():
    stage = Stage()
    bodies = [encode(message("m-1", body=body)) for body in ("one", "two")]
    for body in bodies:
        stage.queue.bury("m-1", body=body)

    done = run(stage.box.redrive(EVERY, **FAST))

    assert (done.redriven, done.copies) == (["m-1", "m-1"], 0)
    assert stage.bodies() == bodies


@pytest.mark.parametrize("force", [False, True])
def test_what_the_ledger_knows_as_sent_is_redriven_only_by_force(force):
    stage = Stage(ledger=Told(m_1="sent", m_2="refused"))
    stage.bury(2)

    done = run(stage.box.redrive(EVERY, force=force, **FAST))

    assert done.redriven == (["m-1", "m-2"] if force else ["m-2"])
    assert stage.dead() == ([] if force else ["m-1"])


def test_while_the_ledger_is_down_nothing_is_redriven_but_by_force():
    ledger = Told()
    ledger.down = True
    stage = Stage(ledger=ledger)
    stage.bury(1)

    assert run(stage.box.redrive(EVERY, **FAST)).kept == [("m-1", Kept.LEDGER_SILENT)]
    assert run(stage.box.redrive(EVERY, force=True, **FAST)).redriven == ["m-1"]


def test_a_ledger_that_stays_down_ends_a_redrive():
    ledger = Told()
    ledger.down = True
    stage = Stage(ledger=ledger)
    stage.bury(100)

    for dry in (False, True):
        done = run(stage.box.redrive(EVERY, dry=dry, **FAST))
        assert (done.redriven, len(done.kept), done.complete) == ([], 30, False)
        assert done.stopped == "the ledger answered nothing for 30 letters in a row"
    assert stage.all_visible()


def test_a_ledger_that_comes_back_lets_a_redrive_go_on():
    ledger, asked = Told(), []
    stage = Stage(ledger=ledger)
    stage.bury(60)
    answer = ledger.email

    async def flapping(email_id):
        asked.append(email_id)
        ledger.down = len(asked) <= 20 or 30 < len(asked) <= 50
        return await answer(email_id)

    ledger.email = flapping
    done = run(stage.box.redrive(EVERY, **FAST))

    assert (len(done.redriven), len(done.kept), done.stopped) == (20, 40, "")


def claiming(id_):
    return encode(Message(id_, replace(email(body=""), claim=Claim("gomail/x", "0" * 64, 7))))


def test_what_has_lost_its_payload_is_named_and_stays_even_by_force():
    stage = Stage(payloads=Told())
    stage.queue.bury("m-1", body=claiming("m-1"))

    for force in (False, True):
        done = run(stage.box.redrive(EVERY, force=force, **FAST))
        assert done.kept == [("m-1", Kept.PAYLOAD_GONE)]
    assert stage.dead() == ["m-1"]


def test_what_has_its_payload_is_redriven_and_without_a_store_it_stays():
    store = Told()
    store.gone = False
    for stage, redriven in ((Stage(payloads=store), ["m-1"]), (Stage(), [])):
        stage.queue.bury("m-1", body=claiming("m-1"))
        done = run(stage.box.redrive(EVERY, **FAST))
        assert done.redriven == redriven
        assert bool(done.kept) is not bool(redriven)


def test_purging_deletes_what_was_looked_at_and_nothing_that_came_later():
    stage = Stage()
    stage.bury(25)
    stage.queue.bury("other", code="550")
    looked = run(stage.box.look(Which(code="400")))
    stage.queue.bury("later")

    deleted = run(stage.box.purge({letter.copy for letter in looked.letters}))

    assert deleted == 25
    assert stage.dead() == ["other", "later"]
    assert stage.all_visible()


def test_a_fifo_queue_is_refused():
    box = DeadLetterBox(Stage().queue, url="http://q/0/dead.fifo", targets=(ONE,))

    with pytest.raises(QueueRefused, match="FIFO"):
        run(box.look())


FAULTS = st.sampled_from(
    [
        None,
        Fault("InternalError", "not now", permanent=False),
        Partly(Fault("InternalError", "not now", permanent=False)),
        Partly(LeftOut()),
        Lost(),
        QueueUnavailable("no answer"),
    ]
)


@hypothesis_settings(deadline=None, max_examples=200)
@given(
    count=st.integers(0, 40),
    sends=st.lists(FAULTS, max_size=6),
    deletes=st.lists(FAULTS, max_size=6),
    most=st.integers(1, 50),
)
def test_whatever_fails_every_letter_is_on_a_queue_or_dead_and_what_is_redriven_is_on_a_queue(
    count, sends, deletes, most
):
    stage = Stage()
    ids = set(stage.bury(count))
    stage.queue.script("send", *sends)
    stage.queue.script("delete", *deletes)

    done = run(stage.box.redrive(EVERY, most=most, **FAST))

    on_queues = {id_ for id_ in ids if encode(message(id_)) in stage.bodies()}
    assert on_queues | set(stage.dead()) == ids
    assert set(done.redriven) <= on_queues
    assert set(done.redriven) & set(stage.dead()) <= set(done.undeleted) <= set(done.redriven)
    assert stage.all_visible()
