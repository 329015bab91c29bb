"""Mail over real SMTP servers: what arrives, and what every way of failing means."""

import asyncio
import subprocess
import sys
from base64 import b64encode

import pytest
import uvloop

from gomail.email import Attachment, Mailbox
from gomail.outcome import OutcomeClass
from tests.providers.case import ID, message
from tests.providers.smtp_servers import (
    BREAK,
    HANG,
    LONG,
    built,
    inbox,
    scripted,
    sent,
)

A_MOMENT = 0.2


@pytest.fixture(params=[asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def run(request):
    return request.param


# -- accepted --------------------------------------------------------------------------------------


def test_an_acceptance_carries_the_id_under_which_the_server_queued_it(run):
    async def scene():
        async with inbox() as box, built(box.port) as relay:
            return await relay.send(message(), timeout=LONG), box

    outcome, box = run(scene())

    assert (outcome.kind, outcome.provider_id) == (OutcomeClass.ACCEPTED, "7a11")
    (envelope,) = box.envelopes
    assert envelope.mail_from == "shop@example.com"
    assert envelope.rcpt_tos == ["reader@example.org"]
    assert f"Message-ID: <{ID}@example.com>".encode() in envelope.content


def test_bcc_is_in_the_envelope_only_and_nobody_is_in_it_twice():
    mail = message(
        also_to=(Mailbox("b@example.org"),),
        cc=(Mailbox("READER@example.org"), Mailbox("c@bücher.example.com")),
        bcc=(Mailbox("hidden@example.org"),),
    )

    async def scene():
        async with inbox() as box, built(box.port) as relay:
            await relay.send(mail, timeout=LONG)
        return box.envelopes[0]

    envelope = asyncio.run(scene())

    people = ["reader", "b", "c", "hidden"]
    assert [one.partition("@")[0] for one in envelope.rcpt_tos] == people
    assert "c@xn--bcher-kva.example.com" in envelope.rcpt_tos
    assert b"hidden" not in envelope.content


def test_lines_that_begin_with_a_dot_arrive_as_they_were():
    async def scene():
        async with inbox() as box, built(box.port) as relay:
            await relay.send(message(body=".\n..two\n.three"), timeout=LONG)
        return box.envelopes[0].content

    assert asyncio.run(scene()).endswith(b"\r\n\r\n.\r\n..two\r\n.three\r\n")


def test_a_line_of_a_dot_alone_cannot_begin_another_email():
    body = "x\n.\nMAIL FROM:<evil@example.com>\r.\r\n.\r\nRCPT TO:<victim@example.org>\n"

    outcome, server = sent(given=message(body=body))

    assert outcome.kind is OutcomeClass.ACCEPTED
    assert sum(line.startswith("MAIL") for line in server.heard) == 1


def test_an_address_in_another_script_goes_with_smtputf8():
    mail = message(to_email="jörg@bücher.example.com")

    async def scene():
        async with inbox(enable_SMTPUTF8=True) as box, built(box.port) as relay:
            await relay.send(mail, timeout=LONG)
        return box.envelopes[0]

    envelope = asyncio.run(scene())

    assert envelope.smtp_utf8
    assert envelope.rcpt_tos == ["jörg@xn--bcher-kva.example.com"]
    assert "<jörg@xn--bcher-kva.example.com>".encode() in envelope.content


def test_a_server_without_smtputf8_is_not_asked_to_take_such_an_address():
    outcome, server = sent(given=message(to_email="jörg@example.org"), EHLO="250 mail.example")

    assert (outcome.kind, outcome.code) == (OutcomeClass.UNSUITABLE, "smtputf8")
    assert not any(line.startswith("MAIL") for line in server.heard)


def test_a_large_email_is_written_beside_the_loop_and_arrives():
    data = bytes(range(256)) * 2_000
    file = Attachment("data.bin", "application/octet-stream", b64encode(data).decode(), len(data))

    async def scene():
        async with inbox() as box, built(box.port) as relay:
            outcome = await relay.send(message(attachments=(file,)), timeout=LONG)
        return outcome, box.envelopes[0].content

    outcome, content = asyncio.run(scene())

    assert outcome.kind is OutcomeClass.ACCEPTED
    assert b64encode(data) in b"".join(content.split())


# -- every way of failing --------------------------------------------------------------------------

BEFORE_THE_MESSAGE = ["greeting", "EHLO", "AUTH", "MAIL", "RCPT", "DATA"]


@pytest.mark.parametrize("step", BEFORE_THE_MESSAGE)
def test_a_server_that_falls_silent_before_the_message_has_certainly_not_sent_it(step):
    outcome, _ = sent(login=True, timeout=A_MOMENT, **{step: HANG})

    assert (outcome.kind, outcome.code) == (OutcomeClass.FAILED, "not-sent")
    assert "after 0.2 s" in outcome.detail


@pytest.mark.parametrize("step", BEFORE_THE_MESSAGE)
def test_a_break_before_the_message_has_certainly_not_sent_it(step):
    outcome, server = sent(login=True, **{step: BREAK})

    assert (outcome.kind, outcome.account_fault) == (OutcomeClass.FAILED, False)
    assert outcome.code == "not-sent"
    assert server.connections == 1


def test_silence_after_the_final_dot_is_unknown():
    outcome, _ = sent(timeout=A_MOMENT, dot=HANG)

    assert (outcome.kind, outcome.code) == (OutcomeClass.UNKNOWN, "no-answer")
    assert outcome.detail == "still waiting for the reply to the message after 0.2 s"


def test_a_break_after_the_final_dot_is_unknown_and_is_not_repeated():
    outcome, server = sent(dot=BREAK)

    assert (outcome.kind, outcome.code) == (OutcomeClass.UNKNOWN, "no-answer")
    assert (server.connections, len(server.content)) == (1, 1)


@pytest.mark.parametrize(
    ("step", "kind"),
    [*((step, OutcomeClass.FAILED) for step in BEFORE_THE_MESSAGE), ("dot", OutcomeClass.UNKNOWN)],
)
def test_a_reply_that_is_not_smtp_is_no_answer(step, kind):
    outcome, _ = sent(login=True, **{step: "<html>what?</html>"})

    assert outcome.kind is kind


def test_nobody_at_the_port_has_failed():
    async def scene():
        async with scripted() as server:
            port = server.port
        async with built(port) as relay:
            return await relay.send(message(), timeout=LONG)

    outcome = asyncio.run(scene())

    assert (outcome.kind, outcome.code, outcome.account_fault) == (
        OutcomeClass.FAILED,
        "not-sent",
        False,
    )


def test_a_cancelled_send_stays_cancelled_and_its_connection_is_not_used_again():
    async def scene():
        async with scripted(RCPT=[HANG, "250 Ok"]) as server, built(server.port) as relay:
            send = asyncio.ensure_future(relay.send(message(), timeout=LONG))
            await server.has_heard["RCPT"].wait()
            send.cancel()
            with pytest.raises(asyncio.CancelledError):
                await send
            return await relay.send(message(), timeout=LONG), server.connections

    outcome, connections = asyncio.run(scene())

    assert (outcome.kind, connections) == (OutcomeClass.ACCEPTED, 2)


def test_an_email_that_cannot_be_composed_is_unsuitable_and_nobody_is_asked(caplog):
    outcome, server = sent(given=message(headers=(("To", "secret@example.org"),)))

    assert (outcome.kind, outcome.code) == (OutcomeClass.UNSUITABLE, "translate")
    assert server.connections == 0
    assert ID in caplog.text
    assert "secret" not in caplog.text


def test_an_email_that_is_still_in_the_payload_store_is_not_sent():
    outcome, server = sent(given=message(body=""))

    assert (outcome.kind, server.connections) == (OutcomeClass.UNSUITABLE, 0)


def test_an_email_above_the_limit_once_it_is_written_is_unsuitable():
    async def scene():
        async with scripted() as server, built(server.port, max_message_bytes=65_536) as relay:
            return await relay.send(message(body="x" * 65_500), timeout=LONG)

    outcome = asyncio.run(scene())

    assert (outcome.kind, outcome.code) == (OutcomeClass.UNSUITABLE, "too-large")


# -- recipients ------------------------------------------------------------------------------------

THREE = message(cc=(Mailbox("b@example.org"), Mailbox("c@example.org")))
UNKNOWN_USER = "550 5.1.1 User unknown in virtual mailbox table"


def test_where_some_recipients_are_refused_nobody_gets_it_and_the_refused_one_is_named():
    outcome, server = sent(given=THREE, RCPT=["250 Ok", UNKNOWN_USER])

    assert (outcome.kind, outcome.code) == (OutcomeClass.REFUSED, "550 5.1.1")
    assert outcome.detail == "cc.0.email: User unknown in virtual mailbox table"
    assert not any(line.startswith("DATA") for line in server.heard)


def test_after_a_refusal_the_connection_is_reset_and_used_again():
    (refused, accepted), server = sent(sends=2, given=THREE, RCPT=[UNKNOWN_USER, "250 Ok"])

    assert [refused.kind, accepted.kind] == [OutcomeClass.REFUSED, OutcomeClass.ACCEPTED]
    assert server.connections == 1
    assert [line.split()[0] for line in server.heard[:5]] == [
        "EHLO",
        "MAIL",
        "RCPT",
        "RSET",
        "MAIL",
    ]


# -- building --------------------------------------------------------------------------------------


def test_without_aiosmtplib_the_start_says_what_to_install():
    code = (
        "import sys; sys.modules['aiosmtplib'] = None\n"
        "from gomail.providers.table import KINDS, Supplies, build\n"
        "from gomail.provider_settings import SmtpSettings\n"
        "build('relay', SmtpSettings(host='mail.example'), Supplies(transport=None))"
    )

    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )

    assert "ConfigurationError: providers.relay" in ended.stderr
    assert 'pip install "gomail[smtp]"' in ended.stderr
