"""Whoever goes to somebody in person first and comes back has his place in the queue: the real
Asterisk, real SIP phones, the server as its own process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pbx_fixtures import Heard
from server_fixtures import Message, Server, served, state_of

from cordboard.sandbox.pbx import SandboxPbx
from cordboard.sandbox.scenarios import Manner
from cordboard.sandbox.sip import LiveCall, Mobile, Phones, PhoneSpec, dial

pytestmark = [pytest.mark.pbx]

VIP = "79160000009"
OTHERS = [f"7916000000{number}" for number in range(1, 7)]
RULES = """
default_queue = "support"

[[rule]]
name = "own"
when = { status = ["vip"] }
action = "queue"
queue = "support"
priority = 5
first = { who = "manager", seconds = 5 }

[[rule]]
name = "again"
when = { status = ["new"] }
action = "queue"
queue = "support"
priority = 5
first = { who = "last-operator", seconds = 5 }

[[rule]]
name = "all"
action = "queue"
queue = "support"
priority = 5
"""
VOICEMAIL = Manner(ring=0.3)
ANNA = PhoneSpec("1001")
BORIS = PhoneSpec("1002")
GEORGI = PhoneSpec("1005", (Manner("no-answer"),))


@pytest.fixture
def rules() -> str:
    """What the server goes by, if a test does not say otherwise."""
    return RULES


@pytest.fixture
async def server(
    tmp_path: Path,
    pbx: SandboxPbx,
    sandbox: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    rules: str,
) -> AsyncIterator[Server]:
    path = tmp_path / "rules.toml"
    path.write_text(rules)
    monkeypatch.setenv("CORDBOARD_ROUTING__PATH", str(path))
    running = Server(tmp_path, sandbox)
    async with served(running, pbx):
        yield running


class Queue:
    """Callers in the queue `support`, where nobody answers."""

    def __init__(self, server: Server, ami: Heard, held: AsyncExitStack) -> None:
        self.server, self.ami, self._held = server, ami, held
        self._numbers = iter(OTHERS)

    async def joins(self) -> tuple[str, LiveCall]:
        """One more caller, when he stands in the queue."""
        number = next(self._numbers)
        caller = dial(self.server.status, number, stay=200)
        self._held.push_async_callback(caller.drop)
        await self.ami.until_event("QueueCallerJoin", CallerIDNum=number)
        return number, caller

    async def order(self) -> list[str]:
        """The numbers of those who wait, as Asterisk has them."""
        before = len(self.ami.events("QueueStatusComplete"))
        begun = len(self.ami.events("QueueEntry"))
        await self.ami.ask("QueueStatus", Queue="support")
        while len(self.ami.events("QueueStatusComplete")) == before:
            await asyncio.sleep(0.02)
        entries = self.ami.events("QueueEntry")[begun:]
        return [e["CallerIDNum"] for e in sorted(entries, key=lambda e: int(e["Position"]))]


@pytest.fixture
async def queue(server: Server, pbx: SandboxPbx, ami: Heard) -> AsyncIterator[Queue]:
    async with AsyncExitStack() as held:
        yield Queue(server, ami, held)
        pbx.hang_up_all()


def shown(message: Message, *numbers: str) -> bool:
    """Whether the wallboard shows these in the queue, in this order; who is away in brackets."""
    if message["type"] != "waiting" or message["queue"] != "support":
        return False
    entries = [f"({e['from']})" if e["away"] else e["from"] for e in message["entries"]]
    return [entry.replace("+", "") for entry in entries] == list(numbers)


@asynccontextmanager
async def with_the_manager(queue: Queue, *mobile: Manner) -> AsyncIterator[LiveCall]:
    """A vip calls, whose manager is rung; his place is kept behind those who wait."""
    await queue.server.customer(VIP, status="vip", language="ru", manager="anna", name="Важный")
    async with Mobile(queue.server.status, *mobile):
        caller = dial(queue.server.status, VIP, "Vip", stay=200)
        try:
            yield caller
        finally:
            await caller.drop()


@pytest.mark.parametrize(
    ("manner", "status"),
    [
        (VOICEMAIL, "UNCONFIRMED"),
        (Manner("busy", ring=2), "BUSY"),
        (Manner("away", ring=2), "NOANSWER"),
        pytest.param(Manner("no-answer"), "NOANSWER", marks=pytest.mark.faults),
        pytest.param(Manner("reject", ring=2), "DECLINED", marks=pytest.mark.faults),
    ],
    ids=["voicemail", "busy", "unavailable", "dead", "declined"],
)
async def test_back_from_the_managers_mobile_at_the_old_place(
    queue: Queue, manner: Manner, status: str
) -> None:
    """Three ahead, one of them leaves during the attempt, two join behind: before those two, after
    the rest."""
    async with queue.server.stream("maria") as board, queue.server.stream("anna") as console:
        first, leaves = await queue.joins()
        second, _ = await queue.joins()
        third, _ = await queue.joins()
        async with with_the_manager(queue, manner):
            await board.until(lambda m: shown(m, first, second, third, f"({VIP})"))
            await leaves.hang_up()
            late, _ = await queue.joins()
            later, _ = await queue.joins()
            kept = await board.until(lambda m: shown(m, second, third, f"({VIP})", late, later))
            assert [entry["position"] for entry in kept["entries"]] == [1, 2, 3, 3, 4]
            assert kept["entries"][2]["away"] == {
                "who": "manager",
                "operator": "anna",
                "operator_name": "anna",
            }
            back = await queue.ami.until_event("QueueCallerJoin", 25, CallerIDNum=VIP)
            assert back["Position"] == "3"
            assert await queue.order() == [second, third, VIP, late, later]
            await board.until(lambda m: shown(m, second, third, VIP, late, later))
            why = board.messages[-1]["entries"][2]["why"]
            (reason,) = [one for one in why if one["code"] == "manager-not-reached"]
            assert reason["args"]["status"] == status
            # The missed notice, for the manager and for supervisors.
            for eyes in (console, board):
                if not eyes.of("missed"):
                    await eyes.until(lambda m: m["type"] == "missed")
                missed = eyes.of("missed")[-1]["missed"]
                assert (missed["operator"], missed["why"]) == ("anna", "not-taken")
                assert missed["customer"]["name"] == "Важный"
            body = {"action": "seen", "args": {"id": missed["id"]}, "reason": ""}
            await queue.server.api("POST", "/operators/anna/actions", body, by="anna")
            for eyes in (console, board):
                told = await eyes.until(lambda m: m["type"] == "missed")
                assert (told["missed"]["id"], told["missed"]["state"]) == (missed["id"], "seen")
            (kept,) = (await queue.server.snapshot("maria"))["missed"]
            assert kept["state"] == "seen"


async def test_cordboard_killed_meanwhile_the_queue_takes_him_when_the_attempt_is_over(
    queue: Queue,
) -> None:
    """Without us there is no place, but his priority, and nobody to wait for."""
    async with queue.server.stream("maria") as board:
        first, _ = await queue.joins()
        async with with_the_manager(queue, Manner("busy", ring=2)):
            await board.until(lambda m: shown(m, first, f"({VIP})"))
            queue.server.kill()
            over = await queue.ami.until_event("UserEvent", UserEvent="CordboardManager")
            back = await queue.ami.until_event("QueueCallerJoin", CallerIDNum=VIP)
            assert float(back["Timestamp"]) - float(over["Timestamp"]) < 1
            assert await queue.order() == [first, VIP]


@pytest.mark.parametrize("rules", [RULES.replace("seconds = 5", "seconds = 20")])
async def test_cordboard_started_again_meanwhile_finds_the_place_by_how_long_he_waits(
    queue: Queue,
) -> None:
    async with queue.server.stream("maria") as board:
        first, _ = await queue.joins()
        await asyncio.sleep(1.1)  # a snapshot tells waits in whole seconds
        async with with_the_manager(queue, Manner(ring=12)):
            await board.until(lambda m: shown(m, first, f"({VIP})"))
            await asyncio.sleep(1.1)
            late, _ = await queue.joins()
            queue.server.kill()
            await queue.server.start()
            assert not queue.ami.events("UserEvent")  # the attempt goes on
            back = await queue.ami.until_event("QueueCallerJoin", CallerIDNum=VIP)
            assert back["Position"] == "2"
            assert await queue.order() == [first, VIP, late]


GROWING = RULES.replace(
    'first = { who = "manager", seconds = 5 }',
    "raise = { by = 1, every = 2, up_to = 60 }\npenalties = { most = 7 }\n"
    'first = { who = "manager", seconds = 25 }',
)


@pytest.mark.parametrize("rules", [GROWING])
async def test_over_a_restart_he_keeps_the_place_the_growth_and_whoever_missed_him(
    queue: Queue,
) -> None:
    """Killed while the manager's mobile rings, and once more when he waits: his priority is that
    of all his wait, not of the last start."""
    server, ami = queue.server, queue.ami
    async with server.stream("maria") as board:
        first, _ = await queue.joins()
        began = asyncio.get_running_loop().time()
        async with with_the_manager(queue, Manner("no-answer", ring=60)):
            await board.until(lambda m: shown(m, first, f"({VIP})") or shown(m, f"({VIP})", first))
            server.kill()
            await server.start()
            async with server.stream("maria") as again:
                async with asyncio.timeout(10):
                    while not await is_away(server, VIP):
                        await asyncio.sleep(0.1)
                back = await ami.until_event("QueueCallerJoin", 60, CallerIDNum=VIP)
                assert back["Position"] == "1", "he has grown, and the first has not"
                missed = await again.until(lambda m: m["type"] == "missed", 60)
                assert missed["missed"]["operator"] == "anna"
            server.kill()
            await server.start()
            async with asyncio.timeout(30):
                while True:
                    waited = asyncio.get_running_loop().time() - began
                    has = await priority_of(queue, VIP)
                    if abs(has - (5 + waited / 2)) <= 2.5:
                        break
                    await asyncio.sleep(0.2)
            async with asyncio.timeout(10):
                while abs(await shown_priority(server, VIP) - await priority_of(queue, VIP)) > 1:
                    await asyncio.sleep(0.1)
            assert await queue.order() == [VIP, first]


async def is_away(server: Server, number: str) -> bool:
    """Whether a place is shown that is kept for this caller."""
    rows = (await server.snapshot("maria"))["waiting"]
    return any(row["away"] for row in rows if row["from"].endswith(number))


async def shown_priority(server: Server, number: str) -> int:
    """The wallboard's; -1 before it is shown."""
    rows = (await server.snapshot("maria"))["waiting"]
    return next((row["priority"] for row in rows if row["from"].endswith(number)), -1)


