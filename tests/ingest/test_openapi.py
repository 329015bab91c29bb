"""What the API says of itself is true: real answers and every example validate."""

import pytest
from jsonschema import Draft202012Validator
from starlette.testclient import TestClient

from gomail.email import _FIELDS, Email, read
from gomail.errors import QueueUnavailable
from ingest.app import create_app
from ingest.openapi import EMAIL
from tests.ingest import scripted
from tests.ingest.scripted import ScriptedQueue, email, settings


@pytest.fixture
def queue():
    return ScriptedQueue()


@pytest.fixture
def client(queue):
    with TestClient(create_app(settings(), queue=queue.open)) as client:
        yield client


@pytest.fixture
def paths(client):
    return client.get("/openapi.json").json()["paths"]


def content(paths, path, method, status):
    return paths[path][method]["responses"][str(status)]["content"]["application/json"]


@pytest.mark.parametrize(
    ("given", "status"),
    [
        (email(), 200),
        ({"email": 7}, 400),
        (email(body="\x00"), 400),
        ({}, 422),
        (email(toEmail="a", bcc="b"), 422),
    ],
)
def test_answers_to_a_send_validate(client, paths, given, status):
    response = client.post("/email/send", json=given)

    assert response.status_code == status
    schema = content(paths, "/email/send", "post", status)["schema"]
    Draft202012Validator(schema).validate(response.json())


def test_an_unavailable_queue_is_described(client, queue, paths):
    queue.script = scripted.refuse_all(QueueUnavailable("down"))

    response = client.post("/email/send", json=email())

    described = paths["/email/send"]["post"]["responses"]["503"]
    schema = described["content"]["application/json"]["schema"]
    Draft202012Validator(schema).validate(response.json())
    assert set(described["headers"]) == {"Retry-After"}


@pytest.mark.parametrize("size", [1_048_576, QueueUnavailable("down")])
def test_answers_to_probes_validate(size):
    queue = ScriptedQueue()
    queue.size = size
    with TestClient(create_app(settings(), queue=queue.open)) as client:
        paths = client.get("/openapi.json").json()["paths"]
        for path in ("/health/live", "/health/ready"):
            response = client.get(path)
            schema = content(paths, path, "get", response.status_code)["schema"]
            Draft202012Validator(schema).validate(response.json())


def test_exactly_the_statuses_that_occur_are_described(paths):
    assert list(paths) == ["/email/send", "/health/live", "/health/ready"]
    assert set(paths["/email/send"]["post"]["responses"]) == {"200", "400", "422", "503"}


def test_every_example_validates_against_its_schema(paths):
    send = paths["/email/send"]["post"]
    described = [send["requestBody"], *send["responses"].values()]
    for part in described:
        media = part["content"]["application/json"]
        for example in media["examples"].values():
            Draft202012Validator(media["schema"]).validate(example["value"])


def test_every_example_of_a_request_is_a_valid_email(paths):
    body = paths["/email/send"]["post"]["requestBody"]["content"]["application/json"]

    emails = [read(example["value"]) for example in body["examples"].values()]

    assert emails
    assert all(isinstance(one, Email) for one in emails)


def test_the_described_fields_are_those_of_an_email():
    assert set(EMAIL["properties"]) == set(_FIELDS)
