"""The chaos run: callers at 70 % of what the operators can serve, and faults at random.

    python tests/chaos.py --minutes 30 [--seed 4711]

The seed draws who calls when, and which fault comes after which; when exactly things happen is up
to the machine. It ends with the books: every call of SIPp's once in the store, every stay as
queue_log has it, a card for every ring, an empty desk. The last line is a summary in JSON; the
exit code is 0 if no difference is left unexplained. docs/chaos.md tells more.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import math
import random
import secrets
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from oracles import differences
from proxy import Proxy, name_of, proxied
from server_fixtures import USERS, Role, Server
from witness import PHONES, SLACK, ConsoleWitness, PbxWitness, Window, pop_faults

from cordboard.accounting import account
from cordboard.crm_core.model import CallRecord, EntryRecord
from cordboard.cti.queue_log import read_queue_log
from cordboard.evidence import gaps_of
from cordboard.sandbox.pbx import SandboxPbx
from cordboard.sandbox.scenarios import Manner
from cordboard.sandbox.sip import CallResult, Phones, PhoneSpec, dial

OPERATORS = 6
RING, TALK, QUEUE_WRAPUP = 1.5, (3.0, 9.0), 5.0
RATED = OPERATORS * 60 / (RING + sum(TALK) / 2 + QUEUE_WRAPUP)
"""Calls a minute that the operators can serve."""
LOAD = 0.7
MORE: list[tuple[str, Role, str | None, str | None]] = [
    (name, "operator", phone, None)
    for name, phone in PHONES.items()
    if name not in ("anna", "boris")
]
CALM = (2.0, 6.0)
"""Seconds between two faults."""


@dataclass
class Dialled:
    """One call of SIPp's. `result` is None where its phone died with the PBX."""

    number: str
    began: float
    ended: float | None = None
    result: CallResult | None = None


