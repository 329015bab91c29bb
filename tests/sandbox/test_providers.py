"""The SES and SendGrid endpoints, and the faults that strike them."""

import asyncio
import base64

import httpx2
import pytest
from botocore import credentials as boto
from botocore.exceptions import ClientError, EndpointConnectionError, HTTPClientError
from pydantic import SecretStr

from gomail.aws import Credentials, Signer
from gomail.http import AiohttpTransport
from gomail.provider_settings import SendGridSettings, SesSettings
from gomail.providers import Level
from gomail.providers.table import Supplies, build

SIGNED = {
    "X-Amz-Date": "20261124T000000Z",
    "Authorization": "AWS4-HMAC-SHA256 Credential=AKID/20261124/us-east-1/ses/aws4_request, "
    "SignedHeaders=content-type;host;x-amz-date, Signature=" + "0" * 64,
}


@pytest.fixture
def emails(http):
    return lambda **query: http.get("/mailbox", params=query).json()["emails"]


@pytest.fixture
def calls(http):
    return lambda provider: http.get("/calls").json()[provider]


def test_ses_accepts_what_boto3_sends(ses, send_ses, emails):
    answer = ses.send_email(**send_ses("m-7", subject="Grüße", text="Hallo"))

    (email,) = emails()
    assert email["provider_id"] == answer["MessageId"]
    assert (email["provider"], email["id"], email["subject"]) == ("ses", "m-7", "Grüße")
    assert (email["from"], email["to"]) == ("from@example.org", ["to@example.org"])
    assert (email["text"], email["html"]) == ("Hallo", None)
    assert email["payload"]["Destination"] == {"ToAddresses": ["to@example.org"]}


def test_ses_finds_our_id_in_a_header_too(ses, send_ses, emails):
    request = send_ses()
    del request["EmailTags"]
    request["Content"]["Simple"]["Headers"] = [{"Name": "X-Gomail-Id", "Value": "m-8"}]

    ses.send_email(**request)

    assert emails()[0]["id"] == "m-8"


def test_ses_reads_a_raw_message(ses, emails):
    mime = b"From: a@b.org\r\nTo: b@example.org\r\nSubject: Raw\r\nX-Gomail-Id: m-9\r\n\r\nHi\r\n"

    ses.send_email(Content={"Raw": {"Data": mime}})

    (email,) = emails()
    assert (email["id"], email["subject"], email["to"]) == ("m-9", "Raw", ["b@example.org"])
    assert email["payload"]["Content"]["Raw"]["Data"] == base64.b64encode(mime).decode()


def test_an_unreadable_raw_message_breaks_no_mailbox(ses, emails):
    mime = b"From: a@b.org\r\nTo: b@example.org\r\nSubject: \xff\xfe\r\n\r\n\xff\r\n"

    ses.send_email(Content={"Raw": {"Data": mime}})

    assert emails()[0]["to"] == ["b@example.org"]


def test_ses_shows_a_healthy_account_until_sending_is_paused(ses, faults):
    assert (account := ses.get_account())["SendingEnabled"]
    assert account["EnforcementStatus"] == "HEALTHY"

    faults("ses", error_rate=1, status=400, error_code="SendingPausedException")

    assert not ses.get_account()["SendingEnabled"]


def test_a_limit_of_the_rate_and_what_was_sent_show_in_the_account(ses, send_ses, faults):
    faults("ses", rate_limit=14)
    ses.send_email(**send_ses())

    quota = ses.get_account()["SendQuota"]

    assert (quota["MaxSendRate"], quota["SentLast24Hours"]) == (14, 1)


def test_ses_lists_identities_as_boto3_and_as_gomail_ask(ses, http):
    by_boto3 = ses.list_email_identities(PageSize=1000)["EmailIdentities"]

    by_gomail = http.get("/v2/email/identities?PageSize=1000", headers=SIGNED).json()

    assert by_gomail == {"EmailIdentities": by_boto3}
    assert {one["VerificationStatus"] for one in by_boto3} == {"SUCCESS"}


def test_sendgrid_tells_a_key_its_scopes_unless_every_call_is_to_fail(http, faults):
    def scopes(key: str) -> httpx2.Response:
        return http.get("/v3/scopes", headers={"Authorization": f"Bearer {key}"})

    assert scopes("SG.key").json() == {"scopes": ["mail.send"]}
    assert scopes("bad").status_code == 401
    faults("sendgrid", error_rate=1, status=403)
    assert scopes("SG.key").json()["errors"][0]["message"] == "access forbidden"


