"""Puts the endpoints together: one table from method and path to handler, one server."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from aiohttp import web

from sandbox import brevo, postmark, resend, sendgrid, ses
from sandbox.cloud import Cloud, Store
from sandbox.desk import Desk
from sandbox.http import Handler, json_answer
from sandbox.mailbox import SUMMARIES, Mailbox
from sandbox.mailgun import Mailgun, MailgunEndpoint
from sandbox.objects import MemoryObjects, Objects
from sandbox.provider import ProviderEndpoint
from sandbox.queues import Queues
from sandbox.s3 import PREFIX, S3Endpoint
from sandbox.sendgrid import SendGrid
from sandbox.ses import Ses
from sandbox.smtp import SmtpEndpoint
from sandbox.sqs import SqsEndpoint
from sandbox.waiting import Waiting

if TYPE_CHECKING:
    from aiohttp.abc import AbstractStreamWriter
    from aiohttp.http_parser import RawRequestMessage
    from aiohttp.streams import StreamReader
    from aiohttp.web_protocol import RequestHandler

# An email of 40 MB is the most that SES takes; in JSON it is a third larger.
_MOST_BYTES = 64 * 1024 * 1024
# Long polls and hangs would keep a server that waits for its calls.
_PATIENCE = 0.01


class LoadedStore(Store, Protocol):
    """A store that can also give back what it kept."""

    def load(self, queues: Queues) -> None:
        """Give the queues back what was kept."""


class Sandbox:
    """Everything `python -m sandbox` serves."""

    def __init__(
        self,
        store: LoadedStore,
        *,
        objects: Objects | None = None,
        bad_key: str = "bad",
        summaries: int = SUMMARIES,
    ) -> None:
        self.queues = Queues(store)
        store.load(self.queues)
        self._mailbox = Mailbox(summaries=summaries)
        self._ses = ProviderEndpoint(Ses(bad_key), self._mailbox)
        self._sendgrid = ProviderEndpoint(SendGrid(bad_key), self._mailbox)
        self._mailgun = MailgunEndpoint(Mailgun(bad_key), self._mailbox)
        self._brevo = ProviderEndpoint(brevo.Brevo(bad_key), self._mailbox)
        self._postmark = ProviderEndpoint(postmark.Postmark(bad_key), self._mailbox)
        self._resend = resend.ResendEndpoint(resend.Resend(bad_key), self._mailbox)
        self.smtp = SmtpEndpoint(bad_key, self._mailbox)
        self._s3 = S3Endpoint(objects or MemoryObjects())
        sqs = SqsEndpoint(Cloud(self.queues, store, Waiting()))
        providers = {
            "ses": self._ses,
            "sendgrid": self._sendgrid,
            "postmark": self._postmark,
            "resend": self._resend,
            "mailgun": self._mailgun,
            "brevo": self._brevo,
        }
        self._routes: dict[tuple[str, str], Handler] = {
            ("POST", "/"): sqs.handle,
            ("POST", "/v2/email/outbound-emails"): self._ses.handle,
            ("POST", "/v3/mail/send"): self._sendgrid.handle,
            ("POST", "/email"): self._postmark.handle,
            ("POST", "/emails"): self._resend.handle,
            **ses.questions(self._ses, self._sent_by_ses),
            **sendgrid.questions(self._sendgrid),
            **postmark.questions(self._postmark),
            **resend.questions(self._resend),
            **brevo.routes(self._brevo),
            **Desk(self._mailbox, {**providers, "smtp": self.smtp}, sqs, self._s3).routes(),
        }

    def server(self) -> web.Server:
        """A server of all endpoints; must be called in a running loop."""
        return web.Server(
            self._handle,
            request_factory=_request,
            handler_cancellation=True,
            access_log=None,
            keepalive_timeout=3600,
        )

    @staticmethod
    async def close(server: web.Server) -> None:
        """End all calls and connections now; clients of a queue must bear that anyway."""
        await server.shutdown(_PATIENCE)
        await asyncio.sleep(0)  # transports close in the loop's next turn

    async def _handle(self, request: web.BaseRequest) -> web.Response:
        path = request.raw_path.partition("?")[0]
        handler = self._routes.get((request.method, path))
        handler = handler or self._mailgun.handler(request.method, path)
        if handler is not None:
            return await handler(request)
        if path.startswith(PREFIX):
            return await self._s3.handle(request)
        return json_answer({"error": f"There is no {request.method} {path} here."}, 404)

    def _sent_by_ses(self) -> int:
        return int(self._mailbox.counts()["by_provider"].get("ses", 0))


def _request(
    message: RawRequestMessage,
    payload: StreamReader,
    protocol: RequestHandler,
    writer: AbstractStreamWriter,
    task: asyncio.Task[None],
) -> web.BaseRequest:
    loop = asyncio.get_running_loop()
    return web.BaseRequest(
        message, payload, protocol, writer, task, loop, client_max_size=_MOST_BYTES
    )
