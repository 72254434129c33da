"""Fixtures for all tests: the real parts, each started by whoever asks for it first."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, settings
from pbx_fixtures import ami, ami_raw, brisk, pbx, sandbox
from postgres_fixtures import postgres_lent, postgres_server
from server_fixtures import proxied_server, proxy, server
from store_fixtures import sqlite_template

if TYPE_CHECKING:
    from playwright.async_api import Browser

# What a whole run shares must stand here: a fixture that a module imports is another one there.
__all__ = [
    "ami",
    "ami_raw",
    "brisk",
    "pbx",
    "postgres_lent",
    "postgres_server",
    "proxied_server",
    "proxy",
    "sandbox",
    "server",
    "sqlite_template",
]

# A machine that is busy is no fault of what is tested. What was green is green again; new examples
# are looked for by `pytest --hypothesis-profile explore`, with another --hypothesis-seed each time.
patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("cordboard", patient, derandomize=True)
settings.register_profile("explore", patient)
settings.load_profile("cordboard")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def one_browser() -> AsyncIterator[Browser]:
    """The process's Chromium, for tests that run in the session's loop."""
    from browser_fixtures import launched  # here, for whom no browser is needed

    async with launched() as browser:
        yield browser


def pytest_xdist_auto_num_workers() -> int:
    """For `-n auto`: more than cores, since most of a test on the real PBX is waiting."""
    cores = len(os.sched_getaffinity(0))
    return min(3 * cores, cores + 4)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--pictures", metavar="DIR", help="save the README's pictures from the browser tests there"
    )
