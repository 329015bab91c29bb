"""The whole benchmark, as small as it can be: real processes, and no judgement of time."""

import json
import subprocess
import sys

import pytest

from benchmarks.processes import ROOT, plain_environment


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    file = tmp_path_factory.mktemp("bench") / "results.json"

    ended = subprocess.run(
        [sys.executable, "-m", "benchmarks.bench", "--quick", "--json", str(file)],
        cwd=ROOT,
        env=plain_environment(),
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 0, ended.stdout + ended.stderr
    return json.loads(file.read_text())


def runs_of(results, key):
    runs = [run for run in results["modes"]["quick"] if key in run]
    assert runs
    return runs


def test_every_email_is_delivered_once(results):
    for run in runs_of(results, "duplicates"):
        assert (run["lost"], run["duplicates"]) == (0, 0)
        assert sum(run["accepted"].values()) == run["count"]
        assert min(run["accepted"].values()) > 0


def test_requests_to_sqs_are_counted_by_operation(results):
    for run in runs_of(results, "requests"):
        assert run["requests"]["ReceiveMessage"] * run["count"] >= run["count"] / 10
        assert run["requests"]["DeleteMessageBatch"] * run["count"] >= run["count"] / 10
        assert sum(run["requests"].values()) == pytest.approx(run["requests_a_message"])


def test_cpu_memory_and_latency_are_taken(results):
    for run in runs_of(results, "p99_ms"):
        assert 0 < run["p50_ms"] <= run["p99_ms"]
        if "count" in run:
            assert run["cpu_us_with_start"] > run["cpu_us"] > 0
        assert run["rss_mb"] > 0


def test_no_post_to_the_api_fails(results):
    (run,) = runs_of(results, "requests_an_email")

    assert run["failed_posts"] == 0
    assert run["sent"] >= run["posts"] > 0
    assert 0 < run["requests_an_email"] < 1


def test_nothing_is_left_to_explain(results):
    assert results["notes"] == []
