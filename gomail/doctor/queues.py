"""Judges how the queues are set up, from what they say of themselves. Pure but for `ask`.

How old their oldest message is SQS tells CloudWatch only (ApproximateAgeOfOldestMessage).
"""

import asyncio
from collections.abc import Iterable, Sequence

from gomail.aws import CREDENTIAL_CODES
from gomail.doctor import bad, note, well
from gomail.errors import QueueError, QueueRefused, QueueUnavailable
from gomail.providers import Finding
from gomail.queue import Describer, QueueDescription
from gomail.queue.sqs import CLOCK_IS_OFF
from gomail.settings import SETTLING_MARGIN, Settings

RECEIVES_OF_A_DAY = 230
"""What a message that nobody accepts is received in a day."""
FEWEST_RECEIVES = 100
"""With a `maxReceiveCount` below it an outage of hours ends mail that nobody has refused."""
BEST_RECEIVES = 1000
"""The most that SQS takes."""

ASK_SECONDS = 4.0
"""Seconds that a queue has to answer."""

_MISSING = frozenset({"QueueDoesNotExist", "NonExistentQueue"})
_WRONG_KEY = CREDENTIAL_CODES | {"SignatureDoesNotMatch", "IncompleteSignature", "InvalidSignature"}
_DENIED = frozenset({"AccessDenied", "AccessDeniedException"})

Asked = QueueDescription | QueueError
"""What a queue said of itself, or why it did not."""


async def ask(queues: Describer, url: str) -> Asked:
    """Ask one queue for all its attributes; no message is touched."""
    try:
        return await asyncio.wait_for(queues.describe(url), ASK_SECONDS)
    except QueueError as error:
        return error
    except TimeoutError:
        return QueueUnavailable(f"no answer within {ASK_SECONDS:g} s")


def judge_queue(asked: Asked, dead_letter: Asked, *, url: str, settings: Settings) -> list[Finding]:
    """What is to be said of a queue that mail goes through."""
    if isinstance(asked, QueueError):
        return [_unasked(asked, url, key="queues.urls", region=settings.aws.region)]
    return [
        _backlog(asked),
        *_kind(asked),
        _redrive(asked, dead_letter),
        _retention(asked, settings.dispatch.give_up_after),
        _visibility(asked, settings),
        _size(asked, settings),
    ]


def judge_dead_letters(
    asked: Asked, served: Iterable[Asked], *, url: str, settings: Settings
) -> list[Finding]:
    """What is to be said of the dead-letter queue of the queues in `served`."""
    if isinstance(asked, QueueError):
        return [_unasked(asked, url, key="queues.dead_letter", region=settings.aws.region)]
    described = [one for one in served if isinstance(one, QueueDescription)]
    return [
        _dead_letters(asked),
        *_kind(asked),
        _kept_longer(asked, described),
        *_large_enough(asked, described),
    ]


def titles(urls: Sequence[str]) -> dict[str, str]:
    """A short name for each queue: the last part of its URL, where no other has the same."""
    names = {url: url.rpartition("/")[2] for url in urls}
    shared = list(names.values())
    return {url: name if shared.count(name) == 1 else url for url, name in names.items()}


def _unasked(error: QueueError, url: str, *, key: str, region: str) -> Finding:
    said = str(error).removeprefix(f"GetQueueAttributes at {url}: ")
    if error.code in _MISSING:
        return bad(
            "does not exist",
            f"create it, or correct {key} (credentials and queue must be of one account, and "
            f"aws.region, now {region}, the queue's)",
        )
    if said.endswith(CLOCK_IS_OFF):  # under codes that also mean a wrong key
        return bad(f"refuses the date: {said}", "set this machine's clock, best by NTP")
    if error.code in _WRONG_KEY:
        return bad(f"the AWS credentials are refused: {said}", "set credentials that are in force")
    if error.code in _DENIED:
        return bad(f"may not be read: {said}", "allow these credentials sqs:GetQueueAttributes")
    if isinstance(error, QueueRefused):
        return bad(f"refuses to be asked: {said}", f"check {key} and aws.region, now {region}")
    return bad(
        f"cannot be reached: {said}",
        f"check {key}, queues.endpoint_url, aws.region (now {region}) and this machine's network",
    )


def _backlog(queue: QueueDescription) -> Finding:
    return well(
        f"about {queue.waiting} waiting, {queue.hidden} in hand or returned with a delay, "
        f"{queue.delayed} delayed"
    )


def _dead_letters(queue: QueueDescription) -> Finding:
    if not (held := queue.waiting + queue.hidden):
        return well("is empty")
    return note(
        f"about {held} dead letters wait for a decision",
        "look at their attributes, which say why; then mend the cause and redrive, or delete",
    )


