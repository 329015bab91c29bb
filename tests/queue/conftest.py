"""Three services behind one contract: the sandbox as a process, moto over HTTP, and ElasticMQ."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator
from itertools import count
from typing import Any, NoReturn

import pytest
from botocore.credentials import Credentials as BotocoreCredentials
from botocore.session import Session

from gomail.aws import Credentials
from gomail.http import AiohttpTransport, Transport
from gomail.queue.sqs import SqsQueue, open_queue
from tests import servers
from tests.queue.elasticmq import server as elasticmq
from tests.queue.elasticmq.gaps import Completed

REGION = "eu-west-1"
Scenario = Callable[[SqsQueue, str], Awaitable[Any]]

SERVICES = (
    "sandbox",
    "moto",
    # The first of them may wait for Maven.
    pytest.param("elasticmq", marks=pytest.mark.timeout(600)),
)

DEVIATES = {
    "moto": {
        "test_an_outdated_handle_deletes_nothing": "it deletes with any handle it ever gave out",
        "test_an_outdated_handle_hides_nothing": "it hides with any handle it ever gave out",
        "test_the_size_of_a_message_is_counted_in_bytes": "it counts characters",
    },
    "elasticmq": {
        "test_an_outdated_handle_deletes_nothing": "it calls one invalid where SQS says yes",
        "test_an_outdated_handle_hides_nothing": "it calls one invalid, not out of flight",
        "test_info_tells_the_backlog_and_the_size_limit": "it has no MaximumMessageSize",
        "test_a_message_beyond_the_queues_own_limit_fails_for_good_and_alone": "it has no limit",
        "test_the_size_of_a_message_is_counted_in_bytes": "it counts characters",
    },
}
"""Tests of the contract that a service fails, with the reason; the sandbox passes all."""


@pytest.fixture(scope="session")
def sandbox_url() -> Iterator[str]:
    with servers.sandbox() as url:
        yield url


@pytest.fixture(scope="session")
def moto_url() -> Iterator[str]:
    with servers.moto() as url:
        yield url


@pytest.fixture(scope="session")
def elasticmq_url(say: Callable[[str], None]) -> Iterator[str]:
    try:
        with elasticmq.serving(say) as url:
            yield url
    except elasticmq.Missing as reason:
        skip_or_fail(reason)


@pytest.fixture(scope="session")
def say(pytestconfig: pytest.Config) -> Callable[[str], None]:
    """Writes a line for whoever waits, past what pytest keeps back."""
    terminal = pytestconfig.pluginmanager.getplugin("terminalreporter")
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")

    def say_(line: str) -> None:
        with capture.global_and_fixture_disabled():
            terminal.write(f"\n{line}\n", flush=True)

    return say_


@pytest.fixture(params=SERVICES)
def service_url(request: pytest.FixtureRequest) -> str:
    deviations = DEVIATES.get(request.param, {})
    if reason := deviations.get(request.node.originalname):
        request.applymarker(pytest.mark.xfail(reason=f"{request.param}: {reason}", strict=True))
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
def ask(
    request: pytest.FixtureRequest, service_url: str, client: Any, new_name: Callable[[], str]
) -> Callable[[Scenario], Any]:
    """Run a scenario with an adapter and the URL of a new queue."""
    gaps = request.node.callspec.params["service_url"] == "elasticmq"
    transport = Completed if gaps else AiohttpTransport

    def ask_(scenario: Scenario) -> Any:
        url = client.create_queue(QueueName=new_name())["QueueUrl"]
        return asyncio.run(
            _with_queue(service_url, transport(), lambda queue: scenario(queue, url))
        )

    return ask_


@pytest.fixture(scope="session")
def new_name() -> Callable[[], str]:
    numbers = count(1)
    return lambda: f"queue-{next(numbers)}"


async def _with_queue(
    url: str, transport: Transport, scenario: Callable[[SqsQueue], Awaitable[Any]]
) -> Any:
    credentials = Credentials(lambda: BotocoreCredentials("test", "test"))
    await credentials.load()
    queue = await open_queue(
        region=REGION, endpoint_url=url, transport=transport, credentials=credentials
    )
    try:
        return await scenario(queue)
    finally:
        await transport.close()


def skip_or_fail(reason: Exception) -> NoReturn:
    """What is missing is skipped on a desk and fails in CI."""
    if os.environ.get("CI"):
        pytest.fail(str(reason))
    pytest.skip(str(reason))
