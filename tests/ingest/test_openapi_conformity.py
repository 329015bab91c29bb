"""The API does what its description says, whatever it is asked: requests made up by schemathesis.

Of each operation: what the description's own examples hold, each bound and each way of breaking it,
and 30 requests at random, 100 in CI (where `CI` is set); `GOMAIL_CONFORMITY=1000` tries more. They
are the same in every run.
"""

import os
from contextlib import asynccontextmanager

import pytest
import requests
import schemathesis
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import negative_data_rejection

from gomail import keys_file
from gomail.errors import QueueUnavailable
from gomail.keys import Key, Scope
from ingest import gate
from ingest.app import create_app
from ingest.openapi import MINIMAL
from tests.dead_letters.boxes import DEAD, ONE, TWO, BrowsableQueue
from tests.ingest.ledgers import ALL, accepted, breakable, intent, local_client, told
from tests.ingest.scripted import settings

EXAMPLES = int(os.environ.get("GOMAIL_CONFORMITY") or (100 if os.environ.get("CI") else 30))
KNOWN = "m1"
"""The id of an email that the ledger knows as sent, and of a dead letter."""
AFAR = {"client": ("192.0.2.7", 50_000), "base_url": "https://mail.example.com"}

ACCEPTED = {
    # No email has the id; the Idempotency-Key was used before, for something else.
    "": ["2xx", 404, 409],
    # A description cannot say all that makes an email valid: that it has somebody to go to, say, or
    # (the 400) that its body has no characters which SQS does not take.
    "/email/send": ["2xx", 400, 409, 422],
    "/email/batch": ["2xx", 409, 422],
    # Its answer would never end; see `House`.
    "/events": [503],
}
"""What a request may be answered that is as described, by path."""
NEEDS_MORE_REQUESTS = (
    "ensure_resource_availability",
    "ignored_auth",
    "missing_required_header",
    "object_level_authorization",
    "use_after_free",
)
"""Checks that ask again by themselves, over the network, or want a history of requests."""


def checks(path=""):
    """The checks of an operation where it differs from the others."""
    found = {"positive_data_acceptance": {"expected-statuses": ACCEPTED[path]}}
    if path == "/events":
        found["not_a_server_error"] = {"expected-statuses": ["4xx", 503]}
        found["negative_data_rejection"] = {"expected-statuses": [422]}
    return found


def described(operations, **parameters):
    """The description, and how requests are made of it."""
    off = {name: {"enabled": False} for name in NEEDS_MORE_REQUESTS}
    # Neither what the code says nor what was answered before changes what is asked.
    alone = {"extra-data-sources": {"responses": False}}
    config = {
        "generation": {
            "max-examples": EXAMPLES,
            "deterministic": True,
            "database": "none",
            "with-security-parameters": False,
        },
        "analysis": {"constants": {"enabled": False}},
        "phases": {"coverage": alone, "fuzzing": {**alone, "error-feedback": {"enabled": False}}},
        # Of a cursor the description cannot say which were given out; an empty one is none.
        "dictionaries": {"none": {"values": [""]}},
        "parameters": {"query.cursor": {"dictionary": "none", "probability": 1}, **parameters},
        "checks": {**off, **checks()},
        "operations": operations,
    }
    return schemathesis.openapi.from_dict(
        create_app(settings()).openapi(), config=schemathesis.Config.from_dict(config)
    )


api = described([{"include-path": path, "checks": checks(path)} for path in ACCEPTED if path])
known = described([{"exclude-path-regex": r"\{id\}", "enabled": False}], **{"path.id": KNOWN})


class House:
    """The application over a queue in memory, a ledger in a file, and keys if it is given some."""

    def __init__(self, folder):
        told(folder, lambda ledger: ledger.intend([intent(KNOWN)]))
        told(folder, lambda ledger: ledger.record([accepted(KNOWN)]))
        self.ledger = breakable(folder)
        self.queue = BrowsableQueue()
        self.keys = folder / "keys.json"
        self.headers = {}

    def key(self, *scopes, **more):
        given = Key("", "shop", "", frozenset(scopes), **more)
        self.headers = {"Authorization": f"Bearer {keys_file.create(given, self.keys)[1]}"}

    def client(self, **more):
        @asynccontextmanager
        async def opened(_settings):
            yield self.queue

        given = settings(keys_file=str(self.keys))
        urls = given.queues.model_copy(update={"urls": (ONE, TWO), "dead_letter": DEAD})
        app = create_app(
            given.model_copy(update={"queues": urls}),
            queue=opened,
            ledger=lambda _settings: self.ledger,
        )
        return local_client(app, raise_server_exceptions=False, **more)

    def ask(self, client, case):
        """The answer to a made up request."""
        if not self.queue.on(DEAD):
            self.queue.bury(KNOWN)
        # No stream of events is opened, which would never end: a process that stops says 503.
        client.app.state.parts.memory.feed.close()
        given = case.as_transport_kwargs(base_url=str(client.base_url))
        made = requests.Request(**given).prepare()
        headers = {name: value.encode("latin-1") for name, value in made.headers.items()}
        return client.request(
            made.method, made.url, headers={**headers, **self.headers}, content=made.body
        )


