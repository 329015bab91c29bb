"""What `GET /stats` makes an operator look at: accounts at fault, fallbacks that cover."""

import time

import pytest
from jsonschema import Draft202012Validator

from gomail.ledger import ExitReport, ProcessReport
from gomail.settings import HealthSettings
from ingest import shown
from ingest.app import create_app
from tests.ingest.ledgers import NOON, app_over, breakable, local_client, told
from tests.ingest.scripted import ScriptedQueue, settings

MINUTE = 60_000
AFTER = 300.0


def way(provider, **more):
    """How a process sees a provider: healthy unless it says since when not."""
    given = {"failing_rounds": 0, "good_rounds": 0, "in_hand": 3, "room": 16, "paused_for": 0.0}
    healthy = "unhealthy_since" not in more
    return ExitReport(provider, **{"healthy": healthy, "verdict": 2, **given, **more})


def down(provider="ses", *, since, why="500 InternalFailure"):
    return way(provider, unhealthy_since=since, why=why)


def process(*exits, owner="mail-1:7", at=NOON):
    return ProcessReport(owner, at, exits)


def alerts(*processes, now=NOON):
    return shown.alerts(processes, now=now, alert_after=AFTER)


def texts(*processes, **more):
    return [each["text"] for each in alerts(*processes, **more)]


# -- what they say -----------------------------------------------------------------------------


def test_a_provider_that_another_covers_for_is_an_alert():
    assert alerts(process(down(since=NOON - 12 * MINUTE), way("sendgrid"))) == [
        {
            "kind": "masking",
            "provider": "ses",
            "since": "2026-01-31T11:48:00.000Z",
            "why": "500 InternalFailure",
            "coveredBy": ["sendgrid"],
            "text": "ses has been unhealthy for 12 minutes (500 InternalFailure); "
            "sendgrid covers for it",
        }
    ]


def test_an_account_at_fault_is_an_alert_at_once():
    fault = {"mend": "SES sending is paused: ask AWS", "mend_since": NOON - 2_000}

    assert alerts(process(way("ses", **fault))) == [
        {
            "kind": "account",
            "provider": "ses",
            "since": "2026-01-31T11:59:58.000Z",
            "mend": "SES sending is paused: ask AWS",
            "text": "ses has needed mending for 2 seconds: SES sending is paused: ask AWS",
        }
    ]


def test_a_healthy_fleet_has_no_alerts():
    assert alerts(process(way("ses"), way("sendgrid")), process()) == []
    assert alerts() == []


def test_several_that_cover_are_all_named():
    exits = [down(since=NOON - 6 * MINUTE, why=""), way("brevo"), way("smtp"), way("sendgrid")]

    assert texts(process(*exits)) == [
        "ses has been unhealthy for 6 minutes; brevo, sendgrid and smtp cover for it"
    ]


@pytest.mark.parametrize(
    ("milliseconds", "words"),
    [
        (301_000, "5 minutes"),
        (3_599_999, "59 minutes"),
        (3_600_000, "1 hour"),
        (2 * 86_400_000 - 1, "1 day"),
        (2 * 86_400_000, "2 days"),
    ],
)
def test_a_time_is_told_in_its_largest_unit(milliseconds, words):
    [text] = texts(process(down(since=NOON - milliseconds), way("sendgrid")))

    assert f"unhealthy for {words} (" in text


def test_a_fault_whose_time_nobody_knows_or_whose_clock_runs_ahead_is_told_too():
    unknown = alerts(process(way("ses", mend="pay")))
    ahead = texts(process(way("ses", mend="pay", mend_since=NOON + 5_000)))

    assert [(each["since"], each["text"]) for each in unknown] == [(None, "ses needs mending: pay")]
    assert ahead == ["ses has needed mending for 0 seconds: pay"]


def test_what_several_processes_say_of_the_same_is_one_alert_since_the_earliest_time():
    def one(minutes, cover):
        since = NOON - minutes * MINUTE
        exits = down(since=since), way(cover), way("smtp", mend="pay", mend_since=since)
        return process(*exits, owner=f"mail-{minutes}:7")

    told = alerts(one(7, "sendgrid"), one(9, "brevo"))

    assert [(each["kind"], each["provider"], each["since"]) for each in told] == [
        ("account", "smtp", "2026-01-31T11:51:00.000Z"),
        ("masking", "ses", "2026-01-31T11:51:00.000Z"),
    ]
    assert told[1]["coveredBy"] == ["brevo", "sendgrid", "smtp"]


def test_two_things_to_mend_at_one_provider_are_two_alerts():
    first = process(way("ses", mend="pay", mend_since=NOON))
    second = process(way("ses", mend="give a key", mend_since=NOON))

    assert [each["mend"] for each in alerts(first, second)] == ["give a key", "pay"]


# -- where they stand --------------------------------------------------------------------------


@pytest.fixture
def reported(tmp_path):
    """A ledger in which a process has told of SES, which was paused eight minutes ago."""
    now = time.time_ns() // 1_000_000
    since = now - 8 * MINUTE
    ses = way(
        "ses", unhealthy_since=since, why="403 paused", mend="ask AWS", mend_since=since,
        share=0.01, rate=14.0, slow=True,
    )  # fmt: skip
    told(
        tmp_path,
        lambda ledger: ledger.report(process(ses, way("sendgrid", share=0.99), at=now)),
    )
    return tmp_path, shown.time(since)


def test_stats_show_alerts_and_all_that_a_process_tells_as_described(reported):
    path, since = reported
    with local_client(app_over(breakable(path))) as client:
        answer = client.get("/stats").json()
        described = client.get("/openapi.json").json()["paths"]["/stats"]["get"]["responses"]["200"]

    Draft202012Validator(described["content"]["application/json"]["schema"]).validate(answer)
    assert [(each["kind"], each["since"]) for each in answer["alerts"]] == [
        ("account", since),
        ("masking", since),
    ]
    [ses, sendgrid] = answer["processes"][0]["providers"]
    names = ("share", "rate", "slow", "unhealthySince", "why", "mend", "mendSince")
    assert [ses[name] for name in names] == [
        0.01, 14.0, True, since, "403 paused", "ask AWS", since,
    ]  # fmt: skip
    assert [sendgrid[name] for name in names] == [0.99, None, False, None, None, None, None]


def test_how_long_others_may_cover_is_a_setting(reported):
    path, _ = reported
    patient = settings().model_copy(update={"health": HealthSettings(alert_after=500.0)})
    app = create_app(patient, queue=ScriptedQueue().open, ledger=lambda _: breakable(path))
    with local_client(app) as client:
        answer = client.get("/stats").json()

    assert [each["kind"] for each in answer["alerts"]] == ["account"]
