"""Who may read what the ledger holds, until there are API keys: people at this machine.

A request that another program has forwarded comes from a loopback address, too, and so does one
that a foreign page makes a browser of this machine send; both give themselves away by their
headers.
"""

import ipaddress
from collections.abc import Collection, Iterable
from urllib.parse import urlsplit

NOT_LOCAL = "Only clients on this machine may read this, without a proxy between"
NOT_FORWARDED = "Only direct requests from this machine may read this; a proxy forwarded this one"
NOT_THIS_HOST = "Only requests to localhost, 127.0.0.1 or [::1] may read this"
NOT_THIS_PAGE = "Only pages of this API or of an allowed origin may read this"

_FORWARDING = (b"forwarded", b"via", b"x-real-ip")
_FORWARDING_PREFIX = b"x-forwarded-"

Headers = Iterable[tuple[bytes, bytes]]


def refusal(client: str | None, headers: Headers, *, allowed_origins: Collection[str]) -> str:
    """Why this request may not read; empty if it may. Pure.

    A name in `Host` that is none of ours is a page whose own name was made to lead here; an
    origin that is allowed for everybody (`*`) may send email, but read only what is its own.
    """
    given: dict[bytes, str] = {}
    for name, value in headers:
        if name in _FORWARDING or name.startswith(_FORWARDING_PREFIX):
            return NOT_FORWARDED
        given[name] = value.decode("latin-1")
    if not is_loopback(client or ""):
        return NOT_LOCAL
    host = _host(given.get(b"host", ""))
    if host != "localhost" and not is_loopback(host):
        return NOT_THIS_HOST
    foreign = given.get(b"sec-fetch-site") == "cross-site"
    if foreign and given.get(b"origin") not in allowed_origins:
        return NOT_THIS_PAGE
    return ""


def is_loopback(address: str) -> bool:
    """Whether this is an address of this machine that no other can reach. Pure."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return (mapped or ip).is_loopback


def _host(header: str) -> str:
    try:
        return urlsplit(f"//{header}").hostname or ""
    except ValueError:
        return ""
