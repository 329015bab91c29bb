"""Which queue a batch tries first: all evenly, those in trouble last."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from ingest.rota import REST, Rota

QUEUES = ["a", "b", "c"]


def rota(queues=QUEUES, room=8):
    return Rota(queues, room=room)


def fail(rota, queue, now):
    rota.began(queue)
    rota.ended(queue, worked=False, now=now)


def work(rota, queue, now):
    rota.began(queue)
    rota.ended(queue, worked=True, now=now)


def firsts(rota, now, batches):
    return Counter(rota.order(now)[0] for _ in range(batches))


def test_working_queues_come_first_equally_often():
    assert firsts(rota(), 0.0, 300) == {"a": 100, "b": 100, "c": 100}


def test_a_queue_that_failed_comes_last_and_the_others_stay_even():
    order = rota()
    fail(order, "b", 0.0)

    assert {order.order(1.0)[-1] for _ in range(10)} == {"b"}
    assert firsts(order, 1.0, 300).keys() == {"a", "c"}


def test_after_its_rest_one_batch_tries_it_first():
    order = rota()
    fail(order, "b", 0.0)

    assert firsts(order, REST, 30)["b"] == 1
    assert firsts(order, 2 * REST - 0.1, 30)["b"] == 0
    assert firsts(order, 2 * REST, 30)["b"] == 1


def test_a_queue_that_works_again_is_tried_as_before():
    order = rota()
    fail(order, "b", 0.0)
    work(order, "b", 1.0)

    assert firsts(order, 1.0, 300) == {"a": 100, "b": 100, "c": 100}


def test_a_queue_that_hangs_gets_no_more_than_its_room():
    order = rota(["a", "b"], room=2)
    order.began("a")
    order.began("a")

    assert firsts(order, 0.0, 10) == {"b": 10}


@given(
    events=st.lists(
        st.tuples(
            st.sampled_from(["fail", "work", "order"]), st.sampled_from(QUEUES), st.floats(0, 9)
        )
    )
)
def test_every_order_names_every_queue_once(events):
    order, now = rota(), 0.0
    for what, queue, later in events:
        now += later
        if what == "order":
            assert sorted(order.order(now)) == QUEUES
        else:
            (fail if what == "fail" else work)(order, queue, now)
