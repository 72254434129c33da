"""The operator's own state in a real browser, by keyboard; and what supervisors may do about it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from desk_scenes import customer
from fake_desk import FakeDesk, ago, identity
from page_fixtures import AtDesk, at_desk, sqlite_url
from playwright.async_api import Page, expect

from cordboard.desk.refusals import refusal

__all__ = ["at_desk", "sqlite_url"]

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def asked(desk: FakeDesk, page: Page, count: int = 1) -> list[tuple[str, dict[str, Any]]]:
    """The first `count` actions that the page asked for, and no more."""
    for _ in range(1200):
        if len(desk.asked) >= count:
            break
        await page.wait_for_timeout(25)
    return [(fact.action, fact.args) for fact in desk.asked]


async def test_reasons_for_a_pause_have_keys(at_desk: AtDesk) -> None:
    async with at_desk() as (desk, page):
        await page.keyboard.press("F9")
        await expect(page.get_by_test_id("state-list")).to_be_visible()
        await expect(page.get_by_test_id("state-pause-lunch")).to_have_text(
            re.compile(r"2\s*Lunch\s*60 min")
        )
        await page.keyboard.press("2")
        assert await asked(desk, page) == [("pause", {"pause": "lunch"})]
        await expect(page.get_by_test_id("state-list")).to_have_count(0)
        desk.me("paused", 5, reason="lunch", due=ago(-3595))
        await expect(page.get_by_test_id("own-reason")).to_have_text("Lunch")
        await expect(page.get_by_test_id("own-due")).to_have_text(re.compile(r"59:[2-5]\d"))
        await page.keyboard.press("F4")
        assert (await asked(desk, page, 2))[1:] == [("unpause", {})]


async def test_the_menu_is_walked_by_arrows_and_left_by_escape(at_desk: AtDesk) -> None:
    async with at_desk() as (desk, page):
        await page.keyboard.press("F9")
        await page.keyboard.press("ArrowDown")
        await page.keyboard.press("ArrowDown")
        await expect(page.get_by_test_id("state-pause-lunch")).to_be_focused()
        await page.keyboard.press("Escape")
        await expect(page.get_by_test_id("state-list")).to_have_count(0)
        assert desk.asked == []


async def test_a_wrap_up_counts_down_is_extended_and_done(at_desk: AtDesk) -> None:
    async with at_desk() as (desk, page):
        desk.ring("p1", "+79123456789")
        desk.answer("p1")
        desk.hang_up("p1")
        call = identity("p1")
        desk.me("wrap-up", 5, call=call, due=ago(-25), at_most=ago(-55))
        await expect(page.get_by_test_id("own-due")).to_have_text(re.compile(r"0:[12]\d"))
        await page.get_by_test_id("wrapup-note").fill("half a")
        await page.keyboard.press("F7")
        assert await asked(desk, page) == [("extend", {"seconds": 30})]
        end = ago(-55)
        desk.me("wrap-up", 5, call=call, due=end, at_most=end)
        await expect(page.get_by_test_id("wrapup-extend")).to_be_disabled()
        await page.keyboard.press("F4")
        assert (await asked(desk, page, 2))[1:] == [("done", {})]
        await expect(page.get_by_test_id("wrapup-note")).to_have_value("half a")


async def test_a_phone_that_rings_takes_the_menu_away(at_desk: AtDesk) -> None:
    async with at_desk() as (desk, page):
        await page.keyboard.press("F9")
        await expect(page.get_by_test_id("state-list")).to_be_visible()
        desk.me("offered", call=identity("p1"))
        desk.ring("p1", "+79123456789", customer("Ivan", phones=["+79123456789"]))
        await expect(page.get_by_test_id("customer-name")).to_have_text("Ivan")
        await expect(page.get_by_test_id("state-list")).to_have_count(0)
        await page.keyboard.press("2")
        assert desk.asked == []
        # Whoever opens it now wants it, and the card that comes anew is the same call's.
        await page.keyboard.press("F9")
        desk.ring("p1", "+79123456789", customer("Ivan Petrov", phones=["+79123456789"]))
        await expect(page.get_by_test_id("customer-name")).to_have_text("Ivan Petrov")
        await page.keyboard.press("2")
        assert await asked(desk, page) == [("pause", {"pause": "lunch"})]


async def test_digits_in_a_field_choose_no_pause(at_desk: AtDesk) -> None:
    async with at_desk() as (desk, page):
        await page.keyboard.press("F9")
        await page.get_by_test_id("dial-number").fill("")
        await page.get_by_test_id("dial-number").press("2")
        await expect(page.get_by_test_id("dial-number")).to_have_value("2")
        assert desk.asked == []


async def test_a_phone_is_chosen_at_the_log_in_and_remembered(at_desk: AtDesk) -> None:
    async with at_desk(phone=None) as (desk, page):
        desk.me("offline", 5, phone=None, queues=[])
        await expect(page.get_by_test_id("idle")).to_contain_text("press F9")
        await page.keyboard.press("F9")
        await expect(page.get_by_test_id("login-phone")).to_be_focused()
        desk.refuse = "Boris Ivanov works at PJSIP/1007: two cannot share a phone"
        await page.keyboard.type("1007")
        await page.keyboard.press("Enter")
        await expect(page.get_by_test_id("state-error")).to_have_text(
            "Boris Ivanov works at PJSIP/1007: two cannot share a phone."
        )
        await page.keyboard.press("Backspace")
        await page.keyboard.type("8")
        await page.keyboard.press("Enter")
        assert (await asked(desk, page, 2))[1:] == [("login", {"phone": "PJSIP/1008"})]
        await expect(page.get_by_test_id("login-form")).to_have_count(0)
        await expect(page.get_by_test_id("dial-form")).to_have_count(0)
        desk.me("ready", 0, phone="PJSIP/1008")
        await expect(page.get_by_test_id("dial-form")).to_be_visible()
        desk.me("offline", 0, phone=None, queues=[])
        await expect(page.get_by_test_id("dial-form")).to_have_count(0)
        await page.reload()
        await expect(page.get_by_test_id("own-state")).to_be_visible()
        await page.keyboard.press("F9")
        await expect(page.get_by_test_id("login-phone")).to_have_value("PJSIP/1008")


async def test_who_let_calls_ring_is_told_and_is_back_with_one_key(at_desk: AtDesk) -> None:
    async with at_desk() as (desk, page):
        desk.me("paused", 5, reason="missed", misses=3)
        await expect(page.get_by_test_id("missed")).to_contain_text("not taken")
        await page.keyboard.press("F4")
        assert await asked(desk, page) == [("unpause", {})]
        desk.me("ready")
        await expect(page.get_by_test_id("missed")).to_have_count(0)


async def test_a_pause_over_its_limit_is_said_at_that_moment(at_desk: AtDesk) -> None:
    async with at_desk() as (desk, page):
        desk.me("paused", 898, reason="break", due=ago(-5))
        await expect(page.get_by_test_id("pause-over")).to_have_count(0)
        await expect(page.get_by_test_id("pause-over")).to_contain_text("Break")
        await expect(page.get_by_test_id("own-due")).to_have_attribute("data-level", "alarm")


async def test_what_a_supervisor_did_is_told_with_who_and_why(at_desk: AtDesk) -> None:
    async with at_desk() as (desk, page):
        desk.notice("logout", "The <b>fire</b> alarm")
        await expect(page.get_by_test_id("notice")).to_contain_text(
            "Olga Supervisor logged you out of the queues. The <b>fire</b> alarm"
        )
        await page.reload()
        await page.get_by_test_id("notice-close").press("Enter")
        await expect(page.get_by_test_id("notice")).to_have_count(0)


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("ru", "Из очередей sales, support выйти нельзя: так задано на АТС. Возьмите паузу."),
        (
            "bg",
            "От sales, support не може да се излезе: така е зададено в централата."
            " Вместо това вземете пауза.",
        ),
    ],
)
async def test_a_supervisor_reads_in_his_language_why_a_state_is_not_changed(
    at_desk: AtDesk, language: str, said: str
) -> None:
    async with at_desk("/wallboard", role="supervisor", language=language) as (desk, page):
        desk.operator("boris", "Boris Ivanov", "ready", 5)
        await expect(page.get_by_test_id("operator-boris")).to_have_attribute("data-state", "ready")
        await page.get_by_test_id("manage-boris").press("Enter")
        await page.get_by_test_id("manage-action").select_option("logout")
        await page.get_by_test_id("manage-why").fill("!")
        desk.refuse = refusal("member-fixed", queues="sales, support")
        await page.keyboard.press("Enter")
        await expect(page.get_by_test_id("manage-error")).to_have_text(said)


async def test_a_supervisor_changes_a_state_with_a_reason(at_desk: AtDesk) -> None:
    async with at_desk("/wallboard", role="supervisor") as (desk, page):
        desk.operator(
            "boris", "Boris Ivanov", "ready", 5, phone="PJSIP/1007", queues=["sales"], misses=2
        )
        tile = page.get_by_test_id("operator-boris")
        await expect(tile.get_by_test_id("operator-place")).to_have_text("PJSIP/1007 · sales")
        await expect(tile.get_by_test_id("operator-misses")).to_have_text("2 calls not taken")
        await page.get_by_test_id("manage-boris").press("Enter")
        await expect(page.get_by_test_id("manage-action")).to_be_focused()
        await page.get_by_test_id("manage-action").select_option("logout")
        await page.get_by_test_id("manage-why").press("Enter")
        assert desk.asked == []  # not without a reason
        await page.keyboard.type("Gone home")
        await page.keyboard.press("Enter")
        await asked(desk, page)
        (fact,) = desk.asked
        assert (fact.target, fact.action, fact.reason) == ("boris", "logout", "Gone home")
        await expect(page.get_by_test_id("manage-form")).to_have_count(0)
        desk.operator("boris", "Boris Ivanov", "paused", 70, reason="lunch", due=ago(10))
        await expect(tile.get_by_test_id("operator-detail")).to_have_text("Lunch")
        await expect(tile.get_by_test_id("operator-due")).to_have_attribute("data-level", "alarm")
