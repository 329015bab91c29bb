"""Resend's endpoint, called as its clients call it and by gomail's own provider, and faults."""

import asyncio
import base64

import httpx2
import pytest
from pydantic import SecretStr

from gomail.http import AiohttpTransport
from gomail.outcome import OutcomeClass
from gomail.providers import Level
from gomail.providers.resend import resend
from tests.providers.case import ID, message


@pytest.fixture
def send(http):
    """Send through the endpoint; keyword arguments replace parts of the request."""

    def send(id_="m-1", *, key="re_key", once=None, **parts):
        request = {
            "from": "Shop <from@example.org>",
            "to": ["to@example.org"],
            "subject": "Hello",
            "text": "Body",
            "tags": [{"name": "gomail-id", "value": id_}],
        }
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        if once is not None:
            headers["Idempotency-Key"] = once
        return http.post("/emails", json=request | parts, headers=headers)

    return send


@pytest.fixture
def emails(http):
    return lambda: http.get("/mailbox").json()["emails"]


def test_an_email_is_accepted_and_in_the_mailbox(send, emails):
    answer = send("m-7")

    (email,) = emails()
    assert answer.status_code == 200
    assert email["provider_id"] == answer.json()["id"]
    assert (email["provider"], email["id"], email["text"]) == ("resend", "m-7", "Body")
    assert email["from"] == "Shop <from@example.org>"


def test_our_id_is_found_in_a_header_too(send, emails):
    send(tags=[], headers={"X-Gomail-Id": "a/b"})

    assert emails()[0]["id"] == "a/b"


def test_files_tags_and_headers_are_shown(send, emails):
    file = {"filename": "a.png", "content_type": "image/png", "content": "iVBORw0KGgo="}
    tags = [{"name": "tag1", "value": "receipt"}, {"name": "shop", "value": "7"}]

    send(attachments=[file | {"content_id": "logo"}, file], tags=tags, headers={"X-Order": "7"})

    (email,) = emails()
    inline, plain = email["attachments"]
    assert (inline["content_id"], inline["inline"]) == ("logo", True)
    assert (plain["content_id"], plain["inline"], plain["size"]) == (None, False, 8)
    assert email["headers"] == [{"name": "X-Order", "value": "7"}]
    assert email["tags"] == ["receipt", "shop=7"]


@pytest.mark.parametrize(
    ("parts", "name"),
    [
        ({"from": "nobody"}, "invalid_from_address"),
        ({"from": "a@example.org, b@example.org"}, "invalid_from_address"),
        ({"to": []}, "missing_required_field"),
        ({"to": ["nobody"]}, "validation_error"),
        ({"to": ["a@example.org, b@example.org"]}, "validation_error"),
        ({"to": [f"r{n}@example.org" for n in range(51)]}, "validation_error"),
        ({"to": 7}, "validation_error"),
        ({"subject": ""}, "missing_required_field"),
        ({"text": ""}, "missing_required_field"),
        ({"text": 7}, "validation_error"),
        ({"headers": {"X-Odd": "é"}}, "validation_error"),
        ({"headers": ["X-Odd"]}, "validation_error"),
        ({"tags": [{"name": "a", "value": "é"}]}, "validation_error"),
        ({"tags": ["a"]}, "validation_error"),
        ({"attachments": [{"filename": "a.pdf", "content": "#"}]}, "invalid_attachment"),
    ],
)
def test_a_request_that_is_not_as_it_must_be_is_refused(send, emails, parts, name):
    answer = send(**parts)

    assert (answer.status_code, answer.json()["statusCode"]) == (422, 422)
    assert answer.json()["name"] == name
    assert emails() == []


@pytest.mark.parametrize(("body", "status"), [(b"{", 400), (b"[]", 422)])
def test_what_is_no_json_object_is_refused(http, body, status):
    answer = http.post("/emails", content=body, headers={"Authorization": "Bearer re_key"})

    assert (answer.status_code, answer.json()["name"]) == (status, "validation_error")


def test_more_than_forty_megabytes_are_too_large(send):
    content = base64.b64encode(bytes(30_000_003)).decode()

    assert send(attachments=[{"filename": "a", "content": content}]).status_code == 413


@pytest.mark.parametrize(
    ("key", "status", "name"), [("", 401, "missing_api_key"), ("bad", 403, "invalid_api_key")]
)
def test_without_a_good_key_nothing_goes(send, http, key, status, name):
    answer = send(key=key)

    assert (answer.status_code, answer.json()["name"]) == (status, name)
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    assert http.get("/domains", headers=headers).status_code == status


def test_its_domain_is_verified(http):
    answer = http.get("/domains", headers={"Authorization": "Bearer re_key"})

    (domain,) = answer.json()["data"]
    assert domain["status"] == "verified"


