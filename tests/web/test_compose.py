"""What the form offers beyond a plain text to one person, in a real browser."""

import base64
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, FilePayload, Locator, Page, Route, expect

from tests.web.emails import email
from tests.web.pages import chips, control, fill, lines, send, visit
from tests.web.scripted_api import Answer, ScriptedApi, queued, refused

pytestmark = pytest.mark.timeout(900)

ID = "01990a5e-7f3c-7b21-9c55-1f0d5c3f9a10"
WRONG = "To email is not a valid email"
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGP4z8DwHwAFAAH/iZk9HQAAAABJRU5ErkJggg=="
)
LOGO: FilePayload = {"name": "logo.png", "mimeType": "image/png", "buffer": PIXEL}
LARGE: FilePayload = {
    "name": "invoice.pdf",
    "mimeType": "application/pdf",
    "buffer": bytes(9 * 1_048_576),
}


def choose(page: Page, *files: FilePayload) -> None:
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Attach files").click()
    chooser.value.set_files(list(files))


def write_html(page: Page, html: str) -> None:
    page.get_by_role("tab", name="HTML").click()
    control(page, "HTML body").fill(html)


def files(page: Page) -> Locator:
    return page.get_by_role("list", name="Attachments").get_by_role("listitem")


@pytest.fixture
def open_page(chromium: Browser) -> Iterator[Page]:
    """A page whose policy may be breached, as an email does that is shown in it."""
    with chromium.new_context(viewport={"width": 1280, "height": 900}) as context:
        yield context.new_page()


def test_html_two_recipients_and_a_file_are_posted_as_they_are(page: Page, api: ScriptedApi):
    api.will_answer(queued(ID))
    visit(page, api)
    fill(page, To_email="Ben <ben@example.com>, cy@example.com", Body="Hello")
    write_html(page, "<p>Hello</p>")
    choose(page, LOGO)
    expect(files(page)).to_contain_text(["logo.png"])

    send(page)

    expect(lines(page)).to_contain_text("ben@example.com and 1 more")
    expect(lines(page)).to_contain_text(ID)
    assert api.asked == [
        {
            "email": {
                "fromName": "Ann",
                "fromEmail": "ann@example.com",
                "to": [{"email": "ben@example.com", "name": "Ben"}, {"email": "cy@example.com"}],
                "subject": "Good morning",
                "body": "Hello",
                "html": "<p>Hello</p>",
                "attachments": [
                    {
                        "filename": "logo.png",
                        "content": base64.b64encode(PIXEL).decode(),
                        "contentType": "image/png",
                    }
                ],
            }
        }
    ]


def test_copies_and_times_are_posted(page: Page, api: ScriptedApi):
    api.will_answer(queued(ID))
    visit(page, api)
    fill(page)
    page.get_by_text("Cc, bcc, reply to").click()
    control(page, "Cc").fill('"Archive, EU" <archive@example.com>')
    control(page, "Bcc").fill("dan@example.com")
    control(page, "Reply to").fill("help@example.com")
    page.get_by_text("Schedule", exact=True).click()
    control(page, "Send at").fill("2026-12-01T09:00")
    control(page, "Expires at").fill("2026-12-02T09:00")
    wall = page.evaluate("['2026-12-01T09:00', '2026-12-02T09:00'].map((t) => new Date(t))")

    send(page)

    expect(lines(page)).to_contain_text(ID)
    sent = api.asked[0]["email"]
    assert sent["cc"] == [{"email": "archive@example.com", "name": "Archive, EU"}]
    assert sent["bcc"] == [{"email": "dan@example.com"}]
    assert sent["replyTo"] == [{"email": "help@example.com"}]
    assert [f"{time:%Y-%m-%dT%H:%M}:00.000Z" for time in wall] == [
        sent["sendAt"],
        sent["expiresAt"],
    ]


def test_chips_are_made_and_removed_by_keyboard(page: Page, api: ScriptedApi):
    visit(page, api)
    to = control(page, "To email")

    to.press_sequentially("a@example.com,b@example.com;nonsense")
    to.press("Enter")
    expect(chips(page, "To email")).to_contain_text(["a@example.com", "b@example.com", "nonsense"])
    expect(page.get_by_text("Not an address? nonsense")).to_be_visible()
    assert api.asked == []
    to.press("Backspace")
    expect(chips(page, "To email")).to_have_count(2)
    expect(page.get_by_text("Removed nonsense")).to_be_attached()
    to.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_role("button", name="Remove a@example.com")).to_be_focused()
    page.keyboard.press("Delete")
    expect(page.get_by_role("button", name="Remove b@example.com")).to_be_focused()
    page.keyboard.press("Delete")

    expect(to).to_be_focused()
    expect(chips(page, "To email")).to_have_count(0)


