"""The fast pattern accepts only what the validator does; the queue format loses nothing."""

import json
import string
from contextlib import suppress
from unicodedata import category, normalize

import pytest
from email_validator import validate_email
from hypothesis import given, settings
from hypothesis import strategies as st

from gomail.email import (
    Email,
    Message,
    Unreadable,
    ascii_address,
    ascii_domain,
    decode,
    encode,
    has_forbidden_characters,
    read,
    wire_fields,
)
from gomail.email.addresses import _PLAIN_ADDRESS
from gomail.email.reading import PLAIN

LEAST = {"fromEmail": "a@example.com", "toEmail": "b@example.com", "body": "x"}

ATOM = st.text(string.ascii_letters + string.digits + "!#$%&'*+/=?^_`{|}~-.", max_size=70)
LABEL = st.text(string.ascii_letters + string.digits + "-", max_size=66) | st.sampled_from(
    ["xn--bcher-kva", "a--b", "ab--c", "-a", "a-", "test", "local", "localhost", "invalid", "www"]
)
SPECIAL_TOPS = ["test", "local", "onion", "arpa", "alt", "internal", "invalid", "localhost"]
TOP = st.text(string.ascii_lowercase, max_size=8) | st.sampled_from(
    [*SPECIAL_TOPS, "com", "COM", "museum", "xn--p1ai", "c0m", "a" * 63, "a" * 64, "com\n", "com."]
)
NEAR_ADDRESSES = st.builds(
    lambda local, labels, top: f"{local}@{'.'.join([*labels, top])}",
    ATOM,
    st.lists(LABEL, max_size=5),
    TOP,
)
ADDRESSES = st.from_regex(_PLAIN_ADDRESS) | NEAR_ADDRESSES | st.emails() | st.text(max_size=20)

LINE = st.text(
    st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"], exclude_characters="\ufffe\uffff"),
    max_size=40,
)
BODY = st.text(min_size=1, max_size=200).filter(lambda text: not has_forbidden_characters(text))
MESSAGES = st.builds(
    Message,
    id=st.text(string.ascii_letters + string.digits + "-", min_size=1, max_size=100),
    email=st.builds(
        Email,
        from_email=st.sampled_from(["a@example.com", "o'brien@example.com", "a@bücher.example"]),
        to_email=st.sampled_from(["Ada@Example.COM", "a+b@mail.example.museum"]),
        body=BODY,
        from_name=LINE,
        to_name=LINE,
        subject=LINE,
    ),
    accepted_at=st.just("") | st.text(string.printable, max_size=30),
)


@settings(max_examples=3_000)
@given(address=ADDRESSES)
def test_what_passes_the_fast_pattern_passes_the_validator_unchanged(address):
    if not _PLAIN_ADDRESS.match(address):
        return

    seen = validate_email(address, check_deliverability=False, allow_smtputf8=False, strict=True)

    # The validator writes domains and the names of RFC 2142 (`INFO@`) small; we leave them.
    assert seen.ascii_email.lower() == address.lower()


@given(message=MESSAGES)
def test_what_is_written_on_the_queue_is_read_back(message):
    assert decode(encode(message), queue_message_id="other") == message
    assert encode(message).isascii()


@given(text=st.text(max_size=200))
def test_any_text_on_the_queue_is_read_or_unreadable(text):
    with pytest.raises(Unreadable):
        decode(text, queue_message_id="id")


@given(
    document=st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=10),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["v", "id", "acceptedAt", "email", *PLAIN]) | st.text(max_size=5),
                inner,
                max_size=8,
            )
        ),
        max_leaves=20,
    )
)
def test_any_json_on_the_queue_is_read_or_unreadable(document):
    with suppress(Unreadable):
        message = decode(json.dumps(document), queue_message_id="id")

        assert read({"email": wire_fields(message.email)}) == message.email


