"""A shift of every kind of call on the real Asterisk, with kills in between, reconciled with its
queue_log by `cordboard reconcile`."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pbx_fixtures import Heard
from server_fixtures import Server, served

from cordboard.config import load
from cordboard.crm_core.store import Store
from cordboard.sandbox.pbx import SandboxPbx
from cordboard.sandbox.scenarios import Manner
from cordboard.sandbox.sip import LiveCall, Phones, PhoneSpec, dial, phone_call

pytestmark = [pytest.mark.pbx, pytest.mark.faults, pytest.mark.timeout(600)]

RUSSIAN, ENGLISH, BULGARIAN = "7916123", "4416329", "3592123"
QUEUES = {RUSSIAN: "support-ru", ENGLISH: "support-en", BULGARIAN: "support-bg"}


@pytest.fixture
async def server(tmp_path: Path, pbx: SandboxPbx, sandbox: dict[str, Any]) -> AsyncIterator[Server]:
    """One whose operators write no notes: a few of them take all calls of the shift."""
    running = Server(tmp_path, sandbox, wrapup=0)
    async with served(running, pbx):
        yield running


@contextlib.contextmanager
def more(path: Path, text: str) -> Iterator[None]:
    """The file with this at its end, for a while."""
    before = path.read_text(encoding="utf-8")
    path.write_text(f"{before}\n{text}", encoding="utf-8")
    try:
        yield
    finally:
        path.write_text(before, encoding="utf-8")


class Shift:
    """What the scenes are played with. Each caller has a number of his own."""

    def __init__(self, server: Server, pbx: SandboxPbx) -> None:
        self.server, self.pbx = server, pbx
        self.status = server.status
        self.calls = 0
        self._tap: Heard | None = None

    @property
    def tap(self) -> Heard:
        assert self._tap
        return self._tap

    async def listen(self) -> None:
        """Also after the PBX was started again."""
        if self._tap:
            await self._tap.close()
        self._tap = Heard(self.status["ami"])
        await self._tap.open()

    async def stop(self) -> None:
        if self._tap:
            await self._tap.close()

    def dial(self, prefix: str, stay: float = 30.0, digits: str = "") -> tuple[LiveCall, str]:
        """A caller, and his number."""
        self.calls += 1
        number = f"{prefix}{4000 + self.calls}"
        return dial(self.status, number, f"Caller {self.calls}", stay=stay, digits=digits), number

    def phones(self, **manners: Manner) -> Phones:
        """`phones(p1001=Manner(...))`, none of them in Asterisk's own wrap-up."""
        self.pbx.cli("queue reset stats")
        specs = [PhoneSpec(name[1:], (manner,)) for name, manner in manners.items()]
        return Phones(self.status, specs)

    async def joined(self, number: str) -> str:
        """The caller's channel, once he waits."""
        return (await self.tap.until_event("QueueCallerJoin", CallerIDNum=number))["Channel"]

    async def ringing(self, number: str) -> str:
        """The caller's channel, while a phone rings for him."""
        rings = await self.tap.until_event("DialState", CallerIDNum=number, DialStatus="RINGING")
        return rings["Channel"]

    async def talking(self, number: str) -> str:
        """The operator's channel, half a second into the talk."""
        connected = await self.tap.until_event("AgentConnect", CallerIDNum=number)
        await asyncio.sleep(0.5)
        return connected["DestChannel"]

    async def transfer(self, how: str, number: str) -> str:
        operator = await self.talking(number)
        await self.tap.ask(how, Channel=operator, Context="cordboard-phones", Exten="1008")
        return operator

    async def redirect(self, channel: str, context: str, exten: str) -> None:
        await self.tap.ask("Redirect", Channel=channel, Context=context, Exten=exten, Priority="1")


async def caller_hangs_up(shift: Shift) -> None:
    async with shift.phones(p1001=Manner(ring=0.5)):
        await shift.dial(RUSSIAN, 3.2)[0].result


async def operator_hangs_up(shift: Shift) -> None:
    async with shift.phones(p1001=Manner(ring=1.2, talk=2.3)):
        await shift.dial(RUSSIAN)[0].result


