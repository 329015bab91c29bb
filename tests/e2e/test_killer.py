"""One email kills every worker that sends it: it is buried, and everything beside it is sent."""

import pytest

from tests.e2e.scene import QUEUES, ask, eventually, post_email

pytestmark = pytest.mark.timeout(240)

OTHERS = 20
KILLER = OTHERS // 2
THREE_TIMES = 3
PATIENCE = 180
"""Seconds: who reports no more counts as gone after 30 s, and the machine may have other work."""
DISPATCH = {"send_timeout": 2, "visibility_timeout": 14, "drain_timeout": 5}


def worker(house):
    """A worker that dies of the killer; it has begun to read."""
    child = house.child("worker", "tests.e2e.mortal", f"Receipt {KILLER}")
    child.until(f"(reading {house.url(QUEUES[1])})")
    return child


def test_an_email_that_kills_whoever_sends_it_is_buried_and_what_is_beside_it_is_sent(house):
    house.settle_down(dispatch=DISPATCH)
    for provider in ("ses", "sendgrid"):
        house.break_(provider, latency=0.5)  # so that the others are in hand when it strikes
    api = house.api()
    ids = [post_email(api, number) for number in range(OTHERS + 1)]
    killer = ids.pop(KILLER)
    workers = [worker(house)]

    def is_over():
        if workers[-1]._process.poll() is not None:  # dead: somebody starts it again
            workers.append(worker(house))
        depths = house.depths()
        return depths["dead"] == 1 and depths.total() == 1

    eventually(is_over, house.state, patience=PATIENCE)

    assert house.accepted().keys() == set(ids)
    record = ask("GET", f"{api}/email/{killer}")
    assert (record["status"], record["code"]) == ("failed", "crash")
    assert record["detail"].startswith("it ended the process that sent it three times")
    outcomes = [attempt["outcome"] for attempt in record["attempts"]]
    assert set(outcomes) == {None}
    assert THREE_TIMES <= len(outcomes) <= len(workers) - 1
