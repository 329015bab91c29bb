"""Whole requests with every field: each is a 422 that names the field, or all of it arrives."""

import base64
import json
import time
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as effort
from hypothesis import strategies as st

from gomail.email import decode, wire_fields
from ingest.app import create_app
from tests.ingest.ledgers import local_client
from tests.ingest.scripted import ScriptedQueue, settings

HOLDS_CLIENT = effort(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
NOW = time.time()

LINE = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1, max_size=20)
CLEAN = LINE.filter(lambda text: text.strip() and not {"\ufffe", "\uffff"} & set(text))
TEXT = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=40).filter(
    lambda text: not {"\ufffe", "\uffff"} & set(text)
)
ANY = st.text(max_size=20)
ADDRESS = st.builds("{}@example.com".format, st.from_regex(r"[a-z][a-z0-9]{3,12}", fullmatch=True))
MAILBOX = st.fixed_dictionaries({"email": ADDRESS}, optional={"name": CLEAN})
WORD = st.from_regex(r"[A-Za-z0-9_-]{1,20}", fullmatch=True)
FILE = st.fixed_dictionaries(
    {
        "filename": WORD.map("{}.pdf".format),
        "content": st.binary(min_size=1, max_size=60).map(lambda b: base64.b64encode(b).decode()),
        "contentType": st.sampled_from(["application/pdf", "image/png"]),
    }
)
AHEAD = st.integers(0, 250).map(lambda s: datetime.fromtimestamp(int(NOW) + 600 + s, UTC))
TIME = AHEAD.map(lambda moment: moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"))
LATE = st.just("2099-01-01T00:00:00.000Z")

GOOD = {
    "fromName": CLEAN,
    "subject": CLEAN,
    "html": TEXT,
    "replyTo": st.lists(MAILBOX, min_size=1, max_size=2),
    "headers": st.dictionaries(WORD.map("X-Mine-{}".format), CLEAN, min_size=1, max_size=3).filter(
        lambda headers: len({name.lower() for name in headers}) == len(headers)
    ),
    "attachments": st.lists(FILE, min_size=1, max_size=3),
    "tags": st.lists(WORD, min_size=1, max_size=4, unique=True),
    "metadata": st.dictionaries(WORD, CLEAN, min_size=1, max_size=3),
    "listUnsubscribe": st.just(
        {"url": "https://example.com/u?a=1", "mailto": "mailto:u@example.com"}
    ),
    "sendAt": TIME,
    "expiresAt": LATE,
    "onUnknown": st.sampled_from(["retry", "dead-letter"]),
}
BAD = {
    "fromName": st.just("a\nb"),
    "subject": st.just("a\x00"),
    "html": st.just("a\x00"),
    "replyTo": st.just([{"email": "x"}]),
    "headers": st.sampled_from([{"Bcc": "x"}, {"X-A": "a\nb"}, {"a b": "c"}, {"X-A": ""}]),
    "attachments": st.sampled_from(
        [[{"filename": "a/b", "content": "AA=="}], [{"filename": "a", "content": "A"}], [{}]]
    ),
    "tags": st.sampled_from([["a b"], ["a", "a"], [""], ["a"] * 11]),
    "metadata": st.sampled_from([{"": "a"}, {"a": "b" * 600}]),
    "listUnsubscribe": st.sampled_from([{"url": "http://example.com"}, {}]),
    "sendAt": st.sampled_from(["tomorrow", "2098-01-01T00:00:00Z", "2026-01-01T00:00:00"]),
    "expiresAt": st.sampled_from(["never", "2020-01-01T00:00:00Z"]),
    "onUnknown": st.just("guess"),
    "importance": ANY,
    "claim": st.just({"key": "x"}),
}


@st.composite
def people(draw):
    """Recipients in `to`, cc and bcc, each once; or one in the old fields."""
    addresses = draw(st.lists(ADDRESS, min_size=1, max_size=8, unique=True))
    boxes = [
        {"email": address} | draw(st.sampled_from([{}, {"name": "Ü"}])) for address in addresses
    ]
    if draw(st.booleans()):
        return {"toEmail": addresses[0]}
    first, second = sorted((draw(st.integers(1, len(boxes))), draw(st.integers(1, len(boxes)))))
    given = {"to": boxes[:first], "cc": boxes[first:second], "bcc": boxes[second:]}
    return {name: some for name, some in given.items() if some}


REQUESTS = st.builds(
    lambda old, who, more: {**old, **who, **more},
    st.fixed_dictionaries({"fromEmail": ADDRESS, "text": TEXT}),
    people(),
    st.fixed_dictionaries({}, optional=GOOD),
)


@pytest.fixture(scope="module")
def queue():
    return ScriptedQueue()


@pytest.fixture(scope="module")
def client(queue):
    with local_client(create_app(settings(), queue=queue.open)) as client:
        yield client


def as_it_arrives(fields):
    """The same email in the names that stand on the queue."""
    wire = {**fields, "body": fields["text"]}
    del wire["text"]
    if len(wire.get("to", ())) == 1:
        (one,) = wire.pop("to")
        wire["toEmail"] = one["email"]
        wire |= {"toName": one["name"]} if "name" in one else {}
    return wire


def post(client, fields):
    return client.post("/email/send", content=json.dumps({"email": fields}).encode())


@HOLDS_CLIENT
@given(fields=REQUESTS)
def test_every_field_of_a_valid_request_arrives(client, queue, fields):
    queue.on.clear()

    response = post(client, fields)

    assert response.status_code == 200, response.text
    assert wire_fields(decode(queue.bodies[0], queue_message_id="").email) == as_it_arrives(fields)


@HOLDS_CLIENT
@given(fields=REQUESTS, faulty=st.fixed_dictionaries({}, optional=BAD).filter(bool))
def test_every_field_at_fault_is_named_and_nothing_is_queued(client, queue, fields, faulty):
    queue.on.clear()

    response = post(client, {**fields, **faulty})

    assert response.status_code == 422, response.text
    assert {name.split(".")[0] for name in response.json()["errors"]} == set(faulty)
    assert queue.bodies == []


@HOLDS_CLIENT
@given(
    fields=st.dictionaries(
        st.sampled_from([*GOOD, "to", "cc", "bcc", "text", "body", "toEmail", "fromEmail"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | ANY,
            lambda inner: st.lists(inner, max_size=2) | st.dictionaries(ANY, inner, max_size=2),
            max_leaves=5,
        ),
        max_size=6,
    )
)
def test_whatever_stands_in_a_field_is_no_fault_of_ours(client, fields):
    assert post(client, fields).status_code in {200, 400, 422}
    batch = json.dumps({"emails": [fields], "validation": "permissive"}).encode()
    assert client.post("/email/batch", content=batch).status_code in {200, 400}
