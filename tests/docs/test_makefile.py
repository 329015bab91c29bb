"""Bare `make` lists every target with a line."""

import re
import subprocess

from tests.docs.pages import ROOT, text
from tests.local.running import plain_environment


def make(*arguments):
    return subprocess.run(
        ["make", *arguments],
        cwd=ROOT,
        env=plain_environment(),
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def test_bare_make_lists_every_target_with_a_line():
    phony = re.search(r"^\.PHONY: (.*)$", text("Makefile"), re.MULTILINE)[1].split()

    listed = dict(re.findall(r"^make (\w+) +(\S.*)$", make(), re.MULTILINE))

    assert sorted(listed) == sorted(phony)
    assert {"setup", "up", "smoke", "test", "check", "build", "clean"} <= set(listed)


def test_every_target_can_be_made():
    for target in re.search(r"^\.PHONY: (.*)$", text("Makefile"), re.MULTILINE)[1].split():
        assert make("--dry-run", target)
