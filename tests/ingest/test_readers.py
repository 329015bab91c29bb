"""What readers are told, to the byte: one email, lists, counts, and who is told nothing."""

import asyncio
import time

import pytest
from starlette.testclient import TestClient

from gomail.ledger import ExitReport, Filter, ProcessReport, Status
from gomail.outcome import OutcomeClass
from ingest import answers, local
from tests.ingest import ledgers
from tests.ingest.ledgers import (
    LOCAL,
    NOON,
    accepted,
    app_over,
    breakable,
    intent,
    local_client,
    queued,
    told,
)
from tests.ingest.scripted import email

ROUTES = ["/email/x", "/emails", "/stats", "/events"]
SUMMARY = {
    "id": "m1",
    "status": "sent",
    "queuedAt": "2026-01-31T12:00:00.000Z",
    "updatedAt": "2026-01-31T12:00:00.250Z",
    "from": "shop@example.com",
    "to": "ada@example.com",
    "provider": "ses",
    "code": "200",
    "detail": None,
}


@pytest.fixture
def ledger(tmp_path):
    return breakable(tmp_path)


@pytest.fixture
def client(ledger):
    with local_client(app_over(ledger)) as client:
        yield client


async def a_life(ledger):
    """One email that a first provider failed and a second accepted."""
    await ledger.queued([queued("m1")])
    await ledger.intend([intent("m1", provider="sendgrid", at=NOON + 10)])
    await ledger.record(
        [
            accepted(
                "m1",
                status=Status.RETRYING,
                provider="sendgrid",
                kind=OutcomeClass.FAILED,
                at=NOON + 30,
                code="503",
                detail="Service down",
                provider_id="",
                started=NOON + 10,
                duration=20,
            )
        ]
    )
    await ledger.intend([intent("m1", receive_count=2)])
    await ledger.record([accepted("m1", number=2)])


def test_one_email_is_shown_with_every_attempt(client, tmp_path):
    told(tmp_path, a_life)

    response = client.get("/email/m1")

    assert response.status_code == 200
    assert response.headers["cache-control"] == "no-store"
    assert response.json() == SUMMARY | {
        "recipients": [SUMMARY["to"]],
        "tags": [],
        "metadata": {},
        "sendAt": None,
        "attempts": [
            {
                "number": 1,
                "provider": "sendgrid",
                "outcome": "failed",
                "code": "503",
                "message": "Service down",
                "providerMessageId": None,
                "startedAt": "2026-01-31T12:00:00.010Z",
                "durationMs": 20,
                "possibleDuplicate": False,
            },
            {
                "number": 2,
                "provider": "ses",
                "outcome": "accepted",
                "code": "200",
                "message": None,
                "providerMessageId": "ses-1",
                "startedAt": "2026-01-31T12:00:00.100Z",
                "durationMs": 150,
                "possibleDuplicate": False,
            },
        ],
    }


def test_an_attempt_under_way_has_no_outcome_yet(client, tmp_path):
    told(tmp_path, lambda ledger: ledger.intend([intent("m1")]))

    shown = client.get("/email/m1").json()

    assert shown["status"] == "sending"
    assert [(one["outcome"], one["durationMs"]) for one in shown["attempts"]] == [(None, None)]


def test_a_queued_email_is_known_at_once_even_while_the_ledger_takes_no_notes(client, ledger):
    ledger.down = {"queued"}
    email_id = client.post("/email/send", json=email()).json()["messageId"]

    shown = client.get(f"/email/{email_id}").json()

    assert (shown["id"], shown["status"], shown["attempts"]) == (email_id, "queued", [])
    assert (shown["from"], shown["to"]) == ("shop@example.com", "ada@example.com")
    assert shown["provider"] is shown["code"] is shown["detail"] is None


def test_every_queued_email_is_in_the_ledger_when_the_process_has_ended(tmp_path):
    with local_client(app_over(breakable(tmp_path))) as client:
        posts = [client.post("/email/send", json=email()) for _ in range(30)]

    ids = {post.json()["messageId"] for post in posts}

    async def stored(ledger):
        page = await ledger.emails(Filter(), cursor=None, limit=100)
        return {(one.id, one.status) for one in page.emails}

    assert told(tmp_path, stored) == {(each, Status.QUEUED) for each in ids}


@pytest.mark.parametrize("email_id", ["unknown", "a" * 5_000, "%00", "%E2%80%A8"])
def test_an_unknown_id_is_a_404_in_the_shape_of_errors(client, email_id):
    response = client.get(f"/email/{email_id}")

    assert response.status_code == 404
    assert response.json() == {"errors": {"base": "There is no email with this id"}}


def test_the_address_of_sending_keeps_its_405(client):
    response = client.get("/email/send")

    assert (response.status_code, response.headers["allow"]) == (405, "POST")


def test_emails_are_listed_newest_first_and_paged(client, tmp_path):
    told(
        tmp_path,
        lambda ledger: ledger.queued([queued(f"m{n}", at=NOON + n) for n in range(5)]),
    )

    first = client.get("/emails", params={"limit": 3}).json()
    second = client.get("/emails", params={"limit": 3, "cursor": first["nextCursor"]}).json()

    assert [one["id"] for one in first["emails"]] == ["m4", "m3", "m2"]
    assert [one["id"] for one in second["emails"]] == ["m1", "m0"]
    assert second["nextCursor"] is None


