"""What a person does on the page, and where things are on it."""

from playwright.sync_api import Locator, Page, expect

from tests.web.scripted_api import ScriptedApi

EMAIL = {
    "From name": "Ann",
    "From email": "ann@example.com",
    "To email": "Ben <ben@example.com>",
    "Subject": "Good morning",
    "Body": "Two\nlines",
}

RECIPIENTS = ("To email", "Cc", "Bcc", "Reply to")


def visit(page: Page, api: ScriptedApi) -> None:
    page.goto(api.address)
    expect(page.get_by_role("heading", name="gomail")).to_be_visible()


def control(page: Page, label: str) -> Locator:
    return page.get_by_label(label, exact=True)


def fill(page: Page, **changes: str) -> None:
    for label, value in (EMAIL | {key.replace("_", " "): v for key, v in changes.items()}).items():
        if label in RECIPIENTS:
            forget(page, label)
        control(page, label).fill(value)


def chips(page: Page, label: str) -> Locator:
    """The recipients that are done."""
    return page.get_by_role("list", name=f"{label}: recipients", exact=True).get_by_role("listitem")


def forget(page: Page, label: str) -> None:
    """No recipients any more."""
    for _ in range(chips(page, label).count()):
        control(page, label).fill("")
        control(page, label).press("Backspace")


def send(page: Page) -> None:
    page.get_by_role("button", name="Send email").click()


def lines(page: Page) -> Locator:
    return page.get_by_role("list", name="Submitted").locator("> li")
