"""Headless Chromium by Playwright: a person in front of a page, whose every complaint counts."""

from __future__ import annotations

import contextlib
import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, BrowserContext, Locator, Page, async_playwright, expect

__all__ = ["Seat", "browser", "launched", "pictures"]

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
expect.set_options(timeout=30_000)  # of a machine that is busy

PICTURE_AT_MOST = 200 * 1024
"""Bytes: the pictures of the README are in the repository."""


def chromium() -> str:
    """The browser's program; the test fails where there is none."""
    for name in NAMES:
        if found := shutil.which(name):
            return found
    pytest.fail("no Chromium on this machine; type: sudo apt-get install chromium", pytrace=False)


@contextlib.asynccontextmanager
async def launched() -> AsyncIterator[Browser]:
    path = chromium()
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=CHROMIUM_FLAGS)
        yield browser
        await browser.close()


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with launched() as opened:
        yield opened


class Seat:
    """One person's browser. What the page complained of is in `faults` (scripts that failed,
    policies that were broken, dialogs that opened), what it asked for in `requests`."""

    def __init__(self, page: Page, base: str) -> None:
        self.page = page
        self.base = base
        self.faults: list[str] = []
        self.requests: list[str] = []
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("console", self._said)
        page.on("dialog", self._opened)
        page.on("request", lambda request: self.requests.append(request.url))

    def __getitem__(self, testid: str) -> Locator:
        """The element with this `data-testid`."""
        return self.page.get_by_test_id(testid)

    async def log_in(self, name: str, password: str, path: str = "/") -> None:
        """By the form to which somebody is sent who is not logged in yet, by keyboard alone."""
        await self.page.goto(self.base + path)
        await expect(self["login-form"]).to_be_visible()
        await self.page.keyboard.type(name)
        await self.page.keyboard.press("Tab")
        await self.page.keyboard.type(password)
        await self.page.keyboard.press("Enter")
        await self.page.wait_for_url(self.base + path)

    async def shows(self, testid: str, text: Any) -> None:
        await expect(self[testid]).to_have_text(text)

    async def is_live(self) -> None:
        await expect(self["link-state"]).to_have_attribute("data-link", "live")

    async def call_is(self, state: str, within: float = 60) -> None:
        """Waits until the card's call is in this state."""
        shown = expect(self["call-state"])
        await shown.to_have_attribute("data-value", state, timeout=within * 1000)

    def _said(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.faults.append(message.text)

    async def _opened(self, dialog: Any) -> None:
        self.faults.append(f"dialog: {dialog.message}")
        await dialog.dismiss()


@contextlib.asynccontextmanager
async def seat(
    browser: Browser, base: str, language: str = "en", expected: tuple[str, ...] = ()
) -> AsyncIterator[Seat]:
    """A seat whose faults, but for the expected ones, fail the test."""
    context: BrowserContext = await browser.new_context(
        viewport={"width": 1280, "height": 800},
        locale=language,
        timezone_id="Europe/Sofia",
        color_scheme="light",
    )
    context.set_default_timeout(60_000)
    taken = Seat(await context.new_page(), base)
    try:
        yield taken
    finally:
        await context.close()
    assert [one for one in taken.faults if not any(part in one for part in expected)] == []


class Pictures:
    """Saves what a page shows, where --pictures names a folder; else does nothing."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder

    async def take(
        self, page: Page, name: str, timer: Locator, shows: str | re.Pattern[str]
    ) -> None:
        """The page as it is when `timer` shows this time: a picture of a call that goes on."""
        if self.folder is None:
            return
        await expect(timer).to_have_text(shows, timeout=60_000)
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{name}.png"
        await page.screenshot(path=path, animations="disabled", caret="hide")
        assert path.stat().st_size <= PICTURE_AT_MOST, f"{path} is too big for a README"


@pytest.fixture
def pictures(request: pytest.FixtureRequest) -> Pictures:
    folder = request.config.getoption("--pictures")
    return Pictures(Path(folder).absolute() if folder else None)
