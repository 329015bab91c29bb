"""What every queue behind the port does, asked of the sandbox, moto and ElasticMQ alike."""

import asyncio
import json
import time

import pytest

from gomail.errors import QueueRefused
from gomail.queue import Entry, Fault, Received

NASTY = 'Grüße €, 𝄞 "quoted" \\ \r\n\t <&> {"a": null}'
LIMIT = 1_048_576


def entries(count: int) -> list[Entry]:
    return [Entry(f"key {number}", f"body {number}") for number in range(count)]


async def send_one(queue, url, body="body") -> str:
    answers = await queue.send(url, [Entry("key", body)], timeout=5)
    assert isinstance(answers["key"], str)
    return answers["key"]


async def take(queue, url, *, wait=5, visibility=30, most=10) -> list[Received]:
    return await queue.receive(url, most=most, wait=wait, visibility=visibility)


async def take_one(queue, url, *, visibility=30) -> Received:
    [message] = await take(queue, url, visibility=visibility)
    return message


def test_a_message_comes_back_as_it_was_sent_and_is_gone_once_deleted(ask):
    async def scenario(queue, url):
        sent = await send_one(queue, url, NASTY)
        message = await take_one(queue, url)
        assert (message.queue_message_id, message.body) == (sent, NASTY)
        assert await queue.delete(url, [message.handle]) == {message.handle: None}
        assert (await queue.info(url)).waiting == 0
        assert await take(queue, url, wait=0) == []

    ask(scenario)


def test_attributes_arrive_as_strings(ask, client):
    async def scenario(queue, url):
        await queue.send(
            url, [Entry("k", "b", {"reason": "höchst eigen", "code": "550"})], timeout=5
        )
        return client.receive_message(QueueUrl=url, MessageAttributeNames=["All"])

    [message] = ask(scenario)["Messages"]

    assert message["MessageAttributes"] == {
        "reason": {"DataType": "String", "StringValue": "höchst eigen"},
        "code": {"DataType": "String", "StringValue": "550"},
    }


def test_a_delay_hides_the_message_that_has_it_and_no_other(ask, client):
    async def scenario(queue, url):
        answers = await queue.send(
            url, [Entry("late", "late", delay=900), Entry("now", "now")], timeout=5
        )
        assert all(isinstance(answer, str) for answer in answers.values())
        assert [message.body for message in await take(queue, url)] == ["now"]
        name = "ApproximateNumberOfMessagesDelayed"
        asked = client.get_queue_attributes(QueueUrl=url, AttributeNames=[name])
        return asked["Attributes"][name]

    assert ask(scenario) == "1"


def test_ten_messages_are_sent_received_and_deleted_in_one_call_each(ask):
    async def scenario(queue, url):
        answers = await queue.send(url, entries(10), timeout=5)
        received = []
        while len(received) < 10:
            received += await take(queue, url)
        confirmed = await queue.delete(url, [message.handle for message in received])
        assert list(answers) == [f"key {number}" for number in range(10)]
        assert {m.queue_message_id: m.body for m in received} == {
            answers[f"key {number}"]: f"body {number}" for number in range(10)
        }
        assert list(confirmed.values()) == [None] * 10

    ask(scenario)


def test_a_receive_brings_at_most_what_was_asked_for(ask):
    async def scenario(queue, url):
        await queue.send(url, entries(5), timeout=5)
        assert len(await take(queue, url, most=2)) <= 2

    ask(scenario)


def test_a_message_knows_when_it_was_sent_and_how_often_received(ask):
    async def scenario(queue, url):
        before = time.time()
        await send_one(queue, url)
        counts = []
        for _ in range(3):
            message = await take_one(queue, url)
            counts.append(message.receive_count)
            await queue.hide(url, {message.handle: 0})
        assert counts == [1, 2, 3]
        assert before - 2 < message.sent_at < time.time() + 2

    ask(scenario)


