"""The fields beyond the Go service's: what is taken, what is refused where, and how it travels."""

# ruff: noqa: E501 - a table of faults, one a line

import dataclasses
from base64 import b64encode
from dataclasses import replace
from hashlib import sha256

import orjson
import pytest
from email_validator import validate_email
from hypothesis import given, settings
from hypothesis import strategies as st

from gomail.email import (
    Attachment,
    Claim,
    Email,
    ListUnsubscribe,
    Mailbox,
    Message,
    NotAnEmail,
    Unreadable,
    addresses,
    decode,
    encode,
    pack,
    read,
    unpack,
    wire_fields,
)

unhurried = settings(deadline=None)  # a busy machine says nothing of the code

NOW = 1_790_000_000_000  # 2026-09-21T14:13:20Z
DAY = 86_400_000
LEAST = {"fromEmail": "shop@example.com", "toEmail": "ada@example.org", "body": "Hello."}


def asked(**fields):
    return read({"email": LEAST | fields}, now_ms=NOW, max_attachment_bytes=1_000)


def file(filename="a.txt", content=b"hello", **more):
    return {"filename": filename, "content": b64encode(content).decode()} | more


def test_every_field_is_read():
    email = asked(
        body=None,
        text="Hello.",
        html="<p>Hello.</p>",
        toEmail=None,
        to=[{"email": "ada@example.org", "name": "Ada"}, {"email": "bob@example.org"}],
        cc=[{"email": "cc@example.org"}],
        bcc=[{"email": "bcc@example.org"}],
        replyTo=[{"email": "help@example.com", "name": "Help"}],
        headers={"X-Order": "7"},
        attachments=[file("a.pdf"), file("logo", contentType="image/png", contentId="logo")],
        tags=["receipt"],
        metadata={"order": "7"},
        listUnsubscribe={"url": "https://example.com/u?1", "mailto": "mailto:u@example.com"},
        sendAt="2026-09-22T14:13:20Z",
        expiresAt="2026-09-22T16:13:21.5+01:00",
        onUnknown="dead-letter",
        provider={"only": ["ses", "ses-eu"], "exclude": ["sendgrid"]},
    )

    assert email == Email(
        from_email="shop@example.com",
        to_email="ada@example.org",
        to_name="Ada",
        body="Hello.",
        html="<p>Hello.</p>",
        also_to=(Mailbox("bob@example.org"),),
        cc=(Mailbox("cc@example.org"),),
        bcc=(Mailbox("bcc@example.org"),),
        reply_to=(Mailbox("help@example.com", "Help"),),
        headers=(("X-Order", "7"),),
        attachments=(
            Attachment("a.pdf", "application/pdf", "aGVsbG8=", 5),
            Attachment("logo", "image/png", "aGVsbG8=", 5, "logo"),
        ),
        tags=("receipt",),
        metadata=(("order", "7"),),
        list_unsubscribe=ListUnsubscribe("https://example.com/u?1", "mailto:u@example.com"),
        send_at=NOW + DAY,
        expires_at=NOW + DAY + 3_601_500,
        on_unknown="dead-letter",
        only=("ses", "ses-eu"),
        exclude=("sendgrid",),
    )


