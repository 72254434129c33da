"""The pages in a real browser, before a desk whose calls are scripted."""

from __future__ import annotations

import re
from typing import Any

import pytest
from desk_scenes import customer, history, outside, reason, vip
from fake_desk import PASSWORD, identity
from page_fixtures import AtDesk, at_desk, sqlite_url
from playwright.async_api import Page, expect

from cordboard.screenpop.views import Viewer

__all__ = ["at_desk", "sqlite_url"]

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


BOLD = "<img src=x onerror=document.title='owned'> <b>Ivan</b>"


# -- the card


async def test_card_is_painted_and_acknowledged_while_the_phone_rings(at_desk: AtDesk) -> None:
    async with at_desk() as (desk, page):
        desk.ring(
            "p1",
            "+359888123456",
            vip("en"),
            why=[reason("language", language="bg"), reason("rule", {"en": "VIP first"}, rule="v")],
            history=history("en"),
        )
        await expect(page.get_by_test_id("pop-card")).to_have_attribute("data-pop-id", "p1")
        await expect(page.get_by_test_id("customer-name")).to_have_text("Catherine Montgomery")
        await expect(page.get_by_test_id("customer-status")).to_have_text("VIP")
        await expect(page.get_by_test_id("customer-language")).to_have_text("Speaks English")
        await expect(page.get_by_test_id("call-from")).to_have_text("+359 88 812 3456")
        await expect(page.get_by_test_id("customer-balance")).to_have_text("₽18,400")
        await expect(page.get_by_test_id("customer-manager")).to_contain_text("Elena Petrova")
        await expect(page.get_by_test_id("cases")).to_have_text("None.")
        await expect(page.get_by_test_id("interaction")).to_have_count(3)
        await expect(page.get_by_test_id("history")).to_contain_text("Invoice sent again")
        why = page.get_by_test_id("route-why").get_by_role("listitem")
        await expect(why).to_have_text(
            ["Queue: sales", "Caller's language: Bulgarian", "VIP first"]
        )
        await expect(page.get_by_test_id("call-state")).to_have_attribute("data-value", "ringing")
        await expect(page).to_have_title("☎ Catherine Montgomery")
        await page.wait_for_function("performance.getEntriesByName('pop-painted:p1').length === 1")
        await until(page, lambda: desk.acked == 1)


async def test_the_card_shows_what_tells_the_customer_apart_and_leads_to_the_calls_story(
    at_desk: AtDesk,
) -> None:
    async with at_desk() as (desk, page):
        traits = {
            "segment": "wholesale",
            "tags": ["press", "<i>x</i>"],
            "do_not_disturb": True,
            "attributes": {"tariff": "gold", "open_cases": 2, "sla": False},
        }
        desk.ring("p1", "+359888123456", vip("en") | traits, history=history("en"))
        items = page.get_by_test_id("customer-traits").get_by_role("listitem")
        await expect(items).to_have_text(
            [
                *("Is not to be disturbed", "wholesale", "press", "<i>x</i>"),
                *("tariff gold", "open_cases 2", "sla no"),
            ]
        )
        link = page.get_by_test_id("call-story")
        await expect(link).to_have_attribute("href", re.compile(r"/calls/[0-9a-f-]{36}$"))


async def until(page: Page, holds: Any) -> None:
    for _ in range(1200):
        if holds():
            return
        await page.wait_for_timeout(25)
    raise AssertionError("did not come true within 30 seconds")


