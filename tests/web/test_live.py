"""The form follows what becomes of each email, in a real browser over scripted events."""

import time
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.web.emails import attempt, email
from tests.web.pages import fill, lines, send, visit
from tests.web.scripted_api import ScriptedApi, queued, refused

pytestmark = pytest.mark.timeout(900)

ID = "01990a5e-7f3c-7b21-9c55-1f0d5c3f9a10"
PATIENCE_SECONDS = 20


def eventually(page: Page, question: Callable[[], bool]) -> None:
    """Wait until it is so; the page goes on meanwhile."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not question():
        assert time.monotonic() < deadline
        page.wait_for_timeout(20)


def submit(page: Page, api: ScriptedApi, *ids: str) -> None:
    """Send an email under each id, and wait until one stream tells of those that have not ended."""
    for number, email_id in enumerate(ids, start=lines(page).count() + 1):
        api.emails.setdefault(email_id, email(email_id, "queued"))
        api.will_answer(queued(email_id))
        fill(page, To_email=f"{email_id[:8]}@example.com")
        send(page)
        expect(lines(page)).to_have_count(number)
        expect(lines(page).first).to_contain_text(email_id)


def followed(page: Page, api: ScriptedApi, *ids: str) -> None:
    """Wait until exactly one stream is open, and tells of these."""
    eventually(page, lambda: [stream.ids for stream in api.open_streams()] == [list(ids)])


@pytest.fixture
def live(page: Page, api: ScriptedApi) -> ScriptedApi:
    """The page, over an API that tells events."""
    api.events = None
    visit(page, api)
    return api


def test_an_email_is_followed_to_the_provider_that_accepts_it(page: Page, live: ScriptedApi):
    submit(page, live, ID)
    followed(page, live, ID)
    line = lines(page).first
    expect(line).to_contain_text(f"Queued as {ID}")

    live.becomes(email(ID, "sending", attempt(None)))
    expect(line).to_contain_text("Sending through SES")
    live.becomes(email(ID, "sent", attempt("accepted")))
    expect(line).to_contain_text("Sent via SES")

    expect(line).to_contain_text(ID)
    expect(line).not_to_contain_text("elivered")
    eventually(page, lambda: not live.open_streams())


def test_a_retry_says_why_and_unfolds_its_tries_by_keyboard(page: Page, live: ScriptedApi):
    submit(page, live, ID)
    followed(page, live, ID)
    failures = (
        attempt("failed", code="500", message="<b>Internal</b> error"),
        attempt("unknown", provider="sendgrid", code="no-answer", message="no answer in time"),
    )
    line = lines(page).first

    live.becomes(email(ID, "retrying", *failures[:1]))
    expect(line).to_contain_text("Trying again. SES has a failure of its own.")
    live.becomes(email(ID, "unknown", *failures))
    expect(line).to_contain_text("May have been sent. The email was handed to SendGrid")
    line.locator("summary").press("Enter")

    tries = line.locator("details").get_by_role("listitem")
    expect(tries).to_have_count(2)
    expect(tries.first).to_contain_text("500 <b>Internal</b> error")
    live.becomes(
        email(ID, "sent", *failures, attempt("accepted", possibleDuplicate=True)),
        possibleDuplicate=True,
    )
    expect(line).to_contain_text("It may have been sent twice")
    expect(tries).to_have_count(3)
    expect(tries.nth(2)).to_contain_text("Possibly sent twice")


@pytest.mark.parametrize(
    ("code", "status", "words"),
    [
        ("MessageRejected", "refused", "Refused. SES rejected the content of the email."),
        ("not-sent", "failed", "Given up after 24 hours. SES could not be reached."),
    ],
)
def test_the_end_without_a_provider_says_why(
    page: Page, live: ScriptedApi, code: str, status: str, words: str
):
    submit(page, live, ID)
    followed(page, live, ID)
    outcome = "refused" if status == "refused" else "failed"

    live.becomes(
        email(ID, status, attempt(outcome, code=code), updatedAt="2026-02-01T12:00:00.000Z"),
        number=0,
    )

    expect(lines(page).first).to_contain_text(words)
    eventually(page, lambda: not live.open_streams())


def test_several_submits_share_one_stream(page: Page, live: ScriptedApi):
    submit(page, live, "one-1111", "two-2222", "three-33")
    followed(page, live, "one-1111", "two-2222", "three-33")

    live.becomes(email("two-2222", "sent", attempt("accepted", provider="sendgrid")))
    expect(lines(page).nth(1)).to_contain_text("Sent via SendGrid")
    expect(lines(page).nth(0)).to_contain_text("Queued as three-33")
    expect(lines(page).nth(2)).to_contain_text("Queued as one-1111")
    submit(page, live, "four-444")

    followed(page, live, "one-1111", "three-33", "four-444")


def test_a_broken_stream_is_resumed_and_nothing_is_missed(page: Page, live: ScriptedApi):
    submit(page, live, ID)
    followed(page, live, ID)
    live.becomes(email(ID, "retrying", attempt("throttled", code="429")))
    expect(lines(page).first).to_contain_text("too many emails at once")

    broken = live.open_streams()[0]
    broken.hang_up()
    eventually(page, broken.ended.is_set)
    live.becomes(email(ID, "sent", attempt("throttled"), attempt("accepted")))

    expect(lines(page).first).to_contain_text("Sent via SES")
    assert live.streams[-1].after == "1"


@pytest.mark.parametrize(
    ("answer", "note"),
    [
        (refused(403, {"base": "Only clients on this machine may read this"}), "Only clients on"),
        (refused(503, {"base": "No ledger is configured; set ledger.url"}), "No ledger is"),
        (refused(404, {"base": "Not Found"}), "this server has none"),
        (refused(503, {"base": "Service unavailable"}, Retry_After="60"), "not available just now"),
    ],
    ids=["not here", "no ledger", "an older API", "too many readers"],
)
def test_without_live_status_the_line_stays_queued_and_says_why(
    page: Page, api: ScriptedApi, answer: object, note: str
):
    api.events = answer
    visit(page, api)

    submit(page, api, ID)

    expect(lines(page).first).to_contain_text(f"Queued as {ID}")
    expect(lines(page).first).to_contain_text(note)


def test_live_status_comes_back_by_itself(page: Page, api: ScriptedApi):
    api.events = refused(503, {"base": "The ledger is not available just now"}, Retry_After="1")
    visit(page, api)
    submit(page, api, ID)
    expect(lines(page).first).to_contain_text("Live status is not available just now")

    api.becomes(email(ID, "sent", attempt("accepted")))
    api.events = None

    expect(lines(page).first).to_contain_text("Sent via SES")
    expect(lines(page).first).not_to_contain_text("not available")


def test_a_screen_reader_hears_changes_of_state_only(page: Page, live: ScriptedApi):
    submit(page, live, ID)
    followed(page, live, ID)
    region = lines(page).locator("[aria-live]")
    expect(region).to_have_count(1)
    expect(region).to_have_attribute("aria-live", "polite")
    page.evaluate(
        """() => {
          window.heard = []
          const region = document.querySelector('.line [aria-live]')
          new MutationObserver(() => window.heard.push(region.textContent)).observe(
            region, { childList: true, characterData: true, subtree: true })
        }"""
    )

    live.becomes(email(ID, "sending", attempt(None)))
    expect(region).to_contain_text("Sending")
    live.becomes(email(ID, "retrying", attempt("failed", code="500", message="no")))
    expect(lines(page).first.locator("details")).to_contain_text("500 no")
    live.becomes(email(ID, "sent", attempt("failed", code="500"), attempt("accepted")))
    expect(region).to_contain_text("Sent via SES")
    eventually(page, lambda: not live.open_streams())

    said = [text.partition(": ")[2] for text in page.evaluate("window.heard")]
    assert said == [
        "Sending through SES",
        "Trying again. SES has a failure of its own.",
        "Sent via SES. SES accepted it and takes it from here.",
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_narrow_phone_shows_every_state_without_scrolling_sideways(
    page: Page, api: ScriptedApi, scheme: str
):
    page.set_viewport_size({"width": 320, "height": 640})
    page.emulate_media(color_scheme=scheme)
    api.events = None
    visit(page, api)
    submit(page, api, ID)
    followed(page, api, ID)

    api.becomes(
        email(
            ID,
            "retrying",
            attempt("failed", code="C" * 80, message="m" * 300, provider="p" * 60),
            attempt("unknown", code="no-answer", durationMs=10_000, possibleDuplicate=True),
        )
    )
    expect(lines(page).first).to_contain_text("Trying again")
    lines(page).first.locator("summary").click()

    assert page.evaluate("document.documentElement.scrollWidth") == 320
