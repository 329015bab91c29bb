"""The files of an email, and where its large parts are: the fields and their rules. Pure."""

import base64
import binascii
import mimetypes
import re
from collections.abc import Callable, Mapping
from typing import Any

from gomail.email.findings import Findings
from gomail.email.model import MOST_ATTACHMENTS, Attachment, Claim
from gomail.email.shapes import array, number, text
from gomail.email.texts import fault_in_line, fault_in_name

_CONTENT_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]{1,64}/[A-Za-z0-9!#$&^_.+-]{1,64}")
_CONTENT_ID = re.compile(r"[A-Za-z0-9._@+-]{1,78}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_KEY = re.compile(r"[A-Za-z0-9._/-]{1,400}")


class Files:
    """Reads them.

    Args:
        findings: gets what is wrong.
        max_bytes: of all attachments together; None for any.
        stored: whether it is a queue message: its large parts may be elsewhere, and what only the
            API refuses is taken.
    """

    def __init__(self, findings: Findings, *, max_bytes: int | None, stored: bool) -> None:
        self._findings = findings
        self._most, self._stored = max_bytes, stored

    def read(self, wire: Mapping[str, Any]) -> dict[str, Any]:
        """The values by their names in `Email`."""
        claim = self._claim(wire)
        return {
            "claim": claim,
            "attachments": self._attachments(wire, elsewhere=claim is not None),
        }

    def _attachments(self, wire: Mapping[str, Any], *, elsewhere: bool) -> tuple[Attachment, ...]:
        most = self._findings.most_of(
            array(wire, "attachments"),
            "attachments",
            MOST_ATTACHMENTS,
            "There are more than {} attachments",
        )
        attachments = tuple(
            self._attachment(one, f"attachments.{place}", elsewhere=elsewhere)
            for place, one in enumerate(most)
        )
        ids: set[str] = set()
        for place, one in enumerate(attachments):
            if one.content_id and one.content_id in ids:
                self._findings.add(f"attachments.{place}.contentId", "Content id is there twice")
            ids.add(one.content_id)
        if self._most is not None and sum(one.size for one in attachments) > self._most:
            self._findings.add("attachments", f"Attachments together are over {self._most} bytes")
        return attachments

    def _attachment(self, given: object, where: str, *, elsewhere: bool) -> Attachment:
        known = {"filename", "content", "contentType", "contentId"}
        one = self._findings.fields(given, known | {"size"} if self._stored else known, where)
        filename = text(one, "filename", where)
        if fault := _filename_fault(filename, fault_in_line if self._stored else fault_in_name):
            self._findings.add(f"{where}.filename", fault)
        content = text(one, "content", where)
        size = number(one, "size", where) if elsewhere else _decoded_size(content)
        if elsewhere and content:
            self._findings.add(f"{where}.content", "Content is in the payload store")
        elif not elsewhere and not content:
            self._findings.add(f"{where}.content", "Content is required")
        if size is None:
            self._findings.add(f"{where}.content", "Content is not base64 without line breaks")
        kind = text(one, "contentType", where) or _guessed(filename)
        if not _CONTENT_TYPE.fullmatch(kind):
            self._findings.add(
                f"{where}.contentType", "Content type is not of the form type/subtype"
            )
        content_id = text(one, "contentId", where)
        if content_id and not _CONTENT_ID.fullmatch(content_id):
            self._findings.add(
                f"{where}.contentId", "Content id is not 1 to 78 letters, digits or any of ._@+-"
            )
        return Attachment(filename, kind, content, size or 0, content_id)

    def _claim(self, wire: Mapping[str, Any]) -> Claim | None:
        given = wire.get("claim")
        if given is None:
            return None
        if not self._stored:
            self._findings.add("claim", "claim is not a field of an email")
            return None
        given = self._findings.fields(given, {"key", "sha256", "size"}, "claim")
        claim = Claim(
            text(given, "key", "claim"),
            text(given, "sha256", "claim"),
            number(given, "size", "claim"),
        )
        if not _KEY.fullmatch(claim.key) or not _DIGEST.fullmatch(claim.sha256):
            self._findings.add("claim", "Claim has not the form of one")
        return claim


def _filename_fault(filename: str, rule: Callable[[str, str, int], str | None]) -> str | None:
    if not filename:
        return "Filename is required"
    if fault := rule("Filename", filename, 255):
        return fault
    return "Filename contains a path separator" if "/" in filename or "\\" in filename else None


def _decoded_size(content: str) -> int | None:
    try:
        return len(base64.b64decode(content, validate=True))
    except (binascii.Error, ValueError):
        return None


def _guessed(filename: str) -> str:
    kind, encoding = mimetypes.guess_type(filename)
    return kind if kind and not encoding else "application/octet-stream"
