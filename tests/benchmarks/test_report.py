"""Figures in, verdicts and tables out."""

from benchmarks import report
from benchmarks.modes import MODES
from tests.docs.pages import text


def drained(system, cpu, rate, *, way="plain"):
    return {
        "case": f"drain, {way}",
        "system": system,
        "cpu_us": cpu,
        "cpu_us_with_start": cpu + 30,
        "rate": rate,
        "rss_mb": 100.0,
        "requests_a_message": 0.2,
        "p50_ms": 1_000.0,
        "p99_ms": 2_000.0,
        "lost": 0,
        "duplicates": 0,
    }


def verdicts(modes):
    return {check.what: check.verdict for check in report.checks(modes)}


def test_a_drain_is_judged_by_its_share_of_the_peer_s_median():
    peer = [drained("aio", cpu, 1_000) for cpu in (700, 740, 5_000)]

    good = verdicts({"drain": [*peer, drained("gomail aiohttp", 280, 2_500)]})
    bad = verdicts({"drain": [*peer, drained("gomail aiohttp", 290, 2_400)]})

    assert good["gomail aiohttp: CPU a message to aio's, plain"] == "ok"
    assert bad["gomail aiohttp: CPU a message to aio's, plain"] == "MISSED"
    assert good["gomail aiohttp: messages/s to aio's, plain"] == "ok"
    assert bad["gomail aiohttp: messages/s to aio's, plain"] == "MISSED"


def test_a_figure_is_judged_as_it_is_shown():
    def paced(requests):
        run = drained("gomail fast", 2_000, 100) | {"case": "paced 100/s", "p99_ms": 53.0}
        return {"paced": [run | {"requests_a_message": requests}]}

    what = "gomail fast: paced 100/s, SQS requests a message"
    assert [verdicts(paced(seen))[what] for seen in (1.104, 1.106)] == ["ok", "MISSED"]


def test_what_was_not_measured_is_not_judged():
    found = verdicts({"drain": [drained("gomail fast", 60, 9_000)]})

    assert set(found) == {
        "emails of all runs: lost",
        "emails of all runs: duplicates",
        "gomail fast: SQS requests a message, draining",
    }


def test_a_lost_email_and_a_second_copy_are_missed_promises():
    run = {**drained("gomail fast", 60, 9_000), "lost": 1, "duplicates": 2}

    found = verdicts({"quick": [run]})

    assert found["emails of all runs: lost"] == "MISSED"
    assert found["emails of all runs: duplicates"] == "MISSED"


def test_an_outage_is_judged_by_the_rate_in_the_healthy_run_and_by_its_failed_calls():
    def run(case, rate, failed):
        base = drained("gomail aiohttp", 200, 3_000)
        return {**base, "case": case, "rates": {"sendgrid": rate}, "failed": failed}

    modes = {"outage": [run("healthy", 2_000.0, {}), run("SES down", 1_890.0, {"ses": 60})]}

    found = verdicts(modes)

    assert found["gomail aiohttp: SendGrid's rate while SES is down, to healthy"] == "MISSED"
    assert found["gomail aiohttp: failed calls while SES is down"] == "ok"


def test_a_peer_far_from_its_reference_is_to_be_explained():
    runs = [drained("aio", 950, 1_000), drained("aio", 760, 1_000, way="TLS")]

    found = report.distances(runs, {"aio": (742.0, 752.0)})

    assert len(found) == 1
    assert found[0].startswith("aio, plain: 950 µs")


def test_the_cost_of_the_stand_in_is_told_plain_and_with_tls():
    runs = [
        {"tls": False, "standin_us": 31.0, "standin_busy": 0.4},
        {"tls": True, "standin_us": 62.0, "standin_busy": 0.3},
    ]

    said = report.standin_cost({"drain": runs})

    assert "31 µs plain, 62 µs with TLS a message" in said
    assert "40% busy" in said


def test_the_tables_fit_a_terminal():
    runs = [drained("gomail aiohttp", 100_000, 10_000), drained("threads", 1, 1)]
    longest = {**runs[0], "case": "paced 100/s, pause"}

    tables = [
        report.run_table([*runs, longest]),
        report.check_table(report.checks({"drain": runs})),
    ]

    for table in tables:
        assert max(map(len, report.text(table).splitlines())) <= 100


def test_the_page_names_every_mode():
    page = text("docs/benchmarks.md")

    assert [mode for mode in MODES if f"| `{mode}` |" not in page] == []
