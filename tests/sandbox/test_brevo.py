"""The endpoints of Brevo, called as Brevo's clients call them, and by gomail's own."""

import asyncio

import pytest
from pydantic import SecretStr

from gomail.http import AiohttpTransport
from gomail.outcome import OutcomeClass
from gomail.providers.brevo import brevo
from tests.providers.case import ID, message

PATH = "/v3/smtp/email"


@pytest.fixture
def post(http):
    """Send through the endpoint; keyword arguments replace parts of the request."""

    def post(*, key="k", **parts):
        request = {
            "sender": {"email": "a@example.org", "name": "Shop"},
            "to": [{"email": "b@example.org"}],
            "subject": "Hello",
            "textContent": "Body",
            "headers": {"X-Gomail-Id": "m-1"},
        }
        return http.post(PATH, json=request | parts, headers={"api-key": key} if key else {})

    return post


def emails(http):
    return http.get("/mailbox").json()["emails"]


def test_brevo_accepts_with_201_and_an_id(post, http):
    answer = post(tags=["x"], attachment=[{"name": "a.txt", "content": "aGk="}])

    (email,) = emails(http)
    assert (answer.status_code, answer.json()) == (201, {"messageId": email["provider_id"]})
    assert (email["provider"], email["id"], email["text"]) == ("brevo", "m-1", "Body")
    assert (email["from"], email["to"]) == ("Shop <a@example.org>", ["b@example.org"])
    assert (email["tags"], [file["filename"] for file in email["attachments"]]) == (
        ["x"],
        ["a.txt"],
    )


@pytest.mark.parametrize(
    ("parts", "code"),
    [
        ({"sender": None}, "missing_parameter"),
        ({"to": []}, "missing_parameter"),
        ({"to": [{"email": "nobody"}]}, "invalid_parameter"),
        ({"to": [{"email": "b@example.org", "name": "n" * 71}]}, "invalid_parameter"),
        ({"subject": ""}, "missing_parameter"),
        ({"textContent": ""}, "missing_parameter"),
        ({"headers": {"X-A": 7}}, "invalid_parameter"),
        ({"tags": "x"}, "invalid_parameter"),
        ({"attachment": [{"name": "a.exe", "content": "aGk="}]}, "invalid_parameter"),
        ({"attachment": [{"name": "a.txt", "content": "?"}]}, "invalid_parameter"),
    ],
)
def test_brevo_refuses_with_a_code(post, http, parts, code):
    answer = post(**parts)

    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert emails(http) == []


@pytest.mark.parametrize("key", ["", "bad"])
def test_brevo_refuses_a_missing_and_a_bad_key(post, http, key):
    assert post(key=key).json()["code"] == "unauthorized"
    assert http.get("/v3/account", headers={"api-key": key}).status_code == 401


@pytest.mark.parametrize("body", [b"", b"[]", b"7", b"\xff", b'{"to": 7}', b'{"a":'])
def test_no_body_breaks_brevos_endpoint(http, body):
    assert http.post(PATH, content=body, headers={"api-key": "k"}).status_code == 400


def test_brevo_has_faults_and_says_how_long_to_wait(post, http):
    http.put("/faults/brevo", json={"rate_limit": 0})

    answer = post()

    assert (answer.status_code, answer.headers["x-sib-ratelimit-reset"]) == (429, "1")
    assert http.get("/calls").json()["brevo"]["failed"] == {"429": 1}


def test_an_account_shows_that_its_credits_are_used_up(http):
    def left():
        plans = http.get("/v3/account", headers={"api-key": "k"}).json()["plan"]
        return plans[0]["credits"]

    assert left() == 300

    http.put("/faults/brevo", json={"error_rate": 1, "status": 402})

    assert left() == 0


def test_gomail_sends_and_checks_by_this_endpoint(url, http):
    async def session():
        transport = AiohttpTransport()
        provider = brevo("brevo", base_url=url, key=SecretStr("k"), transport=transport)
        try:
            return await provider.send(message(), timeout=10), await provider.check()
        finally:
            await transport.close()

    sent, findings = asyncio.run(session())

    (email,) = emails(http)
    assert sent.kind is OutcomeClass.ACCEPTED
    assert (email["id"], email["headers"]) == (ID, [{"name": "X-Gomail-Id", "value": ID}])
    assert [finding.text for finding in findings] == [
        "the account may send",
        "300 emails are left of the plan",
    ]
