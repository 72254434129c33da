"""`cordboard serve` as a process of its own, beside the real Asterisk of `pbx_fixtures`."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from forked import Forked
from proxy import Proxy, proxied
from store_fixtures import CHEAP
from websockets.asyncio.client import ClientConnection, connect

from cordboard.config import load
from cordboard.crm_core.calls import _CALL, records
from cordboard.crm_core.migrations import upgrade
from cordboard.crm_core.model import CallRecord, Role
from cordboard.crm_core.store import Store
from cordboard.sandbox.pbx import SandboxPbx
from cordboard.sandbox.tether import tethered
from cordboard.sections import shipped_scripts

USERS: tuple[tuple[str, Role, str | None, str | None], ...] = (
    ("anna", "operator", "PJSIP/1001", "+79031110001"),
    ("boris", "operator", "PJSIP/1002", None),
    ("maria", "supervisor", None, None),
    ("admin", "admin", None, None),
)
HERE = Path(__file__).parent
PASSWORD = "correct horse battery"
PATIENCE = 60.0
"""Seconds that a test waits for what must come: a machine with no time to spare is no fault."""
Message = dict[str, Any]


def state_of(message: Message, name: str) -> str | None:
    """The state that a message tells of an operator."""
    changed = message.get("changed", []) if message["type"] == "operators" else []
    return next((item["state"] for item in changed if item["name"] == name), None)


class Stream:
    """A console's side of the live stream, by an implementation that is not ours."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.messages: list[Message] = []

    async def next(self, within: float = PATIENCE) -> Message:
        async with asyncio.timeout(within):
            message: Message = json.loads(await self.socket.recv())
        self.messages.append(message)
        return message

    async def until(
        self, condition: Callable[[Message], bool], within: float = PATIENCE
    ) -> Message:
        """The next message of which `condition` holds."""
        heard = len(self.messages)
        try:
            async with asyncio.timeout(within):
                while True:
                    message = await self.next(within)
                    if condition(message):
                        return message
        except TimeoutError:
            told = [json.dumps(message)[:600] for message in self.messages[heard:]]
            raise AssertionError("it did not come; what came:\n" + "\n".join(told[-20:])) from None

    async def pop(self, within: float = PATIENCE) -> Message:
        return await self.until(lambda m: m["type"] == "screenpop", within)

    async def call(self, state: str, within: float = PATIENCE) -> Message:
        """The call as it is when it comes to `state`."""
        shown = await self.until(
            lambda m: m["type"] == "call" and m["call"]["state"] == state, within
        )
        return dict(shown["call"])

    async def alarm(self, kind: str) -> Message:
        """The next alarm of this kind, whatever else is told meanwhile."""
        told = await self.until(lambda m: m["type"] == "alarm" and m["alarm"]["kind"] == kind)
        return dict(told["alarm"])

    def alarms(self) -> list[Message]:
        """Those that were raised, but for that of a busy machine, which is behind the PBX."""
        told = [message["alarm"] for message in self.of("alarm")]
        return [alarm for alarm in told if alarm["kind"] != "behind"]

    def of(self, kind: str) -> list[Message]:
        return [message for message in self.messages if message["type"] == kind]


