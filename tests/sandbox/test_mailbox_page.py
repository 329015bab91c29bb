"""The mailbox's page in a real browser: what an email brings is shown and does nothing."""

import base64
from pathlib import Path

import pytest

from tests.web.conftest import chromium as chromium  # noqa: PLC0414 - a fixture of this module

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg=="
)
HTML = (
    '<p style="color: rgb(1, 2, 3)">Thank you.</p><img id="own" width="1" src="cid:logo">'
    "<script>document.body.append('ran'); parent.document.title = 'ran'</script>"
    '<img id="remote" src="{remote}">'
)


@pytest.fixture
def page(chromium):
    with chromium.new_context() as context:
        yield context.new_page()


def test_html_is_shown_with_its_own_images_and_neither_runs_nor_asks_for_anything(
    page, url, sendgrid
):
    sendgrid(
        content=[{"type": "text/html", "value": HTML.format(remote=f"{url}/calls")}],
        attachments=[
            {
                "content": base64.b64encode(PIXEL).decode(),
                "filename": "logo ä.png",
                "type": "image/png",
                "disposition": "inline",
                "content_id": "logo",
            }
        ],
    )
    refused: list[str] = []
    page.on("console", lambda message: refused.append(message.text))
    page.goto(f"{url}/mailbox.html")

    page.get_by_text("Hello").click()

    shown = page.frame_locator("iframe[title='HTML body']")
    text = shown.get_by_text("Thank you.")
    text.wait_for()
    assert text.evaluate("one => getComputedStyle(one).color") == "rgb(1, 2, 3)"
    assert (
        shown.locator("#own").evaluate("async one => (await one.decode(), one.naturalWidth)") == 1
    )
    assert (page.title(), shown.get_by_text("ran").count()) == ("Sandbox mailbox", 0)
    assert any("Blocked script execution" in text for text in refused)
    assert any(f"{url}/calls" in text and "img-src data:" in text for text in refused)


def test_an_attachment_is_saved_as_it_was_sent(page, url, sendgrid):
    sendgrid(
        attachments=[{"content": base64.b64encode(PIXEL).decode(), "filename": "Rechnung ä.pdf"}]
    )
    page.goto(f"{url}/mailbox.html")
    page.get_by_text("Hello").click()

    with page.expect_download() as download:
        page.get_by_role("link", name="Rechnung ä.pdf").click()

    assert download.value.suggested_filename == "Rechnung ä.pdf"
    assert Path(download.value.path()).read_bytes() == PIXEL
