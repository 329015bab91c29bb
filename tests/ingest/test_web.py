"""The web client at `/`, its policy and its settings."""

import pytest

from ingest.app import create_app
from ingest.web import NOT_BUILT, page_config
from tests.ingest.ledgers import local_client
from tests.ingest.scripted import ScriptedQueue, email, settings


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text("<!doctype html><title>gomail</title>")
    (tmp_path / "assets" / "index.js").write_text("export {}")
    (tmp_path / "config.json").write_text('{"apiBase":"from the file"}')
    return tmp_path


@pytest.fixture
def client(folder):
    app = create_app(settings(web_client=str(folder)), queue=ScriptedQueue().open)
    with local_client(app) as client:
        yield client


@pytest.mark.parametrize("path", ["/", "/assets/index.js", "/config.json"])
def test_pages_run_nothing_from_elsewhere_and_stand_in_no_frame(client, path):
    headers = client.get(path).headers

    assert headers["content-security-policy"] == (
        "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: https:; "
        "frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
    )
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"


def test_the_page_is_at_the_root(client):
    assert "<title>gomail</title>" in client.get("/").text
    assert client.head("/").status_code == 200


def test_the_page_is_told_where_the_api_is_whatever_its_folder_says(client):
    assert client.get("/config.json").json() == {"apiBase": "", "maxAttachmentBytes": 10_485_760}


def test_the_routes_of_the_api_win(client):
    assert client.post("/email/send", json=email()).status_code == 200
    assert client.get("/email/send").status_code == 405
    assert client.get("/health/live").json() == {"status": "ok"}


@pytest.mark.parametrize(
    "path", ["/nothing", "/%00", "/" + "a" * 5_000, "/%2e%2e/secret", "/..%2fsecret", "/assets/"]
)
def test_what_is_no_file_has_the_shape_of_errors(client, path):
    response = client.get(path)

    assert response.status_code == 404
    assert response.content == b'{"errors":{"base":"Not Found"}}'


def test_a_post_to_a_page_is_a_404(client):
    assert client.post("/", json={}).content == b'{"errors":{"base":"Not Found"}}'


def test_a_client_that_is_not_built_says_how_to_build_it(tmp_path):
    app = create_app(settings(web_client=str(tmp_path / "dist")), queue=ScriptedQueue().open)
    with local_client(app) as client:
        page, other = client.get("/"), client.get("/other")

    assert (page.status_code, page.text) == (404, NOT_BUILT)
    assert other.json() == {"errors": {"base": "Not Found"}}


def test_without_a_client_the_root_is_a_404():
    with local_client(create_app(settings(web_client=""), queue=ScriptedQueue().open)) as client:
        assert client.get("/").json() == {"errors": {"base": "Not Found"}}


@pytest.mark.parametrize(
    ("endpoint", "mailbox"),
    [
        ("http://127.0.0.1:9324", "http://127.0.0.1:9324/mailbox.html"),
        ("http://localhost:9324/", "http://localhost:9324/mailbox.html"),
        ("http://[::1]:9324", "http://[::1]:9324/mailbox.html"),
        ("https://sqs.example.com", None),
        (None, None),
    ],
)
def test_in_the_sandbox_the_page_is_told_where_the_mailbox_is(endpoint, mailbox):
    assert page_config(endpoint).get("sandboxMailbox") == mailbox