async def test_state_and_timer_follow_the_phone(at_desk: AtDesk) -> None:
    async with at_desk() as (desk, page):
        state, timer = page.get_by_test_id("call-state"), page.get_by_test_id("call-timer")
        desk.ring("p1", "+79123456789", customer("Ivan"), seconds=7)
        await expect(state).to_have_attribute("data-value", "ringing")
        await expect(timer).to_have_text(re.compile("0:(0[789]|[1-5])"))
        desk.answer("p1", seconds=5)
        await expect(state).to_have_attribute("data-value", "talking")
        await expect(timer).to_have_text(re.compile("0:(0[5-9]|[1-5])"))
        desk.me("on-hold", call=identity("p1"))
        await expect(state).to_have_attribute("data-value", "on-hold")
        desk.me("talking", call=identity("p1"))
        await expect(state).to_have_attribute("data-value", "talking")
        desk.hang_up("p1", seconds=2)
        await expect(state).to_have_attribute("data-value", "wrap-up")
        await expect(timer).to_have_text(re.compile("0:(0[2-9]|[1-5])"))
        await expect(page).to_have_title(re.compile("^Console"))


async def test_names_and_notes_are_text_whatever_they_look_like(at_desk: AtDesk) -> None:
    async with at_desk() as (desk, page):
        past = history("en")
        past[0] |= {"note": "<script>document.title='owned'</script>", "operator": "<i>x</i>"}
        desk.ring(
            "p1",
            "+79123456789",
            customer(BOLD, "<u>vip</u>"),
            why=[reason("rule", {"en": "<a href=javascript:1>why</a>"}, rule="r")],
            history=past,
        )
        await expect(page.get_by_test_id("customer-name")).to_have_text(BOLD)
        await expect(page.get_by_test_id("history")).to_contain_text("<script>document.title")
        await expect(page.get_by_test_id("route-why")).to_contain_text("<a href=javascript:1>")
        assert (
            await page.locator("main")
            .locator("script, b b, u, a:not([href^='/calls/']), img")
            .count()
            == 0
        )
        await expect(page).to_have_title(f"☎ {BOLD}")


async def test_pop_of_somebody_else_is_not_shown_to_a_supervisor(at_desk: AtDesk) -> None:
    async with at_desk(role="supervisor") as (desk, page):
        desk.ring("p1", "+79123456789", customer("Ivan"), operator="boris")
        desk.ring("p2", "+79123456780", customer("Olga"))
        await expect(page.get_by_test_id("customer-name")).to_have_text("Olga")
        await expect(page.get_by_test_id("tab")).to_have_count(1)


async def test_card_goes_when_the_phone_loses_the_call_and_the_day_remembers_it(
    at_desk: AtDesk,
) -> None:
    async with at_desk() as (desk, page):
        desk.ring("p1", "+79123456789", customer("Ivan"))
        await expect(page.get_by_test_id("pop-card")).to_be_visible()
        desk.end("p1", "answered-elsewhere")
        await expect(page.get_by_test_id("pop-card")).to_have_count(0)
        await expect(page.get_by_test_id("recent-call")).to_contain_text("A colleague answered")


# -- the wrap-up


async def test_wrapup_by_keyboard_alone(at_desk: AtDesk) -> None:
    async with at_desk() as (desk, page):
        desk.ring("p1", "+79123456789", customer("Ivan"))
        desk.answer("p1")
        await expect(page.get_by_test_id("wrapup-save")).to_be_disabled()
        desk.hang_up("p1")
        await expect(page.get_by_test_id("wrapup-save")).to_be_enabled()
        await page.keyboard.press("3")
        await page.keyboard.type("Wants 2 calls on Monday")
        await page.keyboard.press("Control+Enter")
        await expect(page.get_by_test_id("pop-card")).to_have_count(0)
        assert [(one.action, one.target, one.args) for one in desk.asked] == [
            (
                "wrapup",
                identity("p1"),
                {
                    "note": "Wants 2 calls on Monday",
                    "result": "complaint",
                    "customer": identity("Ivan"),
                    "first": True,
                },
            )
        ]
        await expect(page.get_by_test_id("recent-call")).to_contain_text("Complaint")
        assert (
            await page.evaluate("Object.keys(sessionStorage).filter(k => k.includes('card:'))")
            == []
        )


