"""The real ledger in a file, one that a test breaks, and builders of what it is told."""

import asyncio
from pathlib import Path

from starlette.testclient import TestClient

from gomail.ledger import Intent, LedgerUnavailable, Queued, Recorded, Status
from gomail.ledger.sqlite import SqliteLedger
from gomail.outcome import OutcomeClass
from ingest.app import create_app
from tests.ingest.scripted import ScriptedQueue, settings

NOON = 1_769_860_800_000
"""2026-01-31T12:00:00.000Z"""
WHO = {"from_email": "shop@example.com", "to_email": "ada@example.com"}
LOCAL = {"base_url": "http://127.0.0.1:8000", "client": ("127.0.0.1", 50_000)}


class BreakableLedger:
    """A real ledger of which any call can be made to fail, to hang or to have a bug."""

    def __init__(self, real):
        self.real = real
        self.down = set()
        self.hanging = set()
        self.bugs = set()
        self.calls = []
        self.awake = asyncio.Event()

    def __getattr__(self, name):
        async def call(*values, **named):
            self.calls.append((name, values, named))
            if name in self.hanging:
                await self.awake.wait()
            if name in self.down:
                raise LedgerUnavailable("down")
            if name in self.bugs:
                raise RuntimeError("ada@example.com")
            return await getattr(self.real, name)(*values, **named)

        return call

    def asked(self, name):
        return [(values, named) for each, values, named in self.calls if each == name]


ALL = {
    "queued", "claim", "answer", "release", "schedule", "due", "released", "cancel",
    "email", "emails", "events", "stats", "prune",
}  # fmt: skip


def breakable(tmp_path: Path) -> BreakableLedger:
    return BreakableLedger(SqliteLedger(tmp_path / "ledger.db"))


def app_over(ledger, queue=None, **more):
    return create_app(
        settings(**more.pop("ingest", {})),
        queue=(queue or ScriptedQueue()).open,
        ledger=lambda _settings: ledger,
        **more,
    )


def local_client(app, **more) -> TestClient:
    return TestClient(app, **{**LOCAL, **more})


def told(path, scene):
    """Have a ledger on this file told something, from beside the application."""

    async def tell():
        ledger = SqliteLedger(path / "ledger.db")
        try:
            return await scene(ledger)
        finally:
            await ledger.close()

    return asyncio.run(tell())


def queued(email_id, **more):
    return Queued(**{"id": email_id, "at": NOON, **WHO, **more})


def intent(email_id, **more):
    given = {"provider": "ses", "at": NOON + 100, "receive_count": 1, "owner": "mail-1:7"}
    return Intent(**{"id": email_id, **given, "queued_at": NOON, **WHO, **more})


def accepted(email_id, **more):
    given = {
        "status": Status.SENT,
        "at": NOON + 250,
        "provider": "ses",
        "number": 1,
        "kind": OutcomeClass.ACCEPTED,
        "code": "200",
        "provider_id": "ses-1",
        "started": NOON + 100,
        "duration": 150,
        "owner": "mail-1:7",
        "queued_at": NOON,
    }
    return Recorded(**{"id": email_id, **given, **WHO, **more})
