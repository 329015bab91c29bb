"""How the process says that it cannot start: one line for each key at fault, and no traceback.

uvicorn prints the traceback of whatever a factory raises, and Starlette hands the server the
traceback of whatever a lifespan raises; both would bury the sentences that say what to do.
"""

import sys

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gomail import logs
from gomail.errors import ConfigurationError
from gomail.settings import Settings, load


def settings_of_process() -> Settings:
    """Read the settings and set up logging, or end the process."""
    try:
        settings = load()
    except ConfigurationError as error:
        print(error, file=sys.stderr)  # noqa: T201 - how to log is among the settings
        raise SystemExit(1) from None
    logs.set_up(settings.log_level, settings.log_format)
    return settings


class PlainRefusal:
    """Middleware for the lifespan: a `ConfigurationError` reaches the server as its text."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on; only a failed start is put in plain words."""
        if scope["type"] != "lifespan":
            await self._app(scope, receive, send)
            return

        async def plain(message: Message) -> None:
            error = sys.exception()
            failed = message["type"] == "lifespan.startup.failed"
            if failed and isinstance(error, ConfigurationError):
                message["message"] = str(error)
            await send(message)

        await self._app(scope, receive, plain)
