"""The wallboard, and what supervisors alone are told, in a real browser."""

from __future__ import annotations

import re
from typing import Any

import pytest
import screenpop_messages as say
from desk_scenes import customer, reason
from fake_desk import identity
from page_fixtures import AtDesk, at_desk, sqlite_url
from playwright.async_api import expect

__all__ = ["at_desk", "sqlite_url"]

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def test_wallboard_shows_who_waits_why_and_what_operators_do(at_desk: AtDesk) -> None:
    async with at_desk("/wallboard", role="supervisor") as (desk, page):
        desk.queue("sales", waiting=2, longest=70, answered=40, in_time=30, abandoned=6, short=2)
        desk.ring("p1", "+79123456789", customer("Ivan"), operator="boris")
        desk.answer("p1", operator="boris")
        desk.operator("boris", "Boris Ivanov", "talking", 65, call=identity("p1"))
        desk.waiting(
            "sales",
            [
                {
                    "call": "w1",
                    "name": "Olga",
                    "from": "+79123456780",
                    "status": "vip",
                    "since": "2026-01-01T00:00:00.000000Z",
                    "estimated_wait": 170,
                    "why": [reason("rule", {"en": "VIP first"}, rule="vip")],
                },
                {
                    "call": "w2",
                    "name": "",
                    "from": "+359888123456",
                    "status": None,
                    "since": "2026-01-01T00:00:00.000000Z",
                    "estimated_wait": None,
                    "why": [reason("customer-unknown")],
                },
            ],
        )
        tile = page.get_by_test_id("queue-sales")
        await expect(tile.get_by_test_id("queue-waiting")).to_have_text("2")
        await expect(tile.get_by_test_id("queue-longest")).to_have_attribute("data-level", "alarm")
        await expect(tile.get_by_test_id("service-level")).to_contain_text("68%")
        await expect(tile.get_by_test_id("service-level")).to_have_attribute(
            "title", "30 ÷ (40 + 6 − 2) = 68%"
        )
        await expect(page.locator(".legend")).to_contain_text("answered within 20 s")
        waiting = page.get_by_test_id("waiting-queue-sales").get_by_role("listitem")
        await expect(waiting).to_have_text(
            [
                re.compile("1.*Olga.*VIP.*≈ 3 min.*VIP first", re.S),
                re.compile("2.*359 88 812 3456.*not known", re.S),
            ]
        )
        await expect(page.get_by_test_id("operator-boris")).to_have_text(
            re.compile(r"Boris Ivanov.*Talking.*1:[0-3]\d.*Ivan", re.S)
        )
        await expect(page.locator("article").first).to_have_attribute("data-testid", "queue-sales")


ALARMS = {
    "en": ["3 callers went", "2 records wait on disk"],
    "ru": ["3 звонящих попали", "2 записи ждут на диске"],
    "bg": ["3 обаждащи се отидоха", "2 записа чакат на диска"],
}


@pytest.mark.parametrize("language", ALARMS)
@pytest.mark.parametrize("path", ["/", "/wallboard"])
async def test_a_supervisor_reads_the_alarms_that_stand_until_they_are_over(
    at_desk: AtDesk, path: str, language: str
) -> None:
    async with at_desk(path, language=language, role="supervisor") as (desk, page):
        desk.alarm("fallback-routed", 3)
        desk.alarm("spooling", 2)
        alarms = page.get_by_test_id("alarm")
        await expect(alarms).to_contain_text(ALARMS[language])
        desk.hub.publish({"type": "alarm-end", "kind": "fallback-routed"})
        await expect(alarms).to_contain_text(ALARMS[language][1:])
        await page.reload()
        await expect(alarms).to_contain_text(ALARMS[language][1:])


