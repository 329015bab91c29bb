"""A server of the built client whose API answers what a test says, and tells events as it says.

It serves the files under the policies of the real API: a page that needs more than they allow
fails here.
"""

import json
import select
import socket
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Empty, Queue
from threading import Event, Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

from ingest.web import PAGE_POLICY, PREVIEW, PREVIEW_POLICY

# Longer than any test waits for its browser; a forgotten gate ends instead of hanging.
PATIENCE_SECONDS = 60
LOOK_SECONDS = 0.02


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


NO_LEDGER = refused(503, {"base": "No ledger is configured; set ledger.url"})
UNKNOWN_ID = refused(404, {"base": "There is no email with this id"})


class Stream:
    """One reader of events that was let in."""

    def __init__(self, target: str) -> None:
        query = parse_qs(urlsplit(target).query)
        self.ids = query.get("id", [])
        self.after = query.get("after", [None])[0]
        self.ended = Event()
        self.frames: Queue[bytes | None] = Queue()

    def hang_up(self) -> None:
        """The server ends it."""
        self.frames.put(None)


@dataclass
class ScriptedApi:
    """What a test tells the server, and what the server was asked."""

    address: str
    answers: deque[Answer] = field(default_factory=deque)
    asked: list[Any] = field(default_factory=list)
    canceled: list[str] = field(default_factory=list)
    """The ids of emails that were called back."""
    reading: Event = field(default_factory=open_gate)
    """Bodies of requests are read only while it is set."""
    files: dict[str, Answer] = field(default_factory=dict)
    events: Answer | None = field(default_factory=lambda: NO_LEDGER)
    """What `GET /events` answers; None: a stream."""
    streams: list[Stream] = field(default_factory=list)
    emails: dict[str, dict[str, Any]] = field(default_factory=dict)
    read: list[str] = field(default_factory=list)
    sequence: int = 0

    def will_answer(self, *answers: Answer) -> None:
        """One answer a request, in this order."""
        self.answers.extend(answers)

    def open_streams(self) -> list[Stream]:
        """Those that neither side has ended."""
        return [stream for stream in self.streams if not stream.ended.is_set()]

    def becomes(self, email: dict[str, Any], **event: Any) -> None:
        """The ledger holds this of an email from now on, and tells whoever follows it."""
        self.emails[email["id"]] = email
        self.sequence += 1
        named = ("id", "status", "provider", "code", "detail")
        data = {
            **{name: email[name] for name in named},
            "number": len(email["attempts"]),
            "possibleDuplicate": False,
            "at": email["updatedAt"],
        } | event
        frame = f"event: status\nid: {self.sequence}\ndata: {json.dumps(data)}\n\n".encode()
        for stream in self.open_streams():
            if email["id"] in stream.ids:
                stream.frames.put(frame)


class Handler(SimpleHTTPRequestHandler):
    """The client's files, and the routes of the API that it uses."""

    def __init__(self, *arguments: Any, api: ScriptedApi, directory: str) -> None:
        self.api = api
        super().__init__(*arguments, directory=directory)

    def do_GET(self) -> None:
        answer = self.api.files.get(self.path)
        if answer:
            self.write(answer)
        elif self.path.startswith("/events?"):
            self.tell_events()
        elif self.path.startswith("/email/"):
            email_id = self.path.removeprefix("/email/")
            self.api.read.append(email_id)
            email = self.api.emails.get(email_id)
            self.write(Answer(200, email) if email else UNKNOWN_ID)
        else:
            super().do_GET()

    def tell_events(self) -> None:
        """Whatever is pushed, until either side has enough."""
        if self.api.events:
            self.write(self.api.events)
            return
        stream = Stream(self.path)
        self.api.streams.append(stream)
        self.send_response(200)
        self.send_header("content-type", "text/event-stream; charset=utf-8")
        self.end_headers()
        stream.frames.put(f"retry: 2000\nid: {self.api.sequence}\n\n".encode())
        while not self.is_left():
            try:
                frame = stream.frames.get(timeout=LOOK_SECONDS)
            except Empty:
                continue
            if frame is None:
                break
            self.wfile.write(frame)
        stream.ended.set()

    def is_left(self) -> bool:
        """Whether the browser has closed the connection."""
        watched = select.poll()  # `select.select` refuses high file descriptors
        watched.register(self.connection, select.POLLIN)
        return bool(watched.poll(0)) and not self.connection.recv(1, socket.MSG_PEEK)

    def do_POST(self) -> None:
        if not self.api.reading.is_set():
            # Little fits into the buffers, so that the browser notices that nobody reads.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
            self.api.reading.wait(PATIENCE_SECONDS)
        length = int(self.headers["content-length"])
        body = self.rfile.read(length)
        if len(body) < length:
            self.close_connection = True
            return
        if self.path.endswith("/cancel"):
            self.api.canceled.append(self.path.split("/")[2])
        else:
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
        policy = PREVIEW_POLICY if self.path == PREVIEW else PAGE_POLICY
        self.send_header("content-security-policy", policy)
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
            for stream in api.open_streams():
                stream.hang_up()
            server.shutdown()
            thread.join()
