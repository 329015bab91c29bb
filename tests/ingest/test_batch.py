"""`POST /email/batch`: up to a hundred emails, an answer for each, ten in a call of the queue."""

import base64
import json
import time
from datetime import UTC, datetime

import pytest
from jsonschema import Draft202012Validator

from gomail.email import decode
from gomail.errors import QueueUnavailable
from gomail.queue import Fault
from ingest import answers
from ingest.batch import id_of
from tests.ingest import scripted
from tests.ingest.scripted import FIELDS

KEY = {"Idempotency-Key": "july"}
NOT_AN_ADDRESS = "To email is not a valid email"


def one(place=0, **fields):
    return {**FIELDS, "subject": f"No. {place}", **fields}


def some(count):
    return [one(place) for place in range(count)]


def post(client, emails, headers=None, **more):
    return client.post("/email/batch", json={"emails": emails, **more}, headers=headers)


def errors(response):
    return response.status_code, response.json()["errors"]


def in_seconds(seconds):
    return datetime.fromtimestamp(time.time() + seconds, UTC).isoformat()


def queued(queue):
    return [decode(body, queue_message_id="") for body in queue.bodies]


# -- what it answers ------------------------------------------------------------------------------


def test_each_email_is_answered_with_its_id_in_order(client, queue):
    response = post(client, some(3))

    assert response.status_code == 200
    ids = [result["messageId"] for result in response.json()["results"]]
    assert [(m.id, m.email.subject) for m in queued(queue)] == [
        (id_, f"No. {place}") for place, id_ in enumerate(ids)
    ]


def test_a_hundred_emails_leave_as_ten_calls_of_ten(client, queue):
    response = post(client, some(100))

    assert [len(entries) for _, entries in queue.calls] == [10] * 10
    assert len({result["messageId"] for result in response.json()["results"]}) == 100


@pytest.mark.parametrize("more", [{}, {"validation": "strict"}, {"validation": None}])
def test_strict_is_the_default_and_queues_nothing_where_one_is_not_valid(client, queue, more):
    response = post(client, [one(), one(toEmail="x"), one(body="", to=[{"email": "y"}])], **more)

    status, found = errors(response)
    assert status == 422
    assert found["emails.1.toEmail"] == NOT_AN_ADDRESS
    assert {"emails.2.body", "emails.2.to.0.email"} <= set(found)
    assert not any(name.startswith("emails.0") for name in found)
    assert queue.calls == []


def test_permissive_queues_the_others(client, queue):
    response = post(client, [one(0), one(1, toEmail="x"), one(2)], validation="permissive")

    assert response.status_code == 200
    first, second, third = response.json()["results"]
    assert second == {"errors": {"toEmail": NOT_AN_ADDRESS}}
    assert [m.id for m in queued(queue)] == [first["messageId"], third["messageId"]]


@pytest.mark.parametrize(
    ("wire", "fault"),
    [
        (7, {"base": answers.NOT_JSON}),
        (None, {"base": answers.NOT_JSON}),
        (one(subject=7), {"base": answers.NOT_JSON}),
        (one(body="\x00"), {"base": answers.FORBIDDEN_CHARACTERS}),
    ],
)
def test_what_is_a_400_alone_is_a_fault_of_one_among_others(client, wire, fault):
    strict = post(client, [one(), wire])
    permissive = post(client, [one(), wire], validation="permissive")

    assert errors(strict) == (422, {f"emails.1.{name}": text for name, text in fault.items()})
    assert permissive.json()["results"][1] == {"errors": fault}


@pytest.mark.parametrize("body", [b"", b"[]", b"7", b'{"emails": {}}', b'{"emails": "x"}'])
def test_what_is_no_batch_is_a_400(client, body):
    response = client.post("/email/batch", content=body)

    assert errors(response) == (400, {"base": answers.NOT_JSON})


