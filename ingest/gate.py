"""Who may call which route: decided before a byte of the body is read, as plain ASGI.

With API keys every route but probes, pages and the description wants one, from this machine, too.
Without any, only clients on this machine are served: an API that somebody forgot to give keys must
not send for whoever finds it.

A stranger's body is never read by the application; the server drops what of it still comes.
"""

import math
import time
from collections.abc import Callable, Collection

from fastapi import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from gomail import keys
from gomail.email import Email, Faults
from gomail.keys import Key, Keyring
from gomail.keys import Scope as May
from ingest import answers, local

_CALLER = "gomail.key"
_READERS = frozenset({"/emails", "/stats", "/events"})


def needed(method: str, path: str) -> May | None:
    """The scope that a request needs; None where everybody may. Pure.

    A route that nobody has thought of here is for admins, unless it is read like a page.
    """
    if path == "/dead-letters" or path.startswith("/dead-letters/"):
        return May.DEAD_LETTERS
    if path.startswith("/email/"):
        return May.READ if method in {"GET", "HEAD"} else May.SEND
    if path in _READERS:
        return May.READ
    return None if method in {"GET", "HEAD", "OPTIONS"} else May.ADMIN


def route_path(scope: Scope) -> str:
    """The path as the router reads it: without the prefix that a server puts before it. Pure.

    ASGI calls the prefix `root_path`. Some servers put it into `path`, some do not.
    """
    path: str = scope["path"]
    rest = path.removeprefix(scope.get("root_path", ""))
    return rest if rest[:1] in {"", "/"} else path


def caller(request: Request) -> Key | None:
    """The key that a request was made with; None where none is configured."""
    key: Key | None = request.scope.get(_CALLER)
    return key


def barred(key: Key | None, email: Email) -> Faults:
    """What is wrong with an email that this key may not send; empty where it may. Pure."""
    if key is None or key.may_send_from(email.from_email):
        return {}
    return {"fromEmail": answers.NOT_FROM}


class Gate:
    """Answers in place of the application whoever may not come in."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        allowed_origins: Collection[str],
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._app = app
        self._allowed_origins = frozenset(allowed_origins)
        self._clock = clock
        self._now = now
        self._due: dict[str, float] = {}
        """Of each key that has a rate, what `admit` gave back. It outlives a change of the file."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on if it may."""
        app = self._app
        if scope["type"] == "http":
            app = self._refusal(scope) or app
        await app(scope, receive, send)

    def _refusal(self, scope: Scope) -> Response | None:
        may = needed(scope["method"], route_path(scope))
        if may is None:
            return None
        ring: Keyring = scope["app"].state.keys.keys
        return self._keyed(scope, may, ring) if ring.keys else self._local(scope, may)

    def _local(self, scope: Scope, may: May) -> Response | None:
        client = scope.get("client")
        reason = local.refusal(
            client[0] if client else None,
            scope["headers"],
            allowed_origins=self._allowed_origins,
            # An origin that is allowed for everybody may send email, but read only what is its own.
            any_page=may is May.SEND and "*" in self._allowed_origins,
        )
        return answers.base_error(403, reason) if reason else None

    def _keyed(self, scope: Scope, may: May, ring: Keyring) -> Response | None:
        secret = _secret(scope)
        key = ring.match(secret, self._now()) if secret else None
        if key is None:
            return answers.no_key()
        if not key.may(may):
            return answers.lacks(may)
        if key.rate is not None and (wait := self._wait(key.id, key.rate)):
            return answers.too_often(math.ceil(wait))
        scope[_CALLER] = key
        return None

    def _wait(self, key: str, rate: float) -> float:
        self._due[key], wait = keys.admit(self._due.get(key, 0.0), self._clock(), rate)
        return wait


def _secret(scope: Scope) -> bytes | None:
    """What follows `Bearer`, where that is given once."""
    found = None
    for name, value in scope["headers"]:
        if name == b"authorization":
            scheme, _, secret = value.partition(b" ")
            if found is not None or scheme.lower() != b"bearer":
                return None
            found = secret.strip()
    return found