PROVIDER_NAME = (
    "Provider is not a letter with up to 39 letters, digits, hyphens and underscores behind it"
)
TOO_MANY = [{"email": f"r{number}@example.org"} for number in range(50)]


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"text": "Hi."}, {"text": "Text and body are the same field; give one of them"}),
        ({"body": "", "html": ""}, {"body": "Body is required"}),
        ({"html": "\x00"}, {"html": "Html contains characters outside the allowed set"}),
        ({"to": [{"email": "b@example.org"}]}, {"to": "To and toEmail are the same field; give one of them"}),
        ({"toEmail": None, "to": []}, {"to": "To email is required"}),
        ({"toEmail": None, "cc": [{"email": "b@example.org"}]}, {"toEmail": "To email is required"}),
        ({"toEmail": None, "to": [{"email": "a@example.org"}, {"email": "b"}]}, {"to.1.email": "To email is not a valid email"}),
        ({"cc": [{"name": "B"}]}, {"cc.0.email": "Cc email is required"}),
        ({"cc": [{"email": "ADA@example.org"}]}, {"cc.0.email": "Cc email is there twice"}),
        ({"cc": [{"email": "Jörg@example.org"}, {"email": "jo\u0308rg@EXAMPLE.org"}]}, {"cc.1.email": "Cc email is there twice"}),
        ({"cc": [{"email": "b@example.org", "name": "B\n"}]}, {"cc.0.name": "Cc name contains a line break or another control character"}),
        ({"cc": [{"email": "b@example.org", "age": 1}]}, {"cc.0.age": "age is not a field here"}),
        ({"cc": [{"email": "a@bücher.example"}, {"email": "A@xn--bcher-kva.example"}]}, {"cc.1.email": "Cc email is there twice"}),
        ({"replyTo": [{"email": "x"}]}, {"replyTo.0.email": "Reply-to email is not a valid email"}),
        ({"replyTo": [*TOO_MANY, {"email": "x"}]}, {"replyTo": "Reply-to has more than 50 entries"}),
        ({"bcc": TOO_MANY}, {"to": "There are more than 50 recipients"}),
        ({"headers": {"Bcc": "b@example.org"}}, {"headers.Bcc": "Header is reserved"}),
        ({"headers": {"content-type": "text/html"}}, {"headers.content-type": "Header is reserved"}),
        ({"headers": {"List-Unsubscribe": "x"}}, {"headers.List-Unsubscribe": "Header is reserved; use listUnsubscribe"}),
        ({"headers": {"X-SES-Anything": "x"}}, {"headers.X-SES-Anything": "Header is reserved"}),
        ({"headers": {"X" * 77: "x"}}, {"headers." + "X" * 77: "Header name is not 1 to 76 printable ASCII characters without colon"}),
        ({"headers": {"X-A": "ü" * 300}}, {"headers.X-A": "Header is longer than 995 bytes"}),
        ({"headers": {"X A": "x"}}, {"headers.X A": "Header name is not 1 to 76 printable ASCII characters without colon"}),
        ({"headers": {"X-A": "x\r\nBcc: b"}}, {"headers.X-A": "Header contains a line break or another control character"}),
        ({"headers": {"X-A": " "}}, {"headers.X-A": "Header is empty"}),
        ({"headers": {"X-A": "1", "x-a": "2"}}, {"headers.x-a": "Header is there twice"}),
        ({"headers": {"X-A": "x" * 993}}, {"headers.X-A": "Header is longer than 995 bytes"}),
        ({"headers": {f"X-{n}": "x" for n in range(26)}}, {"headers": "There are more than 25 headers"}),
        ({"attachments": [file()] * 11}, {"attachments": "There are more than 10 attachments"}),
        ({"attachments": [file(content=b"x" * 501)] * 2}, {"attachments": "Attachments together are over 1000 bytes"}),
        ({"attachments": [{"filename": "a", "content": "aGVs\nbG8="}]}, {"attachments.0.content": "Content is not base64 without line breaks"}),
        ({"attachments": [{"filename": "a"}]}, {"attachments.0.content": "Content is required"}),
        ({"attachments": [file("")]}, {"attachments.0.filename": "Filename is required"}),
        ({"attachments": [file("ü" * 128)]}, {"attachments.0.filename": "Filename is longer than 255 bytes"}),
        ({"attachments": [file("a\r\nb")]}, {"attachments.0.filename": "Filename contains a line break or another control character"}),
        ({"attachments": [file(), file("a\\b")]}, {"attachments.1.filename": "Filename contains a path separator"}),
        ({"attachments": [{"filename": "a", "content": "aGVsbG8"}]}, {"attachments.0.content": "Content is not base64 without line breaks"}),
        ({"attachments": [file("../a")]}, {"attachments.0.filename": "Filename contains a path separator"}),
        ({"attachments": [file(contentType="html")]}, {"attachments.0.contentType": "Content type is not of the form type/subtype"}),
        ({"attachments": [file(contentId="<a>")]}, {"attachments.0.contentId": "Content id is not 1 to 78 letters, digits or any of ._@+-"}),
        ({"attachments": [file(contentId="a")] * 2}, {"attachments.1.contentId": "Content id is there twice"}),
        ({"attachments": [file(size=5)]}, {"attachments.0.size": "size is not a field here"}),
        ({"tags": ["a b"]}, {"tags.0": "Tag is not 1 to 64 letters, digits, hyphens and underscores"}),
        ({"tags": ["a", "a"]}, {"tags.1": "Tag is there twice"}),
        ({"tags": [str(n) for n in range(11)]}, {"tags": "There are more than 10 tags"}),
        ({"metadata": {"": "x"}}, {"metadata.": "Name is not 1 to 64 bytes without control characters"}),
        ({"metadata": {str(n): "x" for n in range(21)}}, {"metadata": "There are more than 20 entries"}),
        ({"metadata": {"a": "x" * 513}}, {"metadata.a": "Value is longer than 512 bytes"}),
        ({"listUnsubscribe": {"url": "http://example.com"}}, {"listUnsubscribe.url": "Url is not an https URL in printable ASCII"}),
        ({"listUnsubscribe": {"url": "https://e.com", "mailto": "u@e.com"}}, {"listUnsubscribe.mailto": "Mailto is not a mailto: URI in printable ASCII"}),
        ({"listUnsubscribe": {"url": "https://e.com", "uri": "x"}}, {"listUnsubscribe.uri": "uri is not a field here"}),
        ({"listUnsubscribe": {}}, {"listUnsubscribe.url": "Url is not an https URL in printable ASCII"}),
        ({"listUnsubscribe": {"url": "https://e.com/" + "x" * 980}}, {"listUnsubscribe.url": "It is too long for a header"}),
        ({"sendAt": "2026-02-30T12:00:00Z"}, {"sendAt": "Send at is not a time such as 2026-01-31T12:00:00Z"}),
        ({"sendAt": "2026-09-22T14:13:20+05:60"}, {"sendAt": "Send at is not a time such as 2026-01-31T12:00:00Z"}),
        ({"expiresAt": "9999-12-31T23:59:59-01:00"}, {"expiresAt": "Expires at is not a time such as 2026-01-31T12:00:00Z"}),
        ({"expiresAt": "1970-01-01T00:00:00Z"}, {"expiresAt": "Expires at is over"}),
        ({"expiresAt": "0001-01-01T00:00:00+23:59"}, {"expiresAt": "Expires at is over"}),
        ({"sendAt": "tomorrow"}, {"sendAt": "Send at is not a time such as 2026-01-31T12:00:00Z"}),
        ({"sendAt": "2026-09-22T14:13:20"}, {"sendAt": "Send at is not a time such as 2026-01-31T12:00:00Z"}),
        ({"sendAt": "2026-10-21T14:13:21Z"}, {"sendAt": "Send at is more than 30 days ahead"}),
        ({"expiresAt": "2026-09-21T14:13:20Z"}, {"expiresAt": "Expires at is over"}),
        ({"sendAt": "2026-09-22T14:13:20Z", "expiresAt": "2026-09-22T14:13:20Z"}, {"expiresAt": "Expires at is not after send at"}),
        ({"onUnknown": "hope"}, {"onUnknown": "On unknown is neither retry nor dead-letter"}),
        ({"provider": {"only": ["a b"]}}, {"provider.only.0": PROVIDER_NAME}),
        ({"provider": {"exclude": ["a", "1"]}}, {"provider.exclude.1": PROVIDER_NAME}),
        ({"provider": {"only": ["a" * 41]}}, {"provider.only.0": PROVIDER_NAME}),
        ({"provider": {"only": ["ä"]}}, {"provider.only.0": PROVIDER_NAME}),
        ({"provider": {"only": ["a\n"]}}, {"provider.only.0": PROVIDER_NAME}),
        ({"provider": {"only": ["a", "b", "a"]}}, {"provider.only.2": "Provider is there twice"}),
        ({"provider": {"only": []}}, {"provider.only": "Only names nobody; leave it out for all providers"}),
        ({"provider": {"only": [f"p{n}" for n in range(21)]}}, {"provider.only": "There are more than 20 providers"}),
        ({"provider": {"exclude": [f"p{n}" for n in range(21)]}}, {"provider.exclude": "There are more than 20 providers"}),
        ({"provider": {"only": ["a", "b"], "exclude": ["c", "b"]}}, {"provider.exclude.1": "Provider is in only as well"}),
        ({"provider": {"ony": ["a"]}}, {"provider.ony": "ony is not a field here"}),
        ({"claim": {"key": "k"}}, {"claim": "claim is not a field of an email"}),
        ({"html": "x", "form": 1}, {"form": "form is not a field of an email"}),
    ],
)  # fmt: skip
def test_each_fault_is_told_at_its_field(fields, fault):
    assert asked(**fields) == fault


