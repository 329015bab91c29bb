"""A flow resumed from a recovery store: a queue may be gone, and health is known."""

from datetime import timedelta

import pytest
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.testing import run_main

from tests.flows.fakes import answering
from tests.flows.running import ONE, TWO, dispatching, settings

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def resumed(tmp_path):
    """Runs a flow with a recovery store that lives as long as the test."""
    init_db_dir(tmp_path, 1)

    def run(flow):
        run_main(
            flow,
            epoch_interval=timedelta(milliseconds=50),
            recovery_config=RecoveryConfig(str(tmp_path)),
        )

    return [run]


def run_over_two_queues(world, by):
    world.mail(10)
    with dispatching(world, by=by) as dispatch:
        dispatch.until_settled()
    world.queue.begin_polls()


def test_a_flow_resumed_without_a_queue_that_it_knew_does_not_start(world, resumed):
    """The reason why `queues.retired` exists."""
    run_over_two_queues(world, resumed)

    with dispatching(world, by=resumed, given=settings(queues={"urls": [ONE]})) as dispatch:
        [error] = dispatch.fails()

    assert TWO in f"{error} {error.__cause__}"


def test_a_flow_resumed_with_a_retired_queue_reads_the_others_and_ends(world, resumed):
    run_over_two_queues(world, resumed)
    before = world.queue.calls["receive"]
    given = settings(queues={"urls": [ONE], "retired": [TWO]})

    with dispatching(world, by=resumed, given=given) as dispatch:
        stays = world.mail(1, first=100, queues=[TWO])
        world.mail(10, first=200, queues=[ONE])
        dispatch.until(lambda: len(world.accepted) == 20 and world.queue.on(ONE) == [])

    assert world.queue.calls["receive"] > before
    assert stays[0] not in world.calls
    assert len(world.queue.on(TWO)) == 1


def test_a_flow_resumed_with_shards_knows_them_as_retired_too(world, resumed):
    with dispatching(world, by=resumed, given=settings(queues={"urls": [ONE], "shards": 2})) as one:
        world.mail(10, queues=[ONE])
        one.until_settled()
    world.queue.begin_polls()
    retired = {"urls": [ONE], "retired": [f"{ONE}#0", f"{ONE}#1"]}

    with dispatching(world, by=resumed, given=settings(queues=retired)) as dispatch:
        world.mail(10, first=10, queues=[ONE])
        dispatch.until_settled()

    assert len(world.accepted) == 20


def test_a_resumed_flow_announces_what_it_knew_of_health(world, resumed, caplog):
    world.ses.script = answering("failed", code="500")
    given = settings(health={"round_seconds": 0.05, "probe_interval": 30})
    numbers = iter(range(0, 100_000, 10))

    with dispatching(world, by=resumed, given=given) as dispatch:

        def is_left():
            world.mail(10, first=next(numbers))
            dispatch.until_settled()
            return not dispatch.parts.desk.lanes[0].router.exit("ses").healthy

        dispatch.until(is_left)
    world.queue.begin_polls()
    caplog.clear()
    asked = len(world.ses.calls)

    with dispatching(world, by=resumed, given=given) as dispatch:
        dispatch.until(lambda: "provider ses is unhealthy" in caplog.text)
        world.mail(20, first=200_000)
        dispatch.until_settled()

    assert len(world.ses.calls) <= asked + 1
