"""The payload store on Amazon S3, or on what speaks as it does: four calls over our transport.

Each of them changes nothing when it is made twice, so a call that the network broke is made once
more within its time. A 403 is `PayloadUnavailable`, not missing: S3 says "access denied" of a key
that is not there to whoever may not list the bucket (docs/payloads.md).
"""

import asyncio
import re
from collections.abc import Iterator
from datetime import datetime
from hashlib import sha256
from urllib.parse import quote
from xml.etree import ElementTree as ET

from gomail.aws import CONTENT_DIGEST, CREDENTIAL_CODES, Credentials, Signer
from gomail.errors import TransportError
from gomail.http import Response, Transport
from gomail.payloads import PayloadMissing, PayloadUnavailable

SWEEP_SECONDS = 10.0
"""Seconds one call of a sweep may take."""

_OK = 200
_NO_CONTENT = 204
_NOT_FOUND = 404
_REFUSED_STATUSES = frozenset({400, 401, 403})
_PAGE = 1000
_LARGE = 256 * 1024  # bytes whose checksum is worth a thread
_EMPTY = sha256(b"").hexdigest()
_CODE = re.compile(r"[A-Za-z0-9.]{1,64}")
_KEY = re.compile(r"[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*")
_DOTS = {".", ".."}


class S3Payloads:
    """Implements `gomail.payloads.Payloads` over one bucket."""

    def __init__(
        self, transport: Transport, credentials: Credentials, *, region: str, url: str, prefix: str
    ) -> None:
        """`url` is the bucket's (`bucket_url`); `prefix` is what a sweep keeps to."""
        self._transport = transport
        self._credentials = credentials
        self._signer = Signer(credentials, service="s3", region=region)
        self._url = url
        self._prefix = prefix

    async def put(self, key: str, data: bytes, *, timeout: float) -> None:
        """Keep `data`; S3 has it on several disks, and has compared its checksum, when it answers.

        Raises:
            PayloadUnavailable: it may or may not be kept.
            ValueError: the key is not one that a payload can have.
        """
        if not is_key(key):
            raise ValueError(f"no key of a payload: {key!r}")
        response = await self._call("PUT", f"/{key}", data, timeout=timeout)
        if response.status != _OK:
            raise _unavailable("PUT", response)

    async def get(self, key: str, *, timeout: float) -> bytes:
        """The bytes under a key.

        Raises:
            PayloadMissing: there are none.
            PayloadUnavailable: not known.
        """
        if not is_key(key):  # no payload was ever kept under it
            raise PayloadMissing("the payload store has no such key")
        response = await self._call("GET", f"/{key}", timeout=timeout)
        if response.status == _OK:
            return response.body
        # A missing bucket is a 404 too, but a mistake in the settings, which can be mended.
        if response.status == _NOT_FOUND and _code(response) == "NoSuchKey":
            raise PayloadMissing("the payload store has no such key")
        raise _unavailable("GET", response)

    async def remove(self, key: str, *, timeout: float) -> None:
        """Forget a key; one that is not there is forgotten already.

        Raises:
            PayloadUnavailable: it may still be there.
        """
        if not is_key(key):
            return
        response = await self._call("DELETE", f"/{key}", timeout=timeout)
        if response.status not in (_OK, _NO_CONTENT) and _code(response) != "NoSuchKey":
            raise _unavailable("DELETE", response)

    async def sweep(self, before: float, *, limit: int) -> int:
        """Forget up to `limit` payloads under the prefix written before a time; how many.

        S3 lists by key, and keys begin with the time at which their emails were accepted (UUIDv7):
        the oldest come first, and a page without any old one ends the sweep.

        Raises:
            PayloadUnavailable: the store did not answer; some may be forgotten.
        """
        swept, token = 0, ""
        while swept < limit:
            page = await self._page(token)
            old = [key for key, written in _listed(page) if written < before]
            for key in old[: limit - swept]:
                await self.remove(key, timeout=SWEEP_SECONDS)
                swept += 1
            token = page.findtext("{*}NextContinuationToken") or ""
            if not old or not token:
                break
        return swept

    async def _page(self, token: str) -> ET.Element:
        query = f"?list-type=2&max-keys={_PAGE}&prefix={quote(self._prefix, safe='')}"
        if token:
            query += f"&continuation-token={quote(token, safe='')}"
        response = await self._call("GET", f"/{query}", timeout=SWEEP_SECONDS)
        if response.status != _OK:
            raise _unavailable("ListObjectsV2", response)
        return _xml(response.body)

    async def _call(self, method: str, path: str, body: bytes = b"", *, timeout: float) -> Response:
        """One call, and once again with newer credentials where S3 did not take these."""
        deadline = asyncio.get_running_loop().time() + timeout
        digest = await _digest(body)
        keys = await self._credentials.fresh()
        response = await self._exchange(method, path, body, digest, deadline)
        if (
            response.status in _REFUSED_STATUSES
            and _code(response) in CREDENTIAL_CODES
            and await self._credentials.replace(keys)
        ):
            return await self._exchange(method, path, body, digest, deadline)
        return response

    async def _exchange(
        self, method: str, path: str, body: bytes, digest: str, deadline: float
    ) -> Response:
        url = self._url + path
        headers = {CONTENT_DIGEST: digest}
        if method == "PUT":
            headers["Content-Type"] = "application/octet-stream"
        again = True
        while True:
            left = deadline - asyncio.get_running_loop().time()
            try:
                return await self._transport.request(
                    method,
                    url,
                    headers=self._signer.sign(method, url, headers, body),
                    body=body,
                    timeout=left,
                )
            except TransportError as error:
                # Done or not: making the call twice is the same as once.
                if not again or deadline <= asyncio.get_running_loop().time():
                    raise PayloadUnavailable(f"S3 {method}: {error}") from error
                again = False


