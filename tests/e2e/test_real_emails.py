"""Real emails through real processes: an invoice too large for a queue, and a schedule."""

import base64
import hashlib
import json
import random
import time
from collections import Counter
from datetime import UTC, datetime
from urllib.request import urlopen

import pytest

from tests.e2e.scene import ask, eventually

pytestmark = pytest.mark.timeout(180)

INVOICE = random.Random(7).randbytes(7 * 1_048_576)
LOGO = random.Random(8).randbytes(20_000)


def file(filename, data, **more):
    return {"filename": filename, "content": base64.b64encode(data).decode()} | more


def invoice(to):
    """An invoice with an inline logo to three recipients."""
    return {
        "fromEmail": "billing@example.com",
        "fromName": "Jörg Müller",
        "to": [{"email": to, "name": "Ada"}, {"email": f"two-{to}"}],
        "cc": [{"email": f"three-{to}", "name": "Archive, EU"}],
        "subject": "Your invoice – November",
        "text": "See the attached invoice.",
        "html": '<img src="cid:logo"> See the attached invoice.',
        "attachments": [
            file("invoice.pdf", INVOICE, contentType="application/pdf"),
            file("logo.png", LOGO, contentType="image/png", contentId="logo"),
        ],
    }


def with_payloads(scene, **settings):
    payloads = {"bucket": "emails", "endpoint_url": f"{scene.cloud}/s3"}
    scene.settle_down(payloads=payloads, **settings)


@pytest.fixture
def house(scene):
    _, scene.cloud = scene.sandbox()
    with_payloads(scene)
    return scene


def objects(house):
    """The answer of the bucket's list."""
    with urlopen(f"{house.cloud}/s3/emails?list-type=2") as answer:
        return answer.read()


def whole(house, id_):
    """An email in the mailbox with everything that came with it."""
    emails = ask("GET", f"{house.cloud}/mailbox?limit=10")["emails"]
    return next(email for email in emails if email["id"] == id_)


@pytest.mark.parametrize("provider", ["ses", "sendgrid"])
def test_an_invoice_of_7_mb_arrives_byte_by_byte_through_either_provider(house, provider):
    other = {"ses": "sendgrid", "sendgrid": "ses"}[provider]
    house.break_(other, error_rate=1.0, status=503)
    api = house.api()
    house.worker()

    sent = ask("POST", f"{api}/email/send", {"email": invoice("ada@example.org")})["messageId"]
    house.until_accepted({sent})

    email = whole(house, sent)
    assert house.by_provider() == Counter({provider: 1})
    arrived = {one["filename"]: one for one in email["attachments"]}
    assert arrived["invoice.pdf"]["sha256"] == hashlib.sha256(INVOICE).hexdigest()
    assert arrived["logo.png"]["sha256"] == hashlib.sha256(LOGO).hexdigest()
    assert arrived["logo.png"]["content_id"] == "logo"
    assert arrived["logo.png"]["inline"]
    with urlopen(house.cloud + arrived["invoice.pdf"]["url"]) as answer:
        assert answer.read() == INVOICE
    everybody = json.dumps([email["to"], email["cc"]])
    assert all(f"{who}ada@example.org" in everybody for who in ("", "two-", "three-"))
    assert "See the attached invoice." in json.dumps(email)
    # What lay in the store while it was under way is gone again.
    eventually(lambda: b"<Key>" not in objects(house), house.state)


def test_an_email_whose_payload_is_gone_is_a_dead_letter_with_the_reason(house):
    api = house.api()
    sent = ask("POST", f"{api}/email/send", {"email": invoice("ada@example.org")})["messageId"]
    removal = f"{house.cloud}/s3/emails/gomail/{sent}"
    ask("DELETE", removal)

    house.worker()

    eventually(lambda: house.depths()["dead"] == 1, house.state)
    record = eventually(lambda: ended(api, sent), house.state)
    assert "payload is missing" in record["detail"]


def ended(api, id_):
    record = ask("GET", f"{api}/email/{id_}")
    return record if record["status"] in {"failed", "refused"} else None


def soon(seconds):
    return datetime.fromtimestamp(time.time() + seconds, UTC).isoformat()


def plain(**more):
    return {"fromEmail": "shop@example.com", "toEmail": "ada@example.org", "body": "Hi."} | more


def test_an_email_is_sent_at_its_time_and_not_before(house):
    api = house.api()
    house.worker()
    due = time.time() + 2

    sent = ask("POST", f"{api}/email/send", {"email": plain(sendAt=soon(2))})["messageId"]
    assert ask("GET", f"{api}/email/{sent}")["status"] == "scheduled"
    eventually(lambda: house.accepted()[sent], house.state)

    assert time.time() >= due


def test_a_scheduled_email_that_was_called_back_is_not_sent(house):
    api = house.api()
    soon_id, far_id = (
        ask("POST", f"{api}/email/send", {"email": plain(sendAt=soon(seconds))})["messageId"]
        for seconds in (1, 86_400)
    )
    for id_ in (soon_id, far_id):
        assert ask("POST", f"{api}/email/{id_}/cancel")["status"] == "canceled"

    house.worker()

    eventually(lambda: not any(house.depths().values()), house.state)
    assert house.accepted() == {}
    assert ask("GET", f"{api}/email/{far_id}")["status"] == "canceled"


def test_an_email_that_comes_too_late_is_a_dead_letter_and_says_so(house):
    api = house.api()
    over = time.time() + 0.5
    sent = ask("POST", f"{api}/email/send", {"email": plain(expiresAt=soon(0.5))})["messageId"]
    eventually(lambda: time.time() > over + 0.1, house.state)

    house.worker()

    eventually(lambda: house.depths()["dead"] == 1, house.state)
    eventually(lambda: ask("GET", f"{api}/email/{sent}")["status"] == "expired", house.state)