async def priority_of(queue: Queue, number: str) -> int:
    """Asterisk's own."""
    await queue.order()
    entries = [e for e in queue.ami.events("QueueEntry") if e["CallerIDNum"] == number]
    return int(entries[-1]["Priority"])


async def test_the_last_operator_is_rung_at_the_desk_first_with_the_card_on_the_screen(
    queue: Queue,
) -> None:
    server = queue.server
    await server.customer(VIP, status="new", language="ru", name="Знакомый")
    async with Phones(server.status, [BORIS]), server.stream("boris") as console:
        caller = dial(server.status, VIP, "Known", stay=120)
        await console.call("talking")
        await caller.hang_up()
        await console.call("ended")
        body = {"action": "wrapup", "args": {"note": "Был", "result": None}, "reason": ""}
        path = f"/calls/{console.of('call')[-1]['call']['id']}/actions"
        await server.api("POST", path, body, by="boris")
        await console.until(lambda m: state_of(m, "boris") == "ready")

        async with server.stream("maria") as board:
            again = dial(server.status, VIP, "Known", stay=120)
            pop = await console.pop()
            assert pop["customer"]["name"] == "Знакомый"
            assert pop["call"]["queue"] is None
            talking = await board.call("talking")
            assert (talking["operator"], talking["queue"]) == ("boris", None)
            await again.hang_up()
        assert len(queue.ami.events("QueueCallerJoin")) == 1


