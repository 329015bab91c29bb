"""What `/openapi.json` says, written by hand because the routes read and write bytes. Pure.

Tests validate real answers against these schemas and compare the fields with `gomail.email`.
"""

from gomail.email import HEADER_LIMIT, MOST_ATTACHMENTS
from gomail.email.more import MOST_HEADERS, MOST_METADATA, MOST_PROVIDERS, MOST_TAGS
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

_ADDRESS: Schema = {"type": "string", "format": "idn-email", "minLength": 1, "maxLength": 254}
_HEADER: Schema = {
    "type": ["string", "null"],
    "description": f"One line, at most {HEADER_LIMIT} bytes in UTF-8.",
}
_NO_DIRECTIONS = "No embeddings, overrides or isolates of writing direction."
_NAME: Schema = {**_HEADER, "description": f"{_HEADER['description']} {_NO_DIRECTIONS}"}

_TEXT: Schema = {"type": ["string", "null"]}
_TIME: Schema = {"type": ["string", "null"], "format": "date-time"}
_ATTACHMENT: Schema = {
    "type": "object",
    "properties": {
        "filename": {"type": "string", "minLength": 1, "description": _NO_DIRECTIONS},
        "content": {"type": "string", "contentEncoding": "base64"},
        "contentType": {**_TEXT, "description": "By the ending of the filename if left out."},
        "contentId": {**_TEXT, "description": "Shows it inline where the HTML says `cid:`."},
    },
    "required": ["filename", "content"],
    "additionalProperties": False,
}


def _mailboxes(description: str) -> Schema:
    one = {
        "type": "object",
        "properties": {"email": _ADDRESS, "name": _NAME},
        "required": ["email"],
        "additionalProperties": False,
    }
    return {"type": ["array", "null"], "maxItems": 50, "items": one, "description": description}


def _providers(description: str) -> Schema:
    return {
        "type": ["array", "null"],
        "maxItems": MOST_PROVIDERS,
        "uniqueItems": True,
        "items": {"type": "string", "pattern": "^[A-Za-z][A-Za-z0-9_-]{0,39}$"},
        "description": description,
    }


EMAIL: Schema = {
    "type": "object",
    "properties": {
        "fromEmail": {**_ADDRESS, "description": "Address of the sender."},
        "fromName": _NAME,
        "toEmail": {**_ADDRESS, "description": "Address of the recipient."},
        "toName": _NAME,
        "subject": _HEADER,
        "body": {**_TEXT, "description": "Plain text; required where there is no `html`."},
        "text": {**_TEXT, "description": "Another name for `body`; give one of them."},
        "html": _TEXT,
        "to": {**_mailboxes("Recipients, in place of `toEmail`."), "minItems": 1},
        "cc": _mailboxes("More recipients. To, cc and bcc: 50 together, each once."),
        "bcc": _mailboxes("Recipients whom the others do not see."),
        "replyTo": _mailboxes("Where answers go."),
        "headers": {
            "type": ["object", "null"],
            "maxProperties": MOST_HEADERS,
            "additionalProperties": {"type": "string"},
            "description": "Headers of your own; those that other fields write are refused.",
        },
        "attachments": {
            "type": ["array", "null"],
            "maxItems": MOST_ATTACHMENTS,
            "items": _ATTACHMENT,
            "description": "Together at most `ingest.max_attachment_bytes`.",
        },
        "tags": {
            "type": ["array", "null"],
            "maxItems": MOST_TAGS,
            "uniqueItems": True,
            "items": {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"},
            "description": "Words by which you group your mail; providers get them.",
        },
        "metadata": {
            "type": ["object", "null"],
            "maxProperties": MOST_METADATA,
            "additionalProperties": {"type": "string"},
            "description": "Given back by `GET /email/{id}`; never sent.",
        },
        "listUnsubscribe": {
            "type": ["object", "null"],
            "properties": {
                "url": {"type": "string", "pattern": "^https://"},
                "mailto": {"type": ["string", "null"]},
            },
            "required": ["url"],
            "additionalProperties": False,
            "description": "One-click unsubscription (RFC 8058).",
        },
        "sendAt": {**_TIME, "description": "Not to be sent before; at most 30 days ahead."},
        "expiresAt": {**_TIME, "description": "Not to be sent after."},
        "onUnknown": {
            "enum": ["retry", "dead-letter", None],
            "description": "After an attempt whose outcome nobody knows: `retry` (it may arrive "
            "twice) or `dead-letter` (it may not arrive).",
        },
        "provider": {
            "type": ["object", "null"],
            "properties": {
                "only": {
                    **_providers("The providers it may go to; all if left out."),
                    "minItems": 1,
                },
                "exclude": _providers("Providers it may not go to."),
            },
            "additionalProperties": False,
            "description": "Which of the configured providers it may go to, by their names.",
        },
    },
    "required": ["fromEmail"],
    "additionalProperties": False,
}

MINIMAL = {
    "fromEmail": "shop@example.com",
    "toEmail": "ada@example.com",
    "body": "It is on its way.",
}
_FULL = {
    **MINIMAL,
    "fromName": "Example Shop",
    "toName": "Ada Example",
    "subject": "Your order",
}

BESIDE = (
    "A field of an email that stands beside {} and not inside is a 422; what else does is ignored."
)

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
                    "description": BESIDE.format("it"),
                },
                "examples": {
                    "full": {"summary": "Every field", "value": {"email": _FULL}},
                    "minimal": {"summary": "What is required", "value": {"email": MINIMAL}},
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
        "The request cannot be read, has a key twice, is too large, its body holds characters no "
        "queue carries, or its Idempotency-Key is no key.",
        BASE_ERROR,
        {
            "unreadable": base("Could not decode JSON body"),
            "twice": base(answers.twice("body")),
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
        "The email is not valid: a sentence for each field at fault. Or no configured provider can "
        "carry it: why, at the field that stands in the way, and at `provider` where each has its "
        "own reason.",
        FIELD_ERRORS,
        {
            "nobody can carry it": {
                "errors": {
                    "attachments.0.filename": "No configured provider can carry it "
                    "(ses: takes no .exe files)",
                }
            },
            "no such provider": {
                "errors": {
                    "provider.only": "nosuch is no configured provider; configured: sendgrid, ses",
                }
            },
            "misplaced": {"errors": {"sendAt": "sendAt belongs inside email"}},
            "invalid": {
                "errors": {
                    "body": "Body is required",
                    "fromEmail": "From email is required",
                    "toEmail": "To email is not a valid email",
                }
            },
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
