"""Calls that were somebody's own, on the console and on the wallboard, in a real browser."""

from __future__ import annotations

import re

import pytest
from desk_scenes import missed_calls, office, reason
from page_fixtures import AtDesk, at_desk, sqlite_url
from playwright.async_api import expect

__all__ = ["at_desk", "sqlite_url"]

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def test_missed_calls_stand_on_the_console_until_they_are_seen(at_desk: AtDesk) -> None:
    async with at_desk() as (desk, page):
        office(desk, "en")
        missed_calls(desk, "en")
        rows = page.get_by_test_id("missed-call")
        await expect(rows).to_have_text(
            [
                re.compile("Jane Smith.*You could not be rung", re.S),
                re.compile("926 555.*hung up while your phone rang", re.S),
                re.compile("Montgomery.*VIP.*You did not answer", re.S),
            ]
        )
        await rows.first.get_by_test_id("dial").click()
        await rows.first.get_by_test_id("missed-seen").click()
        await expect(rows.first.get_by_test_id("missed-seen")).to_be_enabled()
        while len(desk.asked) < 2:
            await page.wait_for_timeout(20)
        called, seen = desk.asked
        assert (called.action, called.args) == ("call", {"number": "+442079460018"})
        assert (seen.action, seen.target) == ("seen", "anna")
        desk.missed("Jane Smith", "+442079460018", "engaged", 20, state="seen")
        await expect(rows).to_have_count(2)
        await page.reload()
        await expect(rows).to_have_count(2)


@pytest.mark.parametrize("who", ["manager", "last-operator"])
async def test_the_wallboard_tells_at_whose_phone_a_caller_is_whose_place_is_kept(
    at_desk: AtDesk, who: str
) -> None:
    async with at_desk("/wallboard", role="supervisor") as (desk, page):
        desk.queue("sales", waiting=1, longest=5)
        since = "2026-01-01T00:00:00.000000Z"
        away = {"who": who, "operator": "elena", "operator_name": "Elena"}
        not_reached = reason("manager-not-reached", operator="Elena", where="desk", status="BUSY")
        waits = {"call": "w1", "name": "Olga", "from": "+7912", "status": None, "since": since}
        kept = {"call": "w2", "name": "Ivan", "from": "+7913", "status": "vip", "since": since}
        more = {"away": away, "position": 2, "why": [not_reached]}
        desk.waiting("sales", [waits, kept | more])
        rows = page.get_by_test_id("waiting-queue-sales").get_by_role("listitem")
        await expect(rows.nth(0).get_by_test_id("away")).to_have_count(0)
        shown = "last operator" if who == "last-operator" else "personal manager"
        await expect(rows.nth(1)).to_have_text(
            re.compile(f"2.*Ivan.*At the phone of Elena, the {shown}.*desk of Elena: busy", re.S)
        )


async def test_supervisors_see_whose_personal_calls_were_missed_and_whether_the_two_have_talked(
    at_desk: AtDesk,
) -> None:
    async with at_desk("/wallboard", role="supervisor") as (desk, page):
        panel = page.get_by_test_id("personal-calls")
        await expect(panel).to_have_count(0)
        elena = {"operator": "elena", "operator_name": "Elena"}
        desk.missed("Ivan", "+79161110001", "not-taken", 300, **elena)
        desk.missed("Olga", "+79161110002", "engaged", 200, state="seen", **elena)
        desk.missed("Petr", "+79161110003", "caller-left", 100, state="talked", **elena)
        desk.missed("Jane", "+442079460018", "not-taken", 20)
        of_elena = panel.get_by_test_id("personal-elena")
        await expect(of_elena.get_by_test_id("personal-owed")).to_have_text("2 not called back")
        await expect(of_elena.get_by_test_id("personal-call")).to_have_text(
            [
                re.compile("Olga.*Seen, not called back.*Could not be rung", re.S),
                re.compile("Ivan.*Not called back.*Did not answer", re.S),
                re.compile("Petr.*Talked at.*hung up while the phone rang", re.S),
            ]
        )
        await expect(panel.get_by_test_id(re.compile("^personal-(elena|anna)$"))).to_have_count(2)
        desk.missed("Ivan", "+79161110001", "not-taken", 300, state="talked", **elena)
        desk.missed("Olga", "+79161110002", "engaged", 200, state="talked", **elena)
        await expect(of_elena.get_by_test_id("personal-owed")).to_have_text("0 not called back")
        await page.reload()
        await expect(panel.get_by_test_id("personal-call")).to_have_count(4)
