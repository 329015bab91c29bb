"""Every adapter behind one contract; a further one is its name here and a fixture `NAME_store`.

A store is a picklable callable: each call opens a ledger on the same, at first empty, store, in
this process or in another.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from gomail.ledger import Ledger
from gomail.ledger.redis import open_redis
from gomail.ledger.sqlite import SqliteLedger
from tests.ledger.servers import redis_server

ADAPTERS = ("sqlite", "redis")

Store = Callable[[], Ledger]
Scenario = Callable[[Ledger], Awaitable[Any]]
Play = Callable[[Scenario], Any]


@pytest.fixture
def sqlite_store(tmp_path: Path) -> Store:
    return partial(SqliteLedger, tmp_path / "ledger.db")


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server.url


@pytest.fixture
def redis_store(redis_url: str) -> Store:
    return partial(open_redis, redis_url, prefix=f"{uuid4()}:", timeout=5.0)


@pytest.fixture(params=ADAPTERS)
def store(request: pytest.FixtureRequest) -> Store:
    return request.getfixturevalue(f"{request.param}_store")


@pytest.fixture
def play(store: Store) -> Play:
    """Runs a scenario with a ledger on the test's store, and closes the ledger."""
    return partial(run, store)


def run(store: Store, scenario: Scenario) -> Any:
    async def whole() -> Any:
        ledger = store()
        try:
            return await scenario(ledger)
        finally:
            await ledger.close()

    return asyncio.run(whole())