def test_a_field_beside_the_emails_is_told_where_it_belongs(client, queue):
    misplaced = {"sendAt": "2030-01-31T12:00:00Z", "provider": {"only": ["ses"]}, "user": 7}

    response = post(client, some(2), validation="permissive", **misplaced)

    assert errors(response) == (
        422,
        {
            "sendAt": "sendAt belongs inside each of emails",
            "provider": "provider belongs inside each of emails",
        },
    )
    assert queue.calls == []


def test_a_key_that_is_twice_in_one_of_them_keeps_all_out(client, queue):
    wires = b'{"emails":[%b,{"body":"1","body":"2"}],"validation":"permissive"}'

    response = client.post("/email/batch", content=wires % json.dumps(one()).encode())

    assert errors(response) == (400, {"base": 'The key "body" is there twice'})
    assert queue.calls == []


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ({}, {"emails": "Emails are required"}),
        ({"emails": []}, {"emails": "Emails are required"}),
        ({"emails": [one()] * 101}, {"emails": "There are more than 100 emails"}),
        (
            {"emails": [one()], "validation": "lax"},
            {"validation": "Validation is neither strict nor permissive"},
        ),
    ],
)
def test_too_few_too_many_and_unknown_validation_are_named(client, queue, body, fault):
    assert errors(client.post("/email/batch", json=body)) == (422, fault)
    assert queue.calls == []


def test_each_email_may_be_as_large_as_one_alone_and_none_larger(client, queue):
    large, too_large = one(body="x" * 150_000), one(body="x" * 210_000)

    taken = post(client, [large, large, large])
    refused = post(client, [large, too_large])

    assert taken.status_code == 200
    assert errors(refused) == (422, {"emails.1.base": answers.TOO_LARGE})
    assert len(queue.bodies) == 3


def test_attachments_that_fit_no_queue_are_a_fault_of_their_email(client, queue):
    content = base64.b64encode(b"x" * 900_000).decode()
    files = one(attachments=[{"filename": "a.bin", "content": content}])

    strict = post(client, [one(), files])
    permissive = post(client, [one(), files], validation="permissive")

    assert errors(strict) == (422, {"emails.1.attachments": answers.TOO_LARGE_TOGETHER})
    assert permissive.json()["results"][1] == {
        "errors": {"attachments": answers.TOO_LARGE_TOGETHER}
    }
    assert len(queue.bodies) == 1


