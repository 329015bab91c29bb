"""Asks everything at once and bounds the time: what does not answer is a finding like another.

Everything is opened as the processes do it, and each provider by itself: one whose key is missing
keeps nobody from asking the others.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gomail.aws import Credentials, find_credentials
from gomail.doctor import Section, bad, misconfigured, note, queues, well
from gomail.doctor.keys import ask_keys
from gomail.doctor.queues import Asked
from gomail.doctor.stores import ask_ledger, ask_payloads, ask_spool
from gomail.errors import ConfigurationError
from gomail.http import Transport
from gomail.ledger.table import open_ledger
from gomail.payloads.table import open_payloads
from gomail.provider_settings import ProviderSettings, key_variable
from gomail.providers import Finding
from gomail.providers.opening import open_provider
from gomail.providers.table import Supplies
from gomail.queue import Describer
from gomail.queue.sqs import open_queue
from gomail.settings import Settings, provider_keys

LIMIT = 10.0
"""Seconds that everything together may take."""
SEARCH_LIMIT = 5.0
"""Seconds of it that the search for credentials may take: the queues wait for it."""
SAY_AFTER = 2.0
"""Seconds between two lines that say what is still being asked."""

Say = Callable[[str], None]
Check = Coroutine[Any, Any, list[Finding]]


@dataclass(frozen=True, slots=True)
class Cloud:
    """What everything at AWS needs."""

    credentials: Credentials
    queue: Describer


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """Everything that can be asked with these settings."""

    settings: Settings
    environ: Mapping[str, str]
    """Where the keys are."""
    transport: Transport
    find: Callable[[str], Awaitable[Credentials]] = find_credentials
    limit: float = LIMIT

    async def run(self, say: Say) -> list[Section]:
        """Ask, within the limit; `say` is told what is still being asked."""
        cloud = asyncio.ensure_future(self._cloud())
        asked = asyncio.ensure_future(self._ask_queues(cloud))
        checks = {
            "AWS": self._aws(cloud),
            **self._queues(asked),
            **{
                f"provider {name}": self._provider(name, one, cloud)
                for name, one in self.settings.providers.items()
            },
            "ledger": self._ledger(),
            "API keys": self._keys(),
        }
        if self.settings.payloads.bucket:
            checks["payloads"] = self._payloads(cloud)
        try:
            return await ask_all(checks, say=say, limit=self.limit)
        finally:
            asked.cancel()
            cloud.cancel()

    async def _cloud(self) -> Cloud | ConfigurationError:
        region = self.settings.aws.region
        try:
            credentials = await asyncio.wait_for(self.find(region), SEARCH_LIMIT)
            queue = await open_queue(
                region=region,
                endpoint_url=self.settings.queues.endpoint_url,
                transport=self.transport,
                credentials=credentials,
            )
        except ConfigurationError as error:
            return error
        except TimeoutError:
            return ConfigurationError(
                f"no AWS credentials within {SEARCH_LIMIT:g} s; set AWS_ACCESS_KEY_ID and "
                "AWS_SECRET_ACCESS_KEY, or mend the profile or role that they come from"
            )
        return Cloud(credentials, queue)

    async def _aws(self, cloud: Awaitable[Cloud | ConfigurationError]) -> list[Finding]:
        match await cloud:
            case ConfigurationError() as error:
                return misconfigured(error)
            case Cloud():
                return [well(f"credentials are found; region {self.settings.aws.region}")]

    async def _ask_queues(self, cloud: Awaitable[Cloud | ConfigurationError]) -> dict[str, Asked]:
        """What each queue says, by its URL; empty where none can be asked."""
        found = await cloud
        if isinstance(found, ConfigurationError):
            return {}
        wanted = self.settings.queues
        urls = [*wanted.urls, wanted.dead_letter]
        answers = await asyncio.gather(*(queues.ask(found.queue, url) for url in urls))
        return dict(zip(urls, answers, strict=True))

    def _queues(self, asked: Awaitable[dict[str, Asked]]) -> dict[str, Check]:
        wanted = self.settings.queues
        names = queues.titles([*wanted.urls, wanted.dead_letter])
        return {
            **{f"queue {names[url]}": self._queue(url, asked) for url in wanted.urls},
            f"dead-letter queue {names[wanted.dead_letter]}": self._dead_letters(asked),
        }

    async def _queue(self, url: str, asked: Awaitable[dict[str, Asked]]) -> list[Finding]:
        answers = await asked
        if not answers:
            return _unasked()
        dead = answers[self.settings.queues.dead_letter]
        return queues.judge_queue(answers[url], dead, url=url, settings=self.settings)

    async def _dead_letters(self, asked: Awaitable[dict[str, Asked]]) -> list[Finding]:
        answers = await asked
        if not answers:
            return _unasked()
        url = self.settings.queues.dead_letter
        served = [answers[one] for one in self.settings.queues.urls]
        return queues.judge_dead_letters(answers[url], served, url=url, settings=self.settings)

    async def _provider(
        self, name: str, one: ProviderSettings, cloud: Awaitable[Cloud | ConfigurationError]
    ) -> list[Finding]:
        # A provider of its own: another one's missing key is not its fault.
        alone = self.settings.model_copy(update={"providers": {name: one}})
        try:
            key = provider_keys(alone, self.environ).get(name)
        except ConfigurationError:
            variable = key_variable(one)
            return [bad("has no key", f"set {variable} in the environment, or remove the provider")]
        found = await cloud if one.kind == "ses" else None
        try:
            provider = await open_provider(
                name,
                one,
                supplies=Supplies(transport=self.transport, key=key),
                credentials=found.credentials if isinstance(found, Cloud) else None,
                region=self.settings.aws.region,
            )
        except ConfigurationError as error:
            return misconfigured(error)
        try:
            return await provider.check() or [well("is set up; it offers nothing to ask")]
        finally:
            await provider.close()

    async def _ledger(self) -> list[Finding]:
        wanted = self.settings.ledger
        found = await ask_ledger(wanted.url, lambda: open_ledger(self.settings, self.environ))
        if wanted.url and wanted.spool:
            found += ask_spool(Path(wanted.spool))
        return found

    async def _keys(self) -> list[Finding]:
        return await asyncio.to_thread(ask_keys, self.settings.ingest.keys_file, time.time())

    async def _payloads(self, cloud: Awaitable[Cloud | ConfigurationError]) -> list[Finding]:
        found = await cloud
        if isinstance(found, ConfigurationError):
            return _unasked()
        try:
            store = open_payloads(self.settings, self.transport, found.credentials)
        except ConfigurationError as error:
            return misconfigured(error)
        assert store is not None
        wanted = self.settings.payloads
        return await ask_payloads(store, bucket=wanted.bucket, prefix=wanted.prefix)


async def ask_all(checks: Mapping[str, Check], *, say: Say, limit: float) -> list[Section]:
    """Run all checks at once; what has not ended within the limit is left alone and named.

    Nobody waits for what is left: it may hang where no cancellation reaches it.
    """
    tasks = {title: asyncio.ensure_future(check) for title, check in checks.items()}
    deadline = time.monotonic() + limit
    while (left := deadline - time.monotonic()) > 0:
        _, pending = await asyncio.wait(tasks.values(), timeout=min(left, SAY_AFTER))
        if not pending:
            break
        say("still asking: " + ", ".join(title for title, one in tasks.items() if one in pending))
    return [Section(title, _found(task, limit)) for title, task in tasks.items()]


def _found(task: asyncio.Task[list[Finding]], limit: float) -> tuple[Finding, ...]:
    if not task.done():
        task.cancel()
        return (bad(f"has not answered within {limit:g} s", "see whether it can be reached"),)
    if error := task.exception():
        # A fault of ours, and its text may hold what is secret.
        return (bad(f"could not be checked ({type(error).__name__})", "report it: a bug"),)
    return tuple(task.result())


def _unasked() -> list[Finding]:
    return [note("not asked: see AWS")]
