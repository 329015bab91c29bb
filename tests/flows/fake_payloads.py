"""A payload store in memory for dataflow tests: real semantics, and faults by script."""

import asyncio
from collections import deque
from dataclasses import dataclass, field

from gomail.email import Email, Message, encode, pack
from gomail.payloads import PayloadMissing, PayloadUnavailable
from tests.builders import email


@dataclass
class FakePayloads:
    """Implements the dispatcher's half of `gomail.payloads.Payloads`."""

    stored: dict[str, bytes] = field(default_factory=dict)
    faults: deque[Exception | None] = field(default_factory=deque)
    """How the next reads and removals go wrong, one each; None: they do not."""
    got: list[str] = field(default_factory=list)
    """Keys that were asked for, in order."""
    removed: list[str] = field(default_factory=list)
    _held: set[str] = field(default_factory=set)

    def hold(self, operation: str) -> None:
        """Keep every `get` or `remove` waiting until `release`."""
        self._held.add(operation)

    def release(self) -> None:
        self._held.clear()

    def keep(self, name: str, **fields: object) -> str:
        """Store the large parts of an email; the message that refers to them, for a queue."""
        light, data = pack(whole(**fields), f"gomail/{name}")
        self.stored[f"gomail/{name}"] = data
        return encode(Message(name, light))

    async def get(self, key: str, *, timeout: float) -> bytes:
        assert timeout > 0
        self.got.append(key)
        await self._react("get")
        if key not in self.stored:
            raise PayloadMissing(f"no payload {key}")
        return self.stored[key]

    async def remove(self, key: str, *, timeout: float) -> None:
        assert timeout > 0
        await self._react("remove")
        self.stored.pop(key, None)
        self.removed.append(key)

    async def _react(self, operation: str) -> None:
        while operation in self._held:  # noqa: ASYNC110 - a switch for several loops at once
            await asyncio.sleep(0.002)
        if self.faults and (fault := self.faults.popleft()) is not None:
            raise fault


def whole(**fields: object) -> Email:
    """An email that is meant to be too large for a queue."""
    return email(**{"html": "<p>" + "Thank you. " * 1_000 + "</p>", **fields})


def unavailable() -> PayloadUnavailable:
    return PayloadUnavailable("the store does not answer")
