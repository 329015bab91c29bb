"""Dead letters over HTTP: what is shown, what is redriven, who is told nothing."""

import json
from contextlib import asynccontextmanager

import pytest
from jsonschema import Draft202012Validator
from starlette.testclient import TestClient

from gomail.email import encode
from gomail.errors import QueueUnavailable
from ingest import dead_letters
from ingest.app import create_app
from tests.builders import message
from tests.dead_letters.boxes import DEAD, ONE, TWO, BrowsableQueue, Told
from tests.ingest.ledgers import local_client
from tests.ingest.scripted import settings

WAY = "/dead-letters"


def redriving(client, **wish):
    return client.post(f"{WAY}/redrive", json=wish)


@pytest.fixture
def queue():
    return BrowsableQueue()


@pytest.fixture
def app(queue):
    @asynccontextmanager
    async def opened(_settings):
        yield queue

    given = settings()
    urls = given.queues.model_copy(update={"urls": (ONE, TWO), "dead_letter": DEAD})
    return create_app(given.model_copy(update={"queues": urls}), queue=opened)


@pytest.fixture
def client(app):
    with local_client(app) as client:
        yield client


@pytest.fixture
def described(client):
    return client.get("/openapi.json").json()["paths"]


def fits(described, path, method, response):
    answer = described[path][method]["responses"][str(response.status_code)]
    schema = answer["content"]["application/json"]["schema"]
    Draft202012Validator(schema).validate(response.json())
    return True


def test_dead_letters_are_shown_in_groups_and_one_by_one_without_addresses(
    client, queue, described
):
    queue.bury("m-1", provider="ses", attempts="2", reason="said no to reader@example.org")
    queue.bury("m-2", code="550", reason="given up after 24.0 h")
    queue.bury("m-3", code="550", reason="given up after 25.5 h")

    response = client.get(WAY)

    assert fits(described, WAY, "get", response)
    shown = response.json()
    assert [(group["reason"], group["count"]) for group in shown["groups"]] == [
        ("given up after … h", 2),
        ("said no to (address)", 1),
    ]
    assert [item["id"] for item in shown["items"]] == ["m-1", "m-2", "m-3"]
    assert (shown["count"], shown["looked"], shown["complete"]) == (3, 3, True)
    assert "@" not in response.text
    assert queue.visible(DEAD) == 3, "what was looked at has been given back"


def test_a_list_is_filtered_and_paged(client, queue):
    for number in range(5):
        queue.bury(f"m-{number}", code="550" if number else "400")

    shown = client.get(WAY, params={"code": "550", "limit": "2"}).json()

    assert [item["id"] for item in shown["items"]] == ["m-1", "m-2"]
    assert (shown["count"], shown["looked"]) == (4, 5)


def test_a_request_looks_at_a_bounded_number_and_says_so(client, queue):
    for number in range(dead_letters.LOOKED + 20):
        queue.bury(f"m-{number}")

    shown = client.get(WAY).json()

    assert (shown["looked"], shown["complete"]) == (dead_letters.LOOKED, False)
    assert len(shown["items"]) == dead_letters.DEFAULT


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=x", "limit"),
        ("olderThanSeconds=-1", "olderThanSeconds"),
        ("colour=red", "colour"),
        ("code=1&code=2", "code"),
    ],
)
def test_a_query_at_fault_is_named(client, described, query, field):
    response = client.get(f"{WAY}?{query}")

    assert response.status_code == 422
    assert list(response.json()["errors"]) == [field]
    assert fits(described, WAY, "get", response)


def test_one_dead_letter_is_shown_with_its_addresses(client, queue, described):
    queue.bury("m-1", detail="Address on hold.")

    response = client.get(f"{WAY}/m-1")

    assert fits(described, f"{WAY}/{{id}}", "get", response)
    shown = response.json()
    assert (shown["to"], shown["detail"]) == ("reader@example.org", "Address on hold.")
    assert shown["status"] is None
    assert client.get(f"{WAY}/m-2").status_code == 404


def test_one_is_redriven_with_its_body(client, queue, described):
    queue.bury("m-1")
    queue.bury("m-2")

    response = redriving(client, id="m-2")

    assert response.status_code == 200
    assert fits(described, f"{WAY}/redrive", "post", response)
    assert (response.json()["redriven"], response.json()["more"]) == (["m-2"], False)
    assert [one.body for one in queue.on(ONE)] == [encode(message("m-2"))]
    assert [one.attributes["gomailId"] for one in queue.on(DEAD)] == ["m-1"]
    assert redriving(client, id="m-2").status_code == 404


def test_all_are_redriven_a_hundred_a_request(client, queue):
    for number in range(130):
        queue.bury(f"m-{number}")

    parts = [redriving(client, all=True, rate=1_000).json() for _ in range(2)]

    assert [(len(part["redriven"]), part["more"]) for part in parts] == [(100, True), (30, False)]
    assert queue.on(DEAD) == []


def test_a_hundred_are_redriven_though_others_before_them_are_kept(client, queue):
    for number in range(105):
        queue.bury(f"m-{number}", **({"body": "no JSON"} if number < 5 else {}))
    queue.bury("last")

    answer = redriving(client, all=True, rate=1_000).json()

    assert (len(answer["redriven"]), len(answer["kept"]), answer["more"]) == (100, 5, True)
    assert redriving(client, all=True, rate=1_000).json()["redriven"] == ["last"]