def test_a_message_of_the_go_service_is_read_under_the_id_of_the_queue():
    body = '{"email":{"fromEmail":"a@example.com","toEmail":"b@example.com","body":"x","cc":1}}'

    message = decode(body, queue_message_id="sqs-1")

    assert message == Message("sqs-1", Email("a@example.com", "b@example.com", "x"))


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("", "not JSON"),
        ("\ud800", "not JSON"),
        ("[]", "no object `email`"),
        ('{"email":{},"v":3}', "format version 3"),
        ('{"email":{},"v":1,"id":"a b"}', "`id` is not"),
        ('{"email":{"body":7}}', "email.body is not a string"),
        ('{"email":{"body":"x"}}', "fromEmail: From email is required"),
    ],
)
def test_what_cannot_be_read_says_why(body, reason):
    with pytest.raises(Unreadable, match=reason):
        decode(body, queue_message_id="id")


@pytest.mark.parametrize(
    "address",
    ["Ada@Example.COM", "o'brien@example.com", "a@bücher.example", "a@mail.example.photography"],
)
def test_addresses_that_the_go_service_refused_are_valid(address):
    given = {"email": {"fromEmail": address, "toEmail": address, "body": "x"}}

    assert isinstance(read(given), Email)


@pytest.mark.parametrize(
    "address",
    [
        "a@b",
        "a@localhost",
        "a@x.test",
        "a@[127.0.0.1]",
        "N <a@example.com>",
        "a@example.com\n",
        "a@example.com\r\nBcc: b@example.com",
        "a b@example.com",
        "a@a..com",
        "a" * 65 + "@example.com",
        "a@" + "b." * 130 + "com",
        '"a b"@example.com',
        "a@\u2028.com",
    ],
)
def test_what_is_no_address_we_could_send_to_is_named(address):
    faults = read({"email": {"fromEmail": "a@example.com", "toEmail": address, "body": "x"}})

    assert faults == {"toEmail": "To email is not a valid email"}


OTHER_SCRIPTS = st.builds(
    "{}@{}".format,
    st.text(min_size=1, max_size=70) | st.sampled_from(["jo\u0308rg", "\u212bsa", "\u1fef", "a.ü"]),
    st.sampled_from(["example.com", "bücher.example", "bu\u0308cher.example", "EXAMPLE.com"]),
)


@settings(deadline=None)
@given(address=OTHER_SCRIPTS)
def test_an_address_in_any_script_is_refused_or_kept_in_one_form(address):
    fields = {"fromEmail": address, "toEmail": "other@example.org", "cc": [{"email": address}]}
    email = read({"email": LEAST | fields})

    if not isinstance(email, Email):
        assert set(email) == {"fromEmail", "cc.0.email"}
        return
    local = email.from_email.rpartition("@")[0]
    assert normalize("NFC", address) == email.from_email == email.cc[0].email
    assert len(local.encode()) <= 64
    assert {category(char)[0] for char in local} <= {*"LNPSM"}
    assert decode(encode(Message("m", email)), queue_message_id="").email == email
    assert ascii_domain(email.from_email) in {"example.com", "xn--bcher-kva.example"}


@pytest.mark.parametrize(("top", "size"), [("example", 254), ("examples", 255)])
def test_an_address_has_at_most_254_bytes_of_utf_8(top, size):
    address = f"{'ö' * 32}@{'b.' * 91}{top}"

    assert len(address.encode()) == size
    assert isinstance(read({"email": LEAST | {"toEmail": address}}), Email) is (size <= 254)


@pytest.mark.parametrize("address", ["用户@例え.example", "jörg@example.com", "😀@example.com"])
def test_an_address_may_be_in_any_script(address):
    assert isinstance(read({"email": LEAST | {"toEmail": address}}), Email)


@pytest.mark.parametrize(
    "address",
    [
        "jö\u202erg@example.com",
        "jö\u2066rg@example.com",
        "jö\u200drg@example.com",
        "jö\u00adrg@example.com",
        "jö\x85rg@example.com",
        "jö rg@example.com",
        "jö\u3000rg@example.com",
        "\u0308o@example.com",
        "jö\ue000@example.com",
        "jö;@example.com",
        "\u037eö@example.com",
        "é" * 33 + "@example.com",
        "ö@x.test",
        "ö" * 1_001 + "@example.com",
    ],
)
def test_what_cannot_be_seen_in_an_address_or_is_too_long_for_one_is_refused(address):
    faults = read({"email": LEAST | {"toEmail": address}})

    assert faults == {"toEmail": "To email is not a valid email"}


