"""`cordboard demo`: the main job with no PBX of one's own.

A sandbox Asterisk, phones that ring and answer, callers who call in, consoles that acknowledge
their pops, and the server itself as a process of its own, started as an administrator would. All
of it ends with this process, however that ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import csv
import json
import math
import os
import random
import secrets
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
from rich.console import Console
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from cordboard.accounting import account
from cordboard.config import load, share
from cordboard.crm_core.migrations import upgrade
from cordboard.crm_core.model import Customer, Role
from cordboard.crm_core.respondents import CustomerFilter
from cordboard.crm_core.sample import load_sample
from cordboard.crm_core.store import Store
from cordboard.cti.queue_log import read_queue_log
from cordboard.errors import PeerError, UserError
from cordboard.evidence import gaps_of
from cordboard.sandbox.packages import speakers
from cordboard.sandbox.pbx import SandboxPbx
from cordboard.sandbox.ports import LOOPBACK, free
from cordboard.sandbox.scenarios import Manner
from cordboard.sandbox.sip import LiveCall, Mobile, Phones, PhoneSpec, dial
from cordboard.sandbox.tether import tethered

PREFERRED_PORT = 8088
SCRIPTED = 0.45
"""How many of the known customers call a number that a script of the sample's rules answers."""
ERRANDS: tuple[tuple[str, tuple[str, ...], float], ...] = (
    ("88005553535", ("0",), 3),  # the menu; zero is for a person
    ("88005553535", ("1",), 2),  # the balance, by self-service
    ("88005553536", ("1",), 1),  # "are you …?", then a person
    ("88005553537", ("1", "9#", "3", "#"), 1),  # the survey
    ("88005553538", ("2", "#"), 1),  # the office; when it is closed, a message
)
"""The number, what is pressed one after the other, and how often."""
LISTS = (("Opinion on prices", "price-opinion", "regular"), ("Would recommend us", "nps", "vip"))
"""Lists of people to be called: the name, the script, and the status of the customers."""
READY_WITHIN = 30.0
DRAIN_WITHIN = 25.0
"""Seconds after the last call has begun for all to come to their end."""

PEOPLE: tuple[tuple[str, Role, str | None, str | None, str, str], ...] = (
    ("anna", "operator", "PJSIP/1001", "+79031110001", "ru", "Анна Орлова"),
    ("pyotr", "operator", "PJSIP/1002", None, "ru", "Пётр Смирнов"),
    ("elena", "operator", "PJSIP/1003", None, "ru", "Елена Петрова"),
    ("desislava", "operator", "PJSIP/1004", None, "bg", "Десислава Тодорова"),
    ("georgi", "operator", "PJSIP/1005", None, "bg", "Георги Стоянов"),
    ("john", "operator", "PJSIP/1006", None, "en", "John O'Brien"),
    ("ivan", "operator", None, None, "ru", "Иван Соколов"),
    ("jane", "operator", None, None, "en", "Jane Doe"),
    ("maria", "supervisor", None, "+359888110002", "bg", "Мария Димитрова"),
    ("admin", "admin", None, None, "en", "Administrator"),
)
"""Name, role, phone, mobile, language of the console, name to show."""

SERVED = {
    "ivan": [("support-ru", 0), ("support", 1)],
    "jane": [("support-en", 0), ("support", 1)],
}
"""What those serve who log in at a free phone, PJSIP/1007 or 1008; all others are members of
queues.conf."""

STRANGERS = (
    ("+79261230017", "Незнакомый номер"),
    ("+359878123017", ""),
    ("+442079460017", "Withheld Jones"),
    ("+79031234017", "<img src=x onerror=alert(1)>"),
)
"""Callers of whom the store knows nothing. The last shows that a name is only ever a text."""


@dataclass
class Login:
    name: str
    password: str
    role: Role
    token: str
    phone: str | None

    def as_json(self) -> dict[str, str]:
        return {
            "name": self.name,
            "password": self.password,
            "role": self.role,
            "token": self.token,
        }


