"""The flight recorder on the real Asterisk: what a supervisor saw live is decided again at a desk,
from a recording that names nobody."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from pbx_fixtures import Heard
from server_fixtures import PASSWORD, Server, Stream, state_of

from cordboard.config import load
from cordboard.crm_core.store import Store
from cordboard.sandbox.pbx import SandboxPbx
from cordboard.sandbox.scenarios import Manner
from cordboard.sandbox.sip import Phones, PhoneSpec, dial

pytestmark = [pytest.mark.pbx]

VIP, OTHER = "79161234567", "4930901820"
ANNA, GEORGI = PhoneSpec("1001", (Manner(ring=0.5),)), PhoneSpec("1005", (Manner(ring=0.5),))
NOTE = "Просил прислать счёт"
SECRETS = [
    *(VIP[-7:], OTHER[-7:], "1110001", "5556677"),  # callers, and the mobiles of the staff
    *("Иван", "Петров", "Mallory", "Smith", "Георги", "Иванов", NOTE, "счёт", "обед"),
]


async def replay(*words: str | Path, data: bytes | None = None) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of `cordboard replay --decisions`."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "cordboard", "replay", "--decisions", *words),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, wrong = await process.communicate(data)
    assert process.returncode is not None
    return process.returncode, out.decode(), wrong.decode()


async def hire(server: Server) -> None:
    """One more operator, with a name and a mobile that nobody must find in the recording; and
    segments of twenty seconds, so that a longer call goes over a border."""
    with server.config.open("a") as config:
        config.write("\n[recorder]\nminutes = 4\n")
    store = Store(load(server.config).database.url)
    await store.open()
    await store.add_user(
        *("georgi", "operator", PASSWORD),
        display_name="Георги Иванов",
        phone="PJSIP/1005",
        mobile="+359885556677",
    )
    await store.close()
    await server.restart()


def heads(ring: Path) -> list[bytes]:
    """The first lines of the segments, which hold the calls that there are when one begins."""
    return [path.read_bytes().partition(b"\n")[0] for path in sorted(ring.iterdir())]


def decisions(printed: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in printed.splitlines()]


def pops_of(streams: list[Stream]) -> list[tuple[Any, ...]]:
    return [
        (pop["id"], pop["operator"], pop["call"]["id"], (pop["customer"] or {}).get("id"))
        for stream in streams
        for pop in stream.of("screenpop")
    ]


async def test_what_a_supervisor_saw_is_decided_again_and_nobody_is_named(
    server: Server, pbx: SandboxPbx, ami: Heard
) -> None:
    await server.customer(VIP, status="vip", language="ru", manager=None)
    await hire(server)
    ring = server.folder / "var/flight"
    async with Phones(server.status, [ANNA, GEORGI]), server.stream("maria") as before:
        # A VIP, answered; a note, and a pause with a reason.
        caller = dial(server.status, VIP, "Mallory Smith", stay=120)
        pop = await before.pop()
        await before.call("talking")
        await caller.hang_up()
        await before.until(lambda m: state_of(m, "anna") == "wrap-up")
        note = {"action": "wrapup", "args": {"note": NOTE, "result": "resolved"}, "reason": ""}
        await server.api("POST", f"/calls/{pop['call']['id']}/actions", note, by="anna")
        await before.until(lambda m: m["type"] == "screenpop-end")
        pause = {"action": "pause", "args": {"pause": "lunch"}, "reason": ""}
        await server.api("POST", "/operators/anna/actions", pause, by="anna")
        await before.until(lambda m: state_of(m, "anna") == "paused")
        # Somebody whom nobody answers, until a segment begins meanwhile.
        lonely = dial(server.status, OTHER, "Mallory Smith", stay=200)
        await before.call("waiting")
        async with asyncio.timeout(150):  # a busy machine makes longer ones
            while not any(b'"cti.legs.Leg"' in head for head in heads(ring)):
                await asyncio.sleep(0.5)
        await lonely.hang_up()
        gone = await before.call("ended")
        assert gone["cause"] == "cancelled"
        # One who waits while the server is started again.
        waiter = dial(server.status, VIP, "Mallory Smith", stay=200)
        await before.call("waiting")
    await server.restart()
    async with Phones(server.status, [ANNA, GEORGI]), server.stream("maria") as after:
        back = {"action": "unpause", "args": {}, "reason": ""}
        await server.api("POST", "/operators/anna/actions", back, by="anna")
        connected = await ami.until_event(
            "AgentConnect", Linkedid=before.of("call")[-1]["call"]["linkedid"]
        )
        for channel in ("Channel", "DestChannel"):  # who is not in a bridge cannot be transferred
            await ami.until_event("BridgeEnter", Channel=connected[channel])
        to = {"Context": "cordboard-phones", "Exten": "1005"}
        await ami.ask("BlindTransfer", Channel=connected["DestChannel"], **to)
        await after.until(lambda m: m["type"] == "call" and m["call"]["operator"] == "georgi")
        pbx.hang_up_all()
        await after.until(lambda m: state_of(m, "georgi") == "wrap-up")
        await waiter.result
    server.stop()

    code, out, wrong = await replay(ring)
    assert (code, wrong) == (0, "")
    again = decisions(out)
    assert {"at", "item", "decision"} <= again[0].keys()

    seen = pops_of([before, after])
    shown = [d for d in again if d["decision"] == "pop"]
    assert [(d["pop"], d["operator"], d["call"], d["customer"]) for d in shown] == seen
    assert {operator for _, operator, *_ in seen} == {"anna", "georgi"}

    routes = [
        (d["action"], d["priority"], [code for code, _ in d["why"]])
        for d in again
        if d["decision"] == "route"
    ]
    assert len(routes) == 3
    for popped in before.of("screenpop"):
        route = popped["route"]
        codes = [reason["code"] for reason in route["why"]]
        assert (route["action"], route["priority"], codes) in routes

    states = [(d["call"], d["state"]) for d in again if d["decision"] == "call"]
    for message in [*before.of("call"), *after.of("call")]:
        assert (message["call"]["id"], message["call"]["state"]) in states

    recorded = b"".join(path.read_bytes() for path in sorted(ring.iterdir())).decode()
    assert [secret for secret in SECRETS if secret in recorded or secret in out] == []
    assert VIP[:4] in recorded  # what rules may go by is still there

    await _tampered(ring)


async def _tampered(ring: Path) -> None:
    """The same recording, but for one thing."""
    last = sorted(ring.glob("*.jsonl"))[-1]
    lines = last.read_bytes().splitlines(keepends=True)
    code, _, _ = await replay("-", data=b"".join(lines))
    assert code == 0
    at = next(n for n, line in enumerate(lines) if b'"decision":"pop"' in line)
    changed = lines[at].replace(b'"operator":"anna"', b'"operator":"boris"', 1)
    assert changed != lines[at]
    code, _, wrong = await replay("-", data=b"".join([*lines[:at], changed, *lines[at + 1 :]]))
    assert code == 1
    assert f"stdin:{at + 1}: " in wrong
    assert '"operator": "boris"' in wrong
    assert '"operator": "anna"' in wrong
    quiet = next(n for n, line in enumerate(lines) if b'"desk.facts.Tick"' in line)
    moved = lines[quiet].replace(b'"at":1', b'"at":2', 1)
    code, _, wrong = await replay("-", data=b"".join([*lines[:quiet], moved, *lines[quiet + 1 :]]))
    assert code == 1
    assert "changed or cut" in wrong or "was" in wrong
    shutil.rmtree(ring)
    ring.mkdir()
    code, _, wrong = await replay(ring)
    assert code == 1
    assert "no segment" in wrong