@pytest.fixture(scope="module", params=["from this machine without a key", "from afar with a key"])
def ask(request, tmp_path_factory):
    house = House(tmp_path_factory.mktemp("house"))
    afar = request.param.startswith("from afar")
    if afar:
        house.key(Scope.ADMIN)
    with house.client(**(AFAR if afar else {})) as client:
        yield lambda case: house.ask(client, case)


# The application draws random numbers in a thread beside, which is none of Hypothesis's matter.
@pytest.mark.filterwarnings("ignore:Do not use the `random` module")
@api.parametrize()
def test_whatever_is_asked_the_answer_is_as_described(case, ask):
    unchecked = [negative_data_rejection] if is_accepted_though_wrong(case) else []
    case.validate_response(ask(case), excluded_checks=unchecked)


def is_accepted_though_wrong(case):
    """Whether what does not fit the description is accepted all the same.

    A permissive batch is, and tells of each email. Ids that are no list are texts in an address, as
    one id is.
    """
    permissive = isinstance(case.body, dict) and case.body.get("validation") == "permissive"
    return permissive or (case.path == "/events" and "id" in (case.query or {}))


@pytest.mark.filterwarnings("ignore:Do not use the `random` module")
@known.parametrize()
def test_whatever_is_asked_of_what_is_there_the_answer_is_as_described(case, ask):
    case.validate_response(ask(case))


# -- what is not asked for but happens: nobody may, too often, something is down ------------------


@pytest.fixture
def house(tmp_path):
    return House(tmp_path)


def of_each_operation(schema):
    """A request that is in order, by what it is called."""
    bodies = {
        "POST /email/send": {"email": MINIMAL},
        "POST /email/batch": {"emails": [MINIMAL]},
        "POST /dead-letters/redrive": {"id": KNOWN},
    }
    for found in schema.get_all_operations():
        operation = found.ok()
        body = bodies.get(operation.label)
        yield operation.Case(
            path_parameters={"id": KNOWN} if "{id}" in operation.path else {},
            headers={"Idempotency-Key": "order-7"} if operation.path in ACCEPTED else {},
            **({"body": body, "media_type": "application/json"} if body else {}),
        )


def statuses(house, client):
    """What each operation answers, all of it as described."""
    found = {}
    for case in of_each_operation(api):
        response = house.ask(client, case)
        case.validate_response(response, excluded_checks=[not_a_server_error])
        found[case.operation.label] = response.status_code
    return found


def expected(status, *scopes):
    """That status for every operation that wants a scope, but for one of these."""
    paths = create_app(settings()).openapi()["paths"]
    asked = [(method.upper(), path) for path, by_method in paths.items() for method in by_method]
    return {
        f"{method} {path}": status
        for method, path in asked
        if gate.needed(method, path) not in {None, *scopes}
    }


def test_who_has_no_key_is_refused_by_every_operation_as_described(house):
    house.key(Scope.ADMIN)
    house.headers = {}
    with house.client(**AFAR) as client:
        assert statuses(house, client).items() >= expected(401).items()


@pytest.mark.parametrize("scope", [Scope.SEND, Scope.READ, Scope.DEAD_LETTERS])
def test_whose_key_is_for_something_else_is_refused_as_described(house, scope):
    house.key(scope)
    with house.client(**AFAR) as client:
        found = statuses(house, client)
    refused = expected(403, scope)
    assert found.items() >= refused.items()
    assert 403 not in {found[label] for label in found.keys() - refused}


def test_who_asks_too_often_is_refused_by_every_operation_as_described(house):
    house.key(Scope.ADMIN, rate=0.001)
    with house.client(**AFAR) as client:
        assert client.get("/emails", headers=house.headers).status_code == 200
        assert statuses(house, client).items() >= expected(429).items()


def test_a_stranger_is_refused_by_every_operation_as_described_where_there_are_no_keys(house):
    with house.client(**AFAR) as client:
        assert statuses(house, client).items() >= expected(403).items()


def test_what_is_down_is_told_as_described(house):
    async def down(*_values, **_named):
        raise QueueUnavailable("down")

    house.queue.bury(KNOWN)
    for name in ("send", "browse", "info"):
        setattr(house.queue, name, down)
    with house.client() as client:
        house.ledger.down = ALL
        assert statuses(house, client).items() >= expected(503).items()


# -- what was found --------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "OPTIONS", "DELETE"])
def test_a_wrong_method_is_told_of_the_route_and_not_of_its_neighbour(house, method):
    with house.client() as client:
        for path in ("/email/send", "/email/batch", "/dead-letters/redrive"):
            response = client.request(method, path)
            assert (response.status_code, response.headers["Allow"]) == (405, "POST")


def test_a_place_that_is_none_is_a_fault_beside_one_that_counts(house):
    with house.client() as client:
        given = client.get("/events", params={"after": "\x00"}, headers={"Last-Event-ID": "7"})
    assert given.status_code == 422
    assert given.json()["errors"].keys() == {"after"}


def test_an_age_in_an_address_is_described_as_it_is_read(house):
    with house.client() as client:
        for value, status in (("999999999", 200), ("", 200), ("1000000000", 422), ("0.5", 422)):
            given = client.get("/dead-letters", params={"olderThanSeconds": value})
            assert given.status_code == status
    [age] = [
        one["schema"]
        for one in api["/dead-letters"]["get"].definition.raw["parameters"]
        if one["name"] == "olderThanSeconds"
    ]
    assert age == {"type": "integer", "minimum": 0, "maximum": 999_999_999}