async def gives_up_waiting(shift: Shift) -> None:
    """No phone of his queue is there, so he waits in the default one."""
    await shift.dial(RUSSIAN, 2.5)[0].result


async def gives_up_while_it_rings(shift: Shift) -> None:
    async with shift.phones(p1001=Manner("no-answer")):
        await shift.dial(RUSSIAN, 2.8)[0].result


async def busy_then_answered(shift: Shift) -> None:
    async with shift.phones(p1001=Manner("busy", ring=0.3), p1002=Manner(ring=0.5, talk=1.5)):
        await shift.dial(RUSSIAN)[0].result
        await shift.dial(RUSSIAN)[0].result


async def blind(shift: Shift) -> None:
    async with shift.phones(p1001=Manner(ring=0.5), p1008=Manner(ring=1, talk=2)):
        caller, number = shift.dial(RUSSIAN)
        await shift.transfer("BlindTransfer", number)
        await caller.result


async def blind_and_back_in_the_queue(shift: Shift) -> None:
    phones = shift.phones(
        p1001=Manner(ring=0.5, talk=3), p1002=Manner(ring=1, talk=3), p1008=Manner("busy", ring=1)
    )
    async with phones:
        caller, number = shift.dial(RUSSIAN)
        await shift.transfer("BlindTransfer", number)
        await caller.result


async def attended(shift: Shift) -> None:
    async with shift.phones(p1001=Manner(ring=0.5), p1008=Manner(ring=0.5, talk=4)):
        caller, number = shift.dial(RUSSIAN)
        operator = await shift.transfer("Atxfer", number)
        await shift.tap.until_event("DialEnd", DestExten="1008", DialStatus="ANSWER")
        await asyncio.sleep(1.2)
        await shift.tap.ask("Hangup", Channel=operator)
        await caller.result


async def semi_attended(shift: Shift) -> None:
    async with shift.phones(p1001=Manner(ring=0.5), p1008=Manner(ring=2.5, talk=2)):
        caller, number = shift.dial(RUSSIAN)
        operator = await shift.transfer("Atxfer", number)
        await shift.tap.until_event("DialState", DestExten="1008", DialStatus="RINGING")
        await asyncio.sleep(1)
        await shift.tap.ask("Hangup", Channel=operator)
        await caller.result


async def redirected_while_it_rings(shift: Shift) -> None:
    async with shift.phones(p1001=Manner("no-answer"), p1005=Manner(ring=0.5, talk=1)):
        caller, number = shift.dial(RUSSIAN)
        channel = await shift.ringing(number)
        await shift.tap.ask("Setvar", Channel=channel, Variable="CB_QUEUE", Value="support-bg")
        await shift.redirect(channel, "cordboard-queue", "s")
        await caller.result


async def redirected_out_of_the_talk(shift: Shift) -> None:
    async with shift.phones(p1001=Manner(ring=0.5), p1008=Manner(ring=0.5, talk=4)):
        caller, number = shift.dial(RUSSIAN)
        await shift.talking(number)
        channel = (await shift.tap.until_event("AgentConnect", CallerIDNum=number))["Channel"]
        await shift.redirect(channel, "cordboard-phones", "1008")
        await caller.result


async def withdrawn_to_another_queue(shift: Shift) -> None:
    caller, number = shift.dial(RUSSIAN)
    channel = await shift.joined(number)
    async with shift.phones(p1005=Manner(ring=0.5, talk=1)):
        await shift.tap.ask("QueuePause", Interface="PJSIP/1005", Paused="true")
        await asyncio.sleep(1.2)
        await shift.tap.ask(
            "QueueWithdrawCaller", Queue="support", Caller=channel, WithdrawInfo="support-bg"
        )
        await asyncio.sleep(1.5)
        await shift.tap.ask("QueuePause", Interface="PJSIP/1005", Paused="false")
        await caller.result