def test_all_faults_are_told_at_once():
    faults = asked(fromEmail="x", to=[{"email": "y"}], toEmail=None, headers={"To": "z"})

    assert set(faults) == {"fromEmail", "to.0.email", "headers.To"}


@pytest.mark.parametrize(
    "name",
    [
        *("X-SMTPAPI", "x-smtpapi", "X-MSYS-API", "X-MC-BccAddress", "X-MJ-TemplateErrorReporting"),
        *("Resent-To", "Resent-Bcc", "resent-from"),
    ],
)
def test_a_header_that_adds_recipients_is_refused_unless_it_was_accepted_already(name):
    sentence = "Header can add recipients or change the sender; use to, cc, bcc and fromEmail"
    there = orjson.dumps({"v": 2, "id": "m", "email": LEAST | {"headers": {name: "x"}}}).decode()

    assert asked(headers={name: "x"}) == {f"headers.{name}": sentence}
    assert decode(there, queue_message_id="").email.headers == ((name, "x"),)


@pytest.mark.parametrize("name", ["X-PM-Message-Stream", "X-MJ-CustomID", "X-Mailin-Tag", "X-MCP"])
def test_a_header_for_a_provider_that_changes_no_address_goes_out(name):
    assert asked(headers={name: "x"}).headers == ((name, "x"),)


