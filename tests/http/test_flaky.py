"""Thousands of requests over connections that break by a script: every verdict against the truth.

What the server does with a request is drawn from the request's own number, so a failure comes again
with its seed. The server writes down every number of which it sees as much as the first line.
"""

import asyncio
import re
from collections import Counter
from dataclasses import dataclass, field
from random import Random

import pytest

from gomail.errors import MaybeSent, NotSent
from tests.http.scene import unused_port

NUMBER = re.compile(rb"POST /(\d+) HTTP")
LENGTH = re.compile(rb"Content-Length: (\d+)")
DEEDS = {
    "answer": 60, "in chunks": 8, "in pieces": 8, "announce": 3, "say close": 3, "close after": 4,
    "too much": 2, "close": 3, "reset": 3, "cut off": 3, "cut off chunks": 1, "early": 2,
}  # fmt: skip
ANSWERED = {"answer", "in chunks", "in pieces", "announce", "say close", "close after", "too much"}
WIDTH = 32


def drawn(seed: int, number: int) -> Random:
    return Random(seed * 1_000_003 + number)


def deed(seed: int, number: int) -> str:
    return drawn(seed, number).choices(list(DEEDS), weights=list(DEEDS.values()))[0]


def body_of(seed: int, number: int) -> bytes:
    random = drawn(seed, -number - 1)
    return b"%d " % number * (100_000 if random.random() < 0.005 else random.randrange(300))


@dataclass
class Truth:
    """What the server saw and did."""

    seen: Counter[int] = field(default_factory=Counter)
    dropped: set[int] = field(default_factory=set)
    """Begun, or half answered, when the server closed the connection for an earlier one's sake."""
    connections: int = 0


class Flaky(asyncio.Protocol):
    """A server that follows the script."""

    def __init__(self, seed: int, truth: Truth) -> None:
        self.seed, self.truth = seed, truth
        self.heard = bytearray()
        self.number: int | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        self.truth.connections += 1
        if drawn(self.seed, -self.truth.connections).random() < 0.03:
            transport.abort()

    def connection_lost(self, _: Exception | None) -> None:
        if self.number is not None:
            self.truth.dropped.add(self.number)

    def look(self) -> None:
        """Find the number of the request that begins."""
        if self.number is None and (found := NUMBER.match(self.heard)):
            self.number = int(found[1])
            self.truth.seen[self.number] += 1

    def data_received(self, data: bytes) -> None:
        self.heard += data
        self.look()
        while self.number is not None and not self.transport.is_closing():
            end = self.heard.find(b"\r\n\r\n")
            if end < 0:
                return
            size = int(LENGTH.search(self.heard, 0, end)[1])
            whole = len(self.heard) >= end + 4 + size
            todo = deed(self.seed, self.number)
            if not whole and todo != "early":
                return
            number, self.number = self.number, None
            del self.heard[: end + 4 + size]
            getattr(self, "do_" + todo.replace(" ", "_"))(b"it was %d" % number)
            self.look()

    def write(self, text: bytes, head: bytes = b"", behind: bytes = b"") -> None:
        length = b"Content-Length: %d\r\n\r\n" % len(text)
        self.transport.write(b"HTTP/1.1 200 OK\r\n" + head + length + text + behind)

    do_answer = write

    def do_in_chunks(self, text: bytes) -> None:
        self.transport.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for byte in text:
            self.transport.write(b"1\r\n%c\r\n" % byte)
        self.transport.write(b"0\r\n\r\n")

    def do_in_pieces(self, text: bytes) -> None:
        self.transport.write(b"HTTP/1.1 200 OK\r\nContent-")
        rest = b"Length: %d\r\n\r\n%b" % (len(text), text)
        asyncio.get_running_loop().call_soon(self.write_rest, int(text.split()[-1]), rest)

    def write_rest(self, number: int, rest: bytes) -> None:
        if self.transport.is_closing():
            self.truth.dropped.add(number)
        else:
            self.transport.write(rest)

    def do_announce(self, text: bytes) -> None:
        self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self.write(text)

    def do_say_close(self, text: bytes) -> None:
        self.write(text, b"Connection: close\r\n")
        self.transport.close()

    def do_close_after(self, text: bytes) -> None:
        self.write(text)
        random = drawn(self.seed, len(self.truth.seen))
        asyncio.get_running_loop().call_later(random.random() * 0.005, self.transport.close)

    def do_too_much(self, text: bytes) -> None:
        self.write(text, behind=b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnone")

    def do_close(self, _: bytes) -> None:
        self.transport.close()

    def do_reset(self, _: bytes) -> None:
        self.transport.abort()

    def do_cut_off(self, text: bytes) -> None:
        self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + text)
        self.transport.close()

    def do_cut_off_chunks(self, text: bytes) -> None:
        self.transport.write(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n" % (len(text), text)
        )
        self.transport.close()

    def do_early(self, text: bytes) -> None:
        """Answer as soon as the head is known, and leave."""
        self.write(text)
        self.transport.close()


async def send_all(scene, seed: int, count: int) -> tuple[Counter[str], list[str]]:
    """Send every number once; how often each verdict was given, and which of them are untrue."""
    truth = Truth()
    verdicts: Counter[str] = Counter()
    untrue = []
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Flaky(seed, truth), "127.0.0.1", 0, backlog=200)
    ports = [server.sockets[0].getsockname()[1]] * 99 + [unused_port()]
    numbers = iter(range(count))

    async def verdict_on(number: int) -> tuple[str, bool]:
        """The verdict, and whether it is true."""
        port = drawn(seed, number * 7).choice(ports)
        todo = deed(seed, number)
        try:
            response = await over.request(
                "POST",
                f"http://127.0.0.1:{port}/{number}",
                headers={"X-A": "b"},
                body=body_of(seed, number),
                timeout=10,
            )
        except NotSent:
            return "not sent", number not in truth.seen
        except MaybeSent:
            lost = number not in truth.seen or number in truth.dropped
            return "maybe sent", lost or todo not in ANSWERED
        answered = todo in ANSWERED | {"early"}
        return "answered", answered and response.body == b"it was %d" % number

    async def send_on() -> None:
        for number in numbers:
            verdict, is_true = await verdict_on(number)
            verdicts[verdict] += 1
            if not is_true:
                untrue.append(f"{number}: {verdict}, but {deed(seed, number)}")

    async with scene.transport() as over:
        await asyncio.gather(*(send_on() for _ in range(WIDTH)))
    server.close()
    await server.wait_closed()
    untrue += [f"{number}: sent {times} times" for number, times in truth.seen.items() if times > 1]
    return verdicts, untrue


@pytest.mark.parametrize("seed", [1, 2])
def test_every_verdict_of_ten_thousand_requests_is_true(scene, seed):
    count = 5_000 if scene.loop == "uvloop" else 1_000

    verdicts, untrue = scene.run(send_all(scene, seed, count))

    assert untrue == []
    assert verdicts.total() == count
    assert verdicts["answered"] > 0.8 * count
    assert verdicts["maybe sent"] > 0.08 * count
    assert verdicts["not sent"] > 0.005 * count
