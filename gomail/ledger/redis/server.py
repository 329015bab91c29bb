"""One Redis or Valkey server: runs scripts, and makes all that can go wrong `LedgerUnavailable`.

Nothing is retried but what certainly has not run: a script the server does not know, keys whose
schema is to be settled first. After a server did not answer, calls fail at once for a moment; the
next one after it connects anew. Texts of errors are our own: a server may quote a password.
"""

import asyncio
import hashlib
import logging
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.resources import files
from typing import Any

import redis
from redis.asyncio.connection import BlockingConnectionPool
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    NoPermissionError,
    NoScriptError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)
from redis.maint_notifications import MaintNotificationsConfig
from redis.retry import Retry

from gomail.errors import ConfigurationError
from gomail.ledger import LedgerUnavailable
from gomail.ledger.redis.schema import SCHEMA, STEPS, Step, settle
from gomail.ledger.redis.wire import pack
from gomail.outcome import clip

log = logging.getLogger(__name__)

CONNECTIONS = 16
"""Most connections of one process; one for each group of writers, the others for readers."""
PAUSE = 0.25
"""Seconds after a failed connection in which calls fail at once."""

SYNC = 2.0
"""Seconds that the server has to bring its append-only file to its disk, beyond the time-out."""


class _NotLetIn(LedgerUnavailable):
    """Wrong credentials, or no right to our keys or scripts."""