async def test_arrows_choose_and_f2_goes_between_result_and_note(at_desk: AtDesk) -> None:
    async with at_desk() as (desk, page):
        desk.ring("p1", "+79123456789", customer("Ivan"))
        desk.answer("p1")
        desk.hang_up("p1")
        await expect(page.get_by_role("radio", name="Resolved")).to_be_focused()
        await page.keyboard.press("ArrowDown")
        await expect(page.get_by_role("radio", name="Call back")).to_be_checked()
        await page.keyboard.press("F2")
        await expect(page.get_by_test_id("wrapup-note")).to_be_focused()
        await page.keyboard.type("1 more")
        await expect(page.get_by_test_id("wrapup-note")).to_have_value("1 more")
        await page.keyboard.press("F2")
        await expect(page.get_by_role("radio", name="Call back")).to_be_focused()


async def test_note_typed_while_talking_is_kept_and_keeps_the_focus(at_desk: AtDesk) -> None:
    async with at_desk() as (desk, page):
        desk.ring("p1", "+79123456789", customer("Ivan"))
        desk.answer("p1")
        note = page.get_by_test_id("wrapup-note")
        await note.click()
        await page.keyboard.type("half a sen")
        desk.hang_up("p1")
        await expect(page.get_by_test_id("call-state")).to_have_attribute("data-value", "wrap-up")
        await page.keyboard.type("tence")
        await expect(note).to_have_value("half a sentence")
        await expect(note).to_be_focused()


@pytest.mark.parametrize("how", ["refused", "unreachable"])
async def test_text_stays_when_saving_fails(at_desk: AtDesk, how: str) -> None:
    async with at_desk() as (desk, page):
        desk.ring("p1", "+79123456789", customer("Ivan"))
        desk.answer("p1")
        desk.hang_up("p1")
        await page.get_by_test_id("wrapup-result-order").click()
        await page.get_by_test_id("wrapup-note").fill("two tables")
        if how == "refused":
            desk.refuse = "the store is away"
            said = "Not saved: the store is away"
        else:
            await page.route("**/actions", lambda route: route.abort())
            said = "The server cannot be reached."
        await page.keyboard.press("Control+Enter")
        await expect(page.get_by_test_id("wrapup-error")).to_have_text(said)
        await expect(page.get_by_test_id("wrapup-note")).to_have_value("two tables")
        await page.unroute("**/actions")
        await page.keyboard.press("Control+Enter")
        await expect(page.get_by_test_id("pop-card")).to_have_count(0)


async def test_result_is_asked_for(at_desk: AtDesk) -> None:
    async with at_desk() as (desk, page):
        desk.ring("p1", "+79123456789", customer("Ivan"))
        desk.answer("p1")
        desk.hang_up("p1")
        await page.get_by_test_id("wrapup-save").click()
        await expect(page.get_by_test_id("wrapup-error")).to_have_text("Choose a result first.")
        assert desk.asked == []


async def test_wrapup_can_be_saved_after_its_time_is_over(at_desk: AtDesk) -> None:
    async with at_desk() as (desk, page):
        desk.ring("p1", "+79123456789", customer("Ivan"))
        desk.answer("p1")
        desk.hang_up("p1")
        await page.get_by_test_id("wrapup-note").fill("slow but sure")
        desk.end("p1", "done")
        await expect(page.get_by_test_id("card-closed")).to_contain_text("time is over")
        await page.get_by_test_id("wrapup-result-other").click()
        await page.get_by_test_id("wrapup-save").click()
        await expect(page.get_by_test_id("pop-card")).to_have_count(0)
        assert desk.asked[0].args["note"] == "slow but sure"


# -- an unknown number