@pytest.fixture
def asked(url):
    """Ask the sandbox what gomail's own providers ask, with good keys and with bad ones."""

    async def ask(*, key: str) -> dict[str, list[Level]]:
        credentials = Credentials(lambda: boto.Credentials(key, "secret"))
        await credentials.load()
        sign = Signer(credentials, service="ses", region="us-east-1").sign
        transport = AiohttpTransport()
        supplies = Supplies(transport=transport, key=SecretStr(key), sign=sign, endpoint=url)
        try:
            return {
                kind: [one.level for one in await build(kind, settings, supplies).check()]
                for kind, settings in (
                    ("ses", SesSettings()),
                    ("sendgrid", SendGridSettings(base_url=url)),
                )
            }
        finally:
            await transport.close()

    return lambda *, key: asyncio.run(ask(key=key))


def test_gomails_own_questions_find_the_sandbox_in_order_and_a_bad_key_out_of_order(asked):
    assert asked(key="good") == {"ses": [Level.OK, Level.OK], "sendgrid": [Level.OK]}
    assert asked(key="bad") == {"ses": [Level.BAD], "sendgrid": [Level.BAD]}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({}, "Content.Simple"),
        ({"Simple": {"Subject": {"Data": "s"}, "Body": {}}}, "Text or Html"),
        ({"Simple": {"Body": {"Text": {"Data": "t"}}}}, "Subject"),
        ({"Simple": {"Subject": {}, "Body": {"Text": {"Data": "t"}}}}, "Data"),
        ({"Simple": 7}, "Content.Simple"),
    ],
)
def test_ses_refuses_content_that_lacks_what_is_required(http, content, words):
    body = {"FromEmailAddress": "a@example.org", "Destination": {"ToAddresses": ["b@c.org"]}}

    answer = http.post(
        "/v2/email/outbound-emails", json=body | {"Content": content}, headers=SIGNED
    )

    assert answer.status_code == 400
    assert answer.headers["x-amzn-ErrorType"] == "BadRequestException"
    assert words in answer.json()["message"]


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "MissingAuthenticationToken"),
        ({"Authorization": "Bearer x"}, "IncompleteSignature"),
        (SIGNED | {"Authorization": SIGNED["Authorization"][:-1]}, "IncompleteSignature"),
        (
            SIGNED | {"Authorization": SIGNED["Authorization"].replace("AKID", "bad")},
            "UnrecognizedClientException",
        ),
    ],
)
def test_ses_refuses_a_call_that_is_not_signed(http, headers, code):
    answer = http.post("/v2/email/outbound-emails", json={}, headers=headers)

    assert (answer.status_code, answer.headers["x-amzn-ErrorType"]) == (403, code)


def test_sendgrid_accepts_with_202_and_an_id(sendgrid, emails):
    answer = sendgrid("m-7")

    (email,) = emails()
    assert (answer.status_code, answer.content) == (202, b"")
    assert email["provider_id"] == answer.headers["X-Message-Id"]
    assert (email["provider"], email["id"], email["text"]) == ("sendgrid", "m-7", "Body")
    assert email["from"] == "From <from@example.org>"


@pytest.mark.parametrize(
    ("parts", "field"),
    [
        ({"subject": ""}, "subject"),
        ({"content": []}, "content"),
        ({"content": [{"type": "text/plain", "value": ""}]}, "content.0.value"),
        (
            {
                "content": [
                    {"type": "text/html", "value": "h"},
                    {"type": "text/plain", "value": "t"},
                ]
            },
            "content",
        ),
        ({"personalizations": []}, "personalizations"),
        ({"personalizations": [{"to": []}]}, "personalizations.0.to"),
        ({"personalizations": [{"to": [{"email": "x"}]}]}, "personalizations.0.to.0.email"),
        (
            {"personalizations": [{"to": [{"email": "a@b.c"}, {"email": "A@b.c"}]}]},
            "personalizations.0",
        ),
        ({"from": {}}, "from.email"),
        ({"from": {"email": "jürgen@example.org"}}, "from.email"),
        ({"custom_args": {"gomail_id": 7}}, "custom_args"),
    ],
)
def test_sendgrid_names_the_field_at_fault(sendgrid, parts, field):
    answer = sendgrid(**parts)

    (error,) = answer.json()["errors"]
    assert (answer.status_code, error["field"]) == (400, field)
    assert error["message"]


@pytest.mark.parametrize("key", ["", "bad"])
def test_sendgrid_refuses_a_missing_and_a_bad_key(sendgrid, emails, key):
    answer = sendgrid(key=key)

    (error,) = answer.json()["errors"]
    assert (answer.status_code, error["message"][:35]) == (
        401,
        "The provided authorization grant is",
    )
    assert emails() == []


@pytest.mark.parametrize("body", [b"", b"[]", b"7", b"\xff", b'{"personalizations": 7}', b'{"a":'])
@pytest.mark.parametrize("path", ["/v2/email/outbound-emails", "/v3/mail/send"])
def test_no_body_breaks_an_endpoint(http, path, body):
    headers = SIGNED if path.startswith("/v2") else {"Authorization": "Bearer k"}

    assert http.post(path, content=body, headers=headers).status_code == 400