def test_a_repeated_send_is_answered_like_the_first_and_arrives_once(send, emails):
    first, second = send(once="m-1"), send(once="m-1")

    assert (second.status_code, second.json()) == (first.status_code, first.json())
    assert len(emails()) == 1


def test_another_email_under_the_same_key_is_a_conflict(send, emails):
    send(once="m-1")

    answer = send(once="m-1", subject="Something else")

    assert (answer.status_code, answer.json()["name"]) == (409, "invalid_idempotent_request")
    assert len(emails()) == 1


def test_other_keys_and_no_key_are_other_sends(send, emails):
    for once in ("m-1", "m-2", None, None):
        assert send(once=once).status_code == 200

    assert len(emails()) == 4


@pytest.mark.parametrize("once", ["", "x" * 257])
def test_a_key_for_idempotency_has_a_length(send, once):
    answer = send(once=once)

    assert (answer.status_code, answer.json()["name"]) == (400, "invalid_idempotency_key")


def test_a_send_that_was_refused_can_be_repeated(http, send, emails):
    http.put("/faults/resend", json={"error_rate": 1, "status": 500})
    assert send(once="m-1").status_code == 500
    http.put("/faults/resend", json={})

    assert send(once="m-1").status_code == 200
    assert len(emails()) == 1


def test_a_send_whose_answer_was_lost_arrives_once_when_it_is_repeated(http, send, emails):
    http.put("/faults/resend", json={"accept_then_reset_rate": 1})
    for _ in range(2):
        with pytest.raises(httpx2.TransportError):
            send(once="m-1")
    http.put("/faults/resend", json={"garbage_rate": 1})
    assert send(once="m-1").content == b'{"i'
    http.put("/faults/resend", json={})

    answer = send(once="m-1")

    (email,) = emails()
    assert answer.json()["id"] == email["provider_id"]
    assert http.get("/mailbox/count").json()["duplicates"] == 0


@pytest.mark.parametrize(
    ("switches", "status", "name"),
    [
        ({"status": 429}, 429, "rate_limit_exceeded"),
        ({"status": 403}, 403, "invalid_api_key"),
        ({"status": 429, "error_code": "daily_quota_exceeded"}, 429, "daily_quota_exceeded"),
        ({"status": 500}, 500, "application_error"),
    ],
)
def test_an_error_is_as_resend_writes_it(http, send, switches, status, name):
    http.put("/faults/resend", json={"error_rate": 1} | switches)

    answer = send()

    assert (answer.status_code, answer.json()["name"]) == (status, name)


def test_calls_are_counted_and_an_email_can_be_refused(http, send):
    http.put("/faults/resend", json={"refuse_to": ["to@example.org"]})

    assert send().json()["name"] == "validation_error"
    assert send(to=["other@example.org"]).status_code == 200
    assert http.get("/calls").json()["resend"]["accepted"] == 1


@pytest.fixture
def gomail(url):
    """One send of each email and one check by gomail's own provider."""

    async def session(mails, key):
        transport = AiohttpTransport()
        provider = resend("resend", base_url=url, key=SecretStr(key), transport=transport)
        try:
            sends = [await provider.send(mail, timeout=10) for mail in mails]
            return [outcome.kind for outcome in sends], await provider.check()
        finally:
            await transport.close()

    return lambda *mails, key="re_key": asyncio.run(session(mails, key))


def test_gomail_repeats_a_send_here_and_it_arrives_once(http, gomail, emails):
    http.put("/faults/resend", json={"accept_then_reset_rate": 1})
    lost, _ = gomail(message())
    http.put("/faults/resend", json={})

    repeated, (finding,) = gomail(message())

    (email,) = emails()
    assert (lost, repeated) == ([OutcomeClass.UNKNOWN], [OutcomeClass.ACCEPTED])
    assert (email["id"], email["to"]) == (ID, ["A Reader <reader@example.org>"])
    assert finding.level is Level.OK


def test_gomail_sends_no_other_email_under_an_id_that_was_sent(gomail, emails):
    kinds, _ = gomail(message(), message(subject="In other words"))

    assert kinds == [OutcomeClass.ACCEPTED, OutcomeClass.UNKNOWN]
    assert [email["subject"] for email in emails()] == ["Your receipt"]


def test_gomail_sees_a_bad_key(gomail):
    kinds, (finding,) = gomail(message(), key="bad")

    assert (kinds, finding.level) == ([OutcomeClass.FAILED], Level.BAD)


def test_gomail_takes_a_key_that_may_only_send_for_a_good_one(http, gomail):
    restricted = {"status": 401, "error_code": "restricted_api_key"}
    http.put("/faults/resend", json={"error_rate": 1} | restricted)

    _, (finding,) = gomail()

    assert finding.level is Level.OK