async def test_unknown_number_becomes_a_customer(at_desk: AtDesk) -> None:
    async with at_desk() as (desk, page):
        desk.ring("p1", "+79265550147")
        await expect(page.get_by_test_id("customer-name")).to_have_text("+7 926 555-01-47")
        await expect(page.get_by_test_id("new-customer-phone")).to_have_value("+79265550147")
        await expect(page.get_by_test_id("new-customer-name")).to_be_focused()
        await page.keyboard.type("Mila Georgieva")
        await page.keyboard.press("Enter")
        await expect(page.get_by_test_id("customer-name")).to_have_text("Mila Georgieva")
        await expect(page.get_by_test_id("new-customer-form")).to_have_count(0)
        await expect(page.get_by_test_id("customer-status")).to_have_text("New")


@pytest.mark.parametrize(
    ("language", "says", "failed"),
    [
        ("en", "from billing", "crm did not say in time who this is"),
        ("ru", "из billing", "crm не сообщила вовремя, кто звонит"),
        ("bg", "от billing", "crm не каза навреме кой се обажда"),
    ],
)
async def test_what_another_system_says_is_on_the_card_with_its_source(
    at_desk: AtDesk, language: str, says: str, failed: str
) -> None:
    async with at_desk(language=language) as (desk, page):
        outside(desk, language)
        tariff = page.locator('[data-testid="attribute"][data-name="tariff"]')
        await expect(tariff).to_contain_text("Business 100")
        await expect(tariff).to_contain_text(says)
        await expect(page.get_by_test_id("source")).to_have_attribute("data-source", "billing")
        await expect(page.get_by_test_id("route-why")).to_contain_text(failed)
        await expect(page.get_by_test_id("customer-status")).to_have_attribute("data-status", "vip")
        # Whoever our store does not know can be entered, under the name that is known.
        name = await page.get_by_test_id("customer-name").inner_text()
        await expect(page.get_by_test_id("new-customer-name")).to_have_value(name)
        desk.alarm("lookup-failing", 1, "billing")  # for supervisors, and no fault here


async def test_refused_customer_says_why_and_keeps_the_name(at_desk: AtDesk) -> None:
    async with at_desk() as (desk, page):
        desk.ring("p1", "1001")
        await page.get_by_test_id("new-customer-name").fill("Mila")
        await page.get_by_test_id("new-customer-save").click()
        await expect(page.get_by_test_id("new-customer-error")).to_contain_text("phones")
        await expect(page.get_by_test_id("new-customer-name")).to_have_value("Mila")


# -- two cards


async def test_ringing_call_does_not_disturb_an_operator_who_types(at_desk: AtDesk) -> None:
    async with at_desk() as (desk, page):
        desk.ring("p1", "+79123456789", customer("Ivan"))
        desk.answer("p1")
        desk.hang_up("p1")
        note = page.get_by_test_id("wrapup-note")
        await note.click()
        await page.keyboard.type("about ")
        desk.end("p1", "done")
        desk.ring("p2", "+79123456780", customer("Olga"))
        banner = page.get_by_test_id("incoming-banner")
        await expect(banner).to_contain_text("Olga")
        await until(page, lambda: desk.acked == 2)
        await page.keyboard.type("Monday")
        await expect(note).to_have_value("about Monday")
        await page.keyboard.press("F8")
        await expect(page.get_by_test_id("customer-name")).to_have_text("Olga")
        await expect(banner).to_have_count(0)
        await expect(note).to_have_value("")
        await page.get_by_test_id("tab").filter(has_text="Ivan").click()
        await expect(note).to_have_value("about Monday")


async def test_ringing_call_comes_to_the_front_when_nobody_types(at_desk: AtDesk) -> None:
    async with at_desk() as (desk, page):
        desk.ring("p1", "+79123456789", customer("Ivan"))
        desk.answer("p1")
        await page.get_by_test_id("wrapup-note").fill("kept")
        desk.hang_up("p1")
        await page.get_by_test_id("wrapup-note").blur()
        desk.ring("p2", "+79123456780", customer("Olga"))
        await expect(page.get_by_test_id("customer-name")).to_have_text("Olga")
        await expect(page.get_by_test_id("tab")).to_have_count(2)
        desk.end("p2", "no-answer")
        await expect(page.get_by_test_id("customer-name")).to_have_text("Ivan")
        await expect(page.get_by_test_id("wrapup-note")).to_have_value("kept")


