"""The two services behind the queue's contract, for looking at what lies on them."""

from itertools import count

import pytest

from tests.queue.conftest import (  # noqa: F401 - fixtures
    ask,
    client,
    clients,
    moto_url,
    sandbox_url,
)

MOTO_DEVIATES = {
    "test_what_sqs_moved_goes_back_to_the_queue_it_came_from": "it does not say where from",
}


@pytest.fixture(scope="session")
def new_name():
    """Names of queues that the queue's own contract does not use: one moto serves a process."""
    numbers = count(1)
    return lambda: f"dead-letters-{next(numbers)}"


@pytest.fixture(params=["sandbox", "moto"])
def service_url(request):
    reason = MOTO_DEVIATES.get(request.node.originalname)
    if request.param == "moto" and reason:
        request.applymarker(pytest.mark.xfail(reason=f"moto: {reason}", strict=True))
    return request.getfixturevalue(f"{request.param}_url")
