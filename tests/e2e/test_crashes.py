"""Posted over HTTP, sent by workers, while processes die: every promised id is accepted."""

import signal
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.e2e.scene import SHORT, eventually, post_email

pytestmark = pytest.mark.timeout(120)

EMAILS = 200


@pytest.fixture
def posting():
    """Posts emails in the background: a future of each one's id."""
    with ThreadPoolExecutor(16) as threads:
        yield lambda api, numbers: [threads.submit(post_email, api, n) for n in numbers]


def promised(futures):
    """The ids of posts that must all be answered with one."""
    ids = [future.result() for future in futures]
    assert None not in ids
    assert len(set(ids)) == len(ids)
    return set(ids)


def test_a_killed_worker_loses_nothing_and_doubles_at_most_what_it_held(house, posting):
    for provider in ("ses", "sendgrid"):
        house.break_(provider, latency=0.3)
    api = house.api()
    victim, _ = house.worker(), house.worker()

    futures = posting(api, range(EMAILS))
    eventually(lambda: len(house.accepted()) >= EMAILS // 4, house.state)
    victim.kill()
    held = house.depths()["hidden"]
    assert held > 0
    house.worker()
    ids = promised(futures)
    house.until_accepted(ids)

    accepted = house.accepted()
    assert accepted.keys() == ids
    assert sum(accepted.values()) - EMAILS <= held


def test_a_provider_that_breaks_in_the_middle_costs_no_mail(house, posting):
    api = house.api()
    worker = house.worker()
    before = promised(posting(api, range(EMAILS // 2)))
    house.until_accepted(before)
    assert set(house.by_provider()) == {"ses", "sendgrid"}

    house.break_("ses", error_rate=1)
    after = promised(posting(api, range(EMAILS // 2, EMAILS)))
    house.until_accepted(before | after)

    accepted = house.accepted()
    assert accepted.keys() == before | after
    assert set(accepted.values()) == {1}
    assert house.by_provider()["ses"] <= EMAILS // 2
    assert worker.ends(signal.SIGTERM) == 0


def test_a_killed_queue_service_loses_nothing_that_was_promised(scene, posting):
    """The queues are another process than the providers, so that the mailbox survives."""
    data = str(scene.folder / "queues.db")
    queues, scene.cloud = scene.sandbox("--data", data)
    _, scene.post = scene.sandbox()
    scene.settle_down(dispatch=SHORT)
    for provider in ("ses", "sendgrid"):
        scene.break_(provider, latency=0.1)
    api = scene.api()
    scene.worker()

    futures = posting(api, range(EMAILS))
    eventually(lambda: sum(future.done() for future in futures) >= EMAILS // 4, scene.state)
    queues.kill()
    assert not all(future.done() for future in futures)
    scene.sandbox("--data", data, port=scene.cloud.rpartition(":")[2])
    ids = {id_ for future in futures if (id_ := future.result())}
    ids |= promised(posting(api, range(EMAILS, EMAILS + 20)))
    scene.until_accepted(ids)

    # More may have been accepted: of what was answered 503, some was on a queue all the same.
    assert len(ids) > EMAILS // 4
    assert set(scene.accepted().values()) == {1}
