"""`gomail keys`: a secret is shown once, what is made is listed, what is revoked counts no more."""

import threading

import pytest
import typer
from typer.testing import CliRunner

from gomail import keys, keys_file
from gomail.cli import app
from gomail.keys import Key, Scope

NOON = 1_800_000_000


@pytest.fixture
def file(tmp_path):
    return tmp_path / "keys.json"


@pytest.fixture
def run(file):
    """Run the command; gives its result."""

    def run(*arguments):
        given = [str(one) for one in arguments]
        return CliRunner().invoke(app, ["keys", *given, "--file", str(file)])

    return run


def test_a_key_that_is_made_counts_and_its_secret_is_nowhere_else(run, file):
    made = run("create", "shop", "--scope", "send", "--scope", "read", "--from", "Example.com",
               "--rate", "50", "--expires", "2999-01-31")  # fmt: skip

    secret = made.stdout.strip()
    assert secret.startswith("gm_")
    key = keys.parse(file.read_bytes()).match(secret.encode(), NOON)
    assert key
    assert (key.name, key.scopes) == ("shop", {Scope.SEND, Scope.READ})
    assert (key.senders, key.rate) == ({"example.com"}, 50.0)
    assert keys.written(key.expires) == "2999-01-31T00:00:00Z"
    assert secret not in file.read_text()
    assert secret not in run("list").stdout
    assert secret not in made.stderr


def test_a_list_tells_all_of_a_key(run):
    run("create", "shop", "--scope", "send", "--from", "example.com", "--rate", "0.5")
    run("create", "ops", "--scope", "admin")
    run("revoke", "ops")

    shop, ops = run("list").stdout.splitlines()
    assert "  shop  send  from example.com  0.5/s  created " in shop
    assert "  ops  admin  created " in ops
    assert "  revoked " in ops


def test_without_keys_the_list_says_what_that_means(run):
    assert "the API serves clients on this machine only" in run("list").stdout


def test_one_key_of_a_name_is_revoked_by_its_id_and_all_by_the_name(run, file):
    secrets = [run("create", "shop", "--scope", "send").stdout.strip() for _ in range(3)]

    def live():
        ring = keys.parse(file.read_bytes())
        return [bool(ring.match(one.encode(), NOON)) for one in secrets]

    assert run("revoke", secrets[0].split("_")[1]).exit_code == 0
    assert live() == [False, True, True]
    assert run("revoke", "shop").exit_code == 0
    assert live() == [False, False, False]
    again = run("revoke", "shop")
    assert (again.exit_code, "no key that counts has the id or name 'shop'" in again.stderr) == (
        1,
        True,
    )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["a b", "--scope", "send"], "'a b' is no name"),
        (["shop", "--scope", "send", "--from", "@"], "neither an address nor a domain"),
        (["shop", "--scope", "send", "--rate", "0"], "rate is not between"),
        (["shop", "--scope", "send", "--expires", "soon"], "'soon' is no date"),
        (["shop", "--scope", "send", "--expires", "2001-01-01"], "is in the past"),
    ],
)
def test_what_is_not_valid_is_a_sentence_and_makes_nothing(run, file, arguments, sentence):
    refused = run("create", *arguments)

    assert refused.exit_code == 1
    assert sentence in refused.stderr
    assert "Traceback" not in refused.output
    assert not file.exists()


def test_a_broken_file_is_not_written_over(run, file):
    file.write_text("{")

    for arguments in (["create", "shop", "--scope", "send"], ["revoke", "shop"], ["list"]):
        refused = run(*arguments)
        assert refused.exit_code == 1
        assert "is no JSON; mend it" in refused.stderr
    assert file.read_text() == "{"


def test_a_folder_that_is_not_there_is_named(tmp_path):
    file = tmp_path / "nowhere" / "keys.json"

    refused = CliRunner().invoke(
        app, ["keys", "create", "shop", "--scope", "send", "--file", str(file)]
    )

    assert refused.exit_code == 1
    assert f"{file}: " in refused.stderr
    assert isinstance(refused.exception, SystemExit | typer.Exit)


