"""What people see: a real call on the real Asterisk, the server as its own process, and the pages
in a real browser, from logging in to the saved note."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from browser_fixtures import Pictures, Seat, browser, pictures, seat
from playwright.async_api import Browser, expect
from server_fixtures import PASSWORD, Server

from cordboard.config import load, share
from cordboard.crm_core.sample import load_sample
from cordboard.crm_core.store import Store
from cordboard.sandbox.pbx import SandboxPbx
from cordboard.sandbox.scenarios import Manner
from cordboard.sandbox.sip import Phones, PhoneSpec, dial

__all__ = ["browser", "pictures"]

pytestmark = [pytest.mark.pbx, pytest.mark.browser]

NUMBER = "79161234567"
SLOW = Manner(ring=5)
ANNA = PhoneSpec("1001", (SLOW,))
BORIS = PhoneSpec("1002", (SLOW,))
EVIL = "<img src=x onerror=alert(1)>"
RECONNECTING = ("net::ERR_", "WebSocket connection to")
"""What a browser says of a server that is away."""


async def watch(desk: Seat) -> None:
    """Keeps the call's states in `window.seen`, as the operator sees them one after another."""
    await desk.page.evaluate(
        """() => {
            const seen = window.seen = [];
            const look = () => {
                const value = document.querySelector('[data-testid=call-state]')?.dataset.value;
                if (value && value !== seen.at(-1)) seen.push(value);
            };
            const all = {subtree: true, childList: true, attributes: true};
            new MutationObserver(look).observe(document.body, all);
        }"""
    )


async def painted(desk: Seat) -> float:
    """When the card in front was on the screen, in seconds since the epoch."""
    pop = await desk["pop-card"].get_attribute("data-pop-id")
    moment = await desk.page.wait_for_function(
        """id => {
            const [mark] = performance.getEntriesByName(`pop-painted:${id}`);
            return mark && performance.timeOrigin + mark.startTime;
        }""",
        arg=pop,
    )
    return float(await moment.json_value()) / 1000


async def ready(desk: Seat) -> None:
    """Until the operator's phone is free for the next call."""
    own = desk["own-state"].locator(".pill")
    await expect(own).to_have_attribute("data-state", "ready")


# -- a call of a known customer


@pytest.mark.usefixtures("brisk")
async def test_card_comes_before_the_answer_follows_the_call_and_the_note_is_on_the_next(
    server: Server, browser: Browser
) -> None:
    known = await server.customer(NUMBER, status="regular", language="ru", balance=-12.5)
    async with Phones(server.status, [ANNA]), seat(browser, server.base) as desk:
        await desk.log_in("anna", PASSWORD)
        await ready(desk)
        await watch(desk)
        caller = dial(server.status, NUMBER, "Someone", stay=150)
        await desk.call_is("ringing")
        seen_at = await painted(desk)
        await desk.shows("customer-name", "Иван Петров")
        await desk.shows("customer-status", "Regular")
        await desk.shows("customer-balance", "₽12.50")
        await desk.shows("customer-language", "Speaks Russian")
        await desk.shows("call-from", "+7 916 123-45-67")
        await expect(desk["route-why"].get_by_role("listitem")).to_have_text(
            ["Queue: support-ru", "Queue by language", "Caller's language: Russian"]
        )
        await desk.shows("history", "No contacts yet: this is the first.")
        await expect(desk["wrapup-save"]).to_be_disabled()
        await desk.call_is("talking")
        assert (await caller.hang_up()).outcome == "completed"
        await desk.call_is("wrap-up")
        assert await desk.page.evaluate("window.seen") == ["ringing", "talking", "wrap-up"]

        # By keyboard alone: a digit is the result, then the note, then Ctrl+Enter.
        await expect(desk["wrapup-save"]).to_be_enabled()
        await desk.page.keyboard.press("2")
        await desk.page.keyboard.type("Перезвонить в 15:00")
        await desk.page.keyboard.press("Control+Enter")
        await expect(desk["pop-card"]).to_have_count(0)
        await expect(desk["recent-call"]).to_contain_text("Call back")
        await ready(desk)

        again = dial(server.status, NUMBER, "Someone", stay=60)
        await desk.call_is("ringing")
        await expect(desk["interaction"]).to_have_count(1)
        await expect(desk["interaction"]).to_contain_text("Call back")
        await expect(desk["interaction"]).to_contain_text("Перезвонить в 15:00")
        await hang_up(server, NUMBER)
        await again.result

    (call,) = [c for c in (await server.api("GET", "/calls"))["calls"] if c["answered_at"]]
    assert call["customer"]["id"] == known["id"]
    assert seen_at < datetime.fromisoformat(call["answered_at"]).timestamp()


