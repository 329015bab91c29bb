"""The HTTP contract of `POST /email/send`, byte for byte, through the real application."""

import re

import pytest

from gomail.email import decode, wire_fields
from gomail.errors import QueueRefused, QueueUnavailable
from gomail.queue import Fault
from ingest.app import create_app
from tests.ingest import scripted
from tests.ingest.ledgers import local_client
from tests.ingest.scripted import Q1, Q2, ScriptedQueue, email, settings

UUID7 = "[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
NOT_JSON = b'{"errors":{"base":"Could not decode JSON body"}}'
CHARACTERS = b'{"errors":{"base":"Body contains characters outside the allowed set"}}'
UNAVAILABLE = b'{"errors":{"base":"Service unavailable"}}'


@pytest.fixture
def queue():
    return ScriptedQueue()


@pytest.fixture
def client(queue):
    with local_client(create_app(settings(), queue=queue.open)) as client:
        yield client


def test_a_queued_email_is_answered_with_its_id_and_nothing_else(client):
    response = client.post("/email/send", json=email())

    assert response.status_code == 200
    assert re.fullmatch(rb'\{"messageId":"' + UUID7.encode() + rb'"\}', response.content)
    assert response.headers["content-type"] == "application/json"


def test_what_lies_on_the_queue_is_the_email_under_its_id(client, queue):
    given = email(fromName="Ä", toName="Ada", subject="☃", body="Hi\r\n\t🙂")

    response = client.post("/email/send", json=given)

    message = decode(queue.bodies[0], queue_message_id="")
    assert message.id == response.json()["messageId"]
    assert wire_fields(message.email) == given["email"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", message.accepted_at)
    assert queue.bodies[0].isascii()


@pytest.mark.parametrize("content_type", ["text/plain", "", "multipart/form-data", "nonsense"])
def test_the_content_type_is_ignored(client, content_type):
    body = b'{"email":{"fromEmail":"a@example.com","toEmail":"b@example.com","body":"x"}}'

    response = client.post("/email/send", content=body, headers={"Content-Type": content_type})

    assert response.status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"no json",
        b"[]",
        b"7",
        b'"email"',
        b'{"email":[]}',
        b'{"email":"x"}',
        b'{"email":{"body":7}}',
        b'{"email":{"fromEmail":{}}}',
        b'{"email":{"subject":true}}',
        b'{"email":{"body":"\xff"}}',
        rb'{"email":{"body":"\ud800"}}',
        b'{"email":{"body":"\x00"}}',
        b'{"email":{}} {}',
        b'\xef\xbb\xbf{"email":{}}',
        b"[" * 100_000,
        b'{"email":' * 10_000,
        b"9" * 200_000,
        b"NaN",
        b'{"x":1e999}',
    ],
)
def test_what_is_no_json_of_the_right_types_is_a_400(client, queue, body):
    response = client.post("/email/send", content=body)

    assert (response.status_code, response.content) == (400, NOT_JSON)
    assert response.headers["content-type"] == "application/json"
    assert queue.calls == []


@pytest.mark.parametrize("body", [b"{}", b"null", b'{"email":null}', b'{"email":{}}'])
def test_a_missing_email_is_the_422_of_empty_fields(client, body):
    response = client.post("/email/send", content=body)

    assert response.status_code == 422
    assert response.content == (
        b'{"errors":{"body":"Body is required","fromEmail":"From email is required",'
        b'"toEmail":"To email is required"}}'
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sendAt", "2030-01-31T12:00:00Z"),
        ("provider", {"only": ["ses"]}),
        ("onUnknown", "dead-letter"),
        ("to", []),
        ("subject", "Hi"),
        ("body", 7),
    ],
)
def test_a_field_beside_the_email_is_told_where_it_belongs(client, queue, name, value):
    response = client.post("/email/send", json={**email(), name: value})

    assert response.status_code == 422
    assert response.json()["errors"] == {name: f"{name} belongs inside email"}
    assert queue.calls == []


