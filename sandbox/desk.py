"""Serves what people and tests look at and turn: mailbox, calls, fault switches, and their page."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import orjson
from aiohttp import web

from sandbox.faults import BadSwitches, QueueSwitches, Switches, described, switches
from sandbox.http import Handler, json_answer
from sandbox.shown import attachment_answer, html_answer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.mailbox import Mailbox
    from sandbox.provider import ProviderEndpoint
    from sandbox.s3 import S3Endpoint
    from sandbox.smtp import SmtpEndpoint
    from sandbox.sqs import SqsEndpoint

_LIMIT = 100
_MOST = 10_000
_PAGE = {
    "/mailbox.html": ("mailbox.html", "text/html; charset=utf-8"),
    "/mailbox.js": ("mailbox.js", "text/javascript; charset=utf-8"),
    "/mailbox.css": ("mailbox.css", "text/css; charset=utf-8"),
}
_GUARDS = {
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


class Desk:
    """The sandbox's own endpoints."""

    def __init__(
        self,
        mailbox: Mailbox,
        providers: Mapping[str, ProviderEndpoint | SmtpEndpoint],
        sqs: SqsEndpoint,
        s3: S3Endpoint,
    ) -> None:
        self._mailbox = mailbox
        self._endpoints: dict[str, ProviderEndpoint | SmtpEndpoint | SqsEndpoint | S3Endpoint] = {
            **providers,
            "sqs": sqs,
            "s3": s3,
        }

    def routes(self) -> dict[tuple[str, str], Handler]:
        """Method and path of each endpoint; PUT /faults/{provider} once a provider."""
        table: dict[tuple[str, str], Handler] = {
            ("GET", "/"): self.front,
            ("GET", "/health"): self.health,
            ("GET", "/favicon.ico"): self.no_icon,
            ("GET", "/mailbox"): self.emails,
            ("DELETE", "/mailbox"): self.forget_emails,
            ("GET", "/mailbox/count"): self.count,
            ("GET", "/mailbox/html"): self.html,
            ("GET", "/mailbox/attachment"): self.attachment,
            ("GET", "/calls"): self.calls,
            ("DELETE", "/calls"): self.forget_calls,
            ("GET", "/faults"): self.faults,
        }
        table |= {("GET", path): self.page for path in _PAGE}
        table |= {("PUT", f"/faults/{name}"): self.set_faults for name in self._endpoints}
        return table

    async def front(self, _: web.BaseRequest) -> web.Response:
        """Lead a browser to the page."""
        return web.Response(status=302, headers={"Location": "/mailbox.html"})

    async def health(self, _: web.BaseRequest) -> web.Response:
        """Say that the sandbox is there."""
        return json_answer({"status": "ok"})

    async def no_icon(self, _: web.BaseRequest) -> web.Response:
        """Spare browsers an error for the icon they always ask for."""
        return web.Response(status=204)

    async def page(self, request: web.BaseRequest) -> web.Response:
        """One of the page's files."""
        name, kind = _PAGE[request.path]
        body = (Path(__file__).parent / name).read_bytes()
        return web.Response(body=body, headers={"Content-Type": kind, **_GUARDS})

    async def emails(self, request: web.BaseRequest) -> web.Response:
        """The accepted emails."""
        query = request.query
        try:
            after = int(query["after"]) if "after" in query else None
            limit = int(query.get("limit", _LIMIT))
        except ValueError:
            return json_answer({"error": "after and limit must be whole numbers."}, 400)
        emails = self._mailbox.listed(
            provider=query.get("provider"),
            id_=query.get("id"),
            after=after,
            limit=max(0, min(limit, _MOST)),
            brief="brief" in query,
        )
        return json_answer({"emails": emails})

    async def html(self, request: web.BaseRequest) -> web.Response:
        """The HTML of email `seq`, as a page that can do nothing."""
        email = self._mailbox.find(_number(request, "seq"))
        if email is None or email.html is None:
            return _not_kept()
        return html_answer(email)

    async def attachment(self, request: web.BaseRequest) -> web.Response:
        """The bytes of the file at `place` of email `seq`."""
        email = self._mailbox.find(_number(request, "seq"))
        place = _number(request, "place")
        if email is None or not 0 <= place < len(email.files):
            return _not_kept()
        return attachment_answer(email.files[place])

    async def forget_emails(self, _: web.BaseRequest) -> web.Response:
        """Empty the mailbox."""
        self._mailbox.clear()
        return web.Response(status=204)

    async def count(self, _: web.BaseRequest) -> web.Response:
        """How many emails were accepted."""
        return json_answer(self._mailbox.counts())

    async def calls(self, _: web.BaseRequest) -> web.Response:
        """The calls of every endpoint."""
        return json_answer({name: e.calls.described() for name, e in self._endpoints.items()})

    async def forget_calls(self, _: web.BaseRequest) -> web.Response:
        """Count anew."""
        for endpoint in self._endpoints.values():
            endpoint.calls.clear()
        return web.Response(status=204)

    async def faults(self, _: web.BaseRequest) -> web.Response:
        """The switches of every endpoint."""
        return json_answer({name: described(e.switches) for name, e in self._endpoints.items()})

    async def set_faults(self, request: web.BaseRequest) -> web.Response:
        """Replace the switches of one endpoint."""
        endpoint = self._endpoints[request.path.rsplit("/", 1)[-1]]
        try:
            wanted = orjson.loads(await request.read())
            if isinstance(endpoint.switches, QueueSwitches):
                endpoint.set(switches(QueueSwitches, wanted))
            else:
                endpoint.set(switches(Switches, wanted))
        except orjson.JSONDecodeError:
            return json_answer({"error": "The switches must be a JSON object."}, 400)
        except BadSwitches as error:
            return json_answer({"error": str(error)}, 400)
        return json_answer(described(endpoint.switches))


def _number(request: web.BaseRequest, name: str) -> int:
    """A number of the query; -1, which nothing has, where it is none."""
    value = request.query.get(name, "")
    return int(value) if re.fullmatch(r"[0-9]{1,15}", value) else -1


def _not_kept() -> web.Response:
    return json_answer({"error": "The mailbox does not keep that (any more)."}, 404)
