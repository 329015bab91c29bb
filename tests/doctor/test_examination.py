"""Asking everything at once: who is asked in spite of whose fault, and how long."""

import asyncio
import json
import time

import pytest

from gomail.doctor.examination import ask_all
from gomail.errors import ConfigurationError, NotSent
from gomail.providers import Finding, Level
from tests.doctor.scene import (
    DEAD_ARN,
    DEAD_URL,
    QUEUES,
    SQS,
    examined,
    found_credentials,
    levels,
    no_credentials,
    settings,
)
from tests.providers.scripted import ScriptedTransport, response

QUEUE, DEAD = "queue emails-1", "dead-letter queue dead"
REFUSED = NotSent("127.0.0.1:9: connection refused")
ACCOUNT = {
    "EnforcementStatus": "HEALTHY",
    "ProductionAccessEnabled": True,
    "SendQuota": {"Max24HourSend": 50_000.0, "MaxSendRate": 14.0, "SentLast24Hours": 10.0},
    "SendingEnabled": True,
}
IDENTITY = {
    "IdentityName": "example.com",
    "IdentityType": "DOMAIN",
    "SendingEnabled": True,
    "VerificationStatus": "SUCCESS",
}


def cloud(*, account=ACCOUNT, missing=(), **attributes):
    """What AWS answers: two queues and the account of SES."""

    def answer(request):
        if request.url.startswith(SQS):
            return _queue(json.loads(request.body)["QueueUrl"], missing, attributes)
        if request.url.endswith("/v2/email/account"):
            return response(200, json.dumps(account))
        return response(200, json.dumps({"EmailIdentities": [IDENTITY]}))

    return ScriptedTransport(answer)


def _queue(url, missing, attributes):
    if url in missing:
        return response(400, '{"__type": "com.amazonaws.sqs#QueueDoesNotExist", "message": ""}')
    name = url.rpartition("/")[2]
    counts = {f"ApproximateNumberOfMessages{kind}": "0" for kind in ("", "NotVisible", "Delayed")}
    described = {
        **counts,
        "QueueArn": f"arn:aws:sqs:eu-west-1:123456789012:{name}",
        "MaximumMessageSize": "1048576",
        "VisibilityTimeout": "30",
        "MessageRetentionPeriod": "345600",
        "DelaySeconds": "0",
    }
    if name != "dead":
        policy = json.dumps({"deadLetterTargetArn": DEAD_ARN, "maxReceiveCount": 1000})
        described |= {"RedrivePolicy": policy, **attributes}
    return response(200, json.dumps({"Attributes": described}))


def test_an_installation_as_it_should_be_has_nothing_to_mend():
    found = examined(settings(providers={"ses": {}}), cloud())

    assert list(found) == ["AWS", QUEUE, DEAD, "provider ses", "ledger", "API keys"]
    assert not [one for each in found.values() for one in each if one.level is Level.BAD]
    assert levels(found[QUEUE]) == levels(found[DEAD]) == {Level.OK}


def test_a_queue_that_is_missing_says_nothing_against_the_others():
    second = QUEUES["urls"][0].replace("emails-1", "emails-2")
    known = settings(queues={**QUEUES, "urls": [*QUEUES["urls"], second]})

    found = examined(known, cloud(missing=[second]))

    assert levels(found[QUEUE]) == levels(found[DEAD]) == {Level.OK}
    assert [one.text for one in found["queue emails-2"]] == ["does not exist"]


def test_a_missing_dead_letter_queue_is_told_once():
    found = examined(settings(), cloud(missing=[DEAD_URL]))

    assert [one.text for one in found[DEAD]] == ["does not exist"]
    assert levels(found[QUEUE]) == {Level.OK}


def test_a_queue_without_its_redrive_is_found():
    found = examined(settings(), cloud(RedrivePolicy=""))

    [finding] = [one for one in found[QUEUE] if one.level is Level.BAD]
    assert DEAD_ARN in finding.mend


def test_ses_in_its_sandbox_is_a_note():
    known = settings(providers={"ses": {}})

    found = examined(known, cloud(account=ACCOUNT | {"ProductionAccessEnabled": False}))

    [finding] = [one for one in found["provider ses"] if "sandbox" in one.text]
    assert finding.level is Level.NOTE


def test_a_provider_without_its_key_is_bad_and_the_others_are_still_asked():
    known = settings(providers={"sendgrid": {"key_variable": "OUR_KEY"}, "ses": {}})

    found = examined(known, cloud(), environ={})

    assert found["provider sendgrid"] == [
        Finding(Level.BAD, "has no key", "set OUR_KEY in the environment, or remove the provider")
    ]
    assert "a second" in found["provider ses"][0].text


def test_without_credentials_one_thing_is_to_be_mended_and_the_queues_are_not_asked():
    transport = cloud()

    found = examined(settings(), transport, find=no_credentials)

    [finding] = found["AWS"]
    assert (finding.level, finding.text) == (Level.BAD, "no AWS credentials")
    assert "AWS_ACCESS_KEY_ID" in finding.mend
    assert levels(found[QUEUE]) == levels(found[DEAD]) == {Level.NOTE}
    assert not [one for one in transport.requests if one.url.startswith(SQS)]


def test_without_credentials_other_providers_are_still_asked():
    transport = cloud()

    examined(settings(), transport, find=no_credentials)

    assert [one for one in transport.requests if one.url.startswith("https://api.sendgrid.com")]


def test_ses_without_credentials_says_what_it_needs():
    found = examined(settings(providers={"ses": {}}), cloud(), find=no_credentials)

    assert levels(found["provider ses"]) == {Level.BAD}
    assert "needs AWS credentials" in found["provider ses"][0].text


