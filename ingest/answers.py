"""Every answer that is not a page: JSON as the Go service's `json.Marshal` wrote it, to the byte.

That is: no spaces, keys of a map in order, no line break at the end. Errors have one shape,
`{"errors": {field or "base": sentence}}`, whoever raises them: a route, the router (404, 405) or a
bug (500). Answers are made anew each time, because middleware adds headers to them in place.
"""

import random
from collections.abc import Mapping, Sequence

import orjson
from fastapi import Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from ingest.verdict import Verdict

JSON = "application/json"

NOT_JSON = "Could not decode JSON body"
TOO_MANY_VALUES = "The JSON has more than 100,000 values; divide it into several requests"
TOO_DEEP = "The JSON is nested more than 100 levels deep"
FORBIDDEN_CHARACTERS = "Body contains characters outside the allowed set"
TOO_LARGE = "Email is too large"
TOO_LARGE_TOGETHER = (
    "Attachments together are larger than a queue message; configure payloads.bucket"
)
NOT_SCHEDULED = "Only an email with sendAt can be canceled"
TOO_LATE = "It is being sent or has ended already"
UNAVAILABLE = "Service unavailable"

LEDGER_UNAVAILABLE = "The ledger is not available just now"
NO_SUCH_EMAIL = "There is no email with this id"
NO_LEDGER = "No ledger is configured; set ledger.url"
BAD_KEY = "Idempotency-Key is not 1 to 256 printable ASCII characters, given once"
KEY_OF_ANOTHER = "Idempotency-Key was used for a different request"
REPLAYED = {"Idempotent-Replayed": "true"}
KEYS = (
    "A key that `gomail keys create` has made. Where none is configured, requests that come "
    "straight from this machine need none, and others are refused."
)
NO_KEY = "A valid API key is needed, as `Authorization: Bearer gm_…`"
NOT_FROM = "From email is not one that this API key may use"
TOO_SLOW = "The body did not come in time"
TOO_OFTEN = "Too many requests with this API key"
KEY_IN_FLIGHT = "A request with this Idempotency-Key is still under way"

# Clients that were refused together must not come back together.
_RETRY_AFTER_SECONDS = (1, 5)


def queued(message_id: str) -> Response:
    """200: a queue has confirmed the message."""
    return Response(b'{"messageId":"%b"}' % message_id.encode(), media_type=JSON)


def replayed(answer: bytes) -> Response:
    """200: what the first request with this key was answered."""
    return Response(answer, 200, REPLAYED, JSON)


def key_of_another() -> Response:
    """409: the key belongs to a different request."""
    return base_error(409, KEY_OF_ANOTHER)


def in_flight() -> Response:
    """409: the first request with this key has no answer yet."""
    return base_error(409, KEY_IN_FLIGHT, {"Retry-After": "1"})


def no_key() -> Response:
    """401: no key, or none that counts; which of these is nobody's business."""
    return base_error(401, NO_KEY, {"WWW-Authenticate": "Bearer"})


def lacks(scope: str) -> Response:
    """403: the key is not for this."""
    return base_error(403, lacking(scope))


def lacking(scope: str) -> str:
    """Which scope a key lacks. Pure."""
    return f"This API key lacks the scope {scope}"


def not_from() -> Response:
    """403: the email has a From address that the key may not use."""
    return base_error(403, NOT_FROM)


def too_slow() -> Response:
    """408: the client trickles its body in; the rest of it is not to be read as a next request."""
    return base_error(408, TOO_SLOW, {"Connection": "close"})


def too_often(seconds: int) -> Response:
    """429: the key's rate is used up for so long."""
    return base_error(429, TOO_OFTEN, {"Retry-After": str(seconds)})


def shown(content: object) -> Response:
    """200: what the ledger holds, as of now."""
    return Response(orjson.dumps(content), 200, {"Cache-Control": "no-store"}, JSON)


def not_json() -> Response:
    """400: no JSON, a wrong type in it, or too large."""
    return base_error(400, NOT_JSON)


def bad_json(error: Exception) -> Response:
    """400: what its text says of the body."""
    return base_error(400, str(error))


def twice(key: str) -> str:
    """What is wrong with a JSON that has a key twice in one object. Pure."""
    return f'The key "{key}" is there twice'


def forbidden_characters() -> Response:
    """400: characters that a queue does not carry."""
    return base_error(400, FORBIDDEN_CHARACTERS)


def bad_key() -> Response:
    """400: the header is no key."""
    return base_error(400, BAD_KEY)


def faulty(faults: Mapping[str, str]) -> Response:
    """422: a sentence for each field at fault."""
    return Response(_errors(faults), 422, media_type=JSON)


def canceled(message_id: str) -> Response:
    """200: it will not be sent."""
    return shown({"messageId": message_id, "status": "canceled"})


def refused(verdict: Verdict) -> Response:
    """What became of an email that is not queued."""
    match verdict:
        case Verdict.ATTACHMENTS_TOO_LARGE:
            return faulty(faults_of(verdict))
        case Verdict.FORBIDDEN_CHARACTERS:
            return forbidden_characters()
        case Verdict.TOO_LARGE:
            return not_json()
        case Verdict.NO_LEDGER:
            return no_ledger()
        case Verdict.LEDGER_UNAVAILABLE:
            return _again(LEDGER_UNAVAILABLE)
        case _:
            return unavailable()


def faults_of(verdict: Verdict) -> dict[str, str]:
    """The same of one email among others."""
    match verdict:
        case Verdict.ATTACHMENTS_TOO_LARGE:
            return {"attachments": TOO_LARGE_TOGETHER}
        case Verdict.FORBIDDEN_CHARACTERS:
            return {"base": FORBIDDEN_CHARACTERS}
        case Verdict.TOO_LARGE:
            return {"base": TOO_LARGE}
        case Verdict.NO_LEDGER:
            return {"base": NO_LEDGER}
        case Verdict.LEDGER_UNAVAILABLE:
            return {"base": LEDGER_UNAVAILABLE}
        case _:
            return {"base": UNAVAILABLE}


def batch(results: Sequence[Mapping[str, object]], *, complete: bool) -> Response:
    """200, or 207 where some that could be queued are not: what became of each email."""
    content = orjson.dumps({"results": results}, option=orjson.OPT_SORT_KEYS)
    return Response(content, 200 if complete else 207, media_type=JSON)


def unavailable() -> Response:
    """503: no queue took it; the client may try again soon."""
    return _again(UNAVAILABLE)


def no_ledger() -> Response:
    """503: what was asked for needs a ledger, and trying again does not bring one."""
    return base_error(503, NO_LEDGER)


async def ledger_unavailable(_request: Request, _error: Exception) -> Response:
    """Answer that the ledger is down for now."""
    return _again(LEDGER_UNAVAILABLE)


def too_many_readers() -> Response:
    """503: as many as there may be read events already, or the process is about to end."""
    return _again(UNAVAILABLE)


def base_error(status: int, sentence: str, headers: Mapping[str, str] | None = None) -> Response:
    """An error of the request as a whole."""
    return Response(_errors({"base": sentence}), status, headers, JSON)


def _again(sentence: str) -> Response:
    return base_error(503, sentence, {"Retry-After": str(random.randint(*_RETRY_AFTER_SECONDS))})


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
