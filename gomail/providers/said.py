"""What a provider's answer says, whatever it is, and what a refused question finds. Pure."""

from typing import Any

import orjson

from gomail.outcome import Outcome, OutcomeClass
from gomail.providers import Finding, Level


def json_object(body: bytes) -> dict[str, Any]:
    """The JSON object of an answer; an empty one where it holds something else."""
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return said if isinstance(said, dict) else {}


def string(said: dict[str, Any], *keys: str) -> str:
    """The first of these members that is a string; empty where none is."""
    return next((value for key in keys if isinstance(value := said.get(key), str)), "")


def refused(provider: str, outcome: Outcome, *, key: str = "key") -> Finding:
    """What a question about the account finds that was answered like a send that was not taken.

    `key` is what the provider calls its key.
    """
    if outcome.account_fault or outcome.kind is OutcomeClass.QUOTA:
        return Finding(Level.BAD, f"{provider} answers {outcome.code} to this {key}", outcome.mend)
    return Finding(Level.NOTE, f"{provider} does not answer just now ({outcome.code})", "ask again")
