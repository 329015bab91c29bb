"""Whatever arrives is no 5xx while a queue works; what was taken is what lies on the queue."""

import json

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as effort
from hypothesis import strategies as st

from gomail.email import decode, wire_fields
from ingest.app import create_app
from tests.ingest.ledgers import local_client
from tests.ingest.scripted import FIELDS, ScriptedQueue, settings

KNOWN = ["fromEmail", "fromName", "toEmail", "toName", "subject", "body"]
TEXT = st.text(max_size=30)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
ADDRESSES = st.emails() | TEXT | st.sampled_from(["a@example.com", "Ada@EXAMPLE.com", "a@b"])
EMAILS = st.fixed_dictionaries(
    {"fromEmail": ADDRESSES, "toEmail": ADDRESSES, "body": TEXT},
    optional={"fromName": TEXT, "toName": TEXT, "subject": TEXT, "other": TEXT},
)
HOLDS_CLIENT = effort(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(scope="module")
def queue():
    return ScriptedQueue()


@pytest.fixture(scope="module")
def client(queue):
    with local_client(create_app(settings(), queue=queue.open)) as client:
        yield client


@HOLDS_CLIENT
@given(body=st.binary(max_size=300))
def test_any_bytes_are_answered_without_a_fault_of_ours(client, body):
    response = client.post("/email/send", content=body)

    assert response.status_code in {400, 422}
    assert list(response.json()) == ["errors"]


@HOLDS_CLIENT
@given(document=JSON | st.fixed_dictionaries({"email": JSON}))
def test_any_json_is_answered_without_a_fault_of_ours(client, document):
    response = client.post("/email/send", content=json.dumps(document).encode())

    assert response.status_code in {400, 422}


@HOLDS_CLIENT
@given(fields=EMAILS)
def test_an_email_is_taken_as_it_is_or_its_faults_are_named(client, queue, fields):
    queue.on.clear()

    response = client.post("/email/send", content=json.dumps({"email": fields}).encode())

    if response.status_code == 200:
        message = decode(queue.bodies[0], queue_message_id="")
        assert wire_fields(message.email) == {name: text for name, text in fields.items() if text}
        assert message.id == response.json()["messageId"]
    else:
        assert response.status_code in {400, 422}
        assert set(response.json()["errors"]) <= {*KNOWN, "other", "base"}
        assert queue.bodies == []


@HOLDS_CLIENT
@given(body=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=200))
def test_a_body_comes_back_from_the_queue_unchanged_or_is_a_400(client, queue, body):
    queue.on.clear()

    response = client.post("/email/send", json={"email": {**FIELDS, "body": body}})

    taken = [decode(text, queue_message_id="").email.body for text in queue.bodies]
    assert taken == ([body] if response.status_code == 200 else [])
    assert response.status_code in {200, 400}
