"""CPU of the client a call, both transports side by side: `python -m benchmarks.transports`.

A stub in a process of its own answers every POST with as many bytes as its path asks for. Measured
is the CPU time of this process alone, user and system, in rounds that take turns; medians are
shown. `plain` or `tls`, and the names of transports, limit what is measured.
"""

import asyncio
import gc
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import uvloop

from benchmarks.standin import certificates
from gomail.http import AiohttpTransport, FastTransport, Transport

KINDS = {"aiohttp": AiohttpTransport, "fast": FastTransport}
REQUEST = b"x" * 2_000
HEADERS = {
    "Content-Type": "application/json",
    "X-Amz-Date": "20260101T000000Z",
    "Authorization": "AWS4-HMAC-SHA256 " + "x" * 200,
}
ANSWERS = (300, 17_000)
WIDTHS = (1, 16, 64)
ROUNDS = 7
CALLS = 2_000


class Stub(asyncio.Protocol):
    """Answers each request once it is complete, in one write."""

    def __init__(self) -> None:
        self.heard = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep what is written to."""
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer; the client sends one request at a time."""
        self.heard += data
        end = self.heard.find(b"\r\n\r\n")
        if end < 0 or len(self.heard) < end + 4 + len(REQUEST):
            return
        size = int(self.heard[self.heard.index(b"/") + 1 : self.heard.index(b" HTTP")])
        self.heard.clear()
        self.transport.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nServer: stub\r\n"
            b"X-Message-Id: 0123456789abcdef\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\n"
            b"Content-Length: %d\r\n\r\n" % size + b"y" * size
        )


async def serve(folder: Path) -> None:
    """Serve plain and TLS until the parent ends; says both ports."""
    context, trusted = certificates.make(folder)
    loop = asyncio.get_running_loop()
    plain = await loop.create_server(Stub, "127.0.0.1", 0, backlog=200)
    secret = await loop.create_server(Stub, "127.0.0.1", 0, backlog=200, ssl=context)
    print(*(one.sockets[0].getsockname()[1] for one in (plain, secret)), trusted, flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


@contextmanager
def stub(folder: Path) -> Iterator[tuple[dict[str, str], ssl.SSLContext]]:
    """A stub in a process of its own: its addresses, and what its clients verify with."""
    command = [sys.executable, "-m", "benchmarks.transports", "serve", str(folder)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        plain, secret, trusted = process.stdout.readline().split()
        addresses = {"plain": f"http://127.0.0.1:{plain}", "tls": f"https://127.0.0.1:{secret}"}
        yield addresses, ssl.create_default_context(cafile=trusted)
        process.stdin.close()


async def cost(over: Transport, url: str, width: int, calls: int) -> float:
    """CPU µs a call, `width` of them at once."""

    async def call(times: int) -> None:
        for _ in range(times):
            await over.request("POST", url, headers=HEADERS, body=REQUEST, timeout=10.0)

    await asyncio.gather(*(call(5) for _ in range(width)))
    each = calls // width
    begun = time.process_time()
    await asyncio.gather(*(call(each) for _ in range(width)))
    return (time.process_time() - begun) / (each * width) * 1e6


async def measure(addresses: dict[str, str], tls: ssl.SSLContext, kinds: list[str]) -> None:
    """Print one line for each way, size and width."""
    transports = {kind: KINDS[kind](tls=tls) for kind in kinds}
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)
    print(
        f"{'':6}{'answer':>8}{'width':>6}" + "".join(f"{kind:>10}" for kind in kinds), "µs a call"
    )
    for way, address in addresses.items():
        for size in ANSWERS:
            for width in WIDTHS:
                seen: dict[str, list[float]] = {kind: [] for kind in kinds}
                for _ in range(ROUNDS):
                    for kind, over in transports.items():
                        seen[kind].append(await cost(over, f"{address}/{size}", width, CALLS))
                figures = [median(seen[kind]) for kind in kinds]
                ratio = f"  ratio {figures[-1] / figures[0]:.2f}" if len(kinds) > 1 else ""
                print(
                    f"{way:6}{size:8}{width:6}"
                    + "".join(f"{one:10.1f}" for one in figures)
                    + ratio,
                    flush=True,
                )
    for over in transports.values():
        await over.close()


def main(arguments: list[str]) -> None:
    """Serve, or measure against a process that does."""
    if arguments[:1] == ["serve"]:
        uvloop.run(serve(Path(arguments[1])))
        return
    kinds = [kind for kind in KINDS if kind in arguments] or list(KINDS)
    with tempfile.TemporaryDirectory() as folder, stub(Path(folder)) as (addresses, tls):
        ways = {way: url for way, url in addresses.items() if way in arguments} or addresses
        uvloop.run(measure(ways, tls, kinds))


if __name__ == "__main__":
    main(sys.argv[1:])
