"""The operations of SQS, in its JSON protocol."""

from collections import defaultdict
from collections.abc import Callable
from itertools import count
from time import time
from typing import Any

import orjson

from benchmarks.standin.accounts import Accounts
from benchmarks.standin.http import Connection, Request
from benchmarks.standin.queues import Item, Poll, Queue, digest, item, message_id

_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.0\r\n"
    b"x-amzn-RequestId: 00000000-0000-0000-0000-000000000000\r\nContent-Length: %d\r\n\r\n"
)
_BAD = _HEAD.replace(b"200 OK", b"400 Bad Request")
_UNKNOWN = b'{"__type":"com.amazon.coral.service#UnknownOperationException","message":"unknown"}'
_MAXIMUM = 1_048_576

Call = dict[str, Any]


class Sqs:
    """All queues; one comes to be when it is first named."""

    def __init__(self, accounts: Accounts, later: Callable[..., object]) -> None:
        self.queues: defaultdict[str, Queue] = defaultdict(Queue)
        self.latency = 0.0
        """Seconds until an answer, beyond a long poll's own."""
        self._accounts = accounts
        self._later = later
        self._numbers = count(1_000_000_000)
        self._operations: dict[str, Callable[[Call, float], object]] = {
            "SendMessage": self._send,
            "SendMessageBatch": self._send_batch,
            "DeleteMessage": self._delete,
            "DeleteMessageBatch": self._delete_batch,
            "ChangeMessageVisibility": self._change,
            "ChangeMessageVisibilityBatch": self._change_batch,
            "GetQueueAttributes": self._attributes,
            "GetQueueUrl": self._url,
        }

    def handle(self, connection: Connection, request: Request, now: float) -> None:
        """Answer one call, now or when there is something to receive."""
        operation = request.target.rpartition(b".")[2].decode()
        self._accounts.operations[operation] += 1
        call = orjson.loads(request.body or b"{}")
        if operation == "ReceiveMessage":
            self._receive(connection, call, now)
        elif operation in self._operations:
            answer = orjson.dumps(self._operations[operation](call, now))
            self._answer(connection, _HEAD, answer)
        else:
            self._answer(connection, _BAD, _UNKNOWN)

    def tick(self, now: float) -> None:
        """Let visibilities and long polls end."""
        for queue in self.queues.values():
            queue.tick(now)

    def _answer(self, connection: Connection, head: bytes, body: bytes) -> None:
        if self.latency:
            self._later(self.latency, connection.answer, head, body)
        else:
            connection.answer(head, body)

    def _receive(self, connection: Connection, call: Call, now: float) -> None:
        poll = Poll(
            answer=lambda body: self._answer(connection, _HEAD, body),
            is_open=lambda: not connection.closed,
            most=call.get("MaxNumberOfMessages", 1),
            visibility=call.get("VisibilityTimeout", 30),
            until=now + call.get("WaitTimeSeconds", 0),
        )
        self._of(call).receive(poll, now)

    def _of(self, call: Call) -> Queue:
        return self.queues[call["QueueUrl"].rpartition("/")[2]]

    def _put(self, queue: Queue, entry: Call, now: float) -> Item:
        self._accounts.sent += 1
        one = item(next(self._numbers), entry["MessageBody"])
        one.sent = int(time() * 1_000)
        if delay := entry.get("DelaySeconds"):
            queue.put_later(one, delay, now)
        else:
            queue.put((one,), now)
        return one

    def _send(self, call: Call, now: float) -> Call:
        one = self._put(self._of(call), call, now)
        return {
            "MessageId": message_id(one.number),
            "MD5OfMessageBody": digest(call["MessageBody"]),
        }

    def _send_batch(self, call: Call, now: float) -> Call:
        queue = self._of(call)
        sent = [
            {
                "Id": entry["Id"],
                "MessageId": message_id(self._put(queue, entry, now).number),
                "MD5OfMessageBody": digest(entry["MessageBody"]),
            }
            for entry in call["Entries"]
        ]
        return {"Successful": sent, "Failed": []}

    def _delete(self, call: Call, now: float) -> Call:  # noqa: ARG002 - the form of all operations
        self._of(call).delete(call["ReceiptHandle"])
        return {}

    def _delete_batch(self, call: Call, now: float) -> Call:  # noqa: ARG002
        queue = self._of(call)
        for entry in call["Entries"]:
            queue.delete(entry["ReceiptHandle"])
        return {"Successful": [{"Id": entry["Id"]} for entry in call["Entries"]], "Failed": []}

    def _change(self, call: Call, now: float) -> Call:
        self._of(call).change(call["ReceiptHandle"], call["VisibilityTimeout"], now)
        return {}

    def _change_batch(self, call: Call, now: float) -> Call:
        queue = self._of(call)
        answer: dict[str, list[Call]] = {"Successful": [], "Failed": []}
        for entry in call["Entries"]:
            if queue.change(entry["ReceiptHandle"], entry["VisibilityTimeout"], now):
                answer["Successful"].append({"Id": entry["Id"]})
            else:
                fault = {"Code": "MessageNotInflight", "SenderFault": True, "Id": entry["Id"]}
                answer["Failed"].append(fault)
        return answer

    def _attributes(self, call: Call, now: float) -> Call:  # noqa: ARG002
        queue = self._of(call)
        attributes = {
            "ApproximateNumberOfMessages": len(queue.ready),
            "ApproximateNumberOfMessagesNotVisible": len(queue.hidden),
            "ApproximateNumberOfMessagesDelayed": 0,
            "MaximumMessageSize": _MAXIMUM,
            "VisibilityTimeout": 30,
            "MessageRetentionPeriod": 345_600,
            "DelaySeconds": 0,
            "QueueArn": f"arn:aws:sqs:eu-west-1:000000000000:{call['QueueUrl'].split('/')[-1]}",
        }
        return {"Attributes": {name: str(value) for name, value in attributes.items()}}

    def _url(self, call: Call, now: float) -> Call:  # noqa: ARG002
        # The host does not matter: a queue is known by the last part of its URL.
        return {"QueueUrl": f"http://127.0.0.1/000000000000/{call['QueueName']}"}
