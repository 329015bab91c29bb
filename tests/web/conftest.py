"""A real browser, the built client, and a server with scripted answers."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.web import browser, client_build, scripted_api
from tests.web.scripted_api import ScriptedApi


# Of a module: Playwright keeps an event loop running in this thread, where others want to run one.
@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    try:
        program = browser.chromium()
    except browser.Missing as reason:
        skip_or_fail(reason)
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(
            executable_path=program, args=list(browser.LAUNCH_ARGUMENTS)
        )
        yield running
        running.close()


@pytest.fixture(scope="session")
def client_files() -> Path:
    try:
        return client_build.built()
    except client_build.NotBuildable as reason:
        skip_or_fail(reason)


@pytest.fixture
def api(client_files: Path) -> Iterator[ScriptedApi]:
    with scripted_api.serving(client_files) as served:
        yield served


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """A page of a fresh browser; a script's error or a breach of the policy fails its test."""
    with chromium.new_context(viewport={"width": 1280, "height": 900}) as context:
        opened = context.new_page()
        faults: list[str] = []
        opened.on("pageerror", lambda error: faults.append(str(error)))
        opened.on(
            "console",
            lambda message: (
                faults.append(message.text) if "Content Security Policy" in message.text else None
            ),
        )
        yield opened
        assert faults == []


def skip_or_fail(reason: Exception) -> NoReturn:
    """What is missing is skipped on a desk and fails in CI."""
    if os.environ.get("CI"):
        pytest.fail(str(reason))
    pytest.skip(str(reason))
