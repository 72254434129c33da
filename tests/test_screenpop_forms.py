"""The operator's form: by the API, and by keyboard alone on its page."""

from __future__ import annotations

import asyncio
import re
import time
from typing import Any

import pytest
from browser_fixtures import Pictures, expect, pictures
from desk_scenes import talking
from fake_desk import FakeDesk, identity
from outside_system import outside_system, says
from page_fixtures import *  # noqa: F403
from page_fixtures import AtDesk
from playwright.async_api import Page, Route
from screenpop_server import *  # noqa: F403
from screenpop_server import Desk, Shelf
from store_fixtures import *  # noqa: F403

from cordboard.crm_core.model import Draft
from cordboard.crm_core.respondent_states import after
from cordboard.crm_core.respondents import Person
from cordboard.enquiries import Enquiries
from cordboard.ivr.script import Script
from cordboard.sections import shipped_scripts

__all__ = ["pictures"]

NPS = Script.parse((shipped_scripts() / "nps.yaml").read_text(encoding="utf-8"))


async def begun(desk: Desk, asked: Script = NPS, **more: Any) -> dict[str, Any]:
    desk.library.scripts["nps"] = asked
    body = {"script": "nps", "language": "en", **more}
    status, form, _ = await desk.ask("POST", "/api/v1/forms", "anna", json=body)
    assert status == 201, form
    return dict(form)


async def entered(desk: Desk, form: dict[str, Any], text: str, who: str = "anna") -> Any:
    item = form["items"][form["current"]]
    body = {"step": item["step"], "place": item["place"], "text": text, "version": form["version"]}
    return (await desk.ask("POST", f"/api/v1/forms/{form['id']}/entries", who, json=body))[:2]


async def test_each_answer_is_kept_as_it_is_given_and_the_form_goes_on_after_a_reload(
    desk: Desk,
) -> None:
    form = await begun(desk)
    _, form = await entered(desk, form, "1")
    _, form = await entered(desk, form, "9")
    kept = await desk.store.answers([form["id"]])
    assert [(each.question, each.value) for each in kept] == [("score", "9")]
    _, again, _ = await desk.ask("GET", f"/api/v1/forms/{form['id']}", "anna")
    assert again == form
    assert again["items"][again["current"]]["step"] == "best"


async def test_an_answer_that_is_changed_takes_back_what_is_not_asked_any_more(
    desk: Desk,
) -> None:
    form = await begun(desk)
    for text in ("1", "9", "price"):
        _, form = await entered(desk, form, text)
    change = {"step": "score", "place": 0, "text": "2", "version": form["version"]}
    _, form, _ = await desk.ask("POST", f"/api/v1/forms/{form['id']}/entries", "anna", json=change)
    assert form["items"][form["current"]]["step"] == "wrong"
    kept = {each.question: each.value for each in await desk.store.answers([form["id"]])}
    assert kept == {"score": "2"}


async def test_what_is_no_answer_is_told_and_not_kept(desk: Desk) -> None:
    form = await begun(desk)
    _, form = await entered(desk, form, "1")
    status, told = await entered(desk, form, "11")
    assert (status, told["fault"], told["version"]) == (200, "nomatch", form["version"])
    assert await desk.store.answers([form["id"]]) == []


async def test_of_two_devices_the_slower_one_is_told(desk: Desk) -> None:
    form = await begun(desk)
    await entered(desk, form, "1")
    status, told = await entered(desk, form, "2")
    assert (status, told["error"]["code"]) == (409, "changed")


async def test_surveys_and_call_scripts_are_offered_as_forms_and_menus_are_not(desk: Desk) -> None:
    text = ASKS.format(base="https://crm.example.com")
    call_script = text.replace("languages:", "form: true\nlanguages:")
    desk.library.scripts |= {"nps": NPS, "menu": Script.parse(text)}
    desk.library.scripts["orders"] = Script.parse(call_script)
    _, told, _ = await desk.ask("GET", "/api/v1/forms", "anna")
    assert [each["name"] for each in told["scripts"]] == ["nps", "orders"]


async def test_a_script_for_the_telephone_alone_has_no_form(desk: Desk) -> None:
    menu = Script.parse(ASKS.format(base="https://crm.example.com"))
    desk.library.scripts["nps"] = menu
    body = {"script": "nps", "language": "en"}
    assert (await desk.ask("POST", "/api/v1/forms", "anna", json=body))[0] == 404


