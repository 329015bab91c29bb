"""What the ledger holds of an email, with defaults, as `GET /email/{id}` answers it."""

from typing import Any

QUEUED_AT = "2026-01-31T12:00:00.000Z"


def email(
    email_id: str, status: str, *attempts: dict[str, Any], provider: str | None = None, **more: Any
) -> dict[str, Any]:
    return {
        "id": email_id,
        "status": status,
        "queuedAt": QUEUED_AT,
        "updatedAt": "2026-01-31T12:00:01.000Z",
        "from": "ann@example.com",
        "to": "ben@example.com",
        "provider": provider or (attempts[-1]["provider"] if attempts else None),
        "code": attempts[-1]["code"] if attempts else None,
        "detail": attempts[-1]["message"] if attempts else None,
        "attempts": [{"number": number, **each} for number, each in enumerate(attempts, start=1)],
        **more,
    }


def attempt(
    outcome: str | None, *, provider: str = "ses", code: str | None = None, **more: Any
) -> dict[str, Any]:
    return {
        "provider": provider,
        "outcome": outcome,
        "code": code,
        "message": None,
        "providerMessageId": None,
        "startedAt": "2026-01-31T12:00:00.500Z",
        "durationMs": 120 if outcome else None,
        "possibleDuplicate": False,
        **more,
    }
