"""What a server's reply means: a table over step, reply code, enhanced code and text. Pure.

A reply is complete, so the email was not sent unless it is the one to the final dot and of class
2yz. Replies of class 4yz are never taken for `unsuitable`: that would end an email which the same
server may take in a minute. A refusal of the sender or of the content is `unsuitable`, a refusal of
a recipient's address `refused`.
"""

import re
from collections.abc import Collection
from enum import StrEnum

from gomail.outcome import Outcome, OutcomeClass, clip
from gomail.providers.answers import Answer, Row, printable, word


class Step(StrEnum):
    """What a reply is to, in the order of a session."""

    CONNECT = "connect"
    """The greeting, EHLO and STARTTLS."""
    LOGIN = "login"
    SENDER = "sender"
    """MAIL FROM."""
    RECIPIENT = "recipient"
    """RCPT TO."""
    CONTENT = "content"
    """DATA, or the final dot."""


_TEMPORARY = range(400, 500)
_PERMANENT = range(500, 600)
# Texts without the codes before them; many servers begin with the address in question.
_ABOUT = r"^(?:<[^>]*>:? *)?"

ROWS = (
    Row(
        kind=OutcomeClass.QUOTA,
        statuses=_TEMPORARY,
        text=r"^(throttling failure: )?daily message quota exceeded",
        source="Amazon SES, page on errors of sending quotas: 454 Throttling failure: …",
        mend="the day's quota of SES is used up; ask AWS for a higher one or wait",
    ),
    Row(
        kind=OutcomeClass.QUOTA,
        text=r"^(authentication failed: )?maximum credits exceeded",
        source="SendGrid, page on SMTP errors: 451 Authentication failed: …",
        mend="the credits of SendGrid are used up; look at the plan in its console",
    ),
    Row(
        kind=OutcomeClass.QUOTA,
        code=r"5\.4\.5",
        text=r"daily .*limit",
        source="Gmail, page on SMTP errors: 550 5.4.5 Daily user sending limit exceeded",
        mend="the day's limit of the account is used up; wait, or use an account with a higher one",
    ),
    Row(
        kind=OutcomeClass.QUOTA,
        code=r"5\.1\.90",
        source="Exchange Online, page on non-delivery reports: 5.1.90, the daily limit",
        mend="the day's limit of the account is used up; wait, or use an account with a higher one",
    ),
    Row(
        kind=OutcomeClass.THROTTLED,
        statuses=_TEMPORARY,
        field=Step.RECIPIENT,
        code=r"4\.2\.1",
        text=r"too (quickly|fast|many)|rate",
        source="Gmail, page on SMTP errors: 450 4.2.1, mail at a rate that delays more",
    ),
    Row(
        kind=OutcomeClass.FAILED,
        statuses=_TEMPORARY,
        field=Step.RECIPIENT,
        code=r"4\.[12]\..*",
        source="RFC 3463, 3.2 and 3.3: this recipient's address or mailbox, for now",
    ),
    Row(
        kind=OutcomeClass.UNSUITABLE,
        code=r"[45]\.5\.3",
        text=r"^(?!.*(hour|throttl|rate)).*",
        source="RFC 3463, 3.6: more recipients than the server takes in one transaction",
    ),
    Row(
        kind=OutcomeClass.THROTTLED,
        statuses=_TEMPORARY,
        text=r"throttl|\brate\b|too (many|fast|frequent|much)|slow down|limit.* exceeded"
        r"|exceeded.* limit|concurrent",
        source="SES: 421 Too many concurrent SMTP connections, 454 Maximum sending rate exceeded; "
        "Postfix anvil: 450 4.7.1 too much mail from; SendGrid: 450 too frequent connects",
    ),
    Row(
        kind=OutcomeClass.FAILED,
        statuses=(530, 538),
        text=r"starttls|\btls\b|encrypt",
        account_fault=True,
        mend="the server wants TLS; set `security` to starttls or tls",
        source="RFC 3207, 4: 530 Must issue a STARTTLS command first; RFC 4954, 6: 538 5.7.11",
    ),
    Row(
        kind=OutcomeClass.FAILED,
        statuses=(530,),
        account_fault=True,
        mend="the server wants a login; set `username` and the variable with the password",
        source="RFC 4954, 6: 530 5.7.0 Authentication required",
    ),
    Row(
        kind=OutcomeClass.FAILED,
        statuses=(534,),
        field=Step.LOGIN,
        account_fault=True,
        mend="the server wants a stronger login; many services have passwords for applications",
        source="RFC 4954, 6: 534 5.7.9; Gmail: Application-specific password required",
    ),
    Row(
        kind=OutcomeClass.FAILED,
        statuses=_PERMANENT,
        field=Step.LOGIN,
        account_fault=True,
        mend="the server refuses the login; look at `username` and the variable with the password",
        source="RFC 4954, 6: 535 5.7.8; SES: 535 Authentication Credentials Invalid",
    ),
    Row(
        kind=OutcomeClass.FAILED,
        statuses=_PERMANENT,
        field=Step.CONNECT,
        account_fault=True,
        mend="the server does not talk to this machine; look at what it says, at host and port, "
        "and at its list of clients",
        source="RFC 5321, 3.1: 554 instead of a greeting; RFC 7504: 521",
    ),
    Row(
        kind=OutcomeClass.FAILED,
        statuses=_PERMANENT,
        text=r"^(message rejected: )?(email )?sending (is )?paused"
        r"|^account (is )?(suspended|disabled|paused)",
        account_fault=True,
        mend="the service has stopped this account's mail; look in its console why",
        source="Amazon SES, page on pausing: Sending paused for this account",
    ),
    # A policy that leaves out one sender and one that leaves out all read the same, as in the SES
    # provider: a failure that counts, not an account fault that two emails could prove.
    Row(
        kind=OutcomeClass.FAILED,
        statuses=(554,),
        text=r"^access denied: .*:identity/",
        source="Amazon SES, page on SMTP response codes: 554 Access denied, for one identity",
    ),
    Row(
        kind=OutcomeClass.FAILED,
        statuses=(554,),
        text=r"^access denied: user",
        account_fault=True,
        mend="this login may not send; its user needs ses:SendRawEmail",
        source="Amazon SES, page on SMTP response codes: 554 Access denied",
    ),
    Row(
        kind=OutcomeClass.UNSUITABLE,
        statuses=_PERMANENT,
        text=_ABOUT + r"sender address rejected",
        source="Postfix, smtpd_delay_reject: the sender is refused at the recipient",
    ),
    Row(
        kind=OutcomeClass.UNSUITABLE,
        statuses=_PERMANENT,
        code=r"5\.1\.[78]",
        source="RFC 3463, 3.2: the sender's address",
    ),
    Row(
        kind=OutcomeClass.UNSUITABLE,
        statuses=_PERMANENT,
        code=r"5\.7\..*",
        source="RFC 3463, 3.8: policy of this server, such as relaying, sender or content",
    ),
    Row(
        kind=OutcomeClass.UNSUITABLE,
        statuses=_PERMANENT,
        code=r"5\.(3\.4|2\.3)",
        source="RFC 3463, 3.3 and 3.4: larger than this server takes",
    ),
    Row(
        kind=OutcomeClass.UNSUITABLE,
        statuses=(552, 554),
        source="RFC 5321, 4.2.3: 552 too large; 554 the content, without a reason that is common",
    ),
    Row(
        kind=OutcomeClass.REFUSED,
        statuses=_PERMANENT,
        field=Step.RECIPIENT,
        code=r"5\.1\.(10|[0-6])",
        source="RFC 3463, 3.2, and RFC 7505: no such recipient, no such domain, or it takes none",
    ),
    Row(
        kind=OutcomeClass.REFUSED,
        statuses=_PERMANENT,
        field=Step.RECIPIENT,
        code=r"5\.2\.1",
        source="RFC 3463, 3.3: the mailbox is disabled",
    ),
    Row(
        kind=OutcomeClass.REFUSED,
        statuses=(550, 551, 553),
        field=Step.RECIPIENT,
        code=r"|5\.0\.0",
        text=r"(user|recipient|mailbox|address)\b.* (unknown|not found|does(n't| not) exist)"
        r"|(no such|unknown) (user|recipient|mailbox|address)",
        source="RFC 5321, 4.2.3: 550 mailbox not found, from a server without enhanced codes",
    ),
    # Our commands in the wrong order or not understood: every message would meet it.
    Row(
        kind=OutcomeClass.FAILED,
        statuses=(500, 502, 503, 504),
        source="RFC 5321, 4.2.2: syntax or sequence of commands",
    ),
    Row(
        kind=OutcomeClass.UNSUITABLE,
        statuses=_PERMANENT,
        source="RFC 5321, 4.2.1: not here, but nothing says that it is the message's fault",
    ),
    Row(
        kind=OutcomeClass.FAILED,
        statuses=_TEMPORARY,
        source="RFC 5321, 4.2.1: not now; a complete reply, so certainly not sent",
    ),
    Row(
        kind=OutcomeClass.UNKNOWN,
        field=Step.CONTENT,
        source="no rule: neither yes nor no to the content",
    ),
    Row(kind=OutcomeClass.FAILED, source="no rule: not a reply of SMTP, before any content"),
)
"""The last two fit everything."""

