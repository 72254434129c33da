"""Scripts for supervisors: what the API tells of them, and the page with the chart."""

from __future__ import annotations

import json
import time
from typing import Any
from xml.etree import ElementTree

import pytest
from page_fixtures import *  # noqa: F403
from page_fixtures import AtDesk
from playwright.async_api import Page, expect
from screenpop_server import *  # noqa: F403
from screenpop_server import Desk, Shelf

from cordboard.crm_core.model import CallRecord, RunRecord
from cordboard.crm_core.store import Store
from cordboard.events import derived_id

NUMBER = "+79161234567"


def run(name: str, *path: tuple[str, str, float], ago: float = 3600, **more: Any) -> RunRecord:
    """A run of `hello` that began so many seconds ago."""
    began = time.time() - ago
    values: dict[str, Any] = {
        "id": derived_id(int(began * 1000), name),
        "script": "hello",
        "version": Shelf().hello.fingerprint,
        "channel": "phone",
        "call_id": derived_id(int(began * 1000), "call", name),
        "customer_id": None,
        "respondent_id": None,
        "number": NUMBER,
        "operator": None,
        "queue": None,
        "status": None,
        "language": "en",
        "started_at": began,
        "ended_at": began + 30,
        "outcome": "completed",
        "step": "end",
        "path": json.dumps([[step, way, began + at] for step, way, at in path]),
    }
    return RunRecord(**values | more)


def runs() -> list[RunRecord]:
    return [
        run("a", ("menu", "1", 4), ("bye", "end", 6), step="bye"),
        run("b", ("menu", "1", 8), ("bye", "end", 9), step="bye"),
        run("c", ("menu", "noinput", 24), ("person", "route", 24), outcome="routed", step="person"),
        run("d", ("menu", "hangup", 2), outcome="hung-up", ago=1800),
        run("e", ("menu", "2", 3), ("bye", "end", 4), step="bye", version="old", ago=3 * 86400),
        run("f", ("menu", "1", 3), ago=9 * 86400),
    ]


async def test_the_list_says_which_scripts_there_are_and_what_is_wrong(desk: Desk) -> None:
    await desk.store.write([run("now", ago=0), run("other", ago=0, script="gone")])
    desk.library.faults = {
        "": ["scripts: gone"],
        "hello": ["hello.yaml:3: no verb"],
        "new": ["new.yaml:1: is no YAML"],
    }
    _, answer, _ = await desk.ask("GET", "/api/v1/scripts", "sveta")
    assert answer["faults"] == ["scripts: gone"]
    hello, new = answer["scripts"]
    assert hello == {
        "name": "hello", "title": "Good day", "languages": ["en", "ru"], "steps": 3,
        "survey": False, "version": desk.library.hello.fingerprint, "runs_today": 1,
        "faults": ["hello.yaml:3: no verb"],
    }  # fmt: skip
    assert (new["name"], new["version"], new["faults"]) == ("new", None, ["new.yaml:1: is no YAML"])
    assert (await desk.ask("GET", "/api/v1/scripts/hello", "sveta"))[1] == hello
    assert (await desk.ask("GET", "/api/v1/scripts/none", "sveta"))[0] == 404


async def test_the_chart_has_the_figures_of_its_period_and_the_runs_behind_them(
    desk: Desk,
) -> None:
    written = runs()
    await desk.store.write(written)
    _, week, _ = await desk.ask("GET", "/api/v1/scripts/hello/chart?days=7", "sveta")
    assert (week["runs"], week["older"]) == (5, 1)
    assert week["outcomes"] == {"completed": 3, "routed": 1, "hung-up": 1}
    menu = next(step for step in week["steps"] if step["step"] == "menu")
    assert menu["reached"]["times"] == 5
    assert menu["hung_up"] == {
        "times": 1, "callers": 1, "of": 5, "median": 2.0, "p90": 2.0, "n": 1,
        "runs": [written[3].id],
    }  # fmt: skip
    one = next(way for way in week["ways"] if (way["step"], way["way"]) == ("menu", "1"))
    assert (one["from"], one["to"], one["label"]) == ("menu", "bye", "1 · one")
    assert (one["count"]["times"], one["count"]["of"]) == (2, 5)
    assert one["count"]["median"] == pytest.approx(4, abs=0.01)
    assert [(each["step"], each["way"]) for each in week["strays"]] == [("menu", "2")]
    assert week["last"][written[3].id]["call"] == written[3].call_id
    assert set(week["last"]) == {each.id for each in written[:5]}
    assert ElementTree.fromstring(week["svg"]).get("class") == "flow"

    _, day, _ = await desk.ask("GET", "/api/v1/scripts/hello/chart?days=1&language=ru", "sveta")
    assert (day["runs"], day["older"], day["strays"]) == (4, 0, [])
    assert (day["title"], day["language"]) == ("Добрый день", "ru")
    assert "1 · один" in day["svg"]


