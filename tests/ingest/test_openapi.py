"""What the API says of itself is true: real answers and every example validate."""

import pytest
from jsonschema import Draft202012Validator

from gomail.email import Email, read
from gomail.email.more import MORE
from gomail.email.reading import PLAIN
from gomail.errors import QueueUnavailable
from ingest.app import create_app
from ingest.openapi import EMAIL
from tests.ingest import ledgers, scripted
from tests.ingest.ledgers import accepted, app_over, breakable, intent, local_client, told
from tests.ingest.scripted import ScriptedQueue, email, settings


@pytest.fixture
def queue():
    return ScriptedQueue()


@pytest.fixture
def client(queue):
    with local_client(create_app(settings(), queue=queue.open)) as client:
        yield client


@pytest.fixture
def paths(client):
    return client.get("/openapi.json").json()["paths"]


@pytest.fixture
def ledger(tmp_path):
    told(tmp_path, lambda ledger: ledger.intend([intent("m1")]))
    told(tmp_path, lambda ledger: ledger.record([accepted("m1")]))
    return breakable(tmp_path)


@pytest.fixture
def reader(ledger):
    with local_client(app_over(ledger)) as client:
        yield client


def content(paths, path, method, status):
    return paths[path][method]["responses"][str(status)]["content"]["application/json"]


@pytest.mark.parametrize(
    ("given", "status"),
    [
        (email(), 200),
        ({"email": 7}, 400),
        (email(body="\x00"), 400),
        ({}, 422),
        (email(toEmail="a", importance="b"), 422),
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
    with local_client(create_app(settings(), queue=queue.open)) as client:
        paths = client.get("/openapi.json").json()["paths"]
        for path in ("/health/live", "/health/ready"):
            response = client.get(path)
            schema = content(paths, path, "get", response.status_code)["schema"]
            Draft202012Validator(schema).validate(response.json())


def test_exactly_the_statuses_that_occur_are_described(paths):
    described = {
        path: sorted(one["responses"]) for path, by in paths.items() for one in by.values()
    }
    assert described == {
        "/email/send": ["200", "400", "401", "403", "408", "409", "422", "429", "503"],
        "/email/batch": ["200", "207", "400", "401", "403", "408", "409", "422", "429", "503"],
        "/email/{id}": ["200", "401", "403", "404", "429", "503"],
        "/email/{id}/cancel": ["200", "401", "403", "404", "409", "429", "503"],
        "/emails": ["200", "401", "403", "422", "429", "503"],
        "/stats": ["200", "401", "403", "429", "503"],
        "/events": ["200", "401", "403", "422", "429", "503"],
        "/dead-letters": ["200", "401", "403", "422", "429", "503"],
        "/dead-letters/{id}": ["200", "401", "403", "404", "429", "503"],
        "/dead-letters/redrive": ["200", "400", "401", "403", "404", "408", "422", "429", "503"],
        "/health/live": ["200"],
        "/health/ready": ["200", "503"],
    }


def test_every_example_validates_against_its_schema(paths):
    operations = [one for by in paths.values() for one in by.values()]
    described = [answer for one in operations for answer in one["responses"].values()]
    described.append(paths["/email/send"]["post"]["requestBody"])
    for media in (media for part in described for media in part["content"].values()):
        assert media["examples"]
        for example in media["examples"].values():
            Draft202012Validator(media["schema"]).validate(example["value"])


def test_every_example_of_a_request_is_a_valid_email(paths):
    body = paths["/email/send"]["post"]["requestBody"]["content"]["application/json"]

    emails = [read(example["value"]) for example in body["examples"].values()]

    assert emails
    assert all(isinstance(one, Email) for one in emails)


def test_the_described_fields_are_those_of_an_email():
    assert set(EMAIL["properties"]) == PLAIN.keys() | MORE - {"claim"}


@pytest.mark.parametrize(
    ("path", "asked", "status"),
    [
        ("/email/{id}", "/email/m1", 200),
        ("/email/{id}", "/email/unknown", 404),
        ("/emails", "/emails", 200),
        ("/emails", "/emails?limit=0", 422),
        ("/stats", "/stats", 200),
        ("/events", "/events?who=x", 422),
    ],
)
def test_answers_to_readers_validate(reader, paths, path, asked, status):
    response = reader.get(asked)

    assert response.status_code == status
    schema = content(paths, path, "get", status)["schema"]
    Draft202012Validator(schema).validate(response.json())


@pytest.mark.parametrize("path", ["/email/{id}", "/emails", "/stats", "/events"])
def test_refusals_of_readers_validate(reader, ledger, paths, path):
    forwarded = reader.get(path, headers={"Via": "1.1 proxy"})
    ledger.down = ledgers.ALL
    down = reader.get(path)

    for response, status in ((forwarded, 403), (down, 503)):
        assert response.status_code == status
        described = paths[path]["get"]["responses"][str(status)]
        schema = described["content"]["application/json"]["schema"]
        Draft202012Validator(schema).validate(response.json())
        assert set(described.get("headers", {})) <= {name.title() for name in response.headers}


def test_answers_to_keys_validate(reader, paths):
    key = {"Idempotency-Key": "order-7"}
    responses = [
        reader.post("/email/send", json=email(), headers=key),
        reader.post("/email/send", json=email(), headers=key),
        reader.post("/email/send", json=email(subject="x"), headers=key),
        reader.post("/email/send", json=email(), headers={"Idempotency-Key": ""}),
    ]

    assert [response.status_code for response in responses] == [200, 200, 409, 400]
    for response in responses:
        schema = content(paths, "/email/send", "post", response.status_code)["schema"]
        Draft202012Validator(schema).validate(response.json())
    headers = paths["/email/send"]["post"]["responses"]["200"]["headers"]
    assert set(headers) == {"Idempotent-Replayed"}


def test_the_described_parameters_are_those_that_are_read(paths, reader):
    for path in ("/emails", "/events"):
        described = paths[path]["get"]["parameters"]
        names = [one["name"] for one in described if one["in"] == "query"]
        refused = reader.get(
            path, params={"limit": "x", "unknown": "x", **dict.fromkeys(names, "")}
        )
        assert set(refused.json()["errors"]) == ({"unknown"} | ({"limit"} - set(names)))


@pytest.mark.parametrize("down", [set(), ledgers.ALL])
def test_answers_to_probes_validate_with_a_ledger(reader, ledger, paths, down):
    ledger.down = down

    response = reader.get("/health/ready")

    schema = content(paths, "/health/ready", "get", 200)["schema"]
    Draft202012Validator(schema).validate(response.json())


def test_answers_to_cancellations_validate(reader, ledger, paths):
    responses = [reader.post(f"/email/{id_}/cancel") for id_ in ("m1", "unknown")]
    ledger.down = ledgers.ALL
    responses.append(reader.post("/email/m1/cancel"))

    assert [response.status_code for response in responses] == [409, 404, 503]
    for response in responses:
        schema = content(paths, "/email/{id}/cancel", "post", response.status_code)["schema"]
        Draft202012Validator(schema).validate(response.json())
