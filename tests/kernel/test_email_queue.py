"""The queue's format: both ways readable, and anything else unreadable with a reason."""

# ruff: noqa: E501 - recorded messages, one a line

import json
from contextlib import suppress

import orjson
import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st

from gomail.email import (
    Claim,
    Email,
    Message,
    NotAnEmail,
    Unreadable,
    decode,
    encode,
    has_forbidden_characters,
    pack,
    read,
    unpack,
)
from gomail.email.more import MORE
from gomail.email.reading import PLAIN

LEAST = {"fromEmail": "shop@example.com", "toEmail": "ada@example.org", "body": "Hello."}
CLAIM = {"key": "gomail/m-1", "sha256": "0" * 64, "size": 9}

# Written by the version that knew six fields.
RECORDED = [
    (
        r'{"v":1,"id":"019f3c5e-7a1b-7c2d-8e3f-4a5b6c7d8e9f","acceptedAt":"2026-11-24T09:00:00.000Z","email":{"fromEmail":"shop@example.com","fromName":"J\u00f6rg","toEmail":"ada@example.org","toName":"Ada","subject":"Receipt","body":"Thank you.\n"}}',
        Message(
            "019f3c5e-7a1b-7c2d-8e3f-4a5b6c7d8e9f",
            Email("shop@example.com", "ada@example.org", "Thank you.\n", "Jörg", "Ada", "Receipt"),
            "2026-11-24T09:00:00.000Z",
        ),
    ),
    (
        r'{"v":1,"id":"019f3c5e-7a1b-7c2d-8e3f-4a5b6c7d8ea0","acceptedAt":"","email":{"fromEmail":"shop@example.com","toEmail":"u@b\u00fccher.example","body":"\ud83d\ude00 \"\\\t/\u2028\u007f"}}',
        Message(
            "019f3c5e-7a1b-7c2d-8e3f-4a5b6c7d8ea0",
            Email("shop@example.com", "u@bücher.example", '\U0001f600 "\\\t/\u2028\x7f'),
        ),
    ),
    (
        r'{"v":1,"id":"m","acceptedAt":"2026-01-01T00:00:00.001Z","email":{"fromEmail":"o+brien@example.com","toEmail":"Ada@Example.COM","subject":"<b>&amp;</b>","body":"a\r\nb"}}',
        Message(
            "m",
            Email("o+brien@example.com", "Ada@Example.COM", "a\r\nb", subject="<b>&amp;</b>"),
            "2026-01-01T00:00:00.001Z",
        ),
    ),
]
# Written by the Go service, which let everything else in `email` through.
RECORDED_GO = [
    (
        r'{"email":{"fromEmail":"a@example.com","fromName":"A","toEmail":"b@example.org","toName":"B","subject":"S","body":"x \u003cb\u003e \u0026"}}',
        Email("a@example.com", "b@example.org", "x <b> &", "A", "B", "S"),
    ),
    (
        r'{"email":{"body":"x","toEmail":"b@example.org","html":1,"cc":"c","claim":[],"fromEmail":"a@example.com","subject":null}}',
        Email("a@example.com", "b@example.org", "x"),
    ),
    (
        r'{"id":"theirs","email":{"fromEmail":"a@example.com","toEmail":"b@example.org","body":"x","sendAt":"soon"}}',
        Email("a@example.com", "b@example.org", "x"),
    ),
]


@pytest.mark.parametrize(("body", "message"), RECORDED)
def test_a_message_of_the_previous_version_is_read_and_written_unchanged(body, message):
    assert decode(body, queue_message_id="sqs-1") == message
    assert encode(message) == body


@pytest.mark.parametrize(("body", "email"), RECORDED_GO)
def test_a_message_of_the_go_service_is_read_without_what_it_never_knew(body, email):
    assert decode(body, queue_message_id="sqs-1").email == email