@pytest.fixture
def validated(monkeypatch):
    """The addresses that the validator was asked about."""
    seen = []

    def noting(address, **rules):
        seen.append(address)
        return validate_email(address, **rules)

    monkeypatch.setattr(addresses, "validate_email", noting)
    addresses._found.cache_clear()
    return seen


def test_the_validator_is_asked_once_about_an_address(validated):
    people = [f"a{number}@bücher.example" for number in range(4)]
    to, cc, bcc, answers = [{"email": one} for one in people]

    for _ in range(2):
        email = asked(
            fromEmail=people[0], toEmail=None, to=[to], cc=[cc], bcc=[bcc], replyTo=[answers]
        )
        assert isinstance(email, Email)

    assert sorted(validated) == people


def test_no_recipient_is_looked_at_beyond_as_many_as_there_may_be(validated):
    def some(letter):
        return [{"email": f"{letter}{number}@bücher.example"} for number in range(45)]

    faults = asked(toEmail=None, to=some("a"), cc=some("b"), bcc=some("c"))

    assert faults == {"to": "There are more than 50 recipients"}
    assert len(validated) == 50


def test_what_is_longer_than_an_address_is_not_even_validated(validated):
    faults = asked(cc=[{"email": "ü" * 123 + "@example.com"}])

    assert faults == {"cc.0.email": "Cc email is not a valid email"}
    assert validated == []


@pytest.mark.parametrize(
    "fields",
    [
        {"html": 1},
        {"to": {}},
        {"to": ["ada@example.org"]},
        {"headers": {"X-A": 1}},
        {"attachments": [1]},
        {"tags": [1]},
        {"metadata": []},
        {"listUnsubscribe": "https://example.com"},
        {"sendAt": 1},
        {"provider": []},
        {"provider": "ses"},
        {"provider": {"only": "ses"}},
        {"provider": {"exclude": {}}},
        {"provider": {"only": ["ses", 1]}},
    ],
)
def test_a_wrong_type_is_no_email(fields):
    with pytest.raises(NotAnEmail):
        asked(**fields)


