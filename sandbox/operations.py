"""What each SQS operation does with a decoded request, except those that take a batch."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from sandbox.attributes import ACCOUNT, COUNTS, NAMES
from sandbox.errors import Refused, invalid, missing
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
from sandbox.queue import MAX_VISIBILITY
from sandbox.queues import QueueJournal

if TYPE_CHECKING:
    from sandbox.queue import Queue
    from sandbox.queues import Queues
    from sandbox.waiting import Waiting

_MAX_DELAY = 900
_MAX_LIST = 1000


class Store(QueueJournal, Protocol):
    """Keeps what the journal hears."""

    async def committed(self) -> None:
        """Return once everything reported so far is kept."""


class Cloud:
    """Everything the operations work on."""

    def __init__(self, queues: Queues, store: Store, waiting: Waiting) -> None:
        self.queues = queues
        self.store = store
        self.waiting = waiting
        # Microseconds since the epoch, so that no number is given twice, not even by a later run:
        # an old receipt handle must never fit a new message.
        self._seq = time.time_ns() // 1000

    def next_seq(self) -> int:
        """The number of a new message."""
        self._seq += 1
        return self._seq

    def queue(self, parameters: dict[str, Any]) -> Queue:
        """The queue that a request is about."""
        url = parameters.get("QueueUrl")
        if not isinstance(url, str):
            raise missing("QueueUrl")
        return self.queues.get(url.rsplit("/", 1)[-1])


@dataclass(slots=True)
class Call:
    """One decoded request, where its queue URLs begin, and which batch entries are to fail."""

    parameters: dict[str, Any]
    origin: str
    entry_fails: Callable[[], bool]

    def url_of(self, queue: Queue) -> str:
        """The queue's URL as this caller can reach it."""
        return f"{self.origin}/{ACCOUNT}/{queue.settings.name}"


Answer = dict[str, Any]
Operation = Callable[[Cloud, Call], Answer]


def number(
    parameters: dict[str, Any], name: str, default: int, *, most: int, least: int = 0
) -> int:
    """Read a whole number within its range."""
    value = parameters.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise invalid(
            f"Value {value} for parameter {name} is invalid. "
            f"Reason: Must be between {least} and {most}, if provided."
        )
    return value


def strings(parameters: dict[str, Any], name: str) -> list[str]:
    """Read a list of names."""
    value = parameters.get(name) or []
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise invalid(f"{name} must be a list of strings.")
    return value


def create_queue(cloud: Cloud, call: Call) -> Answer:
    """CreateQueue."""
    p = call.parameters
    queue = cloud.queues.create(p.get("QueueName"), p.get("Attributes"), time.time())
    return {"QueueUrl": call.url_of(queue)}


def get_queue_url(cloud: Cloud, call: Call) -> Answer:
    """GetQueueUrl."""
    name = call.parameters.get("QueueName")
    if not isinstance(name, str):
        raise missing("QueueName")
    return {"QueueUrl": call.url_of(cloud.queues.get(name))}


def list_queues(cloud: Cloud, call: Call) -> Answer:
    """ListQueues, in pages when MaxResults is given."""
    prefix = str(call.parameters.get("QueueNamePrefix") or "")
    most = number(call.parameters, "MaxResults", _MAX_LIST, most=_MAX_LIST, least=1)
    after = str(call.parameters.get("NextToken") or "")
    by_name = {queue.settings.name: queue for queue in cloud.queues}
    names = sorted(name for name in by_name if name.startswith(prefix) and name > after)
    answer: Answer = {"QueueUrls": [call.url_of(by_name[name]) for name in names[:most]]}
    if len(names) > most:
        answer["NextToken"] = names[most - 1]
    return answer if names else {}


def list_sources(cloud: Cloud, call: Call) -> Answer:
    """ListDeadLetterSourceQueues."""
    sources = cloud.queues.sources_of(cloud.queue(call.parameters))
    return {"queueUrls": [call.url_of(source) for source in sources]}


def delete_queue(cloud: Cloud, call: Call) -> Answer:
    """DeleteQueue."""
    queue = cloud.queue(call.parameters)
    cloud.queues.delete(queue)
    cloud.waiting.dismiss(queue)
    return {}


def purge_queue(cloud: Cloud, call: Call) -> Answer:
    """PurgeQueue; takes effect at once and may be repeated at once."""
    cloud.queue(call.parameters).purge()
    return {}


def get_queue_attributes(cloud: Cloud, call: Call) -> Answer:
    """GetQueueAttributes."""
    queue = cloud.queue(call.parameters)
    wanted = strings(call.parameters, "AttributeNames")
    for name in wanted:
        if name not in NAMES:
            raise Refused("InvalidAttributeName", f"Unknown Attribute {name}.")
    queue.settle(time.time())
    counts = zip(COUNTS, (queue.ready, queue.in_flight, queue.delayed), strict=True)
    values = queue.settings.described() | {name: str(count) for name, count in counts}
    if "All" not in wanted:
        values = {name: values[name] for name in wanted if name in values}
    return {"Attributes": values} if values else {}


def set_queue_attributes(cloud: Cloud, call: Call) -> Answer:
    """SetQueueAttributes."""
    queue = cloud.queue(call.parameters)
    cloud.queues.configure(queue, call.parameters.get("Attributes"), time.time())
    return {}


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


def delete_message(cloud: Cloud, call: Call) -> Answer:
    """DeleteMessage."""
    queue = cloud.queue(call.parameters)
    queue.delete(receipt_handle(call.parameters), time.time())
    cloud.waiting.wake(queue)
    return {}


def change_visibility(queue: Queue, p: dict[str, Any], now: float) -> None:
    """Change the visibility of one message in flight."""
    if p.get("VisibilityTimeout") is None:
        raise missing("VisibilityTimeout")
    seconds = number(p, "VisibilityTimeout", 0, most=MAX_VISIBILITY)
    queue.change_visibility(receipt_handle(p), now, seconds)


def change_message_visibility(cloud: Cloud, call: Call) -> Answer:
    """ChangeMessageVisibility."""
    queue = cloud.queue(call.parameters)
    change_visibility(queue, call.parameters, time.time())
    cloud.waiting.wake(queue)
    return {}


def receipt_handle(p: dict[str, Any]) -> object:
    """The receipt handle that a request or an entry names."""
    if p.get("ReceiptHandle") is None:
        raise missing("ReceiptHandle")
    return p["ReceiptHandle"]


OPERATIONS: dict[str, Operation] = {
    "CreateQueue": create_queue,
    "GetQueueUrl": get_queue_url,
    "ListQueues": list_queues,
    "ListDeadLetterSourceQueues": list_sources,
    "DeleteQueue": delete_queue,
    "PurgeQueue": purge_queue,
    "GetQueueAttributes": get_queue_attributes,
    "SetQueueAttributes": set_queue_attributes,
    "SendMessage": send_message,
    "DeleteMessage": delete_message,
    "ChangeMessageVisibility": change_message_visibility,
}