@pytest.mark.parametrize("query", ["days=2", "language=bg", "days=7&days=1", "x=1"])
async def test_a_chart_that_cannot_be_is_refused_in_words(desk: Desk, query: str) -> None:
    status, answer, _ = await desk.ask("GET", f"/api/v1/scripts/hello/chart?{query}", "sveta")
    assert (status, answer["error"]["code"]) == (422, "invalid")


SPOKEN = {
    "en": ("hung up 1 (20 %)", "Last 24 hours", "who reached the step"),
    "ru": ("повесили трубку: 1 (20 %)", "Последние 24 часа", "дошедших до шага"),
    "bg": ("затворили: 1 (20 %)", "Последните 24 часа", "стигналите до стъпката"),
}


@pytest.mark.browser
@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize("language", ["en", "ru", "bg"])
async def test_supervisors_see_where_callers_went_and_who_they_were(
    at_desk: AtDesk, sqlite_url: str, language: str
) -> None:
    store = Store(sqlite_url)
    await store.open()
    written = runs()
    await store.write([call_of(written[3]), *written])
    await store.close()
    hung_up, day, share = SPOKEN[language]
    library = Shelf()
    async with at_desk(language=language, role="supervisor", library=library) as (desk, page):
        await page.goto(f"{desk.url}/scripts")
        await page.locator("[data-script=hello] a").click()
        chart = page.get_by_test_id("chart")
        menu = chart.locator("#step-menu")
        await expect(menu).to_contain_text(hung_up)
        await expect(page.get_by_test_id("strays")).to_contain_text("menu › 2")
        await fits(page)

        # By keyboard alone: in by one stop, then from step to step and arrow to arrow.
        await menu.focus()
        await page.keyboard.press("ArrowDown")
        await page.keyboard.press("ArrowDown")
        await page.keyboard.press("ArrowUp")
        await page.keyboard.press("ArrowUp")
        figures = page.get_by_test_id("figures")
        await expect(figures).to_contain_text("menu")
        await expect(menu).to_have_attribute("aria-pressed", "true")
        link = figures.get_by_role("link").first
        await expect(link).to_have_attribute("href", f"/calls/{written[3].call_id}")
        await chart.locator("g[data-way='1'] .flow-pill").click()
        await expect(figures).to_contain_text(share)
        await expect(figures.get_by_role("listitem")).to_have_count(2)

        await page.get_by_test_id("days-1").click()
        await expect(page.get_by_test_id("strays")).to_have_count(0)
        await expect(page.get_by_test_id("days-1")).to_have_text(day)
        await page.get_by_test_id("texts-ru").click()
        await expect(chart).to_contain_text("1 · один")
        await page.wait_for_url("**/scripts/hello?days=1&language=ru")
        # What is written in a step stays in it.
        broad = """steps => steps.filter(step => step.querySelector(".flow-title")).map(step =>
            Math.max(...[...step.querySelectorAll(":scope > text")].map(t => t.getBBox().width)) /
            step.querySelector(".flow-shape").getBBox().width)"""
        assert max(await chart.locator(".flow-step").evaluate_all(broad)) < 0.97


def call_of(walk: RunRecord) -> CallRecord:
    assert walk.call_id is not None
    return CallRecord(
        walk.call_id, "pbx", "boot", "1.1", NUMBER, "Vera", "100", None, None, None, "in", "ended",
        "completed", "", walk.started_at, None, walk.started_at + 9,
    )  # fmt: skip


async def fits(page: Page) -> None:
    wide = await page.evaluate("document.documentElement.scrollWidth > innerWidth")
    assert not wide, "the page scrolls sideways"


async def test_a_script_that_is_not_there_is_said_so(desk: Desk) -> None:
    status, answer, _ = await desk.ask("GET", "/api/v1/scripts/none/chart", "sveta")
    assert (status, answer["error"]["message"]) == (404, "there is no such script")
