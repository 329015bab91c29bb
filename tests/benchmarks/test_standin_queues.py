"""The stand-in's queues do what SQS does, as far as a dispatcher can tell."""

import json

from benchmarks.standin.queues import Poll, Queue, item


class Client:
    """Polls a queue and keeps the answers."""

    def __init__(self, queue):
        self.queue = queue
        self.answers = []
        self.is_open = True

    def poll(self, now, *, wait=20, most=10, visibility=60):
        poll = Poll(
            answer=lambda body: self.answers.append(json.loads(body)),
            is_open=lambda: self.is_open,
            most=most,
            visibility=visibility,
            until=now + wait,
        )
        self.queue.receive(poll, now)

    def bodies(self):
        return [[m["Body"] for m in one.get("Messages", ())] for one in self.answers]

    def handles(self):
        return [m["ReceiptHandle"] for one in self.answers for m in one.get("Messages", ())]


def queue_with(*bodies):
    queue = Queue()
    queue.put([item(number, body) for number, body in enumerate(bodies)], 0.0)
    return queue


def test_a_poll_takes_what_is_there_and_no_more_than_it_asks_for():
    client = Client(queue_with("a", "b", "c"))

    client.poll(0.0, most=2)

    assert client.bodies() == [["a", "b"]]


def test_a_long_poll_is_answered_by_the_next_message():
    client = Client(Queue())
    client.poll(0.0)

    client.queue.put([item(1, "a")], 5.0)

    assert client.bodies() == [["a"]]


def test_a_long_poll_without_a_message_ends_empty_in_its_time():
    client = Client(Queue())
    client.poll(0.0, wait=20)

    client.queue.tick(19.9)
    waiting = list(client.answers)
    client.queue.tick(20.0)

    assert waiting == []
    assert client.answers == [{}]


def test_nobody_receives_for_a_closed_connection():
    gone, present = Client(queue := Queue()), Client(queue)
    gone.poll(0.0)
    gone.is_open = False
    present.poll(0.0)

    queue.put([item(1, "a")], 1.0)

    assert gone.answers == []
    assert present.bodies() == [["a"]]


def test_a_message_that_is_not_deleted_comes_back_after_its_visibility_with_a_new_handle():
    client = Client(queue_with("a"))
    client.poll(0.0, visibility=60)
    client.queue.tick(59.9)
    client.poll(59.9, wait=0)

    client.queue.tick(60.0)
    client.poll(60.0)

    assert client.bodies() == [["a"], [], ["a"]]
    assert len(set(client.handles())) == 2
    assert client.answers[-1]["Messages"][0]["Attributes"]["ApproximateReceiveCount"] == "2"


def test_a_deleted_message_stays_away():
    client = Client(queue_with("a"))
    client.poll(0.0)

    client.queue.delete(client.handles()[0])
    client.queue.tick(100.0)

    assert not client.queue.ready
    assert not client.queue.hidden


def test_an_old_handle_deletes_nothing():
    client = Client(queue_with("a"))
    client.poll(0.0, visibility=1)
    client.queue.tick(1.0)
    client.poll(1.0)

    client.queue.delete(client.handles()[0])

    assert list(client.queue.hidden) == [client.handles()[1]]


def test_a_message_let_go_is_visible_at_once():
    client = Client(queue_with("a"))
    client.poll(0.0)

    assert client.queue.change(client.handles()[0], 0, 1.0)
    client.poll(1.0)

    assert client.bodies() == [["a"], ["a"]]


def test_a_message_hidden_longer_does_not_come_back_at_its_first_time():
    client = Client(queue_with("a"))
    client.poll(0.0, visibility=60)
    client.queue.change(client.handles()[0], 300, 50.0)

    client.queue.tick(60.0)
    early = len(client.queue.ready)
    client.queue.tick(350.0)

    assert (early, len(client.queue.ready)) == (0, 1)


def test_a_delayed_message_is_hidden_first():
    queue = Queue()
    queue.put_later(item(1, "a"), 5, 0.0)

    queue.tick(4.9)
    early = len(queue.ready)
    queue.tick(5.0)

    assert (early, len(queue.ready)) == (0, 1)
