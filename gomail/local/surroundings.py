"""What the children are told: a configuration and an environment that lead to the sandbox only.

Whatever the person has set for real use (keys, profiles, queue URLs) stays out of it, so that no
real key and no real email leaves the machine.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from gomail.errors import ConfigurationError
from gomail.provider_settings import (
    KEY_VARIABLES,
    ProviderSettings,
    SesSettings,
    SmtpSettings,
    key_variable,
)
from gomail.settings import FILE_VARIABLE, PREFIX, Settings, load

QUEUES = ("emails-1", "emails-2")
DEAD_LETTER = "emails-dead-letter"
BUCKET = "emails"
REGION = "us-east-1"

_ACCOUNT = "000000000000"
_PREFIXES = (PREFIX, "AWS_", "LEDGER_", "SENDGRID_", *KEY_VARIABLES.values())
_OWN = tuple(prefix.casefold() for prefix in _PREFIXES)


def persons_settings() -> Settings:
    """What the person has configured; a region is not asked for, the sandbox has none.

    Raises:
        ConfigurationError: as for every process.
    """
    return load(environ={**os.environ, "AWS_REGION": os.environ.get("AWS_REGION") or REGION})


def for_sandbox(settings: Settings, sandbox: str, smtp_port: int) -> dict[str, Any]:
    """The same settings, their queues, providers and bucket exchanged for the sandbox's. Pure.

    Args:
        settings: the person's.
        sandbox: its address.
        smtp_port: where it takes mail by SMTP; 0 where it does not.

    Raises:
        ConfigurationError: a provider sends by SMTP, and the sandbox takes none.
    """
    kept = settings.model_dump(mode="json", exclude={"queues", "providers"})
    kept["ingest"]["keys_file"] = ""  # this machine's clients need none
    kept["log_format"] = "text"  # warnings are read out of it for the terminal
    payloads = kept["payloads"] | payloads_at(sandbox)
    providers = {
        name: _at_sandbox(name, provider, sandbox, smtp_port)
        for name, provider in settings.providers.items()
    }
    return {**kept, "queues": queues_at(sandbox), "providers": providers, "payloads": payloads}


def defaults_for_sandbox(sandbox: str) -> dict[str, Any]:
    """Settings of their own for a run beside everything else: the defaults, two providers. Pure."""
    return {
        "queues": queues_at(sandbox),
        "providers": {"ses": {"endpoint_url": sandbox}, "sendgrid": {"base_url": sandbox}},
        "payloads": payloads_at(sandbox),
        "aws": {"region": REGION},
        "ingest": {"keys_file": ""},
    }


def ledger_in(folder: Path, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The ledger's part of the settings: a file beside the rest, never the person's own. Pure."""
    here = folder.absolute()
    ours = {"url": f"sqlite:{here / 'ledger.db'}", "spool": str(here / "spool")}
    return {**settings.get("ledger", {}), **ours}


def queues_at(sandbox: str) -> dict[str, Any]:
    """The queues' part of the settings. Pure."""
    return {
        "urls": [queue_url(sandbox, name) for name in QUEUES],
        "dead_letter": queue_url(sandbox, DEAD_LETTER),
        "endpoint_url": sandbox,
    }


def payloads_at(sandbox: str) -> dict[str, Any]:
    """The payload store's part of the settings. Pure."""
    return {"bucket": BUCKET, "endpoint_url": f"{sandbox}/s3"}


def queue_url(sandbox: str, name: str) -> str:
    """Where the sandbox has this queue. Pure."""
    return f"{sandbox}/{_ACCOUNT}/{name}"


def write(settings: Mapping[str, Any], file: Path) -> None:
    """Write the children's configuration."""
    text = yaml.safe_dump(dict(settings), sort_keys=False)
    file.write_text(f"# Written by `gomail` at each start; changes are lost.\n{text}")


def environment(configuration: Path, persons: Mapping[str, str]) -> dict[str, str]:
    """The person's environment, without anything that could lead elsewhere. Pure."""
    kept = {name: value for name, value in persons.items() if not name.casefold().startswith(_OWN)}
    return kept | {
        FILE_VARIABLE: str(configuration),
        "AWS_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "sandbox",
        "AWS_SECRET_ACCESS_KEY": "sandbox",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        **dict.fromkeys(KEY_VARIABLES.values(), "sandbox"),
    }


def _at_sandbox(
    name: str, provider: ProviderSettings, sandbox: str, smtp_port: int
) -> dict[str, Any]:
    own: dict[str, Any]
    match provider:
        case SesSettings():
            own = {"endpoint_url": sandbox}
        case SmtpSettings():
            if not smtp_port:
                raise ConfigurationError(
                    f"providers.{name} sends by SMTP, which the sandbox takes only with aiosmtpd: "
                    "pip install aiosmtpd"
                )
            own = {"host": urlsplit(sandbox).hostname, "port": smtp_port, "security": "none"}
        case _:
            own = {"base_url": sandbox}
    if key_variable(provider):
        own["key_variable"] = KEY_VARIABLES[provider.kind]  # the person's own stays out of it
    return provider.model_dump(mode="json") | own