_ENHANCED = re.compile(r"^([245]\.\d{1,3}\.\d{1,3})(?:[ \t]+|$)")
# Where servers put the id under which their logs know the email.
_QUEUE_IDS = (
    re.compile(r"queued as <?([^\s<>,;]+)", re.IGNORECASE),  # Postfix, SendGrid, Haraka
    re.compile(r"\bid=(\S+)"),  # Exim
    re.compile(r"^(\S+) message accepted", re.IGNORECASE),  # Sendmail
)
_OK = re.compile(r"^ok\b[:,]? *", re.IGNORECASE)


def judge(step: Step, code: int, text: str, *, place: str = "") -> Outcome:
    """The outcome of a reply that was no yes.

    Args:
        step: what it answers.
        code: the reply code.
        text: all of its lines, without the codes.
        place: the email's field it is about, where there is one.
    """
    answer = _answer(step, code, text)
    row = deciding(answer)
    said = answer.text or f"reply {code} without a reason"
    return Outcome(
        row.kind,
        code=word(f"{code} {answer.code}"),
        detail=clip(printable(f"{place}: {said}" if place else said)),
        account_fault=row.account_fault,
        mend=row.mend,
    )


def deciding(answer: Answer) -> Row:
    """The first row that fits."""
    return next(row for row in ROWS if row.fits(answer))