async def test_the_card_is_painted_while_the_phone_still_rings(
    server: Server, browser: Browser
) -> None:
    """A phone that is never answered: whatever is on the screen came without an answer."""
    await server.customer(NUMBER, status="vip", language="ru")
    silent = PhoneSpec("1001", (Manner(answers="no-answer"),))
    async with Phones(server.status, [silent]), seat(browser, server.base) as desk:
        await desk.log_in("anna", PASSWORD)
        await ready(desk)
        caller = dial(server.status, NUMBER, "Someone", stay=150)
        await desk.shows("customer-name", "Иван Петров")
        await desk.shows("customer-status", "VIP")
        await desk.call_is("ringing")
        await painted(desk)
        await desk.shows("customer-name", "Иван Петров")
        await expect(desk["call-timer"]).to_have_text(re.compile(r"0:\d\d"))
        assert await desk.page.title() == "☎ Иван Петров"
        calls = (await server.api("GET", "/calls"))["calls"]
        assert [call["answered_at"] for call in calls] == [None]
        assert (await caller.hang_up()).hung_up == "us"
        await expect(desk["pop-card"]).to_have_count(0)
        await expect(desk["recent-call"]).to_contain_text("The caller hung up")


# -- an unknown number


@pytest.mark.usefixtures("brisk")
async def test_an_unknown_number_is_saved_with_two_fields_and_known_at_the_next_call(
    server: Server, browser: Browser
) -> None:
    async with Phones(server.status, [ANNA]), seat(browser, server.base) as desk:
        await desk.log_in("anna", PASSWORD)
        await ready(desk)
        caller = dial(server.status, NUMBER, "", stay=150)
        await desk.shows("customer-name", "+7 916 123-45-67")
        await desk.shows("customer-status", "Unknown number")
        await expect(desk["new-customer-form"].get_by_role("textbox")).to_have_count(2)
        await expect(desk["new-customer-phone"]).to_have_value(f"+{NUMBER}")
        await expect(desk["new-customer-name"]).to_be_focused()
        await desk.page.keyboard.type("Мила Георгиева")
        await desk.page.keyboard.press("Enter")
        await desk.shows("customer-name", "Мила Георгиева")
        await desk.shows("customer-status", "New")
        await expect(desk["new-customer-form"]).to_have_count(0)
        await desk.call_is("talking")
        await caller.hang_up()
        await desk.call_is("wrap-up")
        await desk.page.keyboard.press("1")
        await desk.page.keyboard.press("Control+Enter")
        await expect(desk["pop-card"]).to_have_count(0)
        await ready(desk)

        again = dial(server.status, NUMBER, "", stay=60)
        await desk.call_is("ringing")
        await desk.shows("customer-name", "Мила Георгиева")
        await expect(desk["new-customer-form"]).to_have_count(0)
        await expect(desk["interaction"]).to_contain_text("Resolved")
        await hang_up(server, NUMBER)
        await again.result


async def test_a_name_that_is_a_program_is_shown_and_not_run(
    server: Server, browser: Browser
) -> None:
    """By a caller of that name, and by a customer and a note of that text."""
    await server.customer("79160000009", name=EVIL, language="ru")
    silent = PhoneSpec("1001", (Manner(answers="no-answer"),))
    async with (
        Phones(server.status, [silent]),
        seat(browser, server.base) as desk,
        seat(browser, server.base) as board,
    ):
        await desk.log_in("anna", PASSWORD)
        await board.log_in("maria", PASSWORD, "/wallboard")
        await ready(desk)
        for number in (NUMBER, "79160000009"):
            caller = dial(server.status, number, EVIL, stay=60)
            await desk.shows("customer-name", EVIL)
            await expect(desk["tab"]).to_contain_text(EVIL)
            waiting = board.page.locator("[data-testid^=waiting-queue-]")
            await expect(waiting).to_contain_text(EVIL)
            await expect(board["operator-anna"]).to_contain_text(EVIL)
            await hang_up(server, number)
            await caller.result
            await expect(desk["pop-card"]).to_have_count(0)
            await expect(desk["recent"]).to_contain_text(EVIL)
        for one in (desk, board):
            assert await one.page.locator("main img:not([src='/static/cord.svg'])").count() == 0
            assert [url for url in one.requests if not url.startswith(server.base)] == []
            assert [url for url in one.requests if url.endswith("/x")] == []