def test_keys_that_are_made_at_one_time_are_all_there(file):
    threads = [
        threading.Thread(
            target=keys_file.create, args=(Key("", f"n{n}", "", frozenset({Scope.SEND})), file)
        )
        for n in range(8)
    ]
    for one in threads:
        one.start()
    for one in threads:
        one.join()

    assert {key.name for key in keys_file.listed(file)} == {f"n{n}" for n in range(8)}
    assert [one.name for one in file.parent.iterdir()] == ["keys.json"]


def test_a_write_that_fails_leaves_the_old_file(run, file, monkeypatch):
    run("create", "shop", "--scope", "send")
    before = file.read_bytes()

    def fail(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(keys_file.os, "fsync", fail)
    refused = run("create", "blog", "--scope", "send")

    assert "cannot be written (No space left on device)" in refused.stderr
    assert file.read_bytes() == before
    assert [one.name for one in file.parent.iterdir()] == ["keys.json"]


@pytest.fixture
def configured(monkeypatch, tmp_path):
    """Settings in a folder of their own with this keys file; gives the folder."""
    folder = tmp_path / "etc"
    folder.mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("GOMAIL_CONFIG", str(folder / "settings.yaml"))

    def configured(keys_file):
        (folder / "settings.yaml").write_text(
            "queues: {urls: ['http://127.0.0.1:1/0/q'], dead_letter: 'http://127.0.0.1:1/0/d'}\n"
            "providers: {ses: {}}\naws: {region: eu-west-1}\n"
            f"ingest: {{keys_file: '{keys_file}'}}\n"
        )
        return folder

    return configured


def create(*more):
    return CliRunner().invoke(app, ["keys", "create", "shop", "--scope", "send", *map(str, more)])


def test_the_file_is_by_default_the_one_of_the_settings(configured, tmp_path):
    configured(tmp_path / "mine.json")

    made = create()

    assert made.exit_code == 0, made.output
    assert (tmp_path / "mine.json").exists()
    assert f"is in {tmp_path}/mine.json; its secret is" in made.stderr
    assert "not read by" not in made.stderr


def test_a_file_that_is_named_from_another_folder_than_the_settings_is_told(configured, tmp_path):
    folder = configured("keys.json")

    made = create()

    assert made.exit_code == 0
    assert f"is in {tmp_path}/here/keys.json; its secret is" in made.stderr
    assert f"{tmp_path}/here/keys.json is not read by an API that is started in {folder}: " in (
        made.stderr
    )
    assert made.stdout.startswith("gm_")
    assert made.stdout.count("\n") == 1


def test_in_the_folder_of_the_settings_there_is_nothing_to_tell(configured, monkeypatch):
    monkeypatch.chdir(configured("keys.json"))

    assert "not read by" not in create().stderr


@pytest.mark.parametrize(
    ("keys_file", "why"), [("/other/keys.json", "is /other/keys.json"), ("", "is empty")]
)
def test_a_file_beside_the_one_of_the_settings_is_told(configured, tmp_path, keys_file, why):
    configured(keys_file)
    there = f"{tmp_path}/here/mine.json"

    made = create("--file", "mine.json")
    revoked = CliRunner().invoke(app, ["keys", "revoke", "shop", "--file", "mine.json"])

    for one in (made, revoked):
        assert one.exit_code == 0
        assert f"{there} is not read by the API: ingest.keys_file {why}" in one.stderr
    assert f" in {there}; the API notices" in revoked.stdout


def test_without_settings_a_file_that_is_named_is_enough(tmp_path, monkeypatch):
    monkeypatch.setenv("GOMAIL_CONFIG", str(tmp_path / "nowhere.yaml"))

    made = create("--file", tmp_path / "mine.json")

    assert made.exit_code == 0
    assert made.stderr.splitlines()[0].endswith(f"is in {tmp_path}/mine.json; its secret is")
