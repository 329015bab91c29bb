"""What `/openapi.json` says, written by hand because the routes read and write bytes. Pure.

Tests validate real answers against these schemas and compare the fields with `gomail.email`.
"""

from typing import Any

from gomail.email import HEADER_LIMIT

Schema = dict[str, Any]
Responses = dict[int | str, Schema]

_ID = "019f3c5e-7a1b-7c2d-8e3f-4a5b6c7d8e9f"

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
    }
}

_BASE_ERROR: Schema = {
    "type": "object",
    "properties": {
        "errors": {
            "type": "object",
            "properties": {"base": {"type": "string"}},
            "required": ["base"],
            "additionalProperties": False,
        }
    },
    "required": ["errors"],
    "additionalProperties": False,
}
_FIELD_ERRORS: Schema = {
    "type": "object",
    "properties": {
        "errors": {
            "type": "object",
            "minProperties": 1,
            "additionalProperties": {"type": "string"},
        }
    },
    "required": ["errors"],
    "additionalProperties": False,
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
_RETRY_AFTER: Schema = {
    "Retry-After": {
        "description": "Seconds to wait before trying again.",
        "schema": {"type": "integer", "minimum": 1},
    }
}


def _answer(description: str, schema: Schema, examples: Schema, **more: Any) -> Schema:
    named = {name: {"value": value} for name, value in examples.items()}
    content = {"application/json": {"schema": schema, "examples": named}}
    return {"description": description, "content": content, **more}


def _base(sentence: str) -> Schema:
    return {"errors": {"base": sentence}}


def _object(properties: Schema) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


SEND_RESPONSES: Responses = {
    200: _answer(
        "A queue has confirmed the email.",
        _object({"messageId": {"type": "string", "format": "uuid"}}),
        {"queued": {"messageId": _ID}},
    ),
    400: _answer(
        "The request cannot be read, is too large, or its body holds characters no queue carries.",
        _BASE_ERROR,
        {
            "unreadable": _base("Could not decode JSON body"),
            "characters": _base("Body contains characters outside the allowed set"),
        },
    ),
    422: _answer(
        "The email is not valid: a sentence for each field at fault.",
        _FIELD_ERRORS,
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
    503: _answer(
        "No queue confirmed the email in time.",
        _BASE_ERROR,
        {"unavailable": _base("Service unavailable")},
        headers=_RETRY_AFTER,
    ),
}

_STATUS: Schema = {"type": "string", "const": "ok"}

LIVE_RESPONSES: Responses = {
    200: _answer("The process runs.", _object({"status": _STATUS}), {"live": {"status": "ok"}})
}
READY_RESPONSES: Responses = {
    200: _answer(
        "At least one queue can be reached.",
        _object({"status": _STATUS, "queues": _QUEUES}),
        {"ready": {"status": "ok", "queues": [{"name": "emails-1", "reachable": True}]}},
    ),
    503: _answer(
        "No queue can be reached.",
        _object({**_BASE_ERROR["properties"], "queues": _QUEUES}),
        {
            "unreachable": {
                **_base("Service unavailable"),
                "queues": [{"name": "emails-1", "reachable": False}],
            }
        },
        headers=_RETRY_AFTER,
    ),
}
