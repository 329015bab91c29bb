"""Which kinds of provider there are, and how each is made. Adding one is a line here.

Only composition roots import this: everything else knows the port in `gomail.providers`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pydantic import SecretStr

from gomail.errors import ConfigurationError
from gomail.http import Transport
from gomail.providers import Provider
from gomail.providers.sendgrid import sendgrid
from gomail.providers.sending import Signer
from gomail.providers.ses import ses
from gomail.settings import ProviderSettings, SendGridSettings, SesSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Supplies:
    """What a provider may need beside its settings; each takes what it knows."""

    transport: Transport
    key: SecretStr | None = None
    """The provider's key, from `gomail.settings.provider_keys`."""
    sign: Signer | None = field(default=None, repr=False)
    """AWS: signs for the service `ses` in this provider's region, with credentials kept fresh."""
    endpoint: str = ""
    """AWS: the endpoint in that region, used where the settings name no other."""


def _ses(name: str, settings: SesSettings, supplies: Supplies) -> Provider:
    endpoint = settings.endpoint_url or supplies.endpoint
    if supplies.sign is None or not endpoint:
        raise ConfigurationError(f"providers.{name} needs AWS credentials and a region; set them")
    return ses(
        name,
        endpoint=endpoint,
        configuration_set=settings.configuration_set,
        transport=supplies.transport,
        sign=supplies.sign,
    )


def _sendgrid(name: str, settings: SendGridSettings, supplies: Supplies) -> Provider:
    if supplies.key is None:
        raise ConfigurationError(f"providers.{name} has no key; set SENDGRID_API_KEY")
    return sendgrid(
        name, base_url=settings.base_url, key=supplies.key, transport=supplies.transport
    )


KINDS: dict[str, Callable[[str, Any, Supplies], Provider]] = {
    "ses": _ses,
    "sendgrid": _sendgrid,
}
"""A factory for every kind in the settings: name, that kind's settings, supplies."""


def build(name: str, settings: ProviderSettings, supplies: Supplies) -> Provider:
    """The provider that settings describe.

    Raises:
        ConfigurationError: something it needs is missing; the text says what to set.
    """
    return KINDS[settings.kind](name, settings, supplies)
