"""Two services behind one contract: the sandbox as a process, and moto over HTTP."""

import asyncio
import logging
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from itertools import count
from typing import Any

import pytest
from botocore.credentials import Credentials as BotocoreCredentials
from botocore.session import Session
from moto.server import ThreadedMotoServer

from gomail.aws import Credentials
from gomail.http import AiohttpTransport
from gomail.payloads.s3 import S3Payloads, bucket_url

REGION = "us-east-1"
PREFIX = "gomail/"
Scenario = Callable[[S3Payloads], Awaitable[Any]]


@pytest.fixture(scope="session")
def sandbox_url() -> Iterator[str]:
    command = [sys.executable, "-m", "sandbox", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            line = process.stdout.readline()
            assert line.startswith("sandbox ready on "), line
            yield f"{line.split()[-1]}/s3"
        finally:
            process.terminate()


@pytest.fixture(scope="session")
def moto_url() -> Iterator[str]:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    client = Session().create_client(
        "s3",
        region_name=REGION,
        endpoint_url=f"http://{host}:{port}",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    for number in range(40):
        client.create_bucket(Bucket=f"emails-{number}")
    client.close()
    yield f"http://{host}:{port}"
    server.stop()


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
