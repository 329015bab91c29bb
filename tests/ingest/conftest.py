"""An application over a ledger and a queue that a test can break, and a client at this machine.

A module that is about something else has fixtures of its own under these names.
"""

import pytest

from tests.ingest.ledgers import app_over, breakable, local_client
from tests.ingest.scripted import ScriptedQueue


@pytest.fixture
def ledger(tmp_path):
    return breakable(tmp_path)


@pytest.fixture
def queue():
    return ScriptedQueue()


@pytest.fixture
def client(ledger, queue):
    with local_client(app_over(ledger, queue)) as client:
        yield client
