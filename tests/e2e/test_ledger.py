"""Real processes that die, and a ledger that does: what was promised is sent and known as sent."""

import signal
from concurrent.futures import ThreadPoolExecutor
from urllib.error import HTTPError

import pytest

from tests.e2e.scene import SHORT, ask, eventually, post_email
from tests.ledger.servers import redis_server

pytestmark = pytest.mark.timeout(120)

EMAILS = 200


def post(api, numbers):
    """Post emails, several at a time; their ids."""
    with ThreadPoolExecutor(16) as threads:
        ids = set(threads.map(lambda number: post_email(api, number), numbers))
    assert None not in ids
    assert len(ids) == len(numbers)
    return ids


def record(api, id_):
    return ask("GET", f"{api}/email/{id_}")


def states(api, ids):
    """The states of emails; that of one unknown is its answer's."""
    return [_state(api, id_) for id_ in sorted(ids)]


def _state(api, id_):
    try:
        return record(api, id_)["status"]
    except HTTPError as error:
        error.close()
        return error.code


def is_flagged(email):
    return any(attempt["possibleDuplicate"] for attempt in email["attempts"])


def test_of_a_killed_worker_every_email_ends_as_sent_and_each_duplicate_is_flagged(house):
    for provider in ("ses", "sendgrid"):
        house.break_(provider, latency=0.3)
    api = house.api()
    ids = post(api, range(EMAILS))
    victim, _ = house.worker(), house.worker()
    eventually(lambda: len(house.accepted()) >= EMAILS // 4, house.state)

    victim.kill()
    house.until_accepted(ids)

    accepted = house.accepted()
    twice = {id_ for id_, times in accepted.items() if times > 1}
    eventually(lambda: set(states(api, ids)) == {"sent"}, house.state)
    flagged = {id_ for id_ in ids if is_flagged(record(api, id_))}
    assert accepted.keys() == ids
    assert twice <= flagged
    assert len(flagged) < EMAILS, "what the other worker sent is beyond doubt"


def test_while_redis_is_down_sending_goes_on_and_what_was_sent_is_known_afterwards(house, tmp_path):
    with redis_server(tmp_path) as server:
        house.settle_down(dispatch=SHORT, ledger={"url": server.url})
        for provider in ("ses", "sendgrid"):
            house.break_(provider, latency=0.5)
        api = house.api()
        ids = post(api, range(EMAILS))
        worker = house.worker()
        eventually(lambda: len(house.accepted()) >= EMAILS // 8, house.state)

        server.stop()
        before = house.accepted()
        eventually(lambda: len(house.accepted()) >= len(before) + EMAILS // 4, house.state)
        meanwhile = house.accepted().keys() - before.keys()
        server.start()
        ids |= post(api, range(EMAILS, EMAILS + 20))
        house.until_accepted(ids)

        assert set(house.accepted().values()) == {1}
        # What it knew before has gone with it.
        eventually(lambda: set(states(api, meanwhile)) == {"sent"}, house.state)
        assert worker.ends(signal.SIGTERM) == 0
