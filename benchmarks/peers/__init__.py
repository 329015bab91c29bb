"""The peers: what people write today to do the dispatcher's job, without its features.

Each reads the same queues, sends each email alternately to SES and SendGrid, and deletes in
batches of ten after acceptance; with the knobs that its libraries document for speed, as many
emails in flight as gomail, and the packages its users take. The Python peers live in a virtual
environment of their own, since aiobotocore wants a botocore of its choice.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
VENV = HERE / ".venv"
JS = HERE / "js"
PATH = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
"""Where programs are looked for: Node.js may be one of the environment's packages."""

IN_FLIGHT = 256
"""Emails a provider may have in its hands at a time."""
RECEIVERS = 16
"""Receives that may be open on a queue; sqs-consumer needs more, one a batch that it works on."""


@dataclass(frozen=True)
class Peer:
    """A program, and the CPU a message it was seen to take, in microseconds.

    Seen on 2 cores with 2 queues, bodies of 1 KB and providers that take 50 ms.
    """

    name: str
    command: list[str]
    expected_us_plain: float
    expected_us_tls: float


PEERS = {
    peer.name: peer
    for peer in (
        Peer("threads", [str(VENV / "bin/python"), str(HERE / "threads.py")], 1302, 2398),
        Peer("aio", [str(VENV / "bin/python"), str(HERE / "aio.py")], 742, 752),
        Peer("js", [shutil.which("node", path=PATH) or "node", str(JS / "peer.js")], 691, 1074),
    )
}


def environment(
    *,
    queues: Sequence[str],
    aws: str,
    sendgrid: str,
    dead: str,
    ca_file: str | None = None,
) -> dict[str, str]:
    """All of a peer's environment: nothing of ours seeps in, no proxy and no AWS profile.

    `queues` and `dead` are URLs of queues, `aws` the address of SQS and SES, `sendgrid` that of
    SendGrid; `ca_file` holds the certificates to trust.
    """
    variables = {
        "PATH": PATH,
        "SQS_URLS": ",".join(queues),
        "DEAD": dead,
        "AWS_ENDPOINT_URL": aws,
        "SENDGRID_URL": sendgrid,
        "IN_FLIGHT": str(IN_FLIGHT),
        "RECEIVERS": str(RECEIVERS),
        "AWS_REGION": "eu-west-1",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_ACCESS_KEY_ID": "benchmark",
        "AWS_SECRET_ACCESS_KEY": "benchmark",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "SENDGRID_API_KEY": "SG.benchmark",
    }
    return variables | ({"CA_FILE": ca_file} if ca_file else {})


def prepare(name: str) -> str | None:
    """Install what a peer needs, if it is not there; the reason if it cannot be had."""
    return _prepare_js() if name == "js" else _prepare_python()


def _prepare_python() -> str | None:
    pins = HERE / "requirements.txt"
    mark = VENV / ".installed"
    if _is_newer(mark, pins):
        return None
    pip = [str(VENV / "bin/python"), "-m", "pip", "install", "--disable-pip-version-check"]
    done = _step(
        "virtual environment of the Python peers", sys.executable, "-m", "venv", "--clear", VENV
    ) and _step("packages of the Python peers", *pip, "--require-hashes", "-r", pins)
    if not done:
        return "the Python peers' packages could not be installed; see var/log/setup.log"
    mark.touch()
    return None


def _prepare_js() -> str | None:
    lock = JS / "package-lock.json"
    if _is_newer(JS / "node_modules/.package-lock.json", lock):
        return None
    if subprocess.run([ROOT / "tools/find-node"], env={"PATH": PATH}, check=False).returncode:
        return "there is no Node.js 20.19 or later with npm on PATH; `make setup` installs one"
    if not _step("packages of sqs-consumer's peer", "npm", "--prefix", JS, "ci"):
        return "sqs-consumer and its packages could not be installed; see var/log/setup.log"
    return None


def _is_newer(made: Path, source: Path) -> bool:
    return made.exists() and made.stat().st_mtime >= source.stat().st_mtime


def _step(text: str, *command: str | Path) -> bool:
    """Run a command that takes its time; what is shown goes to stderr, beside other progress."""
    ended = subprocess.run(
        [ROOT / "tools/step", text, *command],
        cwd=ROOT,
        env={**os.environ, "PATH": PATH},
        stdout=sys.stderr,
        check=False,
    )
    return ended.returncode == 0
