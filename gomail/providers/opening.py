"""Opens the configured providers: what each needs beside its settings is gathered here.

Only composition roots import this. Nothing is sent and no provider is asked anything.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import replace

from pydantic import SecretStr

from gomail.aws import Credentials, Signer, endpoint
from gomail.http import Transport
from gomail.provider_settings import ProviderSettings, SesSettings
from gomail.providers import Provider
from gomail.providers.table import Supplies, build
from gomail.settings import Settings


async def open_providers(
    settings: Settings,
    keys: Mapping[str, SecretStr],
    transport: Transport,
    credentials: Credentials,
) -> dict[str, Provider]:
    """Every configured provider by its name; `keys` from `gomail.settings.provider_keys`.

    Raises:
        ConfigurationError: something that one of them needs is missing.
    """
    return {
        name: await open_provider(
            name,
            provider,
            supplies=Supplies(transport=transport, key=keys.get(name)),
            credentials=credentials,
            region=settings.aws.region,
        )
        for name, provider in settings.providers.items()
    }


async def open_provider(
    name: str,
    provider: ProviderSettings,
    *,
    supplies: Supplies,
    credentials: Credentials | None,
    region: str,
) -> Provider:
    """One provider; `supplies` without what is AWS's, `region` where its settings name none.

    Raises:
        ConfigurationError: something it needs is missing; the text says what to set.
    """
    if isinstance(provider, SesSettings) and credentials is not None:
        own = provider.region or region
        signer = Signer(credentials, service="ses", region=own)
        url = await asyncio.to_thread(
            endpoint, "sesv2", region=own, endpoint_url=provider.endpoint_url
        )
        supplies = replace(supplies, sign=signer.sign, endpoint=url)
    return build(name, provider, supplies)