def test_fields_beside_the_email_are_told_with_the_faults_of_those_inside(client):
    given = {**email(toEmail="", expiresAt="2001-01-01T00:00:00Z"), "toEmail": "b@example.com"}

    response = client.post("/email/send", json={"subject": "Hi", **given})

    assert response.json()["errors"] == {
        "expiresAt": "Expires at is over",
        "subject": "subject belongs inside email",
        "toEmail": "toEmail belongs inside email",
    }


@pytest.mark.parametrize(
    "more", [{"user": 7}, {"validation": "strict"}, {"claim": 7}, {"sendAt": None}]
)
def test_what_else_is_beside_the_email_is_ignored(client, queue, more):
    assert client.post("/email/send", json={**email(), **more}).status_code == 200
    assert len(queue.bodies) == 1


@pytest.mark.parametrize("more", [{}, {"email": None}])
def test_an_email_that_is_not_inside_anything_is_missing(client, more):
    response = client.post("/email/send", json={**email()["email"], **more})

    assert response.status_code == 422
    assert response.json()["errors"] == {
        "body": "Body is required",
        "fromEmail": "From email is required",
        "toEmail": "To email is required",
    }


def test_all_fields_at_fault_are_named_at_once(client):
    given = email(
        fromEmail="a b@example.com", toEmail="ü@example.com", subject="a\nb", importance="x"
    )

    response = client.post("/email/send", json=given)

    assert response.status_code == 422
    assert response.json()["errors"] == {
        "importance": "importance is not a field of an email",
        "fromEmail": "From email is not a valid email",
        "subject": "Subject contains a line break or another control character",
        "toEmail": "To email is not a valid email for any configured provider "
        "(ses: takes only ASCII before the @)",
    }


@pytest.mark.parametrize(
    "body",
    [
        b'{"email":{"body":"1","fromEmail":"a@example.com","toEmail":"b@example.com","body":"1"}}',
        b'{"email":{},"email":{"body":null,"body":7}}',
    ],
)
def test_of_a_key_given_twice_neither_counts(client, queue, body):
    response = client.post("/email/send", content=body)

    assert response.status_code == 400
    assert response.content == rb'{"errors":{"base":"The key \"body\" is there twice"}}'
    assert queue.calls == []


@pytest.mark.parametrize("character", ["\x00", "\x0b", "\x1f", "\ufffe", "\uffff"])
def test_a_forbidden_character_in_a_valid_email_is_a_400(client, queue, character):
    response = client.post("/email/send", json=email(body=f"a{character}b"))

    assert (response.status_code, response.content) == (400, CHARACTERS)
    assert queue.calls == []


def test_fields_at_fault_win_over_forbidden_characters(client):
    response = client.post("/email/send", json=email(toEmail="", body="\x00"))

    assert response.json() == {"errors": {"toEmail": "To email is required"}}


@pytest.mark.parametrize(("size", "status"), [(204_800, 200), (204_801, 400)])
def test_the_limit_is_on_the_whole_body(client, size, status):
    frame = b'{"email":{"fromEmail":"a@example.com","toEmail":"b@example.com","body":"%b"}}'
    body = frame % (b"x" * (size - len(frame) + 2))

    response = client.post("/email/send", content=body)

    assert response.status_code == status
    assert status == 200 or response.content == NOT_JSON


def test_what_outgrows_the_smallest_queue_by_escaping_is_a_400(queue):
    queue.size = 2_000
    with local_client(create_app(settings(), queue=queue.open)) as client:
        short = client.post("/email/send", json=email(body="x" * 600))
        escaped = client.post("/email/send", json=email(body="ä" * 600))

    assert short.status_code == 200
    assert (escaped.status_code, escaped.content) == (400, NOT_JSON)