def test_a_received_message_is_hidden_from_others(ask):
    async def scenario(queue, url):
        await send_one(queue, url)
        await take_one(queue, url)
        assert await take(queue, url, wait=0) == []

    ask(scenario)


def test_a_received_message_comes_back_after_its_visibility_timeout(ask):
    async def scenario(queue, url):
        await send_one(queue, url)
        first = await take_one(queue, url, visibility=1)
        again = await take_one(queue, url)
        assert first.queue_message_id == again.queue_message_id

    ask(scenario)


def test_hiding_for_nothing_shows_a_message_again(ask):
    async def scenario(queue, url):
        await send_one(queue, url)
        message = await take_one(queue, url)
        assert await queue.hide(url, {message.handle: 0}) == {message.handle: None}
        assert (await take_one(queue, url)).queue_message_id == message.queue_message_id

    ask(scenario)


def test_hiding_replaces_the_time_that_was_left(ask):
    async def scenario(queue, url):
        await send_one(queue, url)
        message = await take_one(queue, url, visibility=1)
        await queue.hide(url, {message.handle: 60})
        assert await take(queue, url, wait=2) == []
        await queue.hide(url, {message.handle: 1})
        assert (await take_one(queue, url)).receive_count == 2

    ask(scenario)


def test_each_message_of_one_call_is_hidden_for_its_own_time(ask):
    async def scenario(queue, url):
        await queue.send(url, entries(2), timeout=5)
        received = []
        while len(received) < 2:
            received += await take(queue, url)
        shown, hidden = received
        await queue.hide(url, {shown.handle: 0, hidden.handle: 60})
        assert (await take_one(queue, url)).body == shown.body
        assert await take(queue, url, wait=0) == []

    ask(scenario)


def test_a_long_poll_wakes_when_a_message_arrives(ask):
    async def scenario(queue, url):
        poll = asyncio.create_task(take(queue, url, wait=20))
        for _ in range(3):
            await queue.info(url)
        started = time.monotonic()
        await send_one(queue, url)
        assert len(await poll) == 1
        assert time.monotonic() - started < 5

    ask(scenario)


def test_an_empty_queue_gives_an_empty_list(ask):
    async def scenario(queue, url):
        assert await take(queue, url, wait=0) == []

    ask(scenario)


def test_a_handle_that_is_none_fails_alone(ask):
    async def scenario(queue, url):
        await send_one(queue, url)
        message = await take_one(queue, url)
        deleted = await queue.delete(url, ["nonsense", message.handle])
        hidden = await queue.hide(url, {"nonsense": 5})
        assert deleted[message.handle] is None
        assert deleted["nonsense"].code == "ReceiptHandleIsInvalid"
        assert deleted["nonsense"].permanent
        assert isinstance(hidden["nonsense"], Fault)

    ask(scenario)


def test_an_outdated_handle_deletes_nothing(ask):
    async def scenario(queue, url):
        await send_one(queue, url)
        old = await take_one(queue, url, visibility=0)
        new = await take_one(queue, url)
        assert await queue.delete(url, [old.handle]) == {old.handle: None}
        await queue.hide(url, {new.handle: 0})
        assert len(await take(queue, url, wait=1)) == 1

    ask(scenario)


def test_an_outdated_handle_hides_nothing(ask):
    async def scenario(queue, url):
        await send_one(queue, url)
        old = await take_one(queue, url, visibility=0)
        await take_one(queue, url)
        faults = await queue.hide(url, {old.handle: 0})
        assert faults[old.handle].code == "MessageNotInflight"
        assert await take(queue, url, wait=0) == []

    ask(scenario)


