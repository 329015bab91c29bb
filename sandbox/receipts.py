"""Receipt handles: which queue, which message, which receive, sealed against invention. Pure."""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import blake2b

from sandbox.errors import bad_handle

# The seal only tells our handles from garbage; nothing secret hangs on it, and it must not change
# between two runs over the same file.
_KEY = b"sandbox receipt"
_SEAL_BYTES = 6


def issue(queue_uid: str, seq: int, receive: int) -> str:
    """Make the handle of one receive of one message."""
    plain = f"{queue_uid}.{seq:x}.{receive:x}".encode()
    return urlsafe_b64encode(_seal(plain) + plain).decode()


def read(queue_uid: str, handle: object) -> tuple[int, int]:
    """Give back message and receive number, if this queue has issued the handle."""
    if not isinstance(handle, str):
        raise bad_handle(handle)
    try:
        raw = urlsafe_b64decode(handle)
    except (binascii.Error, ValueError) as error:
        raise bad_handle(handle) from error
    seal, plain = raw[:_SEAL_BYTES], raw[_SEAL_BYTES:]
    if seal != _seal(plain):
        raise bad_handle(handle)
    uid, seq, receive = plain.decode().split(".")
    if uid != queue_uid:
        raise bad_handle(handle)
    return int(seq, 16), int(receive, 16)


def _seal(plain: bytes) -> bytes:
    return blake2b(plain, digest_size=_SEAL_BYTES, key=_KEY).digest()
