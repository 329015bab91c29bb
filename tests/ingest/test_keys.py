"""Who may call which route: with API keys, and where there are none."""

import asyncio
import logging

import pytest
from starlette.routing import Route

from gomail import keys, keys_file
from gomail.errors import ConfigurationError
from gomail.keys import Key, Keyring, Scope
from gomail.keys_file import KeysFile
from ingest import answers, gate, local
from ingest.app import create_app
from ingest.idempotency import of_caller
from tests.ingest.ledgers import ALL, app_over, breakable, local_client
from tests.ingest.scripted import ScriptedQueue, email, settings
from tests.ingest.serving import serving

NOON = 1_800_000_000
AFAR = {"client": ("192.0.2.7", 50_000), "base_url": "https://mail.example.com"}
OPEN = ["/health/live", "/health/ready", "/openapi.json", "/", "/config.json", "/assets/index.js"]
ASKED = [
    ("POST", "/email/send", Scope.SEND),
    ("POST", "/email/batch", Scope.SEND),
    ("POST", "/email/m1/cancel", Scope.SEND),
    ("GET", "/email/m1", Scope.READ),
    ("GET", "/emails", Scope.READ),
    ("GET", "/stats", Scope.READ),
    ("GET", "/events?who=x", Scope.READ),
    ("GET", "/dead-letters", Scope.DEAD_LETTERS),
    ("GET", "/dead-letters/m1", Scope.DEAD_LETTERS),
    ("POST", "/dead-letters/redrive", Scope.DEAD_LETTERS),
    ("DELETE", "/something/new", Scope.ADMIN),
]


class House:
    """An application over a file of keys, on a clock that a test moves."""

    def __init__(self, folder):
        self.path = folder / "keys.json"
        self.ledger = breakable(folder)
        self.queue = ScriptedQueue()
        self.now = 0.0

    def key(self, *scopes, **more):
        given = Key("", "shop", "", frozenset(scopes or {Scope.SEND}), **more)
        return keys_file.create(given, self.path)[1]

    def client(self, **more):
        app = app_over(self.ledger, self.queue, ingest={"keys_file": str(self.path)})
        return local_client(app, **{**AFAR, **more})

    def file(self):
        return KeysFile(str(self.path), now=lambda: self.now)


@pytest.fixture
def house(tmp_path):
    return House(tmp_path)


def bearing(secret, **more):
    return {"Authorization": f"Bearer {secret}", **more}


def base(response):
    return response.status_code, response.json()["errors"]["base"]


@pytest.mark.parametrize(("method", "path", "scope"), ASKED)
def test_each_route_asks_for_its_scope_and_no_other_key_will_do(house, method, path, scope):
    own, admin = house.key(scope), house.key(Scope.ADMIN)
    others = house.key(*(set(Scope) - {scope, Scope.ADMIN}))
    # The queue of this house cannot be browsed, which is a 500 of whoever came in.
    with house.client(raise_server_exceptions=False) as client:
        refused = client.request(method, path, headers=bearing(others))
        passed = [client.request(method, path, headers=bearing(one)) for one in (own, admin)]

    assert base(refused) == (403, f"This API key lacks the scope {scope}")
    assert all(answer.status_code not in {401, 403, 429} for answer in passed)


def test_every_route_of_the_application_has_a_scope_or_is_open_on_purpose():
    app = create_app(settings(), queue=ScriptedQueue().open)
    routes = [one for one in app.routes if isinstance(one, Route)]
    unguarded = {
        one.path for one in routes for method in one.methods if not gate.needed(method, one.path)
    }

    assert unguarded == {"/health/live", "/health/ready", "/openapi.json"}
    assert len(routes) > 10


@pytest.mark.parametrize("path", OPEN)
def test_probes_pages_and_the_description_are_for_everybody(house, path):
    house.key()
    with house.client() as client:
        assert client.get(path).status_code in {200, 404}


