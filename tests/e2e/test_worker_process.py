"""The dispatcher as a process: it refuses to start, drains, and ends at once if it must."""

import json
import signal

import pytest

from tests.e2e.scene import KEYS, eventually
from tests.flows.running import free_addresses

pytestmark = pytest.mark.timeout(120)


def test_wrong_settings_are_sentences_and_status_1(scene):
    file = scene.folder / "bytewax.yaml"
    file.write_text(json.dumps({"queues": {"urls": []}, "providers": {"ses": {"colour": "red"}}}))
    scene.environment = KEYS | {"GOMAIL_CONFIG": str(file)}

    worker = scene.child("worker", "bytewax.run", "flows.dispatch")

    assert worker.ends() == 1
    assert f"{file}: queues.dead_letter is missing; see docs/configuration.md\n" in worker.said
    assert f"{file}: providers.ses.colour is no setting; see docs/configuration" in worker.said
    assert "Traceback" not in worker.said
    assert all(line.startswith(f"{file}: ") for line in worker.said.splitlines())


def test_a_provider_without_its_key_is_one_sentence_and_status_1(house):
    del house.environment["SENDGRID_API_KEY"]

    worker = house.child("worker", "bytewax.run", "flows.dispatch")

    assert worker.ends() == 1
    assert worker.said == (
        "providers.sendgrid has no key; set SENDGRID_API_KEY in the environment, "
        "or remove the provider\n"
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_and_ends_with_status_0(house, number):
    worker = house.worker()

    assert worker.ends(number) == 0
    assert f"{number.name}: draining for up to 3 s" in worker.said
    assert "Traceback" not in worker.said


def test_a_second_signal_ends_at_once(house):
    worker = house.worker()
    worker.tell(signal.SIGTERM)
    worker.until("(draining)")  # two long polls are open, which takes two seconds

    assert worker.ends(signal.SIGTERM) == 130
    assert "second signal: ending at once" in worker.said


def test_each_process_of_a_cluster_drains_when_all_are_told_to(house):
    """As the README's settings allow, and `-a` asks: every process with its place in the list."""
    addresses = ";".join(free_addresses(2))
    arguments = ["bytewax.run", "flows.dispatch", "-a", addresses, "-i"]
    workers = [house.child("worker", *arguments, str(place)) for place in range(2)]
    eventually(lambda: sum("reading http" in one.said for one in workers) == 2, house.state)

    for worker in workers:
        worker.tell(signal.SIGTERM)

    assert [worker.ends() for worker in workers] == [0, 0]