async def test_a_refusal_that_was_a_slip_of_the_finger_is_taken_back(desk: Desk) -> None:
    csat = Script.parse((shipped_scripts() / "csat.yaml").read_text(encoding="utf-8"))
    customer = (await desk.store.create_customer(Draft("Мария", phones=("+79161234567",)))).customer
    desk.library.scripts["csat"] = csat
    form = await begun(desk, csat, script="csat", customer=customer.id)
    _, form = await entered(desk, form, "9")
    assert len(await desk.store.refusals(customer.id, "+79161234567")) == 1
    change = {"step": "consent", "place": 0, "text": "1", "version": form["version"]}
    _, form, _ = await desk.ask("POST", f"/api/v1/forms/{form['id']}/entries", "anna", json=change)
    assert form["items"][form["current"]]["step"] == "mark"
    assert await desk.store.refusals(customer.id, "+79161234567") == []


async def test_whoever_has_the_person_now_has_a_form_of_his_own(desk: Desk) -> None:
    whose = await desk.store.create_list("Prices", "nps", "sveta", tries=3, again_minutes=0.0)
    await desk.store.add_people(whose, [Person(2, "", ("+79031112233",))])
    forms = []
    for name in ("anna", "boris"):
        person = await desk.store.take_respondent(whose.id, name)
        assert person is not None
        now = time.time()
        called = after(after(person, "dial", whose, now), "answer", whose, now)
        await desk.store.write([called])
        desk.library.scripts["nps"] = NPS
        body = {"script": "nps", "respondent": person.id}
        status, form, _ = await desk.ask("POST", "/api/v1/forms", name, json=body)
        assert status == 201
        assert (await entered(desk, form, "1", name))[0] == 200
        _, again, _ = await desk.ask("POST", "/api/v1/forms", name, json=body)
        assert again["id"] == form["id"]
        forms.append(form["id"])
        await desk.store.write([after(called, "no-answer", whose, now)])
    assert len(set(forms)) == 2


async def test_a_form_is_its_operators_and_supervisors(desk: Desk) -> None:
    form = await begun(desk)
    assert (await desk.ask("GET", f"/api/v1/forms/{form['id']}", "boris"))[0] == 403
    assert (await desk.ask("GET", f"/api/v1/forms/{form['id']}", "sveta"))[0] == 200


async def test_a_form_about_a_customer_speaks_her_language_and_ends_when_it_is_said(
    desk: Desk,
) -> None:
    created = await desk.store.create_customer(
        Draft("Мария", phones=("+79161234567",), language="ru")
    )
    form = await begun(desk, customer=created.customer.id, language=None)
    assert form["language"] == "ru"
    run = await desk.store.run(form["id"])
    assert run is not None
    assert (run.customer_id, run.outcome) == (created.customer.id, None)
    end = {"outcome": "refused", "do_not_ask": "all"}
    _, ended, _ = await desk.ask("POST", f"/api/v1/forms/{form['id']}/end", "anna", json=end)
    assert ended["outcome"] == "refused"
    assert await desk.store.has_refused(created.customer.id, "", "csat")


async def test_what_is_over_can_be_read_and_not_changed(desk: Desk) -> None:
    form = await begun(desk)
    _, form = await entered(desk, form, "1")
    _, form = await entered(desk, form, "9")
    path = f"/api/v1/forms/{form['id']}"
    await desk.ask("POST", f"{path}/end", "anna", json={})
    status, told = await entered(desk, form, "4")
    assert (status, told["error"]["code"]) == (409, "ended")
    _, again, _ = await desk.ask("POST", f"{path}/end", "anna", json={"outcome": "refused"})
    assert again["outcome"] == "completed"
    _, shown, _ = await desk.ask("GET", path, "anna")
    assert shown["items"] == form["items"]
    assert [each.value for each in await desk.store.answers([form["id"]])] == ["9"]


ASKS = """
version: 1
name: nps
languages: [en]
on: {{ error: sorry, missing: sorry }}
steps:
  - id: account
    ask: {{ kind: digits, save: account, prompt: "Your account?" }}
  - id: who
    look_up: {{ by: account, value: account }}
  - id: price
    call_api:
      url: "{base}/tariff/{{account}}"
      save: {{ tariff: name, price: price }}
  - id: tell
    say: "{{customer.name}} pays {{price|money}} for {{tariff}}."
    next: end
  - id: sorry
    say: "Nothing is known of it."
"""


