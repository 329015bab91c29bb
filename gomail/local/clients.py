"""What `up` and `smoke` ask over HTTP: the API to take an email, the sandbox what it saw."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from gomail.errors import GomailError, TransportError
from gomail.http import AiohttpTransport, Response

_SECONDS = 10.0
_OK = 200
_DEPTHS = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)


class Unexpected(GomailError):
    """An answer that is not the one that was due."""


class Client:
    """JSON over HTTP with one server."""

    def __init__(self, base: str, transport: AiohttpTransport) -> None:
        self.base = base
        self._transport = transport

    async def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """Exchange JSON.

        Raises:
            TransportError: no answer.
            Unexpected: an answer other than 200.
        """
        response = await self._exchange(method, path, body, headers)
        if response.status != _OK:
            text = response.body.decode(errors="replace")[:300]
            raise Unexpected(f"{method} {self.base}{path}: {response.status} {text}")
        return json.loads(response.body)

    async def answers(self, path: str) -> bool:
        """Whether a GET is answered with 200 now."""
        try:
            return (await self._exchange("GET", path)).status == _OK
        except TransportError:
            return False

    async def _exchange(
        self,
        method: str,
        path: str,
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        return await self._transport.request(
            method,
            self.base + path,
            headers={"Content-Type": "application/json", **(headers or {})},
            body=b"" if body is None else json.dumps(body).encode(),
            timeout=_SECONDS,
        )


class Api(Client):
    """The API under `ingest/`."""

    async def send(self, subject: str, *, domain: str = "example.com", only: str = "") -> str:
        """Send an email, by the named provider only if one is named; gives back its id."""
        email: dict[str, Any] = {
            "fromName": "gomail",
            "fromEmail": f"gomail@{domain}",
            "toEmail": "you@example.org",
            "subject": subject,
            "body": "If you can read this, it works.",
        }
        if only:
            email["provider"] = {"only": [only]}
        answer = await self.ask("POST", "/email/send", {"email": email})
        return str(answer["messageId"])

    async def send_many(self, number: int, subject: str) -> list[str]:
        """Send so many at once."""
        sends = (self.send(f"{subject} {one} of {number}") for one in range(1, number + 1))
        return list(await asyncio.gather(*sends))


class Sandbox(Client):
    """The sandbox's own endpoints, and the depth of its queues."""

    async def accepted(self) -> dict[str, int]:
        """How many emails each provider has accepted."""
        counts = await self.ask("GET", "/mailbox/count")
        return dict(counts["by_provider"])

    async def has(self, message_id: str) -> bool:
        """Whether a provider has accepted this email."""
        return bool((await self.ask("GET", f"/mailbox?brief&id={message_id}"))["emails"])

    async def accepted_ids(self) -> list[str]:
        """The id of every accepted email; one that was sent twice is in it twice."""
        mailbox = await self.ask("GET", "/mailbox?brief&limit=10000")
        return [str(email["id"]) for email in mailbox["emails"]]

    async def calls(self, endpoint: str) -> dict[str, Any]:
        """The calls of `ses`, `sendgrid` or `sqs` so far."""
        return dict((await self.ask("GET", "/calls"))[endpoint])

    async def break_provider(self, provider: str) -> None:
        """Let a provider answer 500 to every send."""
        await self.ask("PUT", f"/faults/{provider}", {"error_rate": 1, "status": 500})

    async def depth(self, queue: str) -> int:
        """How many messages a queue holds, seen or not."""
        answer = await self.ask(
            "POST",
            "/",
            {"QueueUrl": queue, "AttributeNames": list(_DEPTHS)},
            {
                "Content-Type": "application/x-amz-json-1.0",
                "X-Amz-Target": "AmazonSQS.GetQueueAttributes",
            },
        )
        return sum(int(answer["Attributes"][name]) for name in _DEPTHS)
