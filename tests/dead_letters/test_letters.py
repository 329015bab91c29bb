"""What a dead letter tells, which are meant, and what is sent again: properties of values."""

import json
from dataclasses import replace

import orjson
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from gomail.dead_letters import (
    EVERY,
    FRESH_SECONDS,
    TOO_OFTEN,
    UNTOLD,
    DeadLetter,
    Kept,
    Which,
    age_of,
    email_of,
    grouped,
    home,
    kept,
    kind_of,
    read,
    redriven,
)
from gomail.dead_letters_page import groups, item, letter_, letters, whole
from gomail.email import decode, encode
from gomail.ledger import Status
from gomail.queue import Received
from tests.builders import message

NOW = 1_800_000_000.0
ARN = "arn:aws:sqs:eu-west-1:000000000000:mail-1"
TOLD = {
    "gomailId": "m-1",
    "reason": "given up after 24.0 h; last outcome: failed",
    "code": "503",
    "detail": "Busy.",
    "provider": "ses",
    "attempts": "7",
    "queue": "http://localhost/000000000000/mail-1",
}
BARE = {"email": {"fromEmail": "shop@example.com", "toEmail": "reader@example.org", "body": "Hi"}}


def received(body=None, attributes=None, source_arn=""):
    body = encode(message()) if body is None else body
    return Received("sqs-1", "handle", body, 1, NOW - 3_600, attributes, source_arn)


def letter(**changes) -> DeadLetter:
    return replace(read(received(attributes=TOLD)), **changes)


LETTERS = st.builds(
    letter,
    reason=st.sampled_from(["refused", "given up after 24.0 h", "given up after 25.1 h"]),
    code=st.sampled_from(["400", "503", ""]),
    provider=st.sampled_from(["ses", "sendgrid", ""]),
    buried_at=st.floats(NOW - 10_000, NOW),
)


@pytest.mark.parametrize("attempts", ["9" * 5_000, "9" * 20, "-1", "²", "٣", "2.5", "", "many"])
def test_attempts_that_are_no_count_are_not_told(attempts):
    assert read(received(attributes=TOLD | {"attempts": attempts})).attempts == 0


TEXT = st.text() | st.sampled_from(["9" * 5_000, "{", '{"id":7}', '{"email":{}}', "[" * 5_000])


@hypothesis_settings(deadline=None)
@given(body=TEXT, attributes=st.dictionaries(st.sampled_from([*TOLD]), TEXT), source=TEXT)
def test_whatever_is_in_a_dead_letter_it_is_listed_shown_and_judged(body, attributes, source):
    strange = read(received(body, attributes, source))

    assert letters([strange], NOW)
    assert letter_(strange, None)
    assert groups(grouped([strange]), NOW)
    assert orjson.dumps([item(strange), whole(strange)])
    assert EVERY.has(strange, NOW)
    assert kept(strange, email_of(strange), None, NOW) or email_of(strange)
    assert redriven(strange)[-1:] == body[-1:]
    assert home(strange, ["http://q/0/one"]) in {None, "http://q/0/one"}


def test_what_the_dispatcher_told_is_read():
    read_ = read(received(attributes=TOLD))

    assert (read_.id, read_.code, read_.detail) == ("m-1", "503", "Busy.")
    assert (read_.provider, read_.attempts, read_.by_us) == ("ses", 7, True)
    assert (read_.source, read_.buried_at) == (TOLD["queue"], NOW - 3_600)


def test_what_sqs_moved_was_received_too_often_and_has_the_id_of_its_body():
    read_ = read(received(source_arn=ARN))

    assert (read_.id, read_.reason, read_.code) == ("m-1", TOO_OFTEN, "max-receives")
    assert (read_.source, read_.by_us) == (ARN, False)


@given(body=st.text(), attributes=st.none() | st.dictionaries(st.text(), st.text()))
def test_whatever_lies_on_the_queue_is_a_dead_letter_with_an_id_and_a_reason(body, attributes):
    read_ = read(received(body, attributes))

    assert read_.id
    assert read_.reason
    email_of(read_)


def test_without_attributes_and_source_the_reason_is_not_told():
    assert read(received("no JSON")).reason == UNTOLD
    assert read(received("no JSON")).id == "sqs-1"


