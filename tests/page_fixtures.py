"""A page in a real browser, before a desk whose calls are scripted."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import AsyncIterator, Callable

import pytest
from browser_fixtures import expect
from desk_scenes import office
from fake_desk import FakeDesk
from playwright.async_api import Browser, Page
from store_fixtures import sqlite_url

from cordboard.crm_core.model import Role
from cordboard.screenpop.charts import Library

__all__ = ["AtDesk", "at_desk", "desk_and_browser", "sqlite_url"]

AtDesk = Callable[..., contextlib.AbstractAsyncContextManager[tuple[FakeDesk, Page]]]


@contextlib.asynccontextmanager
async def desk_and_browser(
    browser: Browser,
    database: str,
    path: str = "/",
    *,
    language: str | None = "en",
    role: Role = "operator",
    width: int = 1280,
    logged_in: bool = True,
    phone: str | None = "PJSIP/1001",
    library: Library | None = None,
) -> AsyncIterator[tuple[FakeDesk, Page]]:
    """A desk and a browser in front of it. Any error on the page fails the test."""
    desk = FakeDesk(language, role)
    desk.phone = phone
    desk.library = library
    office(desk, "en")
    faults: list[str] = []
    async with desk.serve(database=database):
        context = await browser.new_context(
            viewport={"width": width, "height": 800}, timezone_id="Europe/Sofia"
        )
        context.set_default_timeout(60_000)
        if logged_in:
            await context.add_cookies([desk.cookie])
        page = await context.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
        await page.goto(desk.url + path)
        if logged_in:
            await expect(page.get_by_test_id("link-state")).to_have_attribute("data-link", "live")
        try:
            yield desk, page
        finally:
            await context.close()
    expected = ("net::ERR_", "Failed to load resource", "WebSocket connection to")
    assert [fault for fault in faults if not any(part in fault for part in expected)] == []


@pytest.fixture
def at_desk(one_browser: Browser, sqlite_url: str) -> AtDesk:
    """For tests in the session's loop, in which the browser is."""
    return functools.partial(desk_and_browser, one_browser, sqlite_url)
