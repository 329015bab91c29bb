"""Real processes: refused, looked at, redriven, sent once with its id; and what is thrown away."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from gomail.email import encode
from tests.builders import message
from tests.e2e.conftest import house, scene  # noqa: F401 - fixtures
from tests.e2e.scene import ROOT, ask, eventually, post_email

pytestmark = pytest.mark.timeout(120)


def gomail(scene, *arguments, typed=None):  # noqa: F811 - a scene, not the fixture
    """One run of `gomail dead-letters`; its status and all that it said."""
    done = subprocess.run(
        [sys.executable, "-m", "gomail", "dead-letters", *arguments],
        check=False,
        cwd=ROOT,
        env={**os.environ, **scene.environment},
        capture_output=True,
        text=True,
        timeout=60,
        input=typed,
    )
    assert max(map(len, done.stdout.splitlines()), default=0) <= 80 or "--json" in arguments
    return done.returncode, done.stdout + done.stderr


def all_refused(house):  # noqa: F811
    for provider in ("ses", "sendgrid"):
        house.break_(provider, error_rate=1.0, status=400)


def heal(house):  # noqa: F811
    for provider in ("ses", "sendgrid"):
        house.break_(provider)


def long_ago(house):  # noqa: F811
    """Move what the ledger knows of a quarter of an hour back: nobody waits for the minute."""
    with closing(sqlite3.connect(house.folder / "ledger.db", timeout=20)) as ledger:
        ledger.execute("UPDATE emails SET queued_at = queued_at - 900000")
        ledger.commit()


def bury(house, *bodies):  # noqa: F811
    """Put bodies on the dead-letter queue, as somebody else would."""
    for body in bodies:
        ask(
            "POST",
            f"{house.cloud}/",
            {"QueueUrl": house.url("dead"), "MessageBody": body},
            **{"X-Amz-Target": "AmazonSQS.SendMessage"},
        )


def test_what_is_refused_is_looked_at_mended_and_redriven_and_sent_once_under_its_id(house):  # noqa: F811
    all_refused(house)
    api, worker = house.api(), house.worker()
    id_ = post_email(api, 1)
    eventually(lambda: house.depths()["dead"] == 1, house.state)
    eventually(lambda: ask("GET", f"{api}/email/{id_}")["status"] == "refused", house.state)
    assert worker.ends(15) == 0  # the process that buried it would take it for a copy

    status, said = gomail(house, "list")
    assert (status, id_ in said, "refused" in said, "example.org" in said) == (0, True, True, False)
    status, said = gomail(house, "show", id_)
    assert (status, "reader-1@example.org" in said, "refused" in said) == (0, True, True)
    status, said = gomail(house, "redrive", id_)
    assert (status, "not yet a minute old" in said) == (1, True)
    status, said = gomail(house, "redrive", "--all", "--force", "--dry-run")
    assert (status, said) == (0, "1 dead letter would be redriven.\n")
    assert house.depths()["dead"] == 1

    heal(house)
    long_ago(house)
    status, said = gomail(house, "redrive", id_, "--force")
    assert (status, said) == (0, "1 dead letter redriven.\n")
    house.worker()
    house.until_accepted({id_})

    assert house.accepted() == {id_: 1}
    eventually(lambda: ask("GET", f"{api}/email/{id_}")["status"] == "sent", house.state)
    email = ask("GET", f"{api}/email/{id_}")
    story = [attempt["outcome"] or attempt["code"] for attempt in email["attempts"]]
    assert (story[0], story[-2:]) == ("refused", ["redriven", "accepted"])
    assert email["id"] == id_


def test_purging_deletes_what_was_counted_once_its_count_is_typed_back(house):  # noqa: F811
    all_refused(house)
    api = house.api()
    house.worker()
    for number in range(3):
        assert post_email(api, number)
    eventually(lambda: house.depths()["dead"] == 3, house.state)

    assert gomail(house, "purge")[0] == 2
    status, said = gomail(house, "purge", "--all", typed="2\n")
    assert (status, "nothing is deleted" in said) == (1, True)
    status, said = gomail(house, "purge", "--all", "--yes-really", "4")
    assert (status, "nothing is deleted" in said) == (1, True)
    assert house.depths()["dead"] == 3
    status, said = gomail(house, "purge", "--reason", "refused", typed="3\n")
    assert (status, "3 deleted." in said) == (0, True)
    assert house.depths()["dead"] == 0


def test_the_command_line_says_for_machines_what_it_says_for_people(house):  # noqa: F811
    bury(house, "no JSON")

    listed = json.loads(gomail(house, "list", "--json")[1])
    [item] = listed["items"]
    assert (listed["looked"], listed["complete"], item["reason"]) == (1, True, "not told")
    assert gomail(house, "show", item["id"], "--body") == (0, "no JSON\n")
    assert "not told" in gomail(house, "list", "--by-reason")[1]
    assert gomail(house, "show", "nosuch")[0] == 1


def test_while_the_ledger_is_down_a_letter_is_shown_without_its_history(house):  # noqa: F811
    bury(house, encode(message("m-1", to="ada@example.com")))
    house.environment |= {"GOMAIL_LEDGER__URL": f"sqlite:{house.folder}"}  # a folder is no file

    status, said = gomail(house, "show", "m-1")

    assert (status, "ada@example.com" in said) == (0, True)
    assert "shown without what the ledger knows" in said
    assert json.loads(gomail(house, "show", "m-1", "--json")[1].splitlines()[0])["status"] is None


@pytest.fixture
def heeded():
    """SIGHUP ends what is started, also where `nohup` has had the tests ignore it."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("heeded")
@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGHUP])
def test_a_redrive_that_is_ended_gives_back_at_once_what_it_held(house, ending):  # noqa: F811
    bury(house, *(encode(message(f"m-{n}")) for n in range(3)))
    slow = house.child("redrive", "gomail", "dead-letters", "redrive", "--all", "--rate", "0.1")
    eventually(lambda: house.depths()["visible"] == 1, house.state)

    assert slow.ends(ending) == 130

    assert "the rest was given back" in slow.said
    assert gomail(house, "list")[1].endswith("2 dead letters.\n")
