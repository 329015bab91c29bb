"""The API as a real process: over the sandbox, stopping gracefully, refusing to start."""

import asyncio
import http.client
import json
import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest

from gomail.email import decode
from gomail.http import AiohttpTransport
from gomail.queue.sqs import open_queue
from tests.ingest.processes import API, SANDBOX, running, write_settings
from tests.ingest.scripted import email

# uvicorn stops in order, then hands the signal on to itself.
STOPPED = -signal.SIGTERM
RUNNING = r"Uvicorn running on (http://\S+)"


@pytest.fixture
def sandbox():
    with running(SANDBOX) as process:
        yield process.wait_for(r"sandbox ready on (http://\S+)")


@pytest.fixture
def api(sandbox, tmp_path):
    with running(API, **write_settings(tmp_path, sandbox)) as process:
        process.url = process.wait_for(RUNNING)
        yield process


def post(url, number, **headers):
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
    body = json.dumps(email(subject=f"Number {number}")).encode()
    connection.request("POST", "/email/send", body, headers)
    with connection.getresponse() as response:
        answer = response.status, json.load(response)
    connection.close()
    return answer


async def _drain(endpoint):
    transport = AiohttpTransport()
    queue = await open_queue(region="eu-west-1", endpoint_url=endpoint, transport=transport)
    taken = {}
    for name in ("a", "b"):
        url = f"{endpoint}/000000000000/{name}"
        while received := await queue.receive(url, most=10, wait=0, visibility=60):
            taken.setdefault(name, []).extend(decode(m.body, queue_message_id="") for m in received)
    await transport.close()
    return taken


def test_every_id_that_is_answered_is_on_a_queue(api, sandbox, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with ThreadPoolExecutor(20) as threads:
        answers = list(threads.map(lambda number: post(api.url, number), range(200)))

    taken = asyncio.run(_drain(sandbox))

    assert {status for status, _ in answers} == {200}
    promised = sorted(answer["messageId"] for _, answer in answers)
    assert sorted(m.id for messages in taken.values() for m in messages) == promised
    assert set(taken) == {"a", "b"}


def test_of_two_requests_with_one_key_at_two_processes_one_is_enqueued(
    sandbox, tmp_path, monkeypatch
):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    settings = write_settings(tmp_path, sandbox)
    with running(API, **settings) as one, running(API, **settings) as other:
        urls = [process.wait_for(RUNNING) for process in (one, other)]

        def send(number):
            key = {"Idempotency-Key": f"order-{number // 4}"}
            return number // 4, *post(urls[number % 2], number // 4, **key)

        with ThreadPoolExecutor(8) as threads:
            answers = list(threads.map(send, range(200)))
        again = [post(urls[n % 2], n, **{"Idempotency-Key": f"order-{n}"}) for n in range(50)]

    taken = [message.id for part in asyncio.run(_drain(sandbox)).values() for message in part]
    promised = {(n, answer["messageId"]) for n, status, answer in answers if status == 200}
    assert {status for _, status, _ in answers} <= {200, 409}
    assert promised == {(n, answer["messageId"]) for n, (_, answer) in enumerate(again)}
    assert sorted(taken) == sorted(message_id for _, message_id in promised)


def test_a_stream_of_events_does_not_keep_the_process_from_ending(api):
    connection = http.client.HTTPConnection(urlsplit(api.url).netloc, timeout=30)
    connection.request("GET", "/events")
    with connection.getresponse() as stream:
        assert stream.readline() == b"retry: 2000\n"

        api.terminate()

        assert stream.read().startswith(b"id: ")
    status, output = api.end()
    connection.close()
    assert status == STOPPED
    assert "Traceback" not in output


def test_what_was_queued_is_known_after_the_process_has_ended(api, sandbox, tmp_path):
    status, answer = post(api.url, 1)
    api.terminate()
    api.end()

    with running(API, **write_settings(tmp_path, sandbox)) as next_one:
        connection = http.client.HTTPConnection(
            urlsplit(next_one.wait_for(RUNNING)).netloc, timeout=30
        )
        connection.request("GET", f"/email/{answer['messageId']}")
        with connection.getresponse() as response:
            shown = json.load(response)
        connection.close()

    assert status == 200
    assert (shown["id"], shown["status"]) == (answer["messageId"], "queued")


def test_a_request_under_way_is_answered_before_the_process_ends(api):
    body = json.dumps(email()).encode()
    lines = ["POST /email/send HTTP/1.1", "Host: localhost", "Expect: 100-continue"]
    head = "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode()
    address = urlsplit(api.url)
    with socket.create_connection((address.hostname, address.port), timeout=30) as connection:
        connection.sendall(head)
        assert b" 100 " in connection.recv(1000)  # the application waits for the body

        api.terminate()
        api.wait_for("(Shutting down)")
        connection.sendall(body)
        answer = b"".join(iter(lambda: connection.recv(1000), b""))

    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b'{"messageId":"' in answer
    status, output = api.end()
    assert status == STOPPED
    assert "Traceback" not in output


def test_it_says_which_queues_it_takes_email_for(api, sandbox):
    assert any(f"takes email for {sandbox}/000000000000/a, " in line for line in api.lines)


def test_a_client_that_leaves_and_a_body_too_long_leave_no_traceback(api):
    for body in (b"x", b"x" * 20_000_000):
        connection = http.client.HTTPConnection(urlsplit(api.url).netloc, timeout=30)
        connection.putrequest("POST", "/email/send")
        connection.putheader("Transfer-Encoding", "chunked")
        connection.endheaders(b"%x\r\n%b\r\n" % (len(body), body))
        if len(body) > 1:
            assert connection.getresponse().status == 400
        connection.close()

    api.terminate()

    status, output = api.end()
    assert status == STOPPED
    assert "Traceback" not in output


def test_without_a_queue_to_reach_it_starts_and_says_503(tmp_path):
    settings = write_settings(tmp_path, "http://127.0.0.1:9", enqueue_timeout=1)
    with running(API, **settings) as process:
        status, answer = post(process.wait_for(RUNNING), 1)

    assert (status, answer) == (503, {"errors": {"base": "Service unavailable"}})


def test_a_fault_in_the_settings_is_a_line_and_no_traceback(tmp_path):
    settings = write_settings(tmp_path, "http://127.0.0.1:9", max_body=1)
    with running(API, **settings) as process:
        status, output = process.end()

    assert status == 1
    assert "ingest.max_body is no setting; see docs/configuration.md\n" in output
    assert "Traceback" not in output


def test_missing_credentials_are_a_sentence_and_no_traceback(tmp_path):
    settings = {
        key: value
        for key, value in write_settings(tmp_path, "http://127.0.0.1:9").items()
        if "KEY" not in key
    }
    nowhere = str(tmp_path / "none")
    files = {"AWS_CONFIG_FILE": nowhere, "AWS_SHARED_CREDENTIALS_FILE": nowhere}
    with running(API, **settings, **files) as process:
        status, output = process.end()

    assert status != 0
    assert "credentials" in output
    assert "Traceback" not in output
