"""A person's way through everything: the form, the API, a worker, a provider's mailbox."""

import re

import pytest
from playwright.sync_api import expect

from tests.e2e.scene import SHORT

pytestmark = pytest.mark.timeout(900)  # a fresh clone may have to install the browser first


def test_an_email_from_the_form_is_in_the_mailbox_under_the_id_that_the_form_shows(
    scene, client_files, page
):
    _, scene.cloud = scene.sandbox()
    scene.settle_down(dispatch=SHORT, ingest={"web_client": str(client_files)})
    page.goto(scene.api())
    scene.worker()
    for label, text in {
        "From email": "ann@example.com",
        "To email": "ben@example.com",
        "Subject": "Good morning",
        "Body": "Two\nlines",
    }.items():
        page.get_by_label(label, exact=True).fill(text)

    page.get_by_role("button", name="Send email").click()

    submitted = page.get_by_role("list", name="Submitted").locator("> li")
    expect(submitted).to_contain_text(re.compile("[0-9a-f-]{36}"))
    [id_] = re.findall("[0-9a-f-]{36}", submitted.inner_text())
    scene.until_accepted({id_})
    assert scene.accepted() == {id_: 1}