@given(st.lists(LETTERS))
def test_every_letter_is_in_one_group_and_hours_make_no_groups(letters):
    groups = grouped(letters)

    assert sum(group.count for group in groups) == len(letters)
    assert len({(group.reason, group.code) for group in groups}) == len(groups)
    assert {group.reason for group in groups} <= {"refused", "given up after … h"}
    assert [group.count for group in groups] == sorted((g.count for g in groups), reverse=True)


@given(st.lists(LETTERS))
def test_a_group_is_what_its_reason_and_code_select(letters):
    for group in grouped(letters):
        which = Which(reason=group.reason, code=group.code)
        assert sum(which.has(one, NOW) for one in letters) == group.count


@given(LETTERS, st.floats(0, 20_000))
def test_every_letter_is_either_older_or_newer_than_an_age(one, age):
    assert Which(older_than=age).has(one, NOW) != Which(newer_than=age).has(one, NOW)


@pytest.mark.parametrize(
    ("which", "is_meant"),
    [
        (Which(), True),
        (Which(id="m-1"), True),
        (Which(id="sqs-1"), True),
        (Which(id="m-2"), False),
        (Which(reason="GIVEN UP"), True),
        (Which(reason="refused"), False),
        (Which(code="50"), False),
        (Which(provider="ses", code="503"), True),
        (Which(provider="ses", code="400"), False),
    ],
)
def test_a_filter_means_what_fits_all_its_parts(which, is_meant):
    assert which.has(letter(), NOW) is is_meant


def test_ages_are_written_with_a_unit():
    assert [age_of(text) for text in ("90s", "15m", "24h", "7d")] == [90, 900, 86_400, 604_800]
    for text in ("", "7", "h", "-1h", "1.5h", "1 h"):
        with pytest.raises(ValueError, match="write it like"):
            age_of(text)


def test_our_bodies_are_sent_again_to_the_byte():
    body = '{ "email":{"x":1} , "id":"m-1","v":1}'

    assert redriven(letter(body=body)) == body
    assert redriven(letter(body="no JSON")) == "no JSON"
    assert redriven(letter(body="[]")) == "[]"


@given(st.text())
def test_what_is_no_object_with_an_email_is_sent_again_as_it_is(body):
    assert redriven(letter(body=body)) == body


@pytest.mark.parametrize("id_", ["0190-abc", 'a"b\\c'])
def test_a_bare_email_of_the_older_service_gets_its_id_so_that_its_history_stays(id_):
    body = "  " + json.dumps(BARE | {"other": [1, 2]})

    again = redriven(letter(id=id_, body=body))

    assert decode(again, queue_message_id="new").id == id_
    assert json.loads(again) == json.loads(body) | {"id": id_}
    assert decode(again, queue_message_id="new").email == decode(body, queue_message_id="old").email


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("http://localhost/000000000000/mail-1", "http://localhost/000000000000/mail-1"),
        (ARN, "http://localhost/000000000000/mail-1"),
        (ARN.replace("mail-1", "mail-2"), None),
        (ARN.replace("000000000000", "111111111111"), None),
        ("", None),
    ],
)
def test_a_letter_goes_back_to_the_queue_it_came_from_if_that_is_still_one(source, expected):
    queues = ["http://localhost/000000000000/xmail-1", "http://localhost/000000000000/mail-1"]

    assert home(letter(source=source), queues) == expected


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (Status.SENT, Kept.SENT),
        (Status.CANCELED, Kept.CANCELED),
        (Status.EXPIRED, Kept.EXPIRED),
        (Status.REFUSED, None),
        (Status.FAILED, None),
        (Status.QUEUED, None),
        (None, None),
    ],
)
def test_what_has_ended_otherwise_stays(status, reason):
    one = letter()
    assert kept(one, email_of(one), status, NOW) is reason


def test_what_would_come_back_stays():
    expired = replace(email_of(letter()), expires_at=int(NOW * 1_000))
    fresh = letter(buried_at=NOW - FRESH_SECONDS + 0.1)

    assert kept(letter(body="no JSON"), None, None, NOW) is Kept.UNREADABLE
    assert kept(letter(), expired, None, NOW) is Kept.EXPIRED
    assert kept(letter(code="expired"), email_of(letter()), None, NOW) is Kept.EXPIRED
    assert kept(fresh, email_of(fresh), None, NOW) is Kept.FRESH
    assert kept(replace(fresh, by_us=False), email_of(fresh), None, NOW) is None


def test_only_numbers_are_left_out_of_a_reason():
    assert kind_of("given up after 24.0 h; last outcome: failed") == (
        "given up after … h; last outcome: failed"
    )
