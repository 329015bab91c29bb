"""Postmark's endpoint, called as its clients call it and by gomail's own provider, and faults."""

import asyncio
import base64

import httpx2
import pytest
from pydantic import SecretStr

from gomail.http import AiohttpTransport
from gomail.outcome import OutcomeClass
from gomail.providers import Level
from gomail.providers.postmark import postmark
from tests.providers.case import ID, message


@pytest.fixture
def send(http):
    """Send through the endpoint; keyword arguments replace parts of the request."""

    def send(id_="m-1", *, token="a-token", **parts):
        request = {
            "From": "Shop <from@example.org>",
            "To": "to@example.org",
            "Subject": "Hello",
            "TextBody": "Body",
            "Metadata": {"gomail-id": id_},
            "MessageStream": "outbound",
        }
        headers = {"X-Postmark-Server-Token": token} if token else {}
        return http.post("/email", json=request | parts, headers=headers)

    return send


@pytest.fixture
def emails(http):
    return lambda: http.get("/mailbox").json()["emails"]


def test_an_email_is_accepted_and_in_the_mailbox(send, emails):
    answer = send("m-7")

    said = answer.json()
    (email,) = emails()
    assert (answer.status_code, said["ErrorCode"], said["Message"]) == (200, 0, "OK")
    assert email["provider_id"] == said["MessageID"]
    assert (email["provider"], email["id"], email["text"]) == ("postmark", "m-7", "Body")
    assert email["from"] == "Shop <from@example.org>"


def test_names_with_commas_are_no_more_recipients(send, emails):
    send(To='"Doe, Jane" <jane@example.org>, =?utf-8?b?SsO2cmc=?= <joerg@example.org>')

    assert emails()[0]["to"] == ["Doe, Jane <jane@example.org>", "Jörg <joerg@example.org>"]


def test_files_tags_and_headers_are_shown(send, emails):
    file = {"Name": "a.png", "ContentType": "image/png", "Content": "iVBORw0KGgo="}
    headers = [{"Name": "X-Order", "Value": "7"}, {"Name": "X-Gomail-Tags", "Value": "a, b"}]

    send(Attachments=[file | {"ContentID": "cid:logo"}, file], Headers=headers, Tag="a")

    (email,) = emails()
    inline, plain = email["attachments"]
    assert (inline["content_id"], inline["inline"]) == ("logo", True)
    assert (plain["content_id"], plain["inline"], plain["size"]) == (None, False, 8)
    assert email["headers"] == [{"name": "X-Order", "value": "7"}]
    assert email["tags"] == ["a", "b"]


def test_one_tag_is_the_tag(send, emails):
    send(Tag="receipt")

    assert emails()[0]["tags"] == ["receipt"]


@pytest.mark.parametrize(
    ("parts", "code"),
    [
        ({"From": "nobody"}, 300),
        ({"From": "a@example.org, b@example.org"}, 300),
        ({"To": ""}, 300),
        ({"To": ", ".join(f"r{n}@example.org" for n in range(51))}, 300),
        ({"TextBody": "", "HtmlBody": None}, 300),
        ({"Subject": 7}, 403),
        ({"Headers": [{"Name": "X-Odd", "Value": "é"}]}, 300),
        ({"Headers": {"X-Odd": "1"}}, 403),
        ({"Metadata": {"x" * 21: "1"}}, 300),
        ({"Metadata": {"order": "x" * 81}}, 300),
        ({"Metadata": {"order": 7}}, 403),
        ({"Attachments": [{"Name": "a.exe", "ContentType": "a/b", "Content": ""}]}, 411),
        ({"Attachments": [{"Name": "a.pdf", "ContentType": "a/b", "Content": "#"}]}, 300),
        ({"Attachments": [{"ContentType": "a/b", "Content": ""}]}, 300),
    ],
)
def test_a_request_that_is_not_as_it_must_be_is_refused(send, emails, parts, code):
    answer = send(**parts)

    assert (answer.status_code, answer.json()["ErrorCode"]) == (422, code)
    assert emails() == []


