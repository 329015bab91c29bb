"""Connections are few, used again, replaced when they ended while idle, and checked on demand."""

import asyncio

import pytest
import uvloop

from gomail.outcome import OutcomeClass
from gomail.providers import Level
from tests.providers.case import message
from tests.providers.smtp_servers import (
    BREAK,
    HANG,
    LOGIN,
    LONG,
    built,
    inbox,
    provider,
    scripted,
    sent,
)

A_MOMENT = 0.2


@pytest.fixture(params=[asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def run(request):
    return request.param


def test_one_connection_carries_one_email_after_another():
    outcomes, server = sent(sends=3, login=True)

    assert {outcome.kind for outcome in outcomes} == {OutcomeClass.ACCEPTED}
    assert server.connections == 1
    words = [line.split()[0] for line in server.heard]
    assert [words.count(word) for word in ("AUTH", "MAIL", "DATA", "RSET")] == [1, 3, 3, 0]


def test_there_are_never_more_connections_than_set_and_nobody_is_lost():
    async def scene():
        async with inbox() as box, built(box.port, connections=3) as relay:
            sends = (relay.send(message(), timeout=LONG) for _ in range(20))
            return await asyncio.gather(*sends), box

    outcomes, box = asyncio.run(scene())

    assert {outcome.kind for outcome in outcomes} == {OutcomeClass.ACCEPTED}
    assert (len(box.envelopes), box.connections) == (20, 3)


def test_a_send_that_finds_no_connection_in_time_is_throttled_and_hurts_nobody():
    async def scene():
        async with scripted(dot=HANG) as server, built(server.port, connections=1) as relay:
            first = asyncio.ensure_future(relay.send(message(), timeout=LONG))
            await server.has_heard["."].wait()
            second = await relay.send(message(), timeout=A_MOMENT)
            first.cancel()
            await asyncio.wait({first})
            return second

    outcome = asyncio.run(scene())

    assert (outcome.kind, outcome.code) == (OutcomeClass.THROTTLED, "connections")


@pytest.mark.parametrize(
    "ended",
    [BREAK, "421 4.4.2 mail.example idle too long", "421 4.7.0 too many messages here"],
    ids=["break", "idle", "full"],
)
def test_a_connection_that_has_ended_while_idle_is_replaced_once(ended):
    outcomes, server = sent(sends=2, MAIL=["250 Ok", ended, "250 Ok"])

    assert [outcome.kind for outcome in outcomes] == [OutcomeClass.ACCEPTED] * 2
    assert (server.connections, len(server.content)) == (2, 2)


def test_a_connection_that_the_server_has_closed_makes_no_send_fail(run):
    async def scene():
        async with scripted() as server, built(server.port) as relay:
            await relay.send(message(), timeout=LONG)
            server.close_all()
            return await relay.send(message(), timeout=LONG), server

    outcome, server = run(scene())

    assert outcome.kind is OutcomeClass.ACCEPTED
    assert server.connections == 2


def test_a_new_connection_that_ends_at_once_is_not_replaced_again():
    outcomes, server = sent(sends=2, MAIL=["250 Ok", BREAK, BREAK])

    assert [outcome.kind for outcome in outcomes] == [OutcomeClass.ACCEPTED, OutcomeClass.FAILED]
    assert server.connections == 2


def test_an_idle_connection_is_closed_politely_after_its_time():
    async def scene():
        async with scripted() as server, built(server.port, idle_seconds=0.01) as relay:
            await relay.send(message(), timeout=LONG)
            await asyncio.wait_for(server.has_heard["QUIT"].wait(), LONG)
            return await relay.send(message(), timeout=LONG), server.connections

    outcome, connections = asyncio.run(scene())

    assert (outcome.kind, connections) == (OutcomeClass.ACCEPTED, 2)


def test_closing_says_goodbye_on_every_connection():
    _, server = sent(sends=2)

    assert server.heard.count("QUIT") == 1


# -- what can be asked -----------------------------------------------------------------------------


def check(replies=None, **settings):
    async def scene():
        async with scripted(**replies or {}) as server, built(server.port, **settings) as relay:
            return await relay.check(), server.heard

    return asyncio.run(scene())


def test_a_check_goes_through_everything_but_mail():
    findings, heard = check(**LOGIN)

    assert [finding.level for finding in findings] == [Level.OK]
    assert "mail.example ESMTP" in findings[0].text
    assert [line.split()[0] for line in heard] == ["EHLO", "AUTH", "NOOP", "QUIT"]


def test_a_check_compares_what_the_server_takes_with_the_settings():
    findings, _ = check(
        {"EHLO": "250-hi\n250 SIZE 10000000"}, smtputf8=True, max_message_bytes=20_000_000
    )

    assert [finding.level for finding in findings] == [Level.OK, Level.NOTE, Level.BAD]
    assert "10000000" in findings[1].mend
    assert "SMTPUTF8" in findings[2].text


@pytest.mark.parametrize(
    "replies",
    [{"AUTH": "535 5.7.8 no"}, {"greeting": "554 5.7.1 not you"}, {"EHLO": BREAK}, {"NOOP": BREAK}],
    ids=["login", "greeting", "break", "noop"],
)
def test_a_check_says_what_keeps_mail_from_going_out(replies):
    findings, _ = check(replies, **LOGIN)

    assert [finding.level for finding in findings] == [Level.BAD]


def test_smtp_tells_no_limits():
    assert asyncio.run(provider(25).limits()) is None
