"""One message of a queue: what it may contain, how large it is, its digests. Pure."""

from __future__ import annotations

import base64
import binascii
import re
import struct
from dataclasses import dataclass
from enum import IntEnum
from hashlib import md5
from typing import Any

from sandbox.errors import Refused, invalid, missing

MAX_BYTES = 1_048_576
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ATTRIBUTE_NAME = re.compile(
    r"(?!AWS\.|Amazon\.)(?!\.)(?!.*\.\.)[A-Za-z0-9_.-]{1,256}(?<!\.)", re.IGNORECASE
)
_MAX_ATTRIBUTES = 10
_BINARY = 2
_TEXT = 1

Attributes = dict[str, dict[str, Any]]


class State(IntEnum):
    """Where a message is."""

    READY = 0
    DELAYED = 1
    IN_FLIGHT = 2
    GONE = 3


@dataclass(slots=True, eq=False)
class Message:
    """A message and what SQS counts about it; `receives` also numbers its newest handle."""

    seq: int
    id: str
    body: str
    body_md5: str
    attributes: Attributes | None
    system: Attributes | None
    group: str | None
    sent_ms: int
    state: State = State.READY
    due: float = 0.0
    receives: int = 0
    first_received_ms: int = 0
    received_at: float = 0.0
    source_arn: str | None = None


def digest(body: str) -> str:
    """MD5 of a body, as in `MD5OfMessageBody`."""
    return md5(body.encode(), usedforsecurity=False).hexdigest()


def check_body(body: object) -> str:
    """Give back the body if SQS would take its characters."""
    if body is None or body == "":
        raise missing("MessageBody")
    if not isinstance(body, str):
        raise invalid("MessageBody must be a string.")
    if not (body.isascii() and body.isprintable()):
        _check_characters(body)
    return body


def _check_characters(text: str) -> None:
    if found := _FORBIDDEN.search(text):
        raise Refused(
            "InvalidMessageContents",
            f"Invalid binary character '#x{ord(found[0]):X}' was found in the message, the set "
            "of allowed characters is #x9 | #xA | #xD | [#x20 to #xD7FF] | [#xE000 to #xFFFD] | "
            "[#x10000 to #x10FFFF]",
        )


def check_attributes(attributes: object) -> Attributes | None:
    """Give back message attributes if SQS would take their names, types and values."""
    if not attributes:
        return None
    if not isinstance(attributes, dict):
        raise invalid("MessageAttributes must be an object.")
    if len(attributes) > _MAX_ATTRIBUTES:
        raise invalid(
            f"Number of message attributes [{len(attributes)}] exceeds the allowed maximum [10]."
        )
    for name, value in attributes.items():
        _check_attribute(name, value)
    return attributes


def _check_attribute(name: str, value: object) -> None:
    if not _ATTRIBUTE_NAME.fullmatch(name):
        raise invalid(f"Message attribute name '{name}' is invalid.")
    if not isinstance(value, dict) or not isinstance(kind := value.get("DataType"), str):
        raise invalid(f"The message attribute '{name}' must contain a non-empty attribute type.")
    if kind.split(".", 1)[0] not in ("String", "Number", "Binary"):
        raise invalid(
            f"The message attribute '{name}' has an invalid message attribute type, the set of "
            "supported type prefixes is Binary, Number, and String."
        )
    if not (content := _content(name, kind, value)):
        raise invalid(f"The message attribute '{name}' must contain a non-empty value of its type.")
    if not kind.startswith("Binary"):
        _check_characters(content.decode())


def _content(name: str, kind: str, value: dict[str, Any]) -> bytes:
    text = value.get("BinaryValue" if kind.startswith("Binary") else "StringValue")
    if not isinstance(text, str):
        return b""
    try:
        if kind.startswith("Binary"):
            return base64.b64decode(text, validate=True)
        return text.encode()
    except (binascii.Error, UnicodeEncodeError) as error:
        raise invalid(
            f"The message attribute '{name}' holds a value that cannot be read."
        ) from error


def size(body: str, attributes: Attributes | None) -> int:
    """Bytes that count against the limits: body and attributes, in UTF-8."""
    total = len(body) if body.isascii() else len(body.encode())
    for name, value in (attributes or {}).items():
        kind = value["DataType"]
        total += len(name.encode()) + len(kind.encode()) + len(_content(name, kind, value))
    return total


def attributes_md5(attributes: Attributes) -> str:
    """MD5 over attributes the way every AWS SDK computes it: sorted, each part with its length."""
    hashed = md5(usedforsecurity=False)
    for name in sorted(attributes):
        value = attributes[name]
        kind: str = value["DataType"]
        code = _BINARY if kind.startswith("Binary") else _TEXT
        hashed.update(_counted(name.encode()) + _counted(kind.encode()))
        hashed.update(bytes((code,)) + _counted(_content(name, kind, value)))
    return hashed.hexdigest()


def _counted(part: bytes) -> bytes:
    return struct.pack("!I", len(part)) + part