# -- the wallboard


async def test_the_wallboard_shows_who_waits_in_order_why_and_what_operators_do(
    server: Server, browser: Browser
) -> None:
    await server.customer("79160000001", status="regular", language="ru", name="Первый")
    await server.customer("79160000003", status="vip", language="ru", name="Важный")
    async with Phones(server.status, [ANNA]), seat(browser, server.base) as board:
        await board.log_in("maria", PASSWORD, "/wallboard")
        await board.is_live()
        anna = board["operator-anna"]
        await expect(board["operator-boris"]).to_have_attribute("data-state", "offline")
        await expect(anna).to_have_attribute("data-state", "ready")
        await pause(server, "lunch")
        await expect(anna).to_have_attribute("data-state", "paused")
        await expect(anna).to_contain_text("Lunch")

        callers = [dial(server.status, "79160000001", "1", stay=60)]
        waiting = board["waiting-queue-support-ru"].get_by_role("listitem")
        await expect(waiting).to_have_count(1)
        callers.append(dial(server.status, "79260000002", "Second", stay=60))
        await expect(waiting).to_have_count(2)
        callers.append(dial(server.status, "79160000003", "3", stay=60))
        await expect(waiting).to_have_text(
            [
                re.compile(r"1\s*Важный\s*VIP.*VIP customers go first.*language: Russian", re.S),
                re.compile(r"2\s*Первый\s*Regular.*Queue by language", re.S),
                re.compile(r"3\s*Second.*The number is not known.*Queue by language", re.S),
            ]
        )
        tile = board["queue-support-ru"]
        await expect(tile.get_by_test_id("queue-waiting")).to_have_text("3")

        await pause(server, None)
        await expect(anna).to_have_attribute("data-state", "ringing")
        await expect(anna).to_contain_text("Важный")
        await expect(anna).to_have_attribute("data-state", "talking")
        await expect(waiting).to_have_text([re.compile("1.*Первый"), re.compile("2.*Second")])
        await hang_up(server, "79160000003")
        await expect(anna).to_have_attribute("data-state", "wrap-up")
        await hang_up(server, "79160000001")
        await hang_up(server, "79260000002")
        for caller in callers:
            assert (await caller.result).hung_up == "them"
        await expect(board["nobody-waits"]).to_be_visible()


async def hang_up(server: Server, number: str) -> None:
    """As when the caller does: `drop` would leave the PBX waiting for one who is gone."""
    calls = (await server.api("GET", "/calls"))["calls"]
    (live,) = [c for c in calls if c["from"] == f"+{number}" and c["state"] != "ended"]
    body = {"action": "hangup", "args": {}, "reason": "test"}
    await server.api("POST", f"/calls/{live['id']}/actions", body)


async def pause(server: Server, reason: str | None, name: str = "anna") -> None:
    """An operator takes no calls for this reason; None: does again."""
    body = {"action": "pause" if reason else "unpause", "args": {}, "reason": reason or "back"}
    await server.api("POST", f"/operators/{name}/actions", body)


async def test_an_operator_is_refused_the_wallboard_in_words(
    server: Server, browser: Browser
) -> None:
    refused = ("status of 403",)
    async with seat(browser, server.base, expected=refused) as desk:
        await desk.log_in("anna", PASSWORD)
        await desk.is_live()
        await expect(desk.page.get_by_role("link", name="Wallboard")).to_have_count(0)
        answer = await desk.page.goto(f"{server.base}/wallboard")
        assert answer
        assert answer.status == 403
        await expect(desk.page.get_by_role("heading")).to_have_text("Not for you")


# -- the server restarted


@pytest.mark.parametrize("how", ["stopped", "killed"])
async def test_a_console_lives_through_a_restart_of_the_server(
    server: Server, browser: Browser, how: str
) -> None:
    await server.customer(NUMBER, status="regular", language="ru")
    async with (
        Phones(server.status, [ANNA]),
        seat(browser, server.base, expected=RECONNECTING) as desk,
    ):
        await desk.log_in("anna", PASSWORD)
        await ready(desk)
        caller = dial(server.status, NUMBER, "Someone", stay=120)
        await desk.call_is("talking")
        await desk["wrapup-note"].fill("half a sen")
        if how == "killed":
            server.kill()
        else:
            server.stop()
        await expect(desk["stale-banner"]).to_contain_text("the connection to the server is lost")
        await desk.shows("customer-name", "Иван Петров")
        await server.start()
        await expect(desk["stale-banner"]).to_have_count(0)
        await desk.is_live()
        await desk.shows("customer-name", "Иван Петров")
        await desk.call_is("talking")
        await desk["wrapup-note"].press("End")
        await desk.page.keyboard.type("tence")
        await expect(desk["wrapup-note"]).to_have_value("half a sentence")
        await expect(desk["tab"]).to_have_count(1)
        assert not caller.result.done()
        await hang_up(server, NUMBER)
        await desk.call_is("wrap-up")
        await desk["wrapup-result-order"].click()
        await desk.page.keyboard.press("Control+Enter")
        await expect(desk["pop-card"]).to_have_count(0)
        (card,) = (await server.api("GET", f"/customers?phone=%2B{NUMBER}"))["customers"]
        assert card["name"] == "Иван Петров"


