"""`cordboard demo` and `cordboard pbx` as somebody else uses them: by what they print."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from idle_port import idle_port
from websockets.asyncio.client import connect

from cordboard.sandbox.sip import dial

pytestmark = [pytest.mark.pbx, pytest.mark.xdist_group("demo")]

PRINTED = {
    "ami",
    "sip",
    "queues",
    "phones",
    "queue_log",
    "sipp",
    "http",
    "agi",
    "config",
    "users",
}
COUNTED = {"calls", "answered", "abandoned", "popped", "lost", "pop_ms"}
NUMBER = "79169990017"


class Running:
    """A demonstration: what it printed first, and the processes that belong to it."""

    def __init__(self, process: asyncio.subprocess.Process, printed: dict[str, Any]) -> None:
        self.process = process
        self.printed = printed
        self.folder = Path(printed["config"]).parent
        self.litter: set[Path] = set()

    @property
    def http(self) -> str:
        return str(self.printed["http"])

    def token(self, name: str) -> str:
        (user,) = [user for user in self.printed["users"] if user["name"] == name]
        return str(user["token"])

    async def summary(self) -> dict[str, Any]:
        """What it prints last; it has ended then."""
        assert self.process.stdout
        lines = (await self.process.stdout.read()).decode().splitlines()
        await self.process.wait()
        return dict(json.loads(lines[-1]))

    @asynccontextmanager
    async def stream(self, name: str) -> AsyncIterator[Any]:
        headers = {"Authorization": f"Bearer {self.token(name)}"}
        url = self.http.replace("http://", "ws://") + "/api/v1/stream"
        async with connect(url, additional_headers=headers) as opened:
            snapshot = json.loads(await opened.recv())
            assert snapshot["type"] == "snapshot"
            yield opened

    def family(self) -> dict[int, str]:
        """Its processes and theirs by number, each with its command line, and whoever else works
        in its folder."""
        parents: dict[int, int] = {}
        commands: dict[int, str] = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError):
                    state, parent = (entry / "stat").read_text().rpartition(") ")[2].split()[:2]
                    if state != "Z":
                        parents[int(entry.name)] = int(parent)
                        words = (entry / "cmdline").read_bytes().split(b"\0")
                        commands[int(entry.name)] = os.fsdecode(b" ".join(words))
        found = {pid for pid, command in commands.items() if str(self.folder) in command}
        found |= {self.process.pid} & parents.keys()
        while more := {pid for pid in parents if parents[pid] in found} - found:
            found |= more
        for pid in found:
            # What a killed SIPp leaves behind is for whoever killed it to clear away.
            for word in commands[pid].split():
                if "cordboard-sipp-" in word:
                    self.litter.add(Path(word).parent)
        return {pid: commands[pid] for pid in found}

    async def gone(self, family: dict[int, str], within: float = 60.0) -> None:
        """Until none of them is left."""
        async with asyncio.timeout(within):
            while left := family.keys() & self._alive(family):
                assert left
                await asyncio.sleep(0.05)
        assert self.family() == {}

    def _alive(self, family: dict[int, str]) -> set[int]:
        alive = set()
        for pid, command in family.items():
            with contextlib.suppress(OSError):
                words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
                if words != [b""] and os.fsdecode(b" ".join(words)) == command:
                    alive.add(pid)
        return alive


@asynccontextmanager
async def demo(*words: str) -> AsyncIterator[Running]:
    """Runs it; what is left of it at the end is killed and cleared away."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "cordboard", "demo", "--json", *words),
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    running = None
    try:
        assert process.stdout
        async with asyncio.timeout(150):
            line = await process.stdout.readline()
        running = Running(process, json.loads(line))
        yield running
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.communicate()
        if running:
            running.family()
            for folder in (running.folder, *running.litter):
                shutil.rmtree(folder, ignore_errors=True)


async def test_demo_prints_what_others_need_ends_by_itself_and_accounts_for_every_call() -> None:
    async with demo("--seconds", "8", "--calls-per-minute", "30") as running:
        printed = running.printed
        assert printed.keys() >= PRINTED
        assert printed["ami"].keys() >= {"host", "port", "user", "secret"}
        assert printed["sip"].keys() >= {"host", "port", "inbound"}
        assert all(phone.keys() >= {"endpoint", "user", "secret"} for phone in printed["phones"])
        assert all(u.keys() >= {"name", "password", "role", "token"} for u in printed["users"])
        assert {u["role"] for u in printed["users"]} == {"operator", "supervisor", "admin"}
        assert Path(printed["queue_log"]).is_file()
        assert Path(printed["config"]).is_file()
        assert Path(shlex.split(printed["sipp"])[0]).is_file()
        assert "support" in printed["queues"]
        family = running.family()
        assert len(family) >= 3  # itself, Asterisk, the server

        summary = await running.summary()
        assert running.process.returncode == 0
        assert summary.keys() == COUNTED
        assert summary["pop_ms"].keys() == {"p50", "p99"}
        assert summary["lost"] == 0
        assert summary["calls"] >= 1
        assert summary["answered"] + summary["abandoned"] <= summary["calls"]
        assert summary["popped"] <= summary["calls"]
        await running.gone(family)
        assert not running.folder.exists()


