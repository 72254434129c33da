"""The page of surveys: a figure, its formula, and the runs behind it."""

from __future__ import annotations

import time
from typing import Any

import pytest
from page_fixtures import *  # noqa: F403
from page_fixtures import AtDesk
from playwright.async_api import expect
from screenpop_server import Shelf
from store_fixtures import *  # noqa: F403

from cordboard.crm_core.model import AnswerRecord, RunRecord
from cordboard.crm_core.store import Store
from cordboard.events import derived_id

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]
STATUSES = ("vip", "regular", "regular")
PATH = '[["menu", "1", 1.0]]'


def asked(number: int, score: int, status: str) -> list[Any]:
    at = time.time() - 3600 - number
    run = derived_id(int(at * 1000), "run", str(number))
    call = derived_id(int(at * 1000), "call", str(number))
    return [
        RunRecord(
            run, "hello", Shelf().hello.fingerprint, "phone", call, None, None, "+7916", "anna",
            "sales", status, "en", at, at + 20, "completed", "bye", PATH,
        ),
        AnswerRecord(run, "score", "menu", "scale", str(score), at + 5, None, "0-10"),
    ]  # fmt: skip


LANGUAGES = {
    "en": "3 gave 9 or 10, 1 gave 0 to 6, of 5",
    "ru": "9 или 10 поставили: 3",
    "bg": "9 или 10 са дали: 3",
}


@pytest.mark.parametrize("language", LANGUAGES)
async def test_a_supervisor_sees_the_score_and_the_calls_behind_it(
    at_desk: AtDesk, sqlite_url: str, language: str
) -> None:
    store = Store(sqlite_url)
    await store.open()
    for number, score in enumerate([10, 9, 9, 3, 7]):
        await store.write(asked(number, score, STATUSES[number % 3]))
    await store.close()
    async with at_desk(language=language, role="supervisor", library=Shelf()) as (desk, page):
        await page.goto(f"{desk.url}/surveys?survey=hello&days=7")
        score = page.get_by_test_id("nps-score")
        await expect(score).to_contain_text("+40")
        await expect(score).to_contain_text(LANGUAGES[language])
        await page.get_by_test_id("bar-score-9").focus()
        await page.keyboard.press("Enter")
        behind = page.get_by_test_id("behind")
        await expect(behind).to_contain_text("n = 2")
        assert await behind.get_by_role("link").count() == 2
        await page.get_by_test_id("by-score").select_option("status")
        row = page.get_by_test_id("table").locator('[data-row="regular"]')
        await expect(row).to_contain_text("+67")
        assert "by=status" in page.url
        await page.get_by_test_id("all-score").press("Enter")
        await expect(behind).to_contain_text("n = 5")
        await expect(page.get_by_test_id("bar-score-0")).to_be_disabled()
        await page.set_viewport_size({"width": 390, "height": 800})
        assert not await page.evaluate("document.documentElement.scrollWidth > innerWidth")
