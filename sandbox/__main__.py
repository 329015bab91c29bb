"""Reads the command line, opens the ports and the file, and serves until it is told to stop."""

from __future__ import annotations

import argparse
import asyncio
import errno
import ipaddress
import json
import signal
import sqlite3
import sys
import time
from pathlib import Path

import uvloop

from sandbox.app import Sandbox
from sandbox.mailbox import SUMMARIES
from sandbox.objects import FolderObjects
from sandbox.store import NoStore, SqliteStore

_BACKLOG = 1024
_MAX_RECEIVES = "1000"


def main() -> int:
    """Run the sandbox; gives back the exit status."""
    options = _options()
    if not options.anywhere and not _is_loopback(options.host):
        return _fail(f"{options.host} is not this machine; add --anywhere to serve others, too.")
    try:
        store = SqliteStore(options.data) if options.data else NoStore()
        objects = FolderObjects(Path(f"{options.data}.s3")) if options.data else None
        sandbox = Sandbox(
            store, objects=objects, bad_key=options.bad_key, summaries=options.mailbox
        )
        _create_queues(sandbox, options.queue, options.dead_letter)
    except sqlite3.Error as error:
        return _fail(f"{options.data} cannot be used ({error}); name another file with --data.")
    try:
        return uvloop.run(_serve(sandbox, options.host, options.port, options.smtp_port))
    finally:
        store.close()


async def _serve(sandbox: Sandbox, host: str, port: int, smtp_port: int | None) -> int:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        server = sandbox.server()
        listener = await loop.create_server(server, host, port, backlog=_BACKLOG)
    except OSError as error:
        return _fail(_port_sentence(error, host, port, "--port"))
    bound = _port(listener)
    try:
        mail = await _serve_mail(sandbox, host, smtp_port, beside=bound if port else 0)
    except OSError as error:
        return _fail(_port_sentence(error, host, smtp_port or 0, "--smtp-port"))
    shown = f"[{host}]" if ":" in host else host
    _say(f"sandbox ready on http://{shown}:{bound}")
    if mail is None:
        _say("sandbox takes no mail by SMTP: aiosmtpd is not installed")
    else:
        _say(f"sandbox takes mail by SMTP on {shown}:{_port(mail)}")
    await stop.wait()
    listener.close()
    if mail is not None:
        mail.close()
    await sandbox.close(server)
    return 0


async def _serve_mail(
    sandbox: Sandbox, host: str, port: int | None, *, beside: int
) -> asyncio.Server | None:
    """Listen for SMTP; where nobody asked for a port, at the one after `beside`, if it is free.

    Raises:
        OSError: the port that was asked for cannot be had.
    """
    sessions = sandbox.smtp.sessions()
    if sessions is None:
        return None
    loop = asyncio.get_running_loop()
    if port is not None:
        return await loop.create_server(sessions, host, port, backlog=_BACKLOG)
    try:
        return await loop.create_server(sessions, host, beside and beside + 1, backlog=_BACKLOG)
    except (OSError, OverflowError):
        return await loop.create_server(sessions, host, 0, backlog=_BACKLOG)


def _port(server: asyncio.Server) -> int:
    port: int = server.sockets[0].getsockname()[1]
    return port


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201  for people, and for whoever starts it


def _create_queues(sandbox: Sandbox, names: list[str], dead_letter: str | None) -> None:
    now = time.time()
    redrive: dict[str, str] = {}
    if dead_letter is not None:
        arn = _ensure(sandbox, dead_letter, {}, now)
        policy = {"deadLetterTargetArn": arn, "maxReceiveCount": _MAX_RECEIVES}
        redrive = {"RedrivePolicy": json.dumps(policy)}
    for name in names:
        _ensure(sandbox, name, redrive, now)


def _ensure(sandbox: Sandbox, name: str, attributes: dict[str, str], now: float) -> str:
    if name not in sandbox.queues:
        sandbox.queues.create(name, attributes, now)
    return sandbox.queues.get(name).settings.arn


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m sandbox",
        description="The cloud on one machine: SQS, S3, providers of email, a mailbox and faults.",
        epilog="The mailbox and the fault switches are at http://HOST:PORT/mailbox.html",
    )
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="address to listen at (default: %(default)s)")
    add("--port", type=int, default=9324, help="port, 0 for a free one (default: %(default)s)")
    add(
        "--smtp-port",
        type=int,
        metavar="PORT",
        help="port for SMTP, 0 for a free one (default: the one after --port, or a free one)",
    )
    add(
        "--data",
        metavar="FILE",
        help="keep queues in this file, objects of S3 in FILE.s3/ (default: memory only)",
    )
    add("--queue", metavar="NAME", action="append", default=[], help="create it; repeatable")
    add("--dead-letter", metavar="NAME", help="create it first; takes dead letters of the others")
    add("--bad-key", default="bad", help="access key that providers refuse (default: %(default)s)")
    add(
        "--mailbox",
        type=int,
        metavar="N",
        default=SUMMARIES,
        help="emails the mailbox remembers; the last 1,000 whole (default: %(default)s)",
    )
    add("--anywhere", action="store_true", help="allow a host that others can reach")
    return parser.parse_args()


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _port_sentence(error: OSError, host: str, port: int, option: str) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} is busy; choose another with {option}, or {option} 0 for a free one."
    return f"Cannot listen at {host} port {port} ({error.strerror}); see --host and {option}."


def _fail(sentence: str) -> int:
    print(sentence, file=sys.stderr)  # noqa: T201  the sentence is for people
    return 1


if __name__ == "__main__":
    sys.exit(main())
