"""A world for each test, and the ways to run a flow."""

import pytest

from tests.flows import running
from tests.flows.running import World


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture(params=["one_worker", "two_workers", "two_processes"])
def by(request):
    """Each way to run the dataflow."""
    return getattr(running, request.param)()