def _kind(queue: QueueDescription) -> list[Finding]:
    if queue.fifo:
        return [bad("is a FIFO queue", "gomail needs standard queues: create one and name it")]
    if queue.delay:
        return [
            note(
                f"delays every new message by {queue.delay} s",
                "set its DelaySeconds to 0, unless that is wanted",
            )
        ]
    return []


def _redrive(queue: QueueDescription, dead_letter: Asked) -> Finding:
    target = dead_letter.arn if isinstance(dead_letter, QueueDescription) else ""
    policy = (
        "set its RedrivePolicy to "
        f'{{"deadLetterTargetArn": "{target or "<ARN of the dead-letter queue>"}", '
        f'"maxReceiveCount": "{BEST_RECEIVES}"}}'
    )
    if not queue.dead_letter_arn:
        return bad("has no redrive policy: what always fails is forgotten unseen", policy)
    name = queue.dead_letter_arn.rpartition(":")[2]
    if target and queue.dead_letter_arn != target:
        return bad(f"redrives to {name}, which is not queues.dead_letter", policy)
    receives = queue.max_receives
    if receives < RECEIVES_OF_A_DAY:
        return (bad if receives < FEWEST_RECEIVES else note)(
            f"redrives after {receives} receives; a message waiting out an outage of a day "
            f"takes about {RECEIVES_OF_A_DAY}",
            f"set maxReceiveCount in its RedrivePolicy to {BEST_RECEIVES}: it is a net only, "
            "gomail itself decides when a message is given up",
        )
    return well(f"redrives to {name} after {receives} receives")


def _retention(queue: QueueDescription, give_up_after: float) -> Finding:
    kept, given_up = _span(queue.retention), _span(give_up_after)
    if queue.retention <= give_up_after:
        return bad(
            f"forgets a message after {kept}, before it would be given up ({given_up}): mail "
            "would be lost unseen",
            "set its MessageRetentionPeriod to 1209600 (14 days), or lower dispatch.give_up_after",
        )
    return well(f"keeps a message for {kept}; it is given up after {given_up}")


def _visibility(queue: QueueDescription, settings: Settings) -> Finding:
    # Each receive asks for the settings' own, which are long enough or nothing starts.
    dispatch = settings.dispatch
    needed = 2 * dispatch.send_timeout + 2 * SETTLING_MARGIN
    if queue.visibility < needed:
        return note(
            f"hides a message for {queue.visibility} s from readers that do not ask otherwise; "
            f"a send may need {needed:g} s (gomail asks for {dispatch.visibility_timeout})",
            f"set its VisibilityTimeout to {dispatch.visibility_timeout}",
        )
    return well(
        f"a receive hides a message for {dispatch.visibility_timeout} s; at least {needed:g} s "
        "are needed"
    )


def _size(queue: QueueDescription, settings: Settings) -> Finding:
    limit, largest = queue.max_message_bytes, settings.ingest.max_body_bytes
    if limit >= largest:
        return well(f"takes messages of up to {limit:,} bytes")
    fate = "goes through the bucket" if settings.payloads.bucket else "is a 422"
    return note(
        f"takes messages of up to {limit:,} bytes, the API requests of up to {largest:,}; what "
        f"does not fit {fate}",
        f"set its MaximumMessageSize to 1048576, or lower ingest.max_body_bytes to {limit}",
    )


def _kept_longer(dead: QueueDescription, queues: Sequence[QueueDescription]) -> Finding:
    longest = max((one.retention for one in queues), default=0)
    kept = _span(dead.retention)
    if dead.retention < longest:
        return bad(
            f"keeps a message for {kept}, a queue for {_span(longest)}: SQS counts from the first "
            "queueing, so what it moves here may be gone at once",
            "set its MessageRetentionPeriod to 1209600 (14 days)",
        )
    return well(f"keeps a message for {kept}")


def _large_enough(dead: QueueDescription, queues: Sequence[QueueDescription]) -> list[Finding]:
    largest = max((one.max_message_bytes for one in queues), default=0)
    if dead.max_message_bytes >= largest:
        return []
    return [
        bad(
            f"takes messages of up to {dead.max_message_bytes:,} bytes, a queue of up to "
            f"{largest:,}: a large dead letter would go round for ever",
            "set its MaximumMessageSize to 1048576",
        )
    ]


def _span(seconds: float) -> str:
    """A time as people say it."""
    for unit, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= length:
            number = f"{seconds / length:.3g}"
            return f"{number} {unit}" if number == "1" else f"{number} {unit}s"
    return f"{seconds:g} s"