def test_who_has_no_key_that_counts_is_told_one_thing_whatever_is_wrong(house):
    good = house.key()
    expired = house.key(expires=1)
    revoked = house.key()
    keys_file.revoke(lambda key: keys.digest(revoked) == key.digest, house.path, NOON)
    given = [
        {},
        bearing(""),
        bearing(good[:-1]),
        bearing(good.upper()),
        bearing("gm_unknown"),
        bearing(expired),
        bearing(revoked),
        {"Authorization": f"Basic {good}"},
        {"Authorization": good},
        [("Authorization", f"Bearer {good}"), ("Authorization", f"Bearer {good}")],
    ]
    with house.client() as client:
        refused = [client.post("/email/send", json=email(), headers=one) for one in given]

    assert {base(answer) for answer in refused} == {(401, answers.NO_KEY)}
    assert {answer.headers["WWW-Authenticate"] for answer in refused} == {"Bearer"}
    assert house.queue.calls == []


def test_with_keys_this_machine_needs_one_too(house):
    secret = house.key()
    with house.client(base_url="http://127.0.0.1", client=("127.0.0.1", 5_000)) as client:
        assert client.post("/email/send", json=email()).status_code == 401
        sent = client.post(
            "/email/send", json=email(), headers={"authorization": f"bearer {secret}"}
        )
        assert sent.status_code == 200


def test_a_key_in_the_address_is_none(house):
    secret = house.key()
    with house.client() as client:
        assert client.post(f"/email/send?key={secret}", json=email()).status_code == 401


@pytest.mark.parametrize("path", ["/email/send", "/email/batch"])
def test_without_keys_a_stranger_sends_nothing_and_is_told_the_remedy(house, path):
    with house.client() as client:
        refused = client.post(path, json=email())

    assert base(refused) == (403, local.NOT_LOCAL)
    assert "gomail keys create" in refused.text
    assert house.queue.calls == []


def test_without_keys_what_a_proxy_forwards_is_not_from_here(house):
    with house.client(base_url="http://127.0.0.1", client=("127.0.0.1", 5_000)) as client:
        forwarded = client.post("/email/send", json=email(), headers={"X-Forwarded-For": "::1"})
        direct = client.post("/email/send", json=email())

    assert base(forwarded) == (403, local.NOT_FORWARDED)
    assert direct.status_code == 200


@pytest.mark.parametrize(
    ("allowed", "status"),
    [([], 403), (["https://a.example"], 403), (["https://p.example"], 200), (["*"], 200)],
)
def test_without_keys_pages_of_allowed_origins_may_send(allowed, status):
    app = create_app(settings(allowed_origins=allowed), queue=ScriptedQueue().open)
    page = {"Sec-Fetch-Site": "cross-site", "Origin": "https://p.example"}
    with local_client(app) as client:
        assert client.post("/email/send", json=email(), headers=page).status_code == status
        assert client.get("/emails", headers=page).status_code == (
            503 if allowed == ["https://p.example"] else 403
        )


def test_the_start_says_who_is_served_where_there_is_no_key(house, caplog):
    with house.client():
        pass
    assert "no API key is configured: only clients on this machine" in caplog.text
    caplog.clear()
    house.key()
    with house.client():
        pass
    assert "no API key" not in caplog.text


def test_keys_work_while_the_ledger_is_down(house):
    secret = house.key()
    house.ledger.down = ALL
    with house.client() as client:
        assert client.post("/email/send", json=email(), headers=bearing(secret)).status_code == 200


def test_a_key_sends_only_from_its_addresses(house):
    secret = bearing(house.key(senders=frozenset({"example.com", "ann@example.org"})))
    with house.client() as client:
        allowed = [
            client.post("/email/send", json=email(fromEmail=one), headers=secret).status_code
            for one in ("shop@example.com", "SHOP@Example.com", "Ann@example.org")
        ]
        refused = client.post("/email/send", json=email(fromEmail="b@example.org"), headers=secret)
        emails = [email()["email"], email(fromEmail="b@example.org")["email"]]
        strict = client.post("/email/batch", json={"emails": emails}, headers=secret)
        asked = {"emails": emails, "validation": "permissive"}
        permissive = client.post("/email/batch", json=asked, headers=secret)

    assert allowed == [200, 200, 200]
    assert (refused.status_code, refused.json()) == (
        422,
        {"errors": {"fromEmail": answers.NOT_FROM}},
    )
    assert strict.json() == {"errors": {"emails.1.fromEmail": answers.NOT_FROM}}
    results = permissive.json()["results"]
    assert "messageId" in results[0]
    assert results[1] == {"errors": {"fromEmail": answers.NOT_FROM}}
    assert len(house.queue.bodies) == 4


