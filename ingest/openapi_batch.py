"""What `/openapi.json` says of `POST /email/batch`. Pure."""

from ingest import answers
from ingest.openapi import BESIDE, EMAIL, MINIMAL, SEND_REQUEST, SEND_RESPONSES
from ingest.schemas import (
    FIELD_ERRORS,
    ID,
    RETRY_AFTER,
    Responses,
    Schema,
    array,
    base,
    described,
    shape,
)

_RESULTS: Schema = shape(
    {
        "results": array(
            {
                "oneOf": [
                    shape({"messageId": {"type": "string", "format": "uuid"}}),
                    FIELD_ERRORS,
                ]
            }
        )
    }
)
_INVALID: Schema = {"errors": {"toEmail": "To email is not a valid email"}}

BATCH_REQUEST: Schema = {
    "parameters": SEND_REQUEST["parameters"],
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "emails": {"type": "array", "minItems": 1, "maxItems": 100, "items": EMAIL},
                        "validation": {
                            "enum": ["strict", "permissive", None],
                            "default": "strict",
                            "description": "`strict`: one that is not valid keeps all of them out. "
                            "`permissive`: the others are queued.",
                        },
                    },
                    "required": ["emails"],
                    "description": BESIDE.format("`emails`"),
                },
                "examples": {
                    "strict": {"value": {"emails": [MINIMAL]}},
                    "permissive": {"value": {"emails": [MINIMAL], "validation": "permissive"}},
                },
            }
        },
    },
}
BATCH_RESPONSES: Responses = {
    200: described(
        "Every email that is valid is queued; a result for each, in order.",
        _RESULTS,
        {
            "strict": {"results": [{"messageId": ID}]},
            "permissive": {"results": [{"messageId": ID}, _INVALID]},
        },
        headers=SEND_RESPONSES[200]["headers"],
    ),
    207: described(
        "Some emails that are valid are not queued. The same request with the same Idempotency-Key "
        "may be made again: none is sent twice.",
        _RESULTS,
        {"some": {"results": [{"messageId": ID}, base(answers.UNAVAILABLE)]}},
    ),
    400: SEND_RESPONSES[400],
    409: SEND_RESPONSES[409],
    422: described(
        "Nothing is queued: a sentence for each field at fault.",
        FIELD_ERRORS,
        {"invalid": {"errors": {"emails.1.toEmail": "To email is not a valid email"}}},
    ),
    503: described(
        "Nothing is known to be queued.",
        SEND_RESPONSES[503]["content"]["application/json"]["schema"],
        {
            "unavailable": base(answers.UNAVAILABLE),
            "ledger": base(answers.LEDGER_UNAVAILABLE),
            "no ledger": base(answers.NO_LEDGER),
        },
        headers=RETRY_AFTER,
    ),
}
