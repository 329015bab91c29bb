"""The fields of an email beyond those of the Go service, and their rules. Pure.

A wrong JSON type is an error that names the field; everything else a sentence at the field. Of a
list that is too long only as much is read as there may be.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from gomail.email.files import Files
from gomail.email.findings import Findings, printable
from gomail.email.headers import header_fault, new_header_fault
from gomail.email.model import ListUnsubscribe
from gomail.email.people import LISTS, People
from gomail.email.shapes import array, pairs, text, typed
from gomail.email.texts import HEADER_LIMIT, fault_in_line, has_forbidden_characters
from gomail.email.times import milliseconds

MOST_HEADERS = 25
MOST_TAGS = 10
MOST_METADATA = 20
MOST_PROVIDERS = 20
"""In each of `provider.only` and `provider.exclude`."""
LONGEST_SCHEDULE = timedelta(days=30)

MORE = frozenset(
    {*LISTS, "html", "text", "headers", "attachments", "tags", "metadata", "listUnsubscribe"}
    | {"sendAt", "expiresAt", "onUnknown", "provider", "claim"}
)
"""Their names on the wire."""

_TAG = re.compile(r"[A-Za-z0-9_-]{1,64}")
_PROVIDER = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}")
_URL = re.compile(r"https://[!-;=?-~]+")
_MAILTO = re.compile(r"mailto:[!-;=?-~]+")


class More:
    """Reads them; `faults` then has all that is wrong.

    Args:
        now_ms: milliseconds since the epoch, for the rules on times; None leaves those out.
        max_attachment_bytes: of all attachments together; None for any.
        stored: as in `Files`.
        ascii_only: as in `address_fault`.
    """

    def __init__(
        self,
        *,
        now_ms: int | None,
        max_attachment_bytes: int | None,
        stored: bool,
        ascii_only: str = "",
    ) -> None:
        self._findings = Findings()
        self.faults = self._findings.faults
        self._now = now_ms
        self._header_fault = header_fault if stored else new_header_fault
        self._people = People(self._findings, ascii_only=ascii_only, stored=stored)
        self._files = Files(self._findings, max_bytes=max_attachment_bytes, stored=stored)

    def read(self, wire: Mapping[str, Any]) -> dict[str, Any]:
        """The values by their names in `Email`."""
        return {
            **self._texts(wire),
            **self._people.read(wire),
            **self._files.read(wire),
            "headers": self._headers(wire),
            "tags": self._tags(wire),
            "metadata": self._metadata(wire),
            "list_unsubscribe": self._unsubscribe(wire),
            "on_unknown": self._on_unknown(wire),
            **self._times(wire),
            **self._providers(wire),
        }

    def _texts(self, wire: Mapping[str, Any]) -> dict[str, Any]:
        body, alias, html = (text(wire, name) for name in ("body", "text", "html"))
        if body and alias:
            self._findings.add("text", "Text and body are the same field; give one of them")
        if has_forbidden_characters(html):
            self._findings.add("html", "Html contains characters outside the allowed set")
        return {"body": body or alias, "html": html}

    # -- headers, tags, metadata ---------------------------------------------------------------

    def _headers(self, wire: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
        headers = self._findings.most_of(
            pairs(wire, "headers"), "headers", MOST_HEADERS, "There are more than {} headers"
        )
        seen: set[str] = set()
        for name, value in headers:
            twice = name.lower() in seen
            fault = "Header is there twice" if twice else self._header_fault(name, value)
            if fault:
                self._findings.add(f"headers.{printable(name)}", fault)
            seen.add(name.lower())
        return tuple(headers)

    def _tags(self, wire: Mapping[str, Any]) -> tuple[str, ...]:
        tags = self._words(
            self._findings.most_of(
                array(wire, "tags"), "tags", MOST_TAGS, "There are more than {} tags"
            ),
            "tags",
        )
        for place, tag in enumerate(tags):
            if not _TAG.fullmatch(tag):
                self._findings.add(
                    f"tags.{place}", "Tag is not 1 to 64 letters, digits, hyphens and underscores"
                )
            elif tag in tags[:place]:
                self._findings.add(f"tags.{place}", "Tag is there twice")
        return tags

    def _metadata(self, wire: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
        metadata = self._findings.most_of(
            pairs(wire, "metadata"), "metadata", MOST_METADATA, "There are more than {} entries"
        )
        for name, value in metadata:
            where = f"metadata.{printable(name)}"
            if not name or fault_in_line("", name, 64):
                self._findings.add(where, "Name is not 1 to 64 bytes without control characters")
            elif fault := fault_in_line("Value", value, 512):
                self._findings.add(where, fault)
        return tuple(metadata)

    def _unsubscribe(self, wire: Mapping[str, Any]) -> ListUnsubscribe | None:
        given = wire.get("listUnsubscribe")
        if given is None:
            return None
        given = self._findings.fields(given, {"url", "mailto"}, "listUnsubscribe")
        url = text(given, "url", "listUnsubscribe")
        mailto = text(given, "mailto", "listUnsubscribe")
        for name, value, form, sentence in (
            ("url", url, _URL, "Url is not an https URL in printable ASCII"),
            ("mailto", mailto, _MAILTO, "Mailto is not a mailto: URI in printable ASCII"),
        ):
            if (value or name == "url") and not form.fullmatch(value):
                self._findings.add(f"listUnsubscribe.{name}", sentence)
            elif value and len(url) + len(mailto) > HEADER_LIMIT - 30:
                self._findings.add(f"listUnsubscribe.{name}", "It is too long for a header")
        return ListUnsubscribe(url, mailto)

    # -- when, and by whom ---------------------------------------------------------------------

    def _times(self, wire: Mapping[str, Any]) -> dict[str, int]:
        send_at, expires_at = self._time(wire, "sendAt"), self._time(wire, "expiresAt")
        if self._now is not None:
            if send_at > self._now + LONGEST_SCHEDULE // timedelta(milliseconds=1):
                days = LONGEST_SCHEDULE.days
                self._findings.add("sendAt", f"Send at is more than {days} days ahead")
            send_at = send_at if send_at > self._now else 0
            if expires_at and expires_at <= self._now:
                self._findings.add("expiresAt", "Expires at is over")
        if expires_at and send_at and expires_at <= send_at:
            self._findings.add("expiresAt", "Expires at is not after send at")
        return {"send_at": send_at, "expires_at": expires_at}

    def _time(self, wire: Mapping[str, Any], name: str) -> int:
        given = text(wire, name)
        if not given:
            return 0
        label = "Send at" if name == "sendAt" else "Expires at"
        # Never early: a part of a millisecond is a whole one.
        moment = milliseconds(given, rounded_up=name == "sendAt")
        if moment is None:
            self._findings.add(name, f"{label} is not a time such as 2026-01-31T12:00:00Z")
        return moment or 0

    def _on_unknown(self, wire: Mapping[str, Any]) -> str:
        given = text(wire, "onUnknown")
        if given not in {"", "retry", "dead-letter"}:
            self._findings.add("onUnknown", "On unknown is neither retry nor dead-letter")
        return given

    def _providers(self, wire: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
        given = wire.get("provider")
        if given is None:
            return {}
        given = self._findings.fields(given, {"only", "exclude"}, "provider")
        only, exclude = (self._provider_names(given, name) for name in ("only", "exclude"))
        if not only and given.get("only") is not None:
            # Taken for "all", it would send mail where its sender did not want it.
            self._findings.add("provider.only", "Only names nobody; leave it out for all providers")
        for place, name in enumerate(exclude):
            if name in only:
                self._findings.add(f"provider.exclude.{place}", "Provider is in only as well")
        return {"only": only, "exclude": exclude}

    def _provider_names(self, given: Mapping[str, Any], name: str) -> tuple[str, ...]:
        where = f"provider.{name}"
        names = self._words(
            self._findings.most_of(
                array(given, name, "provider"),
                where,
                MOST_PROVIDERS,
                "There are more than {} providers",
            ),
            where,
        )
        for place, one in enumerate(names):
            if not _PROVIDER.fullmatch(one):
                self._findings.add(
                    f"{where}.{place}",
                    "Provider is not a letter with up to 39 letters, digits, hyphens and "
                    "underscores behind it",
                )
            elif one in names[:place]:
                self._findings.add(f"{where}.{place}", "Provider is there twice")
        return names

    def _words(self, given: Sequence[object], where: str) -> tuple[str, ...]:
        return tuple(
            typed(one, str, f"{where}.{place}", "a string") for place, one in enumerate(given)
        )
