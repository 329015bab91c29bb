"""What an SMTP server's reply is taken for: an example for each row of the table, and the rest."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gomail.outcome import DETAIL_LIMIT, OutcomeClass
from gomail.providers.smtp_answers import ROWS, Step, _answer, accepted, deciding, judge

REFUSED, UNSUITABLE, FAILED = OutcomeClass.REFUSED, OutcomeClass.UNSUITABLE, OutcomeClass.FAILED
THROTTLED, QUOTA, UNKNOWN = OutcomeClass.THROTTLED, OutcomeClass.QUOTA, OutcomeClass.UNKNOWN
ACCOUNT = "account fault"

C, L, S, R, D = Step.CONNECT, Step.LOGIN, Step.SENDER, Step.RECIPIENT, Step.CONTENT

# Step, reply, class, whether every message would meet it.
EXAMPLES = [
    (D, "454 Throttling failure: Daily message quota exceeded.", QUOTA, ""),
    (D, "454 Throttling failure: Maximum sending rate exceeded.", THROTTLED, ""),
    (L, "451 Authentication failed: Maximum credits exceeded", QUOTA, ""),
    (R, "550 5.4.5 Daily user sending limit exceeded.", QUOTA, ""),
    (D, "550 5.1.90 Your message can't be sent because you've reached your limit", QUOTA, ""),
    (
        R,
        "450 4.2.1 The user you are trying to contact is receiving mail too quickly",
        THROTTLED,
        "",
    ),
    (R, "450 4.2.1 Mailbox is busy", FAILED, ""),
    (R, "452 4.2.2 Mailbox is over its limit: quota exceeded", FAILED, ""),
    (R, "450 4.1.2 <a@example.org>: Recipient address rejected: Domain not found", FAILED, ""),
    (R, "452 4.5.3 Error: too many recipients", UNSUITABLE, ""),
    (R, "452 4.5.3 Too many recipients received this hour (throttled)", THROTTLED, ""),
    (C, "421 Too many concurrent SMTP connections", THROTTLED, ""),
    (R, "450 4.7.1 Error: too much mail from 192.0.2.1", THROTTLED, ""),
    (S, "451 4.7.1 Rate limit exceeded", THROTTLED, ""),
    (C, "432 4.3.2 Concurrent connections limit exceeded", THROTTLED, ""),
    (S, "530 5.7.0 Must issue a STARTTLS command first", FAILED, ACCOUNT),
    (L, "538 5.7.11 Encryption required for requested authentication mechanism", FAILED, ACCOUNT),
    (S, "530 5.7.0 Authentication required", FAILED, ACCOUNT),
    (L, "534 5.7.9 Application-specific password required", FAILED, ACCOUNT),
    (L, "535 Authentication Credentials Invalid", FAILED, ACCOUNT),
    (L, "454 4.7.0 Temporary authentication failure", FAILED, ""),
    (C, "554 5.7.1 Service unavailable; client host blocked", FAILED, ACCOUNT),
    (C, "521 5.3.2 mail.example takes no mail", FAILED, ACCOUNT),
    (C, "421 4.3.2 Service not available", FAILED, ""),
    (D, "554 Message rejected: Sending paused for this account.", FAILED, ACCOUNT),
    (
        D,
        "554 Access denied: no ses:SendRawEmail on arn:aws:ses:us-east-1:1234:identity/example.com",
        FAILED,
        "",
    ),
    (D, "554 Access denied: User is not authorized to perform ses:SendRawEmail", FAILED, ACCOUNT),
    (D, "554 Message rejected: Email address is not verified.", UNSUITABLE, ""),
    (R, "550 5.1.0 <a@example.com>: Sender address rejected: User unknown", UNSUITABLE, ""),
    (R, "553 5.7.1 <a@example.com>: Sender address rejected: not owned by user", UNSUITABLE, ""),
    (S, "550 5.1.8 Sender's domain does not exist", UNSUITABLE, ""),
    (S, "553 5.7.1 not allowed to send as this address", UNSUITABLE, ""),
    (R, "554 5.7.1 <a@example.org>: Relay access denied", UNSUITABLE, ""),
    (D, "550 5.7.1 Message looks like spam", UNSUITABLE, ""),
    (S, "552 5.3.4 Message size exceeds fixed limit", UNSUITABLE, ""),
    (D, "550 5.2.3 Message is longer than the mailbox takes", UNSUITABLE, ""),
    (D, "552 Message is too long.", UNSUITABLE, ""),
    (D, "554 Transaction failed", UNSUITABLE, ""),
    (R, "550 5.1.1 <a@example.org>: User unknown in local recipient table", REFUSED, ""),
    (R, "556 5.1.10 <a@example.org>: the domain takes no mail", REFUSED, ""),
    (R, "550 5.2.1 The mailbox is disabled", REFUSED, ""),
    (R, "550 No such user here", REFUSED, ""),
    (R, "550 mailbox a@example.org does not exist", REFUSED, ""),
    (R, "550 relaying denied", UNSUITABLE, ""),
    (S, "503 5.5.1 Error: nested MAIL command", FAILED, ""),
    (S, "501 Invalid MAIL FROM address provided", UNSUITABLE, ""),
    (R, "550 5.4.1 Recipient address rejected: Access denied", UNSUITABLE, ""),
    (R, "450 4.7.1 Greylisted, come back later", FAILED, ""),
    (R, "451 4.3.0 Temporary lookup failure", FAILED, ""),
    (D, "451 Temporary service failure", FAILED, ""),
    (D, "250 2.0.0 ok to what?", UNKNOWN, ""),
    (D, "-1 Malformed SMTP response line", UNKNOWN, ""),
    (R, "250 2.0.0 ok to what?", FAILED, ""),
]


def parts(step: Step, reply: str):
    code, _, text = reply.partition(" ")
    return step, int(code), text


@pytest.mark.parametrize(
    ("step", "reply", "kind", "fault"),
    EXAMPLES,
    ids=[f"{step}: {reply[:40]}" for step, reply, *_ in EXAMPLES],
)
def test_a_reply_is_classified(step, reply, kind, fault):
    outcome = judge(*parts(step, reply))

    assert (outcome.kind, outcome.account_fault) == (kind, fault == ACCOUNT)


def test_every_row_decides_an_example():
    decided = [deciding(_answer(*parts(step, reply))) for step, reply, *_ in EXAMPLES]

    assert [row for row in ROWS if not any(row is one for one in decided)] == []


def test_no_temporary_reply_ends_an_email():
    texts = ["", "4.7.1 no", "4.1.1 no", "4.2.2 no", "Message rejected", "5.1.1 wrong class"]

    kinds = {judge(step, code, text).kind for step in Step for code in (421, 450) for text in texts}

    assert kinds == {FAILED}


def test_a_reply_of_several_lines_is_one_text_without_its_codes():
    outcome = judge(Step.RECIPIENT, 550, "5.1.1 The account does not exist.\n5.1.1 Check it.")

    assert (outcome.code, outcome.detail) == (
        "550 5.1.1",
        "The account does not exist. Check it.",
    )


def test_an_enhanced_code_of_another_class_than_the_reply_is_not_believed():
    assert judge(Step.RECIPIENT, 450, "5.1.1 unknown").kind is FAILED


@pytest.mark.parametrize(
    ("text", "queue_id"),
    [
        ("2.0.0 Ok: queued as 4XyZ1A2b3C", "4XyZ1A2b3C"),
        ("OK id=1rAbCd-0001Xy-2Z", "1rAbCd-0001Xy-2Z"),
        ("2.0.0 45TBv3rA012345 Message accepted for delivery", "45TBv3rA012345"),
        ("Ok 0100018c0ffee000-1b2c3d4e-000000", "0100018c0ffee000-1b2c3d4e-000000"),
        ("2.0.0 OK  1700000000 a1b2c3 - gsmtp", "1700000000 a1b2c3 - gsmtp"),
        ("OK", ""),
        ("", ""),
    ],
)
def test_an_acceptance_carries_the_id_that_the_server_s_log_has(text, queue_id):
    assert accepted(text).provider_id == queue_id


@given(st.sampled_from(Step), st.integers(-99, 999), st.text(st.characters()))
def test_any_reply_is_an_outcome_that_can_be_kept(step, code, text):
    outcome = judge(step, code, text, place="to.0.email")

    assert outcome.kind is not OutcomeClass.ACCEPTED
    assert len(outcome.detail) <= DETAIL_LIMIT
    for kept in (outcome.detail, outcome.code, accepted(text).provider_id):
        assert kept.encode().decode() == kept
        assert all(character >= " " for character in kept)
