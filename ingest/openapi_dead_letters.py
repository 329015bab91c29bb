"""What `/openapi.json` says of the routes for dead letters. Pure."""

from typing import Any

from ingest import answers
from ingest.schemas import (
    BASE_ERROR,
    FIELD_ERRORS,
    ID,
    RETRY_AFTER,
    Schema,
    array,
    base,
    described,
    maybe,
    shape,
)

_TEXT: Schema = {"type": "string"}
_TIME: Schema = {"type": "string", "format": "date-time"}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_FLAG: Schema = {"type": "boolean"}
_AGE: Schema = {"type": "number", "minimum": 0}

_ITEM: Schema = {
    "id": {**_TEXT, "description": "The `messageId` that the send was answered with."},
    "reason": _TEXT,
    "code": maybe(_TEXT),
    "provider": {**maybe(_TEXT), "description": "Who tried it last."},
    "attempts": {**maybe(_COUNT), "description": "How often it had been received."},
    "buriedAt": _TIME,
}
LETTERS: Schema = shape(
    {
        "groups": array(
            shape({"reason": _TEXT, "code": maybe(_TEXT), "count": _COUNT, "oldest": _TIME})
        ),
        "items": array(shape(_ITEM)),
        "count": {**_COUNT, "description": "Those that the filter means, of those looked at."},
        "looked": _COUNT,
        "complete": {**_FLAG, "description": "Whether all were looked at that nobody held."},
    }
)
LETTER: Schema = shape(
    {
        **_ITEM,
        "detail": maybe(_TEXT),
        "queue": {**maybe(_TEXT), "description": "The queue it came from."},
        "queueMessageId": _TEXT,
        "bytes": _COUNT,
        "from": maybe(_TEXT),
        "to": maybe(_TEXT),
        "subject": maybe(_TEXT),
        "status": {**maybe(_TEXT), "description": "What the ledger knows of it."},
    }
)
REDRIVEN: Schema = shape(
    {
        "redriven": array(_TEXT),
        "kept": array(shape({"id": _TEXT, "why": _TEXT})),
        "undeleted": {
            **array(_TEXT),
            "description": "Of those redriven: the dead letter shows again.",
        },
        "dryRun": _FLAG,
        "more": {**_FLAG, "description": "Something was redriven and more may be left: ask again."},
    }
)
FILTER: Schema = {
    "type": "object",
    "minProperties": 1,
    "properties": {
        "reason": {**_TEXT, "minLength": 1, "description": "A part of it, in whatever case."},
        "code": {**_TEXT, "minLength": 1},
        "provider": {**_TEXT, "minLength": 1},
        "olderThanSeconds": _AGE,
        "newerThanSeconds": _AGE,
    },
    "additionalProperties": False,
}
_MORE: Schema = {
    "rate": {"type": "number", "minimum": 1, "maximum": 1_000, "default": 10},
    "dryRun": {**_FLAG, "default": False},
    "force": {**_FLAG, "default": False},
}


def _wish(name: str, schema: Schema) -> Schema:
    return {
        "type": "object",
        "properties": {name: schema, **_MORE},
        "required": [name],
        "additionalProperties": False,
    }


WISH: Schema = {
    "oneOf": [
        _wish("id", {**_TEXT, "minLength": 1}),
        _wish("filter", FILTER),
        _wish("all", {"const": True}),
    ]
}

_AN_ITEM = {
    "id": ID,
    "reason": "refused",
    "code": "400",
    "provider": "ses",
    "attempts": 2,
    "buriedAt": "2026-01-31T12:00:00Z",
}
_UNAVAILABLE = described(
    "The dead-letter queue does not answer just now, or three requests wait for it already.",
    BASE_ERROR,
    {
        "unavailable": base("The dead-letter queue does not answer just now"),
        "busy": base("Too many requests wait for the dead letters just now"),
    },
    headers=RETRY_AFTER,
)
_NOT_THERE = described(
    "No dead letter that could be looked at has this id.",
    BASE_ERROR,
    {"unknown": base("There is no dead letter with this id, or somebody else is looking at it")},
)


def _faults(**sentences: str) -> Schema:
    return described(
        "A sentence for each part at fault.",
        FIELD_ERRORS,
        {"invalid": {"errors": sentences}},
    )


def _route(name: str, summary: str, responses: dict[int | str, Schema], **extra: Any) -> Schema:
    return {
        "operation_id": name,
        "summary": summary,
        "responses": {**responses, 503: _UNAVAILABLE},
        "openapi_extra": extra,
    }


def _query(name: str, schema: Schema) -> Schema:
    # A parameter without a value counts as left out.
    return {"name": name, "in": "query", "allowEmptyValue": True, "schema": schema}


def _in_a_query(schema: Schema) -> Schema:
    """An age is given in whole seconds there."""
    whole = {"type": "integer", "minimum": 0, "maximum": 999_999_999}
    return whole if schema is _AGE else schema


LETTERS_ROUTE = _route(
    "listDeadLetters",
    "Dead letters by reason and code",
    {
        200: described(
            "Those of the first 500 that could be looked at. Nobody else sees them meanwhile.",
            LETTERS,
            {
                "one": {
                    "groups": [
                        {
                            "reason": "refused",
                            "code": "400",
                            "count": 1,
                            "oldest": "2026-01-31T12:00:00Z",
                        }
                    ],
                    "items": [_AN_ITEM],
                    "count": 1,
                    "looked": 1,
                    "complete": True,
                }
            },
        ),
        422: _faults(limit="limit is not a whole number from 1 to 100"),
    },
    parameters=[
        *(_query(name, _in_a_query(schema)) for name, schema in FILTER["properties"].items()),
        _query("limit", {"type": "integer", "minimum": 1, "maximum": 100, "default": 50}),
    ],
)
LETTER_ROUTE = _route(
    "getDeadLetter",
    "One dead letter",
    {
        200: described(
            "The dead letter, with its addresses.",
            LETTER,
            {
                "refused": {
                    **_AN_ITEM,
                    "detail": "Address on hold",
                    "queue": "https://sqs.eu-west-1.amazonaws.com/000000000000/emails-1",
                    "queueMessageId": "0f1e2d3c-example",
                    "bytes": 311,
                    "from": "shop@example.com",
                    "to": "ada@example.com",
                    "subject": "Your order",
                    "status": "refused",
                }
            },
        ),
        404: _NOT_THERE,
    },
    parameters=[{"name": "id", "in": "path", "required": True, "schema": _TEXT}],
)
REDRIVE_ROUTE = _route(
    "redriveDeadLetters",
    "Put dead letters on the queues again",
    {
        200: described(
            "What was done: at most 100, at the rate asked for; nothing is begun after 20 seconds.",
            REDRIVEN,
            {
                "one": {
                    "redriven": [ID],
                    "kept": [],
                    "undeleted": [],
                    "dryRun": False,
                    "more": False,
                }
            },
        ),
        400: described(
            "No JSON object, or a key is there twice.",
            BASE_ERROR,
            {"unreadable": base(answers.NOT_JSON), "twice": base(answers.twice("dryRun"))},
        ),
        404: _NOT_THERE,
        422: _faults(base="give one of id, filter and all"),
    },
    requestBody={
        "required": True,
        "content": {
            "application/json": {
                "schema": WISH,
                "examples": {
                    "one": {"value": {"id": ID}},
                    "some": {"value": {"filter": {"code": "400"}, "rate": 5}},
                    "all": {"value": {"all": True, "dryRun": True}},
                },
            }
        },
    },
)
