"""Consoles that go away, that do not read, and that are two: on the real Asterisk with the real
server, in a real browser and over real sockets."""

from __future__ import annotations

import asyncio

import pytest
from browser_fixtures import Seat, browser, seat
from pbx_fixtures import Heard
from playwright.async_api import Browser, expect
from server_fixtures import PASSWORD, Server

from cordboard.sandbox.pbx import SandboxPbx
from cordboard.sandbox.scenarios import Manner
from cordboard.sandbox.sip import LiveCall, Phones, PhoneSpec, dial

__all__ = ["browser"]

pytestmark = [pytest.mark.pbx, pytest.mark.faults]

NUMBER = "79161234567"
RINGS = PhoneSpec("1001", (Manner(ring=2.0),))
AWAY = ("net::ERR_", "WebSocket connection to")
"""What a browser says of a server that it cannot reach."""


async def ready(desk: Seat) -> None:
    own = desk["own-state"].locator(".pill")
    await expect(own).to_have_attribute("data-state", "ready")


async def count_cards(desk: Seat) -> None:
    """Counts each card as it appears on the page, in `window.cards`."""
    await desk.page.evaluate(
        """() => {
            window.cards = {};
            let before = new Set();
            const look = () => {
                const tabs = document.querySelectorAll('[data-testid=tab]');
                const now = new Set([...tabs].map((tab) => tab.dataset.popId));
                for (const id of now) {
                    if (!before.has(id)) window.cards[id] = (window.cards[id] ?? 0) + 1;
                }
                before = now;
            };
            new MutationObserver(look).observe(document.body, {subtree: true, childList: true});
            look();
        }"""
    )


async def end(pbx: SandboxPbx, caller: LiveCall) -> None:
    pbx.hang_up_all()
    await caller.result


@pytest.mark.browser
async def test_a_card_that_came_while_the_browser_was_offline_is_there_once_when_it_is_back(
    server: Server, pbx: SandboxPbx, browser: Browser
) -> None:
    await server.customer(NUMBER, status="vip", language="ru")
    streams: list[str] = []
    async with (
        Phones(server.status, [RINGS]),
        seat(browser, server.base, expected=AWAY) as desk,
        server.stream("maria") as board,
    ):
        desk.page.on("websocket", lambda opened: streams.append(opened.url))
        await desk.log_in("anna", PASSWORD)
        await ready(desk)
        await count_cards(desk)
        await desk.page.context.set_offline(True)
        # Chromium lets open sockets be; a cable that is pulled does not.
        await desk.page.evaluate(
            "import('/static/live.js').then(({stream}) => stream.socket.close())"
        )
        await expect(desk["link-state"]).to_have_attribute("data-link", "away")
        caller = dial(server.status, NUMBER, "Someone", stay=120)
        await board.pop()
        await board.call("talking")
        # Nobody has seen the card, and its console is away: supervisors are told.
        assert (await board.alarm("pops-missed"))["detail"] == "anna"
        assert await server.metric("cordboard_pops_unacked_total") == 1
        await expect(desk["pop-card"]).to_have_count(0)

        await desk.page.context.set_offline(False)
        await desk.is_live()
        await desk.shows("customer-name", "Иван Петров")
        await desk.call_is("talking")
        assert list((await desk.page.evaluate("window.cards")).values()) == [1]
        assert "session=" in streams[-1], "it did not take the stream up where it stopped"
        await end(pbx, caller)