def test_a_wrong_type_within_the_providers_is_named():
    with pytest.raises(NotAnEmail, match=r"email\.provider\.only\.1 is not a string"):
        asked(provider={"only": ["ses", None]})
    with pytest.raises(NotAnEmail, match=r"email\.provider\.exclude is not an array"):
        asked(provider={"exclude": 1})


@pytest.mark.parametrize(
    "provider", [None, {}, {"only": None, "exclude": None}, {"exclude": []}], ids=str
)
def test_without_names_an_email_may_go_to_all_providers(provider):
    assert asked(provider=provider) == asked()


def test_twenty_providers_of_forty_characters_may_be_named():
    names = tuple(f"p{number:039}" for number in range(20))

    assert asked(provider={"only": list(names)}).only == names


@pytest.mark.parametrize("time", ["2026-09-21T14:13:20Z", "1969-07-20T20:17:40Z"])
def test_a_time_that_is_over_means_at_once(time):
    assert asked(sendAt=time).send_at == 0


def test_no_email_is_early_or_late_by_a_part_of_a_millisecond():
    email = asked(sendAt="2026-09-22T14:13:20.0001Z", expiresAt="2026-09-23T14:13:20.0009Z")

    assert (email.send_at, email.expires_at) == (NOW + DAY + 1, NOW + 2 * DAY)


def test_the_last_time_there_is_can_be_written():
    email = asked(expiresAt="9999-12-31T23:59:59.999Z")

    assert wire_fields(email)["expiresAt"] == "9999-12-31T23:59:59.999Z"


def test_without_a_clock_no_time_is_too_late_or_too_far():
    wire = LEAST | {"sendAt": "2020-01-01T00:00:00Z", "expiresAt": "2098-01-01T00:00:00Z"}

    assert wire_fields(read({"email": wire}))["sendAt"] == "2020-01-01T00:00:00.000Z"


@pytest.mark.parametrize(
    ("field", "many"),
    [
        ("tags", [f"t{number}" for number in range(30_000)]),
        ("cc", [{"email": "no address"}] * 30_000),
        ("attachments", [{}] * 30_000),
        ("headers", {f"X {number}": "" for number in range(30_000)}),
        ("metadata", {f"\n{number}": "" for number in range(30_000)}),
        ("provider", {"only": [f"p{number}" for number in range(30_000)]}),
    ],
)
def test_of_a_list_that_is_too_long_no_more_is_told_than_it_may_hold(field, many):
    faults = asked(**{field: many})

    assert field in {name.partition(".")[0] for name in faults}
    assert len(faults) <= 102


def _all_different(email):
    everybody = [one.email for one in (*email.to, *email.cc, *email.bcc)]
    return len(everybody) == len(set(everybody))


TEXT = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=20)
MAILBOXES = st.lists(
    st.builds(Mailbox, st.integers(0, 10**6).map("r{}@example.org".format), TEXT | st.just("")),
    max_size=4,
).map(tuple)
FILES = st.builds(
    lambda name, data, cid: Attachment(name, "image/png", b64encode(data).decode(), len(data), cid),
    TEXT.map(lambda text: text.replace("/", "-").replace("\\", "-")),
    st.binary(min_size=1, max_size=50),
    st.just(""),
)
PAIRS = st.dictionaries(st.integers(0, 99).map("X-{}".format), TEXT, max_size=4)
EMAILS = st.builds(
    Email,
    from_email=st.just("shop@example.com"),
    to_email=st.just("ada@example.org"),
    to_name=TEXT | st.just(""),
    body=TEXT,
    html=TEXT | st.just(""),
    also_to=MAILBOXES,
    cc=MAILBOXES,
    bcc=MAILBOXES,
    reply_to=MAILBOXES,
    headers=PAIRS.map(lambda pairs: tuple(pairs.items())),
    attachments=st.lists(FILES, max_size=3).map(tuple),
    tags=st.sampled_from([(), ("a",), ("a", "b-1")]),
    metadata=PAIRS.map(lambda pairs: tuple(pairs.items())),
    list_unsubscribe=st.sampled_from([None, ListUnsubscribe("https://example.com/u")]),
    send_at=st.sampled_from([0, NOW + 1, NOW + DAY]),
    expires_at=st.sampled_from([0, NOW + 2 * DAY]),
    on_unknown=st.sampled_from(["", "retry", "dead-letter"]),
    only=st.sampled_from([(), ("ses",), ("ses", "ses-eu")]),
    exclude=st.sampled_from([(), ("sendgrid",)]),
).filter(_all_different)


