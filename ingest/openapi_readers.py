"""What `/openapi.json` says of the routes that read the ledger. Pure."""

from typing import Any

from gomail.ledger import Status
from gomail.outcome import OutcomeClass
from ingest import answers
from ingest.listing import DEFAULT, MOST, SEQUENCE
from ingest.schemas import (
    BASE_ERROR,
    FIELD_ERRORS,
    ID,
    RETRY_AFTER,
    Responses,
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
_STATUS: Schema = {
    "type": "string",
    "enum": [status.value for status in Status],
    "description": "`unknown`: a provider's answer was lost, it may have been sent.",
}
_CLASSES = [kind.value for kind in OutcomeClass]

_SUMMARY: Schema = {
    "id": _TEXT,
    "status": _STATUS,
    "queuedAt": _TIME,
    "updatedAt": _TIME,
    "from": _TEXT,
    "to": _TEXT,
    "provider": {**maybe(_TEXT), "description": "Who accepted it, or who tried it last."},
    "code": {**maybe(_TEXT), "description": "The provider's own code for its last answer."},
    "detail": {**maybe(_TEXT), "description": "One sentence for people."},
}
_ATTEMPT: Schema = shape(
    {
        "number": {"type": "integer", "minimum": 1},
        "provider": _TEXT,
        "outcome": {
            "enum": [*_CLASSES, None],
            "description": "Null while it is under way or was cut off.",
        },
        "code": maybe(_TEXT),
        "message": maybe(_TEXT),
        "providerMessageId": maybe(_TEXT),
        "startedAt": _TIME,
        "durationMs": maybe(_COUNT),
        "possibleDuplicate": {
            **_FLAG,
            "description": "An earlier attempt may have been sent already.",
        },
    }
)
EMAIL: Schema = shape(
    {
        **_SUMMARY,
        "recipients": {**array(_TEXT), "description": "Everybody it goes to, bcc too."},
        "tags": array(_TEXT),
        "metadata": {"type": "object", "additionalProperties": _TEXT},
        "sendAt": {**maybe(_TIME), "description": "When it is to be sent; null for at once."},
        "attempts": array(_ATTEMPT),
    }
)
CANCELED: Schema = shape({"messageId": _TEXT, "status": {"const": "canceled"}})
EMAILS: Schema = shape(
    {
        "emails": array(shape(_SUMMARY)),
        "nextCursor": {**maybe(_TEXT), "description": "Where the next page begins; null: the end."},
    }
)
_SENTENCE: Schema = {**_TEXT, "description": "One sentence for people."}
_MASKING: Schema = {
    **shape(
        {
            "kind": {"const": "masking"},
            "provider": _TEXT,
            "since": _TIME,
            "why": maybe(_TEXT),
            "coveredBy": array(_TEXT),
            "text": _SENTENCE,
        }
    ),
    "description": "Others have covered for an unhealthy provider for longer than "
    "`health.alert_after`.",
}
_ACCOUNT: Schema = {
    **shape(
        {
            "kind": {"const": "account"},
            "provider": _TEXT,
            "since": maybe(_TIME),
            "mend": _TEXT,
            "text": _SENTENCE,
        }
    ),
    "description": "Something of a provider's account or set-up has to be mended, whatever the "
    "email.",
}
STATS: Schema = shape(
    {
        "at": _TIME,
        "byStatus": shape({status.value: _COUNT for status in Status}),
        "byProvider": {
            "type": "object",
            "additionalProperties": shape(
                {"sent": _COUNT, "attempts": shape(dict.fromkeys(_CLASSES, _COUNT))}
            ),
        },
        "failures": shape({kind: _COUNT for kind in _CLASSES if kind != OutcomeClass.ACCEPTED}),
        "possibleDuplicates": _COUNT,
        "processes": array(
            shape(
                {
                    "owner": _TEXT,
                    "at": _TIME,
                    "providers": array(
                        shape(
                            {
                                "provider": _TEXT,
                                "healthy": _FLAG,
                                "verdict": _COUNT,
                                "failingRounds": _COUNT,
                                "goodRounds": _COUNT,
                                "inHand": _COUNT,
                                "room": _COUNT,
                                "pausedForSeconds": {"type": "number", "minimum": 0},
                                "share": {
                                    "type": "number",
                                    "minimum": 0,
                                    "maximum": 1,
                                    "description": "Its part of the mail just now.",
                                },
                                "rate": {
                                    **maybe({"type": "number", "minimum": 0}),
                                    "description": "Most recipients a second just now; null: any.",
                                },
                                "slow": {
                                    **_FLAG,
                                    "description": "It gets less: many of its sends took long.",
                                },
                                "unhealthySince": maybe(_TIME),
                                "why": {
                                    **maybe(_TEXT),
                                    "description": "What it said last that made it unhealthy.",
                                },
                                "mend": {
                                    **maybe(_TEXT),
                                    "description": "What an operator has to mend at its account.",
                                },
                                "mendSince": maybe(_TIME),
                            }
                        )
                    ),
                }
            )
        ),
        "alerts": {
            **array({"oneOf": [_MASKING, _ACCOUNT]}),
            "description": "What an operator has to look at; empty if all is well.",
        },
        "ledger": shape(
            {
                "state": {"type": "string", "enum": ["ok", "behind"]},
                "notesWaiting": _COUNT,
                "notesLost": _COUNT,
                "failedWrites": _COUNT,
            }
        ),
    }
)

# Without nulls: FastAPI leaves them out of what it writes.
_AN_EMAIL: Schema = {
    "id": ID,
    "status": "sent",
    "queuedAt": "2026-01-31T12:00:00.000Z",
    "updatedAt": "2026-01-31T12:00:00.250Z",
    "from": "shop@example.com",
    "to": "ada@example.com",
    "provider": "ses",
    "code": "200",
    "detail": "Accepted for delivery",
}
_AN_ATTEMPT: Schema = {
    "number": 1,
    "provider": "ses",
    "outcome": "accepted",
    "code": "200",
    "message": "Accepted for delivery",
    "providerMessageId": "0100018d-example",
    "startedAt": "2026-01-31T12:00:00.150Z",
    "durationMs": 100,
    "possibleDuplicate": False,
}
_SOME_STATS: Schema = {
    "at": "2026-01-31T12:00:00.000Z",
    "byStatus": {status.value: int(status is Status.SENT) for status in Status},
    "byProvider": {
        "ses": {"sent": 1, "attempts": {kind: int(kind == "accepted") for kind in _CLASSES}}
    },
    "failures": {kind: 0 for kind in _CLASSES if kind != "accepted"},
    "possibleDuplicates": 0,
    "processes": [
        {
            "owner": "mail-1:4711",
            "at": "2026-01-31T11:59:58.000Z",
            "providers": [
                {
                    "provider": "ses",
                    "healthy": True,
                    "verdict": 0,
                    "failingRounds": 0,
                    "goodRounds": 0,
                    "inHand": 3,
                    "room": 17,
                    "pausedForSeconds": 0,
                    "share": 1.0,
                    "rate": 14.0,
                    "slow": False,
                    "unhealthySince": "2026-01-31T11:48:00.000Z",
                    "why": "500 InternalFailure",
                    "mend": "Lower the bounce rate, then ask AWS to resume sending",
                    "mendSince": "2026-01-31T11:48:00.000Z",
                }
            ],
        }
    ],
    "alerts": [
        {
            "kind": "masking",
            "provider": "ses",
            "since": "2026-01-31T11:48:00.000Z",
            "why": "500 InternalFailure",
            "coveredBy": ["sendgrid"],
            "text": "ses has been unhealthy for 12 minutes (500 InternalFailure); sendgrid covers "
            "for it",
        }
    ],
    "ledger": {"state": "ok", "notesWaiting": 0, "notesLost": 0, "failedWrites": 0},
}
_SOME_EVENTS = (
    f"retry: 2000\nid: 16\n\nevent: status\nid: 17\n"
    f'data: {{"id":"{ID}","status":"sent","provider":"ses","code":"200","detail":null,"number":1,'
    f'"possibleDuplicate":false,"at":"2026-01-31T12:00:00.250Z"}}\n\n'
)

_UNAVAILABLE = described(
    "The ledger does not answer just now, or none is configured (then without `Retry-After`).",
    BASE_ERROR,
    {"ledger": base(answers.LEDGER_UNAVAILABLE), "no ledger": base(answers.NO_LEDGER)},
    headers=RETRY_AFTER,
)


def _query(name: str, description: str, schema: Schema, **more: Any) -> Schema:
    # A parameter without a value counts as left out; a list may be empty by itself.
    empty = {} if schema["type"] == "array" else {"allowEmptyValue": True}
    said = {"description": description, "schema": schema}
    return {"name": name, "in": "query", **empty, **said, **more}


def _faults(**sentences: str) -> Schema:
    return described(
        "A parameter is not valid: a sentence for each at fault.",
        FIELD_ERRORS,
        {"invalid": {"errors": sentences}},
    )


def _route(name: str, summary: str, responses: Responses, parameters: list[Schema]) -> Schema:
    return {
        "operation_id": name,
        "summary": summary,
        "responses": {**responses, 503: _UNAVAILABLE},
        "openapi_extra": {"parameters": parameters} if parameters else None,
    }


_MORE_OF_IT: Schema = {
    "recipients": ["ada@example.com"],
    "tags": ["receipt"],
    "metadata": {"order": "7"},
    "sendAt": "2026-02-01T12:00:00.000Z",
}
_ID_PARAMETER: Schema = {
    "name": "id",
    "in": "path",
    "required": True,
    "description": "The `messageId` that the send was answered with.",
    "schema": _TEXT,
}
CANCEL_ROUTE = _route(
    "cancelEmail",
    "Call back a scheduled email",
    {
        200: described(
            "It will not be sent.", CANCELED, {"canceled": {"messageId": ID, "status": "canceled"}}
        ),
        404: described(
            "No email has this id.", BASE_ERROR, {"unknown": base(answers.NO_SUCH_EMAIL)}
        ),
        409: described(
            "It has no `sendAt`, or it is being sent or has ended.",
            BASE_ERROR,
            {"too late": base(answers.TOO_LATE), "at once": base(answers.NOT_SCHEDULED)},
        ),
    },
    [_ID_PARAMETER],
)
EMAIL_ROUTE = _route(
    "getEmail",
    "What became of one email",
    {
        200: described(
            "The email.", EMAIL, {"sent": {**_AN_EMAIL, **_MORE_OF_IT, "attempts": [_AN_ATTEMPT]}}
        ),
        404: described(
            "No email has this id.", BASE_ERROR, {"unknown": base(answers.NO_SUCH_EMAIL)}
        ),
    },
    [_ID_PARAMETER],
)
EMAILS_ROUTE = _route(
    "listEmails",
    "Emails, newest first",
    {
        200: described(
            "A page.", EMAILS, {"a page": {"emails": [_AN_EMAIL], "nextCursor": "MTc2OQ"}}
        ),
        422: _faults(limit=f"limit is not a whole number from 1 to {MOST}"),
    },
    [
        _query("status", "Only emails in this state.", _STATUS),
        _query("to", "Only emails to this address, whatever its case.", _TEXT),
        _query("from", "Only emails from this address, whatever its case.", _TEXT),
        _query("provider", "Only emails that this provider accepted or tried last.", _TEXT),
        _query("since", "Only emails queued at this time or later.", _TIME),
        _query("until", "Only emails queued before this time.", _TIME),
        _query("cursor", "`nextCursor` of the page before.", _TEXT),
        _query(
            "limit",
            "Emails on a page.",
            {"type": "integer", "minimum": 1, "maximum": MOST, "default": DEFAULT},
        ),
    ],
)
STATS_ROUTE = _route(
    "getStats",
    "Counts and the state of the providers",
    {200: described("As of now.", STATS, {"one email": _SOME_STATS})},
    [],
)
EVENTS_ROUTE = _route(
    "followEvents",
    "Live changes as server-sent events",
    {
        200: {
            "description": "Events `status` and `verdict` until the client leaves. A comment every "
            "15 s shows that the line stands; a client that does not keep up is dropped.",
            "content": {
                "text/event-stream": {
                    "schema": _TEXT,
                    "examples": {"sent": {"value": _SOME_EVENTS}},
                }
            },
        },
        422: _faults(after="after is not one that this API gave out"),
    },
    [
        _query("after", "Resume after this event's id.", {**_TEXT, "pattern": f"^{SEQUENCE}$"}),
        _query(
            "id",
            f"Only changes of these emails; at most {MOST} ids.",
            array(_TEXT),
            explode=True,
        ),
        {
            "name": "Last-Event-ID",
            "in": "header",
            "description": "As `after`; browsers send it when they connect again. Empty: none.",
            "schema": {**_TEXT, "pattern": f"^({SEQUENCE})?$"},
        },
    ],
)
