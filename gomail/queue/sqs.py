"""The queue port on Amazon SQS: its JSON protocol over our transport, orjson both ways.

What SQS does not list under `Successful` is not done. A send whose outcome is unknown is
`QueueUnavailable` like any other failure of the way: its caller sends again with the same id, and
the dispatcher knows a second copy by that id. A 200 that cannot be read is `QueueUnavailable` too.

One transport carries long polls and short calls: its pool has no limit, and every call brings its
own time limit.
"""

import asyncio
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import orjson

from gomail.aws import (
    CREDENTIAL_CODES,
    Credentials,
    Service,
    find_credentials,
    open_service,
    parse_error,
)
from gomail.errors import QueueError, QueueRefused, QueueUnavailable, TransportError
from gomail.http import Response, Transport
from gomail.outcome import clip
from gomail.queue import BATCH, Entry, Fault, QueueDescription, QueueInfo, Received

BATCH_BYTES = 1_048_576
"""Most bytes of one message, and of all messages of one batched call, in UTF-8."""

LONGEST_WAIT = 20
"""Most seconds of one long poll."""

_OK = 200
_SERVER_FAULT = 500
_POLL_SLACK = 10.0  # seconds beyond a long poll's own, for the way and a slow service
_CALL_SECONDS = 10.0
_LEGACY_PREFIX = "AWS.SimpleQueueService."

_PASSING_STATUSES = frozenset({408, 429})
_PASSING_CODES = CREDENTIAL_CODES | {
    "InternalError",
    "InternalFailure",
    "KmsThrottled",
    "OverLimit",  # 120,000 in flight: passes once some are deleted or returned
    "RequestThrottled",  # SQS says it with status 403
    "RequestTimeout",
    "ServiceUnavailable",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
}
# Said of a whole call, but about one entry's content or size. In the old query protocol these codes
# lack "Exception"; SQS and its stand-ins answer either.
_ENTRY_CODES = frozenset(
    {
        "BatchRequestTooLong",
        "InvalidMessageContents",
        "InvalidParameterValue",
        "InvalidParameterValueException",
        "MissingParameter",
        "MissingRequiredParameterException",
    }
)
# How AWS says that a signature's date is too far from its own clock, under codes that also mean a
# wrong key (aws-sdk-go #487, aws-sdk-js #1652); some services have codes for it.
_WRONG_CLOCK = re.compile(r"signature (expired|not yet current)", re.IGNORECASE)
_CLOCK_CODES = frozenset({"RequestExpired", "RequestTimeTooSkewed"})
CLOCK_IS_OFF = "the clock of this machine is off, set it"
"""Ends the text of an error that says so."""

_HEADERS = {
    operation: {
        "Content-Type": "application/x-amz-json-1.0",
        "X-Amz-Target": f"AmazonSQS.{operation}",
        "X-Amzn-Query-Mode": "true",  # as boto3 says it: error codes are the ones everybody knows
    }
    for operation in (
        "ChangeMessageVisibilityBatch",
        "DeleteMessageBatch",
        "GetQueueAttributes",
        "ReceiveMessage",
        "SendMessageBatch",
    )
}

_RECEIVED = ("ApproximateReceiveCount", "SentTimestamp")
_BROWSED = (
    ("MessageSystemAttributeNames", [*_RECEIVED, "DeadLetterQueueSourceArn"]),
    ("MessageAttributeNames", ["All"]),
)

T = TypeVar("T")