def test_a_pasted_list_becomes_chips_and_so_does_what_is_left_behind(page: Page, api: ScriptedApi):
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    visit(page, api)
    to = control(page, "To email")
    page.evaluate("navigator.clipboard.writeText('a@example.com\\nB, C <b@example.com>\\n')")

    to.press("Control+v")
    expect(chips(page, "To email")).to_contain_text(["a@example.com", "B, C b@example.com"])
    to.press_sequentially("c@example.com")
    control(page, "Subject").focus()

    expect(chips(page, "To email")).to_have_count(3)


def test_an_error_of_the_second_recipient_is_at_the_second_chip(page: Page, api: ScriptedApi):
    api.will_answer(refused(422, {"to.1.email": WRONG}))
    visit(page, api)
    fill(page, To_email="a@example.com, b@example.com, c@example.com")

    send(page)

    to = control(page, "To email")
    expect(to).to_be_focused()
    expect(to).to_have_attribute("aria-invalid", "true")
    marks = [chip.get_attribute("data-mark") for chip in chips(page, "To email").all()]
    assert marks == [None, "wrong", None]
    removes_b = page.get_by_role("button", name="Remove b@example.com")
    expect(removes_b).to_have_accessible_description(f"b@example.com: {WRONG}")
    removes_b.click()
    expect(to).to_have_attribute("aria-invalid", "false")
    expect(page.get_by_role("alert")).to_have_count(0)


def test_errors_are_brought_into_view_wherever_they_are(page: Page, api: ScriptedApi):
    api.will_answer(
        refused(
            422,
            {
                "bcc.0.email": "Bcc email is not a valid email",
                "html": "Html contains characters outside the allowed set",
                "attachments.0.filename": "Filename is too long",
                "sendAt": "Send at is too far ahead",
            },
        )
    )
    visit(page, api)
    fill(page)
    page.get_by_text("Cc, bcc, reply to").click()
    control(page, "Bcc").fill("x@example.com")
    page.get_by_text("Cc, bcc, reply to").click()
    write_html(page, "<p>")
    page.get_by_role("tab", name="Text").click()
    choose(page, LOGO)

    send(page)

    expect(control(page, "Bcc")).to_be_focused()
    expect(control(page, "HTML body")).to_be_visible()
    expect(files(page)).to_contain_text(["Filename is too long"])
    expect(control(page, "Send at")).to_have_accessible_description("Send at is too far ahead UTC")
    files(page).get_by_role("button", name="Remove").click()
    expect(files(page)).to_have_count(0)


def test_the_preview_runs_no_script_and_loads_nothing(open_page: Page, api: ScriptedApi):
    page = open_page
    # What the policy stops does not come as far as here.
    asked: list[str] = []

    def answer(route: Route) -> None:
        asked.append(route.request.url)
        route.fulfill(body=PIXEL, content_type="image/png")

    page.context.route("**/images.example/**", answer)
    visit(page, api)
    page.evaluate("addEventListener('message', () => { document.title = 'reached' })")

    write_html(
        page,
        "<html><body><p style='color: rgb(1, 2, 3)'>before</p>"
        "<script>document.querySelector('p').textContent = 'after'; "
        "parent.postMessage(1, '*')</script>"
        "<img src='https://images.example/a.png' onerror=\"parent.postMessage(1, '*')\">"
        "<meta http-equiv='refresh' content='0; url=https://images.example/b'>"
        "<form action='https://images.example/c'><button>Go</button></form>"
        "<a href='https://images.example/d'>link</a>"
        "<a href='https://images.example/e' target='_top'>link</a>"
        "<style>@import 'https://images.example/f'; p { font-weight: 900 }</style>"
        "<svg onload=\"parent.postMessage(1, '*')\"></svg>"
        "<iframe src='https://images.example/g'></iframe>"
        "<iframe srcdoc=\"<script>top.postMessage(1, '*')</script>\"></iframe>",
    )
    outer = page.frame_locator("iframe")
    shown = outer.frame_locator("iframe")
    expect(shown.locator("p")).to_have_css("color", "rgb(1, 2, 3)")
    shown.get_by_role("button").click()
    for link in shown.get_by_role("link").all():
        link.click()
    expect(shown.locator("p")).to_have_text("before")

    expect(shown.locator("p")).to_have_css("font-weight", "900")

    assert page.locator("iframe").get_attribute("sandbox") == "allow-scripts"
    assert outer.locator("iframe").get_attribute("sandbox") == ""
    assert page.title() == "gomail"
    assert len(page.context.pages) == 1
    assert asked == []
    page.get_by_label("Load remote images").check()
    expect(shown.locator("img")).to_have_js_property("naturalWidth", 1)
    assert asked == ["https://images.example/a.png"]


