"""Lists of people on the pages: by keyboard alone for operators, and made by supervisors."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest
from fake_desk import FakeDesk, identity
from page_fixtures import AtDesk, at_desk, sqlite_url
from playwright.async_api import Route, expect
from screenpop_server import Shelf

from cordboard.crm_core.model import Draft
from cordboard.crm_core.respondents import Person

__all__ = ["at_desk", "sqlite_url"]

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

PEOPLE = (
    ("Пётр <b>Иванов</b>", "+79031112233", {"city": "Омск", "last_purchase": "2026-10-01"}),
    ("Maria Petrova", "+359888123456", {"city": "Sofia"}),
    ("", "+79265550147", {}),
)


async def listed(desk: FakeDesk) -> Any:
    whose = await desk.store.create_list("Prices 2026", "hello", "olga")
    people: list[Any] = list(PEOPLE)
    await desk.store.add_people(
        whose, [Person(2, name, (number,), "ru", known) for name, number, known in people]
    )
    return whose


async def test_a_list_is_worked_off_by_keyboard_alone(at_desk: AtDesk) -> None:
    async with at_desk(library=Shelf()) as (desk, page):
        await listed(desk)
        await page.reload()
        await expect(page.get_by_test_id("respondent-due")).to_have_text("3 of 3 are due")
        await page.keyboard.press("F6")
        name = page.get_by_test_id("respondent-name")
        await expect(name).to_have_text("Пётр <b>Иванов</b>")
        await expect(page.get_by_test_id("respondent-number")).to_have_text("+7 903 111-22-33")
        known = page.get_by_test_id("respondent-attributes")
        await expect(known).to_contain_text("last purchase")
        await expect(known).to_contain_text("Омск")
        state = page.get_by_test_id("respondent-state")
        await expect(state).to_have_attribute("data-value", "taken")
        await page.keyboard.press("F6")
        await expect(state).to_have_attribute("data-value", "dialled")

        call = identity("p1")
        desk.ring("p1", "+79031112233", seconds=1, direction="out")
        desk.listed("answer", call=call)
        await expect(state).to_have_attribute("data-value", "talking")
        asked = page.locator("[data-respondent]").get_by_test_id("form-question")
        await expect(asked.locator("button").first).to_be_focused()
        await expect(page.get_by_test_id("wrapup-form")).to_have_count(0)
        await expect(page.get_by_test_id("new-customer-form")).to_have_count(0)
        desk.listed("hang-up", call=call)
        await expect(state).to_have_attribute("data-value", "talked")
        await page.keyboard.press("F6")
        await page.keyboard.press("3")
        await expect(page.get_by_test_id("respondent-at")).to_be_focused()
        await page.get_by_test_id("respondent-tomorrow").press("Enter")
        await expect(page.get_by_test_id("respondent-at")).to_have_value(re.compile("T10:00$"))
        await page.get_by_test_id("respondent-note").press_sequentially("after work")
        await page.keyboard.press("Control+Enter")
        await expect(page.get_by_test_id("respondent-last")).to_contain_text("Call back · again")
        said = desk.asked[-1]
        assert (said.action, said.args["result"], said.args["mine"]) == ("result", "callback", True)
        assert said.args["note"] == "after work"
        desk.end("p1", "done")

        await page.keyboard.press("F6")
        await expect(name).to_have_text("Maria Petrova")
        await page.keyboard.press("Shift+F6")
        await expect(page.get_by_test_id("respondent-next")).to_be_visible()
        assert desk.asked[-1].action == "release"


async def test_who_comes_before_the_request_is_answered_can_be_let_go_at_once(
    at_desk: AtDesk,
) -> None:
    async with at_desk(library=Shelf()) as (desk, page):
        await listed(desk)
        await page.reload()
        await expect(page.get_by_test_id("respondent-due")).to_have_text("3 of 3 are due")
        on_its_way = asyncio.Event()

        async def late(route: Route) -> None:
            answer = await route.fetch()
            await on_its_way.wait()
            await route.fulfill(response=answer)

        await page.route("**/next", late)
        await page.keyboard.press("F6")
        await expect(page.get_by_test_id("respondent-name")).to_be_visible()
        await page.keyboard.press("Shift+F6")
        on_its_way.set()
        await expect(page.get_by_test_id("respondent-next")).to_be_visible()
        assert desk.asked[-1].action == "release"


async def test_a_key_that_is_held_takes_somebody_and_does_not_call_him(at_desk: AtDesk) -> None:
    async with at_desk(library=Shelf()) as (desk, page):
        await listed(desk)
        await page.reload()
        await expect(page.get_by_test_id("respondent-due")).to_have_text("3 of 3 are due")
        await page.keyboard.down("F6")
        await expect(page.get_by_test_id("respondent-name")).to_be_visible()
        await page.keyboard.down("F6")  # as a keyboard repeats it
        await page.keyboard.up("F6")
        await page.keyboard.press("Shift+F6")
        await expect(page.get_by_test_id("respondent-next")).to_be_visible()
        assert [one.action for one in desk.asked] == ["release"]


async def test_a_refusal_asks_whether_it_is_for_good_and_a_result_is_needed(
    at_desk: AtDesk,
) -> None:
    async with at_desk() as (desk, page):
        await listed(desk)
        await page.reload()
        await page.get_by_test_id("respondent-take").click()
        await page.get_by_test_id("respondent-dial").click()
        state = page.get_by_test_id("respondent-state")
        await expect(state).to_have_attribute("data-value", "dialled")
        desk.listed("answer", call=identity("c"))
        await page.get_by_test_id("respondent-result-refused").click()
        await page.get_by_test_id("respondent-never").check()
        await page.reload()  # what was typed stays
        await expect(page.get_by_test_id("respondent-never")).to_be_checked()
        desk.refuse = "this person is not yours any more"
        await page.get_by_test_id("respondent-save").click()
        await expect(page.get_by_test_id("respondent-error")).to_have_text(
            "This person is not yours any more."
        )
        await page.get_by_test_id("respondent-save").click()
        await expect(page.get_by_test_id("respondent-last")).to_contain_text("Refused")
        assert desk.asked[-1].args["never"] is True


async def test_a_supervisor_makes_a_list_fills_it_and_closes_it(at_desk: AtDesk) -> None:
    async with at_desk(role="supervisor", library=Shelf()) as (desk, page):
        await page.goto(f"{desk.url}/lists")
        await expect(page.get_by_test_id("no-lists")).to_be_visible()
        await page.get_by_test_id("list-new").press("Enter")
        await expect(page.get_by_test_id("list-script").locator("option")).to_have_count(1)
        await page.keyboard.type("Prices")
        await page.keyboard.press("Enter")
        await expect(page.get_by_test_id("list")).to_have_count(1)
        rows = "name;phone\nАнна;+79031112233\nIvan;soon\n"
        file = {"name": "p.csv", "mimeType": "text/csv", "buffer": rows.encode("cp1251")}
        await page.set_input_files("[data-testid=list-file]", files=[file])  # type: ignore[list-item]
        await page.get_by_test_id("list-add-file").click()
        added = page.get_by_test_id("list-added")
        await expect(added).to_contain_text("1 added, 0 on the list already, 1 left out")
        await expect(added).to_contain_text("line 3: Ivan: 'soon' is not a telephone number")
        vip = Draft("Catherine", phones=("+359888123456",), status="vip")
        await desk.store.create_customer(vip)
        await page.get_by_test_id("list-filter").get_by_label("VIP").check()
        await page.get_by_test_id("list-add-customers").click()
        await expect(page.get_by_test_id("list-person")).to_have_count(2)
        await expect(page.get_by_test_id("list-progress")).to_contain_text("Waiting 2")
        await page.get_by_test_id("list-close").click()
        await page.get_by_test_id("list-close-sure").click()
        await expect(page.get_by_test_id("list")).to_have_attribute("data-closed", "true")
        ((whose, _),) = await desk.store.lists()
        assert (whose.name, whose.script, whose.created_by) == ("Prices", "hello", "anna")
