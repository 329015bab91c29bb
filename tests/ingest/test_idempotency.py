"""A request that is made again counts once, or nobody is told that it counted."""

import asyncio
import logging
import time
from datetime import UTC, datetime

import pytest

from gomail.email import Email, decode
from gomail.errors import QueueUnavailable
from gomail.ledger import Claim, ClaimState, LedgerUnavailable
from ingest import answers
from ingest.idempotency import BadKey, Keys, fingerprint, key_of
from ingest.quiet import QuietLog
from tests.ingest import scripted
from tests.ingest.ledgers import app_over, breakable, local_client, told
from tests.ingest.scripted import email, settle

EMAIL = Email("shop@example.com", "ada@example.com", "Hello")
KEY = {"Idempotency-Key": "order-7"}


class Clock:
    """The time of day, which only a test moves."""

    def __init__(self):
        self.now = time.time_ns() // 1_000_000

    def time_ns(self):
        return self.now * 1_000_000

    def written(self, seconds):
        """A time so many seconds from now, as a request has it."""
        return datetime.fromtimestamp(self.now / 1_000 + seconds, UTC).isoformat()


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr("ingest.send.time", clock)
    return clock


def post(client, key="order-7", **fields):
    return client.post("/email/send", json=email(**fields), headers={"Idempotency-Key": key})


def base(response):
    return response.status_code, response.json()["errors"]["base"]


# -- the contract ---------------------------------------------------------------------------------


def test_the_first_answer_is_given_again(client, queue):
    first, second = post(client), post(client)

    assert (first.status_code, second.status_code) == (200, 200)
    assert second.content == first.content
    assert "idempotent-replayed" not in first.headers
    assert second.headers["idempotent-replayed"] == "true"
    assert second.headers["content-type"] == "application/json"
    assert len(queue.bodies) == 1


def test_the_same_email_in_other_json_is_the_same_request(client, queue):
    first = post(client, subject="A")
    other = (
        b'{ "email": {"body":"Hello","subject":"\\u0041","fromName":null,'
        b'"toEmail":"ada@example.com","fromEmail":"shop@example.com"}}'
    )

    second = client.post("/email/send", content=other, headers=KEY)

    assert second.content == first.content
    assert len(queue.bodies) == 1


def test_another_email_under_the_key_is_a_409(client, queue):
    post(client)

    response = post(client, subject="Another")

    assert base(response) == (409, answers.KEY_OF_ANOTHER)
    assert len(queue.bodies) == 1


def test_other_keys_and_none_are_requests_of_their_own(client, queue):
    responses = [post(client), post(client, "order-8"), client.post("/email/send", json=email())]

    assert len({response.json()["messageId"] for response in responses}) == 3
    assert len(queue.bodies) == 3


def test_one_that_is_still_under_way_is_a_409_with_a_time_to_come_back(client, ledger, queue):
    ledger.down = {"answer"}
    first = post(client)

    second = post(client)

    assert first.status_code == 200  # it is on a queue, whatever the ledger says
    assert base(second) == (409, answers.KEY_IN_FLIGHT)
    assert second.headers["retry-after"] == "1"
    assert len(queue.bodies) == 1


def test_a_retry_after_a_503_goes_out_under_the_same_id(client, queue):
    queue.script = scripted.refuse_all(QueueUnavailable("down"))
    refused = post(client)
    offered = {entry.key for _, entries in queue.calls for entry in entries}
    queue.script = scripted.take_all

    retried = post(client)

    assert (refused.status_code, retried.status_code) == (503, 200)
    assert {retried.json()["messageId"]} == offered
    assert [decode(body, queue_message_id="").id for body in queue.bodies] == list(offered)


def test_what_a_crash_left_unanswered_goes_out_under_the_same_id_when_its_lease_has_ended(
    client, queue, tmp_path
):
    async def crash(ledger):
        then = time.time_ns() // 1_000_000 - 31_000
        await ledger.claim(
            "order-7", fingerprint=fingerprint(EMAIL), message_id="m0", now=then,
            lease=30_000, keep=86_400_000,
        )  # fmt: skip

    told(tmp_path, crash)

    assert post(client).json() == {"messageId": "m0"}
    assert [decode(body, queue_message_id="").id for body in queue.bodies] == ["m0"]


@pytest.mark.parametrize("body", [b"no json", b'{"email":{}}'])
def test_what_is_refused_as_it_stands_takes_no_key(client, body):
    refused = client.post("/email/send", content=body, headers=KEY)

    assert refused.status_code in {400, 422}
    assert post(client).status_code == 200


def test_what_outgrows_the_queue_takes_no_key(ledger, queue):
    queue.size = 2_000
    with local_client(app_over(ledger, queue)) as client:
        assert post(client, body="ä" * 600).status_code == 400
        assert post(client).status_code == 200


