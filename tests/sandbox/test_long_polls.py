"""When a long poll ends: as soon as there is a message for it, and not for a client that left."""

import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest


@pytest.fixture
def pool():
    with ThreadPoolExecutor(8) as pool:
        yield pool


@pytest.fixture
def waiting(http):
    """Wait until so many receives are under way."""

    def count():
        return http.get("/calls").json()["sqs"]["in_flight"]

    return count


@pytest.fixture
def poll(receive, pool, waiting, eventually):
    """Begin a long poll in the background; its result is the messages and when they came."""

    def run(options):
        return receive(WaitTimeSeconds=20, **options), time.monotonic()

    def poll(**options):
        before = waiting()
        polled = pool.submit(run, options)
        eventually(lambda: waiting() == before + 1)
        return polled

    return poll


def test_a_send_wakes_a_long_poll_at_once(sqs, queue_url, poll):
    polled = poll()

    sent_at = time.monotonic()
    sqs.send_message(QueueUrl=queue_url, MessageBody="hello")

    messages, came_at = polled.result(10)
    assert (len(messages), came_at - sent_at < 0.5) == (1, True)


def test_a_returned_message_wakes_a_long_poll_at_once(sqs, queue_url, poll, receive):
    sqs.send_message(QueueUrl=queue_url, MessageBody="hello")
    (held,) = receive()
    polled = poll()

    returned_at = time.monotonic()
    sqs.change_message_visibility(
        QueueUrl=queue_url, ReceiptHandle=held["ReceiptHandle"], VisibilityTimeout=0
    )

    messages, came_at = polled.result(10)
    assert (len(messages), came_at - returned_at < 0.5) == (1, True)


def test_a_long_poll_ends_exactly_when_a_delay_ends(sqs, queue_url, receive):
    started = time.monotonic()
    sqs.send_message(QueueUrl=queue_url, MessageBody="hello", DelaySeconds=1)

    messages = receive(WaitTimeSeconds=20)

    assert (len(messages), 1.0 <= time.monotonic() - started < 1.3) == (1, True)


def test_a_long_poll_ends_exactly_when_a_visibility_timeout_ends(sqs, queue_url, receive):
    sqs.send_message(QueueUrl=queue_url, MessageBody="hello")
    receive(VisibilityTimeout=1)
    started = time.monotonic()

    messages = receive(WaitTimeSeconds=20)

    assert (len(messages), 0.9 <= time.monotonic() - started < 1.3) == (1, True)


def test_a_dead_letter_wakes_who_waits_at_the_dead_letter_queue(sqs, poll, receive):
    dead = sqs.create_queue(QueueName="dead")["QueueUrl"]
    policy = json.dumps(
        {"deadLetterTargetArn": "arn:aws:sqs:us-east-1:000000000000:dead", "maxReceiveCount": 1}
    )
    mail = sqs.create_queue(QueueName="redriven", Attributes={"RedrivePolicy": policy})["QueueUrl"]
    sqs.send_message(QueueUrl=mail, MessageBody="hello")
    polled = poll(QueueUrl=dead)

    receive(QueueUrl=mail, VisibilityTimeout=0)
    receive(QueueUrl=mail)

    assert len(polled.result(10)[0]) == 1


def test_a_long_poll_without_a_message_comes_back_empty_in_time(receive):
    started = time.monotonic()

    assert receive(WaitTimeSeconds=1) == []
    assert 1.0 <= time.monotonic() - started < 1.3


def test_eight_messages_serve_eight_polls_of_one(sqs, queue_url, poll):
    polls = [poll(MaxNumberOfMessages=1) for _ in range(8)]

    entries = [{"Id": str(n), "MessageBody": str(n)} for n in range(8)]
    sqs.send_message_batch(QueueUrl=queue_url, Entries=entries)

    bodies = [message["Body"] for polled in polls for message in polled.result(10)[0]]
    assert sorted(bodies) == [str(n) for n in range(8)]


@pytest.fixture
def a_client_that_left(http, url, queue_url, waiting, eventually):
    body = json.dumps({"QueueUrl": queue_url, "WaitTimeSeconds": 20, "VisibilityTimeout": 600})
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as left:
        head = f"POST / HTTP/1.1\r\nHost: {host}\r\nX-Amz-Target: AmazonSQS.ReceiveMessage\r\n"
        left.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
        eventually(lambda: waiting() == 1)
    eventually(lambda: http.get("/calls").json()["sqs"]["left"] == 1)


@pytest.mark.usefixtures("a_client_that_left")
def test_a_poll_whose_client_has_left_takes_no_message(sqs, queue_url, receive):
    sqs.send_message(QueueUrl=queue_url, MessageBody="hello")

    assert len(receive()) == 1


def test_the_polls_of_a_deleted_queue_end_with_an_error(sqs, queue_url, poll):
    polled = poll()

    sqs.delete_queue(QueueUrl=queue_url)

    with pytest.raises(sqs.exceptions.QueueDoesNotExist):
        polled.result(10)