async def test_the_store_and_other_systems_are_asked_once_where_the_form_comes_there(
    desk: Desk,
) -> None:
    await desk.store.create_customer(Draft("Мария", attributes={"account": 10203}))
    async with outside_system() as crm:
        enquiries = Enquiries([f"{crm.base}/"], {})
        desk.enquire = enquiries.ask
        text = ASKS.format(base=crm.base).replace("languages:", "form: true\nlanguages:")
        asks = Script.parse(text)
        crm.mood = says({"name": "gold", "price": 9.9})
        form = await begun(desk, asks)
        _, form = await entered(desk, form, "10203")
        assert form["items"][-1]["text"] == "Мария pays 9.90 for gold."
        assert form["current"] is None
        _, again, _ = await desk.ask("GET", f"/api/v1/forms/{form['id']}", "anna")
        assert again == form
        assert [(each.method, each.path) for each in crm.heard] == [("GET", "/tariff/10203")]
        body = {"step": "account", "text": "10204", "version": form["version"]}
        path = f"/api/v1/forms/{form['id']}/entries"
        _, other, _ = await desk.ask("POST", path, "anna", json=body)
        assert other["items"][-1]["text"] == "Nothing is known of it."
        await enquiries.close()


LANGUAGES = {"en": "saved", "ru": "сохранено", "bg": "записано"}


async def opened(desk: FakeDesk, page: Page, language: str) -> None:
    """The page of a form that has begun."""
    made = await page.evaluate(
        """async (body) => (await fetch("/api/v1/forms", {method: "POST", headers: {
            "Content-Type": "application/json",
            "X-CSRF-Token": document.querySelector("meta[name=csrf]").content,
        }, body: JSON.stringify(body)})).json()""",
        {"script": "nps", "language": language},
    )
    await page.goto(f"{desk.url}/forms/{made['id']}")


@pytest.mark.browser
@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize("language", LANGUAGES)
async def test_a_survey_is_filled_in_by_the_keyboard_alone(at_desk: AtDesk, language: str) -> None:
    library = Shelf()
    library.scripts["nps"] = NPS
    async with at_desk(language=language, library=library) as (desk, page):
        await opened(desk, page, language)
        question = page.get_by_test_id("form-question")
        for step, keys in (("consent", "1"), ("score", "7"), ("better", "2")):
            await expect(question).to_have_attribute("data-step", step)
            await page.keyboard.press(keys)
        await expect(question).to_have_attribute("data-step", "words")
        await page.keyboard.press("Shift+Enter")
        await expect(question).to_have_attribute("data-step", "better")
        await page.keyboard.press("3")
        await expect(question).to_have_attribute("data-step", "words")
        await page.keyboard.type("All is well")
        await page.keyboard.press("Enter")
        await expect(page.get_by_test_id("form-saved")).to_contain_text(LANGUAGES[language])
        await expect(page.get_by_test_id("form-finish")).to_be_focused()
        await page.keyboard.press("Enter")
        await expect(page.get_by_test_id("form-ended")).to_be_visible()


@pytest.mark.browser
@pytest.mark.asyncio(loop_scope="session")
async def test_who_types_faster_than_the_line_carries_loses_no_key(at_desk: AtDesk) -> None:
    library = Shelf()
    library.scripts["nps"] = NPS
    async with at_desk(library=library) as (desk, page):
        await opened(desk, page, "en")
        question = page.get_by_test_id("form-question")
        await expect(question).to_have_attribute("data-step", "consent")
        held: asyncio.Queue[Route] = asyncio.Queue()
        await page.route("**/entries", held.put)
        for key in ("1", "7", "2", "A", "b", "Enter"):
            await page.keyboard.press(key)
        for _ in range(3):  # each goes when the one before it has come
            await (await held.get()).continue_()
        await expect(question).to_have_attribute("data-step", "words")
        words = await held.get()
        assert words.request.post_data_json["text"] == "Ab"
        await words.continue_()
        await expect(page.get_by_test_id("form-finish")).to_be_focused()


@pytest.mark.browser
@pytest.mark.asyncio(loop_scope="session")
async def test_one_key_opens_the_form_beside_the_card_of_the_call(
    at_desk: AtDesk, pictures: Pictures
) -> None:
    library = Shelf()
    library.scripts["nps"] = NPS
    async with at_desk(library=library) as (desk, page):
        talking(desk, "en")
        desk.hub.flush()
        await expect(page.get_by_test_id("form-scripts")).to_contain_text("F3")
        await page.keyboard.press("F3")
        question = page.get_by_test_id("form-question")
        await expect(question).to_have_attribute("data-step", "consent")
        await page.keyboard.press("1")
        await expect(question).to_have_attribute("data-step", "score")
        asked = page.get_by_test_id("form-question").locator("p")
        await pictures.take(page, "form-en", asked, re.compile("recommend us"))
        (run,) = await desk.store.runs("nps")
        assert (run.channel, run.call_id) == ("form", identity("p1"))