@pytest.mark.parametrize("calls", [{"claim"}, {"claim", "answer", "release", "queued"}])
def test_without_the_ledger_nothing_is_risked(client, ledger, queue, calls):
    ledger.down = calls

    response = post(client)

    assert base(response) == (503, answers.LEDGER_UNAVAILABLE)
    assert 1 <= int(response.headers["retry-after"]) <= 5
    assert queue.calls == []


def test_where_no_ledger_is_configured_a_key_cannot_be_honoured(queue):
    with local_client(app_over(None, queue)) as client:
        response = post(client)

    assert base(response) == (503, answers.NO_LEDGER)
    assert queue.calls == []


@pytest.mark.parametrize("key", ["", "a" * 257, "a\tb", "ä".encode()])
def test_what_is_no_key_is_a_400(client, queue, key):
    assert base(post(client, key)) == (400, answers.BAD_KEY)
    assert queue.calls == []


@pytest.mark.parametrize("key", ["a", "a" * 256, "a key with !~"])
def test_printable_keys_are_taken(client, key):
    assert post(client, key).status_code == 200


@pytest.mark.parametrize("times", [{"sendAt": 2}, {"expiresAt": 2}, {"sendAt": 1, "expiresAt": 2}])
def test_a_request_is_still_the_same_when_its_times_are_over(client, queue, clock, times):
    fields = {name: clock.written(seconds) for name, seconds in times.items()}
    first = post(client, **fields)
    clock.now += 3_000

    second = post(client, **fields)

    assert (first.status_code, second.content) == (200, first.content)
    assert second.headers["idempotent-replayed"] == "true"
    assert len(queue.bodies) == 1


def test_a_request_whose_first_try_failed_is_not_taken_when_it_has_expired(client, queue, clock):
    queue.script = scripted.refuse_all(QueueUnavailable("down"))
    fields = {"expiresAt": clock.written(2)}
    assert post(client, **fields).status_code == 503
    queue.script = scripted.take_all
    clock.now += 3_000

    refused = post(client, **fields)

    assert (refused.status_code, refused.json()) == (
        422,
        {"errors": {"expiresAt": "Expires at is over"}},
    )
    assert queue.bodies == []


# -- its parts ------------------------------------------------------------------------------------


def test_two_keys_are_no_key():
    with pytest.raises(BadKey):
        key_of([(b"idempotency-key", b"a"), (b"idempotency-key", b"a")])


def test_every_field_makes_a_request_another_one():
    texts = ("a@example.com", "b@example.com", "c", "d", "e", "f")
    emails = [Email(*texts[:n], f"{texts[n]}x", *texts[n + 1 :]) for n in range(6)]

    assert len({fingerprint(one) for one in [*emails, Email(*texts)]}) == 7


class Held:
    """A ledger whose claims are answered when the test says so."""

    def __init__(self):
        self.claims = []
        self.released = []

    async def claim(self, _key, **_more):
        self.claims.append(asyncio.get_running_loop().create_future())
        return await self.claims[-1]

    async def release(self, key, *, message_id):
        self.released.append((key, message_id))


def keys(ledger):
    log = QuietLog(logging.getLogger("ingest"), now=lambda: 0.0)
    return Keys(ledger, enqueue_timeout=5.0, log=log, patience=0.01)


def test_a_claim_that_is_granted_too_late_is_let_go():
    async def scenario():
        ledger = Held()
        with pytest.raises(LedgerUnavailable):
            await keys(ledger).claim("order-7", "print", "m1")
        ledger.claims[0].set_result(Claim(ClaimState.NEW, "m0"))
        await settle()
        return ledger.released

    assert asyncio.run(scenario()) == [("order-7", "m0")]


def test_a_claim_that_fails_too_late_is_a_line_in_the_log(caplog):
    async def scenario():
        ledger = Held()
        with pytest.raises(LedgerUnavailable):
            await keys(ledger).claim("order-7", "print", "m1")
        ledger.claims[0].set_exception(LedgerUnavailable("down"))
        await settle()

    asyncio.run(scenario())
    assert "a late key is not let go: LedgerUnavailable" in caplog.text


def test_more_calls_than_may_be_under_way_are_refused_at_once(monkeypatch):
    async def scenario():
        ledger = Held()
        desk = keys(ledger)
        monkeypatch.setattr("ingest.idempotency.MOST_OPEN", 2)
        waiting = [asyncio.create_task(desk.claim(f"k{n}", "print", "m")) for n in range(2)]
        await settle()
        with pytest.raises(LedgerUnavailable, match="too many"):
            await desk.claim("k2", "print", "m")
        assert len(ledger.claims) == 2
        await asyncio.gather(*waiting, return_exceptions=True)

    asyncio.run(scenario())


def test_the_lease_outlasts_every_enqueue(tmp_path, queue):
    ledger = breakable(tmp_path)
    with local_client(app_over(ledger, queue, ingest={"enqueue_timeout": 60})) as client:
        post(client)

    ((_, named),) = ledger.asked("claim")
    assert (named["lease"], named["keep"]) == (70_000, 24 * 3_600_000)
