"""Every answer that is not a page: JSON as the Go service's `json.Marshal` wrote it, to the byte.

That is: no spaces, keys of a map in order, no line break at the end. Errors have one shape,
`{"errors": {field or "base": sentence}}`, whoever raises them: a route, the router (404, 405) or a
bug (500). Answers are made anew each time, because middleware adds headers to them in place.
"""

import random
from collections.abc import Mapping

import orjson
from fastapi import Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

JSON = "application/json"

NOT_JSON = "Could not decode JSON body"
FORBIDDEN_CHARACTERS = "Body contains characters outside the allowed set"
UNAVAILABLE = "Service unavailable"

# Clients that were refused together must not come back together.
_RETRY_AFTER_SECONDS = (1, 5)


def queued(message_id: str) -> Response:
    """200: a queue has confirmed the message."""
    return Response(b'{"messageId":"%b"}' % message_id.encode(), media_type=JSON)


def not_json() -> Response:
    """400: no JSON, a wrong type in it, or too large."""
    return base_error(400, NOT_JSON)


def forbidden_characters() -> Response:
    """400: characters that a queue does not carry."""
    return base_error(400, FORBIDDEN_CHARACTERS)


def faulty(faults: Mapping[str, str]) -> Response:
    """422: a sentence for each field at fault."""
    return Response(_errors(faults), 422, media_type=JSON)


def unavailable() -> Response:
    """503: no queue took it; the client may try again soon."""
    retry_after = str(random.randint(*_RETRY_AFTER_SECONDS))
    return base_error(503, UNAVAILABLE, {"Retry-After": retry_after})


def base_error(status: int, sentence: str, headers: Mapping[str, str] | None = None) -> Response:
    """An error of the request as a whole."""
    return Response(_errors({"base": sentence}), status, headers, JSON)


async def http_error(_request: Request, error: Exception) -> Response:
    """Answer what the router or a page refused, such as 404 and 405."""
    if not isinstance(error, HTTPException):
        raise error
    return base_error(error.status_code, error.detail, error.headers)


async def internal_error(_request: Request, _error: Exception) -> Response:
    """Answer a bug of ours; the server logs its traceback afterwards."""
    return base_error(500, "Internal server error")


def _errors(faults: Mapping[str, str]) -> bytes:
    return orjson.dumps({"errors": faults}, option=orjson.OPT_SORT_KEYS)