class Server:
    """A server by URL. Bound to the event loop that uses it first, but for `settle_schema`."""

    def __init__(
        self,
        url: str,
        *,
        prefix: str,
        timeout: float,
        events: int,
        steps: Sequence[Step] = STEPS,
        pause: float = PAUSE,
    ) -> None:
        self._prefix, self._steps, self._pause = prefix, steps, pause
        self._resume_at, self._why = 0.0, ""
        self._schema = prefix + SCHEMA
        self._warned = False
        self._settling = threading.Lock()
        self._arguments = (prefix, str(1 + len(steps)), str(events))
        self._scripts: dict[str, tuple[str, str]] = {}
        options: dict[str, Any] = {
            "socket_timeout": timeout,
            "socket_connect_timeout": timeout,
            # With them the client hands out connections that the server has closed meanwhile.
            "maint_notifications_config": MaintNotificationsConfig(enabled=False),
        }
        try:
            self._sync = redis.Redis.from_url(url, retry=Retry(NoBackoff(), 0), **options)
            pool = BlockingConnectionPool.from_url(
                url,
                max_connections=CONNECTIONS,
                timeout=timeout,
                retry=AsyncRetry(NoBackoff(), 0),
                **options,
            )
            self._slow = redis.asyncio.Redis.from_url(
                url,
                retry=AsyncRetry(NoBackoff(), 0),
                **options | {"socket_timeout": timeout + SYNC},
            )
        except ValueError:
            # The URL may hold a password, and so may the text of the error.
            raise ConfigurationError(
                "ledger.url is no Redis URL; write redis://HOST:PORT/NUMBER (rediss: with TLS)"
            ) from None
        self._redis = redis.asyncio.Redis(connection_pool=pool)
        self._execute: Callable[..., Awaitable[Any]] = self._redis.execute_command
        where = pool.connection_kwargs
        self._password: str = where.get("password") or ""
        self._name = f"{where.get('host', 'localhost')}:{where.get('port', 6379)}"

    def key(self, name: str) -> str:
        """A key of ours."""
        return self._prefix + name

    async def run(self, script: str, given: object) -> Any:
        """Run a script on one value."""
        sha, source = self._script(script)
        arguments = (1, self._schema, *self._arguments, pack(given))
        with self._translated():
            try:
                return await self._evaluate(sha, source, arguments)
            except ReadOnlyError:
                # A primary that became a replica: its name may lead to the new one.
                await self._redis.connection_pool.disconnect()
                raise
            except ResponseError as error:
                if not str(error).startswith("SCHEMA"):
                    raise
        await asyncio.to_thread(self._settle_again)
        with self._translated():
            return await self._evaluate(sha, source, arguments)

    async def _evaluate(self, sha: str, source: str, arguments: Sequence[Any]) -> Any:
        try:
            return await self._execute("EVALSHA", sha, *arguments)
        except NoScriptError:
            return await self._execute("EVAL", source, *arguments)

    async def command(self, *words: str | int) -> Any:
        """Run one command."""
        with self._translated():
            return await self._execute(*words)

    async def sync(self, names: Sequence[str]) -> None:
        """Wait until all that was written before is on the server's disk.

        It goes on without where the server cannot say so, as the start has warned.

        Args:
            names: keys that must be there still: a server that restarted may have lost them.
        """
        with self._translated():
            # One connection for all of it.
            pipeline: Any = self._slow.pipeline(transaction=False)
            # It waits for what its own connection wrote, and the file is written in order.
            pipeline.execute_command("SET", self.key("synced"), "")
            pipeline.execute_command("EXISTS", *(self.key(name) for name in names))
            pipeline.execute_command("WAITAOF", 1, 0, int(SYNC * 1000))
            wrote, found, synced = await pipeline.execute(raise_on_error=False)
            for answer in (wrote, found):
                if isinstance(answer, Exception):
                    raise answer
            if isinstance(synced, Exception):
                self._warn_of(synced)
        if found < len(names):
            raise LedgerUnavailable(f"{self._name}: the server has lost what it was told")
        if not isinstance(synced, Exception) and synced[0] < 1:
            raise LedgerUnavailable(f"{self._name}: not on the server's disk in time")

    def _warn_of(self, error: Exception) -> None:
        """Say once that scheduled emails may be lost; raise what says something else."""
        text = str(error).lower()
        if not (
            isinstance(error, NoPermissionError)
            or "unknown command" in text
            or "appendonly is disabled" in text
        ):
            raise error
        if not self._warned:
            self._warned = True
            log.warning(
                "scheduled emails are only as durable as the persistence of the ledger's server: "
                "it has no WAITAOF (Redis 7.2), or `appendonly` is off"
            )

    def settle_schema(self) -> None:
        """Check the version of the keys, and migrate older ones. Waits; for the start.

        Raises:
            ConfigurationError: a newer version wrote them, or the server does not let us in.
            LedgerUnavailable: the server did not answer.
        """
        try:
            with self._translated():
                call: Callable[..., Any] = self._sync.execute_command
                settle(call, self._prefix, self._steps)
                try:
                    call("WAITAOF", 1, 0, 1)
                except ResponseError as error:
                    self._warn_of(error)
        except _NotLetIn as error:
            raise ConfigurationError(
                f"the ledger's server does not let us in ({error}); check ledger.url and "
                "LEDGER_PASSWORD"
            ) from None
        finally:
            self._sync.close()

    async def close(self) -> None:
        """Close all connections."""
        await self._redis.aclose()
        await self._redis.connection_pool.disconnect()
        await self._slow.aclose()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Turns the client's errors into ours, and keeps calls away from a server that is down."""
        if time.monotonic() < self._resume_at:
            raise LedgerUnavailable(self._why)
        try:
            yield
        except (AuthenticationError, AuthorizationError, NoPermissionError) as error:
            raise _NotLetIn(self._text(error)) from None
        except ResponseError as error:
            raise LedgerUnavailable(self._text(error)) from None
        except (RedisError, OSError) as error:
            self._why = self._text(error)
            self._resume_at = time.monotonic() + self._pause
            raise LedgerUnavailable(self._why) from None

    def _text(self, error: Exception) -> str:
        text = f"{self._name}: {_cause(error)}"
        return text.replace(self._password, "***") if self._password else text

    def _settle_again(self) -> None:
        try:
            with self._settling:  # its client is one, and ends each time
                self.settle_schema()
        except ConfigurationError as error:  # a newer process has migrated, or access was taken
            raise LedgerUnavailable(str(error)) from error

    def _script(self, name: str) -> tuple[str, str]:
        if name not in self._scripts:
            folder = files(__package__) / "scripts"
            source = "\n".join(
                (folder / f"{part}.lua").read_text("utf-8") for part in ("common", name)
            )
            self._scripts[name] = _digest(source), source
        return self._scripts[name]


def _digest(source: str) -> str:
    return hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()  # the server's choice


def _cause(error: Exception) -> str:
    """What went wrong; of a server's own words, which may quote ours, only those on our script."""
    kind, text = type(error).__name__, str(error)
    if not isinstance(error, ResponseError):
        return f"{kind}: {clip(text)}"
    code = text.partition(" ")[0]
    if "script" in text:
        return f"{kind}: {clip(text)}"
    return f"{kind} {code}" if code.isupper() and code.isalpha() else kind
