"""The web client at `/`, its policy and its settings."""

import base64
import hashlib
import re
from pathlib import Path

import pytest

from ingest.app import create_app
from ingest.web import NOT_BUILT, PAGE_POLICY, PREVIEW_POLICY, page_config
from tests.ingest.ledgers import local_client
from tests.ingest.scripted import ScriptedQueue, email, settings

ROOT = Path(__file__).parents[2]


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

    assert headers["content-security-policy"] == PAGE_POLICY
    assert "unsafe" not in PAGE_POLICY
    assert PAGE_POLICY.startswith("default-src 'none'; ")
    assert "frame-ancestors 'none'" in PAGE_POLICY
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"


def test_the_preview_may_run_its_own_script_and_nothing_else(client, folder):
    page = (ROOT / "web/public/preview.html").read_text()
    (folder / "preview.html").write_text(page)

    policy = client.get("/preview.html").headers["content-security-policy"]

    [script] = re.findall("<script>(.*?)</script>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    directives = dict(one.strip().partition(" ")[::2] for one in policy.split(";"))
    assert directives["script-src"] == f"'sha256-{digest}'"
    assert directives["sandbox"] == "allow-scripts"
    assert directives["default-src"] == "'none'"
    assert directives["frame-ancestors"] == "'self'"
    # Where the API does not serve it, the page says the same of itself, as far as a page can.
    [own] = re.findall(r'http-equiv="Content-Security-Policy"\s+content="([^"]+)"', page)
    said = dict(one.strip().partition(" ")[::2] for one in own.split(";"))
    assert said.items() == directives.items() - {
        ("sandbox", "allow-scripts"),
        ("frame-ancestors", "'self'"),
    }


@pytest.mark.parametrize("stripped", [False, True], ids=["in the path", "not in the path"])
def test_the_preview_has_its_policy_behind_a_prefix_too(client, folder, stripped):
    (folder / "preview.html").write_text("preview")
    plain = client.get("/preview.html")

    with local_client(client.app, root_path="/mail") as behind:
        preview = behind.get("/preview.html" if stripped else "/mail/preview.html")
        other = behind.get("/" if stripped else "/mail/")

    assert preview.text == "preview"
    assert preview.headers["content-security-policy"] == PREVIEW_POLICY
    assert preview.headers["content-security-policy"] == plain.headers["content-security-policy"]
    assert other.headers["content-security-policy"] == PAGE_POLICY


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
    with local_client(app, root_path="/mail") as behind:
        assert behind.get("/mail/").text == NOT_BUILT

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