@dataclass
class Watch:
    """What the demo's own consoles saw."""

    pops: set[str] = field(default_factory=set)
    calls: set[str] = field(default_factory=set)
    milliseconds: list[float] = field(default_factory=list)
    callers: dict[str, LiveCall] = field(default_factory=dict)
    """By number, those who are there."""
    numbers: dict[str, str] = field(default_factory=dict)
    """Of calls, by their ids."""
    marks: set[asyncio.Task[None]] = field(default_factory=set)
    """Callers who press keys."""

    def look(self, message: dict[str, Any], operator: str) -> None:
        """Whoever's operator has hung up, and who stays, is asked how it was."""
        if message["type"] == "screenpop":
            self.numbers[message["call"]["id"]] = message["call"]["from"].lstrip("+")
        for changed in message.get("changed", ()) if message["type"] == "operators" else ():
            if changed["name"] == operator and changed["state"] == "wrap-up":
                caller = self.callers.get(self.numbers.get(changed["call"] or "", ""))
                if caller is not None:
                    # One agrees to be asked, and gives a mark.
                    self.press(caller, ("1", random.choice("345")), 2.5)  # noqa: S311

    def press(self, caller: LiveCall, keys: tuple[str, ...], pause: float) -> None:
        """The caller presses one after the other, if he is still there."""
        task = asyncio.create_task(_press(caller, keys, pause))
        self.marks.add(task)
        task.add_done_callback(self.marks.discard)


