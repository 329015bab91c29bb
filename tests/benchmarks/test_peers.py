"""The registry of the peers, what they are told, and what they are pinned to; none is installed."""

import json
import re
from pathlib import Path

import pytest

from benchmarks.peers import HERE, IN_FLIGHT, JS, PEERS, environment

LOCK = json.loads((JS / "package-lock.json").read_text())["packages"]
PINS = (HERE / "requirements.txt").read_text()


def told(**more):
    return environment(
        queues=["http://127.0.0.1:1/0/a", "http://127.0.0.1:1/0/b"],
        aws="http://127.0.0.1:1",
        sendgrid="http://127.0.0.1:2",
        dead="http://127.0.0.1:1/0/dead",
        **more,
    )


def test_every_peer_is_known_by_its_name_and_has_a_program():
    for name, peer in PEERS.items():
        assert peer.name == name
        assert Path(peer.command[-1]).is_file()


def test_tls_is_never_expected_to_be_cheaper():
    assert all(0 < peer.expected_us_plain < peer.expected_us_tls for peer in PEERS.values())


def test_a_peer_is_told_where_everything_is():
    variables = told(ca_file="/authority.pem")

    assert variables["SQS_URLS"] == "http://127.0.0.1:1/0/a,http://127.0.0.1:1/0/b"
    assert variables["DEAD"] == "http://127.0.0.1:1/0/dead"
    assert variables["AWS_ENDPOINT_URL"] == "http://127.0.0.1:1"
    assert variables["SENDGRID_URL"] == "http://127.0.0.1:2"
    assert variables["CA_FILE"] == "/authority.pem"
    assert variables["IN_FLIGHT"] == str(IN_FLIGHT)


def test_without_tls_there_is_no_authority_to_trust():
    assert "CA_FILE" not in told()


@pytest.mark.parametrize("name", ["AWS_PROFILE", "HTTPS_PROXY", "AWS_ENDPOINT_URL_SQS"])
def test_nothing_of_this_environment_seeps_in(name, monkeypatch):
    monkeypatch.setenv(name, "http://proxy.example")

    assert name not in told()


@pytest.mark.parametrize("name", sorted(PEERS))
def test_every_variable_that_a_program_needs_is_told(name):
    program = Path(PEERS[name].command[-1]).read_text()
    required = set(re.findall(r'os\.environ\["(\w+)"\]', program))
    required |= set(re.findall(r"const \{ (.*) \} = process\.env", program)[:1])
    names = {one.split(" ")[0] for each in required for one in each.split(", ")}

    assert names - {"CA_FILE", "SSL_CERT_FILE"} <= told().keys()
    assert {"SQS_URLS", "SENDGRID_URL", "DEAD"} <= names


def test_the_lock_of_the_node_packages_holds_hashes_and_no_address_of_a_registry():
    installed = [entry for path, entry in LOCK.items() if path]

    assert installed
    assert all("integrity" in entry for entry in installed)
    assert not any("resolved" in entry for entry in installed)


def test_the_python_packages_are_pinned_with_hashes_and_without_an_address():
    pinned = re.findall(r"^([a-z][\w.-]*)==\S+(?: ;.*)? \\\n    --hash=", PINS, re.MULTILINE)
    wanted = (HERE / "requirements.in").read_text().split()

    assert set(wanted) <= set(pinned)
    assert len(pinned) == len(re.findall(r"^[a-z]", PINS, re.MULTILINE))
    assert "://" not in PINS
    assert "--index-url" not in PINS