def bucket_url(bucket: str, *, region: str, endpoint_url: str | None = None) -> str:
    """Where a bucket is, without a slash at its end. Pure.

    In the path at an endpoint of one's own, and where a dot in its name would not fit the
    certificate of S3; else in the host's name.
    """
    if endpoint_url:
        return f"{endpoint_url.rstrip('/')}/{bucket}"
    domain = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    if "." in bucket:
        return f"https://s3.{region}.{domain}/{bucket}"
    return f"https://{bucket}.s3.{region}.{domain}"


def is_key(key: str) -> bool:
    """Whether a payload can have this key: nothing in it that a URL or a proxy rewrites. Pure."""
    return bool(_KEY.fullmatch(key)) and not _DOTS & set(key.split("/"))


async def _digest(body: bytes) -> str:
    if not body:
        return _EMPTY
    if len(body) < _LARGE:
        return sha256(body).hexdigest()
    return await asyncio.to_thread(lambda: sha256(body).hexdigest())


def _listed(page: ET.Element) -> Iterator[tuple[str, float]]:
    """Key and time of writing of each payload on a page; what is not ours is left alone."""
    for entry in page.iterfind("{*}Contents"):
        key = entry.findtext("{*}Key") or ""
        try:
            written = datetime.fromisoformat(entry.findtext("{*}LastModified") or "").timestamp()
        except ValueError:
            continue  # of unknown age: it stays, and the bucket's lifecycle rule ends it
        if is_key(key):
            yield key, written


def _xml(body: bytes) -> ET.Element:
    try:
        return ET.fromstring(body)  # noqa: S314 - what our own bucket answers; expat bounds entities
    except (ET.ParseError, ValueError) as error:
        raise PayloadUnavailable("S3 answered with what is no XML") from error


def _code(response: Response) -> str:
    """What S3 calls the error; empty where it does not say."""
    try:
        code = _xml(response.body).findtext("{*}Code") or ""
    except PayloadUnavailable:
        return ""  # a proxy's page, perhaps: the status has to do
    return code if _CODE.fullmatch(code) else ""


def _unavailable(call: str, response: Response) -> PayloadUnavailable:
    return PayloadUnavailable(f"S3 {call}: {response.status} {_code(response)}".rstrip())
