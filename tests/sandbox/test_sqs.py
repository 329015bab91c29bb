"""boto3 against the queue endpoint."""

import json
from hashlib import md5

import pytest
from botocore.exceptions import ClientError

MIB = 1_048_576


def code_of(error):
    return (
        error.value.response["Error"].get("QueryErrorCode") or error.value.response["Error"]["Code"]
    )


def entries(count, **parts):
    return [{"Id": f"e{n}", "MessageBody": f"body {n}"} | parts for n in range(count)]


@pytest.fixture
def send(sqs, queue_url):
    def send(body="hello", **options):
        return sqs.send_message(QueueUrl=queue_url, MessageBody=body, **options)

    return send


@pytest.fixture
def counts(sqs, queue_url):
    def counts():
        found = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["All"])["Attributes"]
        kinds = ("", "NotVisible", "Delayed")
        return tuple(int(found[f"ApproximateNumberOfMessages{kind}"]) for kind in kinds)

    return counts


def test_a_message_comes_back_with_everything_that_was_sent(send, receive):
    attributes = {
        "reason": {"DataType": "String", "StringValue": "because"},
        "blob": {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
    }
    sent = send("grüße €", MessageAttributes=attributes, MessageGroupId="tenant")

    (found,) = receive(MessageAttributeNames=["All"], MessageSystemAttributeNames=["All"])

    assert (found["Body"], found["MessageId"]) == ("grüße €", sent["MessageId"])
    assert found["MD5OfBody"] == sent["MD5OfMessageBody"] == md5("grüße €".encode()).hexdigest()
    assert found["MD5OfMessageAttributes"] == sent["MD5OfMessageAttributes"]
    assert found["MessageAttributes"] == attributes
    assert found["Attributes"]["ApproximateReceiveCount"] == "1"
    assert found["Attributes"]["MessageGroupId"] == "tenant"
    assert (
        found["Attributes"]["SentTimestamp"]
        <= found["Attributes"]["ApproximateFirstReceiveTimestamp"]
    )


def test_only_the_attributes_asked_for_are_shown(send, receive):
    value = {"DataType": "String", "StringValue": "v"}
    send(MessageAttributes={"a.one": value, "a.two": value, "b": value})

    (found,) = receive(MessageAttributeNames=["a.*"], VisibilityTimeout=0)

    assert set(found["MessageAttributes"]) == {"a.one", "a.two"}
    assert "Attributes" not in found


def test_an_empty_receive_has_no_messages_key(sqs, queue_url):
    assert "Messages" not in sqs.receive_message(QueueUrl=queue_url)


def test_the_counts_are_exact(send, receive, counts):
    for _ in range(3):
        send()
    send(DelaySeconds=900)
    receive(MaxNumberOfMessages=1)

    assert counts() == (2, 1, 1)


def test_a_received_message_is_hidden_until_it_is_returned(sqs, queue_url, send, receive):
    send()
    (first,) = receive()
    assert receive() == []

    handle = first["ReceiptHandle"]
    sqs.change_message_visibility(QueueUrl=queue_url, ReceiptHandle=handle, VisibilityTimeout=0)

    (second,) = receive(MessageSystemAttributeNames=["ApproximateReceiveCount"])
    assert second["Attributes"] == {"ApproximateReceiveCount": "2"}
    assert second["ReceiptHandle"] != handle


def test_an_outdated_handle_succeeds_and_deletes_nothing(sqs, queue_url, send, receive, counts):
    send()
    (first,) = receive(VisibilityTimeout=0)
    receive()

    sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=first["ReceiptHandle"])

    assert counts() == (0, 1, 0)


def test_a_handle_still_deletes_after_its_visibility_timeout(sqs, queue_url, send, receive, counts):
    send()
    (found,) = receive(VisibilityTimeout=0)

    sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=found["ReceiptHandle"])

    assert counts() == (0, 0, 0)


def test_deleting_twice_is_no_error(sqs, queue_url, send, receive):
    send()
    (found,) = receive()

    for _ in range(2):
        sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=found["ReceiptHandle"])

    assert receive() == []


def test_a_visible_message_is_not_in_flight(sqs, queue_url, send, receive):
    send()
    (found,) = receive(VisibilityTimeout=0)

    with pytest.raises(sqs.exceptions.MessageNotInflight):
        sqs.change_message_visibility(
            QueueUrl=queue_url, ReceiptHandle=found["ReceiptHandle"], VisibilityTimeout=5
        )