def test_the_wrong_method_is_a_405(client):
    response = client.get("/email/batch")

    assert (response.status_code, response.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize("padding", ["", "x" * 300_000])
def test_what_is_nested_too_deep_is_a_400_that_says_so(client, queue, padding):
    deep = json.loads("[" * 300 + "]" * 300)

    response = post(client, [one(), {"x": deep, "y": padding}], KEY, validation="permissive")

    assert errors(response) == (400, {"base": answers.TOO_DEEP})
    assert queue.calls == []


# -- when the queues do not take all --------------------------------------------------------------


def refusing(subject):
    def script(_queue, entries):
        return {
            entry.key: Fault("InternalError", "", permanent=False)
            if subject in entry.body
            else "sqs"
            for entry in entries
        }

    return script


def test_a_207_says_which_are_not_queued(client, queue):
    queue.script = refusing("No. 1")

    response = post(client, some(3))

    assert response.status_code == 207
    results = response.json()["results"]
    assert results[1] == {"errors": {"base": answers.UNAVAILABLE}}
    assert set(results[0]) == set(results[2]) == {"messageId"}


def test_a_503_says_that_none_is_queued(client, queue):
    queue.script = scripted.refuse_all(QueueUnavailable("down"))

    response = post(client, some(12))

    assert errors(response) == (503, {"base": answers.UNAVAILABLE})
    assert response.headers["retry-after"]


# -- once -----------------------------------------------------------------------------------------


def test_the_first_answer_is_given_again(client, queue):
    emails = [one(0), one(1, toEmail="x")]
    first = post(client, emails, KEY, validation="permissive")

    second = post(client, emails, KEY, validation="permissive")

    assert (first.status_code, second.content) == (200, first.content)
    assert second.headers["idempotent-replayed"] == "true"
    assert len(queue.bodies) == 1


def test_a_batch_after_a_207_goes_in_under_the_same_ids(client, queue):
    queue.script = refusing("No. 1")
    first = post(client, some(3), KEY)
    queue.script = scripted.take_all

    second = post(client, some(3), KEY)

    assert (first.status_code, second.status_code) == (207, 200)
    before, after = (response.json()["results"] for response in (first, second))
    assert (after[0], after[2]) == (before[0], before[2])
    offered = {entry.key for _, entries in queue.calls for entry in entries}
    assert offered == {result["messageId"] for result in after}


@pytest.mark.parametrize(
    "other",
    [
        {"emails": [one(0), one(2)]},
        {"emails": [one(1), one(0)]},
        {"emails": [one(0)]},
        {"emails": [one(0), one(1)], "validation": "permissive"},
    ],
)
def test_another_batch_under_the_key_is_a_409(client, other):
    post(client, some(2), KEY)

    response = client.post("/email/batch", json=other, headers=KEY)

    assert errors(response) == (409, {"base": answers.KEY_OF_ANOTHER})


def test_a_batch_of_one_is_not_that_one_alone(client):
    client.post("/email/send", json={"email": one()}, headers=KEY)

    assert post(client, [one()], KEY).status_code == 409


def test_what_is_refused_as_it_stands_takes_no_key(client, queue):
    queue.size = 2_000
    assert post(client, [one(toEmail="x")], KEY).status_code == 422
    assert post(client, some(2), KEY).status_code == 200


def test_without_the_ledger_nothing_is_risked(client, ledger, queue):
    ledger.down = {"claim"}

    assert errors(post(client, some(2), KEY)) == (503, {"base": answers.LEDGER_UNAVAILABLE})
    assert queue.calls == []


def test_ids_differ_in_their_last_bits_only():
    batch_id = "019f3c5e-7a1b-7c2d-8e3f-4a5b6c7d8e9f"

    ids = [id_of(batch_id, place) for place in range(100)]

    assert ids[0] == "019f3c5e-7a1b-7c2d-8e3f-4a5b6c7d8e00"
    assert ids[99] == "019f3c5e-7a1b-7c2d-8e3f-4a5b6c7d8e63"
    assert len(set(ids)) == 100


# -- for later ------------------------------------------------------------------------------------


def test_emails_of_a_batch_go_to_the_schedule_or_wait_on_the_queue(client, ledger, queue):
    emails = [one(0), one(1, sendAt=in_seconds(600)), one(2, sendAt=in_seconds(7_200))]

    results = post(client, emails).json()["results"]

    statuses = [client.get(f"/email/{r['messageId']}").json()["status"] for r in results]
    assert statuses == ["queued", "scheduled", "scheduled"]
    ((_, (at_once, soon)),) = queue.calls
    assert at_once.delay == 0
    assert 590 <= soon.delay <= 600
    assert len(ledger.asked("schedule")) == 1


def test_a_schedule_that_is_down_is_told_of_its_email_alone(client, ledger):
    ledger.down = {"schedule"}

    response = post(client, [one(0), one(1, sendAt=in_seconds(7_200))])

    assert response.status_code == 207
    assert response.json()["results"][1] == {"errors": {"base": answers.LEDGER_UNAVAILABLE}}


def test_every_answer_is_as_described(client, queue):
    described = client.get("/openapi.json").json()["paths"]["/email/batch"]["post"]["responses"]
    asked = [
        {"emails": [one(), one(toEmail="x")], "validation": "permissive"},
        {"emails": [one(toEmail="x")]},
        {"emails": 7},
    ]
    responses = [client.post("/email/batch", json=body, headers=KEY) for body in asked]
    responses.append(post(client, [one()], KEY))
    queue.script = refusing("No. 1")
    responses += [post(client, some(2)), post(client, [one(1)])]

    assert [r.status_code for r in responses] == [200, 422, 400, 409, 207, 503]
    for response in responses:
        answer = described[str(response.status_code)]["content"]["application/json"]
        Draft202012Validator(answer["schema"]).validate(json.loads(response.content))
