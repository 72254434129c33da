"""The policy at work: real calls are routed by it, explained by it afterwards, and go by a new one
as soon as its file is good."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from server_fixtures import Server, Stream
from typed import Said, typed

from cordboard.sandbox.pbx import SandboxPbx
from cordboard.sandbox.sip import Phones, PhoneSpec, dial

pytestmark = [pytest.mark.pbx]

NUMBER = "79161234567"
RULES = """
default_queue = "support"

[calendar.never]
special = { "2001-01-01" = "09:00-10:00" }

[[rule]]
name = "night"
when = { open = "never" }
action = "queue"

[[rule]]
name = "press"
when = { tags = ["press"] }
action = "queue"

[[rule]]
name = "chosen"
when = { ivr = { choice = ["2"] } }
action = "queue"
priority = 3

[[rule]]
name = "again"
when = { calls_today = { at_least = 2 } }
action = "queue"
queue = "support-ru"
priority = 7

[[rule]]
name = "gold"
when = { attributes = { tariff = ["gold"], cases = { at_least = 1 } } }
action = "queue"
queue = "support-ru"
priority = 5
raise = { by = 1, every = 30, up_to = 9 }

[[rule]]
name = "nobody there"
when = { queue = { name = "support-{language}", ready = { below = 1 } } }
action = "queue"
priority = 1
"""


@pytest.fixture
async def rules(server: Server) -> Path:
    """The rule file of the running server, which is its own."""
    file = server.folder / "rules.toml"
    file.write_text(RULES)
    lines = server.config.read_text().splitlines()
    at = lines.index("[routing]")
    lines[at + 1] = f'path = "{file}"'
    server.config.write_text("\n".join(lines) + "\n")
    await server.restart()
    return file


async def waits(server: Server, board: Stream, number: str = NUMBER) -> dict[str, Any]:
    """The entry of the call that is made here, once the caller waits; he has hung up since."""
    caller = dial(server.status, number, "Someone", stay=120)
    shown = await board.until(lambda m: m["type"] == "waiting" and m["entries"])
    entry = dict(shown["entries"][0])
    await caller.hang_up()
    await board.until(lambda m: m["type"] == "call-end")
    return entry


def said(server: Server, *words: str) -> Said:
    return typed("explain", *words, "--config", server.config)


def explained(server: Server, call: str) -> dict[str, Any]:
    answer = said(server, call, "--json")
    assert (answer.code, answer.lines) == (0, [])
    told: dict[str, Any] = json.loads(answer.out)
    return told


def ruling(priority: int) -> str:
    """A rule file that gives everybody this priority."""
    rule = f'[[rule]]\nname = "all"\naction = "queue"\npriority = {priority}\n'
    return f'default_queue = "support"\n{rule}'


async def test_a_call_is_explained_with_what_each_rule_looked_at(
    server: Server, rules: Path
) -> None:
    await server.customer(
        NUMBER, language="ru", attributes={"tariff": "gold", "cases": 2}, tags=["partner"]
    )
    async with Phones(server.status, [PhoneSpec("1001")]), server.stream("maria") as board:
        caller = dial(server.status, NUMBER, "Someone", stay=120)
        pop = await board.pop()
        await board.call("talking")
        await caller.hang_up()
        await board.call("ended")
    call = pop["call"]
    # What the rule file says since does not matter.
    rules.write_text('default_queue = "support"\n')
    told = await asyncio.to_thread(explained, server, call["linkedid"])
    assert told == await asyncio.to_thread(explained, server, call["id"])
    assert told["call"]["id"] == call["id"]
    (decided,) = told["decisions"]
    assert decided["rule"] == "gold"
    assert decided["same"] is True
    assert [trial["rule"] for trial in decided["tried"]] == [
        *("night", "press", "chosen", "again", "gold")
    ]
    failed = {trial["rule"]: trial["failed"] for trial in decided["tried"]}
    assert failed["night"] == {
        "condition": "open.never", "wish": {"is": True}, "value": False, "misfit": False
    }  # fmt: skip
    assert failed["press"]["value"] == ["partner"]
    assert failed["again"]["value"] == 1
    assert failed["gold"] is None
    assert decided["inputs"]["attributes.cases"] == 2
    assert decided["decision"]["growth"] == {"by": 1, "every": 30.0, "up_to": 9}
    kinds = [event["event"] for event in told["events"]]
    assert set(kinds) >= {"offered", "decided", "queued", "delivered", "established", "cleared"}
    rang = next(event for event in told["events"] if event["event"] == "delivered")
    assert (rang["phone"], rang["operator"]) == ("PJSIP/1001", "anna")

    words = (await asyncio.to_thread(said, server, call["id"])).out
    assert "no: tags is partner; it wants any of press" in words
    assert "no: calls_today is 1; it wants at least 2" in words
    assert "rule 'gold'" in words
    assert "leads to queue support-ru with priority 5" in words
    assert "which comes to the same" in words
    nobody = await asyncio.to_thread(said, server, "1.1")
    assert (nobody.code, nobody.only()) == (
        1, "cordboard: there is no call 1.1; give its id, or its Linkedid",
    )  # fmt: skip

    explanation = await server.api("GET", f"/calls/{call['id']}/explanation")
    assert explanation["decisions"] == told["decisions"]
    timeline = await server.api("GET", f"/calls/{call['id']}/timeline", by="anna")
    assert timeline["events"] == told["events"]
    headers = {"Authorization": f"Bearer {server.tokens['boris']}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        for part in ("explanation", "timeline"):
            url = f"{server.base}/api/v1/calls/{call['id']}/{part}"
            async with session.get(url) as answer:
                assert answer.status == 403


async def test_a_caller_who_calls_again_goes_by_the_count_of_his_calls(
    server: Server, rules: Path
) -> None:
    async with server.stream("maria") as board:
        first = await waits(server, board)
        second = await waits(server, board)
        other = await waits(server, board, "79169999999")
    assert [entry["priority"] for entry in (first, second, other)] == [1, 7, 1]


async def test_what_the_caller_chose_before_decides(
    server: Server, rules: Path, pbx: SandboxPbx
) -> None:
    """A menu of the house's own stands before the dialplan that asks cordboard."""
    menu, into = "74990000002", "into cordboard-inbound"
    inbound = server.status["sip"]["inbound"]
    pbx.cli(f"dialplan add extension {menu},1,Set,CB_ANSWERS=choice=2&bad {into}")
    pbx.cli(f"dialplan add extension {menu},2,Goto,cordboard-inbound\\,{inbound}\\,1 {into}")
    try:
        async with server.stream("maria") as board:
            caller = dial(server.status, NUMBER, "Someone", menu, stay=120)
            shown = await board.until(lambda m: m["type"] == "waiting" and m["entries"])
            (entry,) = shown["entries"]
            assert entry["priority"] == 3
            told = await server.api("GET", f"/calls/{entry['call']}/explanation")
            assert told["decisions"][0]["inputs"]["ivr.choice"] == "2"
            await caller.hang_up()
            await board.until(lambda m: m["type"] == "call-end")
    finally:
        pbx.cli(f"dialplan remove extension {menu}@cordboard-inbound")