def test_a_queue_that_will_not_tell_its_size_has_the_default(queue):
    queue.size = QueueRefused("no", code="AccessDenied")
    with local_client(create_app(settings(), queue=queue.open)) as client:
        response = client.post("/email/send", json=email(body="ä" * 90_000))

    assert response.status_code == 200


@pytest.mark.parametrize(
    "script",
    [
        scripted.refuse_all(QueueUnavailable("down")),
        scripted.refuse_all(QueueRefused("no such queue", code="QueueDoesNotExist")),
        scripted.refuse_all(RuntimeError("a bug")),
        scripted.fault_all("InternalError", permanent=False),
        scripted.fault_all("KmsAccessDenied"),
        lambda _queue, _entries: {},
    ],
)
def test_when_no_queue_takes_it_the_client_may_come_back(client, queue, script):
    queue.script = script

    response = client.post("/email/send", json=email())

    assert (response.status_code, response.content) == (503, UNAVAILABLE)
    assert 1 <= int(response.headers["retry-after"]) <= 5
    assert {name for name, _ in queue.calls} == {Q1, Q2}


@pytest.mark.parametrize(
    "script",
    [
        scripted.refuse_all(QueueUnavailable("down")),
        scripted.refuse_all(QueueRefused("no such queue", code="QueueDoesNotExist")),
        scripted.refuse_all(ValueError("a bug")),
        scripted.fault_all("InternalError", permanent=False),
        scripted.fault_all("KmsAccessDenied"),
        lambda _queue, _entries: {},
    ],
)
def test_one_queue_that_fails_is_no_503_and_the_next_gets_the_same_id(client, queue, script):
    queue.scripts[Q1] = script

    answers = [client.post("/email/send", json=email()) for _ in range(4)]

    assert {response.status_code for response in answers} == {200}
    ids = [response.json()["messageId"] for response in answers]
    assert [entry.key for entry in queue.on[Q2]] == ids


@pytest.mark.parametrize(
    ("fault", "answer"),
    [
        (Fault("InvalidMessageContents", "", permanent=True), CHARACTERS),
        (Fault("BatchRequestTooLong", "", permanent=True), NOT_JSON),
        (
            Fault("InvalidParameterValue", "Message must be shorter than 9 bytes", permanent=True),
            NOT_JSON,
        ),
    ],
)
def test_a_fault_of_the_message_itself_is_a_400_and_goes_to_no_other_queue(
    client, queue, fault, answer
):
    queue.script = lambda _queue, entries: {entry.key: fault for entry in entries}

    response = client.post("/email/send", json=email())

    assert (response.status_code, response.content) == (400, answer)
    assert len(queue.calls) == 1


def test_other_paths_and_methods_have_the_shape_of_errors(client):
    missing, wrong = client.get("/nothing"), client.get("/email/send")

    assert (missing.status_code, missing.content) == (404, b'{"errors":{"base":"Not Found"}}')
    assert wrong.status_code == 405
    assert wrong.content == b'{"errors":{"base":"Method Not Allowed"}}'
    assert wrong.headers["allow"] == "POST"


def test_a_bug_has_the_shape_of_errors(queue):
    app = create_app(settings(), queue=queue.open)

    @app.get("/bug")
    async def bug():
        raise RuntimeError("secret")

    with local_client(app, raise_server_exceptions=False) as client:
        response = client.get("/bug")

    assert response.status_code == 500
    assert response.content == b'{"errors":{"base":"Internal server error"}}'


def test_no_log_line_holds_an_address_or_a_body(client, queue, caplog):
    queue.script = scripted.refuse_all(RuntimeError("ada@example.com Hello"))

    client.post("/email/send", json=email())

    ours = [record for record in caplog.records if record.name.startswith("ingest")]
    assert ours
    assert all("ada@" not in r.getMessage() and "Hello" not in r.getMessage() for r in ours)


def test_the_queue_is_closed_at_the_end(queue):
    with local_client(create_app(settings(), queue=queue.open)):
        assert not queue.closed

    assert queue.closed
