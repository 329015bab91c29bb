"""Asks the ledger and the payload bucket. Nothing is written but a change that changes nothing.

A ledger's file that is not there is not made, and one of an older schema is not migrated: that
would take it from the processes of an older gomail that still run.
"""

import asyncio
import logging
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from uuid import uuid4

from gomail.doctor import bad, misconfigured, note, well
from gomail.errors import ConfigurationError
from gomail.ledger import Ledger, LedgerUnavailable
from gomail.ledger.sqlite_schema import MIGRATIONS
from gomail.payloads import PayloadMissing, Payloads, PayloadUnavailable
from gomail.providers import Finding

_SECONDS = 5.0
_WITHOUT = "; mail goes on without it, `sendAt` and Idempotency-Key are a 503"


async def ask_ledger(url: str, open_: Callable[[], Ledger | None]) -> list[Finding]:
    """Whether the ledger that `url` names answers and takes changes."""
    scheme, _, path = url.partition(":")
    if not url:
        return [note("none is kept: nobody can ask what became of an email", "set ledger.url")]
    if scheme == "sqlite" and (findings := await asyncio.to_thread(_about_file, Path(path))):
        return findings
    with _warnings() as warnings:
        try:
            ledger = await asyncio.to_thread(open_)
        except ConfigurationError as error:
            return misconfigured(error)
        assert ledger is not None
        try:
            findings = await _answers(ledger)
        except LedgerUnavailable as error:
            # The warnings, if any, say the same.
            return [
                bad(
                    f"does not answer: {error}{_WITHOUT}",
                    "check ledger.url, and that its server runs or its disk has room",
                )
            ]
        finally:
            await ledger.close()
    return [*findings, *(note(text) for text in warnings)]


def ask_spool(folder: Path) -> list[Finding]:
    """Whether what a ledger that is down misses can outlive a process, and whether it had to."""
    existing = next(one for one in (folder.absolute(), *folder.absolute().parents) if one.exists())
    if not (existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)):
        return [
            note(
                f"{folder} cannot be written by this user: what the ledger misses while it is down "
                "ends with its process",
                "let the user of the processes write there, or name another folder in ledger.spool",
            )
        ]
    waiting = len(list(folder.glob("*.jsonl")))
    if not waiting:
        return []
    return [
        note(
            f"{waiting} files of states that the ledger has yet to be told wait in {folder}",
            "a dispatch process on this machine tells them once the ledger answers",
        )
    ]


async def ask_payloads(payloads: Payloads, *, bucket: str, prefix: str) -> list[Finding]:
    """Whether the bucket answers a read; asks for an object that is not there."""
    try:
        await payloads.get(f"{prefix}doctor-{uuid4()}", timeout=_SECONDS)
    except PayloadMissing:
        return [well(f"bucket {bucket} can be read (asked for an object that is not there)")]
    except PayloadUnavailable as error:
        return [
            bad(
                f"bucket {bucket} cannot be read: {error}",
                "check payloads.bucket, payloads.endpoint_url and aws.region; 403: allow "
                "s3:ListBucket on the bucket, s3:GetObject, s3:PutObject and s3:DeleteObject on "
                "its objects",
            )
        ]
    return [well(f"bucket {bucket} can be read")]


async def _answers(ledger: Ledger) -> list[Finding]:
    stats = await ledger.stats(int(time.time() * 1000))
    # To end the lease of a key that nobody has: it needs all rights, and changes nothing.
    await ledger.release(f"doctor-{uuid4()}", message_id="")
    known = well(f"answers and takes changes; it knows {sum(stats.by_status.values()):,} emails")
    if not stats.processes:
        idle = note(
            "no dispatch process has reported in the last 30 s",
            "start one (python -m bytewax.run flows.dispatch), unless that is wanted",
        )
        return [known, idle]
    return [known, well(f"dispatch processes that reported lately: {len(stats.processes)}")]


def _about_file(file: Path) -> list[Finding]:
    """Why a SQLite ledger is not to be opened, or not worth it; empty where it is."""
    folder = file.parent
    if not file.exists():
        return [_about_folder(file)]
    if not (os.access(file, os.W_OK) and os.access(folder, os.W_OK | os.X_OK)):
        return [
            bad(
                f"{file} cannot be written by this user{_WITHOUT}",
                f"let the user of the processes write it and its folder {folder}",
            )
        ]
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as opened:
            version = opened.execute("PRAGMA user_version").fetchone()[0]
    except sqlite3.Error as error:
        return [
            bad(
                f"{file} cannot be read: {error}{_WITHOUT}",
                "move it away (a new one is made), or name another in ledger.url",
            )
        ]
    if version < len(MIGRATIONS):
        return [note(f"{file} has schema {version}; the next process that starts migrates it")]
    return []


def _about_folder(file: Path) -> Finding:
    existing = next(folder for folder in file.absolute().parents if folder.exists())
    if existing.is_dir() and os.access(existing, os.W_OK | os.X_OK):
        return well(f"{file} is not there yet; the first process makes it")
    return bad(
        f"{file} cannot be made in {existing}{_WITHOUT}",
        "let the user of the processes write there, or name another file in ledger.url",
    )


@contextmanager
def _warnings() -> Iterator[list[str]]:
    """What is logged at WARNING while a ledger is opened, such as how durable its server is."""
    said: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("gomail.ledger")
    logger.addHandler(handler)
    try:
        yield said
    finally:
        logger.removeHandler(handler)
