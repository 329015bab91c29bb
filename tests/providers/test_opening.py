"""What a provider needs beside its settings, and who lacks it."""

import asyncio
from typing import Any

import pytest
from botocore.credentials import Credentials as BotocoreCredentials
from pydantic import SecretStr

from gomail.aws import Credentials
from gomail.errors import ConfigurationError
from gomail.providers.opening import open_provider, open_providers
from gomail.providers.table import Supplies
from gomail.settings import Settings
from tests.builders import message
from tests.providers.scripted import ScriptedTransport, response

QUEUES = {"urls": ["https://queue.example/1"], "dead_letter": "https://queue.example/dead"}
KEYS = {"sendgrid": SecretStr("SG.key")}


def settings(**providers: Any) -> Settings:
    return Settings(queues=QUEUES, providers=providers, aws={"region": "eu-west-1"})


def opened(providers, *, transport=None, keys=KEYS):
    async def open_() -> Any:
        credentials = Credentials(lambda: BotocoreCredentials("AK", "secret"))
        await credentials.load()
        return await open_providers(
            settings(**providers), keys, transport or ScriptedTransport(response(500)), credentials
        )

    return asyncio.run(open_())


def test_every_configured_provider_is_opened_under_its_own_name():
    providers = opened({"sendgrid": {}, "ses": {}, "second": {"kind": "ses"}})

    assert {name: one.name for name, one in providers.items()} == {
        "sendgrid": "sendgrid",
        "ses": "ses",
        "second": "second",
    }


def test_ses_is_asked_in_its_own_region_and_else_in_the_queues_region():
    transport = ScriptedTransport(response(500))
    providers = opened(
        {"ses": {}, "far": {"kind": "ses", "region": "us-east-2"}}, transport=transport
    )

    for one in providers.values():
        asyncio.run(one.send(message(), timeout=1))

    assert [request.url.split("/")[2] for request in transport.requests] == [
        "email.eu-west-1.amazonaws.com",
        "email.us-east-2.amazonaws.com",
    ]
    assert [request.headers["Authorization"].split("/")[2:4] for request in transport.requests] == [
        ["eu-west-1", "ses"],
        ["us-east-2", "ses"],
    ]


def test_ses_at_an_endpoint_of_its_own_is_asked_there():
    transport = ScriptedTransport(response(500))
    providers = opened({"ses": {"endpoint_url": "http://127.0.0.1:9"}}, transport=transport)

    asyncio.run(providers["ses"].send(message(), timeout=1))

    assert transport.requests[0].url.startswith("http://127.0.0.1:9/v2/")


def test_a_provider_without_its_key_is_refused_with_the_variable_to_set():
    with pytest.raises(ConfigurationError, match=r"providers\.sendgrid .* SENDGRID_API_KEY"):
        opened({"sendgrid": {}}, keys={})


def test_ses_without_credentials_is_refused_alone():
    one = settings(ses={}).providers["ses"]
    supplies = Supplies(transport=ScriptedTransport(response(500)))

    with pytest.raises(ConfigurationError, match=r"providers\.ses needs AWS credentials"):
        asyncio.run(
            open_provider("ses", one, supplies=supplies, credentials=None, region="eu-west-1")
        )
