"""The web form in a real browser, over a server whose answers each test gives."""

import re
from threading import Event
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.web.pages import EMAIL, chips, control, fill, lines, send, visit
from tests.web.scripted_api import Answer, HangUp, ScriptedApi, queued, refused

# The first test of a fresh clone may have to install the browser and build the client.
pytestmark = pytest.mark.timeout(900)

REQUIRED = {
    "fromEmail": "From email is required",
    "toEmail": "To email is required",
    "body": "Body is required",
}
ID = "01990a5e-7f3c-7b21-9c55-1f0d5c3f9a10"


def test_an_email_is_posted_and_queued_under_an_id(page: Page, api: ScriptedApi):
    api.will_answer(queued(ID))
    visit(page, api)
    fill(page)

    send(page)

    expect(lines(page)).to_have_count(1)
    expect(lines(page)).to_contain_text("ben@example.com")
    expect(lines(page)).to_contain_text(f"Queued as {ID}")
    expect(lines(page)).not_to_contain_text(re.compile(r"\bsent\b", re.IGNORECASE))
    assert api.asked == [
        {
            "email": {
                "fromName": "Ann",
                "fromEmail": "ann@example.com",
                "toName": "Ben",
                "toEmail": "ben@example.com",
                "subject": "Good morning",
                "body": "Two\nlines",
            }
        }
    ]


def test_optional_fields_left_empty_are_not_posted(page: Page, api: ScriptedApi):
    api.will_answer(queued(ID))
    visit(page, api)
    fill(page, From_name="", To_email="ben@example.com", Subject="")

    send(page)

    expect(lines(page)).to_contain_text(ID)
    assert set(api.asked[0]["email"]) == {"fromEmail", "toEmail", "body"}


def test_all_errors_of_the_server_appear_at_their_fields(page: Page, api: ScriptedApi):
    api.will_answer(refused(422, REQUIRED))
    visit(page, api)

    send(page)

    for label in ("From email", "To email", "Body"):
        expect(control(page, label)).to_have_attribute("aria-invalid", "true")
        expect(control(page, label)).to_have_accessible_description(f"{label} is required")
    expect(control(page, "From email")).to_be_focused()
    expect(control(page, "Subject")).to_have_attribute("aria-invalid", "false")
    expect(page.get_by_role("alert")).to_have_count(0)


def test_the_browser_does_not_judge_before_the_server(page: Page, api: ScriptedApi):
    api.will_answer(refused(422, {"toEmail": "To email is not a valid email"}))
    visit(page, api)
    fill(page, To_email="no address")

    send(page)

    expect(control(page, "To email")).to_be_focused()
    expect(page.get_by_text("To email is not a valid email").first).to_be_visible()
    assert api.asked[0]["email"]["toEmail"] == "no address"


def test_an_error_goes_once_its_field_is_changed(page: Page, api: ScriptedApi):
    api.will_answer(refused(422, REQUIRED))
    visit(page, api)
    send(page)
    expect(control(page, "Body")).to_have_attribute("aria-invalid", "true")

    control(page, "Body").fill("Hello")

    expect(control(page, "Body")).to_have_attribute("aria-invalid", "false")
    expect(control(page, "To email")).to_have_attribute("aria-invalid", "true")


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (
            refused(400, {"base": "Could not decode JSON body"}),
            "Could not decode JSON body",
        ),
        (
            refused(422, {"nickname": "Unknown field"}),
            "nickname: Unknown field",
        ),
        (
            refused(503, {"base": "Service unavailable"}, Retry_After="5"),
            "Service unavailable. Try again in 5 seconds.",
        ),
        (Answer(200, "<!doctype html><p>Hello"), "Set apiBase in config.json"),
        (Answer(502, "<!doctype html><p>Bad gateway"), "Wait a moment, then send again"),
        (HangUp(), "Check your connection and that gomail is running"),
    ],
    ids=["no JSON", "unknown field", "unavailable", "a page", "a gateway", "no answer"],
)
def test_an_error_of_the_whole_is_an_alert_in_view_that_says_what_to_do(
    page: Page, api: ScriptedApi, answer: Answer, sentence: str
):
    api.will_answer(answer)
    page.set_viewport_size({"width": 360, "height": 560})
    visit(page, api)

    send(page)

    expect(page.get_by_role("alert")).to_contain_text(sentence)
    expect(page.get_by_role("alert")).to_be_in_viewport()


def test_the_form_is_kept_after_success_and_after_refusal(page: Page, api: ScriptedApi):
    api.will_answer(queued(ID), refused(422, {"body": "Body is required"}), HangUp())
    visit(page, api)
    fill(page)

    for number in (1, 2, 3):
        send(page)
        expect(lines(page)).to_have_count(number)
        expect(lines(page).first).not_to_contain_text("Queueing")

        for label in EMAIL.keys() - {"To email"}:
            expect(control(page, label)).to_have_value(EMAIL[label])
        expect(chips(page, "To email")).to_contain_text(["Ben ben@example.com"])


def test_two_submits_are_under_way_at_once(page: Page, api: ScriptedApi):
    first, second = Event(), Event()
    api.will_answer(queued("id-one", gate=first), queued("id-two", gate=second))
    visit(page, api)
    fill(page, To_email="one@example.com")
    send(page)
    expect(lines(page)).to_have_count(1)
    fill(page, To_email="two@example.com")
    send(page)
    expect(page.get_by_text("Queueing…")).to_have_count(2)

    second.set()
    expect(lines(page).nth(0)).to_contain_text("Queued as id-two")
    expect(lines(page).nth(1)).to_contain_text("Queueing…")
    first.set()
    expect(lines(page).nth(1)).to_contain_text("Queued as id-one")

    expect(lines(page).nth(0)).to_contain_text("two@example.com")
    expect(lines(page).nth(1)).to_contain_text("one@example.com")


