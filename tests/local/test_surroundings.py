"""No key and no address for real use reaches what runs on the sandbox."""

from pathlib import Path

import pytest
import yaml

from gomail.errors import ConfigurationError
from gomail.local.surroundings import (
    defaults_for_sandbox,
    environment,
    for_sandbox,
    write,
)
from gomail.settings import Settings, load, provider_keys

SANDBOX = "http://127.0.0.1:9324"
REAL = {
    "queues": {
        "urls": ["https://sqs.eu-west-1.amazonaws.com/123456789012/mail"],
        "dead_letter": "https://sqs.eu-west-1.amazonaws.com/123456789012/dead",
    },
    "providers": {
        "ses": {"weight": 3, "region": "eu-west-1"},
        "marketing": {"kind": "sendgrid", "weight": 2},
    },
    "aws": {"region": "eu-west-1"},
    "dispatch": {"send_timeout": 5},
    "payloads": {"bucket": "my-company", "keep_days": 70},
}


def test_no_key_profile_or_setting_of_the_person_is_passed_on():
    persons = {
        "PATH": "/usr/bin",
        "AWS_ACCESS_KEY_ID": "real",
        "AWS_PROFILE": "real",
        "SENDGRID_API_KEY": "real",
        "GOMAIL_QUEUES__URLS": "real",
        "gomail_queues__dead_letter": "real",
    }

    given = environment(Path("var/gomail.yaml"), persons)

    assert given["PATH"] == "/usr/bin"
    assert "real" not in given.values()


def test_every_address_is_the_sandbox_s_and_other_settings_stay():
    told = for_sandbox(Settings(**REAL), SANDBOX, 0)

    text = yaml.safe_dump(told)
    assert "amazonaws" not in text
    assert "api.sendgrid" not in text
    assert told["dispatch"]["send_timeout"] == 5
    assert told["payloads"]["bucket"] == "emails"
    assert told["payloads"]["endpoint_url"] == f"{SANDBOX}/s3"
    assert told["payloads"]["keep_days"] == 70
    assert (
        told["providers"]["marketing"].items()
        >= {
            "kind": "sendgrid",
            "weight": 2,
            "base_url": SANDBOX,
        }.items()
    )


RELAY = {"kind": "smtp", "host": "mail.my-company.com", "username": "shop", "port": 465}


def test_mail_by_smtp_goes_to_the_port_where_the_sandbox_takes_it():
    settings = Settings(**REAL | {"providers": {"relay": RELAY | {"security": "tls"}}})

    told = for_sandbox(settings, SANDBOX, 40_123)["providers"]["relay"]

    assert (told["host"], told["port"], told["security"]) == ("127.0.0.1", 40_123, "none")


def test_mail_by_smtp_is_refused_where_the_sandbox_takes_none():
    settings = Settings(**REAL | {"providers": {"relay": RELAY}})

    with pytest.raises(ConfigurationError, match=r"providers\.relay .*pip install aiosmtpd"):
        for_sandbox(settings, SANDBOX, 0)


def test_what_is_written_is_a_configuration_that_a_process_accepts(tmp_path):
    file = tmp_path / "gomail.yaml"
    for told in (for_sandbox(Settings(**REAL), SANDBOX, 0), defaults_for_sandbox(SANDBOX)):
        write(told, file)

        given = environment(file, {})
        settings = load(environ=given)

        assert settings.queues.endpoint_url == SANDBOX
        assert provider_keys(settings, given)
