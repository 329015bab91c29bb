"""A world for each test, and the ways to run a flow."""

import pytest

from tests.flows import running
from tests.flows.fake_ledger import FakeLedger
from tests.flows.fake_payloads import FakePayloads
from tests.flows.running import World


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def ledger(world, tmp_path):
    """The world's ledger."""
    world.ledger = FakeLedger(tmp_path)
    yield world.ledger
    world.ledger.close_all()


@pytest.fixture
def payloads(world):
    """The world's payload store."""
    world.payloads = FakePayloads()
    return world.payloads


@pytest.fixture(params=["one_worker", "two_workers", "two_processes"])
def by(request):
    """Each way to run the dataflow."""
    return getattr(running, request.param)()