def test_a_region_that_makes_no_sense_is_told_once():
    known = settings(aws={"region": "not a region"})

    found = examined(known, cloud())

    assert levels(found["AWS"]) == {Level.BAD}
    assert levels(found[QUEUE]) == {Level.NOTE}


def test_where_nothing_listens_every_queue_and_provider_is_to_be_mended():
    known = settings(providers={"sendgrid": {}, "ses": {}}, payloads={"bucket": "emails"})

    found = examined(known, ScriptedTransport(REFUSED))

    for title in (QUEUE, DEAD, "provider sendgrid", "provider ses", "payloads"):
        assert levels(found[title]) == {Level.BAD}, title
        assert "connection refused" in found[title][0].text


def test_a_bucket_that_answers_is_well():
    def answer(request):
        assert request.method == "GET"
        return response(404, "<Error><Code>NoSuchKey</Code></Error>")

    known = settings(payloads={"bucket": "emails"})

    assert levels(examined(known, ScriptedTransport(answer))["payloads"]) == {Level.OK}


@pytest.mark.parametrize(
    ("status", "code"), [(404, "NoSuchBucket"), (403, "AccessDenied"), (500, "InternalError")]
)
def test_a_bucket_that_does_not_answer_is_bad(status, code):
    refusal = response(status, f"<Error><Code>{code}</Code></Error>")

    found = examined(settings(payloads={"bucket": "emails"}), ScriptedTransport(refusal))

    [finding] = found["payloads"]
    assert finding.level is Level.BAD
    assert f"{status} {code}" in finding.text


def test_a_bucket_without_credentials_is_not_asked():
    found = examined(settings(payloads={"bucket": "x-1"}), cloud(), find=no_credentials)

    assert levels(found["payloads"]) == {Level.NOTE}


def test_no_email_is_sent_and_no_message_is_touched():
    transport = cloud()

    examined(settings(providers={"sendgrid": {}, "ses": {}}), transport)

    calls = {(one.method, one.headers.get("X-Amz-Target", "")) for one in transport.requests}
    assert calls == {("GET", ""), ("POST", "AmazonSQS.GetQueueAttributes")}


def test_no_secret_is_shown_whatever_is_answered():
    def repeat(request):
        return response(403, str(dict(request.headers)))

    known = settings(providers={"sendgrid": {}, "ses": {}}, payloads={"bucket": "emails"})

    found = str(examined(known, ScriptedTransport(repeat)))

    assert "SG.key-of-the-test" not in found
    assert "Signature=" not in found
    assert "AKIDEXAMPLE" not in found


class Hanging:
    """A transport that never answers."""

    async def request(self, *_, **__):
        await asyncio.Event().wait()

    async def close(self):
        pass


def test_when_everything_hangs_it_ends_in_time_and_says_who_does():
    known = settings(providers={"sendgrid": {}, "ses": {}}, payloads={"bucket": "emails"})
    began = time.monotonic()

    found = examined(known, Hanging(), limit=0.2)

    assert time.monotonic() - began < 5
    for title in ("provider sendgrid", "provider ses", "payloads", QUEUE, DEAD):
        assert levels(found[title]) == {Level.BAD}, title
        assert "not answered within 0.2 s" in found[title][0].text


def test_a_hanging_search_for_credentials_keeps_nobody_else():
    async def search(_region):
        await asyncio.Event().wait()

    found = examined(settings(), cloud(), find=search, limit=1)

    assert levels(found["AWS"]) == {Level.BAD}
    assert "not answered" not in str(found["provider sendgrid"])


def test_a_check_that_no_cancellation_reaches_is_not_waited_for():
    async def scenario():
        let_go = asyncio.Event()

        async def deaf():
            while not let_go.is_set():
                try:
                    await let_go.wait()
                except asyncio.CancelledError:
                    continue
            return []

        sections = await ask_all({"deaf": deaf()}, say=lambda _: None, limit=0.05)
        let_go.set()
        return sections

    [section] = asyncio.run(scenario())
    assert levels(section.findings) == {Level.BAD}


def test_who_waits_is_told_for_whom(monkeypatch):
    monkeypatch.setattr("gomail.doctor.examination.SAY_AFTER", 0.01)
    said = []

    async def scenario():
        checks = {"quick": asyncio.sleep(0, []), "slow": asyncio.Event().wait()}
        await ask_all(checks, say=said.append, limit=0.1)

    asyncio.run(scenario())

    assert set(said) == {"still asking: slow"}


def test_a_bug_in_one_check_is_a_finding_without_its_text():
    async def broken():
        raise RuntimeError("SG.secret")

    async def scenario():
        checks = {"broken": broken(), "well": asyncio.sleep(0, [Finding(Level.OK, "well")])}
        return await ask_all(checks, say=lambda _: None, limit=1)

    first, second = asyncio.run(scenario())

    assert "RuntimeError" in first.findings[0].text
    assert "SG.secret" not in str(first)
    assert levels(second.findings) == {Level.OK}


def test_credentials_that_cannot_be_read_are_told_with_the_reason():
    async def search(_region):
        raise ConfigurationError("AWS credentials cannot be read (ProfileNotFound: x)")

    found = examined(settings(), cloud(), find=search)

    assert "ProfileNotFound" in found["AWS"][0].text


def test_what_opens_is_what_the_processes_open():
    asked = []

    async def search(region):
        asked.append(region)
        return await found_credentials()

    examined(settings(aws={"region": "eu-central-1"}), cloud(), find=search)

    assert asked == ["eu-central-1"]
