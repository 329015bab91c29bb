"""A letter that is on a queue and still dead, or dead twice: the dispatcher's ledger sends it once.

That is what a redrive leaves behind that dies between the queue's confirmation and the delete.
"""

import time

import pytest

from gomail.dead_letters import EVERY, Kept
from gomail.dead_letters_box import DeadLetterBox
from gomail.email import encode
from gomail.errors import QueueUnavailable
from gomail.ledger import REDRIVEN_AFTER
from tests.builders import message
from tests.dead_letters.boxes import BrowsableQueue
from tests.flows.conftest import ledger, world  # noqa: F401 - fixtures
from tests.flows.fakes import answering
from tests.flows.running import DEAD, ONE, TWO, dispatching
from tests.ledger.notes import ended, queued

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def dead(world, ledger):  # noqa: F811
    """A world in which m-0 was refused two minutes ago and is dead; answers its queue."""
    long_ago = int(time.time() * 1_000) - 2 * REDRIVEN_AFTER
    ledger.read(lambda at: at.queued([queued("m-0", long_ago)]))
    ledger.read(lambda at: at.record([ended("m-0", "refused", queued_at=long_ago)]))
    queue = world.queue = BrowsableQueue(ONE, TWO, DEAD)
    told = {"gomailId": "m-0", "reason": "refused", "code": "400", "queue": ONE}
    queue._add(DEAD, encode(message("m-0")), told, time.time() - 2 * REDRIVEN_AFTER / 1_000)
    return queue


def redrive(ledger, queue, **given):  # noqa: F811
    def with_ledger(at):
        box = DeadLetterBox(queue, url=DEAD, targets=(ONE, TWO), ledger=at, sleep=_at_once)
        return box.redrive(EVERY, rate=1_000, **given)

    queue.end_polls()
    return ledger.read(with_ledger)


async def _at_once(_seconds):
    pass


def settle(world):  # noqa: F811
    world.queue.begin_polls()
    with dispatching(world) as dispatch:
        dispatch.until_settled()


def test_killed_before_the_delete_it_is_sent_once_and_its_dead_letter_is_kept_as_sent(
    world,  # noqa: F811
    ledger,  # noqa: F811
    dead,
):
    with dead.broken("delete", QueueUnavailable("killed")):
        assert redrive(ledger, dead).undeleted == ["m-0"]

    settle(world)

    assert world.accepted == ["m-0"]
    assert [one.code for one in ledger.record_of("m-0").attempts][:1] == ["redriven"]
    assert redrive(ledger, dead).kept == [("m-0", Kept.SENT)]
    assert len(dead.on(DEAD)) == 1


def test_redriven_again_before_the_first_copy_is_sent_it_is_sent_once(world, ledger, dead):  # noqa: F811
    with dead.broken("delete", QueueUnavailable("killed")):
        redrive(ledger, dead)
    assert redrive(ledger, dead).redriven == ["m-0"]
    assert len(dead.on(ONE)) == 2

    settle(world)

    assert world.accepted == ["m-0"]
    assert (dead.on(ONE), dead.on(DEAD)) == ([], [])


def test_what_was_sent_meanwhile_is_deleted_unsent_even_when_it_is_forced(world, ledger, dead):  # noqa: F811
    with dead.broken("delete", QueueUnavailable("killed")):
        redrive(ledger, dead)
    settle(world)

    assert redrive(ledger, dead, force=True).redriven == ["m-0"]
    settle(world)

    assert world.calls == ["m-0"]
    assert (dead.on(ONE), dead.on(DEAD)) == ([], [])


@pytest.mark.parametrize("with_ledger", [True, False])
def test_what_is_refused_again_while_the_redrive_runs_is_dead_again_and_not_gone(
    world,  # noqa: F811
    ledger,  # noqa: F811
    monkeypatch,
    with_ledger,
):
    ids = sorted(f"m-{number}" for number in range(20))
    long_ago = int(time.time() * 1_000) - 2 * REDRIVEN_AFTER
    queue = world.queue = BrowsableQueue(ONE, TWO, DEAD)
    for id_ in ids:
        ledger.read(lambda at, id_=id_: at.queued([queued(id_, long_ago)]))
        ledger.read(lambda at, id_=id_: at.record([ended(id_, "refused", queued_at=long_ago)]))
        told = {"gomailId": id_, "reason": "refused", "code": "400", "queue": ONE}
        queue._add(DEAD, encode(message(id_)), told, long_ago / 1_000)
    world.ses.script = world.sendgrid.script = answering("refused", code="400")
    if not with_ledger:
        monkeypatch.setattr(world, "ledger", None)
    queue.begin_polls()

    with dispatching(world) as dispatch:
        done = ledger.read(
            lambda at: DeadLetterBox(
                queue, url=DEAD, targets=(ONE, TWO), ledger=at if with_ledger else None
            ).redrive(EVERY, rate=20)
        )
        dispatch.until_settled()

    assert (sorted(done.redriven), done.copies) == (ids, 0)
    assert sorted(one.attributes["gomailId"] for one in queue.on(DEAD)) == ids
