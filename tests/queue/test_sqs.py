"""The SQS adapter alone, against scripted answers: shapes, faults, and boto3's own requests."""

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.credentials import Credentials as BotocoreCredentials
from botocore.session import Session

from gomail.aws import Credentials, Service, Signer
from gomail.errors import ConfigurationError, MaybeSent, NotSent, QueueRefused, QueueUnavailable
from gomail.http import AiohttpTransport, Response
from gomail.queue import Entry, Fault, Received
from gomail.queue.sqs import SqsQueue, open_queue

URL = "https://sqs.eu-west-1.amazonaws.com/123456789012/emails"
Answer = Response | Exception


class Scripted:
    """A transport that answers from a list, or with a function of the question."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.questions: list[Any] = []
        self.headers: list[Mapping[str, str]] = []
        self.timeouts: list[float] = []

    async def request(
        self, *_: str, headers: Mapping[str, str], body: bytes, timeout: float
    ) -> Response:
        self.questions.append(json.loads(body))
        self.headers.append(headers)
        self.timeouts.append(timeout)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def close(self) -> None:
        pass


def ok(answer: Any) -> Response:
    return Response(200, {}, json.dumps(answer).encode())


def error(code: str, *, status: int = 400, text: str = "why") -> Response:
    body = {"__type": f"com.amazonaws.sqs#{code}", "message": text}
    return Response(status, {}, json.dumps(body).encode())


def sent(*numbers: int) -> Response:
    return ok({"Successful": [{"Id": str(n), "MessageId": f"id {n}"} for n in numbers]})


def entries(count: int, *, body: str = "body") -> list[Entry]:
    return [Entry(f"key {number}", body) for number in range(count)]


def ask(transport: Scripted, scenario: Callable[[SqsQueue], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        credentials = Credentials(lambda: BotocoreCredentials("test", "test"))
        await credentials.load()
        signer = Signer(credentials, service="sqs", region="eu-west-1")
        url = "https://sqs.eu-west-1.amazonaws.com"
        service = Service(transport, credentials, name="sqs", signer=signer, url=url)
        return await scenario(SqsQueue(service))

    return asyncio.run(run())


CALLS: dict[str, Callable[[SqsQueue], Awaitable[Any]]] = {
    "send": lambda queue: queue.send(URL, entries(2), timeout=5),
    "receive": lambda queue: queue.receive(URL, most=10, wait=20, visibility=60),
    "delete": lambda queue: queue.delete(URL, ["one", "two"]),
    "hide": lambda queue: queue.hide(URL, {"one": 0, "two": 900}),
    "info": lambda queue: queue.info(URL),
    "describe": lambda queue: queue.describe(URL),
}
BATCHED = ["send", "delete", "hide"]


def test_a_redrive_policy_that_is_no_object_is_no_answer():
    with pytest.raises(QueueUnavailable, match="not an answer of SQS"):
        ask(Scripted(ok({"Attributes": DESCRIBED | {"RedrivePolicy": "[1]"}})), CALLS["describe"])


def send(count: int = 2) -> Callable[[SqsQueue], Awaitable[Any]]:
    return lambda queue: queue.send(URL, entries(count), timeout=5)


def test_the_order_in_which_entries_are_answered_does_not_matter():
    answers = ask(Scripted(sent(2, 0, 1)), send(3))

    assert answers == {"key 0": "id 0", "key 1": "id 1", "key 2": "id 2"}


def test_each_entry_of_a_batch_gets_its_own_answer():
    answer = {
        "Failed": [
            {"Id": "0", "Code": "InternalError", "SenderFault": False, "Message": "later"},
            {
                "Id": "2",
                "Code": "AWS.SimpleQueueService.InvalidMessageContents",
                "SenderFault": True,
            },
        ],
        "Successful": [{"Id": "1", "MessageId": "id 1"}],
    }

    assert ask(Scripted(ok(answer)), send(3)) == {
        "key 0": Fault("InternalError", "later", permanent=False),
        "key 1": "id 1",
        "key 2": Fault("InvalidMessageContents", "", permanent=True),
    }


@pytest.mark.parametrize("name", BATCHED)
def test_an_entry_in_neither_list_is_not_done(name):
    done = {"Id": "0", "MessageId": "id"}

    answers = ask(Scripted(ok({"Successful": [done]})), CALLS[name])

    first, second = answers.values()
    assert first in {"id", None}
    assert (second.code, second.permanent) == ("Missing", False)


def test_an_entry_in_both_lists_is_not_done():
    answer = {
        "Successful": [{"Id": "0"}, {"Id": "1"}],
        "Failed": [{"Id": "1", "Code": "InternalError", "SenderFault": False}],
    }

    answers = ask(Scripted(ok(answer)), CALLS["delete"])

    assert answers["one"] is None
    assert answers["two"].code == "InternalError"


@pytest.mark.parametrize("name", BATCHED)
def test_nothing_to_do_makes_no_call(name):
    nothing = {
        "send": lambda queue: queue.send(URL, [], timeout=5),
        "delete": lambda queue: queue.delete(URL, []),
        "hide": lambda queue: queue.hide(URL, {}),
    }
    transport = Scripted()

    assert ask(transport, nothing[name]) == {}
    assert transport.questions == []


@pytest.mark.parametrize(
    "call",
    [
        send(11),
        lambda queue: queue.send(URL, [Entry("same", "a"), Entry("same", "b")], timeout=5),
        lambda queue: queue.delete(URL, [str(number) for number in range(11)]),
        lambda queue: queue.hide(URL, {str(number): 0 for number in range(11)}),
        lambda queue: queue.receive(URL, most=11, wait=0, visibility=1),
        lambda queue: queue.receive(URL, most=10, wait=21, visibility=1),
    ],
)
def test_more_than_one_call_carries_is_the_callers_mistake(call):
    with pytest.raises(ValueError, match=r"10|twice"):
        ask(Scripted(), call)


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize(
    "body",
    [b"<html>welcome</html>", b"", b"[]", b'"text"', b"null", b"\xff", b'{"Messages": [{}]}'],
)
def test_a_200_that_cannot_be_read_is_a_queue_that_is_unavailable(name, body):
    with pytest.raises(QueueUnavailable, match="200"):
        ask(Scripted(Response(200, {}, body)), CALLS[name])


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("RequestThrottled", 403),
        ("ThrottlingException", 400),
        ("KmsThrottled", 400),
        ("OverLimit", 403),
        ("SlowDown", 429),
        ("InternalFailure", 500),
        ("ServiceUnavailable", 503),
        ("ExpiredToken", 403),
    ],
)
def test_what_passes_by_itself_is_a_queue_that_is_unavailable(name, code, status):
    with pytest.raises(QueueUnavailable) as caught:
        ask(Scripted(error(code, status=status)), CALLS[name])

    assert caught.value.code == code
    assert f"{URL}: {code}: why" in str(caught.value)


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize(
    "code",
    [
        "QueueDoesNotExist",
        "InvalidAddress",
        "InvalidSecurity",
        "UnsupportedOperation",
        "AccessDeniedException",
        "SignatureDoesNotMatch",
        "KmsDisabled",
    ],
)
def test_what_stays_as_it_is_is_a_refusal(name, code):
    with pytest.raises(QueueRefused) as caught:
        ask(Scripted(error(code, status=403)), CALLS[name])

    assert caught.value.code == code


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("SignatureDoesNotMatch", "Signature expired: 1 is now earlier than 2 (3 - 15 min.)"),
        ("InvalidSignatureException", "Signature not yet current: 1 is still later than 2"),
        ("RequestTimeTooSkewed", "why"),
    ],
)
def test_a_clock_that_is_off_is_named_and_mail_waits_until_it_is_set(name, code, text):
    with pytest.raises(QueueUnavailable, match="the clock of this machine is off") as caught:
        ask(Scripted(error(code, status=403, text=text)), CALLS[name])

    assert caught.value.code == code
    assert text in str(caught.value)


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("failure", [NotSent("refused"), MaybeSent("reset")])
def test_a_broken_way_is_a_queue_that_is_unavailable(name, failure):
    with pytest.raises(QueueUnavailable, match=r"refused|reset") as caught:
        ask(Scripted(failure), CALLS[name])

    assert caught.value.__cause__ is failure


def test_a_service_that_is_not_there_is_a_queue_that_is_unavailable():
    async def scenario() -> None:
        with socket.socket() as holder:
            holder.bind(("127.0.0.1", 0))
            endpoint = f"http://127.0.0.1:{holder.getsockname()[1]}"
            credentials = Credentials(lambda: BotocoreCredentials("test", "test"))
            await credentials.load()
            transport = AiohttpTransport()
            queue = await open_queue(
                region="eu-west-1",
                endpoint_url=endpoint,
                transport=transport,
                credentials=credentials,
            )
            try:
                await queue.info(URL)
            finally:
                await transport.close()

    with pytest.raises(QueueUnavailable, match=r"127\.0\.0\.1"):
        asyncio.run(scenario())


def test_a_batch_that_is_refused_for_one_entry_is_sent_one_by_one():
    too_long = error("BatchRequestTooLong")
    transport = Scripted(too_long, sent(0), too_long, sent(0))

    answers = ask(transport, send(3))

    assert answers["key 0"] == answers["key 2"] == "id 0"
    assert answers["key 1"].permanent
    assert [len(question["Entries"]) for question in transport.questions] == [3, 1, 1, 1]


def test_sent_one_by_one_what_fails_later_does_not_unsay_what_was_sent():
    transport = Scripted(error("BatchRequestTooLong"), sent(0), MaybeSent("reset"))

    answers = ask(transport, send(2))

    assert answers["key 0"] == "id 0"
    assert not answers["key 1"].permanent


def test_a_batch_is_split_by_bytes_and_attributes_count():
    transport = Scripted(sent(0, 1), sent(0))
    euros = "€" * 100_000
    batch = [
        Entry("a", euros, {"name": euros}),
        Entry("b", euros),
        Entry("c", euros, {"name": "x" * 100_000}),
    ]

    answers = ask(transport, lambda queue: queue.send(URL, batch, timeout=5))

    assert list(answers) == ["a", "b", "c"]
    assert [len(question["Entries"]) for question in transport.questions] == [2, 1]


def test_calls_of_one_send_share_its_time():
    transport = Scripted(sent(0), sent(0))

    ask(transport, lambda queue: queue.send(URL, entries(2, body="x" * 600_000), timeout=5))

    first, second = transport.timeouts
    assert second < first <= 5


def test_a_split_batch_answers_for_the_part_that_was_sent():
    transport = Scripted(sent(0), error("ServiceUnavailable", status=503))

    answers = ask(
        transport, lambda queue: queue.send(URL, entries(2, body="x" * 600_000), timeout=5)
    )

    assert answers["key 0"] == "id 0"
    assert (answers["key 1"].code, answers["key 1"].permanent) == ("ServiceUnavailable", False)


def test_a_split_batch_of_which_nothing_was_sent_raises():
    transport = Scripted(MaybeSent("reset"), NotSent("refused"))

    with pytest.raises(QueueUnavailable, match="reset"):
        ask(transport, lambda queue: queue.send(URL, entries(2, body="x" * 600_000), timeout=5))


def test_a_receive_without_messages_is_empty():
    assert ask(Scripted(ok({})), CALLS["receive"]) == []


def test_a_long_poll_may_take_ten_seconds_longer_than_it_waits():
    transport = Scripted(ok({}))

    ask(transport, CALLS["receive"])

    assert transport.timeouts == [30]


def test_a_received_message_is_read():
    message = {
        "MessageId": "id",
        "ReceiptHandle": "handle",
        "Body": "bödy",
        "Attributes": {"ApproximateReceiveCount": "3", "SentTimestamp": "1767225600123"},
        "Unknown": 1,
    }

    received = ask(Scripted(ok({"Messages": [message]})), CALLS["receive"])

    assert received == [Received("id", "handle", "bödy", 3, 1767225600.123)]


def test_missing_credentials_stop_the_start(monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))

    with pytest.raises(ConfigurationError, match="AWS_ACCESS_KEY_ID"):
        asyncio.run(open_queue(region="eu-west-1", endpoint_url="http://h:1", transport=Scripted()))


BOTO_CALLS = {
    "send": lambda sqs: sqs.send_message_batch(
        QueueUrl=URL,
        Entries=[
            {
                "Id": "0",
                "MessageBody": "bödy",
                "MessageAttributes": {"code": {"DataType": "String", "StringValue": "550"}},
            },
            {"Id": "1", "MessageBody": "body"},
        ],
    ),
    "receive": lambda sqs: sqs.receive_message(
        QueueUrl=URL,
        MaxNumberOfMessages=10,
        WaitTimeSeconds=20,
        VisibilityTimeout=60,
        MessageSystemAttributeNames=["ApproximateReceiveCount", "SentTimestamp"],
    ),
    "delete": lambda sqs: sqs.delete_message_batch(
        QueueUrl=URL,
        Entries=[{"Id": "0", "ReceiptHandle": "one"}, {"Id": "1", "ReceiptHandle": "two"}],
    ),
    "hide": lambda sqs: sqs.change_message_visibility_batch(
        QueueUrl=URL,
        Entries=[
            {"Id": "0", "ReceiptHandle": "one", "VisibilityTimeout": 0},
            {"Id": "1", "ReceiptHandle": "two", "VisibilityTimeout": 900},
        ],
    ),
    "info": lambda sqs: sqs.get_queue_attributes(
        QueueUrl=URL, AttributeNames=["ApproximateNumberOfMessages", "MaximumMessageSize"]
    ),
    "describe": lambda sqs: sqs.get_queue_attributes(QueueUrl=URL, AttributeNames=["All"]),
}
DESCRIBED = {
    "QueueArn": "arn:aws:sqs:eu-west-1:123456789012:emails",
    "ApproximateNumberOfMessages": "1",
    "ApproximateNumberOfMessagesNotVisible": "2",
    "ApproximateNumberOfMessagesDelayed": "3",
    "MaximumMessageSize": "1048576",
    "VisibilityTimeout": "30",
    "MessageRetentionPeriod": "345600",
    "DelaySeconds": "0",
}
ANSWERS = {
    "send": sent(0, 1),
    "receive": ok({}),
    "delete": ok({"Successful": []}),
    "hide": ok({"Successful": []}),
    "info": ok({"Attributes": {"ApproximateNumberOfMessages": "1", "MaximumMessageSize": "2"}}),
    "describe": ok({"Attributes": DESCRIBED}),
}


def boto_request(call: Callable[[Any], Any]) -> Any:
    """What botocore would send, caught before it goes out."""
    caught = []

    def catch(request: Any, **_: object) -> AWSResponse:
        caught.append(request)
        return AWSResponse(request.url, 200, {}, Raw())

    client = Session().create_client(
        "sqs",
        region_name="eu-west-1",
        endpoint_url="https://sqs.eu-west-1.amazonaws.com",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    client.meta.events.register("before-send.sqs", catch)
    call(client)
    client.close()
    return caught[0]


class Raw:
    def stream(self) -> list[bytes]:
        return [b"{}"]


@pytest.mark.parametrize("name", CALLS)
def test_our_request_is_what_boto3_would_send(name):
    transport = Scripted(ANSWERS[name])
    ours = CALLS[name]
    if name == "send":
        batch = [Entry("a", "bödy", {"code": "550"}), Entry("b", "body")]
        ours = lambda queue: queue.send(URL, batch, timeout=5)  # noqa: E731 - as in the table

    ask(transport, ours)

    theirs = boto_request(BOTO_CALLS[name])
    compared = ("x-amz-target", "content-type", "x-amzn-query-mode")
    our_headers = {key.lower(): value for key, value in transport.headers[0].items()}
    their_headers = {
        key.lower(): value.decode() if isinstance(value, bytes) else value
        for key, value in theirs.headers.items()
    }
    assert transport.questions[0] == json.loads(theirs.body)
    assert [our_headers[key] for key in compared] == [their_headers[key] for key in compared]
