"""The endpoints of Mailgun, called as Mailgun's clients call them, and by gomail's own."""

import asyncio

import pytest
from pydantic import SecretStr

from gomail.http import AiohttpTransport
from gomail.outcome import OutcomeClass
from gomail.providers.mailgun import mailgun
from tests.providers.case import ID, message

PATH = "/v3/mg.example.com/messages"


@pytest.fixture
def post(http):
    """Send through the endpoint; keyword arguments replace fields of the form."""

    def post(*, key="k", files=(), **fields):
        form = {"from": "Shop <a@example.org>", "to": ["b@example.org"], "subject": "Hello"}
        form |= {"text": "Body", "v:gomail-id": "m-1"} | fields
        parts = [
            (name, (None, one))
            for name, value in form.items()
            for one in (value if isinstance(value, list) else [value])
        ]
        return http.post(PATH, files=[*parts, *files], auth=("api", key) if key else None)

    return post


def emails(http):
    return http.get("/mailbox").json()["emails"]


def test_mailgun_accepts_a_form_with_an_id(post, http):
    answer = post(to=["b@example.org", "Cee <c@example.org>"], **{"o:tag": ["x", "y"]})

    (email,) = emails(http)
    assert answer.status_code == 200
    assert answer.json() == {"id": email["provider_id"], "message": "Queued. Thank you."}
    assert (email["provider"], email["id"], email["text"]) == ("mailgun", "m-1", "Body")
    assert (email["from"], email["to"]) == (
        "Shop <a@example.org>",
        ["b@example.org", "Cee <c@example.org>"],
    )
    assert email["tags"] == ["x", "y"]
    assert 'name="subject"' in email["payload"]


def test_mailgun_shows_an_inline_file_under_its_name(post, http):
    post(files=[("inline", ("logo.png", b"\x89PNG\r\n--x", "image/png"))])

    ((file,),) = [email["attachments"] for email in emails(http)]
    assert (file["filename"], file["content_id"], file["inline"]) == ("logo.png", "logo.png", True)
    assert http.get(file["url"]).content == b"\x89PNG\r\n--x"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"from": ""}, "from parameter is missing"),
        ({"to": ""}, "to parameter is missing"),
        ({"to": "nobody"}, "to parameter is not a valid address"),
        ({"text": ""}, "Need at least one of"),
        ({"h:X-Long": "v" * 16_000}, "limited to 16 kB"),
        ({"o:tag": [str(n) for n in range(11)]}, "at most 10 tags"),
    ],
)
def test_mailgun_says_what_is_wrong_with_a_form(post, http, fields, words):
    answer = post(**fields)

    assert answer.status_code == 400
    assert words in answer.json()["message"]
    assert emails(http) == []


@pytest.mark.parametrize("key", ["", "bad"])
def test_mailgun_refuses_a_missing_and_a_bad_key(post, http, key):
    assert post(key=key).status_code == 401
    assert http.get("/v3/domains/mg.example.com", auth=("api", key)).status_code == 401


@pytest.mark.parametrize("body", [b"", b"--", b"{}", b"\xff", b"--x\r\n\r\n--x--\r\n", b"--x--"])
def test_no_form_breaks_mailguns_endpoint(http, body):
    assert http.post(PATH, content=body, auth=("api", "k")).status_code == 400


def test_mailgun_has_faults_and_counts_like_the_others(post, http):
    http.put("/faults/mailgun", json={"error_rate": 0.5, "status": 503})

    assert [post().status_code for _ in range(4)] == [200, 503, 200, 503]
    calls = http.get("/calls").json()["mailgun"]
    assert (calls["calls"], calls["accepted"], calls["failed"]) == (4, 2, {"503": 2})


def test_a_domain_is_active_until_a_fault_names_another_state(http):
    def state():
        answer = http.get("/v3/domains/mg.example.com", auth=("api", "k"))
        return answer.json()["domain"]["state"]

    assert state() == "active"

    text = "Domain mg.example.com is not allowed to send: The domain is unverified"
    http.put("/faults/mailgun", json={"error_rate": 1, "status": 403, "error_message": text})

    assert state() == "unverified"


def test_gomail_sends_and_checks_by_this_endpoint(url, http):
    async def session():
        transport = AiohttpTransport()
        key = SecretStr("k")
        provider = mailgun(
            "mailgun", base_url=url, domain="mg.example.com", key=key, transport=transport
        )
        try:
            return await provider.send(message(), timeout=10), await provider.check()
        finally:
            await transport.close()

    outcome, findings = asyncio.run(session())

    (email,) = emails(http)
    assert (outcome.kind, outcome.provider_id) == (OutcomeClass.ACCEPTED, email["provider_id"])
    assert (email["id"], email["headers"]) == (ID, [{"name": "X-Gomail-Id", "value": ID}])
    assert [finding.text for finding in findings] == ["the domain is verified and active"]
