"""What all HTTP providers share: one email, one exchange, and whatever happens an outcome.

A provider adds two pure functions, translate (email → request body) and classify (answer →
outcome), and what can be asked about the account. What is secret, a key or a signature, joins only
in `sign`, after translation, so that no payload and no `repr` can hold it.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from traceback import extract_tb

from pydantic import SecretStr

from gomail.email import Message
from gomail.errors import Exhausted, MaybeSent, NotSent
from gomail.http import Response, Transport
from gomail.outcome import Outcome, OutcomeClass, clip
from gomail.providers import Finding, Level, Limits
from gomail.providers.answers import printable

log = logging.getLogger(__name__)

Signer = Callable[[str, str, Mapping[str, str], bytes], dict[str, str]]
"""Method, URL, headers and body to the complete headers of an authenticated request."""

JSON_HEADERS: Mapping[str, str] = {
    "Content-Type": "application/json",
    "Accept": "application/json",
}

_SECRET_HEADERS = frozenset(
    {"authorization", "x-amz-security-token", "x-postmark-server-token", "api-key"}
)
_ASK_SECONDS = 10.0  # for a question about the account
# Shorter pieces of a secret header are words such as "Bearer", not secrets.
_SHORTEST_SECRET = 8


def no_headers(_message: Message) -> Mapping[str, str]:
    """No headers beside those of every send."""
    return {}


@dataclass(frozen=True, slots=True)
class Question:
    """One GET about the account, and what its answer means. `read` gets every complete answer."""

    url: str
    read: Callable[[Response], list[Finding]]


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpProvider:
    """A provider that takes one email by one POST."""

    name: str
    url: str
    transport: Transport = field(repr=False)
    sign: Signer = field(repr=False)
    translate: Callable[[Message], bytes] = field(repr=False)
    classify: Callable[[Response], Outcome] = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=lambda: JSON_HEADERS, repr=False)
    """Of every send; says what `translate` writes."""
    headers_for: Callable[[Message], Mapping[str, str]] = field(default=no_headers, repr=False)
    """Of the send of one message, beside `headers`, such as an idempotency key."""
    questions: tuple[Question, ...] = field(default=(), repr=False)
    """What `check` asks."""
    limits_url: str = field(default="", repr=False)
    read_limits: Callable[[Response], Limits | None] = field(default=lambda _: None, repr=False)

    async def send(self, message: Message, *, timeout: float) -> Outcome:
        """Try once, within `timeout` seconds; raises nothing but a cancellation."""
        try:
            body = self.translate(whole(message))
        except Exception as error:  # noqa: BLE001 - no input may end the process
            return self._untranslated(message, error)
        try:
            wanted = {**self.headers, **self.headers_for(message)}
            headers = self.sign("POST", self.url, wanted, body)
        except Exception as error:  # noqa: BLE001 - credentials can be missing in many ways
            return self._unsigned(message, error)
        outcome = await self._exchange(message, headers, body, timeout)
        return _presentable(outcome, headers) if outcome.detail else outcome

    async def limits(self) -> Limits | None:
        """What the account is allowed; None where the provider does not say, or not just now."""
        if not self.limits_url:
            return None
        try:
            return self.read_limits(await self._ask(self.limits_url))
        except Exception as error:  # noqa: BLE001 - what was known before stays in force
            log.warning("%s: cannot ask for its limits: %s", self.name, _words(error))
            return None

    async def check(self) -> list[Finding]:
        """Whether mail could go out now, without sending any."""
        findings: list[Finding] = []
        for question in self.questions:
            try:
                findings += question.read(await self._ask(question.url))
            except Exception as error:  # noqa: BLE001 - told to the person who checks
                findings.append(Finding(Level.BAD, f"cannot be asked: {_words(error)}"))
                break
        return findings

    async def close(self) -> None:
        """The transport is not its own."""

    async def _ask(self, url: str) -> Response:
        headers = self.sign("GET", url, {"Accept": "application/json"}, b"")
        return await self.transport.request(
            "GET", url, headers=headers, body=b"", timeout=_ASK_SECONDS
        )

    async def _exchange(
        self, message: Message, headers: Mapping[str, str], body: bytes, timeout: float
    ) -> Outcome:
        try:
            response = await self.transport.request(
                "POST", self.url, headers=headers, body=body, timeout=timeout
            )
            return self.classify(response)
        except Exhausted as error:
            # Ours to mend, so it says nothing about the provider; slower, it needs fewer of them.
            return Outcome(OutcomeClass.THROTTLED, code="no-files", detail=_words(error))
        except NotSent as error:
            return Outcome(OutcomeClass.FAILED, code="not-sent", detail=_words(error))
        except MaybeSent as error:
            return Outcome(OutcomeClass.UNKNOWN, code="no-answer", detail=_words(error))
        except Exception as error:  # noqa: BLE001 - whatever it is, the email may be out
            # A fault of the transport or of classify: the request may have been written.
            self._log(message, "no outcome", error)
            return Outcome(OutcomeClass.UNKNOWN, code="unreadable", detail=_kind(error))

    def _untranslated(self, message: Message, error: Exception) -> Outcome:
        # A fault of ours that this email brings out. Unsuitable, because nothing was sent, trying
        # here again changes nothing, another provider's translation may well do it, and one odd
        # email must not make this provider unhealthy.
        self._log(message, "cannot translate", error)
        return Outcome(
            OutcomeClass.UNSUITABLE,
            code="translate",
            detail=f"could not be written in this provider's format ({_kind(error)})",
        )

    def _unsigned(self, message: Message, error: Exception) -> Outcome:
        # Every message would meet it, so it counts like a bad key.
        self._log(message, "cannot sign", error)
        return Outcome(
            OutcomeClass.FAILED,
            code="sign",
            detail=f"no usable credentials ({_kind(error)})",
            account_fault=True,
        )

    def _log(self, message: Message, what: str, error: Exception) -> None:
        # Not the error's text: it may quote the email or, from where the credentials are, a secret.
        log.error(
            "%s: message %s: %s: %s at %s",
            self.name,
            message.id,
            what,
            _kind(error),
            _place(error),
        )


def bearer(key: SecretStr) -> Signer:
    """Authentication by an API key."""

    def sign(_method: str, _url: str, headers: Mapping[str, str], _body: bytes) -> dict[str, str]:
        return {**headers, "Authorization": f"Bearer {key.get_secret_value()}"}

    return sign


def whole(message: Message) -> Message:
    """The message, unless something of its email is still in the payload store."""
    email = message.email
    lacking = email.attachments and any(a.size and not a.content for a in email.attachments)
    if lacking or not (email.body or email.html):
        raise ValueError("not whole: sent like this, it would arrive without its texts or files")
    return message


def _presentable(outcome: Outcome, sent: Mapping[str, str]) -> Outcome:
    """The outcome with a short detail that repeats no secret of the request.

    AWS answers a wrong signature with the request as it should have been, security token included.
    """
    detail = outcome.detail
    for name, value in sent.items():
        if name.lower() in _SECRET_HEADERS:
            for piece in (value, *value.replace(",", " ").split()):
                if len(piece) >= _SHORTEST_SECRET:
                    detail = detail.replace(piece, "[secret]")
    return replace(outcome, detail=clip(printable(detail)))


def _words(error: Exception) -> str:
    return str(error) or _kind(error)


def _kind(error: Exception) -> str:
    return type(error).__name__


def _place(error: Exception) -> str:
    frames = extract_tb(error.__traceback__)
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "?"
