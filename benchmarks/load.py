"""`python -m benchmarks.load URL CONNECTIONS SECONDS`: what `wrk.lua` does, where there is no wrk.

It costs more CPU than wrk, so it takes more from what it measures where cores are few.
"""

import asyncio
import json
import sys
import time
from itertools import count
from urllib.parse import urlsplit

import uvloop

from benchmarks.standin.accounts import quantile

TEXT = "It has left our house and should be with you soon. " * 20
_LENGTH = b"content-length:"


def request(host: str, number: int) -> bytes:
    """One `POST /email/send`, to an address of its own."""
    email = {
        "fromEmail": "shop@example.com",
        "fromName": "The shop",
        "toEmail": f"reader-{number}@example.org",
        "subject": "Your order",
        "body": TEXT,
    }
    body = json.dumps({"email": email}).encode()
    head = f"POST /email/send HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, asked: bytes
) -> bool:
    """Ask and read the answer; whether it was a 200."""
    writer.write(asked)
    head = await reader.readuntil(b"\r\n\r\n")
    start = head.lower().index(_LENGTH) + len(_LENGTH)
    await reader.readexactly(int(head[start : head.index(b"\r\n", start)]))
    return head.startswith(b"HTTP/1.1 200")


async def load(url: str, connections: int, seconds: float) -> dict[str, float]:
    """Keep every connection busy for so long."""
    where = urlsplit(url)
    assert where.hostname is not None
    numbers, delays, failed = count(), [], 0
    began = time.monotonic()

    async def one() -> None:
        nonlocal failed
        reader, writer = await asyncio.open_connection(where.hostname, where.port)
        while (asked_at := time.monotonic()) < began + seconds:
            good = await exchange(reader, writer, request(where.netloc, next(numbers)))
            failed += not good
            delays.append((time.monotonic() - asked_at) * 1_000)
        writer.close()

    await asyncio.gather(*(one() for _ in range(connections)))
    delays.sort()
    return {
        "posts": len(delays),
        "failed_posts": failed,
        "seconds": time.monotonic() - began,
        "p50_ms": quantile(delays, 0.5),
        "p99_ms": quantile(delays, 0.99),
    }


if __name__ == "__main__":
    url, connections, seconds = sys.argv[1:]
    print(json.dumps(uvloop.run(load(url, int(connections), float(seconds)))))