# -- languages, and the pictures of the README


@dataclass(frozen=True)
class Language:
    """Who works and calls in it, and words that its pages must have."""

    code: str
    people: dict[str, str]
    phone: str
    caller: tuple[str, str]
    second: tuple[str, str]
    note: str
    login: str
    ringing: str
    why: str
    nobody: str
    ready: str


LANGUAGES = {
    "en": Language(
        code="en",
        people={"anna": "Anna Sergeeva", "boris": "Boris Ivanov", "maria": "Maria Stone"},
        phone="1005",
        caller=("447400000002", "Robert Sample"),
        second=("442070000014", "Northwind Example Traders"),
        note="The courier was late again; wants the delivery moved to Monday.",
        login="Log in",
        ringing="Ringing",
        why="VIP: the personal manager first",
        nobody="Nobody is waiting.",
        ready="Ready for the next call",
    ),
    "ru": Language(
        code="ru",
        people={"anna": "Анна Сергеева", "boris": "Борис Иванов", "maria": "Мария Каменева"},
        phone="1001",
        caller=("79160000001", "Иванова Ольга Сергеевна"),
        second=("74950000017", "АО «Первый завод»"),
        note="Курьер опять опоздал; просит перенести доставку на понедельник.",
        login="Вход",
        ringing="Звонит",
        why="VIP: сначала персональный менеджер",
        nobody="Никто не ждёт.",
        ready="Ждём следующий звонок",
    ),
    "bg": Language(
        code="bg",
        people={"anna": "Анна Сергеева", "boris": "Борис Иванов", "maria": "Мария Каменова"},
        phone="1005",
        caller=("359888000002", "Мария Стоянова Димитрова"),
        second=("35928000015", "„Морска звезда“ АД"),
        note="Куриерът пак закъсня; иска доставката да се премести за понеделник.",
        login="Вход",
        ringing="Звъни",
        why="VIP клиентите са с предимство",
        nobody="Никой не чака.",
        ready="В очакване на обаждане",
    ),
}
COLLEAGUES = {
    "vera": ("Vera Nikolova", "1003"),
    "george": ("George Hill", "1004"),
    "daria": ("Daria Smirnova", "1001"),
    "peter": ("Peter Stone", "1006"),
}


@pytest.fixture
async def office(
    tmp_path: Path, pbx: SandboxPbx, sandbox: dict[str, Any], language: str
) -> AsyncIterator[Server]:
    """A server whose people have names, and whose customers have called before."""
    pbx.cli("queue reset stats")
    running = Server(tmp_path, sandbox, wrapup=6)
    await running.prepare()
    store = Store(load(running.config).database.url)
    await store.open()
    spoken = LANGUAGES[language]
    for name, shown in spoken.people.items():
        await store.update_user(name, {"display_name": shown})
    await store.update_user("anna", {"phone": f"PJSIP/{spoken.phone}", "mobile": None})
    for name, (shown, phone) in COLLEAGUES.items():
        free = phone != spoken.phone and f"PJSIP/{phone}"
        await store.add_user(name, "operator", PASSWORD, display_name=shown, phone=free or None)
    await load_sample(store, share("sample"), time.time())
    await store.close()
    await running.start()
    try:
        yield running
    finally:
        running.stop()