async def picked_up(shift: Shift) -> None:
    async with shift.phones(p1001=Manner("no-answer")):
        caller, number = shift.dial(RUSSIAN)
        await shift.ringing(number)
        await phone_call(shift.status, "1008", "*8", stay=2).result
        await caller.result


async def held(shift: Shift) -> None:
    async with shift.phones(p1006=Manner(ring=0.5, hold=(1, 1), talk=1)):
        await shift.dial(ENGLISH)[0].result


async def parked_and_fetched(shift: Shift) -> None:
    async with shift.phones(p1006=Manner(ring=0.5)):
        caller, number = shift.dial(ENGLISH, 60)
        await shift.talking(number)
        channel = (await shift.tap.until_event("AgentConnect", CallerIDNum=number))["Channel"]
        await shift.tap.ask("Park", Channel=channel)
        await shift.tap.until_event("ParkedCall", ParkeeChannel=channel)
        # Long enough to be a difference: Asterisk counts in whole seconds.
        await phone_call(shift.status, "1009", "701", stay=4).result
        await caller.result


async def hangs_up_about_when_it_is_answered(shift: Shift) -> None:
    for stay in (0.5, 0.6, 0.7):
        async with shift.phones(p1006=Manner(ring=0.5)):
            await shift.dial(ENGLISH, stay)[0].result


async def nobody_answers_then_somebody(shift: Shift) -> None:
    async with shift.phones(p1004=Manner("no-answer"), p1005=Manner(ring=1, talk=1)):
        await shift.dial(BULGARIAN)[0].result


async def two_at_once(shift: Shift) -> None:
    async with shift.phones(p1005=Manner(ring=1), p1006=Manner(ring=0.5, talk=2)):
        first, second = shift.dial(ENGLISH, 5)[0], shift.dial(ENGLISH, 5)[0]
        await asyncio.gather(first.result, second.result)


async def nobody_comes(shift: Shift) -> None:
    shift.pbx.cli("dialplan set global CB_QUEUE_WAIT 3")
    await asyncio.gather(shift.dial(RUSSIAN)[0].result, shift.dial(ENGLISH)[0].result)
    shift.pbx.cli("dialplan set global CB_QUEUE_WAIT 600")


async def leaves_by_a_key(shift: Shift) -> None:
    """With a `context` in queues.conf a digit leads out of the queue."""
    etc = Path(shift.status["directory"]) / "etc"
    with (
        more(etc / "queues.conf", "[support](+)\ncontext = test-exit\n"),
        more(etc / "extensions.conf", "[test-exit]\nexten => 5,1,Playback(vm-goodbye)\n"),
    ):
        shift.pbx.cli("dialplan reload")
        shift.pbx.cli("queue reload all")
        await shift.dial(RUSSIAN, digits="5")[0].result
    shift.pbx.cli("queue reload all")
    shift.pbx.cli("dialplan reload")


async def killed_in_the_wait(shift: Shift) -> None:
    caller, number = shift.dial(RUSSIAN, 60)
    await shift.joined(number)
    await asyncio.sleep(0.5)
    shift.server.kill()
    await shift.server.start()
    async with shift.phones(p1001=Manner(ring=0.5, talk=2)):
        await caller.result


async def killed_and_answered_meanwhile(shift: Shift) -> None:
    caller, number = shift.dial(RUSSIAN, 60)
    await shift.joined(number)
    await asyncio.sleep(0.5)
    shift.server.kill()
    async with shift.phones(p1001=Manner(ring=0.5)):
        await shift.talking(number)
        await shift.server.start()
        shift.pbx.hang_up_all()
        await caller.result


async def killed_in_the_talk(shift: Shift) -> None:
    async with shift.phones(p1001=Manner(ring=0.5)):
        caller, number = shift.dial(RUSSIAN, 60)
        await shift.talking(number)
        await asyncio.sleep(1)
        shift.server.kill()
        await shift.server.start()
        shift.pbx.hang_up_all()
        await caller.result


