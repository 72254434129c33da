"""The story of a call on its page: what befell it, and why it was decided so, in the reader's
language."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from fake_desk import PASSWORD, identity
from page_fixtures import *  # noqa: F403
from page_fixtures import AtDesk
from playwright.async_api import Page, expect

from cordboard.crm_core.model import (
    CallRecord,
    Card,
    Customer,
    FactRecord,
    Manager,
    PolicyRecord,
    Record,
    Role,
)
from cordboard.crm_core.store import Store
from cordboard.desk.records import decided_record
from cordboard.events import CallId, QueueName
from cordboard.queue.decisions import Standing
from cordboard.queue.policy import Policy
from cordboard.queue.routing import Approach, Caller, Situation, weigh

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

RULES = """
default_queue = "support"

[calendar.office]
country = "BG"
mon = "09:00-18:00"
sun = "00:00-24:00"

[[rule]]
name = "closed"
when = { closed = "office" }
action = "message"
to = "closed"

[[rule]]
name = "many cases"
when = { attributes = { open_cases = { at_least = 1 } } }
action = "queue"

[[rule]]
name = "<b>gold</b>"
when = { tags = ["gold", "press"], queue = { name = "support-{language}", ready = { below = 3 } } }
action = "queue"
queue = "support-{language}"
priority = 12
raise = { by = 1, every = 30, up_to = 20 }
first = { who = "manager" }
overflow = { after = 300, queue = "support" }
why = { en = "Gold customers first", ru = "Золотые клиенты первыми", bg = "Златните клиенти първи" }
"""
CALL = identity("the call")
AT = 1_795_338_000.0  # Sunday, 22 November 2026, 09:00 UTC


def story() -> list[Record]:
    """A call that was routed, queued, answered and hung up."""
    customer = Customer(
        identity("vera"), "person", "Вера <i>Ким</i>", ("+79161234567",), "vip", "bg",
        Manager("maria", "Maria", "+359888110002"), None, 0, 0, tags=("press",),
        attributes={"open_cases": "none"},
    )  # fmt: skip
    policy = Policy.parse(RULES)
    caller = Caller("+79161234567", "RU", Card(customer, ()))
    standing = {QueueName("support-bg"): Standing(4, 80.0, 95.0, 1)}
    local = datetime.fromtimestamp(AT, UTC)
    decision, inputs = weigh(
        policy, Situation(caller, Approach("100", today=2), local, standing.get)
    )

    def fact(after: float, name: str, **data: Any) -> FactRecord:
        return FactRecord(CALL, AT + after, name, json.dumps(data))

    peer = "PJSIP/1001-0000000a"
    record = CallRecord(
        CALL, "pbx", "boot", "1795338000.1", "+79161234567", "Vera", "100", None, "support-bg",
        "anna", "in", "ended", "completed", "", AT, AT + 9, AT + 60,
    )  # fmt: skip
    return [
        record,
        PolicyRecord(policy.fingerprint, AT, RULES),
        fact(0, "offered", number="+79161234567"),
        decided_record(CallId(CALL), AT + 0.2, decision, inputs),
        fact(0.3, "kept", queue="support-bg"),
        fact(2, "delivered", peer="PJSIP/trunk-0000000b"),
        fact(4, "detoured", kind="manager", status="UNCONFIRMED", where="mobile"),
        fact(4, "queued", queue="support-bg", position=2),
        fact(4, "back", queue="support-bg", place=2),
        fact(5, "detoured", kind="overflow", status="queue", where=""),
        fact(6, "called", peer=peer),
        fact(6.1, "delivered", peer=peer),
        fact(9, "established", peer=peer),
        fact(60, "cleared", cause="completed"),
        fact(60, "handled", operator="anna", queue="support-bg", seconds=54.0),
    ]


async def fill(url: str) -> None:
    store = Store(url)
    await store.open()
    await store.write(story())
    if not await store.user("maria"):
        await store.add_user("maria", "operator", PASSWORD, display_name="Мария Иванова")
    await store.close()


SPOKEN = {
    "en": ("Waits in support-bg at place 2", "Tags", "come to the same", "not confirmed"),
    "ru": ("Ждёт в support-bg на месте 2", "Метки", "дают то же самое", "не подтвердили"),
    "bg": ("Чака в support-bg на място 2", "Етикети", "дават същото", "без потвърждение"),
}


@pytest.mark.parametrize("language", ["en", "ru", "bg"])
async def test_the_page_tells_what_befell_a_call_and_why(
    at_desk: AtDesk, sqlite_url: str, language: str
) -> None:
    await fill(sqlite_url)
    async with at_desk(language=language, role="supervisor") as (desk, page):
        await page.goto(f"{desk.url}/calls/{CALL}")
        waits, tags, same, unconfirmed = SPOKEN[language]
        events = page.get_by_test_id("timeline").get_by_role("listitem")
        await expect(events).to_have_count(11)
        await expect(events.nth(3)).to_contain_text("Мария Иванова")
        await expect(page.get_by_test_id("decided")).to_contain_text("Мария Иванова")
        await expect(page.get_by_test_id("inputs")).to_contain_text("Мария Иванова")
        await expect(page.locator("main")).not_to_contain_text("maria")
        await expect(events.nth(4)).to_contain_text(unconfirmed)
        await expect(events.nth(5)).to_contain_text(waits)
        await expect(events.nth(8)).to_contain_text("Anna Sergeeva")
        # What a person reads is no code of Asterisk's, nor a figure of ours.
        for code in ("UNCONFIRMED", "overflow", "handled", "PJSIP/trunk"):
            await expect(page.get_by_test_id("timeline")).not_to_contain_text(code)
        await expect(page.get_by_test_id("inputs")).to_contain_text(tags)
        await expect(page.get_by_test_id("inputs")).to_contain_text("press")
        tried = page.get_by_test_id("tried").get_by_role("listitem")
        await expect(tried).to_have_count(3)
        await expect(tried.nth(1)).to_contain_text("none")
        await expect(tried.nth(2)).to_have_attribute("data-held", "true")
        # A rule's name is text, whatever it looks like.
        await expect(tried.nth(2)).to_contain_text("<b>gold</b>")
        await expect(page.get_by_test_id("same")).to_contain_text(same)
        await fits(page)
        # What a value was stands on one line; what it is called gives way.
        rows = page.get_by_test_id("inputs").locator("div")
        broken = """rows => rows.map(row => row.lastElementChild).filter(value => {
            const text = document.createRange();
            text.selectNodeContents(value);
            return text.getClientRects().length > 1;
        }).map(value => value.textContent)"""
        assert await rows.evaluate_all(broken) == []


@pytest.mark.parametrize("role", ["supervisor", "operator"])
async def test_only_operators_do_not_see_the_managers_mobile(
    at_desk: AtDesk, sqlite_url: str, role: Role
) -> None:
    await fill(sqlite_url)
    async with at_desk(role=role) as (desk, page):
        await page.goto(f"{desk.url}/calls/{CALL}")
        rows = page.get_by_test_id("inputs").locator("div").filter(has_text="Manager's mobile")
        shown = re.sub(r"\D", "", await rows.locator("dd").inner_text())
        assert shown == ("02" if role == "operator" else "359888110002")
        whole = re.sub(r"[^\d+]", "", await page.locator("body").inner_text())
        assert ("359888110002" in whole) == (role == "supervisor")


async def fits(page: Page) -> None:
    wide = await page.evaluate("document.documentElement.scrollWidth > innerWidth")
    assert not wide, "the page scrolls sideways"


async def test_a_narrow_screen_has_it_too(at_desk: AtDesk, sqlite_url: str) -> None:
    await fill(sqlite_url)
    async with at_desk(role="supervisor", width=400) as (desk, page):
        await page.goto(f"{desk.url}/calls/{CALL}")
        await expect(page.get_by_test_id("tried")).to_be_visible()
        await fits(page)


async def test_who_may_not_see_the_call_is_told_so(at_desk: AtDesk, sqlite_url: str) -> None:
    store = Store(sqlite_url)
    await store.open()
    (record, *facts) = story()
    assert isinstance(record, CallRecord)
    await store.write([replace(record, operator="boris"), *facts])
    await store.close()
    async with at_desk(role="operator") as (desk, page):
        await page.goto(f"{desk.url}/calls/{CALL}")
        await expect(page.get_by_test_id("story-error")).to_have_text("this call is not yours")
        await page.goto(f"{desk.url}/calls/{identity('nobody')}")
        await expect(page.get_by_test_id("story-error")).to_have_text("there is no such call")
        answer = await page.goto(f"{desk.url}/calls/anything")
        assert answer is not None
        assert answer.status == 404