class SqsQueue:
    """Implements `gomail.queue.Queue`, `Browser` and `Describer`; a queue is named by its URL."""

    def __init__(self, service: Service, *, call_timeout: float = _CALL_SECONDS) -> None:
        self._service = service
        self._call_timeout = call_timeout

    async def send(
        self, queue: str, entries: Sequence[Entry], *, timeout: float
    ) -> dict[str, str | Fault]:
        """Put up to ten messages on a queue, in several calls where one would be too long.

        Raises:
            QueueUnavailable: nothing is known to be on the queue; some of it may be.
            QueueRefused: nothing is on the queue.
        """
        _check_batch([entry.key for entry in entries])
        deadline = asyncio.get_running_loop().time() + timeout
        answers: dict[str, str | Fault] = {}
        failures: list[QueueError] = []
        groups = list(_fitting(entries))
        for group in groups:
            try:
                answers |= await self._send_group(queue, group, deadline)
            except QueueError as error:
                # Other groups may be on the queue: these entries are not done, and say why.
                failures.append(error)
                answers |= dict.fromkeys((entry.key for entry in group), _as_fault(error))
        if failures and len(failures) == len(groups):
            raise failures[0]
        return answers

    async def receive(self, queue: str, *, most: int, wait: int, visibility: int) -> list[Received]:
        """Long-poll for `wait` seconds; what is received stays hidden `visibility` seconds."""
        return await self._receive(queue, most, wait, visibility, ())

    async def browse(self, queue: str, *, most: int, wait: int, visibility: int) -> list[Received]:
        """As `receive`, with attributes, and the queue that SQS moved a message from."""
        return await self._receive(queue, most, wait, visibility, _BROWSED)

    async def _receive(
        self, queue: str, most: int, wait: int, visibility: int, more: Iterable[tuple[str, Any]]
    ) -> list[Received]:
        if not (1 <= most <= BATCH and 0 <= wait <= LONGEST_WAIT):
            raise ValueError(f"most={most} is not in 1–{BATCH}, or wait={wait} not in 0–20")
        question = {
            "QueueUrl": queue,
            "MaxNumberOfMessages": most,
            "WaitTimeSeconds": wait,
            "VisibilityTimeout": visibility,
            "MessageSystemAttributeNames": list(_RECEIVED),
            **dict(more),
        }
        return await self._call("ReceiveMessage", question, _received, timeout=wait + _POLL_SLACK)

    async def delete(self, queue: str, handles: Sequence[str]) -> dict[str, Fault | None]:
        """Delete up to ten; answers handle → None where confirmed, else the fault."""
        entries = [{"ReceiptHandle": handle} for handle in handles]
        return await self._settle("DeleteMessageBatch", queue, entries)

    async def hide(self, queue: str, handles: Mapping[str, int]) -> dict[str, Fault | None]:
        """Hide up to ten for so many seconds from now (0: visible at once); answers as `delete`."""
        entries = [
            {"ReceiptHandle": handle, "VisibilityTimeout": seconds}
            for handle, seconds in handles.items()
        ]
        return await self._settle("ChangeMessageVisibilityBatch", queue, entries)

    async def info(self, queue: str) -> QueueInfo:
        """Ask the queue's attributes."""
        names = ["ApproximateNumberOfMessages", "MaximumMessageSize"]
        question = {"QueueUrl": queue, "AttributeNames": names}
        return await self._call("GetQueueAttributes", question, _info, timeout=self._call_timeout)

    async def describe(self, queue: str) -> QueueDescription:
        """Ask everything that a queue says of itself."""
        question = {"QueueUrl": queue, "AttributeNames": ["All"]}
        return await self._call(
            "GetQueueAttributes", question, _description, timeout=self._call_timeout
        )

    async def _send_group(
        self, queue: str, group: Sequence[Entry], deadline: float
    ) -> dict[str, str | Fault]:
        """Send what fits one call; alone each, if SQS refuses all for what may be one's fault."""
        try:
            return await self._send_call(queue, group, deadline)
        except QueueRefused as error:
            if error.code not in _ENTRY_CODES:
                raise  # about the queue or the caller: nothing is on the queue
            if len(group) == 1:
                return {group[0].key: _as_fault(error)}
        # Refused as a whole, so nothing is on the queue: one bad entry must not keep back the rest.
        answers: dict[str, str | Fault] = {}
        for entry in group:
            try:
                answers |= await self._send_group(queue, [entry], deadline)
            except QueueError as error:
                # Its neighbours may be on the queue already: this one is not, and says why.
                answers[entry.key] = _as_fault(error)
        return answers

    async def _send_call(
        self, queue: str, group: Sequence[Entry], deadline: float
    ) -> dict[str, str | Fault]:
        entries = [_message(number, entry) for number, entry in enumerate(group)]
        results = await self._call(
            "SendMessageBatch",
            {"QueueUrl": queue, "Entries": entries},
            lambda answer: _per_entry(answer, len(group), _message_id),
            timeout=deadline - asyncio.get_running_loop().time(),
        )
        return {entry.key: result for entry, result in zip(group, results, strict=True)}

    async def _settle(
        self, operation: str, queue: str, entries: Sequence[dict[str, Any]]
    ) -> dict[str, Fault | None]:
        handles = [entry["ReceiptHandle"] for entry in entries]
        _check_batch(handles)
        if not entries:
            return {}
        numbered = [{"Id": str(number), **entry} for number, entry in enumerate(entries)]
        results = await self._call(
            operation,
            {"QueueUrl": queue, "Entries": numbered},
            lambda answer: _per_entry(answer, len(entries), _nothing),
            timeout=self._call_timeout,
        )
        return dict(zip(handles, results, strict=True))

    async def _call(
        self,
        operation: str,
        question: Mapping[str, Any],
        read: Callable[[Any], T],
        *,
        timeout: float,
    ) -> T:
        """One call; every way of not being answered is an error of the queue."""
        queue = question["QueueUrl"]
        body = _json(question)
        try:
            response = await self._service.post(
                operation, "/", headers=_HEADERS[operation], body=body, timeout=timeout
            )
        except TransportError as error:
            # Sent or not: the caller asks again, a receive's messages come back by themselves.
            raise QueueUnavailable(f"{operation} at {queue}: {error}") from error
        if response.status != _OK:
            raise _error(operation, queue, response)
        try:
            return read(orjson.loads(response.body))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            # It may have been done. As above: asked again, or back by itself.
            raise QueueUnavailable(
                f"{operation} at {queue}: answered 200 with what is not an answer of SQS"
            ) from error


