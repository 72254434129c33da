"""Calling from the console in a real browser: a number of the card, or one that is typed."""

from __future__ import annotations

import asyncio
import re

import pytest
from desk_scenes import customer
from fake_desk import identity
from page_fixtures import AtDesk, at_desk, sqlite_url
from playwright.async_api import expect

__all__ = ["at_desk", "sqlite_url"]

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def test_a_number_that_is_typed_is_called_and_a_refusal_is_told_in_words(
    at_desk: AtDesk,
) -> None:
    async with at_desk() as (desk, page):
        await page.get_by_test_id("dial-number").fill("+7 903 111-22-33")
        desk.refuse = "your phone did not answer"
        await page.keyboard.press("Enter")
        await expect(page.get_by_test_id("dial-error")).to_have_text("Your phone did not answer.")
        desk.refuse = "Extension is not valid"  # the PBX's own words
        await page.keyboard.press("Enter")
        await expect(page.get_by_test_id("dial-error")).to_have_text(
            "Not done: Extension is not valid"
        )
        desk.refuse = None
        await page.keyboard.press("Enter")
        async with asyncio.timeout(60):
            while len(desk.asked) < 3:
                await asyncio.sleep(0.01)
        await expect(page.get_by_test_id("dial-error")).to_have_count(0)
        assert [(asked.action, asked.args) for asked in desk.asked] == [
            ("call", {"number": "+79031112233"})
        ] * 3


async def test_a_customers_number_is_called_by_a_click_when_the_phone_is_free(
    at_desk: AtDesk,
) -> None:
    async with at_desk() as (desk, page):
        desk.me("offered", call=identity("p1"))
        desk.ring("p1", "+79123456789", customer("Ivan", phones=["+79123456789", "+79031112233"]))
        await expect(page.get_by_test_id("customer-name")).to_have_text("Ivan")
        await expect(page.get_by_test_id("dial")).to_have_count(0)
        desk.answer("p1")
        desk.hang_up("p1")
        desk.me("wrap-up", call=identity("p1"))
        numbers = page.get_by_test_id("dial")
        await expect(numbers).to_have_count(2)
        await numbers.filter(has_text=re.compile("111")).click()
        async with asyncio.timeout(60):
            while not desk.asked:
                await asyncio.sleep(0.01)
        await expect(page.get_by_test_id("dial-error")).to_have_count(0)
        (asked,) = desk.asked
        assert (asked.target, asked.args) == ("anna", {"number": "+79031112233"})