def test_a_garbage_handle_is_invalid(sqs, queue_url):
    with pytest.raises(sqs.exceptions.ReceiptHandleIsInvalid):
        sqs.delete_message(QueueUrl=queue_url, ReceiptHandle="garbage")


def test_a_message_received_too_often_moves_to_the_dead_letter_queue(sqs, receive):
    dead = sqs.create_queue(QueueName="dead")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"][
        "QueueArn"
    ]
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": "2"})
    mail = sqs.create_queue(QueueName="redriven", Attributes={"RedrivePolicy": policy})["QueueUrl"]
    sent = sqs.send_message(QueueUrl=mail, MessageBody="hello")

    seen = [receive(QueueUrl=mail, VisibilityTimeout=0) for _ in range(3)]

    assert [len(messages) for messages in seen] == [1, 1, 0]
    (found,) = receive(QueueUrl=dead, MessageSystemAttributeNames=["All"])
    assert found["MessageId"] == sent["MessageId"]
    assert found["Attributes"]["DeadLetterQueueSourceArn"].endswith(":redriven")
    assert sqs.list_dead_letter_source_queues(QueueUrl=dead)["queueUrls"] == [mail]


def test_each_entry_of_a_batch_succeeds_or_fails_for_itself(sqs, queue_url):
    batch = entries(3)
    batch[1]["MessageBody"] = "\x00"
    batch[2]["DelaySeconds"] = 901

    answer = sqs.send_message_batch(QueueUrl=queue_url, Entries=batch)

    assert [entry["Id"] for entry in answer["Successful"]] == ["e0"]
    assert [(e["Id"], e["Code"], e["SenderFault"]) for e in answer["Failed"]] == [
        ("e1", "InvalidMessageContents", True),
        ("e2", "InvalidParameterValue", True),
    ]


def test_a_whole_batch_is_sent_received_returned_and_deleted(sqs, queue_url, receive, counts):
    sqs.send_message_batch(QueueUrl=queue_url, Entries=entries(10))
    handles = [{"Id": m["MessageId"], "ReceiptHandle": m["ReceiptHandle"]} for m in receive()]

    later = [entry | {"VisibilityTimeout": 600} for entry in handles]
    changed = sqs.change_message_visibility_batch(QueueUrl=queue_url, Entries=later)
    deleted = sqs.delete_message_batch(QueueUrl=queue_url, Entries=handles)

    assert len(changed["Successful"]) == len(deleted["Successful"]) == 10
    assert counts() == (0, 0, 0)


@pytest.mark.parametrize(
    ("batch", "code"),
    [
        ([], "EmptyBatchRequest"),
        (entries(11), "TooManyEntriesInBatchRequest"),
        (entries(2, Id="same"), "BatchEntryIdsNotDistinct"),
        (entries(1, Id="no spaces"), "InvalidBatchEntryId"),
        (entries(1, Id="x" * 81), "InvalidBatchEntryId"),
        (entries(2, MessageBody="€" * (MIB // 6 + 1)), "BatchRequestTooLong"),
    ],
)
def test_a_malformed_batch_is_refused_as_a_whole(sqs, queue_url, batch, code, counts):
    with pytest.raises(ClientError) as error:
        sqs.send_message_batch(QueueUrl=queue_url, Entries=batch)

    assert code_of(error) == code
    assert counts() == (0, 0, 0)


def test_a_message_of_one_mebibyte_passes_and_one_byte_more_does_not(send):
    send("x" * MIB)

    with pytest.raises(ClientError, match="shorter than 1048576 bytes"):
        send("€" + "x" * (MIB - 2))


def test_the_queue_s_own_limit_fails_an_entry_and_not_the_batch(sqs, queue_url):
    sqs.set_queue_attributes(QueueUrl=queue_url, Attributes={"MaximumMessageSize": "1024"})
    batch = [*entries(1), {"Id": "large", "MessageBody": "x" * 1025}]

    answer = sqs.send_message_batch(QueueUrl=queue_url, Entries=batch)

    assert [entry["Id"] for entry in answer["Failed"]] == ["large"]


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"MaxNumberOfMessages": 11}, "between 1 and 10"),
        ({"WaitTimeSeconds": 21}, "between 0 and 20"),
        ({"VisibilityTimeout": 43_201}, "between 0 and 43200"),
    ],
)
def test_values_out_of_range_are_refused(receive, parameters, words):
    with pytest.raises(ClientError, match=words) as error:
        receive(**parameters)

    assert code_of(error) == "InvalidParameterValueException"


