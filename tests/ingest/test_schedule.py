"""`sendAt`: held back by the queue, or kept in the ledger; called back before it is sent."""

import time
from datetime import UTC, datetime

import pytest

from gomail.email import decode
from gomail.errors import QueueUnavailable
from gomail.ledger import About, Scheduled
from ingest import answers
from tests.ingest import ledgers, scripted
from tests.ingest.ledgers import (
    accepted,
    app_over,
    breakable,
    intent,
    local_client,
    queued,
    told,
)
from tests.ingest.scripted import email

HOUR = 3_600


def at(seconds):
    return datetime.fromtimestamp(time.time() + seconds, UTC).isoformat()


def send(client, seconds, **more):
    return client.post("/email/send", json=email(sendAt=at(seconds), **more))


def base(response):
    return response.status_code, response.json()["errors"]["base"]


def cancel(client, id_):
    return client.post(f"/email/{id_}/cancel")


def status(client, id_):
    return client.get(f"/email/{id_}").json()["status"]


# -- where it waits -------------------------------------------------------------------------------


def test_up_to_a_quarter_of_an_hour_the_queue_holds_it_back(client, queue, ledger):
    response = send(client, 600)

    ((_, (entry,)),) = queue.calls
    assert 590 <= entry.delay <= 600
    assert decode(entry.body, queue_message_id="").email.send_at
    assert ledger.asked("schedule") == []
    assert status(client, response.json()["messageId"]) == "scheduled"


def test_the_delay_is_never_too_short(client, queue):
    for _ in range(20):
        sent_at = time.time() + 1.5
        client.post(
            "/email/send", json=email(sendAt=datetime.fromtimestamp(sent_at, UTC).isoformat())
        )
        (entry,) = queue.calls[-1][1]
        assert time.time() + entry.delay >= sent_at - 0.001


def test_beyond_that_the_ledger_keeps_it_before_the_answer(client, queue, ledger):
    response = send(
        client, HOUR, tags=["receipt"], metadata={"order": "7"}, cc=[{"email": "bob@example.com"}]
    )

    id_ = response.json()["messageId"]
    ((((scheduled,),), _),) = ledger.asked("schedule")
    assert (response.status_code, scheduled.email.id) == (200, id_)
    assert decode(scheduled.body, queue_message_id="").id == id_
    assert queue.calls == []
    shown = client.get(f"/email/{id_}").json()
    assert shown["status"] == "scheduled"
    assert shown["recipients"] == ["ada@example.com", "bob@example.com"]
    assert (shown["tags"], shown["metadata"]) == (["receipt"], {"order": "7"})
    assert shown["sendAt"].endswith("Z")


def test_a_time_that_is_over_is_at_once(client, queue):
    response = send(client, -60)

    ((_, (entry,)),) = queue.calls
    assert entry.delay == 0
    assert status(client, response.json()["messageId"]) == "queued"


def test_what_is_scheduled_is_counted_and_found_by_its_state(client):
    id_ = send(client, HOUR).json()["messageId"]
    client.post("/email/send", json=email())

    found = client.get("/emails", params={"status": "scheduled"}).json()["emails"]
    assert [one["id"] for one in found] == [id_]
    assert client.get("/stats").json()["byStatus"]["scheduled"] == 1


@pytest.mark.parametrize("calls", [{"schedule"}, ledgers.ALL])
def test_without_its_ledger_nothing_is_promised(client, ledger, queue, calls):
    ledger.down = calls

    response = send(client, HOUR)

    assert base(response) == (503, answers.LEDGER_UNAVAILABLE)
    assert response.headers["retry-after"]
    assert queue.calls == []


def test_where_no_ledger_is_configured_only_the_queue_can_hold_it_back(queue):
    with local_client(app_over(None, queue)) as client:
        late, soon = send(client, HOUR), send(client, 600)

    assert base(late) == (503, answers.NO_LEDGER)
    assert soon.status_code == 200
    assert len(queue.bodies) == 1


def test_one_that_the_queue_holds_back_needs_no_ledger_that_answers(client, ledger, queue):
    ledger.down = ledgers.ALL

    assert send(client, 600).status_code == 200
    assert len(queue.bodies) == 1


def test_a_queue_that_refuses_leaves_nothing_scheduled(client, queue, ledger):
    queue.script = scripted.refuse_all(QueueUnavailable("down"))

    assert send(client, 600).status_code == 503
    assert ledger.asked("queued") == []


# -- calling it back ------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [600, HOUR])
def test_it_is_called_back_and_stays_so(client, seconds):
    id_ = send(client, seconds).json()["messageId"]

    first, second = cancel(client, id_), cancel(client, id_)

    assert first.status_code == 200
    assert first.json() == {"messageId": id_, "status": "canceled"}
    assert second.content == first.content
    assert status(client, id_) == "canceled"


def test_another_process_knows_of_it_as_soon_as_it_was_answered(client, tmp_path):
    id_ = send(client, 600).json()["messageId"]

    with local_client(app_over(breakable(tmp_path))) as other:
        assert cancel(other, id_).status_code == 200


def test_one_whose_note_is_late_is_called_back_all_the_same(client, ledger):
    ledger.down = {"queued"}
    id_ = send(client, 600).json()["messageId"]
    ledger.down = set()

    assert cancel(client, id_).status_code == 200


def test_what_had_no_time_is_on_its_way(client):
    id_ = client.post("/email/send", json=email()).json()["messageId"]

    assert base(cancel(client, id_)) == (409, answers.NOT_SCHEDULED)


def test_what_was_sent_is_too_late(client, tmp_path):
    id_ = send(client, 600).json()["messageId"]
    told(tmp_path, lambda ledger: ledger.intend([intent(id_)]))
    told(tmp_path, lambda ledger: ledger.record([accepted(id_)]))

    assert base(cancel(client, id_)) == (409, answers.TOO_LATE)
    assert status(client, id_) == "sent"


@pytest.mark.parametrize("id_", ["unknown", "x" * 200, "%00", "%F0%9F%98%80"])
def test_what_nobody_knows_is_a_404(client, id_):
    assert base(cancel(client, id_)) == (404, answers.NO_SUCH_EMAIL)


def test_a_ledger_that_does_not_answer_leaves_it_open(client, ledger):
    id_ = send(client, HOUR).json()["messageId"]
    ledger.down = {"cancel"}

    assert base(cancel(client, id_)) == (503, answers.LEDGER_UNAVAILABLE)


def test_where_there_is_no_ledger_nothing_is_called_back(queue):
    with local_client(app_over(None, queue)) as client:
        assert base(cancel(client, "m1")) == (503, answers.NO_LEDGER)


# -- its time comes -------------------------------------------------------------------------------


def test_a_process_that_starts_puts_what_is_due_on_a_queue(ledger, queue, tmp_path):
    near = time.time_ns() // 1_000_000 + 30_000
    due = Scheduled(queued("m1", about=About(send_at=near)), "the message")
    told(tmp_path, lambda ledger: ledger.schedule([due]))

    with local_client(app_over(ledger, queue)) as client:
        while not queue.bodies:
            client.get("/health/live")

    ((_, (entry,)),) = queue.calls
    assert (entry.key, entry.body) == ("m1", "the message")
    assert 20 <= entry.delay <= 30
