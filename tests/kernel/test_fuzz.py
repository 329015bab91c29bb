"""Whatever lies on a queue is a message or unreadable, soon: reading it never raises anything else.

2,000 inputs, 10,000 in CI (where `CI` is set); `GOMAIL_FUZZ=1000000` tries a million.
"""

import json
import os
import time
from contextlib import suppress
from typing import Any

from hypothesis import HealthCheck, example, given
from hypothesis import settings as effort
from hypothesis import strategies as st

from gomail.email import Attachment, Email, Message, Unreadable, decode, encode, pack
from gomail.email.more import MORE
from gomail.email.reading import PLAIN

INPUTS = int(os.environ.get("GOMAIL_FUZZ") or (10_000 if os.environ.get("CI") else 2_000))
BOUND = 1.0
"""Seconds of CPU; an input of a few kilobytes takes far less than a millisecond."""

FULL = Email(
    "shop@example.com",
    "ada@example.org",
    "Hello.",
    html="<p>Hello.</p>",
    headers=(("X-Order", "4711"),),
    attachments=(Attachment("a.txt", "text/plain", "aGVsbG8=", 5),),
    tags=("receipt",),
    metadata=(("order", "4711"),),
    send_at=1_795_000_000_000,
    on_unknown="retry",
    only=("ses",),
)
SEEDS = [
    encode(Message("m-1", FULL, "2026-11-24T09:00:00.000Z")),
    encode(Message("m-2", pack(FULL, "gomail/m-2")[0])),
    encode(Message("m-3", Email("a@example.com", "b@example.org", "x", "A", "B", "S"))),
    '{"email":{"fromEmail":"a@example.com","toEmail":"b@example.org","body":"x"}}',
]

keys = st.sampled_from(
    [*PLAIN, *MORE, "v", "id", "acceptedAt", "email", "key", "size", "content", "name", "only"]
)
strange = st.sampled_from(
    ["\ud800", "\0", "\u202e", "a@b@c", "@", "9" * 400, "2026-02-30T25:00:00Z", "=?utf-8?q?x?="]
)  # fmt: skip
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40) | strange,
    lambda below: (
        st.lists(below, max_size=4) | st.dictionaries(keys | st.text(max_size=8), below, max_size=4)
    ),
    max_leaves=12,
)


def places(given: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where something stands in a message."""
    inner: list[tuple[Any, Any]] = []
    if isinstance(given, dict):
        inner = list(given.items())
    elif isinstance(given, list):
        inner = list(enumerate(given))
    return [path] * bool(path) + [each for key, one in inner for each in places(one, (*path, key))]


@st.composite
def changed_values(draw: st.DrawFn) -> str:
    """A real message with some of its values replaced, and some fields more."""
    body = json.loads(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(1, 3))):
        *path, last = draw(st.sampled_from(places(body)))
        into = body
        for step in path:
            into = into[step]
        into[last] = draw(values)
    if isinstance(body.get("email"), dict) and draw(st.booleans()):
        body["email"][draw(keys)] = draw(values)
    return json.dumps(body)


@st.composite
def changed_characters(draw: st.DrawFn) -> str:
    """A real message of which a part is cut out and something put in."""
    body = draw(st.sampled_from(SEEDS))
    start = draw(st.integers(0, len(body)))
    end = draw(st.integers(start, min(len(body), start + 20)))
    return body[:start] + draw(st.text(max_size=10) | strange) + body[end:]


bodies = changed_values() | changed_characters() | values.map(json.dumps) | st.text()


@effort(max_examples=INPUTS, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(bodies)
@example("[" * 200_000)
@example('{"email":' * 100_000)
@example('{"email":{"fromEmail":"' + "a@" * 200_000 + '"}}')
@example('{"v":1e400,"email":{}}')
@example('{"v":1,"v":2,"email":{"body":"a","body":"b"}}')
def test_whatever_lies_on_a_queue_is_a_message_or_unreadable(body: str) -> None:
    began = time.thread_time()

    with suppress(Unreadable):
        message = decode(body, queue_message_id="sqs-1")
        assert message.email.from_email
        encode(message)

    assert time.thread_time() - began < BOUND


def test_what_is_changed_above_is_readable_as_it_stands() -> None:
    for seed in SEEDS:
        assert decode(seed, queue_message_id="sqs-1").email.to_email