async def test_who_cannot_take_the_call_is_not_rung_and_is_told_of_it(queue: Queue) -> None:
    server = queue.server
    async with Phones(server.status, [ANNA]), server.stream("anna") as console:
        body = {"action": "pause", "args": {}, "reason": "lunch"}
        await server.api("POST", "/operators/anna/actions", body, by="anna")
        await console.until(lambda m: state_of(m, "anna") == "paused")
        async with with_the_manager(queue, Manner()) as caller:
            join = await queue.ami.until_event("QueueCallerJoin", 5)
            told = await console.until(lambda m: m["type"] == "missed")
            assert (told["missed"]["why"], told["missed"]["from"]) == ("engaged", f"+{VIP}")
            while not (waits := (await server.snapshot("maria"))["waiting"]):
                await asyncio.sleep(0.1)
            why = waits[0]["why"]
            assert {"who": "manager", "operator": "anna"} in [one["args"] for one in why]
            assert not queue.ami.events("DialBegin"), join
            await caller.hang_up()
        body = {"action": "unpause", "args": {}, "reason": ""}
        await server.api("POST", "/operators/anna/actions", body, by="anna")


async def test_the_manager_talks_at_the_mobile_and_the_call_is_theirs(queue: Queue) -> None:
    confirms = Manner(ring=0.3, digits="1", talk=2)
    async with queue.server.stream("maria") as board, with_the_manager(queue, confirms):
        talking = await board.call("talking")
        assert (talking["operator"], talking["queue"]) == ("anna", None)
        await board.until(lambda m: m["type"] == "waiting" and not m["entries"])
        await board.call("ended")
        assert not board.of("missed")