ALONE = {
    "html": "x",
    "also_to": (Mailbox("bob@example.org"),),
    "cc": (Mailbox("bob@example.org"),),
    "bcc": (Mailbox("bob@example.org"),),
    "reply_to": (Mailbox("bob@example.org"),),
    "headers": (("X-A", "x"),),
    "attachments": (Attachment("a.pdf", "application/pdf", "eA==", 1),),
    "tags": ("a",),
    "metadata": (("a", ""),),
    "list_unsubscribe": ListUnsubscribe("https://example.com/u"),
    "send_at": NOW + 1,
    "expires_at": NOW + 1,
    "on_unknown": "retry",
    "only": ("ses",),
    "exclude": ("sendgrid",),
    "claim": Claim("gomail/m-1", "0" * 64, 9),
}


@pytest.mark.parametrize("name", ALONE)
def test_a_field_that_is_the_only_new_one_comes_back_from_the_queue(name):
    email = Email("shop@example.com", "ada@example.org", "Hello.", **{name: ALONE[name]})

    assert decode(encode(Message("m-1", email)), queue_message_id="").email == email


def test_each_field_is_tried_alone():
    plain = {"from_email", "to_email", "body", "from_name", "to_name", "subject"}

    assert ALONE.keys() == {field.name for field in dataclasses.fields(Email)} - plain


@unhurried
@given(email=EMAILS)
def test_whatever_an_email_holds_comes_back_from_the_queue(email):
    body = encode(Message("m-1", email))

    assert body.isascii()
    assert decode(body, queue_message_id="").email == email


@unhurried
@given(email=EMAILS)
def test_what_is_written_of_an_email_is_a_request_for_the_same_email(email):
    request = orjson.loads(orjson.dumps({"email": wire_fields(email)}))

    assert read(request, now_ms=NOW) == email


@unhurried
@given(email=EMAILS)
def test_an_email_in_two_parts_is_put_together_again(email):
    light, data = pack(email, "gomail/m-1")

    travelled = decode(encode(Message("m-1", light)), queue_message_id="").email

    assert travelled == light
    assert not any(one.content for one in travelled.attachments)
    assert unpack(travelled, data) == email


def test_a_payload_that_is_not_the_one_that_was_stored_is_unreadable():
    light, data = pack(asked(attachments=[file()]), "gomail/m-1")

    with pytest.raises(Unreadable, match="not the one that was stored"):
        unpack(light, data + b" ")
    with pytest.raises(Unreadable, match="not the one that was stored"):
        unpack(asked(attachments=[file()]), data)


WRONG_PAYLOADS = [
    b"",
    b"[]",
    b"{}",
    b"\xff",
    b'{"body":"","html":""}',
    b'{"body":"","html":"","contents":[]}',
    b'{"body":"","html":"","contents":"x"}',
    b'{"body":"","html":"","contents":[1]}',
    b'{"body":null,"html":"","contents":["eA=="]}',
    b'{"body":"","html":[],"contents":["eA=="]}',
    b'{"body":"","html":"","contents":["eA==","eA=="]}',
]


@pytest.mark.parametrize("data", WRONG_PAYLOADS)
def test_a_payload_that_has_not_the_form_of_one_is_unreadable(data):
    light, _ = pack(asked(attachments=[file()]), "gomail/m-1")
    claim = Claim("gomail/m-1", sha256(data).hexdigest(), len(data))

    with pytest.raises(Unreadable, match="not the form of one"):
        unpack(replace(light, claim=claim), data)
