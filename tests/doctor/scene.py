"""What the doctor's tests share: settings, credentials, a queue as it should be, a run."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from botocore.credentials import Credentials as BotocoreCredentials

from gomail.aws import MISSING_CREDENTIALS, Credentials
from gomail.doctor import Section
from gomail.doctor.examination import Examination
from gomail.errors import ConfigurationError
from gomail.providers import Finding, Level
from gomail.queue import QueueDescription
from gomail.settings import Settings

DAY = 86_400
SQS = "https://sqs.eu-west-1.amazonaws.com"
URL = f"{SQS}/123456789012/emails-1"
DEAD_URL = f"{SQS}/123456789012/dead"
DEAD_ARN = "arn:aws:sqs:eu-west-1:123456789012:dead"
QUEUES = {"urls": [URL], "dead_letter": DEAD_URL}


def settings(**given: Any) -> Settings:
    fields: dict[str, Any] = {
        "queues": QUEUES,
        "providers": {"sendgrid": {}},
        "ledger": {"url": ""},
        "ingest": {"keys_file": ""},
        "aws": {"region": "eu-west-1"},
    }
    return Settings(**fields | given)


def described(**given: Any) -> QueueDescription:
    """A queue as it should be."""
    fields: dict[str, Any] = {
        "arn": "arn:aws:sqs:eu-west-1:123456789012:emails-1",
        "waiting": 12,
        "hidden": 3,
        "delayed": 1,
        "max_message_bytes": 1_048_576,
        "visibility": 30,
        "retention": 4 * DAY,
        "delay": 0,
        "fifo": False,
        "dead_letter_arn": DEAD_ARN,
        "max_receives": 1000,
    }
    return QueueDescription(**fields | given)


def dead_letters(**given: Any) -> QueueDescription:
    """A dead-letter queue as it should be."""
    fields: dict[str, Any] = {"arn": DEAD_ARN, "waiting": 0, "hidden": 0, "dead_letter_arn": ""}
    return described(**fields | {"max_receives": 0, "retention": 14 * DAY} | given)


async def found_credentials(_region: str = "") -> Credentials:
    credentials = Credentials(lambda: BotocoreCredentials("AKIDEXAMPLE", "aws-secret"))
    await credentials.load()
    return credentials


async def no_credentials(_region: str) -> Credentials:
    raise ConfigurationError(MISSING_CREDENTIALS)


def examined(
    known: Settings,
    transport: Any,
    *,
    environ: Mapping[str, str] | None = None,
    say: Callable[[str], None] = lambda _: None,
    **given: Any,
) -> dict[str, list[Finding]]:
    """What is found, by section."""
    given.setdefault("find", found_credentials)
    examination = Examination(
        settings=known,
        transport=transport,
        environ={"SENDGRID_API_KEY": "SG.key-of-the-test"} if environ is None else environ,
        **given,
    )

    async def run() -> list[Section]:
        return await examination.run(say)

    return {section.title: list(section.findings) for section in asyncio.run(run())}


def levels(findings: list[Finding]) -> set[Level]:
    return {finding.level for finding in findings}