def test_an_email_in_a_list_is_its_summary(client, tmp_path):
    told(tmp_path, a_life)

    assert client.get("/emails").json() == {"emails": [SUMMARY], "nextCursor": None}


def test_filters_choose(client, tmp_path):
    told(tmp_path, a_life)
    told(tmp_path, lambda ledger: ledger.queued([queued("m2", to_email="bob@example.com")]))

    def ids(**params):
        return [one["id"] for one in client.get("/emails", params=params).json()["emails"]]

    assert ids(status="queued") == ["m2"]
    assert ids(to="ADA@example.com") == ["m1"]
    assert ids(provider="ses", status="sent") == ["m1"]
    assert ids(until="2026-01-31T12:00:00Z") == []


@pytest.mark.parametrize(
    ("path", "errors"),
    [
        ("/emails?limit=0", {"limit": "limit is not a whole number from 1 to 100"}),
        ("/emails?cursor=x", {"cursor": "cursor is not one that this API gave out"}),
        ("/events?who=x", {"who": "who is not a parameter of this request"}),
    ],
)
def test_a_bad_parameter_is_a_422_at_its_name(client, path, errors):
    response = client.get(path)

    assert (response.status_code, response.json()) == (422, {"errors": errors})


def test_counts_are_by_state_provider_and_class_and_processes_speak_for_themselves(
    client, tmp_path
):
    now = time.time_ns() // 1_000_000
    report = ProcessReport("mail-1:7", now, (ExitReport("ses", True, 3, 1, 2, 40, 60, 1.5),))
    told(tmp_path, a_life)
    told(tmp_path, lambda ledger: ledger.report(report))

    shown = client.get("/stats").json()

    assert {k: v for k, v in shown["byStatus"].items() if v} == {"sent": 1}
    assert shown["byProvider"]["ses"]["sent"] == 1
    assert shown["byProvider"]["ses"]["attempts"]["accepted"] == 1
    assert {k: v for k, v in shown["failures"].items() if v} == {"failed": 1}
    assert shown["possibleDuplicates"] == 0
    assert [one["owner"] for one in shown["processes"]] == ["mail-1:7"]
    assert shown["processes"][0]["providers"] == [
        {
            "provider": "ses",
            "healthy": True,
            "verdict": 3,
            "failingRounds": 1,
            "goodRounds": 2,
            "inHand": 40,
            "room": 60,
            "pausedForSeconds": 1.5,
            "share": 0.0,
            "rate": None,
            "slow": False,
            "unhealthySince": None,
            "why": None,
            "mend": None,
            "mendSince": None,
        }
    ]
    assert shown["alerts"] == []
    assert shown["ledger"] == {
        "state": "ok",
        "notesWaiting": 0,
        "notesLost": 0,
        "failedWrites": 0,
    }


def test_a_ledger_that_is_behind_says_so(client, ledger):
    ledger.down = {"queued"}
    client.post("/email/send", json=email())
    while (shown := client.get("/stats").json()["ledger"])["state"] == "ok":
        pass

    assert (shown["state"], shown["notesWaiting"], shown["notesLost"]) == ("behind", 1, 0)
    assert shown["failedWrites"] >= 1


@pytest.mark.parametrize("path", ROUTES)
def test_others_than_this_machine_are_told_nothing(ledger, path):
    elsewhere = {"client": ("192.0.2.7", 50_000)}
    with local_client(app_over(ledger), **elsewhere) as client:
        response = client.get(path)

    assert response.status_code == 403
    assert response.json() == {"errors": {"base": local.NOT_LOCAL}}


@pytest.mark.parametrize("path", ROUTES)
def test_what_is_forwarded_is_told_nothing(client, path):
    response = client.get(path, headers={"X-Forwarded-For": "127.0.0.1"})

    assert (response.status_code, response.json()["errors"]["base"]) == (403, local.NOT_FORWARDED)


@pytest.mark.parametrize("path", ROUTES)
def test_without_a_ledger_there_is_a_503_that_says_so(path):
    with local_client(app_over(None)) as client:
        response = client.get(path)

    assert (response.status_code, "retry-after" in response.headers) == (503, False)
    assert response.json() == {"errors": {"base": answers.NO_LEDGER}}


@pytest.mark.parametrize("path", ROUTES)
def test_while_the_ledger_is_down_there_is_a_503_with_a_time_to_come_back(client, ledger, path):
    ledger.down = ledgers.ALL

    response = client.get(path)

    assert (response.status_code, response.json()) == (
        503,
        {"errors": {"base": answers.LEDGER_UNAVAILABLE}},
    )
    assert 1 <= int(response.headers["retry-after"]) <= 5


def test_while_the_ledger_is_down_or_has_a_bug_mail_is_taken(client, ledger):
    ledger.down, ledger.bugs = ledgers.ALL - {"queued"}, {"queued"}

    assert [client.post("/email/send", json=email()).status_code for _ in range(3)] == [200] * 3


def test_a_ledger_that_hangs_ends_with_the_process(tmp_path):
    ledger = breakable(tmp_path)
    ledger.hanging = {"prune"}
    with TestClient(app_over(ledger), **LOCAL) as client:
        assert client.post("/email/send", json=email()).status_code == 200

    with pytest.raises(Exception, match="closed"):
        asyncio.run(ledger.real.email("x"))
