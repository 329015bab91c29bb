"""The box over the sandbox and moto alike: what they tell of a dead letter, and how it goes on."""

import json
import time

from gomail.dead_letters import EVERY, TOO_OFTEN, Which
from gomail.dead_letters_box import DeadLetterBox
from gomail.email import encode
from gomail.queue import Entry
from tests.builders import message

TOLD = {"gomailId": "m-1", "reason": "höchst eigen", "code": "550", "attempts": "3"}


async def put(queue, url, id_, **attributes):
    entry = Entry("key", encode(message(id_)), TOLD | {"gomailId": id_} | attributes)
    await queue.send(url, [entry], timeout=5)


def box_over(queue, dead, *targets):
    """A box whose letters are not too fresh to be redriven."""
    return DeadLetterBox(queue, url=dead, targets=targets, wall=lambda: time.time() + 3_600)


def test_browsing_tells_attributes_and_receiving_does_not(ask):
    async def scenario(queue, url):
        await put(queue, url, "m-1")
        [told] = await queue.browse(url, most=10, wait=5, visibility=30)
        await queue.hide(url, {told.handle: 0})
        [plain] = await queue.receive(url, most=10, wait=5, visibility=30)
        assert (told.attributes, told.source_arn) == (TOLD, "")
        assert (plain.attributes, plain.source_arn) == (None, "")
        assert (told.queue_message_id, told.body) == (plain.queue_message_id, plain.body)

    ask(scenario)


def test_a_letter_without_attributes_tells_none(ask):
    async def scenario(queue, url):
        await queue.send(url, [Entry("key", "no JSON")], timeout=5)
        [told] = await queue.browse(url, most=10, wait=5, visibility=30)
        assert (told.attributes, told.body) == (None, "no JSON")

    ask(scenario)


def test_what_is_looked_at_is_all_there_and_visible_again(ask):
    async def scenario(queue, url):
        for number in range(23):
            await put(queue, url, f"m-{number}")
        for _ in range(2):
            look = await box_over(queue, url).look()
            assert {letter.id for letter in look.letters} == {f"m-{n}" for n in range(23)}
            assert {letter.reason for letter in look.letters} == {"höchst eigen"}
            assert (look.looked, look.complete) == (23, True)

    ask(scenario)


def test_what_is_redriven_is_on_its_queue_and_no_longer_dead(ask, client, new_name):
    mail = client.create_queue(QueueName=new_name())["QueueUrl"]

    async def scenario(queue, url):
        for number in range(12):
            await put(queue, url, f"m-{number}", code="550" if number else "400")
        box = box_over(queue, url, mail)
        done = await box.redrive(Which(code="550"), rate=1_000)
        left = await box.look()
        assert (len(done.redriven), done.kept, done.undeleted) == (11, [], [])
        assert [letter.id for letter in left.letters] == ["m-0"]
        assert await box.purge({letter.copy for letter in left.letters}) == 1
        assert (await box.look()).looked == 0
        assert (await queue.info(mail)).waiting == 11

    ask(scenario)


def test_what_sqs_moved_goes_back_to_the_queue_it_came_from(ask, client, new_name):
    async def scenario(queue, dead):
        arn = (await queue.describe(dead)).arn
        policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": "1"})
        other = client.create_queue(QueueName=new_name())["QueueUrl"]
        mail = client.create_queue(QueueName=new_name(), Attributes={"RedrivePolicy": policy})
        source = mail["QueueUrl"]
        await queue.send(source, [Entry("key", encode(message("m-1")))], timeout=5)
        [once] = await queue.receive(source, most=1, wait=5, visibility=30)
        await queue.hide(source, {once.handle: 0})
        assert await queue.receive(source, most=1, wait=0, visibility=30) == []

        box = box_over(queue, dead, other, source)
        [letter] = (await box.look()).letters
        assert (letter.id, letter.reason, letter.by_us) == ("m-1", TOO_OFTEN, False)
        assert (await box.redrive(EVERY, rate=1_000)).redriven == ["m-1"]
        [again] = await queue.receive(source, most=1, wait=5, visibility=30)
        assert again.body == encode(message("m-1"))

    ask(scenario)
