"""API keys: who may call the API, for what, from which addresses and how often. Pure.

A secret is 256 random bits, so one round of SHA-256 is enough to keep it by: a slow hash makes
guessing dear where people chose what is guessed, and nobody tries 2^256. A key is found by the
digest of what was sent, in a mapping. How long that takes may tell something about digests, but
nobody can choose what a digest begins with, so it tells nothing about a secret; a comparison in
constant time would guard no more.
"""

import hashlib
import math
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import orjson

from gomail.email.addresses import ascii_domain, sameness

VERSION = 1
MARK = "gm"
"""What every secret begins with, so that people and scanners know one when they see it."""
SECRET = re.compile(rf"({MARK}_[a-z0-9]{{8}}_)[A-Za-z0-9_-]+")
"""A secret within a text; its first group is what may be shown of it."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

_ID = re.compile(r"[a-z0-9]{8}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_DOMAIN = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
_MOST_RATE = 1_000_000


class Scope(StrEnum):
    """What a key may be used for."""

    SEND = "send"
    READ = "read"
    DEAD_LETTERS = "dead-letters"
    ADMIN = "admin"
    """All of the others, and what is added later."""


class BadKeys(ValueError):
    """These are no keys. The text says which entry is at fault and never quotes it."""


@dataclass(frozen=True, slots=True)
class Key:
    """One key, without its secret. Times are seconds since the epoch."""

    id: str
    """Public: it tells keys apart in lists and logs."""
    name: str
    """Whose it is. Keys that take over from each other share it."""
    digest: str
    """SHA-256 of the secret, in hexadecimal."""
    scopes: frozenset[Scope]
    senders: frozenset[str] = frozenset()
    """Addresses and domains it may send from, in the form of `sender`; empty for all."""
    rate: float | None = None
    """Requests a second and process; None for any number."""
    created: int = 0
    expires: int | None = None
    revoked: int | None = None

    def is_live(self, now: float) -> bool:
        """Whether it counts at this time."""
        return self.revoked is None and (self.expires is None or now < self.expires)

    def may(self, scope: Scope) -> bool:
        """Whether it may be used for this."""
        return scope in self.scopes or Scope.ADMIN in self.scopes

    def may_send_from(self, address: str) -> bool:
        """Whether an email that it sends, or calls back, may have this From address."""
        if not self.senders:
            return True
        return ascii_domain(address) in self.senders or sameness(address) in self.senders


@dataclass(frozen=True, slots=True)
class Keyring:
    """The keys of a file."""

    keys: tuple[Key, ...] = ()
    _by_digest: Mapping[str, Key] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_digest", {key.digest: key for key in self.keys})

    def match(self, secret: bytes, now: float) -> Key | None:
        """Whose secret this is; None where it is nobody's, or its key no longer counts."""
        key = self._by_digest.get(hashlib.sha256(secret).hexdigest())
        return key if key is not None and key.is_live(now) else None


NONE = Keyring()


def digest(secret: str) -> str:
    """What is kept of a secret."""
    return hashlib.sha256(secret.encode("ascii")).hexdigest()


def sender(text: str) -> str:
    """An address or a domain as keys hold it: lower-case, the domain in ASCII.

    A domain does not stand for those below it.

    Raises:
        ValueError: it is neither.
    """
    whole = text.strip()
    domain = ascii_domain(whole if "@" in whole else f"x@{whole}")
    if not _DOMAIN.fullmatch(domain) or whole.startswith("@"):
        raise ValueError(f"{whole!r} is neither an address nor a domain")
    return sameness(whole) if "@" in whole else domain


def admit(due: float, now: float, rate: float) -> tuple[float, float]:
    """Whether a request goes through at this rate, as a bucket of one second's requests has it.

    Args:
        due: what the request before was given back; anything in the past at first. Seconds.
        now: on the same clock.
        rate: requests a second.

    Returns:
        What to keep for the next request, and the seconds to wait; 0.0 lets it through.
    """
    room = max(1.0, 1.0 / rate)
    after = max(due, now) + 1.0 / rate
    # The bucket's room is in seconds; a rounding error is not to cost the last request of it.
    wait = after - now - room
    return (after, 0.0) if wait <= 1e-9 else (due, wait)  # noqa: PLR2004 - a nanosecond


