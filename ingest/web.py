"""The web client at `/`, and `/config.json`, which tells it where things are.

The pages are what the router falls back to, not a mount: a mount at `/` would take a GET of
`/email/send` and answer 404 where 405 is due.
"""

import ipaddress
from pathlib import Path
from urllib.parse import urlsplit

import orjson
from fastapi import FastAPI, Response
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gomail.settings import Settings
from ingest import answers
from ingest.gate import route_path

NOT_BUILT = "The web client is not built yet: run `make setup`, then start the API again.\n"

PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
PREVIEW = "/preview.html"
PREVIEW_POLICY = (
    "sandbox allow-scripts; default-src 'none'; "
    "script-src 'sha256-ucpXbnLtT54Y6chjq5pfNFj69V0vfTvfRgFDDMlWJp4='; "
    "style-src 'unsafe-inline'; img-src data: https:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'"
)
"""Of the page in which the HTML of an email is shown. It has an origin of its own, may run the one
script that this hash names, and frames what is shown as something that may run none at all."""

_HEADERS = {
    "Content-Security-Policy": PAGE_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    # Revalidated each time (files carry an ETag), so that a new build shows at once.
    "Cache-Control": "no-cache",
}


def add_routes(app: FastAPI, settings: Settings) -> None:
    """Serve the folder of `ingest.web_client`; none if it is empty."""
    if not settings.ingest.web_client:
        return
    limit = {"maxAttachmentBytes": settings.ingest.max_attachment_bytes}
    config = orjson.dumps(page_config(settings.queues.endpoint_url) | limit)

    async def page_settings() -> Response:
        return Response(config, media_type=answers.JSON, headers=_HEADERS)

    app.get("/config.json", include_in_schema=False)(page_settings)
    folder = Path(settings.ingest.web_client)
    app.router.default = Pages(
        StaticFiles(directory=folder, html=True) if folder.is_dir() else _not_built
    )


def page_config(endpoint_url: str | None) -> dict[str, str]:
    """What the page is told: where the API is and, in the sandbox, the mailbox. Pure."""
    config = {"apiBase": ""}
    if endpoint_url and _is_loopback(urlsplit(endpoint_url).hostname or ""):
        config["sandboxMailbox"] = f"{endpoint_url.rstrip('/')}/mailbox.html"
    return config


class Pages:
    """GET and HEAD of what is no route of the API, with the headers a page should have."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a file, or say 404 in the API's own shape."""
        if scope["type"] != "http" or scope["method"] not in {"GET", "HEAD"}:
            raise HTTPException(404)

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(_HEADERS)
                if route_path(scope) == PREVIEW:
                    headers["Content-Security-Policy"] = PREVIEW_POLICY
            await send(message)

        try:
            await self._app(scope, receive, with_headers)
        except ValueError as error:
            # A path that no file can have (a NUL in it).
            raise HTTPException(404) from error


async def _not_built(scope: Scope, receive: Receive, send: Send) -> None:
    if route_path(scope) != "/":
        raise HTTPException(404)
    await PlainTextResponse(NOT_BUILT, 404)(scope, receive, send)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