def test_a_key_calls_back_only_what_it_could_have_sent(house):
    shop = bearing(house.key(senders=frozenset({"example.com"})))
    other = bearing(house.key(senders=frozenset({"example.org"})))
    with house.client() as client:
        later = email(sendAt="2999-01-01T00:00:00Z")
        assert client.post("/email/send", json=later, headers=shop).status_code == 422
        id_ = client.post("/email/send", json=email(), headers=shop).json()["messageId"]

        assert base(client.post(f"/email/{id_}/cancel", headers=other)) == (403, answers.NOT_FROM)
        assert base(client.post(f"/email/{id_}/cancel", headers=shop))[0] == 409
        assert client.post("/email/unknown/cancel", headers=other).status_code == 404


def test_two_callers_may_use_one_idempotency_key_and_keys_of_one_name_are_one_caller(house):
    first, second = bearing(house.key()), bearing(house.key())
    other = bearing(keys_file.create(Key("", "blog", "", frozenset({Scope.SEND})), house.path)[1])
    key = {"Idempotency-Key": "order-7"}
    with house.client() as client:

        def send(who):
            return client.post("/email/send", json=email(), headers={**who, **key}).json()

        assert send(first) == send(second)
        assert send(first) != send(other)
        emails = {"emails": [email()["email"]]}
        batches = [
            client.post("/email/batch", json=emails, headers={**who, "Idempotency-Key": "b"})
            for who in (first, second, other)
        ]
    assert batches[0].json() == batches[1].json() != batches[2].json()


def test_a_key_without_a_caller_is_not_one_of_a_caller():
    shop = Key("", "shop", "", frozenset())
    assert of_caller("a", None) == "a"
    assert of_caller("a", shop) not in {"a", of_caller("a", Key("", "blog", "", frozenset()))}


class Gated:
    """The gate alone, before an application that says yes, on a clock of the test's."""

    def __init__(self, *ring):
        self.now = 1_000.0
        self.state = type("State", (), {"keys": type("File", (), {"keys": Keyring(ring)})})
        self.gate = gate.Gate(self.app, allowed_origins=(), clock=lambda: self.now)

    async def app(self, _scope, _receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})

    def ask(self, secret, path="/email/send", **scope):
        sent = []

        async def send(message):
            sent.append(message)

        async def receive():
            raise AssertionError("the body is read")

        asked = {
            "type": "http",
            "method": "POST",
            "path": path,
            "headers": [(b"authorization", f"Bearer {secret}".encode())],
            "app": type("App", (), {"state": self.state}),
            **scope,
        }
        run = self.gate(asked, receive, send)
        with pytest.raises(StopIteration):
            run.send(None)
        return sent[0]["status"], dict(sent[0]["headers"])


def ring_of(*rates):
    return [
        Key(f"key0000{n}", "shop", keys.digest(f"s{n}"), frozenset({Scope.SEND}), rate=rate)
        for n, rate in enumerate(rates)
    ]


def test_who_comes_too_often_is_told_when_to_come_back_and_takes_nothing_from_others():
    gated = Gated(*ring_of(2.0, 0.1, None))

    assert [gated.ask("s0")[0] for _ in range(3)] == [200, 200, 429]
    assert gated.ask("s1")[0] == 200
    status, headers = gated.ask("s1")
    assert (status, headers[b"retry-after"]) == (429, b"10")
    assert {gated.ask("s2")[0] for _ in range(100)} == {200}
    gated.now += 0.5
    assert [gated.ask("s0")[0] for _ in range(2)] == [200, 429]


def test_a_prefix_that_the_server_adds_opens_nothing():
    gated = Gated(*ring_of(None))

    assert gated.ask("x", path="/api/emails", root_path="/api", method="GET")[0] == 401


@pytest.mark.parametrize("method", ["OPTIONS", "HEAD"])
def test_other_methods_leak_nothing(house, method):
    house.key()
    with house.client() as client:
        assert client.request(method, "/emails").status_code == 401


