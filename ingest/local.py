"""Whom the API serves where no API key is configured: clients on this machine.

A request that another program has forwarded comes from a loopback address, too, and so does one
that a foreign page makes a browser of this machine send; both give themselves away by their
headers.
"""

import ipaddress
from collections.abc import Collection, Iterable
from functools import lru_cache
from urllib.parse import urlsplit

_REMEDY = "; create a key with `gomail keys create` to serve others"

NOT_LOCAL = f"Only clients on this machine may do this without an API key{_REMEDY}"
NOT_FORWARDED = f"Only direct requests may be without an API key; a proxy forwarded this{_REMEDY}"
NOT_THIS_HOST = f"Only requests to localhost, 127.0.0.1 or [::1] may be without an API key{_REMEDY}"
NOT_THIS_PAGE = "Only pages of this API or of an allowed origin may do this"

_FORWARDING = frozenset(
    {
        b"via",
        b"cf-connecting-ipv6",
        b"cloudfront-viewer-address",
        b"x-azure-clientip",
        b"x-azure-socketip",
        b"x-envoy-external-address",
        b"x-remote-addr",
    }
)
"""What proxies call the client's address, beside names with `forwarded` in them and `…-IP`: there
is no list of those, and a name that is missing here would serve strangers."""

Headers = Iterable[tuple[bytes, bytes]]


def refusal(
    client: str | None,
    headers: Headers,
    *,
    allowed_origins: Collection[str],
    any_page: bool = False,
) -> str:
    """Why this request is not served; empty if it is. Pure.

    A name in `Host` that is none of ours is a page whose own name was made to lead here. Pages from
    elsewhere need an allowed origin, unless `any_page` may do this; a browser that does not say
    where its page is from (`Sec-Fetch-Site`) still says whose it is (`Origin`).
    """
    host = origin = b""
    foreign = False
    for name, value in headers:
        if name in _FORWARDING or name.endswith(b"-ip") or b"forwarded" in name:
            return NOT_FORWARDED
        if name == b"host":
            host = value
        elif name == b"origin":
            origin = value
        elif name == b"sec-fetch-site":
            foreign = value == b"cross-site"
    if not is_loopback(client or ""):
        return NOT_LOCAL
    if not _is_ours(host):
        return NOT_THIS_HOST
    foreign = foreign or (bool(origin) and not _is_ours(origin.partition(b"//")[2]))
    if foreign and not any_page and origin.decode("latin-1") not in allowed_origins:
        return NOT_THIS_PAGE
    return ""


@lru_cache(maxsize=128)
def is_loopback(address: str) -> bool:
    """Whether this is an address of this machine that no other can reach. Pure."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return (mapped or ip).is_loopback


@lru_cache(maxsize=128)
def _is_ours(header: bytes) -> bool:
    try:
        host = urlsplit(f"//{header.decode('latin-1')}").hostname or ""
    except ValueError:
        return False
    return host == "localhost" or is_loopback(host)