class Server:
    """One server, its users, and the ways in."""

    def __init__(
        self,
        folder: Path,
        status: dict[str, Any],
        *,
        ami_port: int | None = None,
        wrapup: int = 300,
        lookup_ms: int = 2000,
        clock: Path | None = None,
        users: Sequence[tuple[str, Role, str | None, str | None]] = USERS,
        database: str = "",
        desk: str = "misses = 0\n",
        tables: str = "",
    ) -> None:
        """`ami_port`: a proxy's, that stands before the PBX's own. `lookup_ms`: more than the
        default, which a machine without a moment to spare may miss. `clock`: a file that holds the
        seconds by which the machine's time of day is ahead. `database`: its URL, if it is not to
        be an SQLite file of the server's own. `desk`: more lines of [desk]; phones that never
        answer are no operators who let calls ring, if it does not say so. `tables`: more TOML."""
        self._clock = clock
        self.database = database or f"sqlite:///{folder}/cordboard.db"
        self.folder = folder
        asked = f"wrapup_seconds = {wrapup}\nlookup_deadline_ms = {lookup_ms}"
        self._more = f"[desk]\n{asked}\n{desk}\n{tables}"
        self._users = users
        self._ami_port = ami_port or status["ami"]["port"]
        self.config = folder / "cordboard.toml"
        self.log = folder / "server.log"
        self.status = status
        # Of the sandbox's own block, where nobody else looks for one: not a port of the kernel's
        # choice, which may be gone again before it is bound.
        self.port = status["agi"]["port"] + 1
        self.tokens: dict[str, str] = {}
        self._process: subprocess.Popen[bytes] | Forked | None = None

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def prepare(self) -> None:
        text = Path(self.status["config"]).read_text(encoding="utf-8")
        text = text.replace("127.0.0.1:8088", f"127.0.0.1:{self.port}")
        secret = Path(self.status["config"]).parent / "ami.secret"
        text = text.replace('"ami.secret"', f'"{secret}"')
        text = text.replace(f"port = {self.status['ami']['port']}", f"port = {self._ami_port}")
        # A test that needs scripts names a folder; the ready ones would be spoken at each start.
        ready = f"path = {json.dumps(str(shipped_scripts()))}"
        lines = [
            line for line in text.splitlines() if not line.startswith("url = ") and line != ready
        ]
        url = f'url = "{self.database}"'
        lines.insert(lines.index("[database]") + 1, url)
        self.config.write_text("\n".join(lines) + f"\n{self._more}")
        if self.database == f"sqlite:///{self.folder}/cordboard.db":
            shutil.copy(await _template(), self.folder / "cordboard.db")
        else:
            await upgrade(self.database)
        store = Store(self.database, hasher=CHEAP)
        await store.open()
        for name, role, phone, mobile in self._users:
            user = await store.add_user(name, role, PASSWORD, phone=phone, mobile=mobile)
            self.tokens[name] = await store.issue_token(user)
        await store.close()

    async def add_operator(self, name: str, phone: str) -> None:
        """One more operator, known to the server when this returns."""
        store = Store(load(self.config).database.url)
        await store.open()
        user = await store.add_user(name, "operator", PASSWORD, phone=phone)
        self.tokens[name] = await store.issue_token(user)
        await store.close()
        await self.restart()

    async def enrol(self, name: str, queues: Sequence[tuple[str, int]]) -> None:
        """One more operator, who has no phone of one's own; for a server that does not run."""
        store = Store(load(self.config).database.url)
        await store.open()
        user = await store.add_user(name, "operator", PASSWORD, queues=queues)
        self.tokens[name] = await store.issue_token(user)
        await store.close()

    async def restart(self) -> None:
        self.stop()
        await self.start()

    async def start(self) -> None:
        """Returns when it is ready: the PBX in view, the database open."""
        words = ["serve", "--config", str(self.config), "--log", "json"]
        if self._clock is None:
            self._process = Forked(words, self.log)
        else:
            program = [sys.executable, str(HERE / "stepped.py"), str(self._clock)]
            with self.log.open("ab") as log:
                self._process = subprocess.Popen(
                    tethered([*program, *words]), stdout=log, stderr=log
                )
        deadline = time.monotonic() + 120
        async with aiohttp.ClientSession() as session:
            while time.monotonic() < deadline and self._process.poll() is None:
                with contextlib.suppress(aiohttp.ClientError):
                    async with session.get(f"{self.base}/readyz") as answer:
                        if answer.status == 200:
                            return
                await asyncio.sleep(0.05)
        self.stop()  # or the tests that follow find its ports taken
        raise AssertionError(f"the server did not become ready:\n{self.said()}")

    def said(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")[-6000:]

    def kill(self) -> None:
        """As when the machine's memory runs out: no goodbye."""
        assert self._process
        self._process.kill()
        self._process.wait()

    def wait(self) -> None:
        """Until it has ended by itself."""
        assert self._process
        self._process.wait(PATIENCE)

    @property
    def pid(self) -> int:
        assert self._process
        return self._process.pid

    def signal(self, number: signal.Signals) -> None:
        assert self._process
        os.kill(self._process.pid, number)

    def stop(self) -> None:
        if self._process and self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT)
            self._process.terminate()
            try:
                self._process.wait(15)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    @asynccontextmanager
    async def stream(self, name: str) -> AsyncIterator[Stream]:
        """The live stream as `name` sees it; its first message is the snapshot."""
        headers = {"Authorization": f"Bearer {self.tokens[name]}"}
        url = f"ws://127.0.0.1:{self.port}/api/v1/stream"
        async with connect(url, additional_headers=headers, compression=None) as opened:
            stream = Stream(opened)
            await stream.next()
            yield stream

    async def api(self, method: str, path: str, body: Any = None, by: str = "maria") -> Any:
        """The JSON of an answer; an assertion fails for anything that is no success."""
        headers = {"Authorization": f"Bearer {self.tokens[by]}"}
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.request(method, f"{self.base}/api/v1{path}", json=body) as answer,
        ):
            assert answer.status < 300, f"{answer.status} {await answer.text()}"
            return await answer.json()

    async def customer(self, number: str, **fields: Any) -> Message:
        """A new customer with this number."""
        body = {"kind": "person", "name": "Иван Петров", "phones": [f"+{number}"], **fields}
        return dict(await self.api("POST", "/customers", body))

    async def snapshot(self, name: str) -> Message:
        """The picture as `name` has it now."""
        async with self.stream(name) as stream:
            return stream.messages[0]

    async def recognised(self, name: str) -> Message:
        """The same, once it tells of every call whose it is: after a restart that is looked up
        while the first pictures are given out already."""
        async with asyncio.timeout(5):
            while True:
                shown = await self.snapshot(name)
                if all(each["customer"] for each in (*shown["calls"], *shown["pops"])):
                    return shown
                await asyncio.sleep(0.05)

    @asynccontextmanager
    async def store(self) -> AsyncIterator[Store]:
        """The server's database, read beside it."""
        store = Store(load(self.config).database.url)
        await store.open()
        try:
            yield store
        finally:
            await store.close()

    async def calls(self) -> list[CallRecord]:
        """Every call that the store has; it shows no more than its last few hundred itself."""
        async with self.store() as store:
            return records(CallRecord, await store._database.rows(_CALL))

    async def metric(self, name: str) -> float:
        async with aiohttp.ClientSession() as session, session.get(f"{self.base}/metrics") as got:
            text = await got.text()
        lines = [line for line in text.splitlines() if line.startswith(f"{name} ")]
        assert lines, f"no metric {name}"
        return float(lines[0].split()[1])


