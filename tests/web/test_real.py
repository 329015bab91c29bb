"""The form follows an email through the real API, ledger and worker, and a sandbox's providers."""

import base64
import hashlib
import random
import re

import pytest
from playwright.sync_api import expect

from gomail import keys_file
from gomail.keys import Key, Scope
from tests.e2e.scene import SHORT, ask, scene
from tests.web.pages import control, fill, lines, send

pytestmark = pytest.mark.timeout(900)

PATIENCE_MILLISECONDS = 40_000
PROVIDERS = ("ses", "sendgrid")
INVOICE = random.Random(7).randbytes(7 * 1_048_576)
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGP4z8DwHwAFAAH/iZk9HQAAAABJRU5ErkJggg=="
)


@pytest.fixture
def stage(tmp_path, client_files):
    """A scene whose API serves the client, and whose ledger is its own."""
    with scene(tmp_path) as made:
        _, made.cloud = made.sandbox()
        made.settle_down(
            dispatch=SHORT,
            ingest={"web_client": str(client_files)},
            ledger={"url": f"sqlite:{tmp_path}/ledger.db"},
            payloads={"bucket": "emails", "endpoint_url": f"{made.cloud}/s3"},
        )
        yield made


def test_two_emails_are_followed_through_a_failure_of_all_providers(stage, page):
    for provider in PROVIDERS:
        stage.break_(provider, error_rate=1, status=500)
    page.goto(stage.api())
    for number in (1, 2):
        fill(page, To_email=f"reader-{number}@example.org")
        send(page)
        expect(lines(page)).to_have_count(number)
        expect(lines(page).first).to_contain_text(re.compile("Queued as [0-9a-f-]{36}"))

    stage.worker()
    for line in lines(page).all():
        expect(line).to_contain_text("has a failure of its own", timeout=PATIENCE_MILLISECONDS)
    for provider in PROVIDERS:
        stage.break_(provider)

    for line in lines(page).all():
        expect(line).to_contain_text(
            re.compile("Sent via (SES|SendGrid)"), timeout=PATIENCE_MILLISECONDS
        )
        line.locator("summary").click()
        expect(line.locator("details")).to_contain_text("500")
        expect(line.locator("details")).to_contain_text(re.compile("(SES|SendGrid) accepted it"))


def test_an_invoice_of_7_mb_with_an_inline_logo_goes_to_three_people(stage, page):
    page.goto(stage.api())
    fill(page, To_email="Ada <ada@example.org>, ben@example.org", Body="See the invoice.")
    page.get_by_text("Cc, bcc, reply to").click()
    control(page, "Cc").fill("archive@example.org")
    page.get_by_label("Files to attach").set_input_files(
        [
            {"name": "invoice.pdf", "mimeType": "application/pdf", "buffer": INVOICE},
            {"name": "logo.png", "mimeType": "image/png", "buffer": PIXEL},
        ]
    )
    page.get_by_label("Show inline").check()
    page.get_by_role("tab", name="HTML").click()
    control(page, "HTML body").fill('<p style="color: teal">See <img alt="" src="cid:logo.png">')
    preview = page.frame_locator("iframe").frame_locator("iframe")
    expect(preview.locator("p")).to_have_css("color", "rgb(0, 128, 128)")
    expect(preview.locator("img")).to_have_js_property("naturalWidth", 1)

    send(page)
    stage.worker()

    line = lines(page).first
    expect(line).to_contain_text("ada@example.org and 2 more")
    expect(line).to_contain_text(
        re.compile("Sent via (SES|SendGrid)"), timeout=PATIENCE_MILLISECONDS
    )
    [arrived] = ask("GET", f"{stage.cloud}/mailbox?limit=10")["emails"]
    files = {one["filename"]: one for one in arrived["attachments"]}
    assert files["invoice.pdf"]["sha256"] == hashlib.sha256(INVOICE).hexdigest()
    assert files["logo.png"]["sha256"] == hashlib.sha256(PIXEL).hexdigest()
    assert files["logo.png"]["content_id"] == "logo.png"
    everybody = str([arrived["to"], arrived["cc"]])
    assert all(f"{who}@example.org" in everybody for who in ("ada", "ben", "archive"))


def test_with_api_keys_the_page_asks_for_one_and_follows_an_upload_to_its_end(
    stage, page, tmp_path, client_files
):
    keys = tmp_path / "keys.json"
    scopes = frozenset({Scope.SEND, Scope.READ})
    _, secret = keys_file.create(Key("", "console", "", scopes), keys)
    stage.settle_down(
        dispatch=SHORT,
        ingest={"web_client": str(client_files), "keys_file": str(keys)},
        payloads={"bucket": "emails", "endpoint_url": f"{stage.cloud}/s3"},
    )
    addresses = []
    page.on("request", lambda request: addresses.append(request.url))
    page.goto(stage.api())
    stage.worker()
    fill(page)
    page.get_by_label("Files to attach").set_input_files(
        [{"name": "invoice.pdf", "mimeType": "application/pdf", "buffer": INVOICE}]
    )
    send(page)
    key = page.get_by_label("Key", exact=True)
    expect(key).to_be_focused()

    key.fill("gm_wrong")
    page.get_by_role("button", name="Use key").click()
    expect(page.get_by_role("alert")).to_contain_text("does not take this key")
    key.fill(secret)
    key.press("Enter")

    expect(lines(page).first).to_contain_text(
        re.compile("Sent via (SES|SendGrid)"), timeout=PATIENCE_MILLISECONDS
    )
    page.reload()
    fill(page)
    send(page)
    expect(lines(page).first).to_contain_text(
        re.compile("Sent via (SES|SendGrid)"), timeout=PATIENCE_MILLISECONDS
    )
    assert not any(secret in address for address in addresses)
    page.get_by_role("button", name="Forget API key").click()
    send(page)
    expect(key).to_be_focused()


def test_a_scheduled_email_is_called_back_from_its_line(stage, page):
    page.goto(stage.api())
    fill(page)
    page.get_by_text("Schedule", exact=True).click()
    tomorrow = page.evaluate("new Date(Date.now() + 864e5).toLocaleString('sv').slice(0, 16)")
    control(page, "Send at").fill(tomorrow.replace(" ", "T"))

    send(page)
    line = lines(page).first
    expect(line).to_contain_text("Scheduled for", timeout=PATIENCE_MILLISECONDS)
    line.get_by_role("button", name="Cancel email").click()

    expect(line).to_contain_text("Canceled. It was called back", timeout=PATIENCE_MILLISECONDS)
    expect(line.get_by_role("button", name="Cancel email")).to_have_count(0)


def test_the_real_api_s_errors_are_at_the_recipient_and_the_file(stage, page):
    page.goto(stage.api())
    fill(page, To_email="ada@example.org, nonsense")
    page.get_by_label("Files to attach").set_input_files(
        [{"name": f"{'n' * 256}.txt", "mimeType": "text/plain", "buffer": b"x"}]
    )

    send(page)

    expect(lines(page)).to_contain_text("Not queued")
    nonsense = page.get_by_role("button", name="Remove nonsense")
    expect(nonsense).to_have_accessible_description(re.compile("To email is not a valid email"))
    file = page.get_by_role("list", name="Attachments").get_by_role("button", name="Remove")
    expect(file).to_have_accessible_description(re.compile(".+"))
    expect(page.get_by_role("alert")).to_have_count(0)
