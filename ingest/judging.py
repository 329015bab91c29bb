"""From what a request holds to the emails it asks for, or all that is wrong with them. Pure.

On the loop, however large: reading 10 MB of attachments takes 40 ms (and packing them for the store
17 ms more), and another thread would hold the interpreter's lock for as long.
"""

from dataclasses import dataclass
from typing import Any, cast

import orjson

from gomail.eligibility import Outlets
from gomail.email import Email, Faults, NotAnEmail, has_forbidden_characters, read
from gomail.email.more import MORE
from gomail.email.reading import PLAIN
from ingest import answers

_TIMES = frozenset({"sendAt", "expiresAt"})
_FIELDS = (PLAIN.keys() | MORE) - {"claim"}  # which is for the queue only


def misplaced(request: object, home: str) -> Faults:
    """The fields of an email that a request has beside `email` or `emails` and not inside.

    What else is there is ignored, as by the Go service; of these their sender believes that they
    count, and what was to wait would be sent at once. `null` is as good as left out. Where `home`
    itself is missing, that is the fault to tell.
    """
    if not isinstance(request, dict) or len(request) == 1 or request.get(home) is None:
        return {}
    where = f"each of {home}" if isinstance(request[home], list) else home
    return {
        name: f"{name} belongs inside {where}"
        for name, value in request.items()
        if name in _FIELDS and value is not None
    }


@dataclass(frozen=True, slots=True)
class Judge:
    """Judges by the limits of this process; `now` is in milliseconds since the epoch."""

    max_body_bytes: int
    """Of an email's JSON without the contents of its attachments."""
    max_attachment_bytes: int
    outlets: Outlets
    """One of them must be able to carry the email."""

    def email(self, request: object, now: int) -> Email | Faults:
        """The email of `{"email": {…}}`.

        Raises:
            NotAnEmail: something in it has the wrong JSON type.
        """
        email = read(
            request,
            now_ms=now,
            max_attachment_bytes=self.max_attachment_bytes,
            ascii_only=self.outlets.ascii_only,
        )
        if isinstance(email, Email) and (faults := self.outlets.faults(email)):
            return _as_asked(faults, _wire(request))
        return email

    def timeless(self, request: object, judged: Email | Faults) -> Email | Faults:
        """The same without the rules that judge differently later; `judged` is what `email` made.

        Those are the rules on times and on who can carry it. A request that is made again is the
        same one, also when its `sendAt` has come meanwhile or a provider is gone.
        """
        if isinstance(judged, Email) and _TIMES.isdisjoint(_wire(request)):
            return judged
        return read(request, now_ms=None, max_attachment_bytes=self.max_attachment_bytes)

    def is_too_large(self, raw: bytes, request: object) -> bool:
        """Whether a request is over the limit, and by more than its attachments."""
        if len(raw) <= self.max_body_bytes:
            return False
        wire = request.get("email") if isinstance(request, dict) else None
        return not _attachments(wire) or self._is_large(wire)

    def item(
        self, wire: object, now: int, *, measured: bool
    ) -> tuple[Email | Faults, Email | Faults]:
        """One email of a batch, and the same without the rules that judge differently later.

        What is a 400 where it is the only one is a fault at `base` here. `measured`: the whole
        batch is within the limit, so each email is.
        """
        request = {"email": wire}
        if not measured and self._is_large(wire):
            return _both({"base": answers.TOO_LARGE})
        if wire is None:
            return _both({"base": answers.NOT_JSON})
        try:
            email = self.email(request, now)
            timeless = self.timeless(request, email)
        except NotAnEmail:
            return _both({"base": answers.NOT_JSON})
        if isinstance(timeless, Email) and has_forbidden_characters(timeless.body):
            return _both({"base": answers.FORBIDDEN_CHARACTERS})
        return email, timeless

    def _is_large(self, wire: object) -> bool:
        return len(orjson.dumps(_without_contents(wire))) > self.max_body_bytes


def _wire(request: object) -> dict[str, Any]:
    wire = request.get("email") if isinstance(request, dict) else None
    return wire if isinstance(wire, dict) else {}


def _as_asked(faults: Faults, wire: dict[str, Any]) -> Faults:
    """The faults at the names under which the request has these fields."""
    names = {}
    if wire.get("to") is not None:
        names["toEmail"] = "to.0.email"
    if not wire.get("body"):
        names["body"] = "text"
    return {names.get(name, name): sentence for name, sentence in faults.items()}


def _both(faults: Faults) -> tuple[Faults, Faults]:
    return faults, faults


def _attachments(wire: object) -> list[Any]:
    given = wire.get("attachments") if isinstance(wire, dict) else None
    return given if isinstance(given, list) else []


def _without_contents(wire: object) -> object:
    attachments = _attachments(wire)
    if not attachments:
        return wire
    light = [{**one, "content": ""} if isinstance(one, dict) else one for one in attachments]
    return {**cast("dict[str, Any]", wire), "attachments": light}
