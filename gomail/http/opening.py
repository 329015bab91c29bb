"""The transport that the settings name."""

from typing import assert_never

from gomail.http.fast import FastTransport
from gomail.http.port import Transport
from gomail.http.with_aiohttp import AiohttpTransport
from gomail.settings import Settings


def open_transport(settings: Settings) -> Transport:
    """A transport of the kind that is set; its first request connects it."""
    match settings.transport:
        case "aiohttp":
            return AiohttpTransport()
        case "fast":
            return FastTransport()
        case kind:
            assert_never(kind)
