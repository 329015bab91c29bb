"""What each SQS operation does with a decoded request, except receiving and batches."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from sandbox.attributes import COUNTS, NAMES
from sandbox.cloud import Answer, Call, Cloud, Operation, number, strings
from sandbox.errors import Refused, missing
from sandbox.queue import MAX_VISIBILITY
from sandbox.sending import send_message

if TYPE_CHECKING:
    from sandbox.queue import Queue

_MAX_LIST = 1000


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


def delete_message(cloud: Cloud, call: Call) -> Answer:
    """DeleteMessage."""
    queue = cloud.queue(call.parameters)
    queue.delete(call.handle(call.parameters), time.time())
    cloud.waiting.wake(queue)
    return {}


def change_visibility(queue: Queue, call: Call, p: dict[str, Any], now: float) -> None:
    """Change the visibility of one message in flight."""
    if p.get("VisibilityTimeout") is None:
        raise missing("VisibilityTimeout")
    seconds = number(p, "VisibilityTimeout", 0, most=MAX_VISIBILITY)
    queue.change_visibility(call.handle(p), now, seconds)


def change_message_visibility(cloud: Cloud, call: Call) -> Answer:
    """ChangeMessageVisibility."""
    queue = cloud.queue(call.parameters)
    change_visibility(queue, call, call.parameters, time.time())
    cloud.waiting.wake(queue)
    return {}


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
