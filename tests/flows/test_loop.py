"""The loop that does a dispatch process's I/O: what is started on it can be ended."""

import asyncio

import pytest

from flows.loop import Loop


@pytest.fixture
def loop():
    one = Loop()
    yield one
    one.close()


def test_what_was_started_goes_on_until_it_is_ended_and_has_ended_then(loop):
    seen = []

    async def work():
        seen.append("begun")
        try:
            await asyncio.Event().wait()
        finally:
            for _ in range(100):  # it takes its time over its end
                await asyncio.sleep(0)
            seen.append("ended")

    end = loop.start(work())
    loop.wait(asyncio.sleep(0))
    assert seen == ["begun"]
    end()

    assert seen == ["begun", "ended"]


def test_what_has_ended_by_itself_can_be_ended_again(loop):
    end = loop.start(asyncio.sleep(0))
    loop.wait(asyncio.sleep(0.01))

    end()
    end()