async def test_an_operator_is_not_shown_the_alarms(at_desk: AtDesk) -> None:
    async with at_desk() as (desk, page):
        desk.alarm("disk-full")
        desk.ring("p1", "+79123456789", customer("Ivan"))
        await expect(page.get_by_test_id("customer-name")).to_have_text("Ivan")
        await expect(page.get_by_test_id("alarm")).to_have_count(0)


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", r"between \d\d:02:11 and \d\d:02:14 not seen"),
        ("ru", r"между \d\d:02:11 и \d\d:02:14 не было видно"),
        ("bg", r"между \d\d:02:11 и \d\d:02:14 не се виждаше"),
    ],
)
async def test_a_gap_is_said_in_words_on_the_tile_of_the_operator_whose_call_it_touched(
    at_desk: AtDesk, language: str, words: str
) -> None:
    gap = {"since": "2026-01-01T10:02:11.000000Z", "until": "2026-01-01T10:02:14.900000Z"}
    async with at_desk("/wallboard", role="supervisor", language=language) as (desk, page):
        desk.ring("p1", "+79123456789", customer("Ivan"), operator="boris")
        desk.answer("p1", operator="boris")
        desk.operator("boris", "Boris Ivanov", "talking", 65, call=identity("p1"))
        tile = page.get_by_test_id("operator-boris")
        await expect(tile).to_contain_text("Ivan")
        await expect(tile.get_by_test_id("unseen")).to_have_count(0)
        desk.call("p1", unseen=[gap])
        await expect(tile.get_by_test_id("unseen")).to_have_text(re.compile(words))


async def test_what_the_pbx_does_not_list_is_said_until_it_does(at_desk: AtDesk) -> None:
    async with at_desk("/wallboard", role="supervisor") as (desk, page):
        desk.queue("sales", waiting=2, longest=70, answered=40, in_time=30, abandoned=6, short=2)
        banner = page.get_by_test_id("stale-banner")
        desk.pbx("up", None, "queues")
        await expect(banner).to_contain_text("Queues are unavailable")
        await expect(
            page.get_by_test_id("queue-sales").get_by_test_id("queue-waiting")
        ).to_have_text("2")
        desk.pbx("up")
        await expect(banner).to_have_count(0)


async def test_a_pbx_that_restarts_and_events_that_come_late_are_said(at_desk: AtDesk) -> None:
    async with at_desk("/wallboard", role="supervisor") as (desk, page):
        desk.pbx("down", stale=3, restarting=True)
        await expect(page.get_by_test_id("stale-banner")).to_contain_text("is restarting")
        desk.pbx("up")
        await expect(page.get_by_test_id("stale-banner")).to_have_count(0)
        desk.alarm("behind", 3)
        await expect(page.get_by_test_id("alarm")).to_contain_text("comes 3 seconds late")


WHY = {
    "en": ["Priority 12", "Raised to 12 after 1:00 of waiting", "Moved by Maria: promised"],
    "ru": ["Приоритет 12", "Повышен до 12 через 1:00 ожидания", "Переместил(а) Maria: promised"],
    "bg": ["Приоритет 12", "Повишен до 12 след 1:00 чакане", "Преместен от Maria: promised"],
}


def line(*names: str, priority: int = 0) -> list[dict[str, Any]]:
    return [
        {
            "call": identity(name),
            "name": name,
            "from": "+79123456780",
            "status": "regular",
            "priority": priority,
            "since": "2026-01-01T00:00:00.000000Z",
            "why": [],
        }
        for name in names
    ]


async def test_many_queues_leave_room_for_those_who_wait(at_desk: AtDesk) -> None:
    async with at_desk("/wallboard", role="supervisor") as (desk, page):
        for number in range(18):
            desk.queue(f"queue-{number:02}", waiting=number % 3, longest=30)
        desk.waiting("queue-01", line("Olga"))
        row = page.get_by_test_id(f"waiting-{identity('Olga')}")
        await expect(row).to_be_in_viewport(ratio=1)
        tile = page.get_by_test_id("queue-queue-17")
        await expect(tile).to_be_in_viewport(ratio=1)
        await expect(tile.get_by_test_id("service-level")).to_contain_text("86%")
        wide = await page.evaluate("document.documentElement.scrollWidth > innerWidth")
        assert not wide


async def test_a_supervisor_takes_a_callback_back_and_says_why(at_desk: AtDesk) -> None:
    async with at_desk("/wallboard", role="supervisor") as (desk, page):
        desk.queue("sales", waiting=2, longest=70, answered=0, in_time=0, abandoned=0, short=0)
        olga, ivan = line("Olga", "Ivan")
        desk.waiting("sales", [olga | {"callback": True}, ivan])
        call = identity("Olga")
        desk.hub.publish({"type": "call", "call": say.call(1, None, "waiting", id=call)})
        await page.get_by_test_id(f"move-{identity('Ivan')}").press("Enter")
        cancel = page.get_by_test_id("callback-cancel")
        await expect(cancel).to_have_count(0)
        await page.get_by_test_id(f"move-{call}").press("Enter")
        await page.keyboard.type("asked us not to")
        async with page.expect_response("**/actions"):
            await cancel.press("Enter")
        asked = desk.asked[-1]
        assert (asked.action, asked.target, asked.reason) == ("hangup", call, "asked us not to")