def test_where_nobody_takes_other_scripts_all_such_addresses_are_told_with_the_reason():
    given = LEAST | {"fromEmail": "ö@example.com", "cc": [{"email": "ü@example.com"}]}

    plain = read({"email": LEAST | {"toEmail": "ö@example.com"}}, ascii_only=", as it is")
    more = read({"email": given}, ascii_only=", as it is")

    assert plain == {"toEmail": "To email is not a valid email, as it is"}
    assert more == {
        "fromEmail": "From email is not a valid email, as it is",
        "cc.0.email": "Cc email is not a valid email, as it is",
    }
    assert read({"email": LEAST}, ascii_only=", as it is") == read({"email": LEAST})


@pytest.mark.parametrize("address", ["ö@example.com", "用户@例え.example"])
def test_an_address_that_is_not_ascii_before_the_at_has_no_ascii_form(address):
    with pytest.raises(ValueError, match="not ASCII before the @"):
        ascii_address(address)


@pytest.mark.parametrize(
    "character", ["\n", "\r", "\0", "\x0b", "\x7f", "\x85", "\u2028", "\u2029"]
)
@pytest.mark.parametrize("field", ["fromName", "toName", "subject"])
def test_what_could_end_a_header_line_is_named(field, character):
    given = {"fromEmail": "a@example.com", "toEmail": "b@example.com", "body": "x"}

    faults = read({"email": {**given, field: f"a{character}b"}})

    assert list(faults) == [field]


@pytest.mark.parametrize("mark", ["\u202a", "\u202e", "\u2066", "\u2069"])
@pytest.mark.parametrize(
    ("fields", "at"),
    [
        ({"fromName": "Ada{}moc"}, "fromName"),
        ({"toName": "Ada{}moc"}, "toName"),
        ({"cc": [{"email": "c@example.com", "name": "Ada{}moc"}]}, "cc.0.name"),
        (
            {"attachments": [{"filename": "a{}fdp.exe", "content": "eA=="}]},
            "attachments.0.filename",
        ),
    ],
)
def test_a_name_does_not_show_as_another_by_its_direction(mark, fields, at):
    given = json.loads(json.dumps(fields).replace("{}", mark))

    faults = read({"email": LEAST | given})

    assert list(faults) == [at]
    assert faults[at].endswith("contains a control character of writing direction")


def test_marks_of_direction_in_names_and_isolates_in_a_subject_are_people_s_own():
    given = {"fromName": "\u200fאדה\u200e Ada", "subject": "Hi \u2068אדה\u2069"}

    assert isinstance(read({"email": LEAST | given}), Email)


def test_what_was_accepted_is_sent_whatever_the_names_that_the_api_takes_today():
    given = {
        **LEAST,
        "fromName": "Ada\u202emoc",
        "toName": "\u2066Ada",
        "cc": [{"email": "c@example.com", "name": "\u202aAda"}],
        "attachments": [{"filename": "a\u202efdp.exe", "content": "eA=="}],
    }
    plain = {name: value for name, value in given.items() if name in PLAIN}

    ours = decode(json.dumps({"v": 2, "email": given}), queue_message_id="m1")
    go_service_s = decode(json.dumps({"email": plain}), queue_message_id="m1")

    assert wire_fields(ours.email).items() >= plain.items()
    assert ours.email.cc[0].name == "\u202aAda"
    assert ours.email.attachments[0].filename == "a\u202efdp.exe"
    assert wire_fields(go_service_s.email) == plain


def test_of_a_key_that_is_twice_in_a_queue_message_the_last_counts():
    body = '{"email":{"body":"1","fromEmail":"a@example.com","toEmail":"b@example.com","body":"2"}}'

    assert decode(body, queue_message_id="m1").email.body == "2"
