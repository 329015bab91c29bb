"""What only SendGrid asks for, judged by its own package."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sendgrid.helpers.mail import CustomArg, From, Mail, To

from gomail.outcome import OutcomeClass
from gomail.providers import sendgrid
from tests.providers.case import ID, message
from tests.providers.scripted import ScriptedTransport, response
from tests.providers.sendgrid_case import build

text = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")))
plain = st.text("abc äöü😀.'", max_size=20)


@given(from_name=plain, to_name=plain, subject=text.filter(bool), body=text.filter(bool))
def test_the_payload_is_what_the_sendgrid_package_builds(from_name, to_name, subject, body):
    mail = Mail(
        from_email=From("shop@example.com", from_name),
        to_emails=To("reader@example.org", to_name),
        subject=subject,
        plain_text_content=body,
    )
    mail.add_custom_arg(CustomArg("gomail_id", ID))

    ours = sendgrid.payload(
        message(from_name=from_name, to_name=to_name, subject=subject, body=body)
    )

    assert ours == mail.get()


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("Doe, Jane", '"Doe, Jane"'),
        ("Doe; Jane", '"Doe; Jane"'),
        ('Jane "JD", Doe', '"Jane \\"JD\\", Doe"'),
        ("Jane Doe", "Jane Doe"),
        ("J. Doe", "J. Doe"),
    ],
)
def test_a_recipients_name_is_quoted_where_sendgrid_would_misread_it(name, written):
    payload = sendgrid.payload(message(to_name=name, from_name=name))

    assert payload["personalizations"][0]["to"][0]["name"] == written
    assert payload["from"]["name"] == name


def test_the_key_is_a_bearer_token_in_the_header_and_nowhere_else():
    transport = ScriptedTransport(response(202))

    asyncio.run(build(transport).send(message(), timeout=10))

    (request,) = transport.requests
    key = request.headers["Authorization"].removeprefix("Bearer ")
    assert key.startswith("SG.")
    assert key.encode() not in request.body
    assert key not in request.url


def test_sandbox_mode_is_said_in_the_outcome():
    outcome = asyncio.run(build(ScriptedTransport(response(200))).send(message(), timeout=10))

    assert outcome.kind is OutcomeClass.ACCEPTED
    assert "not delivered" in outcome.detail