def test_a_description_tells_how_a_queue_is_set_up_and_what_is_on_it(ask, client, new_name):
    dead = client.create_queue(QueueName=new_name())["QueueUrl"]
    arn = client.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])
    dead_arn = arn["Attributes"]["QueueArn"]
    redrive = json.dumps({"deadLetterTargetArn": dead_arn, "maxReceiveCount": "1000"})
    given = {"RedrivePolicy": redrive, "VisibilityTimeout": "40", "DelaySeconds": "5"}

    async def scenario(queue, url):
        client.set_queue_attributes(QueueUrl=url, Attributes=given)
        await queue.send(url, [Entry("late", "late")], timeout=5)
        return await queue.describe(url)

    described = ask(scenario)

    assert (described.waiting, described.hidden, described.delayed) == (0, 0, 1)
    assert (described.visibility, described.delay, described.retention) == (40, 5, 345_600)
    assert (described.dead_letter_arn, described.max_receives) == (dead_arn, 1000)
    assert not described.fifo


def test_a_description_of_a_plain_queue_has_no_redrive(ask):
    async def scenario(queue, url):
        return await queue.describe(url)

    described = ask(scenario)

    assert (described.dead_letter_arn, described.max_receives) == ("", 0)


def test_info_tells_the_backlog_and_the_size_limit(ask, client):
    async def scenario(queue, url):
        client.set_queue_attributes(QueueUrl=url, Attributes={"MaximumMessageSize": "2048"})
        await queue.send(url, entries(3), timeout=5)
        info = await queue.info(url)
        assert (info.waiting, info.max_message_bytes) == (3, 2048)

    ask(scenario)


def test_a_queue_that_is_missing_refuses_every_call(ask):
    async def scenario(queue, url):
        missing = f"{url}-missing"
        calls = {
            "send": lambda: queue.send(missing, entries(1), timeout=5),
            "receive": lambda: take(queue, missing),
            "delete": lambda: queue.delete(missing, ["handle"]),
            "hide": lambda: queue.hide(missing, {"handle": 1}),
            "info": lambda: queue.info(missing),
        }
        codes = {}
        for name, call in calls.items():
            with pytest.raises(QueueRefused) as caught:
                await call()
            codes[name] = caught.value.code
        assert codes == dict.fromkeys(calls, "QueueDoesNotExist")

    ask(scenario)


def test_a_message_beyond_the_limit_fails_for_good_and_its_neighbours_do_not(ask):
    async def scenario(queue, url):
        batch = [Entry("a", "small"), Entry("big", "x" * (LIMIT + 1)), Entry("b", "small too")]
        answers = await queue.send(url, batch, timeout=20)
        assert isinstance(answers["a"], str)
        assert isinstance(answers["b"], str)
        assert answers["big"].permanent
        assert (await queue.info(url)).waiting == 2

    ask(scenario)


def test_a_message_beyond_the_queues_own_limit_fails_for_good_and_alone(ask, client):
    async def scenario(queue, url):
        client.set_queue_attributes(QueueUrl=url, Attributes={"MaximumMessageSize": "2048"})
        batch = [Entry("a", "small"), Entry("big", "x" * 2049)]
        answers = await queue.send(url, batch, timeout=5)
        assert isinstance(answers["a"], str)
        assert answers["big"].permanent

    ask(scenario)


def test_the_size_of_a_message_is_counted_in_bytes(ask):
    async def scenario(queue, url):
        answers = await queue.send(url, [Entry("big", "€" * (LIMIT // 3 + 1))], timeout=20)
        assert answers["big"].permanent

    ask(scenario)


def test_a_batch_beyond_the_limit_of_one_call_is_sent_in_several(ask):
    async def scenario(queue, url):
        batch = [Entry(f"key {number}", f"{number}" * 300_000) for number in range(10)]
        answers = await queue.send(url, batch, timeout=20)
        assert all(isinstance(answer, str) for answer in answers.values())
        assert (await queue.info(url)).waiting == 10

    ask(scenario)


def test_text_that_is_not_unicode_fails_for_good_and_alone(ask):
    async def scenario(queue, url):
        answers = await queue.send(url, [Entry("a", "fine"), Entry("b", "\ud800")], timeout=5)
        assert isinstance(answers["a"], str)
        assert answers["b"] == Fault("InvalidMessageContents", answers["b"].text, permanent=True)

    ask(scenario)