def test_an_error_rate_of_a_half_fails_every_second_call(sendgrid, faults, calls):
    faults("sendgrid", error_rate=0.5, status=503)

    assert [sendgrid().status_code for _ in range(4)] == [202, 503, 202, 503]
    assert (calls("sendgrid")["accepted"], calls("sendgrid")["failed"]) == (2, {"503": 2})


def test_an_error_can_imitate_a_suspended_account(ses, send_ses, faults):
    faults(
        "ses", error_rate=1, status=400, error_code="AccountSuspendedException", error_message="no"
    )

    with pytest.raises(ses.exceptions.AccountSuspendedException, match="no"):
        ses.send_email(**send_ses())


def test_calls_above_a_rate_limit_are_told_so_in_the_provider_s_own_words(
    ses, send_ses, sendgrid, faults
):
    faults("ses", rate_limit=1)
    faults("sendgrid", rate_limit=1)
    ses.send_email(**send_ses())

    with pytest.raises(ses.exceptions.TooManyRequestsException, match="Maximum sending rate"):
        ses.send_email(**send_ses())
    assert [sendgrid().status_code for _ in range(2)] == [202, 429]


def test_latency_delays_an_answer(sendgrid, faults):
    faults("sendgrid", latency=0.3)

    assert sendgrid().elapsed.total_seconds() >= 0.3


def test_a_hanging_provider_never_answers_and_accepts_nothing(
    http, sendgrid, faults, calls, emails
):
    faults("sendgrid", hang_rate=1)
    http.timeout = 0.2

    with pytest.raises(httpx2.ReadTimeout):
        sendgrid()

    http.timeout = 10
    assert (calls("sendgrid")["hung"], emails()) == (1, [])


def test_a_reset_accepts_nothing(ses, send_ses, faults, calls, emails):
    faults("ses", reset_rate=1)

    with pytest.raises((HTTPClientError, EndpointConnectionError)):
        ses.send_email(**send_ses())

    assert (calls("ses")["reset"], emails()) == (1, [])


def test_an_email_can_be_accepted_though_the_connection_breaks(sendgrid, faults, calls, emails):
    faults("sendgrid", accept_then_reset_rate=1)

    with pytest.raises(httpx2.TransportError):
        sendgrid()

    assert (calls("sendgrid")["accepted"], len(emails())) == (1, 1)


def test_an_email_can_be_accepted_with_an_answer_nobody_can_read(sendgrid, faults, emails):
    faults("sendgrid", garbage_rate=1)

    answer = sendgrid()

    assert (answer.status_code, "X-Message-Id" in answer.headers, len(emails())) == (202, False, 1)


@pytest.mark.parametrize("switch", [{"refuse_ids": ["m-1"]}, {"refuse_to": ["TO@example.org"]}])
def test_some_emails_can_be_refused_for_good(ses, send_ses, sendgrid, faults, switch):
    faults("ses", **switch)
    faults("sendgrid", **switch)

    with pytest.raises(ses.exceptions.MessageRejected):
        ses.send_email(**send_ses("m-1"))
    assert sendgrid("m-1").status_code == 400
    assert sendgrid("m-2", to="other@example.org").status_code == 202


def test_healing_ends_all_faults(sendgrid, faults):
    faults("sendgrid", error_rate=1)
    faults("sendgrid")

    assert sendgrid().status_code == 202


def test_the_queue_can_fail_throttle_and_break(sqs, queue_url, faults):
    faults("sqs", throttle_rate=1)
    with pytest.raises(sqs.exceptions.RequestThrottled) as throttled:
        sqs.send_message(QueueUrl=queue_url, MessageBody="x")
    assert throttled.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403

    faults("sqs", error_rate=1, status=500, operations=["SendMessage"])
    sqs.receive_message(QueueUrl=queue_url)
    with pytest.raises(ClientError, match="InternalFailure"):
        sqs.send_message(QueueUrl=queue_url, MessageBody="x")

    faults("sqs", reset_rate=1)
    with pytest.raises((HTTPClientError, EndpointConnectionError)):
        sqs.send_message(QueueUrl=queue_url, MessageBody="x")


def test_entries_of_a_batch_can_fail_without_the_sender_s_fault(sqs, queue_url, faults, receive):
    faults("sqs", partial_failure_rate=0.5)
    batch = [{"Id": str(n), "MessageBody": str(n)} for n in range(4)]

    answer = sqs.send_message_batch(QueueUrl=queue_url, Entries=batch)

    failed = [(e["Id"], e["Code"], e["SenderFault"]) for e in answer["Failed"]]
    assert failed == [("1", "InternalError", False), ("3", "InternalError", False)]
    assert [message["Body"] for message in receive()] == ["0", "2"]
