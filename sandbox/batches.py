"""The three batch operations of SQS: each entry succeeds or fails for itself."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

from sandbox.errors import Refused
from sandbox.message import MAX_BYTES
from sandbox.operations import change_visibility
from sandbox.sending import Draft, check_size, draft, enqueue

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.cloud import Answer, Call, Cloud, Operation
    from sandbox.queue import Queue

_MOST = 10
_ID = re.compile(r"[A-Za-z0-9_-]{1,80}")
Entry = dict[str, Any]


def send_message_batch(cloud: Cloud, call: Call) -> Answer:
    """SendMessageBatch."""
    queue = cloud.queue(call.parameters)
    drafts: dict[str, Draft] = {}
    now = time.time()

    def check(entry: Entry) -> None:
        drafts[entry["Id"]] = draft(queue, entry)

    def send(entry: Entry) -> Answer:
        checked = drafts[entry["Id"]]
        check_size(queue, checked.bytes)
        return enqueue(cloud, queue, checked, now)

    entries = _entries(call)
    failed = [failure for entry in entries if (failure := _failure(check, entry)) is not None]
    if (total := sum(d.bytes for d in drafts.values())) > MAX_BYTES:
        raise Refused(
            "BatchRequestTooLong",
            f"Batch requests cannot be longer than {MAX_BYTES} bytes. You have sent {total} bytes.",
        )
    answer = _each(call, [entry for entry in entries if entry["Id"] in drafts], send, failed)
    cloud.waiting.wake(queue)
    return answer


def delete_message_batch(cloud: Cloud, call: Call) -> Answer:
    """DeleteMessageBatch."""
    queue = cloud.queue(call.parameters)
    now = time.time()

    def delete(entry: Entry) -> Answer:
        queue.delete(call.handle(entry), now)
        return {}

    answer = _each(call, _entries(call), delete, [])
    cloud.waiting.wake(queue)
    return answer


def change_message_visibility_batch(cloud: Cloud, call: Call) -> Answer:
    """ChangeMessageVisibilityBatch."""
    queue: Queue = cloud.queue(call.parameters)
    now = time.time()

    def change(entry: Entry) -> Answer:
        change_visibility(queue, call, entry, now)
        return {}

    answer = _each(call, _entries(call), change, [])
    cloud.waiting.wake(queue)
    return answer


def _entries(call: Call) -> list[Entry]:
    entries = call.parameters.get("Entries")
    if not entries or not isinstance(entries, list):
        raise Refused("EmptyBatchRequest", "There should be at least one entry in the request.")
    if len(entries) > _MOST:
        raise Refused(
            "TooManyEntriesInBatchRequest",
            f"Maximum number of entries per request are {_MOST}. You have sent {len(entries)}.",
        )
    ids = [entry.get("Id") if isinstance(entry, dict) else None for entry in entries]
    for id_ in ids:
        if not isinstance(id_, str) or not _ID.fullmatch(id_):
            raise Refused(
                "InvalidBatchEntryId",
                "A batch entry id can only contain alphanumeric characters, hyphens and "
                "underscores. It can be at most 80 letters long.",
            )
    if len(set(ids)) < len(ids):
        raise Refused("BatchEntryIdsNotDistinct", "Two or more batch entries have the same Id.")
    return entries


def _each(
    call: Call, entries: list[Entry], do: Callable[[Entry], Answer], failed: list[Answer]
) -> Answer:
    successful: list[Answer] = []
    for entry in entries:
        if call.entry_fails():
            failed.append(_failed(entry, "InternalError", "A fault was switched on.", sender=False))
            continue
        try:
            successful.append({"Id": entry["Id"], **do(entry)})
        except Refused as refusal:
            failed.append(_refused(entry, refusal))
    answer: Answer = {"Successful": successful}
    if failed:
        answer["Failed"] = failed
    return answer


def _failure(do: Callable[[Entry], None], entry: Entry) -> Answer | None:
    try:
        do(entry)
    except Refused as refusal:
        return _refused(entry, refusal)
    return None


def _refused(entry: Entry, refusal: Refused) -> Answer:
    return _failed(entry, refusal.legacy_code, refusal.message, sender=True)


def _failed(entry: Entry, code: str, message: str, *, sender: bool) -> Answer:
    return {"Id": entry["Id"], "SenderFault": sender, "Code": code, "Message": message}


BATCHES: dict[str, Operation] = {
    "SendMessageBatch": send_message_batch,
    "DeleteMessageBatch": delete_message_batch,
    "ChangeMessageVisibilityBatch": change_message_visibility_batch,
}
