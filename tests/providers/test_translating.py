"""Every provider: what reaches the provider is the email that was asked for, and nothing else."""

import asyncio
import re
from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gomail.email import Email, Message
from gomail.outcome import OutcomeClass
from tests.providers.case import ID, Case, email, message
from tests.providers.cases import CASES
from tests.providers.scripted import ScriptedTransport

OLD_FIELDS = ("from_email", "from_name", "to_email", "to_name", "subject", "body")

every_provider = pytest.mark.parametrize("case", CASES, ids=str)

# What the API lets into a header. Names are compared without spaces at the ends and with one
# between words: that is all a header promises to keep.
header_text = st.text(
    st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\u2028\u2029\ufffe\uffff")
)
names = st.one_of(header_text, st.text('",;:<>@()[]\\=? .aé😀')).map(
    lambda text: " ".join(text.split())[:40].strip()
)
bodies = st.text(st.characters(exclude_categories=("Cs",)), min_size=1)
ids = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=100)
anything = st.text(st.one_of(st.characters(), st.sampled_from('\r\n\x00\u2028<>@,;"\\')))


def sent(case: Case, mail: Message):
    transport = ScriptedTransport(case.accepted)
    outcome = asyncio.run(case.build(transport).send(mail, timeout=10))
    return outcome, transport.requests


def seen(case: Case, mail: Message):
    _, (request,) = sent(case, mail)
    return case.read(request.body)


@every_provider
def test_an_email_is_one_post_to_the_providers_address_in_the_time_given(case: Case):
    transport = ScriptedTransport(case.accepted)

    asyncio.run(case.build(transport).send(message(), timeout=7.5))

    (request,) = transport.requests
    assert (request.method, request.url, request.timeout) == ("POST", case.url, 7.5)
    assert request.headers["Content-Type"].partition(";")[0] == case.content_type
    for secret in case.secrets:
        assert any(secret in value for value in request.headers.values())


@every_provider
@given(
    mail=st.builds(
        message,
        id=ids,
        from_name=names,
        to_name=names,
        subject=header_text.filter(bool),
        body=bodies,
    )
)
def test_every_field_arrives_as_it_was_given(case: Case, mail: Message):
    read = seen(case, mail)

    given_fields = {name: getattr(mail.email, name) for name in OLD_FIELDS}
    assert asdict(read) == given_fields | {"ids": {mail.id}}


@every_provider
@pytest.mark.parametrize(
    "name",
    [
        "Müller, Jörg",
        'Robert "Bob" Roe',
        "Roe; Rick",
        "back\\slash",
        "O'Brien",
        "J. Doe (Sales)",
        "shop@example.com",
        "<b>",
        "名前",
        "👩‍👩‍👧 Family",
        "=?utf-8?q?hidden?=",
        "Name <other@example.net>",
    ],
)
def test_a_name_is_read_back_as_it_was_written(case: Case, name):
    read = seen(case, message(from_name=name, to_name=name))

    assert (read.from_name, read.to_name) == (name, name)
    assert read.to_email == "reader@example.org"


@every_provider
@given(fields=st.fixed_dictionaries(dict.fromkeys(OLD_FIELDS, anything)))
def test_no_field_can_add_a_header_or_a_recipient(case: Case, fields):
    outcome, requests = sent(case, Message(ID, Email(**fields)))

    if not requests:
        assert (outcome.kind, outcome.code) == (OutcomeClass.UNSUITABLE, "translate")
        return
    read = case.read(requests[0].body)
    assert (read.from_email, read.to_email) == (fields["from_email"], fields["to_email"])


@every_provider
@given(names_and_subject=st.tuples(anything, anything, anything))
def test_no_name_or_subject_holds_an_end_of_line(case: Case, names_and_subject):
    from_name, to_name, subject = names_and_subject

    outcome, requests = sent(case, message(from_name=from_name, to_name=to_name, subject=subject))

    if not requests:  # a lone surrogate
        assert outcome.kind is OutcomeClass.UNSUITABLE
        return
    read = case.read(requests[0].body)
    assert not re.search("[\x00-\x1f\x7f-\x9f\u2028\u2029]", read.from_name + read.to_name)
    assert not re.search("[\x00-\x1f\x7f-\x9f\u2028\u2029]", read.subject)
    assert read.to_email == "reader@example.org"


@every_provider
@pytest.mark.parametrize(
    "address", ["a@example.org\r\nBcc: b@example.org", "a@example.org,b@example.org", "a b@c.org"]
)
def test_an_address_with_anything_beside_it_is_not_sent(case: Case, address):
    outcome, requests = sent(case, message(to_email=address))

    assert (outcome.kind, outcome.code) == (OutcomeClass.UNSUITABLE, "translate")
    assert not requests


@every_provider
def test_an_internationalised_domain_goes_out_in_punycode(case: Case):
    read = seen(case, message(from_email="a@bücher.example.com", to_email="b@例え.example.org"))

    assert read.from_email == "a@xn--bcher-kva.example.com"
    assert read.to_email == "b@xn--r8jz45g.example.org"


@every_provider
def test_an_email_without_names_has_bare_addresses(case: Case):
    read = seen(case, message(from_name="", to_name=""))

    assert (read.from_name, read.to_name) == ("", "")


@every_provider
def test_an_empty_subject_becomes_what_the_provider_takes(case: Case):
    assert seen(case, message(subject="")).subject == case.empty_subject


@every_provider
def test_a_body_of_a_mebibyte_arrives_whole(case: Case):
    body = "ä😀\r\n" * (1_048_576 // 8)

    assert seen(case, message(body=body)).body == body


@every_provider
def test_a_lone_surrogate_is_not_sent_and_is_not_the_providers_fault(case: Case):
    outcome, requests = sent(case, message(body="\ud800"))

    assert (outcome.kind, outcome.code) == (OutcomeClass.UNSUITABLE, "translate")
    assert not outcome.account_fault
    assert not requests


@every_provider
def test_only_a_body_over_the_providers_limit_is_one_it_cannot_carry(case: Case):
    assert case.unable(email()) is None
    assert case.unable(email(body="x" * case.body_limit)) is None
    assert "MB" in (case.unable(email(body="x" * (case.body_limit + 1))) or "")
    assert "MB" in (case.unable(email(body="é" * (case.body_limit // 2 + 1))) or "")
