"""SIPp's phones, mobiles and callers behave as they are told."""

from __future__ import annotations

import asyncio
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from pbx_fixtures import Heard

from cordboard.errors import PeerError
from cordboard.sandbox import sip, stub
from cordboard.sandbox.pbx import SandboxPbx
from cordboard.sandbox.scenarios import Manner
from cordboard.sandbox.sip import Mobile, Phones, PhoneSpec

pytestmark = [pytest.mark.pbx]
Status = dict[str, Any]


def children() -> list[str]:
    """The command lines of the SIPp processes that this process started."""
    found = []
    for task in Path("/proc/self/task").iterdir():
        for pid in (task / "children").read_text().split():
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
            if b"sipp" in command and b"asterisk.conf" not in command:
                found.append(command.decode(errors="replace"))
    return found


async def test_phones_register_and_take_it_back(pbx: SandboxPbx, sandbox: Status) -> None:
    users = [phone["user"] for phone in sandbox["phones"]]
    async with Phones(sandbox, [PhoneSpec(user) for user in users]) as phones:
        contacts = pbx.cli("pjsip show contacts")
        for user in users:
            assert f"{user}/sip:{user}@127.0.0.1:{phones.ports[user]}" in contacts
    assert "/sip:1001@" not in pbx.cli("pjsip show contacts")
    assert children() == []


async def test_phone_with_a_wrong_secret_is_told(sandbox: Status) -> None:
    wrong = {**sandbox, "phones": [{"user": "1001", "secret": "guess"}]}
    with pytest.raises(PeerError, match="did not register"):
        async with Phones(wrong, [PhoneSpec("1001")]):
            pass
    assert children() == []


@pytest.mark.parametrize(
    ("manner", "outcome", "status"),
    [
        (Manner("busy", ring=0.1), "refused", 486),
        (Manner("reject", ring=0.1), "refused", 603),
        (Manner("answer", ring=0.1, talk=0.5), "completed", 200),
    ],
)
async def test_phone_does_as_told(
    sandbox: Status, manner: Manner, outcome: str, status: int
) -> None:
    async with Phones(sandbox, [PhoneSpec("1007"), PhoneSpec("1008", (manner,))]):
        result = await sip.phone_call(sandbox, "1007", "1008").result
    assert result.outcome == outcome
    # Asterisk tells a declined call as one that was not answered.
    assert result.status == {603: 403}.get(status, status)


async def test_caller_gives_up(sandbox: Status, ami: Heard) -> None:
    async with Phones(sandbox, [PhoneSpec("1008", (Manner("no-answer"),))]):
        result = await sip.phone_call(sandbox, "1007", "1008", patience=2).result
        assert (result.outcome, result.status) == ("cancelled", 487)
        await ami.until_event("DialEnd", DialStatus="CANCEL")
        # The phone took the CANCEL, and rings again.
        again = await sip.phone_call(sandbox, "1007", "1008", patience=0.5).result
        assert again.outcome == "cancelled"


async def test_either_side_hangs_up(sandbox: Status) -> None:
    async with Phones(sandbox, [PhoneSpec("1008", (Manner(ring=0.1, talk=1),))]):
        theirs = await sip.phone_call(sandbox, "1007", "1008").result
        ours = await sip.phone_call(sandbox, "1007", "1008", stay=0.4).result
    assert (theirs.hung_up, ours.hung_up) == ("them", "us")
    assert 0.8 < theirs.duration < 10
    assert 0.3 < ours.duration < 10


async def test_phone_draws_among_its_manners(sandbox: Status) -> None:
    manners = (Manner("busy", ring=0, weight=1), Manner(ring=0, talk=0.1, weight=1))
    async with Phones(sandbox, [PhoneSpec("1008", manners)]):
        outcomes = {
            (await sip.phone_call(sandbox, "1007", "1008").result).outcome for _ in range(14)
        }
    assert outcomes == {"refused", "completed"}  # fails once in eight thousand runs


async def test_digits_reach_the_script(sandbox: Status) -> None:
    heard: list[str] = []

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await stub.environment(reader)
        for command in ("ANSWER", "GET DATA silence/1 3000 3"):
            writer.write(f"{command}\n".encode())
            heard.append((await reader.readline()).decode().strip())

    async with stub.agi(sandbox, script):
        await sip.call(sandbox, "79161234567", digits="42#", stay=1)
    assert heard[1] == "200 result=42"


async def test_mobile_sees_the_number_that_was_dialled(sandbox: Status, ami: Heard) -> None:
    async with Mobile(sandbox, Manner("busy", ring=0)):
        result = await sip.phone_call(sandbox, "1007", "+79031112233").result
    assert (result.outcome, result.status) == ("refused", 486)
    assert (await ami.until_event("DialBegin"))["DialString"] == "+79031112233@trunk"


async def test_a_caller_who_says_he_is_a_phone_must_prove_it(sandbox: Status) -> None:
    result = await sip.call(sandbox, "1001", "Mallory", "1002", patience=2)
    assert (result.outcome, result.answered) == ("failed", None)


@pytest.mark.parametrize("name", ["trunk", "inbound"])
async def test_a_caller_named_as_an_endpoint_gets_no_further(sandbox: Status, name: str) -> None:
    result = await sip.call(sandbox, name, "Mallory", "x1002")
    assert (result.outcome, result.status) == ("refused", 404)


async def test_sound_flows_both_ways(sandbox: Status, pbx: SandboxPbx) -> None:
    async with Phones(sandbox, [PhoneSpec("1008", (Manner(ring=0.1),))], audio=True):
        caller = sip.phone_call(sandbox, "1007", "1008", stay=120, audio=True)
        received: list[int] = []
        async with asyncio.timeout(60):
            while len(received) < 2 or min(received) <= 20:
                shown = await asyncio.to_thread(pbx.cli, "pjsip show channelstats")
                received = [int(line.split()[4]) for line in shown.splitlines() if "alaw" in line]
        await caller.hang_up()
    assert len(received) == 2


async def test_many_at_once(sandbox: Status, pbx: SandboxPbx) -> None:
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(
            stub.agi(sandbox, stub.route(CB_ACTION="message", CB_MESSAGE="beep"))
        )
        calls = [sip.call(sandbox, f"7916000{number:04}") for number in range(20)]
        results = await asyncio.gather(*calls)
    assert {result.outcome for result in results} == {"completed"}
    assert children() == []


async def test_nothing_is_left_behind(
    sandbox: Status, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    async with Phones(sandbox, [PhoneSpec("1008")]):
        assert len(list(tmp_path.iterdir())) == 1
        caller = sip.phone_call(sandbox, "1007", "1008")
        await caller.answered.wait()
        await caller.drop()
    assert children() == []
    assert list(tmp_path.iterdir()) == []
