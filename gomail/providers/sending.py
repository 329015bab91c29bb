"""What all HTTP providers share: one email, one exchange, and whatever happens an outcome.

A provider adds three pure functions: translate (email → JSON), classify (answer → outcome) and
unable (what it can never carry). What is secret, a key or a signature, joins only in `sign`, after
translation, so that no payload and no `repr` can hold it.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from traceback import extract_tb

from gomail.email import Email, Message
from gomail.errors import MaybeSent, NotSent
from gomail.http import Response, Transport
from gomail.outcome import Outcome, OutcomeClass, clip
from gomail.providers.answers import printable

log = logging.getLogger(__name__)

Signer = Callable[[str, str, Mapping[str, str], bytes], dict[str, str]]
"""Method, URL, headers and body to the complete headers of an authenticated request."""

JSON_HEADERS: Mapping[str, str] = {
    "Content-Type": "application/json",
    "Accept": "application/json",
}

_SECRET_HEADERS = frozenset({"authorization", "x-amz-security-token"})
# Shorter pieces of a secret header are words such as "Bearer", not secrets.
_SHORTEST_SECRET = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpProvider:
    """A provider that takes one email by one POST."""

    name: str
    url: str
    transport: Transport = field(repr=False)
    sign: Signer = field(repr=False)
    translate: Callable[[Message], bytes] = field(repr=False)
    classify: Callable[[Response], Outcome] = field(repr=False)
    unable: Callable[[Email], str | None] = field(repr=False)

    def why_unable(self, email: Email) -> str | None:
        """Why it could never carry this email, as a sentence; None where it can."""
        return self.unable(email)

    async def send(self, message: Message, *, timeout: float) -> Outcome:
        """Try once, within `timeout` seconds; raises nothing but a cancellation."""
        try:
            body = self.translate(_whole(message))
        except Exception as error:  # noqa: BLE001 - no input may end the process
            return self._untranslated(message, error)
        try:
            headers = self.sign("POST", self.url, JSON_HEADERS, body)
        except Exception as error:  # noqa: BLE001 - credentials can be missing in many ways
            return self._unsigned(message, error)
        outcome = await self._exchange(message, headers, body, timeout)
        return _presentable(outcome, headers) if outcome.detail else outcome

    async def _exchange(
        self, message: Message, headers: Mapping[str, str], body: bytes, timeout: float
    ) -> Outcome:
        try:
            response = await self.transport.request(
                "POST", self.url, headers=headers, body=body, timeout=timeout
            )
            return self.classify(response)
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


def size_limit(
    limit: int, sentence: str, *, texts_in_base64: bool
) -> Callable[[Email], str | None]:
    """A `why_unable` that says `sentence` of every email above `limit` bytes.

    Attachments count as base64; texts do where the limit is on what the provider makes of them.
    """
    weight = _in_base64 if texts_in_base64 else int

    def unable(email: Email) -> str | None:
        # A character is at most four bytes, six in base64: texts of a usual size are never encoded
        # for this.
        plain = not email.attachments and email.claim is None
        if plain and 6 * (len(email.body) + len(email.html)) <= limit:
            return None
        files = sum(_in_base64(attachment.size) for attachment in email.attachments)
        return sentence if weight(_text_bytes(email, files)) + files > limit else None

    return unable


def _text_bytes(email: Email, files: int) -> int:
    """Bytes of both texts; where they are in the payload store, what is no file there."""
    if email.claim is not None:
        return max(0, email.claim.size - files)
    return len(email.body.encode(errors="replace")) + len(email.html.encode(errors="replace"))


def _in_base64(size: int) -> int:
    return (size + 2) // 3 * 4


def _whole(message: Message) -> Message:
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