async def test_a_caller_of_somebody_elses_pops_and_is_known_once_he_is_a_customer() -> None:
    """Ended by Ctrl-C, as a person would."""
    silent = ("--calls-per-minute", "0", "--port", str(idle_port()))
    async with demo(*silent) as running, running.stream("maria") as console:

        async def popped() -> dict[str, Any]:
            async with asyncio.timeout(120):
                while True:
                    message = json.loads(await console.recv())
                    if message["type"] == "screenpop" and message["call"]["from"] == f"+{NUMBER}":
                        return dict(message)

        caller = dial(running.printed, NUMBER, "Stranger", stay=120)
        pop = await popped()
        assert (pop["customer"], pop["call"]["name"]) == (None, "Stranger")
        assert (await caller.hang_up()).outcome == "completed"

        body = {"kind": "person", "name": "Жанна Новая", "phones": [f"+{NUMBER}"]}
        headers = {"Authorization": f"Bearer {running.token('maria')}"}
        url = f"{running.http}/api/v1/customers"
        async with aiohttp.ClientSession(headers=headers) as session:
            async with session.post(url, json=body) as answer:
                assert answer.status == 201
                created = await answer.json()
            caller = dial(running.printed, NUMBER, "Stranger", stay=120)
            known = await popped()
            while known["call"]["id"] == pop["call"]["id"]:  # the first card takes him on
                known = await popped()
            assert known["customer"]["id"] == created["id"]
            assert known["customer"]["name"] == "Жанна Новая"
            assert (await caller.hang_up()).outcome == "completed"

        for action, args in (("login", {"phone": "PJSIP/1007"}), ("logout", {})):
            assert await asked(running, "ivan", action, args) is None

        family = running.family()
        running.process.send_signal(signal.SIGINT)
        summary = await running.summary()
        assert running.process.returncode == 0
        assert (summary["calls"], summary["lost"]) == (2, 0)
        await running.gone(family)
        assert not running.folder.exists()


async def asked(running: Running, name: str, action: str, args: dict[str, Any]) -> str | None:
    """What a user is answered who asks for something at his console."""
    headers = {"Authorization": f"Bearer {running.token(name)}"}
    url = f"{running.http}/api/v1/operators/{name}/actions"
    async with running.stream(name) as console, asyncio.timeout(120):
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.post(url, json={"action": action, "args": args}) as answer,
        ):
            assert answer.status == 202
        while (message := json.loads(await console.recv()))["type"] != "result":
            pass
        error: str | None = message["error"]
        return error


async def test_a_demo_that_is_killed_takes_all_its_processes_along() -> None:
    busy = ("--calls-per-minute", "120", "--port", str(idle_port()))
    async with demo(*busy) as running, running.stream("maria") as console:
        async with asyncio.timeout(120):  # until there are calls, phones and callers
            while json.loads(await console.recv())["type"] != "screenpop":
                pass
        family = running.family()
        programs = " ".join(family.values())
        assert "asterisk" in programs
        assert "cordboard serve" in programs
        assert "sipp" in programs
        running.process.kill()
        await running.process.wait()
        await running.gone(family)


def test_a_taken_port_is_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = cordboard("demo", "--seconds", "8", "--port", str(port))
    assert done.returncode == 1
    assert done.stderr == f"cordboard: port {port} is taken; choose another with --port\n"


# -- the sandbox by itself


def cordboard(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "cordboard", *words], capture_output=True, text=True, timeout=240
    )


def test_pbx_goes_up_tells_its_status_takes_a_command_and_goes_down(tmp_path: Path) -> None:
    folder = ("--dir", tmp_path / "pbx")
    down = cordboard("pbx", "status", "--json", *folder)
    assert (down.returncode, json.loads(down.stdout)["running"]) == (1, False)
    try:
        up = cordboard("pbx", "up", *folder)
        assert (up.returncode, up.stderr) == (0, "")
        assert f"cordboard serve --config {tmp_path}/pbx/cordboard.toml" in up.stdout
        told = cordboard("pbx", "status", "--json", *folder)
        status = json.loads(told.stdout)
        assert told.returncode == 0
        assert status.keys() >= {"ami", "sip", "queues", "phones", "queue_log", "sipp"}
        with socket.create_connection((status["ami"]["host"], status["ami"]["port"])) as link:
            assert link.recv(100).startswith(b"Asterisk Call Manager/")
        plain = cordboard("pbx", "status", *folder)
        assert plain.returncode == 0
        assert status["ami"]["secret"] not in plain.stdout
        shown = cordboard("pbx", "cli", *folder, "queue", "show", "support-ru")
        assert shown.stdout.startswith("support-ru has 0 calls")
        assert cordboard("pbx", "down", *folder).stdout == f"stopped in {tmp_path}/pbx\n"
        with contextlib.suppress(FileNotFoundError):  # it may be there as a zombie, not as itself
            assert Path(f"/proc/{status['pid']}/cmdline").read_bytes() == b""
        assert cordboard("pbx", "down", *folder).stdout == f"nothing runs in {tmp_path}/pbx\n"
        refused = cordboard("pbx", "cli", *folder, "core", "show", "version")
        assert refused.returncode == 1
        assert len(refused.stderr.splitlines()) == 1
    finally:
        cordboard("pbx", "down", *folder)