async def test_draft_survives_a_reload_even_when_its_pop_does_not(at_desk: AtDesk) -> None:
    async with at_desk() as (desk, page):
        for pop, name in (("p1", "Ivan"), ("p2", "Olga")):
            desk.ring(pop, f"+7912345678{pop[1]}", customer(name))
            desk.answer(pop)
            await page.get_by_test_id("wrapup-note").fill(f"of {name}")
            await page.get_by_test_id("wrapup-note").blur()
            desk.hang_up(pop)
        await expect(page.get_by_test_id("tab")).to_have_count(2)
        desk.end("p1", "done")
        await page.reload()
        for name in ("Ivan", "Olga"):
            await page.get_by_test_id("tab").filter(has_text=name).click()
            await expect(page.get_by_test_id("customer-name")).to_have_text(name)
            await expect(page.get_by_test_id("wrapup-note")).to_have_value(f"of {name}")
            await expect(page.get_by_test_id("wrapup-save")).to_be_enabled()


# -- the stream


async def test_pbx_away_is_said_with_the_time_and_keeps_the_picture(at_desk: AtDesk) -> None:
    async with at_desk() as (desk, page):
        desk.ring("p1", "+79123456789", customer("Ivan"))
        desk.pbx("down", stale=120)
        await expect(page.get_by_test_id("stale-banner")).to_have_text(
            re.compile(r"Stale since \d\d:\d\d: no link to the PBX")
        )
        await expect(page.get_by_test_id("customer-name")).to_have_text("Ivan")
        desk.pbx("up")
        await expect(page.get_by_test_id("stale-banner")).to_have_count(0)


async def test_lost_connection_is_said_and_taken_up_where_it_stopped(at_desk: AtDesk) -> None:
    async with at_desk() as (desk, page):
        desk.ring("p1", "+79123456789", customer("Ivan"))
        await expect(page.get_by_test_id("pop-card")).to_be_visible()
        session = await page.evaluate(
            "import('/static/console.js').then(m => m.stream.state.session)"
        )
        desk.cut()
        await expect(page.get_by_test_id("stale-banner")).to_have_text(
            re.compile(r"Stale since \d\d:\d\d: the connection to the server is lost")
        )
        await expect(page.get_by_test_id("customer-name")).to_have_text("Ivan")
        desk.answer("p1")
        desk.ring("p2", "+79123456780", customer("Olga"))
        desk.mend()
        await expect(page.get_by_test_id("link-state")).to_have_attribute("data-link", "live")
        await expect(page.get_by_test_id("stale-banner")).to_have_count(0)
        await expect(page.get_by_test_id("tab")).to_have_count(2)
        resumed = await page.evaluate(
            "import('/static/console.js').then(m => m.stream.state.session)"
        )
        assert resumed == session
        await until(page, lambda: desk.acked == 2)


STATE = """import('/static/wallboard.js').then(({stream: {state}}) => ({
    pbx: [...state.pbx.values()],
    operators: [...state.operators.values()],
    queues: [...state.queues.values()],
    waiting: [...state.waiting.values()].flat(),
    calls: [...state.calls.values()],
    pops: [...state.pops.values()].map(({seq, ...pop}) => pop),
    alarms: [...state.alarms.values()],
    missed: [...state.missed.values()],
    notices: [...state.notices.values()],
    respondents: [...state.respondents.values()],
}))"""


def ordered(picture: dict[str, list[dict[str, Any]]]) -> dict[str, list[str]]:
    return {name: sorted(map(repr, sorted_keys(items))) for name, items in picture.items()}


def sorted_keys(items: list[dict[str, Any]]) -> list[Any]:
    return [sorted(item.items(), key=lambda pair: pair[0]) for item in items]


