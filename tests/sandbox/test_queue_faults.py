"""What goes wrong at queues beside calls that fail: deliveries, handles, limits, dates."""

from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError

from sandbox.signatures import skew


@pytest.fixture
def send(sqs, queue_url):
    def send(*bodies):
        for body in bodies:
            sqs.send_message(QueueUrl=queue_url, MessageBody=body)

    return send


@pytest.fixture
def counts(sqs, queue_url):
    """How many messages are visible and hidden."""

    def counts():
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=names)["Attributes"]
        return [int(found[name]) for name in names]

    return counts


@pytest.fixture
def delete(sqs, queue_url):
    """Delete messages in one call; answers it."""

    def delete(*messages):
        entries = [{"Id": m["Body"], "ReceiptHandle": m["ReceiptHandle"]} for m in messages]
        return sqs.delete_message_batch(QueueUrl=queue_url, Entries=entries)

    return delete


@pytest.fixture
def show(sqs, queue_url):
    """Return a message at once."""

    def show(message):
        handle = message["ReceiptHandle"]
        sqs.change_message_visibility(QueueUrl=queue_url, ReceiptHandle=handle, VisibilityTimeout=0)

    return show


def test_a_share_of_what_is_received_is_handed_out_once_more_while_it_is_hidden(
    send, receive, faults, counts
):
    faults("sqs", duplicate_delivery_rate=0.5)
    send("1", "2", "3", "4")

    rounds = [[one["Body"] for one in receive()] for _ in range(3)]

    assert rounds == [["1", "2", "3", "4"], ["2", "4"], []]
    assert counts() == [0, 4]


def test_of_two_deliveries_only_the_later_one_s_handle_deletes(
    send, receive, delete, faults, counts
):
    faults("sqs", duplicate_delivery_rate=1)
    send("x")
    (first,), (second,) = receive(), receive()

    delete(first)
    assert counts() == [0, 1]

    delete(second)
    assert counts() == [0, 0]


def test_what_is_deleted_or_returned_is_not_handed_out_once_more(
    send, receive, delete, show, faults
):
    faults("sqs", duplicate_delivery_rate=1)
    send("deleted", "returned")
    deleted, returned = receive()
    faults("sqs")

    delete(deleted)
    show(returned)

    assert [[one["Body"] for one in receive()] for _ in range(2)] == [["returned"], []]


def test_a_long_poll_gets_what_is_handed_out_once_more(send, receive, faults):
    faults("sqs", duplicate_delivery_rate=1)
    send("x")

    assert [len(receive()), len(receive(WaitTimeSeconds=5))] == [1, 1]


def test_handles_can_be_expired_and_then_nothing_is_done(send, receive, delete, faults, counts):
    send("1", "2")
    messages = receive()
    faults("sqs", expired_handle_rate=0.5)

    answer = delete(*messages)

    failed = [(e["Id"], e["Code"], e["SenderFault"], e["Message"]) for e in answer["Failed"]]
    assert failed == [("2", "ReceiptHandleIsInvalid", True, "The receipt handle has expired")]
    assert counts() == [0, 1]


def test_an_expired_handle_changes_no_visibility(send, receive, show, faults, counts):
    send("x")
    (message,) = receive()
    faults("sqs", expired_handle_rate=1)

    with pytest.raises(ClientError, match="ReceiptHandleIsInvalid"):
        show(message)
    assert counts() == [0, 1]


def test_at_the_limit_in_flight_short_polls_are_refused_and_long_ones_bring_nothing(
    sqs, send, receive, delete, faults
):
    faults("sqs", max_in_flight=1)
    send("1", "2")
    (message,) = receive()

    with pytest.raises(sqs.exceptions.OverLimit):
        receive()
    assert receive(WaitTimeSeconds=1) == []

    delete(message)
    assert [one["Body"] for one in receive()] == ["2"]


def test_a_limit_in_flight_that_ends_is_no_limit_any_more(send, receive, faults):
    faults("sqs", max_in_flight=0)
    send("x")
    faults("sqs")

    assert [one["Body"] for one in receive()] == ["x"]


def test_receives_alone_can_be_over_the_limit(sqs, send, receive, faults):
    faults("sqs", over_limit_rate=1)
    send("x")

    with pytest.raises(sqs.exceptions.OverLimit) as refused:
        receive(WaitTimeSeconds=1)
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_operations_that_are_not_named_are_not_struck(send, receive, faults):
    faults(
        "sqs", duplicate_delivery_rate=1, expired_handle_rate=1, over_limit_rate=1,
        operations=["SendMessage"],
    )  # fmt: skip
    send("x")

    assert [len(receive()) for _ in range(2)] == [1, 0]


def test_the_queue_refuses_signatures_whose_date_is_off(sqs, queue_url, faults, monkeypatch):
    faults("sqs", max_clock_skew=900)
    sqs.send_message(QueueUrl=queue_url, MessageBody="x")
    an_hour_later = datetime.now(UTC) + timedelta(hours=1)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: an_hour_later)

    with pytest.raises(ClientError, match=r"Signature not yet current: .* 15 min") as refused:
        sqs.send_message(QueueUrl=queue_url, MessageBody="x")
    assert refused.value.response["Error"]["QueryErrorCode"] == "InvalidSignatureException"


def test_ses_refuses_signatures_whose_date_is_off(ses, send_ses, faults, monkeypatch):
    faults("ses", max_clock_skew=900)
    ses.send_email(**send_ses("m-1"))
    an_hour_ago = datetime.now(UTC) - timedelta(hours=1)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: an_hour_ago)

    with pytest.raises(ClientError, match=r"\(InvalidSignatureException\).*Signature expired"):
        ses.send_email(**send_ses("m-2"))


def test_a_date_is_off_when_it_is_more_than_that_from_now():
    noon = datetime(2026, 11, 24, 12, tzinfo=UTC).timestamp()

    def said(date, most=900):
        return skew({"X-Amz-Date": date}, most, noon)

    assert said("20261124T114500Z") is said("20261124T121500Z") is None
    assert said("20261124T114459Z") == (
        "Signature expired: 20261124T114459Z is now earlier than 20261124T114500Z "
        "(20261124T120000Z - 15 min.)"
    )
    assert said("20261124T121501Z") == (
        "Signature not yet current: 20261124T121501Z is still later than 20261124T121500Z "
        "(20261124T120000Z + 15 min.)"
    )
    assert said("yesterday") is said("20251124T120000Z", None) is skew({}, 900, noon) is None
