"""From JSON to an email, or all that is wrong with it. Pure.

The sentences are the HTTP contract's and are also the reasons under which the dispatcher
dead-letters what no API has checked.
"""

from collections.abc import Callable, Mapping
from typing import Any

from gomail.email.addresses import address_fault, one_form
from gomail.email.model import Email
from gomail.email.more import MORE, More
from gomail.email.shapes import NotAnEmail, text
from gomail.email.texts import fault_in_line, fault_in_name

Faults = dict[str, str]
"""What is wrong with an email: a sentence for each field at fault; dotted names within lists."""

PLAIN = {
    "fromEmail": "from_email",
    "fromName": "from_name",
    "toEmail": "to_email",
    "toName": "to_name",
    "subject": "subject",
    "body": "body",
}
"""The fields of the Go service: name on the wire and in `Email`."""

ATTACHMENT_BYTES = 10 * 1_048_576
"""Of all attachments of an email together, decoded, where nobody says otherwise."""


def read(
    request: object,
    *,
    now_ms: int | None = None,
    max_attachment_bytes: int = ATTACHMENT_BYTES,
    ascii_only: str = "",
) -> Email | Faults:
    """Turn decoded JSON `{"email": {…}}` into an email, or say all that is wrong with it.

    Args:
        request: what the client or the queue gave.
        now_ms: milliseconds since the epoch, for the rules on times; None leaves those out.
        max_attachment_bytes: of all attachments together, decoded.
        ascii_only: why addresses have to be ASCII before the @, as the end of the sentence that
            refuses one; empty where they need not.

    Raises:
        NotAnEmail: the request, `email` or one of its fields has the wrong JSON type.
    """
    given = {} if request is None else request
    if not isinstance(given, dict):
        raise NotAnEmail("not an object")
    wire: Any = given.get("email")
    if wire is None:
        wire = {}
    if not isinstance(wire, dict):
        raise NotAnEmail("email is not an object")
    if wire.keys() <= PLAIN.keys():
        return _plain(wire, ascii_only, _RULES)
    more = More(
        now_ms=now_ms,
        max_attachment_bytes=max_attachment_bytes,
        stored=False,
        ascii_only=ascii_only,
    )
    return _with_more(wire, more, ascii_only, _RULES)


def read_stored(wire: Mapping[str, Any]) -> Email | Faults:
    """Turn the `email` of a queue message into an email: also one whose large parts are elsewhere.

    Somebody has accepted it, an earlier version of ours or the Go service; it has to be fit to be
    sent, not to be taken today.

    Raises:
        NotAnEmail: one of its fields has the wrong JSON type.
    """
    if wire.keys() <= PLAIN.keys():
        return _plain(wire, "", _STORED_RULES)
    more = More(now_ms=None, max_attachment_bytes=None, stored=True)
    return _with_more(wire, more, "", _STORED_RULES)


def _plain(wire: Mapping[str, Any], ascii_only: str, rules: "_Rules") -> Email | Faults:
    get = wire.get
    values = {
        name: value if isinstance(value := get(name, ""), str) else text(wire, name)
        for name in PLAIN
    }
    sender, reader = values["fromEmail"], values["toEmail"]
    return _faults(values, ascii_only, rules) or Email(
        sender if sender.isascii() else one_form(sender),
        reader if reader.isascii() else one_form(reader),
        values["body"],
        values["fromName"],
        values["toName"],
        values["subject"],
    )


def _with_more(
    wire: Mapping[str, Any], more: More, ascii_only: str, rules: "_Rules"
) -> Email | Faults:
    values = more.read(wire)
    plain = {name: text(wire, name) for name in PLAIN}
    faults = _faults(plain, ascii_only, rules)
    if wire.get("to") is not None:  # it took the place of `toEmail`
        faults.pop("toEmail", None)
    if values.get("body") or values.get("html") or values.get("claim"):
        faults.pop("body", None)
    faults |= more.faults
    known = PLAIN.keys() | MORE
    faults |= {name: f"{name} is not a field of an email" for name in wire if name not in known}
    if faults:
        return faults
    old: dict[str, Any] = {PLAIN[name]: value for name, value in plain.items()}
    old |= {name: one_form(old[name]) for name in ("from_email", "to_email")}
    return Email(**old | values)


def _body_fault(label: str, value: str) -> str | None:
    return None if value else f"{label} is required"


_ADDRESSES = {"fromEmail": "From email", "toEmail": "To email"}
_Rules = Mapping[str, tuple[Callable[[str, str], str | None], str]]
_STORED_RULES: _Rules = {
    "fromName": (fault_in_line, "From name"),
    "toName": (fault_in_line, "To name"),
    "subject": (fault_in_line, "Subject"),
    "body": (_body_fault, "Body"),
}
_RULES: _Rules = {
    **_STORED_RULES,
    "fromName": (fault_in_name, "From name"),
    "toName": (fault_in_name, "To name"),
}


def _faults(values: Mapping[str, str], ascii_only: str, rules: _Rules) -> Faults:
    faults: Faults = {}
    for name, label in _ADDRESSES.items():
        if fault := address_fault(label, values[name], ascii_only):
            faults[name] = fault
    for name, (rule, label) in rules.items():
        if fault := rule(label, values[name]):
            faults[name] = fault
    return faults
