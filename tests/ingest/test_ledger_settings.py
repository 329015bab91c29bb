"""Which ledger the settings name, and what is said of one that cannot be used."""

import sys

import pytest
import yaml
from pydantic import SecretStr

from gomail.errors import ConfigurationError
from gomail.ledger.sqlite import SqliteLedger
from gomail.ledger.table import open_ledger, with_password
from gomail.settings import load
from tests.ingest import scripted

LEAST = {
    "queues": {"urls": ["https://q.example/1"], "dead_letter": "https://q.example/d"},
    "providers": {"ses": None},
}
SECRET = "s3cret/@:"


def refusal(tmp_path, **ledger):
    file = tmp_path / "bytewax.yaml"
    file.write_text(yaml.safe_dump({**LEAST, "ledger": ledger}))
    with pytest.raises(ConfigurationError) as refused:
        load(file, {"AWS_REGION": "eu-west-1"})
    return str(refused.value).removeprefix(f"{file}: ")


def test_by_default_it_is_a_file_kept_for_thirty_days():
    ledger = scripted.settings().ledger.__class__()

    assert (ledger.url, ledger.retention_days, ledger.patience) == (
        "sqlite:var/ledger.db",
        30.0,
        0.05,
    )


@pytest.mark.parametrize(
    "url", ["postgres://x", "sqlite:", "sqlite:///x.db", "var/ledger.db", "redis:", "redis:///0"]
)
def test_what_names_no_ledger_is_refused_with_what_to_write(tmp_path, url):
    assert refusal(tmp_path, url=url).startswith(
        "ledger.url names no ledger; write sqlite:PATH, redis://HOST:PORT/NUMBER"
    )


def test_a_password_in_the_file_is_refused_with_where_it_belongs_and_not_repeated(tmp_path):
    text = refusal(tmp_path, url="redis://:hunter2@redis.example.com/0")

    assert text == "ledger.url holds a password; set it as LEDGER_PASSWORD instead"


@pytest.mark.parametrize("key", ["retention_days", "patience"])
def test_times_are_longer_than_nothing(tmp_path, key):
    assert refusal(tmp_path, **{key: 0}).startswith(f"ledger.{key}: input should be greater than 0")


def test_a_file_is_opened_and_its_folder_made(tmp_path):
    ledger = open_ledger(scripted.settings(ledger=f"sqlite:{tmp_path}/new/ledger.db"), {})

    assert isinstance(ledger, SqliteLedger)
    assert (tmp_path / "new" / "ledger.db").is_file()


def test_a_folder_that_cannot_be_made_is_said_with_a_remedy(tmp_path):
    (tmp_path / "file").touch()

    with pytest.raises(
        ConfigurationError, match=r"ledger.url: .*file cannot be made.*name another"
    ):
        open_ledger(scripted.settings(ledger=f"sqlite:{tmp_path}/file/ledger.db"), {})


def test_an_empty_url_opens_none():
    assert open_ledger(scripted.settings(ledger=""), {}) is None


def test_without_the_redis_client_the_remedy_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "redis", None)
    for name in [name for name in sys.modules if name.startswith("gomail.ledger.redis")]:
        monkeypatch.delitem(sys.modules, name)

    with pytest.raises(ConfigurationError, match=r"pip install 'gomail\[redis\]'"):
        open_ledger(scripted.settings(ledger="redis://127.0.0.1:9/0"), {})


@pytest.mark.parametrize(
    ("url", "whole"),
    [
        ("redis://h:1/2", "redis://:s3cret%2F%40%3A@h:1/2"),
        ("rediss://me@[::1]:1/2", "rediss://me:s3cret%2F%40%3A@[::1]:1/2"),
    ],
)
def test_the_password_joins_the_url_when_the_client_gets_it(url, whole):
    assert with_password(url, SecretStr(SECRET)) == whole
    assert with_password(url, None) == url
