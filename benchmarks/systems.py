"""The systems that are measured, and what each of them is told: gomail by its settings file, a peer
by the environment alone.

Every system finds AWS credentials and `SENDGRID_API_KEY` in its environment, and the file of the
stand-in's authority under the names that OpenSSL, botocore, requests and Node.js look for. A peer
finds `QUEUE_URLS` (with commas between), `SQS_ENDPOINT`, `SES_ENDPOINT` and `SENDGRID_URL` besides.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.standin.client import Standin
from gomail.settings import Settings

QUEUES = ("mail-1", "mail-2")
DEAD_LETTER = "dead"
PROVIDERS = ("ses", "sendgrid")
GOMAIL = "gomail"
_SECRET = "stand-in"


@dataclass(frozen=True)
class System:
    """One way to send the mail of the queues."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    transport: str = ""
    """Of gomail's own transports; empty for the default, and for a peer."""
    expected_us: float | None = None
    """CPU µs a message of a reference measurement, plain."""

    @property
    def is_gomail(self) -> bool:
        """Reads a settings file."""
        return self.name.startswith(GOMAIL)


def gomails(transports: Sequence[str]) -> list[System]:
    """gomail's dispatcher, once for each transport there is, or by its default where none is."""
    command = (sys.executable, "-m", "bytewax.run", "flows.dispatch")
    if "transport" not in Settings.model_fields:
        return [System(f"{GOMAIL} aiohttp", command)]
    return [
        System(f"{GOMAIL} {one}", command, {"GOMAIL_TRANSPORT": one}, one) for one in transports
    ]


def peers() -> tuple[list[System], list[str]]:
    """The peers that can run here, and why others cannot."""
    try:
        registry: Mapping[str, Any] = import_module("benchmarks.peers").PEERS
    except ImportError as error:
        return [], [f"no peers: {error}"]
    able, missing = [], []
    for name, peer in registry.items():
        if why := _why_not(peer):
            missing.append(f"{name} is left out: {why}")
            continue
        expected = getattr(peer, "expected_us", None)
        expected = expected[0] if isinstance(expected, list | tuple) else expected
        able.append(System(name, tuple(peer.command), dict(peer.env or {}), "", expected))
    return able, missing


def _why_not(peer: Any) -> str:
    """The reason for which a peer cannot run here; empty where it can."""
    reason = getattr(peer, "why_not", None)
    return str(reason() if callable(reason) else reason or "")


def told(standin: Standin, *, tls: bool, folder: Path) -> dict[str, str]:
    """The environment of every system; its settings file is in `folder`."""
    url = standin.url(tls=tls)
    return {
        "AWS_ACCESS_KEY_ID": _SECRET,
        "AWS_SECRET_ACCESS_KEY": _SECRET,
        "AWS_REGION": "eu-west-1",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "SENDGRID_API_KEY": _SECRET,
        "SSL_CERT_FILE": standin.ca,
        "AWS_CA_BUNDLE": standin.ca,
        "REQUESTS_CA_BUNDLE": standin.ca,
        "NODE_EXTRA_CA_CERTS": standin.ca,
        "QUEUE_URLS": ",".join(queue_urls(url)),
        "SQS_ENDPOINT": url,
        "SES_ENDPOINT": url,
        "SENDGRID_URL": url,
        "GOMAIL_CONFIG": str(folder / "bytewax.yaml"),
    }


def write_settings(
    folder: Path, url: str, *, providers: Sequence[str], dispatch: Mapping[str, Any]
) -> None:
    """gomail's settings for the stand-in; JSON is YAML."""
    ways = {"ses": {"endpoint_url": url}, "sendgrid": {"base_url": url}}
    settings = {
        "queues": {
            "urls": queue_urls(url),
            "dead_letter": f"{url}/000000000000/{DEAD_LETTER}",
            "endpoint_url": url,
        },
        "providers": {name: ways[name] for name in providers},
        "dispatch": dict(dispatch),
        "ledger": {"url": f"sqlite:{folder}/ledger.db"},
        "log_level": "INFO",
    }
    (folder / "bytewax.yaml").write_text(json.dumps(settings))


def queue_urls(url: str) -> list[str]:
    """The queues at the stand-in."""
    return [f"{url}/000000000000/{name}" for name in QUEUES]
