"""Speaks as much of S3 as keeping payloads needs: PUT, GET, HEAD, DELETE and ListObjectsV2.

Path-style under `/s3/BUCKET/KEY`: its endpoint URL is the sandbox's with `/s3`. Signatures are not
looked at; a body is compared with the checksum that was signed.
"""

from __future__ import annotations

import asyncio
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime
from hashlib import md5, sha256
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import unquote
from xml.etree import ElementTree as ET

from aiohttp import web

from sandbox.calls import Calls
from sandbox.faults import QueueSwitches
from sandbox.http import cut
from sandbox.objects import KeyTooLong, Listed, Objects

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX = "/s3/"
"""What the paths of all calls begin with."""

_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_LONGEST_KEY = 1024
_PAGE = 1000
_OPERATIONS = {
    "PUT": "PutObject",
    "GET": "GetObject",
    "HEAD": "HeadObject",
    "DELETE": "DeleteObject",
}
_LIST = "ListObjectsV2"


class Refused(Exception):
    """A call that S3 would refuse."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class S3Endpoint:
    """Everything under `/s3/`."""

    def __init__(self, objects: Objects) -> None:
        self.calls = Calls()
        self._objects = objects
        self.set(QueueSwitches())

    @property
    def switches(self) -> QueueSwitches:
        """The faults that are switched on; those of the queue, without the failure of entries."""
        return self._switches

    def set(self, switches: QueueSwitches) -> None:
        """Replace the faults; their counters begin anew."""
        self._switches = switches
        self._strikes = switches.strikes()

    async def handle(self, request: web.BaseRequest) -> web.Response:
        """Answer one call."""
        calls = self.calls
        with calls.one():
            try:
                return await self._answer(request)
            except Refused as refusal:
                calls.failed[refusal.status] += 1
                return _refusal(refusal)

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        bucket, key = _target(request)
        operation = _LIST if not key and request.method == "GET" else _OPERATIONS[request.method]
        self.calls.operations[operation] += 1
        wanted = self._switches.operations
        struck = await self._strike(request) if wanted is None or operation in wanted else None
        if struck is not None:
            return struck
        if operation == _LIST:
            listed = await asyncio.to_thread(lambda: list(self._objects.listed(bucket)))
            answer = _xml_answer(_page(bucket, listed, request.query))
        elif not key:
            raise Refused(501, "NotImplemented", "The sandbox has no such call for a bucket.")
        elif operation == "PutObject":
            answer = await self._put(request, bucket, key)
        elif operation == "DeleteObject":
            await asyncio.to_thread(self._objects.remove, bucket, key)
            answer = web.Response(status=HTTPStatus.NO_CONTENT)
        else:
            answer = await self._get(bucket, key)
        self.calls.accepted += 1
        return answer

    async def _put(self, request: web.BaseRequest, bucket: str, key: str) -> web.Response:
        if request.headers.get("Expect", "").lower() == "100-continue":
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            request.writer.output_size = 0
        data = await request.read()
        _compare(request.headers, data)
        try:
            await asyncio.to_thread(self._objects.put, bucket, key, data)
        except KeyTooLong as error:
            raise _too_long() from error
        return web.Response(headers={"ETag": _tag(data)})

    async def _get(self, bucket: str, key: str) -> web.Response:
        data = await asyncio.to_thread(self._objects.get, bucket, key)
        if data is None:
            raise Refused(404, "NoSuchKey", "The specified key does not exist.")
        headers = {"Content-Type": "application/octet-stream", "ETag": _tag(data)}
        return web.Response(body=data, headers=headers)

    async def _strike(self, request: web.BaseRequest) -> web.Response | None:
        if self._switches.latency:
            await asyncio.sleep(self._switches.latency)
        match self._strikes.next():
            case "reset":
                self.calls.reset += 1
                return cut(request)
            case "throttle":
                raise Refused(503, "SlowDown", "Please reduce your request rate.")
            case "error":
                status = self._switches.status
                code = {403: "AccessDenied", 404: "NoSuchBucket"}.get(status, "InternalError")
                raise Refused(status, code, "The request failed because a fault was switched on.")
        return None


def _target(request: web.BaseRequest) -> tuple[str, str]:
    """Bucket and key; the key is what the client wrote, dots and all: it is never a path here."""
    raw = request.raw_path.partition("?")[0]
    bucket, _, quoted = raw.removeprefix(PREFIX).partition("/")
    if request.method not in _OPERATIONS:
        raise Refused(405, "MethodNotAllowed", "The method is not allowed here.")
    if not _BUCKET.fullmatch(bucket):
        raise Refused(400, "InvalidBucketName", "The specified bucket is not valid.")
    try:
        key = unquote(quoted, errors="strict")
    except UnicodeDecodeError as error:
        raise Refused(400, "InvalidURI", "The key is not UTF-8.") from error
    if len(key.encode()) > _LONGEST_KEY:
        raise _too_long()
    return bucket, key


def _compare(headers: Mapping[str, str], data: bytes) -> None:
    signed = headers.get("X-Amz-Content-Sha256", "")
    if _DIGEST.fullmatch(signed) and sha256(data).hexdigest() != signed:
        raise Refused(
            400, "XAmzContentSHA256Mismatch", "The body does not match x-amz-content-sha256."
        )


def _page(bucket: str, listed: list[Listed], query: Mapping[str, str]) -> ET.Element:
    """One page of a list, sorted by key. Pure."""
    prefix = query.get("prefix", "")
    try:
        most = min(int(query.get("max-keys", _PAGE)), _PAGE)
        token = query.get("continuation-token", "")
        after = urlsafe_b64decode(token).decode() if token else query.get("start-after", "")
    except ValueError as error:
        raise Refused(400, "InvalidArgument", "max-keys or the token is wrong.") from error
    found = sorted(
        (one for one in listed if one.key.startswith(prefix) and one.key > after),
        key=lambda one: one.key,
    )
    shown = found[:most]
    root = ET.Element("ListBucketResult", {"xmlns": _NAMESPACE})
    facts: dict[str, object] = {
        "Name": bucket,
        "Prefix": prefix,
        "MaxKeys": most,
        "KeyCount": len(shown),
    }
    facts["IsTruncated"] = str(len(found) > len(shown)).lower()
    if shown and len(found) > len(shown):
        facts["NextContinuationToken"] = urlsafe_b64encode(shown[-1].key.encode()).decode()
    _add(root, facts)
    for one in shown:
        modified = datetime.fromtimestamp(one.modified, UTC).isoformat(timespec="milliseconds")
        contents = ET.SubElement(root, "Contents")
        _add(
            contents,
            {"Key": one.key, "LastModified": modified.replace("+00:00", "Z"), "Size": one.size},
        )
    return root


def _add(parent: ET.Element, facts: Mapping[str, object]) -> None:
    for name, value in facts.items():
        ET.SubElement(parent, name).text = str(value)


def _refusal(refusal: Refused) -> web.Response:
    root = ET.Element("Error")
    _add(root, {"Code": refusal.code, "Message": refusal})
    return _xml_answer(root, refusal.status)


def _xml_answer(root: ET.Element, status: int = 200) -> web.Response:
    body = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return web.Response(body=body, status=status, headers={"Content-Type": "application/xml"})


def _tag(data: bytes) -> str:
    return f'"{md5(data, usedforsecurity=False).hexdigest()}"'


def _too_long() -> Refused:
    return Refused(400, "KeyTooLongError", "Your key is too long.")
