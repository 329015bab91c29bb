"""HTTP of the hot path: a port, and two transports behind it.

`FastTransport` is a client of our own, at a fifth to a third of aiohttp's cost; `AiohttpTransport`
is the widely used one. A process opens what its settings name (`gomail.http.opening`).
"""

from gomail.http.fast import FastTransport
from gomail.http.port import ANSWER_LIMIT, Response, Transport
from gomail.http.with_aiohttp import AiohttpTransport

__all__ = ["ANSWER_LIMIT", "AiohttpTransport", "FastTransport", "Response", "Transport"]