async def test_a_supervisor_reaches_everybody_of_a_long_queue(at_desk: AtDesk) -> None:
    async with at_desk("/wallboard", role="supervisor") as (desk, page):
        desk.queue("sales", waiting=30, longest=70, answered=0, in_time=0, abandoned=0, short=0)
        desk.waiting("sales", line(*(f"caller {number}" for number in range(30))))
        last = page.get_by_test_id(f"move-{identity('caller 29')}")
        more = page.get_by_test_id("waiting-more-sales")
        await expect(more).to_have_text("and 18 more")
        await expect(last).to_have_count(0)
        await more.press("Enter")
        await last.press("Enter")
        await expect(page.get_by_test_id("move-form")).to_contain_text("place 30")
        await more.press("Enter")
        await expect(last).to_have_count(0)


@pytest.mark.parametrize("language", WHY)
async def test_why_somebody_stands_where_he_stands_is_said(at_desk: AtDesk, language: str) -> None:
    async with at_desk("/wallboard", role="supervisor", language=language) as (desk, page):
        desk.queue("sales", waiting=1, longest=70, answered=0, in_time=0, abandoned=0, short=0)
        (row,) = line("Olga", priority=12)
        row["why"] = [
            reason("raised", seconds="60", priority="12"),
            reason("moved-by-hand", operator="Maria", reason="promised"),
        ]
        desk.waiting("sales", [row])
        shown = page.get_by_test_id(f"waiting-{identity('Olga')}")
        for text in WHY[language]:
            await expect(shown).to_contain_text(text)


async def test_a_supervisor_moves_a_caller_by_keyboard_and_by_pointer_and_says_why(
    at_desk: AtDesk,
) -> None:
    async with at_desk("/wallboard", role="supervisor") as (desk, page):
        desk.queue("sales", waiting=3, longest=70, answered=0, in_time=0, abandoned=0, short=0)
        desk.waiting("sales", line("Olga", "Ivan", "Petar"))
        call = identity("Petar")
        desk.hub.publish({"type": "call", "call": say.call(3, None, "waiting", id=call)})
        await page.get_by_test_id(f"move-{call}").press("Enter")
        form = page.get_by_test_id("move-form")
        await expect(form).to_contain_text("place 3, priority 0")
        await expect(page.get_by_test_id("move-reason")).to_be_focused()
        await page.keyboard.press("Tab")
        await page.keyboard.press("Enter")  # without a reason
        await expect(page.get_by_test_id("move-error")).to_contain_text("Say why")
        await expect(page.get_by_test_id("move-reason")).to_be_focused()
        await page.keyboard.type("promised")
        desk.refuse = "the caller has already been answered"
        async with page.expect_response("**/actions") as answer:
            await page.keyboard.press("Enter")  # the head, where nothing else is said
        assert (await answer.value).status == 202
        asked = desk.asked[-1]
        assert (asked.action, asked.target, asked.reason) == ("move", call, "promised")
        assert asked.args == {"priority": None, "to": "head"}
        error = page.get_by_test_id("move-error")
        await expect(error).to_have_text("The caller has already been answered.")
        # The row changes its place under the form, which keeps what was typed.
        desk.waiting("sales", line("Petar", "Olga", "Ivan"))
        await expect(page.get_by_test_id("move-place")).to_have_text("place 1, priority 0")
        await expect(page.get_by_test_id("move-reason")).to_have_value("promised")
        async with page.expect_response("**/actions"):
            await page.get_by_test_id("move-to-down").click()
        await expect(error).to_have_count(0)
        assert desk.asked[-1].args == {"priority": None, "to": "down"}
        await page.get_by_test_id("move-priority").fill("7")
        async with page.expect_response("**/actions"):
            await page.get_by_test_id("move-set").click()
        assert desk.asked[-1].args == {"priority": 7, "to": None}
        desk.waiting("sales", line("Olga"))
        await expect(page.get_by_test_id("move-gone")).to_be_visible()
        await expect(page.get_by_test_id("move-to-up")).to_be_disabled()
        await page.keyboard.press("Escape")
        await expect(form).to_have_count(0)
