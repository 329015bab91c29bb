"""A ledger in trouble is counted where a person looks: in the metrics."""

from prometheus_client import REGISTRY

from tests.flows.fake_ledger import Down
from tests.flows.running import dispatching


def counted(name):
    return REGISTRY.get_sample_value(f"gomail_ledger_{name}")


def test_a_ledger_that_is_down_is_counted_and_late_records_are_until_they_are_told(world, ledger):
    failures = counted("failures_total")
    ledger.always(Down())
    with dispatching(world) as dispatch:
        world.mail(5)
        dispatch.until_settled()
        dispatch.until(lambda: counted("late_records") > 0)
        ledger.always(None)

        dispatch.until(lambda: counted("late_records") == 0)

    assert counted("failures_total") > failures
