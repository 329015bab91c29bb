"""What `/openapi.json` says, written by hand because the routes read and write bytes. Pure.

Tests validate real answers against these schemas and compare the fields with `gomail.email`.
"""

from gomail.email import HEADER_LIMIT
from ingest import answers
from ingest.schemas import (
    BASE_ERROR,
    FIELD_ERRORS,
    ID,
    RETRY_AFTER,
    Responses,
    Schema,
    base,
    described,
    shape,
)

_ADDRESS: Schema = {"type": "string", "format": "email", "minLength": 1, "maxLength": 254}
_HEADER: Schema = {
    "type": ["string", "null"],
    "description": f"One line, at most {HEADER_LIMIT} bytes in UTF-8.",
}

EMAIL: Schema = {
    "type": "object",
    "properties": {
        "fromEmail": {**_ADDRESS, "description": "Address of the sender."},
        "fromName": _HEADER,
        "toEmail": {**_ADDRESS, "description": "Address of the recipient."},
        "toName": _HEADER,
        "subject": _HEADER,
        "body": {"type": "string", "minLength": 1, "description": "Plain text."},
    },
    "required": ["fromEmail", "toEmail", "body"],
    "additionalProperties": False,
}

_MINIMAL = {
    "fromEmail": "shop@example.com",
    "toEmail": "ada@example.com",
    "body": "It is on its way.",
}
_FULL = {
    **_MINIMAL,
    "fromName": "Example Shop",
    "toName": "Ada Example",
    "subject": "Your order",
}

SEND_REQUEST: Schema = {
    "parameters": [
        {
            "name": "Idempotency-Key",
            "in": "header",
            "required": False,
            "description": "Makes a request that is sent again count once, for 24 hours: it gets "
            "the first answer.",
            "schema": {
                "type": "string",
                "minLength": 1,
                "maxLength": 256,
                "pattern": "^[ -~]+$",
            },
        }
    ],
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "properties": {"email": EMAIL},
                    "required": ["email"],
                },
                "examples": {
                    "full": {"summary": "Every field", "value": {"email": _FULL}},
                    "minimal": {"summary": "What is required", "value": {"email": _MINIMAL}},
                },
            }
        },
    },
}

_QUEUES: Schema = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {"name": {"type": "string"}, "reachable": {"type": "boolean"}},
        "required": ["name", "reachable"],
        "additionalProperties": False,
    },
}
SEND_RESPONSES: Responses = {
    200: described(
        "A queue has confirmed the email.",
        shape({"messageId": {"type": "string", "format": "uuid"}}),
        {"queued": {"messageId": ID}},
        headers={
            "Idempotent-Replayed": {
                "description": "This is the answer to an earlier request with the same key.",
                "schema": {"type": "string", "const": "true"},
            }
        },
    ),
    400: described(
        "The request cannot be read, is too large, its body holds characters no queue carries, or "
        "its Idempotency-Key is no key.",
        BASE_ERROR,
        {
            "unreadable": base("Could not decode JSON body"),
            "characters": base("Body contains characters outside the allowed set"),
            "key": base(answers.BAD_KEY),
        },
    ),
    409: described(
        "The Idempotency-Key belongs to another request, or to one that is still under way; the "
        "latter may try again after a moment.",
        BASE_ERROR,
        {
            "another": base(answers.KEY_OF_ANOTHER),
            "under way": base(answers.KEY_IN_FLIGHT),
        },
        headers=RETRY_AFTER,
    ),
    422: described(
        "The email is not valid: a sentence for each field at fault.",
        FIELD_ERRORS,
        {
            "invalid": {
                "errors": {
                    "body": "Body is required",
                    "fromEmail": "From email is required",
                    "toEmail": "To email is not a valid email",
                }
            }
        },
    ),
    503: described(
        "No queue confirmed the email in time. With an Idempotency-Key also: the ledger, which "
        "keeps the keys, does not answer, and nothing was queued.",
        BASE_ERROR,
        {
            "unavailable": base("Service unavailable"),
            "ledger": base(answers.LEDGER_UNAVAILABLE),
            "no ledger": base(answers.NO_LEDGER),
        },
        headers=RETRY_AFTER,
    ),
}

_STATUS: Schema = {"type": "string", "const": "ok"}

LIVE_RESPONSES: Responses = {
    200: described("The process runs.", shape({"status": _STATUS}), {"live": {"status": "ok"}})
}
_LEDGER: Schema = {"type": "string", "enum": ["ok", "unavailable"]}
_READY: Schema = {
    "type": "object",
    "properties": {
        "status": {"type": "string", "enum": ["ok", "degraded"]},
        "queues": _QUEUES,
        "ledger": _LEDGER,
    },
    "required": ["status", "queues"],
    "additionalProperties": False,
}

READY_RESPONSES: Responses = {
    200: described(
        "At least one queue can be reached. `degraded`: the ledger does not answer, mail goes on.",
        _READY,
        {
            "ready": {
                "status": "ok",
                "queues": [{"name": "emails-1", "reachable": True}],
                "ledger": "ok",
            },
            "degraded": {
                "status": "degraded",
                "queues": [{"name": "emails-1", "reachable": True}],
                "ledger": "unavailable",
            },
        },
    ),
    503: described(
        "No queue can be reached.",
        shape({**BASE_ERROR["properties"], "queues": _QUEUES}),
        {
            "unreachable": {
                **base("Service unavailable"),
                "queues": [{"name": "emails-1", "reachable": False}],
            }
        },
        headers=RETRY_AFTER,
    ),
}