async def test_snapshot_and_messages_make_a_fresh_snapshot_and_a_gap_loads_one(
    at_desk: AtDesk,
) -> None:
    async with at_desk("/wallboard", role="supervisor") as (desk, page):
        desk.ring("p1", "+79123456789", customer("Ivan"))
        desk.ring("p2", "+79123456780", customer("Olga"), operator="boris")
        desk.waiting(
            "sales",
            [
                {
                    "call": "w1",
                    "name": "A",
                    "from": "1",
                    "status": None,
                    "since": "2026-01-01T00:00:00.000000Z",
                }
            ],
        )
        desk.waiting(
            "support",
            [
                {
                    "call": "w2",
                    "name": "B",
                    "from": "2",
                    "status": "vip",
                    "since": "2026-01-01T00:00:00.000000Z",
                }
            ],
        )
        desk.answer("p1")
        desk.waiting("sales", [])
        desk.queue("sales", waiting=0)
        desk.me("talking", call=identity("p1"))
        desk.end("p2", "no-answer")
        desk.pbx("connecting", stale=1)
        desk.alarm("spooling", 3)
        desk.alarm("disk-full")
        desk.hub.publish({"type": "alarm-end", "kind": "disk-full"})
        desk.hub.flush()

        async def agrees() -> None:
            held = ordered(await page.evaluate(STATE))
            fresh = desk.hub.picture.snapshot_for(Viewer("anna", "supervisor"))
            assert held == ordered(fresh)

        await expect(page.get_by_test_id("waiting-w2")).to_be_visible()
        await expect(page.get_by_test_id("stale-banner")).to_be_visible()
        await agrees()
        await page.evaluate(
            "import('/static/wallboard.js').then(m => { m.stream.state.seq -= 5; })"
        )
        desk.waiting("support", [])
        desk.hub.flush()
        await expect(page.get_by_test_id("waiting-w2")).to_have_count(0)
        await agrees()


async def test_presence_of_hundreds_leaves_the_console_alone(at_desk: AtDesk) -> None:
    async with at_desk() as (desk, page):
        for number in range(300):
            desk.operator(f"o{number}", f"Operator {number}", "ready")
        desk.hub.flush()
        await expect(page.get_by_test_id("colleagues")).to_contain_text("302 ready")
        assert await page.get_by_test_id("colleagues").get_by_role("listitem").count() == 0
        await page.get_by_test_id("colleagues").locator("summary").click()
        await expect(page.get_by_test_id("colleagues").get_by_role("listitem")).to_have_count(307)


# -- logging in


async def test_logging_in_and_out_in_a_browser(at_desk: AtDesk) -> None:
    async with at_desk("/wallboard", role="supervisor", logged_in=False) as (desk, page):
        await page.get_by_label("User name").fill("anna")
        await page.get_by_label("Password").fill("wrong")
        await page.keyboard.press("Enter")
        await expect(page.get_by_test_id("login-error")).to_be_visible()
        await expect(page.get_by_label("User name")).to_have_value("anna")
        await page.get_by_label("Password").fill(PASSWORD)
        await page.keyboard.press("Enter")
        await expect(page.get_by_test_id("link-state")).to_have_attribute("data-link", "live")
        assert page.url == f"{desk.url}/wallboard"
        await page.evaluate("sessionStorage.setItem('cordboard:card:x', '{}')")
        await page.get_by_role("button", name="Log out").click()
        await expect(page.get_by_test_id("login-form")).to_be_visible()
        assert await page.evaluate("sessionStorage.length") == 0


async def test_login_that_ends_leads_back_to_the_form(at_desk: AtDesk) -> None:
    async with at_desk() as (desk, page):
        await page.context.clear_cookies()
        for credential in desk.hub.credentials():
            desk.hub.drop_session(credential)
        await expect(page.get_by_test_id("login-form")).to_be_visible()


# -- languages, widths