def test_an_inline_image_is_named_by_its_cid_and_shown(page: Page, api: ScriptedApi):
    api.will_answer(queued(ID))
    visit(page, api)
    fill(page)
    choose(page, LOGO)

    page.get_by_label("Show inline").check()
    expect(files(page)).to_contain_text(['<img src="cid:logo.png">'])
    write_html(page, '<img alt="" src="cid:logo.png">')
    image = page.frame_locator("iframe").frame_locator("iframe").locator("img")
    expect(image).to_have_js_property("naturalWidth", 1)
    send(page)

    expect(lines(page)).to_contain_text(ID)
    assert api.asked[0]["email"]["attachments"][0]["contentId"] == "logo.png"


def test_files_can_be_dropped_and_are_weighed(page: Page, api: ScriptedApi):
    api.files["/config.json"] = Answer(200, {"maxAttachmentBytes": 1024})
    visit(page, api)
    data = page.evaluate_handle(
        """() => {
          const data = new DataTransfer()
          data.items.add(new File(['x'.repeat(1500)], 'notes.txt', { type: 'text/plain' }))
          return data
        }"""
    )

    page.dispatch_event("form", "drop", {"dataTransfer": data})

    expect(files(page)).to_contain_text(["notes.txt"])
    expect(page.get_by_label("Size of all attachments")).to_have_attribute("value", "1500")
    expect(page.locator(".room")).to_contain_text("1.5 KiB of 1 KiB: 476 B too much")


def test_a_large_upload_tells_how_far_it_is_and_can_be_called_off(page: Page, api: ScriptedApi):
    visit(page, api)
    fill(page)
    choose(page, LARGE)
    expect(files(page)).to_have_count(1)

    api.reading.clear()
    send(page)
    expect(lines(page)).to_contain_text("Uploading…")
    expect(lines(page).get_by_role("progressbar")).to_be_visible()
    page.get_by_role("button", name="Cancel upload").click()
    expect(lines(page)).to_contain_text("Upload canceled. It is not queued, unless")
    api.reading.set()

    api.will_answer(queued(ID))
    send(page)
    expect(lines(page).first).to_contain_text(ID)
    [sent] = api.asked
    assert base64.b64decode(sent["email"]["attachments"][0]["content"]) == LARGE["buffer"]


def test_the_request_is_shown_and_copied_as_a_command(page: Page, api: ScriptedApi):
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    visit(page, api)
    fill(page, Body="It's $HOME")
    choose(page, LOGO, LARGE)

    page.get_by_role("button", name="As cURL").click()
    command = page.get_by_label("Command", exact=True)
    expect(command).to_contain_text(base64.b64encode(PIXEL).decode())
    expect(command).to_contain_text("(base64 of invoice.pdf, 9 MiB, is left out here)")
    page.get_by_role("button", name="Copy command").click()

    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith(f"curl --request POST '{api.address}/email/send'")
    assert "It's $HOME" in copied


def test_a_scheduled_email_is_called_back(page: Page, api: ScriptedApi):
    api.events = None
    scheduled: dict[str, Any] = email(ID, "scheduled", sendAt="2026-12-01T09:00:00.000Z")
    api.emails[ID] = scheduled
    api.will_answer(queued(ID), Answer(200, {"messageId": ID, "status": "canceled"}))
    visit(page, api)
    fill(page)
    send(page)
    expect(lines(page)).to_contain_text("Scheduled for Dec 1, 2026")

    page.get_by_role("button", name=f"Cancel email: {ID}").click()
    expect(lines(page).get_by_text("Canceled")).to_be_visible()
    api.becomes(email(ID, "canceled"))

    expect(lines(page)).to_contain_text("Canceled. It was called back before it was sent.")
    assert api.canceled == [ID]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_narrow_phone_shows_everything_without_scrolling_sideways(
    open_page: Page, api: ScriptedApi, scheme: str
):
    page = open_page
    page.set_viewport_size({"width": 320, "height": 640})
    page.emulate_media(color_scheme=scheme)
    visit(page, api)
    fill(page, To_email=f"{'Name ' * 20}<{'b' * 60}@example.com>, {'x' * 90}, ")
    page.get_by_text("Cc, bcc, reply to").click()
    page.get_by_text("Schedule", exact=True).click()
    choose(page, LOGO | {"name": f"{'n' * 120}.png"}, LARGE)
    page.get_by_label("Show inline").check()
    write_html(page, f"<p>{'wide' * 200}")
    page.get_by_role("button", name="As cURL").click()
    expect(page.get_by_label("Command", exact=True)).to_be_visible()

    assert page.evaluate("document.documentElement.scrollWidth") == 320
