"""The header `Idempotency-Key`: a request that is made again is carried out once.

The ledger reserves the message id for the key before a queue is asked. A retry after a 503, a
time-out or a crash enqueues under the same id, so that the dispatcher sends one of the copies.
Where the ledger does not answer, nothing is enqueued.
"""

import asyncio
import hashlib
import re
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from http import HTTPStatus
from typing import Any, TypeVar

import orjson
from starlette.responses import Response

from gomail.email import Email, wire_fields
from gomail.keys import Key as ApiKey
from gomail.ledger import Claim, ClaimState, Ledger, LedgerUnavailable
from ingest import answers
from ingest.asking import ASKED, within
from ingest.quiet import QuietLog

HEADER = b"idempotency-key"
LEASE = 30.0
"""Seconds after which a request that was never answered may be carried out by a retry."""
KEEP = 24 * 3_600.0
"""Seconds for which an answer is kept."""
MOST_OPEN = 1_000
"""Calls to the ledger under way for keys; whoever comes after them is told to come back later."""

# An enqueue that is still under way must not lose its lease.
_LEASE_MARGIN = 10.0
_KEY = re.compile(rb"[ -~]{1,256}")
_SEND = b"POST /email/send\n"
_BATCH = b"POST /email/batch\n"

T = TypeVar("T")


class BadKey(ValueError):
    """The header is no key."""


def key_of(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """The key of a request, None without one. Pure.

    Raises:
        BadKey: it is not 1 to 256 printable ASCII characters, or there are several.
    """
    found = None
    for name, value in headers:
        if name == HEADER:
            if found is not None or not _KEY.fullmatch(value):
                raise BadKey
            found = value
    return None if found is None else found.decode("ascii")


def of_caller(key: str, by: ApiKey | None) -> str:
    """The key as the ledger has it: those of two callers are two keys. Pure.

    A caller is the name of an API key, which outlives the key itself: a retry may come with the one
    that took over. No Idempotency-Key holds a line break, so without a caller it is another one.
    """
    return key if by is None else f"{by.name}\n{key}"


def fingerprint(email: Email) -> str:
    """What makes two requests the same request, however their JSON is written. Pure."""
    return _digest(_SEND, wire_fields(email))


def fingerprint_of_batch(emails: Sequence[Email | object], *, strict: bool) -> str:
    """The same of a batch; what is no email counts as the JSON that it is. Pure."""
    canonical = [wire_fields(one) if isinstance(one, Email) else one for one in emails]
    return _digest(_BATCH, [strict, canonical])


def _digest(route: bytes, content: object) -> str:
    digest = hashlib.sha256(route)
    digest.update(orjson.dumps(content, option=orjson.OPT_SORT_KEYS))
    return digest.hexdigest()


class Keys:
    """Claims keys and settles them."""

    def __init__(
        self,
        ledger: Ledger,
        *,
        enqueue_timeout: float,
        log: QuietLog,
        patience: float = ASKED,
    ) -> None:
        self._ledger = ledger
        self._lease = _milliseconds(max(LEASE, enqueue_timeout + _LEASE_MARGIN))
        self._log = log
        self._patience = patience
        self._open: set[asyncio.Task[Any]] = set()

    async def once(
        self,
        key: str,
        fingerprint: str,
        message_id: str,
        carry_out: Callable[[str], Awaitable[Response]],
    ) -> Response:
        """Carry a request out under the id reserved for it, or give its first answer again.

        The id is `message_id`, or that of an earlier try which was not answered.

        Raises:
            LedgerUnavailable: nobody knows whether it was; nothing is carried out.
        """
        claim = await self.claim(key, fingerprint, message_id)
        match claim.state:
            case ClaimState.ANSWERED:
                return answers.replayed(claim.answer)
            case ClaimState.OTHER_BODY:
                return answers.key_of_another()
            case ClaimState.IN_FLIGHT:
                return answers.in_flight()
            case ClaimState.NEW:
                response = await carry_out(claim.message_id)
                await self.settle(key, claim, response)
                return response

    async def claim(self, key: str, fingerprint: str, message_id: str) -> Claim:
        """Reserve the id for the key, or say whose the key is.

        Raises:
            LedgerUnavailable: nobody knows; nothing may be enqueued.
        """
        if len(self._open) >= MOST_OPEN:
            raise LedgerUnavailable("too many requests wait for it")
        claiming = self._start(
            self._ledger.claim(
                key,
                fingerprint=fingerprint,
                message_id=message_id,
                now=time.time_ns() // 1_000_000,
                lease=self._lease,
                keep=_milliseconds(KEEP),
            )
        )
        await asyncio.wait({claiming}, timeout=self._patience)
        if not claiming.done():
            # It may still be granted, and would then stand in the way of the client's next try.
            self._start(self._let_go(key, claiming))
            raise LedgerUnavailable(f"no answer within {self._patience:g} s")
        return claiming.result()

    async def settle(self, key: str, claim: Claim, response: Response) -> None:
        """Store a 200 as the key's answer; after all else the next try may begin at once.

        Where the ledger does not do it, the next try waits for the lease's end and then enqueues a
        copy under the same id.
        """
        call = (
            self._ledger.answer(key, message_id=claim.message_id, answer=bytes(response.body))
            if response.status_code == HTTPStatus.OK
            else self._ledger.release(key, message_id=claim.message_id)
        )
        # The client's answer waits for it: its next request must find it. But not for ever, and
        # what is late goes on behind the answer.
        await asyncio.wait({self._start(self._noted(call))}, timeout=self._patience)

    async def close(self) -> None:
        """Give what is under way a moment to end."""
        if self._open:
            await asyncio.wait(self._open, timeout=self._patience)

    async def _noted(self, call: Coroutine[Any, Any, None]) -> None:
        try:
            await call
        except LedgerUnavailable as error:
            self._log.warning("keys", "a key is not settled in the ledger: %s", error)
        except Exception as error:  # noqa: BLE001 - the email is on its queue whatever happens here
            self._log.warning("keys", "a key is not settled: unexpected %s", type(error).__name__)

    async def _let_go(self, key: str, claiming: "asyncio.Task[Claim]") -> None:
        try:
            claim = await claiming
            if claim.state is ClaimState.NEW:
                await within(self._patience, self._ledger.release(key, message_id=claim.message_id))
        except Exception as error:  # noqa: BLE001 - the lease ends by itself
            self._log.warning("keys", "a late key is not let go: %s", type(error).__name__)

    def _start(self, call: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        task = asyncio.create_task(call)
        self._open.add(task)
        task.add_done_callback(self._open.discard)
        return task


def _milliseconds(seconds: float) -> int:
    return int(seconds * 1_000)
