"""What an email is, what makes one valid, and how it is written on the queue. Pure.

The sentences are the HTTP contract's and are also the reasons under which the dispatcher
dead-letters what no API has checked. An address that passes the fast pattern is one the full
validator would accept unchanged (a property test holds that); only others pay for the validator
(25 µs against 1).
"""

import json
import re
from collections.abc import Mapping
from typing import Any, cast

import orjson
from email_validator import EmailNotValidError, validate_email
from email_validator.types import ValidatedEmail

from gomail.email.model import Email, Message

VERSION = 1

Faults = dict[str, str]
"""What is wrong with an email: a sentence for each field at fault."""

_FIELDS = {
    "fromEmail": "from_email",
    "fromName": "from_name",
    "toEmail": "to_email",
    "toName": "to_name",
    "subject": "subject",
    "body": "body",
}
_LABELS = {
    "fromEmail": "From email",
    "fromName": "From name",
    "toEmail": "To email",
    "toName": "To name",
    "subject": "Subject",
    "body": "Body",
}
# The longest header value SES takes; a name or subject beyond it could not be sent by anybody.
HEADER_LIMIT = 995

# C0, DEL, C1, line and paragraph separators and the two non-characters: in a header each can end
# the line or be cut by the next relay. Lone surrogates cannot be encoded at all.
_HEADER_FORBIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ufffe\uffff\ud800-\udfff]")
# What SQS refuses in a message (its SendMessage reference): everything below space but TAB, LF and
# CR, surrogates and the two non-characters.
_BODY_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"(?!.{2}--)[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_PLAIN_ADDRESS = re.compile(
    rf"(?=.{{1,254}}\Z)(?=[^@]{{1,64}}@){_ATOM}(?:\.{_ATOM})*@(?:{_LABEL}\.)+(?!(?:test|local|invalid|"
    r"localhost|onion|arpa|alt|internal)\Z)[a-z]{2,63}\Z"
)


def wire_fields(email: Email) -> dict[str, str]:
    """The fields by their names on the wire, without the empty ones."""
    return {wire: value for wire, name in _FIELDS.items() if (value := getattr(email, name))}


class NotAnEmail(ValueError):
    """The JSON has not the shape of a request: a wrong type somewhere."""


def read(request: object) -> Email | Faults:
    """Turn decoded JSON `{"email": {…}}` into an email, or say all that is wrong with it.

    Raises:
        NotAnEmail: the request, `email` or one of its fields has the wrong JSON type.
    """
    given = {} if request is None else request
    if not isinstance(given, dict):
        raise NotAnEmail("not an object")
    wire = cast("dict[str, Any]", given).get("email")
    wire = {} if wire is None else wire
    if not isinstance(wire, dict):
        raise NotAnEmail("email is not an object")
    values = {name: _text(wire.get(name), name) for name in _FIELDS}
    faults = _faults(values) | {
        name: f"{name} is not a field of an email" for name in wire if name not in _FIELDS
    }
    return faults or Email(**{_FIELDS[name]: value for name, value in values.items()})


def has_forbidden_characters(body: str) -> bool:
    """Whether the body holds a character that SQS would refuse."""
    return _BODY_FORBIDDEN.search(body) is not None


def ascii_address(address: str) -> str:
    """The address as providers take it: an internationalised domain in Punycode."""
    if address.isascii():
        return address
    return cast("str", _validated(address).ascii_email)


def _text(value: object, name: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise NotAnEmail(f"email.{name} is not a string")
    return value


def _faults(values: Mapping[str, str]) -> Faults:
    faults: Faults = {}
    for name, value in values.items():
        if fault := _fault(name, value):
            faults[name] = fault
    return faults


def _fault(name: str, value: str) -> str | None:
    label = _LABELS[name]
    if name == "body":
        return None if value else f"{label} is required"
    if name in {"fromEmail", "toEmail"}:
        if not value:
            return f"{label} is required"
        return None if _is_address(value) else f"{label} is not a valid email"
    if _HEADER_FORBIDDEN.search(value):
        return f"{label} contains a line break or another control character"
    if len(value.encode()) > HEADER_LIMIT:
        return f"{label} is longer than {HEADER_LIMIT} bytes"
    return None


def _is_address(value: str) -> bool:
    if _PLAIN_ADDRESS.match(value):
        return True
    try:
        _validated(value)
    except EmailNotValidError:
        return False
    return True


def _validated(value: str) -> ValidatedEmail:
    return validate_email(value, check_deliverability=False, allow_smtputf8=False, strict=True)


class Unreadable(ValueError):
    """A queue message that is no email; the text is the reason for the dead-letter queue."""


def encode(message: Message) -> str:
    """The message as it stands on the queue: JSON in plain ASCII, which SQS always takes."""
    return json.dumps(
        {
            "v": VERSION,
            "id": message.id,
            "acceptedAt": message.accepted_at,
            "email": wire_fields(message.email),
        },
        separators=(",", ":"),
    )


def decode(body: str, *, queue_message_id: str) -> Message:
    """Read a queue message, ours or the Go service's bare `{"email": …}` (its id is SQS's).

    Raises:
        Unreadable: with the reason, for the dead-letter queue.
    """
    try:
        request = orjson.loads(body)
    except (orjson.JSONDecodeError, UnicodeEncodeError) as error:
        raise Unreadable(f"not JSON: {error}") from error
    if not isinstance(request, dict) or not isinstance(request.get("email"), dict):
        raise Unreadable("no object `email`")
    if (version := request.get("v", VERSION)) != VERSION:
        raise Unreadable(f"format version {version!r} is not known to this dispatcher")
    message_id = request.get("id", queue_message_id)
    if not isinstance(message_id, str) or not re.fullmatch(r"[!-~]{1,100}", message_id):
        raise Unreadable("`id` is not a string of 1 to 100 printable ASCII characters")
    return Message(message_id, _email(request), _string(request.get("acceptedAt")))


def _email(request: dict[str, Any]) -> Email:
    if "v" not in request:  # the Go service enqueued whatever else it was given, and ignored it
        request = {
            "email": {key: value for key, value in request["email"].items() if key in _FIELDS}
        }
    try:
        email = read(request)
    except NotAnEmail as error:
        raise Unreadable(str(error)) from error
    if isinstance(email, Email):
        if has_forbidden_characters(email.body):
            raise Unreadable("body contains characters outside the allowed set")
        return email
    raise Unreadable("; ".join(f"{field}: {fault}" for field, fault in email.items()))


def _string(value: object) -> str:
    return value if isinstance(value, str) else ""
