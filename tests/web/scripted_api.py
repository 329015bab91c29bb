"""A server of the built client whose `POST /email/send` answers what a test says.

It serves the files under a strict Content-Security-Policy: a page that needs more than its own
files fails here.
"""

import json
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
# Longer than any test waits for its browser; a forgotten gate ends instead of hanging.
PATIENCE_SECONDS = 60


def open_gate() -> Event:
    """A gate that holds nothing back."""
    gate = Event()
    gate.set()
    return gate


@dataclass
class Answer:
    """One answer of the API; `gate` holds it back until it is set."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    gate: Event = field(default_factory=open_gate)

    def encoded(self) -> tuple[bytes, str]:
        """Text is a page, anything else JSON."""
        if isinstance(self.body, str):
            return self.body.encode(), "text/html"
        return json.dumps(self.body).encode(), "application/json"


class HangUp(Answer):
    """The connection ends without an answer."""


def queued(message_id: str, *, gate: Event | None = None) -> Answer:
    """The answer of an API that queued the email."""
    return Answer(200, {"messageId": message_id}, gate=gate or open_gate())


def refused(status: int, errors: dict[str, str], **headers: str) -> Answer:
    """The answer of an API that did not; `Retry_After` becomes a header."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, {"errors": errors}, names)


@dataclass
class ScriptedApi:
    """What a test tells the server, and what the server was asked."""

    address: str
    answers: deque[Answer] = field(default_factory=deque)
    asked: list[Any] = field(default_factory=list)
    files: dict[str, Answer] = field(default_factory=dict)

    def will_answer(self, *answers: Answer) -> None:
        """One answer a request, in this order."""
        self.answers.extend(answers)


class Handler(SimpleHTTPRequestHandler):
    """The client's files, and the one route of the API."""

    def __init__(self, *arguments: Any, api: ScriptedApi, directory: str) -> None:
        self.api = api
        super().__init__(*arguments, directory=directory)

    def do_GET(self) -> None:
        answer = self.api.files.get(self.path)
        if answer:
            self.write(answer)
        else:
            super().do_GET()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.api.asked.append(json.loads(body))
        answer = self.api.answers.popleft()
        answer.gate.wait(PATIENCE_SECONDS)
        if isinstance(answer, HangUp):
            self.close_connection = True
        else:
            self.write(answer)

    def write(self, answer: Answer) -> None:
        body, content_type = answer.encoded()
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("content-type", content_type)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def end_headers(self) -> None:
        self.send_header("content-security-policy", POLICY)
        super().end_headers()

    def log_message(self, *_: Any) -> None:
        """Nothing: the tests say what they saw."""


@contextmanager
def serving(files: Path) -> Iterator[ScriptedApi]:
    """The server, on a free port of this machine."""
    api = ScriptedApi(address="")
    handler = partial(Handler, api=api, directory=str(files))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        api.address = f"http://127.0.0.1:{server.server_port}"
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield api
        finally:
            server.shutdown()
            thread.join()
