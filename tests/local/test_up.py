"""`gomail up` over real processes, on free ports."""

import json
import os
import signal
import urllib.request

import pytest

from tests.local.running import children, command, eventually, plain_environment, up

EMAIL = {"fromEmail": "ann@example.com", "toEmail": "ben@example.org", "body": "Hello"}
PROVIDERS = ("ses", "sendgrid")


@pytest.fixture
def running(tmp_path):
    with up(tmp_path) as running:
        yield running


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """One for the tests that leave it as it is."""
    with up(tmp_path_factory.mktemp("up")) as running:
        running.until_ready()
        yield running


def get(address):
    with urllib.request.urlopen(address, timeout=10) as answer:
        return json.load(answer)


def send(address, body, method="POST"):
    request = urllib.request.Request(address, data=json.dumps(body).encode(), method=method)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def test_it_gets_ready_once_both_providers_have_accepted_an_email(shared):
    api, sandbox = shared.until_ready()

    assert set(get(f"{sandbox}/mailbox/count")["by_provider"]) == set(PROVIDERS)
    assert get(f"{api}/health/ready")["status"] == "ok"
    assert f"{sandbox}/mailbox.html" in shared.said
    assert f"{api}/openapi.json" in shared.said


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_all_in_order_with_status_0(running, number):
    running.until_ready()
    pids = children(running.folder)

    assert running.ends(number) == 0
    assert len(pids) == 3
    assert children(running.folder) == {}
    assert "ended: api 0, worker 0, sandbox 0" in running.said


def test_a_signal_during_the_start_ends_what_has_been_started(running):
    running.until("sandbox: ready")

    assert running.ends(signal.SIGTERM) == 0
    assert children(running.folder) == {}


def test_a_killed_parent_leaves_no_child(running):
    running.until_ready()

    running.ends(signal.SIGKILL)

    eventually(lambda: not children(running.folder))


@pytest.mark.parametrize("module", ["flows.dispatch", "ingest.app", "sandbox"])
def test_a_child_that_dies_ends_all_with_its_last_lines(running, module):
    running.until_ready()

    os.kill(running.child(f"{module} " if module == "sandbox" else module), signal.SIGKILL)

    assert running.ends() == 1
    assert "was ended by SIGKILL; its last lines" in running.said
    assert children(running.folder) == {}


def test_warnings_of_a_child_are_shown_and_the_rest_is_in_its_log(shared):
    _, sandbox = shared.until_ready()

    send(f"{sandbox}/faults/sqs", {"error_rate": 1, "operations": ["ReceiveMessage"]}, "PUT")

    shared.until(r"worker \| \S+ \S+ WARNING +flows\.receive: receiving from ")
    send(f"{sandbox}/faults/sqs", {}, "PUT")
    assert "INFO" not in shared.said
    assert "INFO" in (shared.folder / "log" / "worker.log").read_text()


def test_mail_that_waits_is_sent_after_a_restart(tmp_path):
    with up(tmp_path) as running:
        api, sandbox = running.until_ready()
        for provider in PROVIDERS:
            send(f"{sandbox}/faults/{provider}", {"error_rate": 1}, "PUT")
        sent = send(f"{api}/email/send", {"email": EMAIL})["messageId"]
        eventually(lambda: any(get(f"{sandbox}/calls")[name]["failed"] for name in PROVIDERS))
        running.ends(signal.SIGTERM)

    with up(tmp_path) as again:
        _, sandbox = again.until_ready()

        eventually(lambda: get(f"{sandbox}/mailbox?brief&id={sent}")["emails"])


def test_a_provider_that_sends_by_smtp_finds_the_sandbox_s_port(tmp_path):
    file = tmp_path / "own.yaml"
    queues = "queues: {urls: [https://sqs.example/1/mail], dead_letter: https://sqs.example/1/dead}"
    relay = "providers: {relay: {kind: smtp, host: mail.my-company.com, username: shop}}"
    file.write_text(f"{queues}\n{relay}\n")
    environment = plain_environment() | {"GOMAIL_CONFIG": str(file)}
    arguments = ("up", "--api-port", "0", "--sandbox-port", "0", "--folder", str(tmp_path))

    with command(*arguments, folder=tmp_path, environment=environment) as running:
        _, sandbox = running.until_ready()

        assert set(get(f"{sandbox}/mailbox/count")["by_provider"]) == {"smtp"}


def test_a_busy_port_is_one_sentence_that_names_who_listens_and_the_remedy(shared, tmp_path):
    api, _ = shared.until_ready()
    port = api.rpartition(":")[2]

    with command("up", "--api-port", port, "--folder", str(tmp_path), folder=tmp_path) as second:
        assert second.ends() == 1

    pid = shared.child("ingest.app")
    assert second.said.startswith(f"Port {port} is busy: stop process {pid} (")
    assert second.said.endswith("with gomail up --api-port PORT (0 for a free one).\n")
    assert second.said.count("\n") == 1


def test_a_busy_folder_is_one_sentence(shared):
    with up(shared.folder) as second:
        assert second.ends() == 1

    assert second.said.startswith("Another `gomail up` works in ")
    assert second.said.count("\n") == 1


def test_a_wrong_setting_is_one_sentence(tmp_path):
    environment = plain_environment() | {"GOMAIL_NO_SUCH": "1"}

    with command("up", folder=tmp_path, environment=environment) as running:
        assert running.ends() == 1

    assert running.said == (
        "environment: GOMAIL_NO_SUCH is no setting; see docs/configuration.md\n"
    )