async def demonstrate(port: int | None, seconds: float | None, rate: float, as_json: bool) -> int:
    """The exit code: 0 when calls were made and every one is accounted for."""
    console = Console(stderr=as_json)
    stop = asyncio.Event()
    folder = Path(tempfile.mkdtemp(prefix="cordboard-demo-"))
    try:
        return await Demo(folder, console, stop).run(port, seconds, rate, as_json)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Demo:
    """One demonstration in a folder of its own."""

    def __init__(self, folder: Path, console: Console, stop: asyncio.Event) -> None:
        self._folder = folder
        self._console = console
        self._stop = stop
        self._watch = Watch()
        self._customers: list[Customer] = []

    async def run(self, port: int | None, seconds: float | None, rate: float, as_json: bool) -> int:
        """0 when calls were made and every one is accounted for; 1 otherwise."""
        if port is not None:
            _port(port)  # one that is taken is told before anything is fetched
        self._console.print("Starting Asterisk (the first time it is fetched) …")
        pbx = SandboxPbx(self._folder / "pbx")
        # Not in a thread: its end would be Asterisk's. Until it has started, Ctrl-C interrupts it.
        pbx.start(die_with_parent=True)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stop.set)
        try:
            status = pbx.status()
            # Not before: what was free when programs began to be fetched may be another's by now.
            config = self._write_config(status, _port(port))
            store = await _store(config)
            try:
                logins = await self._fill(store)
                async with _server(config), _consoles(self._http(config), logins, self._watch):
                    self._announce(status, config, logins, as_json)
                    async with Phones(status, _phones()), Mobile(status, *_managers()):
                        await self._calls(status, seconds, rate)
                        return await self._summary(store, status, as_json)
            finally:
                await store.close()
        finally:
            pbx.down()

    def _write_config(self, status: dict[str, Any], port: int) -> Path:
        path = self._folder / "cordboard.toml"
        text = Path(status["config"]).read_text(encoding="utf-8")
        text = text.replace(f"{LOOPBACK}:{PREFERRED_PORT}", f"{LOOPBACK}:{port}")
        text = text.replace('secret_file = "', f'secret_file = "{self._folder}/pbx/')
        text += '\n[desk]\ntimezone = "UTC"\nwrapup_seconds = 8\n'
        text += '\n[survey]\nscript = "csat"\nevery_days = 0\nshare = 0.5\n'
        path.write_text(text, encoding="utf-8")
        return path

    def _http(self, config: Path) -> str:
        return load(config).http.listen

    async def _fill(self, store: Store) -> list[Login]:
        """Users, customers and what was said with them before."""
        logins = []
        for name, role, phone, mobile, language, shown in PEOPLE:
            password = secrets.token_hex(4)
            user = await store.add_user(
                name,
                role,
                password,
                display_name=shown,
                phone=phone,
                mobile=mobile,
                language=language,
                queues=SERVED.get(name, ()),
            )
            token = await store.issue_token(user)
            logins.append(Login(name, password, role, token, phone))
        sample = share("sample")
        await load_sample(store, sample, time.time())
        with (sample / "customers.csv").open(encoding="utf-8", newline="") as rows:
            numbers = [row["phones"].split(",")[0] for row in csv.DictReader(rows, delimiter=";")]
        cards = [await store.card_by_number(number) for number in numbers]
        self._customers = [card.customer for card in cards if card]
        for name, script, status in LISTS:
            made = await store.create_list(name, script, "maria")
            wanted = CustomerFilter(statuses=(status,))
            await store.add_people(made, await store.customers_for(wanted))
        return logins

    def _announce(
        self, status: dict[str, Any], config: Path, logins: list[Login], as_json: bool
    ) -> None:
        http = f"http://{self._http(config)}"
        if as_json:
            kept = ("ami", "sip", "agi", "queues", "phones", "mobile", "queue_log", "sipp")
            shown: dict[str, Any] = {key: status[key] for key in kept if key in status}
            shown |= {"sipp_ports": status.get("sipp_ports"), "http": http, "config": str(config)}
            shown["users"] = [login.as_json() for login in logins]
            print(json.dumps(shown, ensure_ascii=False), flush=True)
            return
        say = partial(self._console.print, soft_wrap=True, highlight=False)
        say(f"\n[bold]{http}[/bold]   the operator's console")
        say(f"[bold]{http}/wallboard[/bold]   the supervisor's wallboard\n")
        for login in logins:
            say(f"  {login.name:<10} {login.password}   {login.role} {login.phone or ''}")
        say("\nLog in as anna: her phone rings now and then, and the caller's card is there before")
        say("the answer; with F6 she takes the next one of a list of people who are to be called.")
        say("Log in as maria in another browser to watch the queues, the scripts and what surveys")
        say("bring; as ivan or jane to log in to their queues (F9) at PJSIP/1007 or PJSIP/1008.")
        say("Ctrl-C ends it.\n")

    # Callers

    async def _calls(self, status: dict[str, Any], seconds: float | None, rate: float) -> None:
        """Callers at random moments, `rate` a minute on average, until the time is up."""
        live: set[asyncio.Task[Any]] = set()
        ends = time.monotonic() + seconds if seconds is not None else None
        while not self._stop.is_set() and rate > 0:
            how, keys = self._caller()
            caller = dial(status, **how)
            self._watch.press(caller, keys, 4.0)
            live.add(caller.result)
            caller.result.add_done_callback(live.discard)
            self._watch.callers[how["number"]] = caller
            pause = min(random.expovariate(rate / 60), 180 / rate)
            if ends is not None:
                pause = min(pause, ends - time.monotonic())
            if pause <= 0 or await _within(self._stop.wait(), pause):
                break
            if ends is not None and time.monotonic() >= ends:
                break
        if rate <= 0:
            await _within(self._stop.wait(), seconds)
        if live and not self._stop.is_set():
            await asyncio.wait(live, timeout=DRAIN_WITHIN)
        for task in list(live):
            task.cancel()
        if live:
            await asyncio.gather(*live, return_exceptions=True)

    def _caller(self) -> tuple[dict[str, Any], tuple[str, ...]]:
        """How somebody calls, and what he presses."""
        chance = random.random()  # noqa: S311
        patience = random.uniform(4, 12) if chance < 0.12 else 90.0  # noqa: S311
        stay = random.uniform(7, 22) + (0 if chance < 0.12 else 8)  # noqa: S311
        if chance > 0.85:
            number, name = random.choice(STRANGERS)  # noqa: S311
        else:
            customer = random.choice(self._customers)  # noqa: S311
            number, name = customer.phones[0], customer.name
        # A caller who gives up does so by hanging up: our dialplan has answered for the music.
        how: dict[str, Any] = {
            "number": number.lstrip("+"),
            "name": name,
            "stay": min(stay, patience),
        }
        if chance < 0.85 and random.random() < SCRIPTED:  # noqa: S311
            often = [weight for _, _, weight in ERRANDS]
            (errand,) = random.choices(ERRANDS, often)  # noqa: S311
            number, keys, _ = errand
            how |= {"to": number, "stay": how["stay"] + 5 * len(keys)}
            return how, keys
        return how, ()

    # The end

    async def _summary(self, store: Store, status: dict[str, Any], as_json: bool) -> int:
        entries, lost = [], []
        zone = datetime.now().astimezone().tzinfo or UTC
        for _ in range(40):
            # The last hang-ups are still on their way through the server.
            text = Path(status["queue_log"]).read_text(encoding="utf-8")
            entries = await store.entries_since(0)
            facts = await store.queued_facts(0, math.inf, pbx="sandbox")
            links = await store.link_facts("sandbox")
            log = read_queue_log({"queue_log": text})
            found = account(log, entries, facts, gaps_of(links), zone=zone).differences
            lost = [difference for difference in found if difference.cause is None]
            calls = await store.open_calls("sandbox")
            if not lost and not calls:
                break
            await asyncio.sleep(0.25)
        counted = await store.recent_calls(500)
        answered = [call for call in counted if call.answered_at is not None]
        abandoned = [entry for entry in entries if entry.outcome == "abandoned"]
        summary = {
            "calls": len(counted),
            "answered": len(answered),
            "abandoned": len(abandoned),
            "popped": len(self._watch.calls),
            "lost": len(lost),
            "pop_ms": {
                "p50": _percentile(self._watch.milliseconds, 50),
                "p99": _percentile(self._watch.milliseconds, 99),
            },
        }
        if as_json:
            print(json.dumps(summary), flush=True)
        else:
            self._print_summary(summary)
        for difference in lost:
            self._console.print(f"{difference.queue} {difference.uniqueid}: {difference.what}")
        return 0 if counted and not lost else 1

    def _print_summary(self, summary: dict[str, Any]) -> None:
        pop = summary["pop_ms"]
        self._console.print(
            f"{summary['calls']} calls, {summary['answered']} answered,"
            f" {summary['abandoned']} abandoned, {summary['popped']} popped"
            f" (p50 {pop['p50']} ms, p99 {pop['p99']} ms from the ring to the console).",
            soft_wrap=True,
        )
        if summary["lost"]:
            self._console.print(f"{summary['lost']} stays differ from Asterisk's queue_log:")
        else:
            self._console.print("Every stay in Asterisk's queue_log is in the store, once.")


