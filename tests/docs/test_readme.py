"""The README's commands.

Run for real: the curl and `gomail config`. `make test`, `make smoke` and `make check` are this very
run, tests/local/test_smoke.py and CI: here they are only known to make. The two processes for real
use are those that `gomail up` starts; here they are only found and compared.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys

import pytest

from gomail import cli, keys_file
from tests.docs.pages import ROOT, blocks, commands, text
from tests.local.running import command, plain_environment, up

README = text("README.md")
CURL = next(line for line in commands(README) if line.startswith("curl "))
MAKE = [line for line in commands(README) if line.startswith("make")]
CONFIG = ".venv/bin/python -m gomail config"
KEY = next(line for line in commands(README) if " keys create " in line)
PROCESSES = [
    ".venv/bin/uvicorn --factory --no-access-log ingest.app:create_app",
    ".venv/bin/python -m bytewax.run flows.dispatch",
]


def test_there_is_no_command_that_no_test_knows():
    assert sorted(commands(README)) == sorted([*MAKE, CURL, CONFIG, KEY, *PROCESSES])


def test_the_curl_is_answered_as_shown(tmp_path):
    if shutil.which("curl") is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("there is no curl on PATH")
    with up(tmp_path) as running:
        api, _ = running.until_ready()
        arguments = shlex.split(CURL.replace("http://127.0.0.1:8000", api))

        done = subprocess.run(
            [arguments[0], "--silent", *arguments[1:]], capture_output=True, text=True, check=True
        )

    answer, shown = json.loads(done.stdout), json.loads(blocks(README, "json")[0])
    assert answer.keys() == shown.keys()
    assert len(answer["messageId"]) == len(shown["messageId"])


def test_the_default_ports_are_those_in_the_readme():
    assert "http://127.0.0.1:8000/" in CURL
    assert cli.up.__defaults__ == (8000, 9324, cli.Path("var"))


def test_config_shows_what_is_in_force_and_no_secret(tmp_path):
    environment = plain_environment() | {"AWS_REGION": "eu-west-1", "SENDGRID_API_KEY": "SG.secret"}

    with command("config", folder=tmp_path, environment=environment) as shown:
        assert shown.ends() == 0

    assert "region: eu-west-1" in shown.said
    assert "# SENDGRID_API_KEY: set" in shown.said
    assert "SG.secret" not in shown.said


def test_the_key_is_made_as_shown(tmp_path):
    file = tmp_path / "keys.json"
    environment = plain_environment() | {
        "AWS_REGION": "eu-west-1",
        "GOMAIL_INGEST__KEYS_FILE": str(file),
    }

    with command(*shlex.split(KEY)[3:], folder=tmp_path, environment=environment) as made:
        assert made.ends() == 0

    [key] = keys_file.listed(file)
    assert (key.name, key.scopes, key.senders) == ("shop", {"send"}, {"example.com"})
    assert re.search(r"^gm_\S{40,}$", made.said, re.MULTILINE)


def test_config_names_what_is_wrong_and_fails(tmp_path):
    with command("config", folder=tmp_path) as shown:
        assert shown.ends() == 1

    assert shown.said == "bytewax.yaml: aws.region is missing; set AWS_REGION\n"


@pytest.mark.parametrize("line", MAKE)
def test_make_knows_its_targets(line):
    known = subprocess.run(
        [*shlex.split(line), "--dry-run"],
        cwd=ROOT,
        env=plain_environment(),
        capture_output=True,
        text=True,
        check=False,
    )

    assert known.returncode == 0, known.stderr


@pytest.mark.parametrize("line", PROCESSES)
def test_the_processes_are_those_that_up_starts(line):
    program = shlex.split(line)
    started = (ROOT / "gomail" / "local" / "house.py").read_text()

    assert all(f'"{word}"' in started for word in program[1:] if word != "-m")


@pytest.mark.parametrize("program", ["uvicorn"])
def test_its_programs_come_with_the_environment(program):
    beside = os.path.dirname(sys.executable)  # noqa: PTH120 - not resolved: the environment's own

    assert shutil.which(program, path=beside)


def test_every_key_in_its_table_is_a_setting():
    table = README.partition("## Configuration")[2].partition("\n## ")[0]
    keys = re.findall(r"`([a-z_]+(?:\.[a-z_]+)+)`", table)

    page = text("docs/configuration.md")

    assert len(keys) > 8
    assert [key for key in keys if key != "bytewax.yaml" and f"`{key}`" not in page] == []
