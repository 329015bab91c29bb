"""What can be set on a queue, with the ranges and defaults of SQS. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import orjson

from sandbox.errors import Refused, invalid

ACCOUNT = "000000000000"
_ARN_PREFIX = f"arn:aws:sqs:us-east-1:{ACCOUNT}:"
_NAME = re.compile(r"[A-Za-z0-9_-]{1,80}")
_MAX_RECEIVES = 1000

# Lowest, highest, and what holds if nothing is set.
_NUMBERS = {
    "DelaySeconds": (0, 900, 0),
    "MaximumMessageSize": (1024, 1_048_576, 1_048_576),
    "MessageRetentionPeriod": (60, 1_209_600, 345_600),
    "ReceiveMessageWaitTimeSeconds": (0, 20, 0),
    "VisibilityTimeout": (0, 43_200, 30),
}
# Kept and given back, without effect here.
_OPAQUE = {
    "KmsDataKeyReusePeriodSeconds",
    "KmsMasterKeyId",
    "Policy",
    "RedriveAllowPolicy",
    "SqsManagedSseEnabled",
}
COUNTS = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)
NAMES = {
    "All",
    "QueueArn",
    "CreatedTimestamp",
    "LastModifiedTimestamp",
    "RedrivePolicy",
    *COUNTS,
    *_NUMBERS,
    *_OPAQUE,
}


@dataclass(frozen=True)
class Settings:
    """A queue's name and attributes; `values` holds what was set, as SQS gives it back."""

    name: str
    created: int
    modified: int
    values: dict[str, str] = field(default_factory=dict)

    @property
    def arn(self) -> str:
        """The queue's ARN."""
        return _ARN_PREFIX + self.name

    @cached_property
    def visibility(self) -> int:
        """Seconds a receive hides a message if it does not say otherwise."""
        return self._number("VisibilityTimeout")

    @cached_property
    def delay(self) -> int:
        """Seconds a message waits after its sending if it does not say otherwise."""
        return self._number("DelaySeconds")

    @cached_property
    def retention(self) -> int:
        """Seconds after which a message is forgotten."""
        return self._number("MessageRetentionPeriod")

    @cached_property
    def max_bytes(self) -> int:
        """The largest message this queue takes."""
        return self._number("MaximumMessageSize")

    @cached_property
    def wait(self) -> int:
        """Seconds a receive waits for a message if it does not say otherwise."""
        return self._number("ReceiveMessageWaitTimeSeconds")

    @cached_property
    def _redrive(self) -> dict[str, Any]:
        policy: dict[str, Any] = orjson.loads(self.values.get("RedrivePolicy") or "{}")
        return policy

    @property
    def dead_letter_name(self) -> str | None:
        """The queue that takes what was received too often."""
        arn = self._redrive.get("deadLetterTargetArn")
        return str(arn).rsplit(":", 1)[-1] if arn else None

    @cached_property
    def max_receives(self) -> int:
        """Receives after which a message goes to the dead-letter queue."""
        return int(self._redrive.get("maxReceiveCount", 10))

    def described(self) -> dict[str, str]:
        """All attributes but the counts."""
        numbers = {name: str(self._number(name)) for name in _NUMBERS}
        stamps = {
            "CreatedTimestamp": str(self.created),
            "LastModifiedTimestamp": str(self.modified),
        }
        return {"QueueArn": self.arn, **stamps, **numbers, **self.values}

    def agrees_with(self, values: dict[str, str]) -> bool:
        """Whether creating the queue again with these attributes means the same queue."""
        described = self.described()
        return all(described.get(name, "") == value for name, value in values.items())

    def _number(self, name: str) -> int:
        return int(self.values.get(name, _NUMBERS[name][2]))


def check_name(name: object) -> str:
    """Give back a name that a standard queue may have."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise invalid(
            "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length "
            "(this endpoint has standard queues only, so no .fifo)"
        )
    return name


def check_values(values: object) -> dict[str, str]:
    """Give back attributes as strings if each may be set to its value."""
    if not values:
        return {}
    if not isinstance(values, dict):
        raise invalid("Attributes must be an object.")
    return {name: _check_value(name, value) for name, value in values.items()}


def _check_value(name: str, value: object) -> str:
    text = str(value)
    if name in _NUMBERS:
        low, high, _ = _NUMBERS[name]
        if not text.isascii() or not text.isdigit() or not low <= int(text) <= high:
            raise _bad_value(name)
        return str(int(text))
    if name == "RedrivePolicy":
        return _check_redrive(text)
    if name not in _OPAQUE:
        raise Refused("InvalidAttributeName", f"Unknown Attribute {name}.")
    return text


def _check_redrive(text: str) -> str:
    if not text:
        return text
    try:
        policy = orjson.loads(text)
        arn, count = policy["deadLetterTargetArn"], int(policy.get("maxReceiveCount", 10))
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise _bad_value("RedrivePolicy") from error
    if not isinstance(arn, str) or not 1 <= count <= _MAX_RECEIVES:
        raise _bad_value("RedrivePolicy")
    return text


def _bad_value(name: str) -> Refused:
    return Refused("InvalidAttributeValue", f"Invalid value for the parameter {name}.")
