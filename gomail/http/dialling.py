"""From a place to a connection: addresses, one after the other, and TLS.

Whatever fails here is `NotSent`: nothing of a request is written before a connection stands.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable, Sequence
from functools import cache
from itertools import chain, zip_longest
from typing import Any, TypeVar

from gomail.errors import NotSent
from gomail.http.head import Target
from gomail.http.port import DNS_SECONDS, not_sent

_P = TypeVar("_P", bound=asyncio.Protocol)

_FAREWELL_SECONDS = 1.0  # for the other side's end of a TLS connection that we close


class Dialler:
    """Opens connections; keeps the addresses of hosts for a while, and failures never."""

    def __init__(self, *, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self._known: dict[tuple[str, int], tuple[float, list[str]]] = {}
        self._lookups: dict[tuple[str, int], asyncio.Task[Any]] = {}

    async def dial(self, to: Target, make: Callable[[], _P], *, seconds: float) -> _P:
        """Connect within `seconds`.

        Raises:
            NotSent: refused, no such host, no TLS, a wrong certificate, or not in time.
        """
        try:
            async with asyncio.timeout(seconds) as limit:
                return await self._reach(to, make, limit)
        except TimeoutError as error:
            raise NotSent(f"{to.host_header}: no connection in time") from error
        except (OSError, ValueError) as error:  # a host that DNS cannot hold is a ValueError
            text = str(error) or type(error).__name__
            raise not_sent(f"{to.host_header}: {text}", error) from error

    def close(self) -> None:
        """Wait for no name any more."""
        for lookup in self._lookups.values():
            lookup.cancel()

    async def _reach(self, to: Target, make: Callable[[], _P], limit: asyncio.Timeout) -> _P:
        """Try address after address: each may take half of what is left, the last one all of it."""
        loop = asyncio.get_running_loop()
        end = limit.when() or loop.time()
        addresses = await self._addresses(to)
        last = len(addresses) - 1
        for index, address in enumerate(tuple(addresses)):
            share = None if index == last else loop.time() + (end - loop.time()) / 2
            try:
                async with asyncio.timeout_at(share):
                    made = await self._connect(to, address, make)
            except ssl.SSLCertVerificationError:
                raise  # the host is reached, and is another; so would its other addresses be
            except OSError:  # a TimeoutError is one
                if index == last:
                    self._known.pop((to.host, to.port), None)
                    raise
            else:
                if index and address in addresses:  # the next one need not wait for the others
                    addresses.remove(address)
                    addresses.insert(0, address)
                return made
        raise OSError("has no address")

    async def _connect(self, to: Target, address: str, make: Callable[[], _P]) -> _P:
        loop = asyncio.get_running_loop()
        if to.scheme == "http":
            _, made = await loop.create_connection(make, address, to.port)
            return made
        _, made = await loop.create_connection(
            make,
            address,
            to.port,
            ssl=self._tls or _verifying(),
            server_hostname=to.host.rstrip("."),
            ssl_shutdown_timeout=_FAREWELL_SECONDS,
        )
        return made

    async def _addresses(self, to: Target) -> list[str]:
        if to.is_address:
            return [to.host]
        key = (to.host, to.port)
        until, addresses = self._known.get(key, (0.0, []))
        if until > asyncio.get_running_loop().time():
            return addresses
        lookup = self._lookups.get(key)
        if lookup is None:
            lookup = self._lookups[key] = asyncio.create_task(self._look_up(key))
            lookup.add_done_callback(lambda done: self._looked_up(key, done))
        # Shared by all who wait; none of them cancels it.
        found: list[str] = await asyncio.shield(lookup)
        return found

    async def _look_up(self, key: tuple[str, int]) -> list[str]:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(*key, type=socket.SOCK_STREAM)
        addresses = _in_turn([(family, str(place[0])) for family, *_, place in found])
        self._known[key] = (loop.time() + DNS_SECONDS, addresses)
        return addresses

    def _looked_up(self, key: tuple[str, int], done: asyncio.Task[Any]) -> None:
        del self._lookups[key]
        if not done.cancelled():
            done.exception()  # whoever still waits raises it


def _in_turn(found: Sequence[tuple[int, str]]) -> list[str]:
    """IPv6 and IPv4 by turns, so that a family that leads nowhere costs one attempt. Pure."""
    families = dict.fromkeys(family for family, _ in found)
    by_family = [[a for family, a in found if family == wanted] for wanted in families]
    turns = chain.from_iterable(zip_longest(*by_family))
    return list(dict.fromkeys(address for address in turns if address is not None))


@cache
def _verifying() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context