@pytest.mark.parametrize(("body", "code"), [(b"{", 402), (b"[]", 403)])
def test_what_is_no_json_object_is_refused(http, body, code):
    answer = http.post("/email", content=body, headers={"X-Postmark-Server-Token": "a-token"})

    assert (answer.status_code, answer.json()["ErrorCode"]) == (422, code)


def test_more_than_ten_megabytes_are_too_large(send):
    content = base64.b64encode(bytes(7_500_001)).decode()

    answer = send(Attachments=[{"Name": "a", "ContentType": "a/b", "Content": content}])

    assert answer.status_code == 413


@pytest.mark.parametrize("token", ["", "bad"])
def test_without_a_good_token_nothing_goes(send, http, token):
    assert (send(token=token).status_code, send(token=token).json()["ErrorCode"]) == (401, 10)
    assert http.get("/server", headers={"X-Postmark-Server-Token": token}).status_code == 401


def test_the_server_is_a_live_one(http):
    answer = http.get("/server", headers={"X-Postmark-Server-Token": "a-token"})

    assert answer.json()["DeliveryType"] == "Live"


@pytest.mark.parametrize(
    ("switches", "status", "said"),
    [
        ({"status": 503}, 503, 100),
        ({"status": 401}, 401, 10),
        ({"status": 422, "error_code": "413", "error_message": "May not send."}, 422, 413),
        ({"status": 500}, 500, None),
    ],
)
def test_an_error_is_as_postmark_writes_it(http, send, switches, status, said):
    http.put("/faults/postmark", json={"error_rate": 1} | switches)

    answer = send()

    assert (answer.status_code, answer.json().get("ErrorCode")) == (status, said)


def test_calls_are_counted_and_an_email_can_be_refused(http, send):
    http.put("/faults/postmark", json={"refuse_ids": ["m-2"], "rate_limit": 2})

    assert [send(f"m-{n}").status_code for n in (1, 2, 3)] == [200, 422, 429]
    assert http.get("/calls").json()["postmark"]["accepted"] == 1


def test_an_answer_can_be_lost_or_garbled(http, send, emails):
    http.put("/faults/postmark", json={"garbage_rate": 1})
    assert send().content == b'{"MessageI'
    http.put("/faults/postmark", json={"accept_then_reset_rate": 1})
    with pytest.raises(httpx2.TransportError):
        send()
    assert len(emails()) == 2


@pytest.fixture
def gomail(url):
    """One send and one check by gomail's own provider."""

    async def session(token):
        transport = AiohttpTransport()
        provider = postmark(
            "postmark",
            base_url=url,
            key=SecretStr(token),
            message_stream="outbound",
            transport=transport,
        )
        try:
            return await provider.send(message(), timeout=10), await provider.check()
        finally:
            await transport.close()

    return lambda token="a-token": asyncio.run(session(token))


def test_gomail_sends_and_checks_by_this_endpoint(gomail, emails):
    outcome, (finding,) = gomail()

    (email,) = emails()
    assert (outcome.kind, outcome.provider_id) == (OutcomeClass.ACCEPTED, email["provider_id"])
    assert (email["id"], email["to"]) == (ID, ["A Reader <reader@example.org>"])
    assert finding.level is Level.OK


def test_gomail_sees_a_bad_token_and_a_blocked_account(http, gomail):
    bad, (known_bad,) = gomail("bad")
    http.put("/faults/postmark", json={"error_rate": 1, "status": 422, "error_code": "413"})
    blocked, (known_blocked,) = gomail()

    assert (bad.account_fault, blocked.account_fault) == (True, True)
    assert (known_bad.level, known_blocked.level) == (Level.BAD, Level.BAD)
    assert (known_bad.mend, known_blocked.mend) == (bad.mend, blocked.mend)
