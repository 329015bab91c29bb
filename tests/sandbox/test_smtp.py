"""The sandbox's SMTP endpoint: what it takes, and its faults, seen by a plain client."""

import smtplib
import subprocess
import sys
from contextlib import contextmanager
from email.message import EmailMessage
from email.policy import SMTP

import httpx2
import pytest

from sandbox.smtp import read


@contextmanager
def process(*options):
    """A sandbox, the lines it says first, and itself."""
    command = [sys.executable, "-m", "sandbox", "--port", "0", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as started:
        try:
            yield [started.stdout.readline().strip() for _ in range(2)], started
        finally:
            started.kill()


@pytest.fixture(scope="module")
def served():
    with process() as (lines, _):
        yield lines[0].split()[-1], int(lines[1].rpartition(":")[2])


@pytest.fixture
def http(served):
    with httpx2.Client(base_url=served[0], timeout=10) as client:
        client.put("/faults/smtp", json={})
        client.delete("/mailbox")
        client.delete("/calls")
        yield client


@pytest.fixture
def smtp(served):
    client = smtplib.SMTP("127.0.0.1", served[1], timeout=10)
    yield client
    client.close()


def email(id_="m-1", **headers):
    mail = EmailMessage()
    fields = {"From": "Ann <ann@example.com>", "To": "Ben <ben@example.org>", "X-Gomail-Id": id_}
    for name, value in (fields | headers).items():
        mail[name] = value
    mail.set_content("Hello")
    return mail


def send(smtp, mail=None, to=("ben@example.org",)):
    return smtp.sendmail("ann@example.com", list(to), (mail or email()).as_bytes(policy=SMTP))


def test_an_email_is_in_the_mailbox_with_the_id_that_the_reply_has(smtp, http):
    smtp.ehlo()
    smtp.mail("ann@example.com")
    smtp.rcpt("ben@example.org")
    smtp.rcpt("hidden@example.org")

    code, reply = smtp.data(email(Subject="Hi", **{"X-Order": "7"}).as_bytes(policy=SMTP))

    (kept,) = http.get("/mailbox").json()["emails"]
    assert (code, reply.decode()) == (250, f"2.0.0 Ok: queued as {kept['provider_id']}")
    assert (kept["provider"], kept["id"], kept["subject"]) == ("smtp", "m-1", "Hi")
    assert (kept["from"], kept["to"]) == ("Ann <ann@example.com>", ["Ben <ben@example.org>"])
    assert (kept["text"], kept["bcc"]) == ("Hello", ["hidden@example.org"])
    assert kept["headers"] == [{"name": "X-Order", "value": "7"}]
    assert http.get("/calls").json()["smtp"]["accepted"] == 1


def test_any_login_is_taken_but_the_bad_one(served):
    with smtplib.SMTP("127.0.0.1", served[1], timeout=10) as client:
        with pytest.raises(smtplib.SMTPAuthenticationError):
            client.login("shop", "bad")
        client.login("shop", "good")


@pytest.mark.parametrize(
    ("switches", "reply"),
    [
        ({}, b"451 4.3.0"),
        ({"status": 503}, b"421 4.3.2"),
        ({"status": 429}, b"451 4.7.1"),
        ({"status": 403}, b"530 5.7.0"),
        ({"status": 450}, b"450"),
        ({"status": 507}, b"451 4.3.0"),
        ({"error_code": "554 5.7.1", "error_message": "No\nspam"}, b"554 5.7.1 No"),
        ({"error_code": "SomethingException"}, b"451 4.3.0"),
    ],
    ids=str,
)
def test_an_error_is_a_reply_to_mail(smtp, http, switches, reply):
    http.put("/faults/smtp", json={"error_rate": 1} | switches)
    smtp.ehlo()

    code, text = smtp.mail("ann@example.com")

    assert (b"%d %s" % (code, text)).startswith(reply + b" ")
    assert http.get("/calls").json()["smtp"]["failed"] == {str(code): 1}


def test_above_the_rate_it_asks_to_slow_down(smtp, http):
    http.put("/faults/smtp", json={"rate_limit": 1})
    send(smtp)

    with pytest.raises(smtplib.SMTPSenderRefused) as refused:
        send(smtp)

    assert (refused.value.smtp_code, refused.value.smtp_error[:5]) == (451, b"4.7.1")


def test_a_refused_recipient_is_refused_at_once(smtp, http):
    http.put("/faults/smtp", json={"refuse_to": ["Eve@example.org"]})

    refused = send(smtp, to=["ben@example.org", "eve@example.org"])

    assert refused["eve@example.org"][0] == 550


def test_a_refused_id_is_refused_at_the_end(smtp, http):
    http.put("/faults/smtp", json={"refuse_ids": ["m-2"]})

    send(smtp)

    with pytest.raises(smtplib.SMTPDataError):
        send(smtp, email("m-2"))


def test_a_reset_breaks_off_before_the_message(smtp, http):
    http.put("/faults/smtp", json={"reset_rate": 1})

    with pytest.raises((smtplib.SMTPServerDisconnected, ConnectionError)):
        send(smtp)

    assert http.get("/mailbox/count").json()["total"] == 0


@pytest.mark.parametrize("fault", ["accept_then_reset_rate", "garbage_rate"])
def test_after_an_acceptance_the_reply_can_be_lost(smtp, http, fault):
    http.put("/faults/smtp", json={fault: 1})

    with pytest.raises((smtplib.SMTPException, ConnectionError)):
        send(smtp)

    assert http.get("/mailbox/count").json()["total"] == 1


def test_a_hang_is_no_answer(served, http):
    http.put("/faults/smtp", json={"hang_rate": 1})
    with smtplib.SMTP("127.0.0.1", served[1], timeout=0.2) as client:
        client.ehlo()

        with pytest.raises((TimeoutError, smtplib.SMTPServerDisconnected)):
            client.mail("ann@example.com")

    assert http.get("/calls").json()["smtp"]["hung"] == 1


def test_latency_is_before_the_reply_to_the_message(smtp, http):
    http.put("/faults/smtp", json={"latency": 0.05})

    assert send(smtp) == {}


@pytest.mark.usefixtures("http")
def test_what_is_no_email_is_refused(smtp):
    smtp.ehlo()
    smtp.mail("ann@example.com")
    smtp.rcpt("ben@example.org")

    assert smtp.data(b"no header\r\n")[0] == 554


def test_addresses_in_other_scripts_are_read():
    mail = "From: <jörg@example.com>\r\nTo: 例え <例え@example.org>\r\n\r\nHi\r\n".encode()

    found = read(mail, ["例え@example.org"])

    assert found.sender.email == "jörg@example.com"
    assert (found.to[0].email, found.to[0].name, found.bcc) == ("例え@example.org", "例え", ())


# -- the port --------------------------------------------------------------------------------------


def test_a_port_that_was_asked_for_is_taken_or_refused(served):
    taken = str(served[1])

    with process("--smtp-port", "0") as (lines, _):
        assert lines[1].startswith("sandbox takes mail by SMTP on 127.0.0.1:")
    ended = subprocess.run(
        [sys.executable, "-m", "sandbox", "--port", "0", "--smtp-port", taken],
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )

    assert (ended.returncode, ended.stdout) == (1, "")
    assert f"Port {taken} is busy; choose another with --smtp-port" in ended.stderr


def test_without_aiosmtpd_it_says_so_once_and_serves_the_rest():
    code = "import runpy, sys; sys.modules['aiosmtpd'] = None; sys.argv[1:] = ['--port', '0']; "
    code += "runpy.run_module('sandbox', run_name='__main__')"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as one:
        lines = [one.stdout.readline().strip() for _ in range(2)]
        health = httpx2.get(lines[0].split()[-1] + "/health").json()
        one.kill()

    assert lines[1] == "sandbox takes no mail by SMTP: aiosmtpd is not installed"
    assert health == {"status": "ok"}