@dataclass
class Run:
    """Everything that a run needs, and what became of it."""

    seed: int
    pbx: SandboxPbx
    server: Server
    proxy: Proxy
    phones: Phones
    witness: PbxWitness
    console: ConsoleWitness
    calls: list[Dialled] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    crashes: list[Window] = field(default_factory=list)
    """When the PBX was dead, with all its calls."""
    began: float = field(default_factory=time.monotonic)

    def say(self, words: str) -> None:
        print(f"{time.monotonic() - self.began:7.1f}  {words}", flush=True)

    # Callers

    async def call(self, number: str, stay: float) -> None:
        dialled = Dialled(number, time.time())
        self.calls.append(dialled)
        live = dial(self.server.status, number, number, stay=stay, patience=90, audio=True)
        boots = len(self.crashes)
        try:
            while not live.result.done():
                if len(self.crashes) > boots:
                    await live.drop()  # nobody answers it any more
                    return
                await asyncio.wait([live.result], timeout=0.3)
            dialled.result = live.result.result()
        finally:
            dialled.ended = time.time()
            if not live.result.done():
                await live.drop()

    async def callers(self, dice: random.Random, minutes: float) -> None:
        ends = time.monotonic() + minutes * 60
        async with asyncio.TaskGroup() as group:
            for number in range(79160000001, 79170000000):
                await asyncio.sleep(dice.expovariate(LOAD * RATED / 60))
                if time.monotonic() >= ends:
                    break
                # One in eight has little patience; the dialplan has answered, so he hangs up.
                stay = dice.uniform(2, 6) if dice.random() < 0.12 else dice.uniform(*TALK) + 6
                group.create_task(self.call(str(number), stay))

    # Faults

    async def trouble(self, dice: random.Random, minutes: float) -> None:
        kinds: list[tuple[float, Callable[[random.Random], Awaitable[None]]]] = [
            (3, self.reset),
            (3, self.cut),
            (2, self.stall),
            (2, self.throttle),
            (3, self.repeat),
            (1, self.flood),
            (2, self.kill_server),
            (2, self.stop_server),
            (1, self.hang_server),
            (2, self.reload),
            (2, self.pause),
            (3, self.transfer),
        ]
        ends = time.monotonic() + minutes * 60
        crash_at = [time.monotonic() + minutes * 60 * part for part in _crash_times(minutes)]
        while time.monotonic() < ends:
            await asyncio.sleep(dice.uniform(*CALM))
            if crash_at and time.monotonic() >= crash_at[0]:
                crash_at.pop(0)
                fault: Callable[[random.Random], Awaitable[None]] = self.kill_pbx
            else:
                (fault,) = dice.choices([k for _, k in kinds], [w for w, _ in kinds])
            name = fault.__name__  # type: ignore[attr-defined]
            self.faults.append(name)
            self.say(name)
            await fault(dice)
            self.proxy.healthy()
            if not await self.console.sighted():
                self.complaints.append(f"{name}: the link did not come back")
            await self.check_picture(name)

    async def check_picture(self, after: str) -> None:
        """Under load both sides move: that they agree once within five seconds is the proof."""
        found: list[str] = ["never compared"]
        for _ in range(25):
            with contextlib.suppress(OSError, TimeoutError):
                found = differences(
                    await self.witness.ask("QueueStatus"), await self.server.snapshot("maria")
                )
            if not found:
                return
            await asyncio.sleep(0.2)
        self.complaints.append(f"{after}: the picture differs: {'; '.join(found)}")

    async def reset(self, _: random.Random) -> None:
        self.console.blind("reset")
        self.proxy.reset()

    async def cut(self, dice: random.Random) -> None:
        self.console.blind("cut")
        self.proxy.cut(dice.choice(["reset", "fin"]))
        with contextlib.suppress(OSError, TimeoutError):
            await self.witness.ask("UserEvent", UserEvent="Chaos")
        await asyncio.sleep(dice.uniform(0.1, 1))

    async def stall(self, dice: random.Random) -> None:
        """Short ones are late events, long ones a dead link."""
        seconds = dice.choice([1.5, 4, 11])
        window = Window("stall", time.time())
        self.console.windows.insert(0, window)
        self.proxy.stall()
        await asyncio.sleep(seconds)
        self.proxy.healthy()
        await asyncio.sleep(1.5)
        await self.console.sighted()
        window.ended = time.time()

    async def throttle(self, dice: random.Random) -> None:
        window = Window("throttle", time.time())
        self.console.windows.insert(0, window)
        self.proxy.down.rate = dice.choice([3000.0, 10_000.0, 30_000.0])
        await asyncio.sleep(dice.uniform(4, 10))
        self.proxy.healthy()
        await asyncio.sleep(2)
        await self.console.sighted()
        window.ended = time.time()

    async def repeat(self, dice: random.Random) -> None:
        """One event in three comes again, soon or late."""

        def plan(frame: bytes) -> tuple[float, ...]:
            return (0, dice.uniform(0.05, 6)) if name_of(frame) and dice.random() < 0.3 else (0,)

        self.proxy.down.plan = plan
        await asyncio.sleep(dice.uniform(5, 12))

    async def flood(self, _: random.Random) -> None:
        with contextlib.suppress(OSError, TimeoutError):
            await asyncio.gather(
                *(
                    self.witness.ask("UserEvent", UserEvent="Chaos", Text="x" * 400)
                    for _ in range(3000)
                )
            )

    async def kill_server(self, dice: random.Random) -> None:
        self.console.blind("cordboard killed")
        self.server.kill()
        await asyncio.sleep(dice.uniform(0.1, 3))
        await self.server.start()

    async def stop_server(self, dice: random.Random) -> None:
        self.console.blind("cordboard stopped")
        self.server.signal(signal.SIGTERM)
        await asyncio.to_thread(self.server.wait)
        await asyncio.sleep(dice.uniform(0.1, 1))
        await self.server.start()

    async def hang_server(self, dice: random.Random) -> None:
        window = Window("cordboard hung", time.time())
        self.console.windows.insert(0, window)
        self.server.signal(signal.SIGSTOP)
        await asyncio.sleep(dice.uniform(2, 7))
        self.server.signal(signal.SIGCONT)
        await asyncio.sleep(1.5)
        await self.console.sighted()
        window.ended = time.time()

    async def kill_pbx(self, dice: random.Random) -> None:
        self.console.blind("PBX killed")
        crash = Window("PBX killed", time.time())
        self.crashes.append(crash)
        self.pbx.kill()
        await asyncio.sleep(dice.uniform(0.5, 3))
        self.pbx.start(die_with_parent=True)
        await self.phones.register()
        crash.ended = time.time()

    async def reload(self, _: random.Random) -> None:
        for _ in range(3):
            self.pbx.cli("queue reload all")
            self.pbx.cli("dialplan reload")
            await asyncio.sleep(1)

    async def pause(self, dice: random.Random) -> None:
        phone = f"PJSIP/{1001 + dice.randrange(OPERATORS)}"
        with contextlib.suppress(OSError, TimeoutError):
            await self.witness.ask("QueuePause", Interface=phone, Paused="true", Reason="chaos")
            await asyncio.sleep(dice.uniform(1, 4))
            await self.witness.ask("QueuePause", Interface=phone, Paused="false")

    async def transfer(self, dice: random.Random) -> None:
        """An operator who talks puts the caller through to another phone."""
        talks = [r for r in self.witness.rings.values() if r.talks and r.ended is None]
        if not talks:
            return
        ring = dice.choice(talks)
        target = dice.choice([f"{1001 + n}" for n in range(OPERATORS)])
        with contextlib.suppress(OSError, TimeoutError):
            await self.witness.ask(
                "BlindTransfer", Channel=ring.channel, Context="cordboard-phones", Exten=target
            )

    # The end

    async def settle(self) -> tuple[list[CallRecord], list[EntryRecord]]:
        """The rows, when all are closed or 20 s have gone by."""
        for _ in range(100):
            rows = await self.server.calls()
            async with self.server.store() as store:
                entries = await store.entries_since(0)
            open_ = [row for row in rows if row.state not in ("ended", "merged")]
            if not open_ and all(entry.left_at is not None for entry in entries):
                break
            await asyncio.sleep(0.2)
        return rows, entries

    def judge_calls(self, rows: list[CallRecord]) -> tuple[list[str], list[str]]:
        """SIPp's calls against the store's: what is wrong, and what is only to be explained."""
        wrong, explained = [], []
        by_number = Counter(row.number.lstrip("+") for row in rows)
        for dialled in self.calls:
            count = by_number.pop(dialled.number, 0)
            if count > 1:
                wrong.append(f"{dialled.number} has {count} rows")
            elif count == 0:
                why = self._unseen(dialled)
                target = explained if why else wrong
                target.append(f"{dialled.number} has no row ({why or 'and was in sight'})")
            result = dialled.result
            if result is not None and result.answered is None and result.status not in (0, 487):
                wrong.append(f"{dialled.number} was refused with {result.status}")
        wrong += [f"a row for {number}, who did not call" for number in by_number]
        wrong += [
            f"{row.number} is {row.state}" for row in rows if row.state not in ("ended", "merged")
        ]
        wrong += [
            f"{row.number} has times in the wrong order"
            for row in rows
            if row.ended_at is not None
            and not row.started_at <= (row.answered_at or row.started_at) <= row.ended_at
        ]
        return wrong, explained

    def _unseen(self, dialled: Dialled) -> str | None:
        """Why nobody could see this call: it lived in a blind time, or the PBX was dead."""
        ended = dialled.ended or time.time()
        for window in [*self.console.windows, *self.crashes]:
            inside = window.began - SLACK <= dialled.began and ended <= (
                (window.ended or ended) + SLACK
            )
            if inside or (window in self.crashes and window.holds(dialled.began, dialled.began)):
                return window.why
        return None

    async def judge_stays(self) -> tuple[list[str], list[str]]:
        """The store against queue_log, as `cordboard reconcile` holds them."""
        text = Path(self.server.status["queue_log"]).read_text(encoding="utf-8")
        async with self.server.store() as store:
            entries = await store.entries_since(0)
            facts = await store.queued_facts(0, math.inf, pbx="sandbox")
            links = await store.link_facts("sandbox")
        log = read_queue_log({"queue_log": text})
        wrong, explained = [], []
        for one in account(log, entries, facts, gaps_of(links)).differences:
            words = f"{one.queue} {one.uniqueid}: {one.what}"
            (explained if one.cause else wrong).append(f"{words} ({one.cause})")
        return wrong, explained

    async def verdict(self) -> dict[str, Any]:
        rows, entries = await self.settle()
        calls_wrong, calls_explained = self.judge_calls(rows)
        stays_wrong, stays_explained = await self.judge_stays()
        pops_wrong = pop_faults(self.witness, self.console, self.console.windows)
        picture = await self.server.snapshot("maria")
        left = [c["id"] for c in picture["calls"] if c["state"] != "ended"] + picture["waiting"]
        wrong = [*self.complaints, *calls_wrong, *stays_wrong, *pops_wrong]
        wrong += [f"still on the wallboard: {one}" for one in left]
        for words in wrong:
            self.say(f"WRONG  {words}")
        for words in (*calls_explained, *stays_explained):
            self.say(f"explained  {words}")
        answered = sum(1 for row in rows if row.answered_at is not None)
        return {
            "seed": self.seed,
            "minutes": round((time.monotonic() - self.began) / 60, 1),
            "calls": len(self.calls),
            "rows": len(rows),
            "answered": answered,
            "stays": len(entries),
            "rings": len(self.witness.rings),
            "pops": len(self.console.pops),
            "faults": dict(sorted(Counter(self.faults).items())),
            "alarms": sorted(self.console.alarms),
            "explained": len(calls_explained) + len(stays_explained),
            "unexplained": len(wrong),
        }


