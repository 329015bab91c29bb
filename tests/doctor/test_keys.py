"""What is said of the API keys: whether there are any, who may read them, which end."""

import os

import pytest

from gomail import keys, keys_file
from gomail.doctor.keys import ask_keys
from gomail.keys import Key, Scope
from gomail.providers import Level
from tests.doctor.scene import DAY, levels

NOON = 1_800_000_000


@pytest.fixture
def file(tmp_path):
    return tmp_path / "keys.json"


def made(file, name="shop", **more):
    return keys_file.create(Key("", name, "", frozenset({Scope.SEND}), **more), file)[0]


def asked(file):
    return ask_keys(str(file), NOON)


def test_keys_that_count_are_well_and_counted(file):
    made(file)
    made(file, expires=NOON + 15 * DAY)
    made(file, revoked=NOON - DAY, expires=NOON - DAY)

    [finding] = asked(file)

    assert finding.level is Level.OK
    assert finding.text == f"{file}: keys that count: 2"


def test_without_a_key_it_is_noted_who_is_served(file, tmp_path):
    (tmp_path / "empty.json").write_bytes(keys.write([]))
    (tmp_path / "empty.json").chmod(0o600)

    for one in (file, "", tmp_path / "empty.json"):
        [finding] = asked(one)
        assert finding.level is Level.NOTE
        assert "only clients on this machine are served" in finding.text
        assert finding.mend


def test_a_file_is_named_with_its_whole_path(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)

    [finding] = asked("keys.json")

    assert f"{tmp_path}/keys.json is not there" in finding.text


def test_keys_that_end_soon_or_have_ended_are_named_with_their_time(file):
    made(file)
    soon = made(file, "blog", expires=NOON + 14 * DAY)
    expired = made(file, "till", expires=NOON)

    well, ends, ended = asked(file)

    assert (well.level, ends.level, ended.level) == (Level.OK, Level.NOTE, Level.NOTE)
    assert ends.text == f"expire within 14 days: {soon.id} of blog (2027-01-29T08:00:00Z)"
    assert ended.text == f"have expired: {expired.id} of till (2027-01-15T08:00:00Z)"


def test_keys_of_which_none_counts_serve_nobody(file):
    made(file, revoked=NOON - DAY)
    made(file, expires=NOON - DAY)

    nobody, _ended = asked(file)

    assert nobody.level is Level.BAD
    assert "nobody is served" in nobody.text


@pytest.mark.parametrize(
    ("mode", "level"), [(0o640, Level.NOTE), (0o604, Level.NOTE), (0o620, Level.BAD)]
)
def test_a_file_for_others_is_told_with_the_command(file, mode, level):
    made(file)
    file.chmod(mode)

    _, finding = asked(file)

    assert finding.level is level
    assert finding.mend == f"run: chmod 600 {file}"


def test_a_file_that_is_no_file_of_keys_is_bad(file):
    file.write_text("{")

    [finding] = asked(file)

    assert finding.level is Level.BAD
    assert finding.text == f"{file}: is no JSON"
    assert finding.mend


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_a_file_that_this_user_may_not_read_is_bad(file):
    made(file)
    file.chmod(0o000)

    assert levels(asked(file)) == {Level.BAD}


def test_a_folder_in_its_place_is_bad(file):
    file.mkdir()

    assert levels(asked(file)) == {Level.BAD}


def test_no_hash_is_shown(file):
    one = made(file, expires=NOON + DAY)
    other = made(file, expires=NOON - DAY)
    file.chmod(0o644)

    said = str(asked(file))

    assert one.id in said
    assert one.digest not in said
    assert other.digest not in said
