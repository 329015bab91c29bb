"""The queue in memory keeps the contract that SQS and its stand-ins are held to."""

import asyncio
import inspect

import pytest

from tests.flows.fakes import FakeQueue
from tests.queue import test_contract

URL = "https://queue.example/emails"

# Every test of the contract but those that ask the service by botocore as well.
globals().update(
    {
        name: test
        for name, test in vars(test_contract).items()
        if name.startswith("test_") and "client" not in inspect.signature(test).parameters
    }
)


@pytest.fixture
def ask():
    """Run a scenario of the contract with a queue of its own."""
    return lambda scenario: asyncio.run(scenario(FakeQueue(URL, delays=1), URL))
