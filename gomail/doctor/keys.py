"""Reads the file of API keys: whether it is there and for its owner only, and which keys count."""

import stat
from collections.abc import Sequence
from pathlib import Path

from gomail import keys_file
from gomail.doctor import bad, misconfigured, note, well
from gomail.errors import ConfigurationError
from gomail.keys import Key, written
from gomail.providers import Finding

SOON = 14 * 86_400
"""Seconds before its end that a key is named."""

_CREATE = "create a key with `gomail keys create` to serve others"
_EXCHANGE = "make another of the same name where one is needed, and revoke the old one's id"
_LOCAL_ONLY = "only clients on this machine are served"


def ask_keys(name: str, now: float) -> list[Finding]:
    """What is to be said of the file that `ingest.keys_file` names; hashes are not shown."""
    if not name:
        return [note(f"no file is named: {_LOCAL_ONLY}", "set ingest.keys_file to serve others")]
    file = Path(name).absolute()
    try:
        mode = file.stat().st_mode
    except FileNotFoundError:
        return [note(f"{file} is not there: {_LOCAL_ONLY}", _CREATE)]
    except OSError as error:
        return [bad(f"{file}: cannot be read ({error.strerror})", "let this user read it")]
    try:
        keys = keys_file.listed(file)
    except ConfigurationError as error:
        return misconfigured(error)
    return [*judge_keys(keys, now, file=file), *_judge_mode(mode, file)]


def judge_keys(keys: Sequence[Key], now: float, *, file: Path) -> list[Finding]:
    """What is to be said of these keys. Pure."""
    if not keys:
        return [note(f"{file} lists no key: {_LOCAL_ONLY}", _CREATE)]
    standing = [key for key in keys if key.revoked is None]
    live = [key for key in standing if key.is_live(now)]
    found = [
        well(f"{file}: keys that count: {len(live)}")
        if live
        else bad(
            f"{file}: no key counts any more: nobody is served",
            "create a key with `gomail keys create`",
        )
    ]
    if soon := [key for key in live if key.expires is not None and key.expires - now <= SOON]:
        found.append(note(f"expire within {SOON // 86_400} days: {_named(soon)}", _EXCHANGE))
    if expired := [key for key in standing if not key.is_live(now)]:
        found.append(note(f"have expired: {_named(expired)}", _EXCHANGE))
    return found


def _judge_mode(mode: int, file: Path) -> list[Finding]:
    mend = f"run: chmod 600 {file}"
    if mode & (stat.S_IWGRP | stat.S_IWOTH):
        return [bad(f"{file} can be changed by others: they can add keys", mend)]
    if mode & (stat.S_IRGRP | stat.S_IROTH):
        return [note(f"{file} can be read by others", mend)]
    return []


def _named(keys: Sequence[Key]) -> str:
    ends = ((key, key.expires) for key in keys)
    return ", ".join(f"{key.id} of {key.name} ({written(end)})" for key, end in ends if end)