def test_a_filter_redrives_what_it_means_and_a_dry_run_nothing(client, queue):
    queue.bury("m-1", code="400")
    queue.bury("m-2", code="550")

    dry = redriving(client, filter={"code": "550"}, dryRun=True).json()
    assert (dry["redriven"], dry["dryRun"], len(queue.on(DEAD))) == (["m-2"], True, 2)

    assert redriving(client, filter={"code": "550"}).json()["redriven"] == ["m-2"]
    assert [one.attributes["gomailId"] for one in queue.on(DEAD)] == ["m-1"]


def test_those_that_are_kept_are_named_and_who_asks_for_more_comes_to_an_end(client, queue):
    for number in range(dead_letters.LOOKED + 1):
        queue.bury(f"m-{number}", body="no JSON")

    answer = redriving(client, all=True, rate=1_000).json()

    assert "unreadable" in answer["kept"][0]["why"]
    assert (answer["redriven"], answer["more"]) == ([], False)


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        ({}, "base"),
        ({"id": "x", "all": True}, "base"),
        ({"all": False}, "all"),
        ({"id": 7}, "id"),
        ({"id": ""}, "id"),
        ({"filter": {}}, "filter"),
        ({"filter": []}, "filter"),
        ({"filter": {"code": 7}}, "filter.code"),
        ({"filter": {"reason": ""}}, "filter.reason"),
        ({"filter": {"reason": " "}}, "filter.reason"),
        ({"filter": {"olderThanSeconds": True}}, "filter.olderThanSeconds"),
        ({"filter": {"colour": "red"}}, "filter.colour"),
        ({"all": True, "rate": 0}, "rate"),
        ({"all": True, "rate": True}, "rate"),
        ({"all": True, "dryRun": "yes"}, "dryRun"),
        ({"all": True, "now": True}, "now"),
    ],
)
def test_a_wish_at_fault_is_named_and_nothing_is_redriven(client, queue, described, wish, field):
    queue.bury("m-1")

    response = redriving(client, **wish)

    assert response.status_code == 422
    assert list(response.json()["errors"]) == [field]
    assert fits(described, f"{WAY}/redrive", "post", response)
    assert len(queue.on(DEAD)) == 1


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b'{"all": NaN}', b"[" * 5_000])
def test_what_is_no_json_object_is_refused(client, body):
    assert client.post(f"{WAY}/redrive", content=body).status_code == 400


def test_a_wish_that_says_two_things_is_not_granted(client, queue, described):
    queue.bury("m-1")
    body = b'{"all":true,"dryRun":true,"dryRun":false}'

    response = client.post(f"{WAY}/redrive", content=body)

    assert fits(described, f"{WAY}/redrive", "post", response)
    assert response.status_code == 400
    assert response.json()["errors"] == {"base": 'The key "dryRun" is there twice'}
    assert len(queue.on(DEAD)) == 1


@pytest.mark.parametrize("path", [WAY, f"{WAY}/m-1"])
def test_while_the_queue_is_down_the_answer_says_so(client, queue, described, path):
    with queue.broken("receive", QueueUnavailable("no answer")):
        response = client.get(path)
        again = redriving(client, all=True)

    assert (response.status_code, again.status_code) == (503, 503)
    assert response.headers["Retry-After"]
    assert fits(described, f"{WAY}/redrive", "post", again)


def test_nobody_but_this_machine_looks_or_redrives(app, queue, described):
    queue.bury("m-1")
    with TestClient(app, base_url="http://127.0.0.1", client=("192.0.2.7", 5_000)) as stranger:
        answers = [stranger.get(WAY), stranger.get(f"{WAY}/m-1"), redriving(stranger, all=True)]

    assert [answer.status_code for answer in answers] == [403, 403, 403]
    assert fits(described, WAY, "get", answers[0])
    assert sum(queue.received.values()) == 0


def test_every_example_of_a_redrive_is_a_wish_and_fits_its_description(described):
    content = described[f"{WAY}/redrive"]["post"]["requestBody"]["content"]["application/json"]
    for example in content["examples"].values():
        Draft202012Validator(content["schema"]).validate(example["value"])
        wish = dead_letters.read_wish(json.dumps(example["value"]).encode())
        assert isinstance(wish, dead_letters.Wish)


def test_a_ledger_that_knows_it_as_sent_keeps_it(queue):
    @asynccontextmanager
    async def opened(_settings):
        yield queue

    class Ledger(Told):
        def __getattr__(self, name):
            async def call(*_values, **_named):
                return [] if name == "events" else 0

            return call

    given = settings()
    urls = given.queues.model_copy(update={"urls": (ONE, TWO), "dead_letter": DEAD})
    app = create_app(
        given.model_copy(update={"queues": urls}),
        queue=opened,
        ledger=lambda _settings: Ledger(m_1="sent"),
    )
    queue.bury("m-1")
    with local_client(app) as client:
        assert client.get(f"{WAY}/m-1").json()["status"] == "sent"
        kept = redriving(client, id="m-1").json()["kept"]
    assert kept == [{"id": "m-1", "why": "sent already, by the ledger"}]
