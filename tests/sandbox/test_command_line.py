"""The sandbox as a process: its start, its end, and what a kill leaves."""

import signal
import socket
import subprocess
import sys

import httpx2
import pytest

COMMAND = [sys.executable, "-m", "sandbox", "--port", "0"]


@pytest.fixture
def start():
    """Start sandboxes; gives back the process and its address."""
    started = []

    def start(*options):
        process = subprocess.Popen([*COMMAND, *options], stdout=subprocess.PIPE, text=True)
        started.append(process)
        line = process.stdout.readline()
        assert line.startswith("sandbox ready on http://127.0.0.1:"), line
        return process, line.split()[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def run(*options):
    return subprocess.run(
        [*COMMAND, *options], capture_output=True, text=True, timeout=20, check=False
    )


def all_of(client, url, **options):
    return client.receive_message(
        QueueUrl=url,
        MaxNumberOfMessages=10,
        MessageSystemAttributeNames=["All"],
        MessageAttributeNames=["All"],
        **options,
    ).get("Messages", [])


def counts(client, url):
    found = client.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    kinds = ("", "NotVisible", "Delayed")
    return tuple(int(found[f"ApproximateNumberOfMessages{kind}"]) for kind in kinds)


def test_a_kill_loses_no_message_no_count_no_handle_and_no_visibility(start, aws, tmp_path):
    options = ("--data", str(tmp_path / "queues.db"), "--queue", "mail", "--dead-letter", "dead")
    process, address = start(*options)
    sqs = aws("sqs", address)
    url = sqs.get_queue_url(QueueName="mail")["QueueUrl"]
    value = {"DataType": "String", "StringValue": "v"}
    for body in ("deleted", "held", "returned"):
        sqs.send_message(QueueUrl=url, MessageBody=body, MessageAttributes={"a": value})
    held = {m["Body"]: m for m in all_of(sqs, url, VisibilityTimeout=600)}
    sqs.delete_message(QueueUrl=url, ReceiptHandle=held["deleted"]["ReceiptHandle"])
    returned = held["returned"]["ReceiptHandle"]
    sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=returned, VisibilityTimeout=0)
    sqs.send_message(QueueUrl=url, MessageBody="later", DelaySeconds=900)

    process.kill()
    _, address = start(*options)

    sqs = aws("sqs", address)
    url = sqs.get_queue_url(QueueName="mail")["QueueUrl"]
    assert counts(sqs, url) == (1, 1, 1)
    (found,) = all_of(sqs, url)
    assert (found["Body"], found["MessageAttributes"]) == ("returned", {"a": value})
    assert found["Attributes"]["ApproximateReceiveCount"] == "2"
    assert found["Attributes"]["SentTimestamp"] == held["returned"]["Attributes"]["SentTimestamp"]
    sqs.delete_message(QueueUrl=url, ReceiptHandle=held["held"]["ReceiptHandle"])
    assert counts(sqs, url) == (0, 1, 1)


def test_dead_letters_of_the_queues_go_to_the_one_that_is_named(start, aws):
    _, address = start("--queue", "one", "--queue", "two", "--dead-letter", "dead")
    sqs = aws("sqs", address)

    dead = sqs.get_queue_url(QueueName="dead")["QueueUrl"]

    sources = sqs.list_dead_letter_source_queues(QueueUrl=dead)["queueUrls"]
    assert sorted(source.rsplit("/", 1)[1] for source in sources) == ["one", "two"]


def test_a_second_process_cannot_take_the_same_file(start, tmp_path):
    data = str(tmp_path / "queues.db")
    start("--data", data)

    second = run("--data", data)

    assert (second.returncode, second.stderr.count("\n")) == (1, 1)
    assert "another file with --data" in second.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_at_once_though_a_long_poll_is_open(start, number):
    process, address = start("--queue", "mail")
    host, port = address.removeprefix("http://").split(":")
    body = f'{{"QueueUrl": "{address}/000000000000/mail", "WaitTimeSeconds": 20}}'
    with socket.create_connection((host, int(port))) as poll:
        head = f"POST / HTTP/1.1\r\nHost: {host}\r\nX-Amz-Target: AmazonSQS.ReceiveMessage\r\n"
        poll.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())

        process.send_signal(number)

        assert process.wait(3) == 0


def test_a_busy_port_is_one_sentence_with_the_remedy():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = run("--port", port)

    assert ended.returncode == 1
    assert ended.stderr == (
        f"Port {port} is busy; choose another with --port, or --port 0 for a free one.\n"
    )


def test_it_serves_others_only_when_told_so():
    ended = run("--host", "0.0.0.0")

    assert (ended.returncode, "--anywhere" in ended.stderr) == (1, True)


def test_the_mailbox_remembers_as_many_emails_as_it_is_told_to(start):
    _, address = start("--mailbox", "2")

    for _ in range(3):
        response = httpx2.post(
            f"{address}/v3/mail/send",
            headers={"Authorization": "Bearer any"},
            json={
                "from": {"email": "a@example.com"},
                "personalizations": [{"to": [{"email": "b@example.org"}]}],
                "subject": "s",
                "content": [{"type": "text/plain", "value": "x"}],
            },
        )
        assert response.status_code == 202

    kept = httpx2.get(f"{address}/mailbox").json()["emails"]
    assert len(kept) == 2