@pytest.mark.parametrize("language", LANGUAGES)
async def test_the_pages_speak_the_readers_language_through_a_whole_call(
    office: Server, browser: Browser, pictures: Pictures, language: str
) -> None:
    spoken = LANGUAGES[language]
    async with (
        Phones(office.status, [PhoneSpec(spoken.phone, (SLOW,))]),
        seat(browser, office.base, language) as desk,
        seat(browser, office.base, language) as board,
    ):
        await desk.page.goto(office.base)
        await expect(desk.page.get_by_role("heading")).to_have_text(spoken.login)
        await desk.log_in("anna", PASSWORD)
        await ready(desk)
        await expect(desk["idle"].get_by_role("heading", level=1)).to_have_text(spoken.ready)
        await board.log_in("maria", PASSWORD, "/wallboard")
        await board.shows("nobody-waits", spoken.nobody)
        for one in (desk, board):
            assert await one.page.evaluate("document.documentElement.lang") == language

        caller = dial(office.status, spoken.caller[0], "Someone", stay=150)
        await desk.shows("customer-name", spoken.caller[1])
        await desk.shows("call-state", spoken.ringing)
        await expect(desk["route-why"]).to_contain_text(spoken.why)
        await expect(board["operator-anna"]).to_contain_text(spoken.ringing)
        await desk.call_is("talking")
        if language == "ru":
            await pictures.take(desk.page, "console-ru", desk["call-timer"], "0:04")
        await caller.hang_up()
        await desk.call_is("wrap-up")
        await desk.page.keyboard.press("3")
        await desk.page.keyboard.type(spoken.note)
        if language == "en":
            await pictures.take(desk.page, "console-en", desk["call-timer"], "0:03")

        # The time for the note is over, and the next call takes nothing away of it.
        second = dial(office.status, spoken.second[0], "Someone", stay=60)
        banner = desk["incoming-banner"]
        await expect(banner).to_contain_text(spoken.second[1])
        await expect(banner).to_contain_text(spoken.ringing)
        await desk.shows("customer-name", spoken.caller[1])
        await expect(desk["wrapup-note"]).to_have_value(spoken.note)
        if language == "bg":
            ringing = banner.get_by_role("timer")
            await pictures.take(desk.page, "console-bg", ringing, "0:02")
        await hang_up(office, spoken.second[0])
        await second.result


@pytest.mark.parametrize("language", ["en"])
async def test_a_strangers_card_and_a_busy_wallboard(
    office: Server, browser: Browser, pictures: Pictures
) -> None:
    """One operator is paused, two talk, one's phone rings, callers wait in two queues."""
    quick = Manner(ring=0.3)
    rings = Manner(answers="no-answer")
    phones = [PhoneSpec(user, (quick,)) for user in ("1002", "1004", "1006")]
    async with (
        Phones(office.status, [*phones, PhoneSpec("1005", (rings,))]),
        seat(browser, office.base) as desk,
        seat(browser, office.base) as board,
    ):
        await desk.log_in("anna", PASSWORD)
        await board.log_in("maria", PASSWORD, "/wallboard")
        await pause(office, "training", "george")
        await expect(board["operator-george"]).to_have_attribute("data-state", "paused")
        callers = [dial(office.status, "79160000002", "1", stay=90)]
        await expect(board["operator-boris"]).to_have_attribute("data-state", "talking")
        # Her phone and Peter's take turns: of two callers one is hers.
        strangers = [("442079460018", "Jane Smith"), ("442079460019", "John Miller")]
        for number, name in strangers:
            callers.append(dial(office.status, number, name, stay=90))
        await desk.call_is("ringing")
        await desk.shows("customer-status", "Unknown number")
        await expect(desk["new-customer-name"]).to_be_focused()
        await pictures.take(desk.page, "unknown-en", desk["call-timer"], "0:02")
        await expect(board["operator-peter"]).to_have_attribute("data-state", "talking")
        more = ("79160000005", "79160000007", "79261230017", "447400000001")
        callers += [dial(office.status, number, "", stay=90) for number in more]
        ru = board["waiting-queue-support-ru"].get_by_role("listitem")
        await expect(ru).to_have_count(3)
        await expect(ru.first).to_contain_text("Лебедева Ирина Павловна")
        await expect(ru.first).to_contain_text("VIP customers go first")
        await expect(board.page.get_by_text("Alice Example")).to_be_visible()
        waits = board["queue-support-ru"].get_by_test_id("queue-longest")
        await pictures.take(board.page, "wallboard-en", waits, "0:05")
        # A caller's name leads to the call's page, in a tab of its own.
        async with board.page.expect_popup() as opened:
            await ru.first.get_by_role("link").click()
        story = await opened.value
        await expect(story.get_by_test_id("story-who")).to_contain_text("Лебедева Ирина Павловна")
        same = story.get_by_test_id("same")
        await expect(same).to_have_attribute("data-same", "true")
        await pictures.take(story, "call-en", same, re.compile("come to the same"))
        for caller in callers:
            await caller.hang_up()