def parse(raw: bytes) -> Keyring:
    """The keys of a file.

    Raises:
        BadKeys: it is no such file, or one of its entries is not valid.
    """
    try:
        given = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise BadKeys("is no JSON") from None
    if not isinstance(given, dict) or given.get("version") != VERSION:
        raise BadKeys(f'holds no {{"version": {VERSION}, "keys": […]}}')
    entries = given.get("keys")
    if not isinstance(entries, list) or given.keys() - {"version", "keys"}:
        raise BadKeys("holds more than a list of `keys`, or none")
    keys = tuple(_key(entry, place) for place, entry in enumerate(entries))
    for what in ("id", "digest"):
        if len({getattr(key, what) for key in keys}) < len(keys):
            raise BadKeys(f"has two keys of one {what}")
    return Keyring(keys)


def write(keys: Iterable[Key]) -> bytes:
    """The file that holds these keys."""
    content = {"version": VERSION, "keys": [_entry(key) for key in keys]}
    return orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def time_of(text: str) -> int:
    """Seconds since the epoch of `2027-01-31` (its first moment, UTC) or a time with its offset.

    Raises:
        ValueError: it is neither.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is no date such as 2027-01-31") from None
    if moment.tzinfo is None:
        if len(text) > len("2027-01-31"):
            raise ValueError(f"{text!r} has no offset; write 2027-01-31T12:00:00Z")
        moment = moment.replace(tzinfo=UTC)
    return int(moment.timestamp())


def written(seconds: int) -> str:
    """A time as `time_of` reads it."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _entry(key: Key) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "sha256": key.digest,
        "scopes": sorted(key.scopes),
        "from": sorted(key.senders),
        "rate": key.rate,
        "created": written(key.created),
        "expires": None if key.expires is None else written(key.expires),
        "revoked": None if key.revoked is None else written(key.revoked),
    }


_FIELDS = frozenset(_entry(Key("", "", "", frozenset())))


def _key(entry: object, place: int) -> Key:
    where = f"keys[{place}]"
    if not isinstance(entry, dict):
        raise BadKeys(f"{where} is no mapping")
    if unknown := entry.keys() - _FIELDS:
        raise BadKeys(f"{where} has a field that no key has: {min(unknown)[:40]!r}")
    try:
        return Key(
            id=_matching(entry, "id", _ID),
            name=_matching(entry, "name", NAME),
            digest=_matching(entry, "sha256", _DIGEST),
            scopes=_scopes(entry),
            senders=frozenset(sender(one) for one in _texts(entry, "from")),
            rate=rate_of(entry.get("rate")),
            created=_time(entry, "created") or 0,
            expires=_time(entry, "expires"),
            revoked=_time(entry, "revoked"),
        )
    except ValueError as error:
        raise BadKeys(f"{where}: {error}") from None


def rate_of(given: object) -> float | None:
    """Requests a second.

    Raises:
        ValueError: it is no such number.
    """
    if given is None:
        return None
    if isinstance(given, bool) or not isinstance(given, int | float):
        raise ValueError("rate is no number")  # noqa: TRY004 - a fault of the file, not of a caller
    if not math.isfinite(given) or not 0.001 <= given <= _MOST_RATE:  # noqa: PLR2004
        raise ValueError(f"rate is not between 0.001 and {_MOST_RATE}")
    return float(given)


def _matching(entry: Mapping[str, Any], name: str, pattern: re.Pattern[str]) -> str:
    value = entry.get(name)
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise ValueError(f"{name} is missing or not of its form")
    return value


def _scopes(entry: Mapping[str, Any]) -> frozenset[Scope]:
    given = _texts(entry, "scopes")
    if not given or not set(given) <= set(Scope):
        raise ValueError(f"scopes are not one or more of {', '.join(Scope)}")
    return frozenset(map(Scope, given))


def _texts(entry: Mapping[str, Any], name: str) -> Collection[str]:
    given = entry.get(name)
    given = [] if given is None else given
    if not isinstance(given, list) or not all(isinstance(one, str) for one in given):
        raise ValueError(f"{name} is no list of texts")
    return given


def _time(entry: Mapping[str, Any], name: str) -> int | None:
    given = entry.get(name)
    if given is None:
        return None
    if not isinstance(given, str):
        raise ValueError(f"{name} is no time")  # noqa: TRY004 - a fault of the file
    return time_of(given)
