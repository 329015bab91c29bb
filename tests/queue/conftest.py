"""Two services behind one contract: the sandbox as a process, and moto over HTTP."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from itertools import count
from typing import Any

import pytest
from botocore.credentials import Credentials as BotocoreCredentials
from botocore.session import Session

from gomail.aws import Credentials
from gomail.http import AiohttpTransport
from gomail.queue.sqs import SqsQueue, open_queue
from tests import servers

REGION = "eu-west-1"
Scenario = Callable[[SqsQueue, str], Awaitable[Any]]

MOTO_DEVIATES = {
    "test_an_outdated_handle_deletes_nothing": "it deletes with any handle it ever gave out",
    "test_an_outdated_handle_hides_nothing": "it hides with any handle it ever gave out",
    "test_the_size_of_a_message_is_counted_in_bytes": "it counts characters",
}
"""Tests of the contract that moto fails, with the reason; the sandbox passes all."""


@pytest.fixture(scope="session")
def sandbox_url() -> Iterator[str]:
    with servers.sandbox() as url:
        yield url


@pytest.fixture(scope="session")
def moto_url() -> Iterator[str]:
    with servers.moto() as url:
        yield url


@pytest.fixture(params=["sandbox", "moto"])
def service_url(request: pytest.FixtureRequest) -> str:
    name = request.node.originalname
    if request.param == "moto" and (reason := MOTO_DEVIATES.get(name)):
        request.applymarker(pytest.mark.xfail(reason=f"moto: {reason}", strict=True))
    return request.getfixturevalue(f"{request.param}_url")


@pytest.fixture
def client(service_url: str, clients: dict[str, Any]) -> Any:
    """botocore's own client of the same service."""
    if service_url not in clients:
        clients[service_url] = Session().create_client(
            "sqs",
            region_name=REGION,
            endpoint_url=service_url,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )
    return clients[service_url]


@pytest.fixture(scope="session")
def clients() -> Iterator[dict[str, Any]]:
    opened: dict[str, Any] = {}
    yield opened
    for client in opened.values():
        client.close()


@pytest.fixture
def ask(service_url: str, client: Any, new_name: Callable[[], str]) -> Callable[[Scenario], Any]:
    """Run a scenario with an adapter and the URL of a new queue."""

    def ask_(scenario: Scenario) -> Any:
        url = client.create_queue(QueueName=new_name())["QueueUrl"]
        return asyncio.run(_with_queue(service_url, lambda queue: scenario(queue, url)))

    return ask_


@pytest.fixture(scope="session")
def new_name() -> Callable[[], str]:
    numbers = count(1)
    return lambda: f"queue-{next(numbers)}"


async def _with_queue(url: str, scenario: Callable[[SqsQueue], Awaitable[Any]]) -> Any:
    transport = AiohttpTransport()
    credentials = Credentials(lambda: BotocoreCredentials("test", "test"))
    await credentials.load()
    queue = await open_queue(
        region=REGION, endpoint_url=url, transport=transport, credentials=credentials
    )
    try:
        return await scenario(queue)
    finally:
        await transport.close()
