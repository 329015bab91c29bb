"""What a dispatch run logs when providers quote what they were given."""

import io
import logging

import pytest

from gomail import logs
from gomail.email import encode
from tests.builders import message, outcome
from tests.flows.fakes import in_turn
from tests.flows.running import ONE, dispatching

pytestmark = pytest.mark.timeout(60)

SECRETS = ("reader.of.mail", "shop-owner", "Words of a private body", "A private subject")


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize("kind", ["refused", "failed", "unknown"])
def test_no_address_and_no_body_is_logged_though_every_provider_quotes_them(world, form, kind):
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setLevel(logging.INFO)
    handler.setFormatter(logs.formatter(form))
    quote = "no mailbox <reader.of.mail@example.org>, said shop-owner@example.com"
    for provider in (world.ses, world.sendgrid):
        provider.script = in_turn(*[outcome(kind, code="550", detail=quote)] * 50)
    email = {
        "to": "reader.of.mail@example.org",
        "from_email": "shop-owner@example.com",
        "subject": "A private subject",
        "body": "Words of a private body",
    }
    for number in range(5):
        world.queue.put(ONE, encode(message(f"m-{number}", **email)))
    world.queue.put(ONE, '{"email": {"toEmail": "reader.of.mail@example.org", "subject": 1}}')
    root = logging.getLogger()
    root.addHandler(handler)
    level = root.level
    root.setLevel(logging.INFO)
    try:
        with dispatching(world) as dispatch:
            dispatch.until(lambda: "no mailbox" in stream.getvalue())
    finally:
        root.removeHandler(handler)
        root.setLevel(level)

    told = stream.getvalue()
    assert "said " in told
    assert "@example.org" in told
    assert [secret for secret in SECRETS if secret in told] == []
