"""How an email stands on the queue, and in the payload store. Pure.

A message that uses the Go service's fields only is version 1, which every dispatcher reads; one
that uses others is version 2. The Go service's bare `{"email": …}` is read as well.
"""

import json
import re
from dataclasses import replace
from hashlib import sha256
from typing import Any

import orjson

from gomail.email.model import Claim, Email, Mailbox, Message
from gomail.email.reading import PLAIN, read_stored
from gomail.email.shapes import NotAnEmail
from gomail.email.texts import has_forbidden_characters
from gomail.email.times import written

VERSION = 1
"""Of a message with the Go service's fields only."""
VERSION_MORE = 2
"""Of a message with any other field."""

Wire = dict[str, Any]

_ID = re.compile(r"[!-~]{1,100}")
_JSON = json.JSONEncoder(separators=(",", ":"))


class Unreadable(ValueError):
    """A queue message that is no email; the text is the reason for the dead-letter queue."""


def is_id(text: str) -> bool:
    """Whether a message may have this id: 1 to 100 printable ASCII characters."""
    return _ID.fullmatch(text) is not None


def encode(message: Message) -> str:
    """The message as it stands on the queue: JSON in plain ASCII, which SQS always takes."""
    fields = wire_fields(message.email)
    return _JSON.encode(
        {
            "v": VERSION if fields.keys() <= PLAIN.keys() else VERSION_MORE,
            "id": message.id,
            "acceptedAt": message.accepted_at,
            "email": fields,
        }
    )


def decode(body: str, *, queue_message_id: str) -> Message:
    """Read a queue message, ours or the Go service's bare `{"email": …}` (its id is SQS's).

    Of a key that is there twice the last counts, as in the Go service: it was accepted so.

    Raises:
        Unreadable: with the reason, for the dead-letter queue.
    """
    try:
        request = orjson.loads(body)
    except (orjson.JSONDecodeError, UnicodeEncodeError) as error:
        raise Unreadable(f"not JSON: {error}") from error
    if not isinstance(request, dict) or not isinstance(request.get("email"), dict):
        raise Unreadable("no object `email`")
    version = request.get("v", VERSION)
    if isinstance(version, bool) or version not in (VERSION, VERSION_MORE):
        raise Unreadable(f"format version {version!r} is not known to this dispatcher")
    message_id = request.get("id", queue_message_id)
    if not isinstance(message_id, str) or not is_id(message_id):
        raise Unreadable("`id` is not a string of 1 to 100 printable ASCII characters")
    return Message(message_id, _email(request), _string(request.get("acceptedAt")))


def wire_fields(email: Email) -> Wire:
    """The fields by their names on the wire, without the empty ones."""
    fields: Wire = {wire: value for wire, name in PLAIN.items() if (value := getattr(email, name))}
    if email.also_to:
        del fields["toEmail"]
        fields.pop("toName", None)
        fields["to"] = _people(email.to)
    if not _has_more(email):
        return fields
    more = {
        "html": email.html,
        "cc": _people(email.cc),
        "bcc": _people(email.bcc),
        "replyTo": _people(email.reply_to),
        "headers": dict(email.headers),
        "attachments": _attachments(email),
        "tags": list(email.tags),
        "metadata": dict(email.metadata),
        "listUnsubscribe": _unsubscribe(email),
        "sendAt": written(email.send_at),
        "expiresAt": written(email.expires_at),
        "onUnknown": email.on_unknown,
        "provider": _provider(email),
        "claim": _claim(email.claim),
    }
    return fields | {name: value for name, value in more.items() if value}


def pack(email: Email, key: str) -> tuple[Email, bytes]:
    """Divide an email: what stays on the queue, with its claim, and what is stored under `key`."""
    contents = [one.content for one in email.attachments]
    data = orjson.dumps({"body": email.body, "html": email.html, "contents": contents})
    light = replace(
        email,
        body="",
        html="",
        attachments=tuple(replace(one, content="") for one in email.attachments),
        claim=Claim(key, sha256(data).hexdigest(), len(data)),
    )
    return light, data


def unpack(light: Email, data: bytes) -> Email:
    """Put an email together again.

    Raises:
        Unreadable: `data` is not what was stored with it.
    """
    if light.claim is None or sha256(data).hexdigest() != light.claim.sha256:
        raise Unreadable("the payload is not the one that was stored with the message")
    try:
        parts = orjson.loads(data)
        texts = [parts["body"], parts["html"], *parts["contents"]]
        whole = replace(
            light,
            body=parts["body"],
            html=parts["html"],
            attachments=tuple(
                replace(one, content=content)
                for one, content in zip(light.attachments, parts["contents"], strict=True)
            ),
            claim=None,
        )
    except (ValueError, KeyError, TypeError) as error:
        raise Unreadable(f"the payload has not the form of one: {type(error).__name__}") from error
    if not isinstance(parts["contents"], list) or not all(isinstance(one, str) for one in texts):
        raise Unreadable("the payload has not the form of one: a text is missing")
    return whole


def _email(request: Wire) -> Email:
    wire = request["email"]
    if "v" not in request:  # the Go service enqueued whatever else it was given, and ignored it
        wire = {key: value for key, value in wire.items() if key in PLAIN}
    try:
        email = read_stored(wire)
    except NotAnEmail as error:
        raise Unreadable(str(error)) from error
    if isinstance(email, Email):
        if has_forbidden_characters(email.body):
            raise Unreadable("body contains characters outside the allowed set")
        return email
    raise Unreadable("; ".join(f"{field}: {fault}" for field, fault in email.items()))


def _has_more(email: Email) -> bool:
    return bool(
        email.html
        or email.cc
        or email.bcc
        or email.reply_to
        or email.headers
        or email.attachments
        or email.tags
        or email.metadata
        or email.list_unsubscribe
        or email.send_at
        or email.expires_at
        or email.on_unknown
        or email.only
        or email.exclude
        or email.claim
    )


def _people(mailboxes: tuple[Mailbox, ...]) -> list[Wire]:
    return [
        {"email": one.email, "name": one.name} if one.name else {"email": one.email}
        for one in mailboxes
    ]


def _attachments(email: Email) -> list[Wire]:
    stored = email.claim is not None
    return [
        {"filename": one.filename, "contentType": one.content_type}
        | ({"contentId": one.content_id} if one.content_id else {})
        | ({"size": one.size} if stored else {"content": one.content})
        for one in email.attachments
    ]


def _unsubscribe(email: Email) -> Wire:
    given = email.list_unsubscribe
    if given is None:
        return {}
    return {"url": given.url} | ({"mailto": given.mailto} if given.mailto else {})


def _provider(email: Email) -> Wire:
    wishes = {"only": list(email.only), "exclude": list(email.exclude)}
    return {name: names for name, names in wishes.items() if names}


def _claim(claim: Claim | None) -> Wire:
    return {"key": claim.key, "sha256": claim.sha256, "size": claim.size} if claim else {}


def _string(value: object) -> str:
    return value if isinstance(value, str) else ""
