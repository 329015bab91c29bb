"""SendMessage: checks a message and puts it on its queue."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox.cloud import Answer, Call, Cloud, number
from sandbox.errors import invalid
from sandbox.message import (
    MAX_BYTES,
    Attributes,
    Message,
    attributes_md5,
    check_attributes,
    check_body,
    digest,
    size,
)

if TYPE_CHECKING:
    from sandbox.queue import Queue

_MAX_DELAY = 900


@dataclass(slots=True)
class Draft:
    """A checked message that is not yet on the queue."""

    body: str
    attributes: Attributes | None
    system: Attributes | None
    group: str | None
    delay: int
    bytes: int


def draft(queue: Queue, p: dict[str, Any]) -> Draft:
    """Check one message to be sent."""
    body = check_body(p.get("MessageBody"))
    attributes = check_attributes(p.get("MessageAttributes"))
    system = check_attributes(p.get("MessageSystemAttributes"))
    if system is not None and set(system) != {"AWSTraceHeader"}:
        raise invalid("Message system attributes other than AWSTraceHeader cannot be sent.")
    delay = number(p, "DelaySeconds", queue.settings.delay, most=_MAX_DELAY)
    used = size(body, attributes)
    group = p.get("MessageGroupId")
    if not isinstance(group, str | None):
        raise invalid("MessageGroupId must be a string.")
    return Draft(body, attributes, system, group, delay, used)


def check_size(queue: Queue, bytes_: int) -> None:
    """Refuse a message that the queue's MaximumMessageSize does not allow."""
    if bytes_ > (limit := min(queue.settings.max_bytes, MAX_BYTES)):
        raise invalid(
            "One or more parameters are invalid. "
            f"Reason: Message must be shorter than {limit} bytes."
        )


def enqueue(cloud: Cloud, queue: Queue, d: Draft, now: float) -> Answer:
    """Send a checked message; gives back its id and digests."""
    message = Message(
        *(cloud.next_seq(), str(uuid.uuid4()), d.body, digest(d.body)),
        *(d.attributes, d.system, d.group, int(now * 1000)),
    )
    queue.send(message, now, d.delay)
    answer = {"MessageId": message.id, "MD5OfMessageBody": message.body_md5}
    if d.attributes:
        answer["MD5OfMessageAttributes"] = attributes_md5(d.attributes)
    if d.system:
        answer["MD5OfMessageSystemAttributes"] = attributes_md5(d.system)
    return answer


def send_message(cloud: Cloud, call: Call) -> Answer:
    """SendMessage."""
    queue = cloud.queue(call.parameters)
    checked = draft(queue, call.parameters)
    check_size(queue, checked.bytes)
    answer = enqueue(cloud, queue, checked, time.time())
    cloud.waiting.wake(queue)
    return answer