def test_a_single_recipient_in_a_list_is_written_as_before():
    email = read(
        {"email": {"fromEmail": "a@example.com", "to": [{"email": "b@example.org"}], "text": "x"}}
    )

    assert isinstance(email, Email)
    assert json.loads(encode(Message("m-1", email))) == {
        "v": 1,
        "id": "m-1",
        "acceptedAt": "",
        "email": {"fromEmail": "a@example.com", "toEmail": "b@example.org", "body": "x"},
    }


def test_a_message_with_a_new_field_says_that_older_dispatchers_cannot_read_it():
    email = read({"email": LEAST | {"html": "x"}})

    assert isinstance(email, Email)
    assert json.loads(encode(Message("m-1", email)))["v"] == 2


def test_the_providers_an_email_may_go_to_stay_on_the_queue_when_its_parts_are_stored():
    email = read({"email": LEAST | {"provider": {"only": ["ses"], "exclude": ["sendgrid"]}}})
    assert isinstance(email, Email)
    light, data = pack(email, "gomail/m-1")

    written = json.loads(encode(Message("m-1", light)))

    assert written["v"] == 2
    assert written["email"]["provider"] == {"only": ["ses"], "exclude": ["sendgrid"]}
    assert decode(json.dumps(written), queue_message_id="").email == light
    assert unpack(light, data) == email


def stored(**fields):
    return json.dumps({"v": 2, "id": "m-1", "email": LEAST | fields})


def test_what_is_stored_elsewhere_is_known_by_its_claim():
    body = stored(body=None, claim=CLAIM, attachments=[{"filename": "a.pdf", "size": 7}])

    email = decode(body, queue_message_id="").email

    assert email.claim == Claim("gomail/m-1", "0" * 64, 9)
    assert [(one.filename, one.size, one.content) for one in email.attachments] == [
        ("a.pdf", 7, "")
    ]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"claim": {}}, "claim.size is not a number"),
        ({"claim": CLAIM | {"size": -1}}, "claim.size is not a number"),
        ({"claim": CLAIM | {"size": True}}, "claim.size is not a number"),
        ({"claim": CLAIM | {"sha256": "0" * 63}}, "claim: Claim has not the form of one"),
        ({"claim": CLAIM | {"key": ""}}, "claim: Claim has not the form of one"),
        ({"claim": CLAIM | {"until": 1}}, "claim.until: until is not a field here"),
        ({"claim": CLAIM, "attachments": [{"filename": "a"}]}, "attachments.0.size is not a number"),
        ({"claim": CLAIM, "attachments": [{"filename": "a", "size": 1, "content": "eA=="}]}, "attachments.0.content: Content is in the payload store"),
        ({"attachments": [{"filename": "a", "size": 1}]}, "attachments.0.content: Content is required"),
        ({"provider": {"only": ["a b"]}}, "provider.only.0: Provider is not a letter with up to 39 letters, digits, hyphens and underscores behind it"),
        ({"provider": {"only": ["a"], "exclude": ["a"]}}, "provider.exclude.0: Provider is in only as well"),
        ({"provider": {"only": [1]}}, "provider.only.0 is not a string"),
        ({"body": "\x00"}, "body contains characters outside the allowed set"),
        ({"body": None, "text": "\x00"}, "body contains characters outside the allowed set"),
        ({"html": "\x00"}, "html: Html contains characters outside the allowed set"),
        ({"cc": [{"email": "x"}], "colour": "red"}, "cc.0.email: Cc email is not a valid email; colour: colour is not a field of an email"),
    ],
)  # fmt: skip
def test_what_cannot_be_sent_is_unreadable_and_says_why(fields, reason):
    with pytest.raises(Unreadable) as told:
        decode(stored(**fields), queue_message_id="")

    assert str(told.value).removeprefix("email.") == reason


@pytest.mark.parametrize("version", [None, True, 0, 3, 1.5, "1", [], [1], {}, {"v": 1}])
def test_a_version_that_is_not_known_is_unreadable(version):
    body = json.dumps({"v": version, "email": LEAST})

    with pytest.raises(Unreadable, match="is not known to this dispatcher"):
        decode(body, queue_message_id="id")