@pytest.mark.browser
async def test_two_devices_of_one_operator_show_the_same_and_the_second_to_save_is_told(
    server: Server, pbx: SandboxPbx, browser: Browser
) -> None:
    await server.customer(NUMBER, status="regular", language="ru")
    async with (
        Phones(server.status, [RINGS]),
        seat(browser, server.base) as desk,
        seat(browser, server.base) as laptop,
    ):
        for one in (desk, laptop):
            await one.log_in("anna", PASSWORD)
            await ready(one)
        caller = dial(server.status, NUMBER, "Someone", stay=60)
        for state in ("ringing", "talking"):
            for one in (desk, laptop):
                await one.call_is(state)
        await end(pbx, caller)
        for one, text in ((desk, "From the desk"), (laptop, "From the laptop")):
            await one.call_is("wrap-up")
            await one["wrapup-result-resolved"].click()
            await one["wrapup-note"].fill(text)
        await desk["wrapup-save"].click()
        await expect(desk["pop-card"]).to_have_count(0)

        # The other device says so at once, in words, and keeps what was typed there.
        closed = laptop["card-closed"]
        await expect(closed).to_contain_text("Already saved on another device")
        await expect(laptop["wrapup-note"]).to_have_value("From the laptop")
        known = await server.api("GET", f"/customers?phone=%2B{NUMBER}")
        path = f"/customers/{known['customers'][0]['id']}/interactions"
        notes = [one["note"] for one in (await server.api("GET", path))["interactions"]]
        assert notes == ["From the desk"]

        # Whoever saves after having been told replaces what was saved.
        await laptop["wrapup-save"].click()
        await expect(laptop["pop-card"]).to_have_count(0)
        notes = [one["note"] for one in (await server.api("GET", path))["interactions"]]
        assert notes == ["From the laptop"]


async def test_of_two_devices_that_save_at_once_one_is_refused_in_words(
    server: Server, pbx: SandboxPbx
) -> None:
    await server.customer(NUMBER, status="regular", language="ru")
    async with Phones(server.status, [RINGS]), server.stream("anna") as console:
        caller = dial(server.status, NUMBER, "Someone", stay=60)
        call = await console.call("talking")
        await end(pbx, caller)
        await console.call("ended")
        path = f"/calls/{call['id']}/actions"
        bodies = [
            {"action": "wrapup", "args": {"note": n, "result": "resolved", "first": True}}
            for n in ("one", "two", "three")
        ]
        asked = await asyncio.gather(*(server.api("POST", path, b, "anna") for b in bodies))
        results = {}
        while len(results) < len(bodies):
            message = await console.until(lambda m: m["type"] == "result")
            results[message["id"]] = message["error"]
        errors = [results[one["id"]] for one in asked]
        assert sorted(map(str, errors)) == ["None"] + ["already saved on another device"] * 2
        (ended,) = console.of("screenpop-end") or [
            await console.until(lambda m: m["type"] == "screenpop-end")
        ]
        assert (ended["reason"], ended["saved"]) == ("done", True)


@pytest.mark.browser
@pytest.mark.parametrize("language", ["en", "ru", "bg"])
async def test_an_operator_whose_phone_is_lost_is_told_why_and_comes_back_by_a_button(
    server: Server, ami: Heard, browser: Browser, language: str
) -> None:
    words = {
        "en": "Your phone went away in the middle of a call.",
        "ru": "Ваш телефон пропал посреди разговора.",
        "bg": "Телефонът ви изчезна по време на разговор.",
    }
    short = {
        "en": "Phone lost",
        "ru": "Телефон пропал",
        "bg": "Телефонът изчезна",
    }
    idle = Phones(server.status, [PhoneSpec("1001", (Manner(ring=60),))])
    async with (
        idle,
        seat(browser, server.base, language) as desk,
        seat(browser, server.base, language) as board,
    ):
        await desk.log_in("anna", PASSWORD)
        await board.log_in("maria", PASSWORD, "/wallboard")
        await ready(desk)
        lost = {"Interface": "PJSIP/1001", "Paused": "true", "Reason": "phone-lost"}
        await ami.ask("QueuePause", **lost)
        await expect(desk["phone-lost"]).to_contain_text(words[language])
        await expect(board["operator-anna"]).to_contain_text(short[language])
        await desk["phone-is-back"].click()
        await expect(desk["phone-lost"]).to_have_count(0)
        await ready(desk)