async def open_queue(
    *,
    region: str,
    endpoint_url: str | None,
    transport: Transport,
    credentials: Credentials | None = None,
) -> SqsQueue:
    """Make a queue adapter ready for calls; searches for credentials unless they are given.

    Raises:
        ConfigurationError: no credentials, or no such region.
    """
    service = await open_service(
        "sqs",
        signing_name="sqs",
        region=region,
        endpoint_url=endpoint_url,
        transport=transport,
        credentials=credentials or await find_credentials(region),
    )
    return SqsQueue(service)


def _check_batch(keys: Sequence[str]) -> None:
    if len(keys) > BATCH:
        raise ValueError(f"{len(keys)} entries are more than the {BATCH} of one batched call")
    if len(set(keys)) < len(keys):
        raise ValueError("an entry is named twice in one batched call")


def _fitting(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    """The entries in as few calls as their bytes allow; one that fits nowhere goes alone."""
    group: list[Entry] = []
    room = BATCH_BYTES
    for entry in entries:
        size = _size(entry)
        if group and size > room:
            yield group
            group, room = [], BATCH_BYTES
        group.append(entry)
        room -= size
    if group:
        yield group


def _size(entry: Entry) -> int:
    attributes = entry.attributes or {}
    return _bytes(entry.body) + sum(
        _bytes(name) + len("String") + _bytes(value) for name, value in attributes.items()
    )


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def _message(number: int, entry: Entry) -> dict[str, Any]:
    message: dict[str, Any] = {"Id": str(number), "MessageBody": entry.body}
    if entry.delay:
        message["DelaySeconds"] = entry.delay
    if entry.attributes:
        message["MessageAttributes"] = {
            name: {"DataType": "String", "StringValue": value}
            for name, value in entry.attributes.items()
        }
    return message


def _json(question: Mapping[str, Any]) -> bytes:
    try:
        return orjson.dumps(question)
    except TypeError as error:
        # A lone surrogate: what SQS would say of it. Nothing was sent.
        raise QueueRefused("text that is not Unicode", code="InvalidMessageContents") from error


def _per_entry(answer: Any, count: int, done: Callable[[Any], T]) -> list[T | Fault]:
    """What became of each of `count` entries, in their order; SQS answers in any."""
    results: dict[str, T | Fault] = {}
    if not answer.keys() & {"Successful", "Failed"}:
        raise KeyError("Successful")
    for entry in answer.get("Successful") or ():
        results[entry["Id"]] = done(entry)
    for entry in answer.get("Failed") or ():
        results[entry["Id"]] = Fault(
            _plain(entry["Code"]),
            clip(entry.get("Message") or ""),
            permanent=bool(entry.get("SenderFault")),
        )
    return [results.get(str(number), _MISSING) for number in range(count)]


_MISSING = Fault("Missing", "SQS did not say what became of this entry", permanent=False)


def _message_id(entry: Any) -> str:
    return str(entry["MessageId"])


def _nothing(_: Any) -> None:
    return None


def _received(answer: Any) -> list[Received]:
    return [
        Received(
            queue_message_id=message["MessageId"],
            handle=message["ReceiptHandle"],
            body=message["Body"],
            receive_count=int(message["Attributes"]["ApproximateReceiveCount"]),
            sent_at=int(message["Attributes"]["SentTimestamp"]) / 1000,
            attributes=_texts(given) if (given := message.get("MessageAttributes")) else None,
            source_arn=message["Attributes"].get("DeadLetterQueueSourceArn", ""),
        )
        for message in answer.get("Messages") or ()
    ]


def _texts(attributes: Mapping[str, Any]) -> dict[str, str]:
    """Those that are strings or numbers; what is binary is none of ours."""
    return {
        name: value["StringValue"] for name, value in attributes.items() if "StringValue" in value
    }


def _info(answer: Any) -> QueueInfo:
    attributes = answer["Attributes"]
    return QueueInfo(
        waiting=int(attributes["ApproximateNumberOfMessages"]),
        max_message_bytes=int(attributes["MaximumMessageSize"]),
    )


def _description(answer: Any) -> QueueDescription:
    attributes = answer["Attributes"]
    redrive = orjson.loads(attributes.get("RedrivePolicy") or "{}")
    return QueueDescription(
        arn=attributes["QueueArn"],
        waiting=int(attributes["ApproximateNumberOfMessages"]),
        hidden=int(attributes["ApproximateNumberOfMessagesNotVisible"]),
        delayed=int(attributes["ApproximateNumberOfMessagesDelayed"]),
        max_message_bytes=int(attributes["MaximumMessageSize"]),
        visibility=int(attributes["VisibilityTimeout"]),
        retention=int(attributes["MessageRetentionPeriod"]),
        delay=int(attributes["DelaySeconds"]),
        fifo=attributes.get("FifoQueue") == "true",
        dead_letter_arn=redrive.get("deadLetterTargetArn", ""),
        max_receives=int(redrive.get("maxReceiveCount", 0)),
    )


def _error(operation: str, queue: str, response: Response) -> QueueError:
    """The error an answer is, by whether asking again may help."""
    reported, text = parse_error("sqs", operation, response)
    code = _plain(reported)
    if code in _CLOCK_CODES or _WRONG_CLOCK.match(text):
        # Nothing was acted on, and once the clock is right the same call is: mail only waits.
        text = f"{text}; {CLOCK_IS_OFF}"
        return QueueUnavailable(f"{operation} at {queue}: {code}: {text}", code=code)
    passes = (
        response.status >= _SERVER_FAULT
        or response.status in _PASSING_STATUSES
        or code in _PASSING_CODES
    )
    kind = QueueUnavailable if passes else QueueRefused
    return kind(f"{operation} at {queue}: {code}: {text}", code=code)


def _plain(code: str) -> str:
    return code.removeprefix(_LEGACY_PREFIX)


def _as_fault(error: QueueError) -> Fault:
    return Fault(error.code, clip(str(error)), permanent=isinstance(error, QueueRefused))