NAMES = [
    *PLAIN, *MORE, "email", "name", "filename", "content", "contentType", "contentId", "size",
    "url", "mailto", "key", "sha256", "X-A", "only", "exclude",
]  # fmt: skip
TELLING = [
    "a@example.com", "b@bücher.example", "a.pdf", "eA==", "image/png", "https://e.com", "mailto:x",
    "1969-01-01T00:00:00Z", "9999-12-31T23:59:59-10:00", "2099-01-01T00:00:00Z", "0" * 64,
    "retry", "tag", "jörg@example.com", "Jo\u0308rg@bücher.example", "gomail/m-1", "\ud800", "\x00",
]  # fmt: skip
TEXTS = st.text(max_size=10) | st.sampled_from(TELLING)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(NAMES) | TEXTS, inner, max_size=4)
    ),
    max_leaves=8,
)
PEOPLE = st.lists(st.fixed_dictionaries({"email": TEXTS}, optional={"name": TEXTS}), max_size=3)
FILES = st.fixed_dictionaries(
    {"filename": TEXTS},
    optional={"content": TEXTS, "size": st.integers(), "contentType": TEXTS, "contentId": TEXTS},
)
NEARLY = {
    **dict.fromkeys(["toEmail", "toName", "subject", "html", "text"], TEXTS),
    **dict.fromkeys(["sendAt", "expiresAt", "onUnknown"], TEXTS),
    **dict.fromkeys(["to", "cc", "bcc", "replyTo"], PEOPLE),
    "headers": st.dictionaries(st.sampled_from(["X-A", "x-a", "Bcc"]) | TEXTS, TEXTS, max_size=2),
    "attachments": st.lists(FILES, max_size=2),
    "tags": st.lists(TEXTS, max_size=2),
    "metadata": st.dictionaries(TEXTS, TEXTS, max_size=2),
    "listUnsubscribe": st.fixed_dictionaries({"url": TEXTS}, optional={"mailto": TEXTS}),
    "provider": st.fixed_dictionaries(
        {}, optional={"only": st.lists(TEXTS, max_size=2), "exclude": st.lists(TEXTS, max_size=2)}
    ),
    "claim": st.fixed_dictionaries({"key": TEXTS, "sha256": TEXTS, "size": st.integers(-1, 9)}),
}
WIRE = st.builds(
    lambda least, more: least | more,
    st.sampled_from([LEAST, {}, {"fromEmail": "shop@example.com"}]),
    st.fixed_dictionaries({}, optional={name: JSON | form for name, form in NEARLY.items()})
    | st.fixed_dictionaries({}, optional=NEARLY),
)


@effort(max_examples=1_000, deadline=None)
@given(
    wire=WIRE | JSON,
    version=st.sampled_from([1, 2]) | JSON,
    message_id=st.just("m-1") | JSON,
)
def test_whatever_lies_on_the_queue_is_an_email_that_can_be_written_again_or_unreadable(
    wire, version, message_id
):
    body = json.dumps({"v": version, "id": message_id, "acceptedAt": version, "email": wire})

    with suppress(Unreadable):
        message = decode(body, queue_message_id="id")

        assert decode(encode(message), queue_message_id="") == message


@effort(max_examples=1_000, deadline=None)
@given(wire=WIRE, now=st.none() | st.integers(0, 4_000_000_000_000))
def test_whatever_is_asked_for_is_faults_or_an_email_that_arrives(wire, now):
    with suppress(orjson.JSONDecodeError, NotAnEmail):  # half a surrogate pair, a wrong type
        email = read({"email": orjson.loads(json.dumps(wire))}, now_ms=now)

        if not isinstance(email, Email):
            assert email
            assert {name.split(".")[0] for name in email} <= {*PLAIN, *MORE}
        elif not has_forbidden_characters(email.body):
            body = encode(Message("m-1", email))
            assert body.isascii()
            assert decode(body, queue_message_id="").email == email
