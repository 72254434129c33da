"""A store on each database that cordboard supports; tests that ask for `store` run on both."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from postgres_fixtures import empty_postgres_url, postgres_url

from cordboard.crm_core.migrations import upgrade
from cordboard.crm_core.store import Store

__all__ = [
    "Clock",
    "clock",
    "database_url",
    "empty_postgres_url",
    "postgres_url",
    "sqlite_url",
    "store",
]

CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
NOW = 1_790_000_000.25


class Clock:
    """Stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    asyncio.run(upgrade(f"sqlite:///{path}"))
    return path


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """A fresh database with this release's tables."""
    return f"sqlite:///{shutil.copy(sqlite_template, tmp_path / 'cordboard.db')}"


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest) -> str:
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture
async def store(database_url: str, clock: Clock) -> AsyncIterator[Store]:
    opened = Store(database_url, hasher=CHEAP, clock=clock)
    await opened.open()
    yield opened
    await opened.close()
