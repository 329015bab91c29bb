"""The scripts of the Makefile: which Python and Node.js are taken, how a step is shown."""

import subprocess
import sys

import pytest

from tests.local.running import ROOT


@pytest.fixture
def run(tmp_path):
    """Run a tool with nothing on PATH but what the test has put there."""

    def run(tool, *arguments, path=(), cwd=None):
        folders = [str(tmp_path / folder) for folder in path]
        return subprocess.run(
            [ROOT / "tools" / tool, *arguments],
            env={"PATH": ":".join([*folders, "/nowhere"] if path else ["/usr/bin", "/bin"])},
            cwd=cwd or tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


@pytest.fixture
def program(tmp_path):
    """Put a shell script on the PATH."""

    def program(name, script):
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)

    return program


def test_a_shim_that_fails_is_passed_over(run, program):
    program("shims/python3.11", "exit 127")
    program("real/python3.11", f'exec "{sys.executable}" "$@"')

    assert run("find-python", path=["shims", "real"]).stdout.endswith("/real/python3.11\n")


def test_a_python_that_is_too_new_is_refused_with_the_remedy(run, program):
    program("real/python3", "exit 1")

    found = run("find-python", path=["real"])

    assert found.returncode == 1
    assert found.stderr.startswith("gomail needs Python 3.11 or 3.12 and found none on PATH; ")
    assert found.stderr.count("\n") == 1


def test_a_python_without_venv_is_named_with_the_remedy(run, program):
    program("real/python3.12", 'case "$2" in *ensurepip*) exit 1 ;; esac')

    assert "/real/python3.12 lacks the module venv; install it" in (
        run("find-python", path=["real"]).stderr
    )


@pytest.mark.parametrize(("status", "fits"), [(0, True), (1, False)])
def test_a_node_that_is_too_old_does_not_count(run, program, status, fits):
    program("real/node", f"exit {status}")
    program("real/npm", "exit 0")

    assert (run("find-node", path=["real"]).returncode == 0) is fits


def test_a_step_that_works_is_one_line(run):
    done = run("step", "packages", "sh", "-c", "echo many words")

    assert done.stdout.startswith("packages .")
    assert done.stdout.endswith(" s\n")
    assert "many words" not in done.stdout


def test_a_step_that_fails_shows_what_it_said_and_keeps_its_status(run, tmp_path):
    done = run("step", "packages", "sh", "-c", "echo no such package; exit 3")

    assert done.returncode == 3
    assert "    no such package\n" in done.stdout
    assert "no such package" in (tmp_path / "var" / "log" / "setup.log").read_text()
