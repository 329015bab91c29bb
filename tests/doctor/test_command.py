"""`gomail doctor` as people and machines run it, against the sandbox as a process."""

import json
import socket
import time
from itertools import count
from urllib.request import Request, urlopen

import pytest
import yaml

from gomail import keys_file
from gomail.keys import Key, Scope
from tests import servers
from tests.local.running import command, plain_environment

ACCOUNT = "000000000000"
KEYS = {
    "AWS_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "sandbox",
    "AWS_SECRET_ACCESS_KEY": "sandbox-secret",
    "AWS_EC2_METADATA_DISABLED": "true",
}
NUMBERS = count(1)


@pytest.fixture(scope="module")
def sandbox():
    with servers.sandbox() as url:
        yield url


@pytest.fixture
def doctor(tmp_path):
    """Run it with these settings and an API key; its exit status and what it said."""
    keys = tmp_path / "keys.json"
    keys_file.create(Key("", "shop", "", frozenset({Scope.SEND})), keys)

    def run(settings, *options, **environment):
        file = tmp_path / "settings.yaml"
        given = {"ledger": {"url": f"sqlite:{tmp_path}/l.db"}}
        given |= {"ingest": {"keys_file": str(keys)}}
        file.write_text(yaml.safe_dump(given | settings))
        known = plain_environment() | KEYS | {"GOMAIL_CONFIG": str(file)} | environment
        with command("doctor", *options, folder=tmp_path, environment=known) as running:
            return running.ends(), running.said

    return run


def call(sandbox, operation, **question):
    headers = {"X-Amz-Target": f"AmazonSQS.{operation}"}
    with urlopen(Request(sandbox, json.dumps(question).encode(), headers)) as answer:
        return json.loads(answer.read() or b"{}")


def queue(sandbox, name, **attributes):
    name = f"{name}-{next(NUMBERS)}"
    call(sandbox, "CreateQueue", QueueName=name, Attributes=attributes)
    return f"{sandbox}/{ACCOUNT}/{name}"


def at(sandbox):
    """Settings with a queue and its dead-letter queue as they should be, and SES."""
    dead = queue(sandbox, "dead")
    arn = f"arn:aws:sqs:us-east-1:{ACCOUNT}:{dead.rpartition('/')[2]}"
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": "1000"})
    return {
        "queues": {
            "urls": [queue(sandbox, "emails", RedrivePolicy=policy)],
            "dead_letter": dead,
            "endpoint_url": sandbox,
        },
        "providers": {"ses": {"endpoint_url": sandbox}},
        "payloads": {"bucket": "emails", "endpoint_url": f"{sandbox}/s3"},
    }


def test_all_well_is_exit_status_0(doctor, sandbox):
    status, said = doctor(at(sandbox))

    assert said.splitlines()[-1] == "Nothing to mend."
    assert status == 0
    assert "provider ses\n  ok " in said
    assert "API keys\n  ok " in said


def test_what_is_to_be_mended_is_exit_status_1_with_the_remedy(doctor, sandbox):
    settings = at(sandbox)
    settings["queues"]["urls"] += [queue(sandbox, "alone"), f"{sandbox}/{ACCOUNT}/nowhere"]

    status, said = doctor(settings)

    assert status == 1
    assert "queue nowhere\n  MEND  does not exist\n        -> create it" in said
    assert "  MEND  has no redrive policy" in said
    assert said.splitlines()[-1] == "2 things to mend."
    assert max(map(len, said.splitlines())) <= 80


def test_a_wrong_key_is_named_and_not_shown(doctor, sandbox):
    status, said = doctor(at(sandbox), AWS_ACCESS_KEY_ID="bad")

    provider = said.partition("provider ses\n")[2].partition("\n\n")[0]
    assert status == 1
    assert "MEND" in provider
    assert "sandbox-secret" not in said


def test_a_missing_key_is_named_with_its_variable(doctor, sandbox):
    settings = at(sandbox)
    settings["providers"]["sendgrid"] = {"base_url": sandbox}

    status, said = doctor(settings)

    assert status == 1
    assert "MEND  has no key\n        -> set SENDGRID_API_KEY" in said
    assert "provider ses\n  ok " in said


def test_machines_get_one_json_object(doctor, sandbox):
    status, said = doctor(at(sandbox), "--json")

    found = json.loads(said)
    assert (status, found["ok"], found["mend"]) == (0, True, 0)
    assert "provider ses" in [one["title"] for one in found["sections"]]


def test_settings_that_cannot_be_read_are_a_finding_too(doctor):
    status, said = doctor({"queues": {"url": []}, "providers": {"ses": {}}}, "--json")

    found = json.loads(said)
    assert (status, found["ok"]) == (1, False)
    assert "queues.url is no setting" in str(found)


def test_where_nothing_listens_everything_is_to_be_mended(doctor, sandbox):
    with socket.socket() as taken:  # bound, and nobody listens
        taken.bind(("127.0.0.1", 0))
        nowhere = f"http://127.0.0.1:{taken.getsockname()[1]}"
        settings = json.loads(json.dumps(at(sandbox)).replace(sandbox, nowhere))

        status, said = doctor(settings)

    assert status == 1
    assert said.splitlines()[-1] == "4 things to mend."
    assert "cannot be reached" in said
    assert "Traceback" not in said


def test_where_everything_hangs_it_ends_within_15_seconds_and_says_what_it_waits_for(
    doctor, sandbox, tmp_path
):
    profile = tmp_path / "config"
    profile.write_text("[default]\ncredential_process = sleep 20\n")  # hangs in a thread
    known = {"AWS_CONFIG_FILE": str(profile), "AWS_SHARED_CREDENTIALS_FILE": "/dev/null"}
    unset = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "SENDGRID_API_KEY": "key"}
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections, answers none
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        settings = at(sandbox)
        settings["providers"]["sendgrid"] = {"base_url": address}
        began = time.monotonic()

        status, said = doctor(settings, **known, **unset)

    assert status == 1
    assert time.monotonic() - began < 15
    assert "still asking: AWS, queue emails-" in said
    assert "no AWS credentials within 5 s" in said
    assert "provider sendgrid\n  MEND  " in said
