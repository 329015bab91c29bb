"""ReceiveMessage: waits for messages and shows of each what the caller asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.cloud import Answer, Call, Cloud, number, strings
from sandbox.message import Attributes, Message, attributes_md5
from sandbox.queue import MAX_VISIBILITY

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.queue import Queue

_MAX_WAIT = 20
_MAX_BATCH = 10
# Who sends is always the one account that there is.
_SENDER = "AIDAIENQZJOLO23YVJ4VO"


async def receive_message(cloud: Cloud, call: Call, gone: Callable[[], bool]) -> Answer:
    """Receive up to ten messages; an answer without any has no `Messages` at all."""
    p = call.parameters
    queue = cloud.queue(p)
    settings = queue.settings
    system = strings(p, "MessageSystemAttributeNames") or strings(p, "AttributeNames")
    own = strings(p, "MessageAttributeNames")
    messages = await cloud.waiting.receive(
        queue,
        limit=number(p, "MaxNumberOfMessages", 1, most=_MAX_BATCH, least=1),
        visibility=number(p, "VisibilityTimeout", settings.visibility, most=MAX_VISIBILITY),
        wait=number(p, "WaitTimeSeconds", settings.wait, most=_MAX_WAIT),
        gone=gone,
    )
    return {"Messages": [_shown(queue, m, system, own) for m in messages]} if messages else {}


def _shown(queue: Queue, message: Message, system: list[str], own: list[str]) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "MessageId": message.id,
        "ReceiptHandle": queue.handle(message),
        "MD5OfBody": message.body_md5,
        "Body": message.body,
    }
    if system:
        shown["Attributes"] = _system_attributes(message, system)
    if message.attributes and own:
        attributes = _chosen(message.attributes, own)
        if attributes:
            shown["MessageAttributes"] = attributes
            shown["MD5OfMessageAttributes"] = attributes_md5(attributes)
    return shown


def _system_attributes(message: Message, names: list[str]) -> dict[str, str]:
    values = {
        "SenderId": _SENDER,
        "SentTimestamp": str(message.sent_ms),
        "ApproximateReceiveCount": str(message.receives),
        "ApproximateFirstReceiveTimestamp": str(message.first_received_ms),
    }
    if message.group is not None:
        values["MessageGroupId"] = message.group
    if message.source_arn is not None:
        values["DeadLetterQueueSourceArn"] = message.source_arn
    if message.system:
        values["AWSTraceHeader"] = message.system["AWSTraceHeader"]["StringValue"]
    if "All" in names:
        return values
    return {name: values[name] for name in names if name in values}


def _chosen(attributes: Attributes, wanted: list[str]) -> Attributes:
    if "All" in wanted or ".*" in wanted:
        return attributes
    prefixes = tuple(name.removesuffix(".*") for name in wanted if name.endswith(".*"))
    return {
        name: value
        for name, value in attributes.items()
        if name in wanted or (prefixes and name.startswith(prefixes))
    }