async def test_a_changed_rule_file_takes_effect_and_a_faulty_one_does_not(
    server: Server, rules: Path
) -> None:
    async with server.stream("maria") as board:
        assert (await waits(server, board))["priority"] == 1
        began = time.monotonic()
        rules.write_text(ruling(11))
        while "policy.changed" not in server.said():
            assert time.monotonic() - began < 5
            await asyncio.sleep(0.05)
        assert (await waits(server, board))["priority"] == 11

        rules.write_text(ruling(12).replace("priority", "prioritee"))
        alarm = await board.alarm("policy-refused")
        assert alarm["count"] == 1
        assert "rules.toml:5: rule.0.prioritee: no such key" in alarm["detail"]
        assert (await waits(server, board))["priority"] == 11

        rules.write_text(ruling(13).replace("support", "no-such-queue"))
        alarm = await board.alarm("policy-refused")
        assert "rules.toml:1: queue 'no-such-queue' is on no PBX" in alarm["detail"]
        assert (await waits(server, board))["priority"] == 11

        rules.unlink()
        alarm = await board.alarm("policy-refused")
        assert "No such file" in alarm["detail"]

        rules.write_text(ruling(14))
        await board.until(lambda m: m["type"] == "alarm-end" and m["kind"] == "policy-refused")
        assert (await waits(server, board))["priority"] == 14
        # A remark is no other policy.
        changes = server.said().count("policy.changed")
        rules.write_text("# a remark\n" + ruling(14))
        await asyncio.sleep(2.5)
        assert server.said().count("policy.changed") == changes
        # What is mended without becoming another policy is told all the same.
        mended = server.said().count("policy.mended")
        assert mended > 0
        rules.write_text(ruling(14) + "[[rule")
        await board.alarm("policy-refused")
        rules.write_text(ruling(14))
        await board.until(lambda m: m["type"] == "alarm-end" and m["kind"] == "policy-refused")
        assert server.said().count("policy.mended") == mended + 1
        assert server.said().count("policy.changed") == changes


async def test_a_server_does_not_start_with_faulty_rules(server: Server, rules: Path) -> None:
    server.stop()
    rules.write_text(RULES + "\n[[rule]]\n")
    with pytest.raises(AssertionError, match=r"rules\.toml"):
        await server.start()
    assert "this key is needed; add it" in server.said()
