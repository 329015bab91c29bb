"""Long polls without a network: who gets a message when several wait and some leave."""

import asyncio

from sandbox.attributes import Settings
from sandbox.message import Message
from sandbox.queue import Queue
from sandbox.store import NoStore
from sandbox.waiting import Waiting


class Scene:
    """One queue and those who wait at it."""

    def __init__(self):
        self.queue = Queue("mail", Settings("mail", 0, 0), NoStore())
        self.waiting = Waiting(lambda: 0.0)
        self.gone = set()

    def send(self):
        self.queue.send(Message(1, "id", "body", "md5", None, None, None, 0), 0.0, 0)
        self.waiting.wake(self.queue)

    async def poll(self, name="one", wait=5.0):
        task = asyncio.create_task(
            self.waiting.receive(
                self.queue, limit=1, visibility=30, wait=wait, gone=lambda: name in self.gone
            )
        )
        await asyncio.sleep(0)
        return task


def test_who_leaves_in_the_moment_of_waking_leaves_the_message_to_the_next():
    async def story():
        scene = Scene()
        first, second = await scene.poll(), await scene.poll()
        scene.send()
        first.cancel()
        return await asyncio.wait_for(second, 1)

    assert len(asyncio.run(story())) == 1


def test_who_is_found_gone_takes_no_message_and_the_next_one_is_woken():
    async def story():
        scene = Scene()
        first, second = await scene.poll("first"), await scene.poll("second")
        scene.gone.add("first")
        scene.send()
        return await first, await asyncio.wait_for(second, 1)

    first, second = asyncio.run(story())
    assert (first, len(second)) == ([], 1)


def test_a_message_in_the_moment_of_the_deadline_is_not_missed():
    async def story():
        scene = Scene()
        poll = await scene.poll(wait=0.001)
        scene.send()
        return await poll

    assert len(asyncio.run(story())) == 1


def test_nobody_stays_in_line_after_leaving():
    async def story():
        scene = Scene()
        polls = [await scene.poll() for _ in range(10)]
        for poll in polls:
            poll.cancel()
        await asyncio.gather(*polls, return_exceptions=True)
        return scene.waiting._lines["mail"].waiters

    assert not asyncio.run(story())