def test_a_changed_file_counts_within_a_second_without_a_restart(house):
    first = house.key()
    file = house.file()
    second = house.key()

    assert file.keys.match(second.encode(), NOON) is None
    house.now += 1.0
    assert file.keys.match(second.encode(), NOON)
    keys_file.revoke(lambda key: key.digest == keys.digest(first), house.path, NOON)
    house.now += 1.0
    assert file.keys.match(first.encode(), NOON) is None
    assert file.keys.match(second.encode(), NOON)


def test_the_first_key_is_found_by_a_process_that_runs(house):
    file = house.file()
    assert file.keys.keys == ()

    secret = house.key()
    house.now += 1.0

    assert file.keys.match(secret.encode(), NOON)


@pytest.mark.parametrize("mishap", ["broken", "empty", "gone", "folder"])
def test_a_mishap_to_the_file_changes_nothing_and_is_told_once(house, caplog, mishap):
    secret = house.key()
    file = house.file()
    good = house.path.read_bytes()
    house.path.unlink()
    if mishap == "folder":
        house.path.mkdir()
    elif mishap != "gone":
        house.path.write_text("{" if mishap == "broken" else "")

    for _ in range(3):
        house.now += 1.0
        assert file.keys.match(secret.encode(), NOON)

    errors = [one for one in caplog.records if one.levelno == logging.ERROR]
    assert len(errors) == 1
    assert "the API keys read before stay in force" in caplog.text
    assert secret not in caplog.text
    if mishap == "folder":
        house.path.rmdir()
    house.path.write_bytes(good)
    house.now += 1.0
    assert file.keys.match(secret.encode(), NOON)
    house.path.unlink()
    house.now += 1.0
    assert file.keys.keys
    assert len([one for one in caplog.records if one.levelno == logging.ERROR]) == 2


def test_a_file_that_loses_its_last_key_opens_the_api_to_this_machine_and_says_so(house, caplog):
    house.key()
    file = house.file()
    house.path.write_text('{"version": 1, "keys": []}')

    for _ in range(3):
        house.now += 1.0
        assert file.keys.keys == ()

    [warned] = [one for one in caplog.records if one.levelno == logging.WARNING]
    assert "lists no API key any more: clients on this machine are served" in warned.message


def test_a_file_that_is_broken_from_the_start_stops_the_start(house):
    house.path.write_text('{"keys": ["gm_secret"]}')

    with pytest.raises(ConfigurationError) as refused:
        house.file()

    assert str(refused.value).startswith(f"{house.path}: holds no ")
    assert "gm_secret" not in str(refused.value)


def test_a_file_whose_keys_are_all_revoked_lets_nobody_in(house):
    house.key()
    keys_file.revoke(lambda _key: True, house.path, NOON)
    with house.client(base_url="http://127.0.0.1", client=("127.0.0.1", 5_000)) as client:
        assert client.post("/email/send", json=email()).status_code == 401


def test_the_file_is_its_owner_s_alone_and_others_are_warned_of(house, caplog):
    secret = house.key()
    assert house.path.stat().st_mode & 0o777 == 0o600
    assert secret not in house.path.read_text()
    house.path.chmod(0o644)

    house.file()

    assert "can be read by others; run: chmod 600" in caplog.text
    assert [one.name for one in house.path.parent.glob("*keys*")] == ["keys.json"]


def test_a_stranger_s_body_is_not_waited_for(house):
    house.key()
    app = app_over(house.ledger, house.queue, ingest={"keys_file": str(house.path)})
    request = b"POST /email/send HTTP/1.1\r\nHost: x\r\nContent-Length: 14000000\r\n\r\n"

    async def scene():
        async with serving(app) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            writer.close()
        return head

    head = asyncio.run(scene())

    assert head.startswith(b"HTTP/1.1 401 ")


def test_the_description_says_who_needs_which_key(house):
    house.key()
    with house.client() as client:
        described = client.get("/openapi.json").json()

    assert described["components"]["securitySchemes"] == {
        "key": {"type": "http", "scheme": "bearer", "description": answers.KEYS}
    }
    for path, by_method in described["paths"].items():
        for method, one in by_method.items():
            scope = gate.needed(method.upper(), path)
            assert one.get("security") == ([{"key": [scope]}, {}] if scope else None), path
            if scope:
                assert {"401", "403", "429"} <= one["responses"].keys()