_templates: list[Path] = []


async def _template() -> Path:
    """A database with this release's tables, made once in a process."""
    if not _templates:
        folder = tempfile.mkdtemp(prefix="cordboard-template-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        path = Path(folder, "template.db")
        await upgrade(f"sqlite:///{path}")
        _templates.append(path)
    return _templates[0]


@pytest.fixture
async def proxy(sandbox: dict[str, Any]) -> AsyncIterator[Proxy]:
    """Between the `proxied_server` and the PBX's AMI port."""
    async with proxied(sandbox["ami"]["host"], sandbox["ami"]["port"]) as between:
        yield between


@pytest.fixture
async def proxied_server(
    tmp_path: Path, pbx: SandboxPbx, sandbox: dict[str, Any], proxy: Proxy
) -> AsyncIterator[Server]:
    """As `server`, with the proxy between it and the PBX."""
    running = Server(tmp_path, sandbox, ami_port=proxy.port)
    async with served(running, pbx):
        yield running


@pytest.fixture
async def server(tmp_path: Path, pbx: SandboxPbx, sandbox: dict[str, Any]) -> AsyncIterator[Server]:
    """A fresh store and a running server on the real Asterisk."""
    running = Server(tmp_path, sandbox)
    async with served(running, pbx):
        yield running


@asynccontextmanager
async def served(running: Server, pbx: SandboxPbx) -> AsyncIterator[None]:
    pbx.cli("queue reset stats")
    for name in ("CB_FALLBACKS", "CB_FALLBACKS_SEEN"):
        pbx.cli(f"dialplan set global {name} 0")  # whom tests without a server sent away
    await running.prepare()
    await running.start()
    try:
        yield
    finally:
        running.stop()
