"""Which other origins may call the API from a browser: the configured ones."""

from ingest.app import create_app
from tests.ingest.ledgers import local_client
from tests.ingest.scripted import ScriptedQueue, email, settings

PAGE = "https://mail.example.com"


def open_client(*origins):
    return local_client(
        create_app(settings(allowed_origins=list(origins)), queue=ScriptedQueue().open)
    )


def preflight(client, origin):
    headers = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type, idempotency-key",
    }
    return client.options("/email/send", headers=headers)


def test_a_configured_origin_may_send_and_read_errors():
    with open_client(PAGE) as client:
        asked = preflight(client, PAGE)
        queued = client.post("/email/send", json=email(), headers={"Origin": PAGE})
        refused = client.post("/email/send", content=b"x" * 300_000, headers={"Origin": PAGE})

    assert asked.status_code == 200
    for response in (asked, queued, refused):
        assert response.headers["access-control-allow-origin"] == PAGE


def test_another_origin_may_not():
    with open_client(PAGE) as client:
        asked = preflight(client, "https://other.example.com")

    assert "access-control-allow-origin" not in asked.headers


def test_without_configuration_no_origin_may():
    with open_client() as client:
        asked = preflight(client, PAGE)

    assert asked.status_code == 403
    assert "access-control-allow-origin" not in asked.headers