@pytest.mark.parametrize(
    ("language", "one", "five"),
    [
        ("ru", "Ждёт 1 звонящий", "Ждут 5 звонящих"),
        ("bg", "Чака 1 обаждащ се", "Чакат 5 обаждащи се"),
    ],
    ids=["ru", "bg"],
)
async def test_plurals_on_the_page(at_desk: AtDesk, language: str, one: str, five: str) -> None:
    async with at_desk(language=language) as (desk, page):
        desk.queue("sales", waiting=1, longest=2)
        await expect(page.get_by_label(one)).to_have_text("1")
        desk.queue("sales", waiting=5, longest=2)
        await expect(page.get_by_label(five)).to_have_text("5")


async def test_language_is_switched_on_the_page_and_the_draft_stays(at_desk: AtDesk) -> None:
    async with at_desk() as (desk, page):
        desk.ring("p1", "+79123456789", customer("Ivan"))
        desk.answer("p1")
        await page.get_by_test_id("wrapup-note").fill("kept")
        await page.get_by_role("button", name="Български").click()
        await expect(page.get_by_test_id("call-state")).to_have_text("Разговор")
        await expect(page.get_by_test_id("wrapup-note")).to_have_value("kept")
        assert await page.evaluate("document.documentElement.lang") == "bg"


@pytest.mark.parametrize("width", [768, 1024, 1280, 1920])
async def test_nothing_sticks_out_sideways(at_desk: AtDesk, width: int) -> None:
    async with at_desk(language="bg", width=width) as (desk, page):
        longest = "Александра Константинова-Хаджигеоргиева-Стоянова " * 2
        desk.ring("p1", "+359888123456", customer(longest + "Ъ" * 60, "vip", balance=-1e9))
        desk.answer("p1")
        await page.get_by_test_id("wrapup-note").fill("x")
        await page.get_by_test_id("wrapup-note").focus()
        desk.ring("p2", "+359888123457", customer(longest))
        await expect(page.get_by_test_id("incoming-banner")).to_be_visible()
        assert await page.evaluate(
            "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
        )


@pytest.mark.parametrize(
    ("language", "menu", "interrupted"),
    [
        ("en", "Main menu", "IVR interrupted at step pin of main-menu"),
        ("ru", "Главное меню", "Голосовое меню main-menu прервалось на шаге pin"),
        ("bg", "Главно меню", "Гласовото меню main-menu прекъсна на стъпка pin"),
    ],
)
async def test_the_card_shows_the_way_through_the_menu_and_what_was_pressed(
    at_desk: AtDesk, language: str, menu: str, interrupted: str
) -> None:
    async with at_desk(language=language) as (desk, page):
        title = {"en": "Main menu", "ru": "Главное меню", "bg": "Главно меню"}
        path = [
            step("hello", {"": "<b>hello</b>"}, "next"),
            step("menu", title, "1", "1"),
            step("account", {"": "account"}, "next", "10203"),
            step("vip", {"": "vip"}, "skip"),
            step("pin", {"": "pin"}, "nomatch", "••••"),
        ]
        why = [reason("fallback", how="script", script="main-menu", step="pin")]
        desk.ring("p1", "+359888123456", vip(language), why=why, path=path)
        steps = page.get_by_test_id("script-path").get_by_role("listitem")
        await expect(steps).to_have_count(4)
        await expect(steps.nth(0)).to_have_text("<b>hello</b>")
        await expect(steps.nth(1)).to_have_text(f"{menu} 1")
        await expect(steps.nth(2)).to_have_text("account 10203")
        await expect(steps.nth(3)).to_contain_text("pin ••••")
        await expect(page.get_by_test_id("route-why")).to_contain_text(interrupted)


def step(name: str, title: dict[str, str], way: str, entered: str = "") -> dict[str, Any]:
    told = {"script": "main-menu", "step": name, "way": way, "entered": entered}
    return {**told, "title": title, "at": "2026-11-23T10:00:00Z"}
