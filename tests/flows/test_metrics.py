"""A ledger in trouble is counted where a person looks: in the metrics."""

import socket
from urllib.request import urlopen

import pytest
from prometheus_client import REGISTRY

from flows import metrics
from gomail.errors import ConfigurationError
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


def test_the_metrics_are_served_at_a_port_of_this_machine():
    host, port = metrics.serve("127.0.0.1", 0)

    with urlopen(f"http://{host}:{port}/metrics") as answer:
        assert b"gomail_ledger_late_records" in answer.read()


def test_a_port_that_is_busy_is_a_sentence():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]

        with pytest.raises(ConfigurationError, match=f"dispatch.metrics_port: .* port {port} .*"):
            metrics.serve("127.0.0.1", port)