# -- the other actions of the rules


def rule(text: str) -> str:
    return f'default_queue = "support"\n[[rule]]\nname = "it"\n{text}\n'


MENU = """
default_queue = "support"

[[rule]]
name = "two"
when = { ivr = { choice = ["2"] } }
action = "queue"
queue = "support-en"

[[rule]]
name = "menu"
action = "script"
to = "sample-menu"
"""
TO_A_QUEUE = """
action = "queue"
queue = "support"
overflow = { after = 10, queue = "support-en" }
"""
OUTSIDE = """
action = "queue"
queue = "support"
overflow = { after = 10, number = "+79031112233" }
"""


@pytest.mark.parametrize("rules", [MENU], ids=["menu"])
async def test_a_script_asks_and_the_rule_for_its_answer_decides(queue: Queue) -> None:
    async with Phones(queue.server.status, [GEORGI]):
        caller = dial(queue.server.status, VIP, stay=120, digits="2", digits_after=1)
        join = await queue.ami.until_event("QueueCallerJoin", 20)
        assert join["Queue"] == "support-en"
        await caller.hang_up()


@pytest.mark.parametrize("rules", [rule(TO_A_QUEUE)], ids=["to a queue"])
async def test_who_waits_too_long_overflows_to_another_queue(queue: Queue) -> None:
    async with Phones(queue.server.status, [GEORGI]), queue.server.stream("maria") as board:
        caller = dial(queue.server.status, VIP, stay=200)
        join = await queue.ami.until_event("QueueCallerJoin", 20, Queue="support-en")
        first = queue.ami.events("QueueCallerJoin")[0]
        # A phone that rings when the time is over is let ring (timeoutpriority = conf).
        assert 9.5 < float(join["Timestamp"]) - float(first["Timestamp"]) < 17
        found = await board.until(
            lambda m: m["type"] == "waiting" and m["queue"] == "support-en" and m["entries"]
        )
        codes = [reason["code"] for reason in found["entries"][0]["why"]]
        assert "overflow" in codes
        await caller.hang_up()


@pytest.mark.parametrize("rules", [rule(OUTSIDE)], ids=["outside"])
async def test_who_waits_too_long_overflows_to_a_number_outside(queue: Queue) -> None:
    async with Mobile(queue.server.status, Manner(ring=0.2, talk=1)):
        caller = dial(queue.server.status, VIP, stay=200)
        called = await queue.ami.until_event("DialBegin", 20)
        assert called["DestChannel"].startswith("PJSIP/trunk-")
        assert (await caller.result).outcome == "completed"


@pytest.mark.parametrize("rules", [rule('action = "voicemail"\nto = "support"')], ids=["box"])
async def test_a_rule_leads_to_a_voicemail(queue: Queue, pbx: SandboxPbx) -> None:
    inbox = pbx.directory / "spool/voicemail/default/support/INBOX"
    before = len(list(inbox.glob("*.wav")))
    await dial(queue.server.status, VIP, stay=14, audio=True).result
    for _ in range(300):
        if len(list(inbox.glob("*.wav"))) > before:
            break
        await asyncio.sleep(0.1)
    assert len(list(inbox.glob("*.wav"))) == before + 1
