"""What the queue endpoint refuses, in the names and texts of SQS. Pure."""

from __future__ import annotations

_PREFIX = "AWS.SimpleQueueService."

# Error shapes whose code in the old query protocol differs; boto3 shows that code.
_LEGACY_CODES = {
    "BatchEntryIdsNotDistinct": _PREFIX + "BatchEntryIdsNotDistinct",
    "BatchRequestTooLong": _PREFIX + "BatchRequestTooLong",
    "EmptyBatchRequest": _PREFIX + "EmptyBatchRequest",
    "InvalidBatchEntryId": _PREFIX + "InvalidBatchEntryId",
    "InvalidParameterValueException": "InvalidParameterValue",
    "InvalidSignatureException": "SignatureDoesNotMatch",
    "MessageNotInflight": _PREFIX + "MessageNotInflight",
    "MissingRequiredParameterException": "MissingParameter",
    "QueueDoesNotExist": _PREFIX + "NonExistentQueue",
    "QueueNameExists": "QueueAlreadyExists",
    "TooManyEntriesInBatchRequest": _PREFIX + "TooManyEntriesInBatchRequest",
    "UnsupportedOperation": _PREFIX + "UnsupportedOperation",
}
_STATUSES = {
    "InternalFailure": 500,
    "InvalidSignatureException": 403,
    "OverLimit": 403,
    "RequestThrottled": 403,
}


class Refused(Exception):
    """A call, or one entry of a batch, that SQS would refuse with `code`."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    @property
    def status(self) -> int:
        """The HTTP status SQS answers with."""
        return _STATUSES.get(self.code, 400)

    @property
    def legacy_code(self) -> str:
        """The code of the query protocol, which also stands in the `Failed` entries of a batch."""
        return _LEGACY_CODES.get(self.code, self.code)


def invalid(reason: str) -> Refused:
    """Refuse a value that is out of range or makes no sense."""
    return Refused("InvalidParameterValueException", reason)


def missing(parameter: str) -> Refused:
    """Refuse a request that lacks a required parameter."""
    return Refused(
        "MissingRequiredParameterException",
        f"The request must contain the parameter {parameter}.",
    )


def bad_handle(handle: object) -> Refused:
    """Refuse a receipt handle that this queue never gave out."""
    return Refused(
        "ReceiptHandleIsInvalid",
        f'The input receipt handle "{handle}" is not a valid receipt handle.',
    )


def expired_handle() -> Refused:
    """Refuse a receipt handle whose time is over."""
    return Refused("ReceiptHandleIsInvalid", "The receipt handle has expired")


def over_limit() -> Refused:
    """Refuse to hand out more than may be in flight."""
    return Refused(
        "OverLimit", "Too many messages in flight, the maximum is 120,000; delete some first."
    )


def no_queue() -> Refused:
    """Refuse a call about a queue that is not there."""
    return Refused("QueueDoesNotExist", "The specified queue does not exist.")
