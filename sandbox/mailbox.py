"""Remembers the emails that were accepted, and counts them. Pure.

The last 200,000 keep their summaries, the last 1,000 (or 64 MiB) everything else too: bodies,
headers, files, payloads. An email is a duplicate if one with the same id of ours is among the
summaries, whoever accepted it.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from sandbox.parties import Party

SUMMARIES = 200_000
"""Emails that the mailbox keeps, unless told otherwise: some 60 MB."""
_BODIES = 1_000
_BODY_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class File:
    """An attachment, decoded."""

    name: str
    content_type: str
    content_id: str | None
    """Under which `cid:` URL the HTML shows it."""
    inline: bool
    data: bytes


@dataclass(frozen=True, slots=True)
class Email:
    """What a provider accepted, as the provider understood it."""

    id: str | None
    sender: Party
    to: tuple[Party, ...]
    subject: str
    text: str | None
    html: str | None
    cc: tuple[Party, ...] = ()
    bcc: tuple[Party, ...] = ()
    reply_to: tuple[Party, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    """Names and values of the sender's own, as a reader sees them."""
    tags: tuple[str, ...] = ()
    files: tuple[File, ...] = ()

    @property
    def recipients(self) -> tuple[Party, ...]:
        """Everybody who gets it."""
        return self.to + self.cc + self.bcc


@dataclass(slots=True)
class _Kept:
    seq: int
    provider: str
    provider_id: str
    received_at: float
    email: Email
    payload: bytes | None

    def size(self) -> int:
        """Bytes that are kept of what is large."""
        return len(self.payload or b"") + sum(len(file.data) for file in self.email.files)


class Mailbox:
    """The accepted emails, oldest first."""

    def __init__(self, *, summaries: int = SUMMARIES, bodies: int = _BODIES) -> None:
        self._most = summaries
        self._most_bodies = bodies
        self._seq = 0
        self.clear()

    def clear(self) -> None:
        """Forget all of them; sequence numbers go on."""
        self._kept: deque[_Kept] = deque()
        self._bodies: deque[_Kept] = deque()
        self._bytes = 0
        self._by_provider: Counter[str] = Counter()
        self._ids: Counter[str] = Counter()
        self._distinct = 0
        self._duplicates = 0

    def add(
        self, provider: str, provider_id: str, email: Email, payload: bytes, now: float
    ) -> None:
        """Remember an email; the oldest one may be forgotten for it."""
        self._seq += 1
        kept = _Kept(self._seq, provider, provider_id, now, email, payload)
        self._by_provider[provider] += 1
        self._count(email.id)
        self._kept.append(kept)
        if len(self._kept) > self._most:
            self._forget(self._kept.popleft())
        self._bodies.append(kept)
        self._bytes += kept.size()
        while len(self._bodies) > self._most_bodies or self._bytes > _BODY_BYTES:
            self._strip(self._bodies.popleft())

    def counts(self) -> dict[str, Any]:
        """How many were accepted since the last `clear`, also of those forgotten since."""
        return {
            "total": self._by_provider.total(),
            "by_provider": dict(self._by_provider),
            "distinct_ids": self._distinct,
            "duplicates": self._duplicates,
        }

    def listed(
        self, *, provider: str | None, id_: str | None, after: int | None, limit: int, brief: bool
    ) -> list[dict[str, Any]]:
        """Emails in order: the first ones after number `after`, or else the last ones.

        Brief ones come without bodies and payload.
        """
        found: list[_Kept] = []
        for kept in reversed(self._kept):
            if after is not None and kept.seq <= after:
                break
            if provider in (None, kept.provider) and id_ in (None, kept.email.id):
                found.append(kept)
                if after is None and len(found) == limit:
                    break
        found.reverse()
        return [_summary(kept) if brief else _described(kept) for kept in found[:limit]]

    def find(self, seq: int) -> Email | None:
        """The email with that number, if all of it is still kept."""
        return next((kept.email for kept in self._bodies if kept.seq == seq), None)

    def _strip(self, kept: _Kept) -> None:
        self._bytes -= kept.size()
        kept.payload = None
        kept.email = replace(kept.email, text=None, html=None, headers=(), tags=(), files=())

    def _count(self, id_: str | None) -> None:
        if id_ is None:
            return
        self._ids[id_] += 1
        if self._ids[id_] == 1:
            self._distinct += 1
        else:
            self._duplicates += 1

    def _forget(self, kept: _Kept) -> None:
        if (id_ := kept.email.id) is None:
            return
        self._ids[id_] -= 1
        if not self._ids[id_]:
            del self._ids[id_]


def _summary(kept: _Kept) -> dict[str, Any]:
    email = kept.email
    return {
        "seq": kept.seq,
        "provider": kept.provider,
        "id": email.id,
        "provider_id": kept.provider_id,
        "from": str(email.sender),
        **{kind: [str(party) for party in getattr(email, kind)] for kind in ("to", "cc", "bcc")},
        "subject": email.subject,
        "received_at": datetime.fromtimestamp(kept.received_at, UTC).isoformat(),
    }


def _described(kept: _Kept) -> dict[str, Any]:
    email = kept.email
    return {
        **_summary(kept),
        "reply_to": [str(party) for party in email.reply_to],
        "text": email.text,
        "html": email.html,
        "headers": [{"name": name, "value": value} for name, value in email.headers],
        "tags": email.tags,
        "attachments": [
            {
                "filename": file.name,
                "content_type": file.content_type,
                "content_id": file.content_id,
                "inline": file.inline,
                "size": len(file.data),
                "sha256": sha256(file.data).hexdigest(),
                "url": f"/mailbox/attachment?seq={kept.seq}&place={place}",
            }
            for place, file in enumerate(email.files)
        ],
        "payload": None if kept.payload is None else orjson.Fragment(kept.payload),
    }