def accepted(text: str) -> Outcome:
    """The outcome of a yes to the final dot."""
    _, words = _divided(250, text)
    found = next((match[1] for one in _QUEUE_IDS if (match := one.search(words))), None)
    # SES and Gmail give the id behind "Ok"; where nothing looks like one, all may help in a log.
    return Outcome(OutcomeClass.ACCEPTED, provider_id=word(found or _OK.sub("", words)))


def without(outcome_text: str, secrets: Collection[str]) -> str:
    """The text with none of the secrets in it."""
    for secret in secrets:
        outcome_text = outcome_text.replace(secret, "[secret]")
    return outcome_text


def _answer(step: Step, code: int, text: str) -> Answer:
    enhanced, words = _divided(code, text)
    status = code if code in range(1000) else 0  # aiosmtplib reads "-12" as a number, too
    return Answer(status=status, headers={}, code=enhanced, text=words, field=step)


def _divided(code: int, text: str) -> tuple[str, str]:
    """The enhanced code of a reply, if its class is that of the reply, and the text without it."""
    lines = [line.strip() for line in text.splitlines()]
    found = _ENHANCED.match(lines[0]) if lines else None
    words = " ".join(_ENHANCED.sub("", line, count=1) for line in lines).strip()
    if found is None or found[1][0] != str(code)[0]:
        return "", words
    return found[1], words
