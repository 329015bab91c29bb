"""What is written before a body: where a request goes, and its head. Pure.

Nothing that a caller gives may end a line early: a break in a header or a URL would let whoever
chose its text write headers, or a whole second request.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address
from urllib.parse import urlsplit

_PORTS = {"http": 80, "https": 443}
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_WRITTEN = re.compile(r"[!-~]+")  # ASCII without blanks and controls
_WITHOUT_LENGTH = frozenset({"GET", "HEAD"})
_FRAMING = frozenset({"transfer-encoding", "trailer", "upgrade", "expect"})


@dataclass(frozen=True, slots=True)
class Target:
    """Where a URL leads, and what a request to it begins with."""

    scheme: str
    host: str
    port: int
    is_address: bool
    host_header: str
    path: str

    @property
    def place(self) -> tuple[str, str, int]:
        """Requests to the same place may use the same connections."""
        return self.scheme, self.host, self.port


@lru_cache(maxsize=512)
def target(url: str) -> Target:
    """Read a URL; path and query stay as written.

    Raises:
        ValueError: it is none that can be asked; the text says why.
    """
    if not _WRITTEN.fullmatch(url):
        raise ValueError("the URL holds blanks, controls or letters beyond ASCII")
    parts = urlsplit(url)
    host = parts.hostname
    if parts.scheme not in _PORTS or not host:
        raise ValueError("is not an http(s) URL")
    if parts.username is not None:
        raise ValueError("the URL holds a user name; send an Authorization header instead")
    port = _PORTS[parts.scheme] if parts.port is None else parts.port
    shown = f"[{host}]" if ":" in host else host
    return Target(
        scheme=parts.scheme,
        host=host,
        port=port,
        is_address=_is_address(host),
        host_header=shown if port == _PORTS[parts.scheme] else f"{shown}:{port}",
        path=(parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
    )


def head(method: str, to: Target, headers: Mapping[str, str], length: int) -> bytes:
    """The head of a request, with `Host` and `Content-Length` unless they are given.

    Raises:
        ValueError: a name, a value or the method cannot be written; the text names which.
    """
    lines = [_first_line(method, to.path)]
    has_host = has_length = False
    for name, value in headers.items():
        match _known(name):
            case "host":
                has_host = True
            case "content-length":
                _check_length(value, length)
                has_length = True
        lines.append(f"{name}: {value}")
    if not has_host:
        lines.append(f"Host: {to.host_header}")
    if not has_length and (length or method not in _WITHOUT_LENGTH):
        lines.append(f"Content-Length: {length}")
    text = "\r\n".join(lines)
    breaks = len(lines) - 1
    if text.count("\n") != breaks or text.count("\r") != breaks or "\0" in text:
        raise ValueError(f"the header {_broken(headers)} holds a line break or a zero byte")
    return (text + "\r\n\r\n").encode()


@lru_cache(maxsize=512)
def _first_line(method: str, path: str) -> str:
    if not _TOKEN.fullmatch(method):
        raise ValueError("the method is none")
    return f"{method} {path} HTTP/1.1"


@lru_cache(maxsize=512)
def _known(name: str) -> str:
    """A header's name in lower case, once it is seen to be one."""
    if not _TOKEN.fullmatch(name):
        raise ValueError(f"the header name {name!r} is none")
    if name.lower() in _FRAMING:
        raise ValueError(f"the header {name} is not ours to send")
    return name.lower()


def _check_length(value: str, length: int) -> None:
    if value != str(length):
        raise ValueError("the header Content-Length is not the body's length")


def _broken(headers: Mapping[str, str]) -> str:
    return next((n for n, value in headers.items() if re.search(r"[\r\n\0]", value)), "")


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
