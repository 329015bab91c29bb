"""A transport that answers what a test tells it to, and remembers what it was asked."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from multidict import CIMultiDict

from gomail.http import Response


@dataclass(frozen=True)
class Request:
    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes
    timeout: float


@dataclass
class ScriptedTransport:
    answer: Response | BaseException | Callable[[Request], Response]
    requests: list[Request] = field(default_factory=list)

    async def request(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes, timeout: float
    ) -> Response:
        request = Request(method, url, headers, body, timeout)
        self.requests.append(request)
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer if isinstance(self.answer, Response) else self.answer(request)

    async def close(self) -> None:
        pass


def response(status: int, body: bytes | str = b"", **headers: str) -> Response:
    """A response; `Retry_After="3"` becomes the header `Retry-After`."""
    named = CIMultiDict({name.replace("_", "-"): value for name, value in headers.items()})
    return Response(status, named, body.encode() if isinstance(body, str) else body)
