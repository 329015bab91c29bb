"""Nothing goes to an SMTP server unencrypted that must not; a login is one that it offers."""

import asyncio
import ssl
from base64 import b64encode

import pytest
import uvloop

from gomail.outcome import OutcomeClass
from tests.providers.case import message
from tests.providers.smtp_servers import (
    LOGIN,
    LONG,
    PASSWORD,
    SOMEBODY_ELSE,
    built,
    inbox,
    provider,
    scripted,
    sent,
    serving,
)

AUTH = {"auth_require_tls": False}


@pytest.fixture(params=[asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def run(request):
    return request.param


ENCRYPTED = {
    "starttls": lambda certificate: inbox(tls_context=certificate, require_starttls=True),
    "tls": lambda certificate: inbox(tls=certificate, **AUTH),
}
every_encryption = pytest.mark.parametrize("security", ENCRYPTED)


def at(security, *, certificate=None, trusted=None, login=True):
    """What a send brings at an aiosmtpd with TLS, and the server."""

    async def scene():
        settings = {"security": security} | (LOGIN if login else {})
        async with (
            ENCRYPTED[security](certificate or serving()) as box,
            built(box.port, tls=trusted, **settings) as relay,
        ):
            return await relay.send(message(), timeout=LONG), box

    return scene()


@every_encryption
def test_mail_and_login_travel_encrypted(security, run):
    outcome, box = run(at(security))

    assert outcome.kind is OutcomeClass.ACCEPTED
    # aiosmtpd tells only of STARTTLS; the other server speaks nothing but TLS.
    assert box.logins == [("PLAIN", security == "starttls")]


@every_encryption
@pytest.mark.parametrize(
    "wrong",
    [{"trusted": ssl.create_default_context()}, {"certificate": serving(SOMEBODY_ELSE)}],
    ids=["authority", "name"],
)
def test_a_certificate_that_cannot_be_verified_ends_it_and_nothing_is_told(security, wrong, run):
    outcome, box = run(at(security, **wrong))

    assert (outcome.kind, outcome.code) == (OutcomeClass.FAILED, "certificate")
    assert outcome.account_fault
    assert "SSL_CERT_FILE" in outcome.mend
    assert box.envelopes == box.logins == []


def test_a_server_without_starttls_gets_neither_password_nor_mail():
    async def scene():
        async with (
            scripted() as server,
            built(server.port, security="starttls", **LOGIN) as relay,
        ):
            return await relay.send(message(), timeout=LONG), server

    outcome, server = asyncio.run(scene())

    assert (outcome.kind, outcome.code) == (OutcomeClass.FAILED, "starttls")
    assert outcome.account_fault
    assert {line.split()[0] for line in server.heard} == {"EHLO"}


def test_tls_to_a_port_that_speaks_plain_has_failed_and_says_what_to_look_at(run):
    async def scene():
        async with scripted() as server, built(server.port, security="tls") as relay:
            return await relay.send(message(), timeout=LONG)

    outcome = run(scene())

    assert (outcome.kind, outcome.code) == (OutcomeClass.FAILED, "tls")
    assert "`security` and `port`" in outcome.mend


def logins(server):
    return [line.split()[1] for line in server.heard if line.startswith("AUTH")]


# What LOGIN asks for after the user's name.
ASKED = {b64encode(PASSWORD.encode()).decode().upper(): "235 2.7.0 welcome"}


@pytest.mark.parametrize(
    ("offered", "reply"), [("PLAIN", "235 2.7.0 welcome"), ("LOGIN", "334 UGFzc3dvcmQ6")]
)
def test_a_login_is_one_that_the_server_offers(offered, reply):
    offer = f"250-hi\n250 AUTH GSSAPI {offered}"

    outcome, server = sent(login=True, EHLO=offer, AUTH=reply, **ASKED)

    assert outcome.kind is OutcomeClass.ACCEPTED
    assert logins(server) == [offered]


def test_a_login_offered_by_mistake_is_passed_over():
    replies = ["504 5.5.4 Unrecognized authentication type", "334 UGFzc3dvcmQ6"]

    outcome, server = sent(login=True, EHLO="250-hi\n250 AUTH PLAIN LOGIN", AUTH=replies, **ASKED)

    assert outcome.kind is OutcomeClass.ACCEPTED
    assert logins(server) == ["PLAIN", "LOGIN"]


def test_a_wrong_password_is_an_account_fault_and_is_tried_once():
    outcome, server = sent(
        login=True,
        EHLO="250-hi\n250 AUTH PLAIN LOGIN",
        AUTH="535 5.7.8 Authentication credentials invalid",
    )

    assert (outcome.kind, outcome.code) == (OutcomeClass.FAILED, "535 5.7.8")
    assert outcome.account_fault
    assert "`username`" in outcome.mend
    assert logins(server) == ["PLAIN"]


def test_without_a_login_that_is_known_it_is_an_account_fault():
    outcome, _ = sent(login=True, EHLO="250-hi\n250 AUTH GSSAPI")

    assert (outcome.kind, outcome.code, outcome.account_fault) == (
        OutcomeClass.FAILED,
        "login",
        True,
    )


def test_no_password_is_in_an_outcome_a_repr_or_the_log(caplog):
    plain = b64encode(f"\0shop\0{PASSWORD}".encode()).decode()

    outcome, server = sent(login=True, AUTH=f"500 5.5.1 AUTH PLAIN {plain} {PASSWORD}?")

    assert any(plain in line for line in server.heard)
    for secret in (plain, PASSWORD):
        assert secret not in repr(outcome) + caplog.text
    assert PASSWORD not in repr(provider(25, **LOGIN))