async def all_over_before_the_restart(shift: Shift) -> None:
    async with shift.phones(p1001=Manner(ring=0.5, talk=3)):
        caller, number = shift.dial(RUSSIAN)
        waiting, other = shift.dial(BULGARIAN)
        await shift.talking(number)
        await shift.joined(other)
        shift.server.kill()
        unseen, third = shift.dial(BULGARIAN, 2)
        await shift.joined(third)
        await asyncio.gather(caller.result, unseen.result)
        await waiting.drop()
        shift.pbx.hang_up_all()
    await shift.server.start()


async def pbx_killed(shift: Shift) -> None:
    async with shift.phones(p1001=Manner(ring=0.5), p1005=Manner("no-answer")):
        talker, number = shift.dial(RUSSIAN, 60)
        rings, other = shift.dial(BULGARIAN, 60)
        await shift.talking(number)
        await shift.ringing(other)
        shift.pbx.kill()
        await talker.drop()
        await rings.drop()
    shift.pbx.start(die_with_parent=True)
    await shift.listen()
    async with shift.server.stream("maria") as board:
        if board.messages[0]["calls"]:
            await board.call("ended")


SCENES: tuple[Callable[[Shift], Awaitable[None]], ...] = (
    caller_hangs_up,
    operator_hangs_up,
    gives_up_waiting,
    gives_up_while_it_rings,
    hangs_up_about_when_it_is_answered,
    busy_then_answered,
    nobody_answers_then_somebody,
    two_at_once,
    nobody_comes,
    leaves_by_a_key,
    held,
    picked_up,
    blind,
    blind_and_back_in_the_queue,
    attended,
    semi_attended,
    withdrawn_to_another_queue,
    redirected_while_it_rings,
    redirected_out_of_the_talk,
    parked_and_fetched,
    killed_in_the_wait,
    killed_and_answered_meanwhile,
    killed_in_the_talk,
    all_over_before_the_restart,
    pbx_killed,
    caller_hangs_up,
)


async def reconcile(server: Server, log: Path, since: str, *words: str) -> tuple[int, str]:
    """The exit code, and what the command printed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "cordboard", "reconcile", "--config", str(server.config)),
        *("--queue-log", str(log), "--since", since, *words),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, wrong = await process.communicate()
    assert wrong == b"", wrong.decode()
    assert process.returncode is not None
    return process.returncode, out.decode()


async def nothing_open(server: Server) -> None:
    store = Store(load(server.config).database.url)
    await store.open()
    try:
        async with asyncio.timeout(60):
            while await store.open_calls("sandbox"):
                await asyncio.sleep(0.1)
    finally:
        await store.close()


async def test_a_shift_with_every_kind_of_call_and_kill_has_no_unexplained_difference(
    server: Server, pbx: SandboxPbx, tmp_path: Path
) -> None:
    shift = Shift(server, pbx)
    since = datetime.now(UTC).isoformat(timespec="seconds")
    # Other tests had this PBX before, among them callers who write line ends into its log.
    whole, log = Path(server.status["queue_log"]), tmp_path / "queue_log"
    before = whole.stat().st_size if whole.exists() else 0
    try:
        for scene in SCENES:
            await shift.listen()
            await scene(shift)
    finally:
        await shift.stop()
    await nothing_open(server)
    log.write_bytes(whole.read_bytes()[before:])
    code, printed = await reconcile(server, log, since, "--json")
    told: dict[str, Any] = json.loads(printed)
    differences = told["differences"]
    assert [item for item in differences if item["cause"] is None] == []
    causes = Counter(" ".join(item["cause"].split()[:3]) for item in differences)
    assert causes["redirected: Asterisk writes"] == 1
    assert causes["the caller was"] == 2
    assert causes["the PBX went"] == 2
    assert causes["cordboard did not"] == causes.total() - 5
    assert ("CONNECT", "lost") not in [(item["log"], item["store"]) for item in differences]
    assert (code, told["unexplained"], told["left_out"]) == (0, 0, [])
    assert told["compared"] >= 30
    code, printed = await reconcile(server, log, since)
    assert code == 0
    assert printed.splitlines()[-1].startswith(f"{told['compared']} stays compared, ")
    assert printed.splitlines()[-1].endswith(" differences, 0 unexplained")
