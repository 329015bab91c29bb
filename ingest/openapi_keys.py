"""What `/openapi.json` says of API keys: the same of every route that the gate guards. Pure."""

from functools import partial
from typing import Any

from fastapi import FastAPI

from gomail.keys import Scope
from ingest import answers, local
from ingest.gate import needed
from ingest.schemas import BASE_ERROR, RETRY_AFTER, Schema, base, described

_SCHEME: Schema = {"type": "http", "scheme": "bearer", "description": answers.KEYS}

_SLOW = described(
    "The body came too slowly; nothing was done, and the connection is closed.",
    BASE_ERROR,
    {"slow": base(answers.TOO_SLOW)},
)


def describe(app: FastAPI) -> None:
    """Have the description of the application tell who may call what."""
    app.openapi = partial(_guarded, app.openapi)  # type: ignore[method-assign]  # FastAPI's own way


def _guarded(unguarded: Any) -> Schema:
    document: Schema = unguarded()
    document.setdefault("components", {})["securitySchemes"] = {"key": _SCHEME}
    for path, by_method in document["paths"].items():
        for method, operation in by_method.items():
            if scope := needed(method.upper(), path):
                # Or none, where no key is configured.
                operation["security"] = [{"key": [scope.value]}, {}]
                operation["responses"].update(_refusals(scope, path))
                if "requestBody" in operation:
                    operation["responses"]["408"] = _SLOW
    return document


def _refusals(scope: Scope, path: str) -> Schema:
    forbidden = {
        "scope": base(answers.lacking(scope)),
        "elsewhere": base(local.NOT_LOCAL),
        "forwarded": base(local.NOT_FORWARDED),
        "host": base(local.NOT_THIS_HOST),
        "page": base(local.NOT_THIS_PAGE),
    }
    if path.endswith("/cancel"):
        forbidden["sender"] = base(answers.NOT_FROM)
    return {
        "401": described(
            "Keys are configured and this request has none that counts.",
            BASE_ERROR,
            {"no key": base(answers.NO_KEY)},
            headers={"WWW-Authenticate": {"schema": {"const": "Bearer"}}},
        ),
        "403": described(
            "The key is not for this; or no key is configured, and the request does not come "
            "straight from this machine.",
            BASE_ERROR,
            forbidden,
        ),
        "429": described(
            "More requests than the key's rate allows.",
            BASE_ERROR,
            {"too often": base(answers.TOO_OFTEN)},
            headers=RETRY_AFTER,
        ),
    }