def _port(asked: int | None) -> int:
    if asked is not None:
        if not free(asked, socket.SOCK_STREAM):
            raise UserError(f"port {asked} is taken; choose another with --port")
        return asked
    if free(PREFERRED_PORT, socket.SOCK_STREAM):
        return PREFERRED_PORT
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        return int(taken.getsockname()[1])


async def _store(config: Path) -> Store:
    settings = load(config)
    await upgrade(settings.database.url)
    crm = settings.crm
    store = Store(settings.database.url, settings.phone.region, crm.statuses, crm.languages)
    await store.open()
    return store


def _phones() -> list[PhoneSpec]:
    """Eight phones: they take two to six seconds to answer, sometimes hang up first, and now and
    then nobody is at the desk. Two of them ring only for who logs in at them."""
    specs = []
    for index in range(8):
        ring = 2.0 + index * 0.6
        specs.append(
            PhoneSpec(
                f"{1001 + index}",
                (
                    Manner(ring=ring, weight=0.6),
                    Manner(ring=ring, talk=9.0 + index, weight=0.3),
                    Manner(answers="no-answer", weight=0.06),
                    Manner(answers="busy", weight=0.04),
                ),
            )
        )
    return specs


def _managers() -> tuple[Manner, ...]:
    """Managers take their customers, or a voicemail does, or nobody."""
    return (
        Manner(ring=2.0, digits="1", digits_after=2.0, talk=12.0, weight=0.6),
        Manner(ring=2.0, talk=15.0, weight=0.3),
        Manner(answers="busy", weight=0.1),
    )


