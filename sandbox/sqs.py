"""Speaks the SQS JSON protocol: finds the operation, lets faults strike, shapes the errors.

What each operation does is in `operations.py` and `batches.py`; this file knows requests.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import time
from typing import TYPE_CHECKING, Any

import orjson
from aiohttp import web

from sandbox.batches import BATCHES
from sandbox.calls import Calls
from sandbox.cloud import Call, Cloud
from sandbox.errors import Refused, invalid, over_limit
from sandbox.faults import QueueSwitches, Strikes
from sandbox.http import cut, is_gone
from sandbox.operations import OPERATIONS
from sandbox.queue import MAX_IN_FLIGHT
from sandbox.receiving import receive_message
from sandbox.signatures import skew

if TYPE_CHECKING:
    from collections.abc import Callable

_TARGET_PREFIX = "AmazonSQS."
_JSON = "application/x-amz-json-1.0"
_REQUEST_PREFIX = os.urandom(4).hex()
_SERVER_ERROR = 500
_RECEIVE = "ReceiveMessage"


class SqsEndpoint:
    """`POST /` with an `X-Amz-Target`."""

    def __init__(self, cloud: Cloud) -> None:
        self.calls = Calls()
        self._cloud = cloud
        self._numbers = itertools.count(1)
        self.set(QueueSwitches())

    @property
    def switches(self) -> QueueSwitches:
        """The faults that are switched on."""
        return self._switches

    def set(self, switches: QueueSwitches) -> None:
        """Replace the faults; their counters begin anew."""
        self._switches = switches
        self._strikes = switches.strikes()
        self._entry_strikes = Strikes({"entry": switches.partial_failure_rate})
        self._handle_strikes = Strikes({"handle": switches.expired_handle_rate})
        self._receive_strikes = Strikes({"over limit": switches.over_limit_rate})
        repeats = Strikes({"repeat": switches.duplicate_delivery_rate})
        trouble = self._cloud.queues.trouble
        repeating = self._strikes_at(_RECEIVE)
        trouble.repeats = lambda: repeating and repeats.next() is not None
        most = switches.max_in_flight
        trouble.max_in_flight = MAX_IN_FLIGHT if most is None else most
        for queue in self._cloud.queues:
            self._cloud.waiting.wake(queue)

    async def handle(self, request: web.BaseRequest) -> web.Response:
        """Answer one call."""
        calls = self.calls
        with calls.one():
            try:
                return await self._answer(request)
            except Refused as refusal:
                calls.failed[refusal.status] += 1
                return self._error(
                    refusal.code, refusal.legacy_code, refusal.message, refusal.status
                )

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        name = request.headers.get("X-Amz-Target", "").removeprefix(_TARGET_PREFIX)
        self.calls.operations[name if name in _KNOWN else "unknown"] += 1
        body = await request.read()
        fails: Callable[[], bool] = _never
        expires: Callable[[], bool] = _never
        if self._strikes_at(name):
            if (struck := await self._strike(request, name)) is not None:
                return struck
            fails, expires = self._entry_fails, self._handle_expires
        call = Call(_decode(body), _origin(request), fails, expires)
        if name == _RECEIVE:
            answer = await receive_message(self._cloud, call, lambda: is_gone(request))
        elif (operation := OPERATIONS.get(name) or BATCHES.get(name)) is not None:
            answer = operation(self._cloud, call)
        else:
            raise Refused("UnknownOperationException", f"The action {name} is not valid here.")
        await self._cloud.store.committed()
        self.calls.accepted += 1
        return web.Response(body=orjson.dumps(answer), headers=self._headers())

    def _strikes_at(self, name: str) -> bool:
        operations = self._switches.operations
        return operations is None or name in operations

    async def _strike(self, request: web.BaseRequest, name: str) -> web.Response | None:
        if self._switches.latency:
            await asyncio.sleep(self._switches.latency)
        if late := skew(request.headers, self._switches.max_clock_skew, time.time()):
            raise Refused("InvalidSignatureException", late)
        if name == _RECEIVE and self._receive_strikes.next():
            raise over_limit()
        match self._strikes.next():
            case "reset":
                self.calls.reset += 1
                return cut(request)
            case "throttle":
                raise Refused(
                    "RequestThrottled", "The request was denied due to request throttling."
                )
            case "error":
                return self._failure(self._switches.status)
        return None

    def _entry_fails(self) -> bool:
        return self._entry_strikes.next() is not None

    def _handle_expires(self) -> bool:
        return self._handle_strikes.next() is not None

    def _failure(self, status: int) -> web.Response:
        self.calls.failed[status] += 1
        code = {503: "ServiceUnavailable", 403: "RequestThrottled"}.get(status, "InternalFailure")
        return self._error(
            code, code, "The request failed because a fault was switched on.", status
        )

    def _headers(self) -> dict[str, str]:
        return {
            "Content-Type": _JSON,
            "x-amzn-RequestId": f"{_REQUEST_PREFIX}-{next(self._numbers):012x}",
        }

    def _error(self, code: str, legacy: str, message: str, status: int) -> web.Response:
        headers = self._headers()
        fault = "Receiver" if status >= _SERVER_ERROR else "Sender"
        headers["x-amzn-query-error"] = f"{legacy};{fault}"
        body = {"__type": f"com.amazonaws.sqs#{code}", "message": message}
        return web.Response(body=orjson.dumps(body), status=status, headers=headers)


_KNOWN = {_RECEIVE, *OPERATIONS, *BATCHES}


def _never() -> bool:
    return False


def _origin(request: web.BaseRequest) -> str:
    return f"http://{request.headers.get('Host') or request.host}"


def _decode(body: bytes) -> dict[str, Any]:
    try:
        value = orjson.loads(body or b"{}")
    except orjson.JSONDecodeError:
        value = _decode_surrogates(body)
    if not isinstance(value, dict):
        raise Refused("SerializationException", "The request body must be a JSON object.")
    return value


def _decode_surrogates(body: bytes) -> Any:
    """Read what orjson will not: a lone surrogate, which SQS refuses by name, is no broken JSON."""
    try:
        value = json.loads(body)
    except ValueError as error:
        raise Refused("SerializationException", "The request body is not JSON.") from error
    try:
        orjson.dumps(value)
    except TypeError as error:
        raise Refused(
            "InvalidMessageContents", "The message contains characters outside the allowed set."
        ) from error
    raise invalid("The request body holds a number that JSON does not have.")
