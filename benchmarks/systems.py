"""The systems that are measured, and what each of them is told of the stand-in.

gomail is told by a settings file, a peer by its environment (`benchmarks/peers`).
"""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.processes import plain_environment
from gomail.settings import Settings

QUEUES = ("mail-1", "mail-2")
DEAD_LETTER = "dead"
PROVIDERS = ("ses", "sendgrid")
_GOMAIL = "gomail"
_TRANSPORT = "transport"
_SECRET = "stand-in"


@dataclass(frozen=True)
class Place:
    """Where a run takes place."""

    url: str
    """Of the stand-in."""
    ca: str
    """The file of the authority to trust."""
    folder: Path
    """The run's own."""

    @property
    def queues(self) -> list[str]:
        """The URLs of the queues."""
        return [f"{self.url}/000000000000/{name}" for name in QUEUES]

    @property
    def dead_letter(self) -> str:
        """The URL of the dead-letter queue."""
        return f"{self.url}/000000000000/{DEAD_LETTER}"

    @property
    def settings(self) -> Path:
        """The settings file of gomail's processes."""
        return self.folder / "bytewax.yaml"


@dataclass(frozen=True)
class System:
    """One way to send the mail of the queues."""

    name: str
    command: Sequence[str]
    environment: Callable[[Place], dict[str, str]]
    expected_us: tuple[float, float] | None = None
    """CPU µs a message of a reference measurement, plain and with TLS."""

    @property
    def is_gomail(self) -> bool:
        """Whether it reads a settings file."""
        return self.name.startswith(_GOMAIL)


def gomails(transports: Sequence[str]) -> list[System]:
    """The dispatcher, once for each transport there is, or by its default where none is."""
    if _TRANSPORT not in Settings.model_fields:
        return [_gomail("aiohttp", {})]
    return [_gomail(one, {f"GOMAIL_{_TRANSPORT.upper()}": one}) for one in transports]


def _gomail(transport: str, chosen: Mapping[str, str]) -> System:
    return System(
        f"{_GOMAIL} {transport}",
        (sys.executable, "-m", "bytewax.run", "flows.dispatch"),
        lambda place: {**gomail_environment(place), **chosen},
    )


def peers() -> tuple[list[System], list[str]]:
    """The peers that can run here, and why others cannot."""
    try:
        package: Any = import_module("benchmarks.peers")
    except ImportError as error:
        return [], [f"no peers: {error}"]
    able, missing = [], []
    for name, peer in package.PEERS.items():
        if why := package.prepare(name):
            missing.append(f"{name} is left out: {why}")
        else:
            expected = (peer.expected_us_plain, peer.expected_us_tls)
            able.append(System(name, peer.command, _peer_environment(package), expected))
    return able, missing


def _peer_environment(package: Any) -> Callable[[Place], dict[str, str]]:
    def environment(place: Place) -> dict[str, str]:
        variables: dict[str, str] = package.environment(
            queues=place.queues,
            aws=place.url,
            sendgrid=place.url,
            dead=place.dead_letter,
            ca_file=place.ca,
        )
        return variables

    return environment


def gomail_environment(place: Place) -> dict[str, str]:
    """What both of gomail's processes need besides the settings file."""
    return {
        **plain_environment(),
        "GOMAIL_CONFIG": str(place.settings),
        "AWS_ACCESS_KEY_ID": _SECRET,
        "AWS_SECRET_ACCESS_KEY": _SECRET,
        "AWS_REGION": "eu-west-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "SENDGRID_API_KEY": _SECRET,
        "SSL_CERT_FILE": place.ca,
    }


def write_settings(place: Place, *, providers: Sequence[str], dispatch: Mapping[str, Any]) -> None:
    """The settings file of gomail's processes; JSON is YAML."""
    ways = {"ses": {"endpoint_url": place.url}, "sendgrid": {"base_url": place.url}}
    settings = {
        "queues": {
            "urls": place.queues,
            "dead_letter": place.dead_letter,
            "endpoint_url": place.url,
        },
        "providers": {name: ways[name] for name in providers},
        "dispatch": dict(dispatch),
        "ledger": {
            "url": f"sqlite:{place.folder}/ledger.db",
            "spool": f"{place.folder}/spool",
        },
        "log_level": "INFO",
    }
    place.settings.write_text(json.dumps(settings))