@contextlib.asynccontextmanager
async def _server(config: Path) -> AsyncIterator[None]:
    """`cordboard serve` as a process of its own; its log is shown when it fails."""
    log = config.with_suffix(".log")
    speaking = speakers(fetch=False)
    path = os.environ.get("PATH", "")
    command = [sys.executable, "-m", "cordboard", "serve", "--config", str(config), "--log", "json"]
    with log.open("wb") as out:
        process = await asyncio.create_subprocess_exec(
            *tethered(command),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            env={
                **os.environ,
                "PYTHONUNBUFFERED": "1",
                "PATH": f"{speaking}:{path}" if speaking else path,
            },
        )
    try:
        await _ready(f"http://{load(config).http.listen}/readyz", process, log)
        yield
    finally:
        if process.returncode is None:
            process.terminate()
            if not await _within(process.wait(), 10):
                process.kill()
                await process.wait()


async def _ready(url: str, process: asyncio.subprocess.Process, log: Path) -> None:
    deadline = time.monotonic() + READY_WITHIN
    async with aiohttp.ClientSession() as session:
        while time.monotonic() < deadline and process.returncode is None:
            with contextlib.suppress(aiohttp.ClientError):
                async with session.get(url) as answer:
                    own = b'"serving"' in log.read_bytes()  # another may be listening there
                    if answer.status == 200 and own:
                        return
            await asyncio.sleep(0.1)
    said = log.read_text(encoding="utf-8", errors="replace")[-3000:]
    raise PeerError(f"the server did not become ready:\n{said}")


@contextlib.asynccontextmanager
async def _consoles(listen: str, logins: list[Login], watch: Watch) -> AsyncIterator[None]:
    """A console for each operator that acknowledges its pops, as a browser does."""
    consoles = [
        asyncio.create_task(_console(f"ws://{listen}/api/v1/stream", login, watch))
        for login in logins
        if login.role == "operator"
    ]
    try:
        yield
    finally:
        for console in consoles:
            console.cancel()
        await asyncio.gather(*consoles, return_exceptions=True)


async def _console(url: str, login: Login, watch: Watch) -> None:
    while True:
        headers = {"Authorization": f"Bearer {login.token}"}
        with contextlib.suppress(ConnectionClosed, OSError, TimeoutError):
            async with connect(url, additional_headers=headers, compression=None) as stream:
                async for text in stream:
                    message = json.loads(text)
                    watch.look(message, login.name)
                    if message["type"] == "screenpop" and message["id"] not in watch.pops:
                        watch.pops.add(message["id"])
                        watch.calls.add(message["call"]["id"])
                        rang = datetime.fromisoformat(message["at"])
                        gone = (datetime.now(UTC) - rang).total_seconds()
                        watch.milliseconds.append(gone * 1000)
                        await stream.send(json.dumps({"type": "ack", "id": message["id"]}))
        await asyncio.sleep(0.5)


async def _press(caller: LiveCall, keys: tuple[str, ...], pause: float) -> None:
    with contextlib.suppress(PeerError, OSError):
        for digits in keys:
            await asyncio.sleep(pause)
            if caller.result.done():
                return
            await caller.line.press(digits)


async def _within(work: Any, seconds: float | None) -> bool:
    """Whether `work` was done in time."""
    try:
        async with asyncio.timeout(seconds):
            await work
    except TimeoutError:
        return False
    return True


def _percentile(values: list[float], percent: int) -> float | None:
    """The nearest rank; None of nothing."""
    if not values:
        return None
    ordered = sorted(values)
    return round(ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))], 1)
