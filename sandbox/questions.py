"""What can be asked of a provider's account: calls that look at the key and at nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.provider import ProviderEndpoint, Rejected

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp import web

    from sandbox.http import Handler

    Routes = dict[tuple[str, str], Handler]


def question(endpoint: ProviderEndpoint, answer: Callable[[], web.Response]) -> Handler:
    """Answer whoever has a plausible key; no fault strikes but what `answer` rejects."""

    async def handle(request: web.BaseRequest) -> web.Response:
        try:
            endpoint.dialect.authenticate(request.headers)
            return answer()
        except Rejected as rejection:
            return endpoint.dialect.rejected(rejection)

    return handle
