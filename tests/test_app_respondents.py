"""People of a list, called from the desk on the real Asterisk."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from pbx_fixtures import Heard
from server_fixtures import Message, Server, Stream, served

from cordboard.sandbox.pbx import SandboxPbx
from cordboard.sandbox.scenarios import Manner
from cordboard.sandbox.sip import Mobile, Phones, PhoneSpec
from cordboard.sections import shipped_scripts

pytestmark = [pytest.mark.pbx]

PEOPLE = "name;phone;city\nПётр;89031112233;Омск\nАнна;+79031112244;Тверь\nЕва;+79031112255;\n"


@pytest.fixture
async def server(
    tmp_path: Path, pbx: SandboxPbx, sandbox: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Server]:
    scripts = tmp_path / "scripts"
    scripts.mkdir()
    shutil.copy(shipped_scripts() / "price-opinion.yaml", scripts)
    monkeypatch.setenv("CORDBOARD_SCRIPTS__PATH", str(scripts))
    running = Server(tmp_path, sandbox)
    async with served(running, pbx):
        yield running


async def made(server: Server) -> str:
    """A list of three people, of whom one is a customer."""
    await server.customer("79031112233", status="vip")
    more = {"script": "price-opinion", "again_minutes": 30.0}
    whose = await server.api("POST", "/lists", {"name": "Prices", **more})
    headers = {"Authorization": f"Bearer {server.tokens['maria']}", "Content-Type": "text/csv"}
    url = f"{server.base}/api/v1/lists/{whose['id']}/people"
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(url, data=PEOPLE.encode()) as answer,
    ):
        assert (await answer.json())["added"] == 3, await answer.text()
    return str(whose["id"])


async def take(server: Server, whose: str, by: str = "anna") -> Any:
    return (await server.api("POST", f"/lists/{whose}/next", {}, by=by))["respondent"]


async def act(server: Server, person: Message, action: str, **args: Any) -> str:
    body = {"action": action, "args": args}
    path = f"/respondents/{person['id']}/actions"
    return str((await server.api("POST", path, body, by="anna"))["id"])


async def outcome(console: Stream, action: str) -> Any:
    told = await console.until(lambda m: m["type"] == "result" and m["id"] == action)
    return told["error"]


async def comes_to(console: Stream, person: Message, state: str) -> Message:
    def is_it(message: Message) -> bool:
        shown = message.get("respondent", message)
        about = message["type"] in ("respondent", "respondent-end")
        return about and (shown["id"], shown["state"]) == (person["id"], state)

    found = await console.until(is_it)
    return dict(found.get("respondent", found))


async def test_an_operator_works_a_list_off_and_the_telephones_tell_what_came_of_it(
    server: Server, ami: Heard
) -> None:
    whose = await made(server)
    phones = Phones(server.status, [PhoneSpec("1001", (Manner(ring=0.3),))])
    async with phones, server.stream("anna") as console:
        first = await take(server, whose)
        assert (await take(server, whose, by="boris"))["number"] == "+79031112244"
        assert (first["number"], first["attributes"]) == ("+79031112233", {"city": "Омск"})
        assert first["customer"]["status"] == "vip"
        await comes_to(console, first, "taken")
        async with Mobile(server.status, Manner(ring=0.5, talk=2)):
            await asyncio.gather(*(act(server, first, "dial") for _ in range(3)))
            await comes_to(console, first, "dialled")
            assert (await comes_to(console, first, "talking"))["call"]
            assert (await comes_to(console, first, "talked"))["ended_at"]
        done = await act(server, first, "result", result="done", note="all asked")
        assert (await comes_to(console, first, "done"))["due_at"] is None
        assert await outcome(console, done) is None
        rung = [e for e in ami.events("Newchannel") if e["Channel"].startswith("PJSIP/1001-")]
        assert [e["Uniqueid"] for e in rung] == [f"cordboard-respondent-{first['id']}-1"]

        second = await take(server, whose)
        assert second["number"] == "+79031112255"
        async with Mobile(server.status, Manner("away", ring=0.3)):
            await act(server, second, "dial")
            gone = await comes_to(console, second, "no-answer")
        assert gone["due_at"] is not None
        assert (await take(server, whose)) is None

    history = await server.api("GET", f"/customers/{first['customer']['id']}/interactions")
    assert [item["note"] for item in history["interactions"]] == ["all asked"]
    shown = await server.api("GET", f"/lists/{whose}")
    assert shown["states"] == {"taken": 1, "done": 1, "no-answer": 1}
    async with server.store() as store:
        calls = [await store.attempts(each["id"]) for each in (first, second)]
        (talked,), (vain,) = calls
        assert (talked.result, talked.operator, vain.result) == ("done", "anna", "no-answer")
        assert talked.answered_at is not None
        assert vain.answered_at is None


async def test_over_a_kill_of_the_server_the_call_goes_on_and_the_person_is_still_his(
    server: Server,
) -> None:
    whose = await made(server)
    phones = Phones(server.status, [PhoneSpec("1001", (Manner(ring=0.3),))])
    async with phones, Mobile(server.status, Manner(ring=0.3)):
        async with server.stream("anna") as console:
            person = await take(server, whose)
            await act(server, person, "dial")
            await comes_to(console, person, "talking")
        server.kill()
        await server.start()
        async with server.stream("anna") as console:
            (held,) = console.messages[0]["respondents"]
            assert (held["id"], held["state"]) == (person["id"], "talking")
            await server.api("POST", f"/calls/{held['call']}/actions", {"action": "hangup"})
            await comes_to(console, person, "talked")
            await act(server, person, "result", result="refused", never=True)
            await comes_to(console, person, "refused")
    async with server.store() as store:
        assert [r.script for r in await store.refusals(None, person["number"])] == [None]
