"""Every kind of provider in one house of real processes, two of one kind among them."""

from collections import Counter

import pytest

from gomail.provider_settings import KEY_VARIABLES
from tests.e2e.scene import ask

pytestmark = pytest.mark.timeout(120)

HTTP_KINDS = ("sendgrid", "mailgun", "postmark", "resend", "brevo")
KINDS = {"ses-dublin": "ses", "ses-ohio": "ses", "relay": "smtp"} | {one: one for one in HTTP_KINDS}
"""Kind by name."""


@pytest.fixture
def house(scene):
    sandbox, scene.cloud = scene.sandbox()
    smtp_port = int(sandbox.until(r"takes mail by SMTP on \S+:(\d+)"))
    providers = {name: {"kind": name, "base_url": scene.cloud} for name in HTTP_KINDS}
    providers["mailgun"]["domain"] = "example.com"
    scene.settle_down(
        providers=providers
        | {
            "ses-dublin": {"kind": "ses", "endpoint_url": scene.cloud},
            "ses-ohio": {"kind": "ses", "endpoint_url": scene.cloud, "region": "us-east-2"},
            "relay": {
                "kind": "smtp",
                "host": "127.0.0.1",
                "port": smtp_port,
                "security": "none",
                "username": "gomail",
            },
        }
    )
    scene.environment |= dict.fromkeys(KEY_VARIABLES.values(), "test")
    return scene


def send(api, count, **fields):
    """The ids of so many emails."""
    emails = [
        {
            "fromEmail": "shop@example.com",
            "toEmail": f"reader-{number}@example.org",
            "subject": "Your receipt",
            "body": "Thank you.",
        }
        | fields
        for number in range(count)
    ]
    answer = ask("POST", f"{api}/email/batch", {"emails": emails})
    return {one["messageId"] for one in answer["results"]}


def attempted_by(api, ids):
    """Who accepted them, by the ledger."""
    return Counter(ask("GET", f"{api}/email/{one}")["provider"] for one in ids)


def test_an_email_goes_to_the_provider_that_its_sender_names_whatever_its_kind(house):
    api = house.api()
    house.worker()

    ids = {name: send(api, 3, provider={"only": [name]}) for name in KINDS}
    house.until_accepted(set().union(*ids.values()))

    assert house.by_provider() == Counter(dict.fromkeys(KINDS.values(), 3)) + Counter(ses=3)
    assert {name: attempted_by(api, some) for name, some in ids.items()} == {
        name: Counter({name: 3}) for name in KINDS
    }


def test_all_of_them_share_the_mail(house):
    api = house.api()
    house.worker()

    ids = send(api, 80)
    house.until_accepted(ids)

    shares = attempted_by(api, ids)
    assert shares.keys() == KINDS.keys()
    assert all(8 <= share <= 12 for share in shares.values())


def test_one_that_is_left_takes_over_for_all_the_others(house):
    for kind in {*KINDS.values()} - {"smtp"}:
        house.break_(kind, error_rate=1.0, status=503)
    api = house.api()
    house.worker()

    ids = send(api, 60)
    house.until_accepted(ids)

    assert attempted_by(api, ids) == Counter(relay=60)
