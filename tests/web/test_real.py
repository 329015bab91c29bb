"""The form follows an email through the real API, ledger and worker, and a sandbox's providers."""

import re

import pytest
from playwright.sync_api import expect

from tests.e2e.scene import SHORT, scene
from tests.web.pages import fill, lines, send

pytestmark = pytest.mark.timeout(900)

PATIENCE_MILLISECONDS = 40_000
PROVIDERS = ("ses", "sendgrid")


@pytest.fixture
def stage(tmp_path, client_files):
    """A scene whose API serves the client, and whose ledger is its own."""
    with scene(tmp_path) as made:
        _, made.cloud = made.sandbox()
        made.settle_down(
            dispatch=SHORT,
            ingest={"web_client": str(client_files)},
            ledger={"url": f"sqlite:{tmp_path}/ledger.db"},
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