def _crash_times(minutes: float) -> list[float]:
    """The PBX dies once in a short run, and about every ten minutes of a long one."""
    count = max(1, round(minutes / 10))
    return [(number + 0.5) / count for number in range(count)]


def _phones() -> list[PhoneSpec]:
    manners = (
        Manner(ring=RING, weight=0.75),
        Manner(ring=RING, talk=sum(TALK) / 2, weight=0.15),
        Manner(answers="busy", ring=0.5, weight=0.05),
        Manner(answers="reject", ring=1.0, weight=0.05),
    )
    return [PhoneSpec(f"{1001 + number}", manners) for number in range(OPERATORS)]


async def chaos(minutes: float, seed: int, folder: Path) -> dict[str, Any]:
    """One run in a folder of its own, which keeps nothing but what is left there on purpose."""
    print(f"seed {seed}: {minutes:g} minutes at {LOAD * RATED:.0f} calls a minute", flush=True)
    pbx = SandboxPbx(folder / "pbx")
    pbx.start(die_with_parent=True)
    try:
        status = pbx.status()
        async with proxied(status["ami"]["host"], status["ami"]["port"]) as proxy:
            server = Server(folder, status, ami_port=proxy.port, wrapup=3, users=(*USERS, *MORE))
            await server.prepare()
            await server.start()
            witness, console = PbxWitness(status["ami_raw"]), ConsoleWitness(server)
            watching = [asyncio.create_task(one.run()) for one in (witness, console)]
            try:
                async with Phones(status, _phones(), audio=True) as phones:
                    run = Run(seed, pbx, server, proxy, phones, witness, console)
                    await console.sighted()
                    await asyncio.gather(
                        run.callers(random.Random(f"{seed} callers"), minutes),
                        run.trouble(random.Random(f"{seed} faults"), minutes),
                    )
                    run.say("all callers have gone")
                    await asyncio.sleep(3)
                    return await run.verdict()
            finally:
                for task in watching:
                    task.cancel()
                await asyncio.gather(*watching, return_exceptions=True)
                server.stop()
    finally:
        pbx.down()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--keep", type=Path, help="a folder for logs and the database")
    asked = parser.parse_args()
    seed = asked.seed if asked.seed is not None else secrets.randbelow(1_000_000)
    folder = asked.keep or Path(tempfile.mkdtemp(prefix="cordboard-chaos-"))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        summary = asyncio.run(chaos(asked.minutes, seed, folder))
    finally:
        if asked.keep is None:
            shutil.rmtree(folder, ignore_errors=True)
    print(json.dumps(summary), flush=True)
    sys.exit(0 if summary["calls"] and not summary["unexplained"] else 1)


if __name__ == "__main__":
    main()