def test_a_missing_queue_has_its_legacy_code(sqs, queue_url):
    with pytest.raises(sqs.exceptions.QueueDoesNotExist) as error:
        sqs.receive_message(QueueUrl=queue_url + "-not")

    assert error.value.response["Error"]["Code"] == "AWS.SimpleQueueService.NonExistentQueue"
    assert error.value.response["Error"]["Type"] == "Sender"


def test_queues_are_created_found_listed_purged_and_deleted(sqs, queue_url, send, counts):
    assert sqs.create_queue(QueueName="mail")["QueueUrl"] == queue_url
    assert sqs.get_queue_url(QueueName="mail")["QueueUrl"] == queue_url
    assert sqs.list_queues(QueueNamePrefix="ma")["QueueUrls"] == [queue_url]
    send()
    sqs.purge_queue(QueueUrl=queue_url)
    assert counts() == (0, 0, 0)

    sqs.delete_queue(QueueUrl=queue_url)

    assert "QueueUrls" not in sqs.list_queues()


@pytest.mark.usefixtures("queue_url")
def test_a_queue_of_that_name_with_other_attributes_is_another_queue(sqs):
    with pytest.raises(sqs.exceptions.QueueNameExists):
        sqs.create_queue(QueueName="mail", Attributes={"VisibilityTimeout": "31"})


@pytest.mark.parametrize(
    ("attributes", "code"),
    [
        ({"VisibilityTimeout": "43201"}, "InvalidAttributeValue"),
        ({"Nonsense": "1"}, "InvalidAttributeName"),
        ({"RedrivePolicy": "{"}, "InvalidAttributeValue"),
        (
            {"RedrivePolicy": '{"deadLetterTargetArn": "a:b:none"}'},
            "InvalidParameterValueException",
        ),
    ],
)
def test_impossible_attributes_are_refused(sqs, queue_url, attributes, code):
    with pytest.raises(ClientError) as error:
        sqs.set_queue_attributes(QueueUrl=queue_url, Attributes=attributes)

    assert code_of(error) == code


@pytest.mark.parametrize("body", [b"not json", b"[]", b"\xff", b'{"QueueUrl": 7}', b""])
def test_a_broken_request_is_a_client_s_fault(http, body):
    answer = http.post("/", content=body, headers={"X-Amz-Target": "AmazonSQS.SendMessage"})

    assert answer.status_code == 400
    assert answer.json()["__type"].startswith("com.amazonaws.sqs#")


@pytest.mark.parametrize(
    "parameters",
    [
        {"AttributeNames": 7},
        {"MessageAttributeNames": [1]},
        {"MaxNumberOfMessages": "10"},
        {"WaitTimeSeconds": 1.5},
        {"QueueUrl": None},
    ],
)
def test_parameters_of_a_wrong_type_are_a_client_s_fault(http, queue_url, parameters):
    headers = {"X-Amz-Target": "AmazonSQS.ReceiveMessage"}

    answer = http.post("/", json={"QueueUrl": queue_url} | parameters, headers=headers)

    assert answer.status_code == 400


@pytest.mark.parametrize(
    "parameters",
    [
        {"MessageBody": 7},
        {"MessageAttributes": 7},
        {"MessageAttributes": {"a": 7}},
        {"MessageSystemAttributes": 7},
        {"MessageGroupId": 7},
        {"DelaySeconds": True},
    ],
)
def test_parts_of_a_wrong_type_are_a_sender_s_fault(http, queue_url, parameters):
    headers = {"X-Amz-Target": "AmazonSQS.SendMessage"}
    request = {"QueueUrl": queue_url, "MessageBody": "x"} | parameters

    assert http.post("/", json=request, headers=headers).status_code == 400


def test_a_lone_surrogate_is_a_forbidden_character(http, queue_url):
    body = f'{{"QueueUrl": "{queue_url}", "MessageBody": "\\ud800"}}'

    answer = http.post("/", content=body, headers={"X-Amz-Target": "AmazonSQS.SendMessage"})

    assert answer.json()["__type"] == "com.amazonaws.sqs#InvalidMessageContents"


def test_an_unknown_operation_is_refused(http):
    answer = http.post("/", content=b"{}", headers={"X-Amz-Target": "AmazonSQS.Nonsense"})

    assert (answer.status_code, answer.json()["__type"]) == (
        400,
        "com.amazonaws.sqs#UnknownOperationException",
    )
