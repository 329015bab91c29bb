"""What the provider endpoints have in common: faults strike, an email is read, then remembered.

The order is that of a real call: it is slow, breaks, is throttled or fails before the provider has
looked at the email; what is recorded as accepted stays so, even if the client never learns of it.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Protocol

from sandbox.calls import Calls
from sandbox.faults import RateLimit, Switches
from sandbox.http import cut, hang
from sandbox.signatures import skew

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp import web

    from sandbox.mailbox import Email, Mailbox

_LONGEST_HANG = 120.0
_TOO_MANY = 429
_BAD = 400
_FORBIDDEN = 403


class Rejected(Exception):
    """An answer other than acceptance; what is None is filled in by the dialect."""

    def __init__(
        self, status: int, message: str | None, *, code: str | None = None, field: str | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.field = field


class Dialect(Protocol):
    """How one provider speaks."""

    name: str

    def authenticate(self, headers: Mapping[str, str]) -> None:
        """Reject a caller without a plausible key."""

    def read(self, payload: bytes) -> Email:
        """Understand an email, or reject it."""

    def new_id(self) -> str:
        """An id as this provider gives them."""

    def accepted(self, provider_id: str) -> web.Response:
        """The answer to an accepted email."""

    def garbage(self) -> web.Response:
        """An answer of success that nobody can read."""

    def rejected(self, rejection: Rejected) -> web.Response:
        """The answer to a rejected call."""

    def refusal(self) -> Rejected:
        """The rejection of an email that this provider will never take."""


class ProviderEndpoint:
    """One provider's endpoint for sending."""

    def __init__(self, dialect: Dialect, mailbox: Mailbox) -> None:
        self.calls = Calls()
        self.dialect = dialect
        self._mailbox = mailbox
        self.set(Switches())

    @property
    def switches(self) -> Switches:
        """The faults that are switched on."""
        return self._switches

    def set(self, switches: Switches) -> None:
        """Replace the faults; their counters begin anew."""
        self._switches = switches
        self._refused_ids = set(switches.refuse_ids)
        self._limit = RateLimit(switches.rate_limit)
        self._strikes = switches.strikes()

    async def handle(self, request: web.BaseRequest) -> web.Response:
        """Answer one call."""
        calls = self.calls
        with calls.one():
            try:
                return await self._answer(request)
            except Rejected as rejection:
                calls.failed[rejection.status] += 1
                return self.dialect.rejected(rejection)

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        payload = await request.read()
        if self._switches.latency:
            await asyncio.sleep(self._switches.latency)
        struck = self._strikes.next()
        if struck == "hang":
            self.calls.hung += 1
            return await hang(request, _LONGEST_HANG)
        if struck == "reset":
            self.calls.reset += 1
            return cut(request)
        self._fail(struck)
        if late := skew(request.headers, self._switches.max_clock_skew, time.time()):
            raise Rejected(_FORBIDDEN, late, code="InvalidSignatureException")
        self.dialect.authenticate(request.headers)
        email = self.dialect.read(payload)
        self._refuse(email)
        return self._accept(request, email, payload, struck)

    def _fail(self, struck: str | None) -> None:
        s = self._switches
        if not self._limit.allows(time.monotonic()):
            raise Rejected(_TOO_MANY, None)
        if struck == "error":
            raise Rejected(s.status, s.error_message, code=s.error_code)

    def _refuse(self, email: Email) -> None:
        if email.id in self._refused_ids:
            raise self.dialect.refusal()
        if self._switches.refuse_to and self._switches.refuses(
            party.email for party in email.recipients
        ):
            raise self.dialect.refusal()

    def _accept(
        self, request: web.BaseRequest, email: Email, payload: bytes, struck: str | None
    ) -> web.Response:
        provider_id = self.dialect.new_id()
        self._mailbox.add(self.dialect.name, provider_id, email, payload, time.time())
        self.calls.accepted += 1
        if struck == "accept_then_reset":
            self.calls.reset += 1
            return cut(request)
        if struck == "garbage":
            return self.dialect.garbage()
        return self.dialect.accepted(provider_id)