def test_a_late_refusal_of_an_older_submit_leaves_the_form_alone(page: Page, api: ScriptedApi):
    late = Event()
    api.will_answer(Answer(422, {"errors": REQUIRED}, gate=late), queued(ID))
    visit(page, api)
    send(page)
    expect(lines(page)).to_have_count(1)
    fill(page)
    send(page)
    expect(lines(page).first).to_contain_text(ID)

    late.set()

    expect(lines(page).nth(1)).to_contain_text("Body is required")
    expect(page.locator("[aria-invalid=true]")).to_have_count(0)


def test_no_request_goes_to_another_origin(page: Page, api: ScriptedApi):
    asked: list[str] = []
    page.context.on("request", lambda request: asked.append(request.url))
    api.will_answer(queued(ID))
    visit(page, api)
    fill(page)
    send(page)
    expect(lines(page)).to_contain_text(ID)

    origins = {f"{url.scheme}://{url.netloc}" for url in map(urlsplit, asked)}

    assert origins == {api.address}
    assert f"{api.address}/email/send" in asked
    assert f"{api.address}/config.json" in asked


def test_the_keyboard_alone_is_enough(page: Page, api: ScriptedApi):
    api.will_answer(refused(422, {"toEmail": "To email is required"}), queued(ID))
    visit(page, api)
    keyboard = page.keyboard

    # Nothing is typed at what folds the copies, nor at the tabs of the body.
    for text in ("Ann", "ann@example.com", "", "", "Hello", "", "Good morning"):
        keyboard.press("Tab")
        keyboard.type(text)
    keyboard.press("Control+Enter")
    expect(control(page, "To email")).to_be_focused()
    keyboard.type("Ben <ben@example.com>")
    keyboard.press("Enter")
    keyboard.press("Enter")

    expect(lines(page).first).to_contain_text(f"Queued as {ID}")
    assert api.asked[1]["email"] == {
        "fromName": "Ann",
        "fromEmail": "ann@example.com",
        "toName": "Ben",
        "toEmail": "ben@example.com",
        "subject": "Hello",
        "body": "Good morning",
    }


def test_every_control_has_its_name_and_role(page: Page, api: ScriptedApi):
    visit(page, api)

    tree = page.locator("body").aria_snapshot()

    for name in EMAIL:
        assert f'textbox "{name}"' in tree
    assert 'form "New email"' in tree
    assert 'heading "gomail" [level=1]' in tree
    assert 'button "Send email"' in tree
    expect(page.get_by_role("list", name="Submitted")).to_be_attached()


def test_the_id_is_copied(page: Page, api: ScriptedApi):
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    api.will_answer(queued(ID))
    visit(page, api)
    send(page)

    page.get_by_role("button", name=f"Copy id: {ID}").click()

    expect(page.get_by_role("button", name=f"Copied: {ID}")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == ID


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_narrow_phone_scrolls_in_one_direction_only(page: Page, api: ScriptedApi, scheme: str):
    page.set_viewport_size({"width": 320, "height": 640})
    page.emulate_media(color_scheme=scheme)
    api.files["/config.json"] = Answer(200, {"sandboxMailbox": "/mailbox"})
    api.will_answer(refused(422, REQUIRED), refused(400, {"base": "x" * 200}), queued(ID))
    visit(page, api)
    fill(page, To_email=f"{'b' * 60}@example.com", Subject="word" * 40)

    for number in (1, 2, 3):
        send(page)
        expect(lines(page)).to_have_count(number)
        expect(lines(page).first).not_to_contain_text("Queueing")

        assert page.evaluate("document.documentElement.scrollWidth") == 320


def test_an_international_domain_travels_in_its_ascii_form(page: Page, api: ScriptedApi):
    api.will_answer(queued(ID))
    visit(page, api)
    fill(page)
    control(page, "From email").fill("")

    control(page, "From email").press_sequentially("ann@bücher.example")
    send(page)

    expect(lines(page)).to_contain_text(ID)
    assert api.asked[0]["email"]["fromEmail"] == "ann@xn--bcher-kva.example"


def test_a_missing_configuration_means_the_same_origin(page: Page, api: ScriptedApi):
    api.files["/config.json"] = Answer(404, "<p>Not found")
    api.will_answer(queued(ID))
    visit(page, api)

    send(page)

    expect(lines(page)).to_contain_text(ID)


def test_an_unusable_configuration_is_a_sentence(page: Page, api: ScriptedApi):
    api.files["/config.json"] = Answer(200, {"apiBase": 5})

    page.goto(api.address)

    expect(page.get_by_role("alert")).to_contain_text("apiBase in config.json must be")


def test_the_sandbox_is_linked_where_it_is_configured(page: Page, api: ScriptedApi):
    api.files["/config.json"] = Answer(200, {"sandboxMailbox": "http://127.0.0.1:9324/mailbox"})

    visit(page, api)

    expect(
        page.get_by_role("link", name="Sandbox mailbox and fault switches", exact=True)
    ).to_have_attribute("href", "http://127.0.0.1:9324/mailbox")
