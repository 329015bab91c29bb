"""Every kind that settings know can be built, and says what it lacks."""

from typing import get_args

import pytest
from pydantic import SecretStr

from gomail.errors import ConfigurationError
from gomail.provider_settings import (
    BrevoSettings,
    MailgunSettings,
    PostmarkSettings,
    ProviderSettings,
    ResendSettings,
    SendGridSettings,
    SesSettings,
)
from gomail.providers.table import KINDS, Supplies, build
from tests.providers.cases import CASES
from tests.providers.scripted import ScriptedTransport, response
from tests.providers.ses_case import sign

SUPPLIES = Supplies(
    transport=ScriptedTransport(response(200)),
    key=SecretStr("SG.not-a-real-key"),
    sign=sign,
    endpoint="https://email.eu-west-1.amazonaws.com",
)

MAILGUN = MailgunSettings(domain="mg.example.com")
EACH = [
    SesSettings(),
    SendGridSettings(),
    MAILGUN,
    BrevoSettings(),
    PostmarkSettings(),
    ResendSettings(),
]


def test_every_kind_of_the_settings_has_a_factory_and_a_case_in_the_suite():
    union, *_ = get_args(ProviderSettings)
    kinds = {member.model_fields["kind"].default for member in get_args(union)}

    assert set(KINDS) == kinds
    # SMTP is no HTTP: it has a suite of its own, test_smtp*.py.
    assert {case.name for case in CASES} | {"smtp"} == set(KINDS)


@pytest.mark.parametrize("settings", EACH, ids=lambda settings: settings.kind)
def test_a_provider_is_built_under_its_name_in_the_settings(settings):
    provider = build("backup", settings, SUPPLIES)

    assert provider.name == "backup"


@pytest.mark.parametrize("settings", EACH, ids=lambda settings: settings.kind)
def test_a_provider_without_what_it_needs_names_itself(settings):
    with pytest.raises(ConfigurationError, match=r"providers\.backup .*; set"):
        build("backup", settings, Supplies(transport=SUPPLIES.transport))


def test_an_endpoint_in_the_settings_wins():
    sandbox = "http://127.0.0.1:4100"

    ses = build("ses", SesSettings(endpoint_url=sandbox), SUPPLIES)
    sendgrid = build("sendgrid", SendGridSettings(base_url=sandbox), SUPPLIES)

    assert f"url='{sandbox}/v2/email/outbound-emails'" in repr(ses)
    assert f"url='{sandbox}/v3/mail/send'" in repr(sendgrid)
    mailgun = build("mailgun", MAILGUN.model_copy(update={"base_url": sandbox}), SUPPLIES)
    assert f"url='{sandbox}/v3/mg.example.com/messages'" in repr(mailgun)


def test_no_secret_is_in_the_repr_of_the_supplies():
    assert "not-a-real-key" not in repr(SUPPLIES)
