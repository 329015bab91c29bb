"""What SES says of the account: its limits, whether it may send, and from whom. Pure.

Both questions need rights of their own (`ses:GetAccount`, `ses:ListEmailIdentities`); a key that
has neither can still send.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from gomail.http import Response
from gomail.outcome import Outcome
from gomail.providers import Finding, Level, Limits
from gomail.providers.said import json_object
from gomail.providers.sending import Question

_ACCOUNT = "/v2/email/account"
# As its API reference has it. The newest service models ask by a POST to another path; should SES
# ever stop answering this, the finding says so.
_IDENTITIES = "/v2/email/identities?PageSize=1000"

_OK = 200
_NO_SUCH_QUESTION = (404, 405)
_DENIED = "AccessDenied"
_NEARLY = 0.9  # of the day's quota
_MOST_NAMES = 20

_CONSOLE = "the account's reputation page in the SES console"


def url(endpoint: str) -> str:
    """Where the account's limits are asked for."""
    return endpoint.rstrip("/") + _ACCOUNT


def read_limits(response: Response) -> Limits | None:
    """Rate and quota; None where the key may not ask.

    Raises:
        ValueError: no such answer, just now.
    """
    if response.status == 403:  # noqa: PLR2004 - `check` tells what is missing
        return None
    said = json_object(response.body)
    quota = said.get("SendQuota")
    if response.status != _OK or not isinstance(quota, dict):
        raise ValueError(f"HTTP {response.status} without a SendQuota")
    rate, most = _number(quota, "MaxSendRate"), _number(quota, "Max24HourSend")
    return Limits(
        rate=rate if rate > 0 else None,
        quota=int(most) if most >= 0 else None,  # -1: unlimited
        used=int(_number(quota, "SentLast24Hours")),
    )


def questions(endpoint: str, classify: Callable[[Response], Outcome]) -> tuple[Question, ...]:
    """What `check` asks of SES behind `endpoint`; `classify` judges refusals."""

    def account(response: Response) -> list[Finding]:
        if response.status == _OK:
            return _account(response)
        return [_refused(classify(response), "tell about its account", "ses:GetAccount")]

    def identities(response: Response) -> list[Finding]:
        if response.status == _OK:
            return list(_identities(response))
        outcome = classify(response)
        told = outcome.account_fault and not outcome.code.startswith(_DENIED)
        if told and response.status not in _NO_SUCH_QUESTION:
            return []  # by the first question
        # That there is no list proves no fault of the account.
        outcome = replace(outcome, account_fault=False)
        return [_refused(outcome, "list its identities", "ses:ListEmailIdentities")]

    return (
        Question(url(endpoint), account),
        Question(endpoint.rstrip("/") + _IDENTITIES, identities),
    )


def _refused(outcome: Outcome, what: str, action: str) -> Finding:
    """Not the provider's words: some repeat the request, credentials included."""
    if outcome.code.startswith(_DENIED):
        return Finding(
            Level.NOTE,
            f"SES does not {what} to this key",
            f"allow the key {action} in its policy; sending works without",
        )
    if outcome.account_fault:
        return Finding(Level.BAD, f"SES refuses the question ({outcome.code})", outcome.mend)
    return Finding(Level.NOTE, f"SES does not {what} just now ({outcome.code})", "ask again")


def _account(response: Response) -> list[Finding]:
    said = json_object(response.body)
    if not isinstance(said.get("SendQuota"), dict):
        return [
            Finding(
                Level.BAD,
                "what answers is not SES: it tells of no quota",
                "look at endpoint_url in this provider's settings",
            )
        ]
    return [*_standing(said), *_quota(response)]


def _standing(said: dict[str, Any]) -> Iterable[Finding]:
    if said.get("SendingEnabled") is False:
        yield Finding(
            Level.BAD, "sending is paused for this account", f"look at {_CONSOLE}, or resume it"
        )
    if said.get("EnforcementStatus") == "SHUTDOWN":
        yield Finding(Level.BAD, "AWS has shut this account down", f"appeal on {_CONSOLE}")
    if said.get("EnforcementStatus") == "PROBATION":
        yield Finding(Level.NOTE, "AWS has this account under review", f"look at {_CONSOLE}")
    if said.get("ProductionAccessEnabled") is False:
        yield Finding(
            Level.NOTE,
            "in the SES sandbox: only verified recipients, 200 a day",
            "request production access in the SES console",
        )


def _quota(response: Response) -> Iterable[Finding]:
    limits = read_limits(response)
    if limits is None:
        return
    rate = f"{limits.rate:g} a second" if limits.rate else "any rate"
    if limits.quota is None:
        yield Finding(Level.OK, f"account: {rate}, any number a day")
        return
    text = f"account: {rate}, {limits.used:,} of {limits.quota:,} sent in 24 hours"
    if limits.used < _NEARLY * limits.quota:
        yield Finding(Level.OK, text)
    else:
        yield Finding(
            Level.NOTE,
            f"{text}: the day's quota is nearly used",
            "ask AWS for a higher one in Service Quotas, or let another provider take more",
        )


def _identities(response: Response) -> Iterable[Finding]:
    said = json_object(response.body)
    listed = said.get("EmailIdentities")
    found = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    verified = [str(one.get("IdentityName")) for one in found if _is_verified(one)]
    others = [
        f"{one.get('IdentityName')} ({one.get('VerificationStatus') or 'no status'})"
        for one in found
        if not _is_verified(one)
    ]
    if verified:
        yield Finding(Level.OK, f"verified identities: {_listed(verified)}")
    elif not said.get("NextToken"):  # with one, a later page may hold some
        yield Finding(
            Level.BAD,
            "no identity is verified in this region: SES would reject every email",
            "verify the domain you send from in the SES console, or name its region",
        )
    if others:
        yield Finding(
            Level.NOTE,
            f"identities that are not verified: {_listed(others)}",
            "publish the DNS records that the SES console shows for each, or delete it",
        )


def _is_verified(identity: dict[str, Any]) -> bool:
    # Older answers have no status.
    status = identity.get("VerificationStatus", "SUCCESS")
    return status == "SUCCESS" and identity.get("SendingEnabled") is True


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(names[:_MOST_NAMES]) + more


def _number(quota: dict[str, Any], key: str) -> float:
    value = quota.get(key)
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise ValueError(f"SendQuota has no {key}")  # noqa: TRY004 - the answer, not our call
    return value
