"""Whom an email goes to and who gets the answers: the lists of people, and their rules. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from gomail.email.addresses import LABELS, address_fault, is_address, one_form, sameness
from gomail.email.findings import Findings
from gomail.email.model import MOST_RECIPIENTS, Mailbox
from gomail.email.shapes import array, text
from gomail.email.texts import fault_in_line, fault_in_name

LISTS = {"to": "also_to", "cc": "cc", "bcc": "bcc", "replyTo": "reply_to"}
"""Names on the wire and in `Email`."""


class People:
    """Reads them. `ascii_only` as in `address_fault`; `stored` as in `Files`."""

    def __init__(self, findings: Findings, *, ascii_only: str, stored: bool) -> None:
        self._findings = findings
        self._name_fault = fault_in_line if stored else fault_in_name
        self._ascii_only = ascii_only
        self._seen: set[str] = set()
        self._left = MOST_RECIPIENTS

    def read(self, wire: Mapping[str, Any]) -> dict[str, Any]:
        """The values by their names in `Email`."""
        values: dict[str, Any] = {}
        if wire.get("to") is not None and (text(wire, "toEmail") or text(wire, "toName")):
            self._findings.add("to", "To and toEmail are the same field; give one of them")
        first = text(wire, "toEmail")
        if first and is_address(first):
            self._is_second(first)
        if wire.get("to") is None:
            self._left -= 1
        for name, attribute in LISTS.items():
            values[attribute] = self._mailboxes(wire, name)
        if wire.get("to") is not None:
            if not values["also_to"]:
                self._findings.add("to", "To email is required")
                return values
            to, *others = values["also_to"]
            values |= {"to_email": to.email, "to_name": to.name, "also_to": tuple(others)}
        return values

    def _mailboxes(self, wire: Mapping[str, Any], name: str) -> tuple[Mailbox, ...]:
        if wire.get(name) is None:
            return ()
        label = LABELS[name]
        most = self._findings.most_of(
            array(wire, name), name, MOST_RECIPIENTS, f"{label} has more than {{}} entries"
        )
        recipients = name != "replyTo"
        if recipients:
            most = self._as_many_as_are_left(most)
        return tuple(
            self._mailbox(value, label, f"{name}.{place}", once=recipients)
            for place, value in enumerate(most)
        )

    def _as_many_as_are_left(self, given: Sequence[object]) -> Sequence[object]:
        """Those of the recipients that an email may still have: no other is looked at."""
        if len(given) > self._left:
            self._findings.add("to", f"There are more than {MOST_RECIPIENTS} recipients")
            given = given[: self._left]
        self._left -= len(given)
        return given

    def _mailbox(self, value: object, label: str, where: str, *, once: bool) -> Mailbox:
        one = self._findings.fields(value, {"email", "name"}, where)
        address, name = text(one, "email", where), text(one, "name", where)
        if fault := address_fault(f"{label} email", address, self._ascii_only):
            self._findings.add(f"{where}.email", fault)
        elif once and self._is_second(address):
            self._findings.add(f"{where}.email", f"{label} email is there twice")
        if fault := self._name_fault(f"{label} name", name):
            self._findings.add(f"{where}.name", fault)
        return Mailbox(one_form(address), name)

    def _is_second(self, address: str) -> bool:
        """Whether the mailbox is there already, however it is written; it is from now."""
        same = sameness(one_form(address))
        if same in self._seen:
            return True
        self._seen.add(same)
        return False
