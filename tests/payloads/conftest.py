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
from gomail.payloads.s3 import S3Payloads, bucket_url
from tests import servers

REGION = "us-east-1"
PREFIX = "gomail/"
Scenario = Callable[[S3Payloads], Awaitable[Any]]


@pytest.fixture(scope="session")
def sandbox_url() -> Iterator[str]:
    with servers.sandbox() as url:
        yield f"{url}/s3"


@pytest.fixture(scope="session")
def moto_url() -> Iterator[str]:
    with servers.moto() as url:
        client = Session().create_client(
            "s3",
            region_name=REGION,
            endpoint_url=url,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )
        for number in range(40):
            client.create_bucket(Bucket=f"emails-{number}")
        client.close()
        yield url


@pytest.fixture(params=["sandbox", "moto"])
def service_url(request: pytest.FixtureRequest) -> str:
    return request.getfixturevalue(f"{request.param}_url")


@pytest.fixture(scope="session")
def new_bucket() -> Callable[[], str]:
    numbers = count()
    return lambda: f"emails-{next(numbers)}"


@pytest.fixture
def store(service_url: str, new_bucket: Callable[[], str]) -> Callable[[Scenario], Any]:
    """Run a scenario with an adapter over a new bucket; several see the same one."""
    url = bucket_url(new_bucket(), region=REGION, endpoint_url=service_url)
    return lambda scenario: asyncio.run(with_store(url, scenario))


async def with_store(url: str, scenario: Scenario) -> Any:
    transport = AiohttpTransport()
    credentials = Credentials(lambda: BotocoreCredentials("test", "test"))
    await credentials.load()
    payloads = S3Payloads(transport, credentials, region=REGION, url=url, prefix=PREFIX)
    try:
        return await scenario(payloads)
    finally:
        await transport.close()
