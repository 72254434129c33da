"""The real web application on a free loopback port, over a real SQLite store, and clients of it:
aiohttp's for HTTP, and for the stream the independent `websockets`."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry
from store_fixtures import CHEAP
from websockets.asyncio.client import ClientConnection, connect

from cordboard.config import Crm, Http, Pbx, Settings
from cordboard.crm_core.model import User
from cordboard.crm_core.store import Store
from cordboard.desk.facts import ActionAsked, CustomerChanged, CustomerStale, RespondentTaken
from cordboard.errors import PeerError
from cordboard.ivr.script import Script
from cordboard.screenpop.forms import Enquire, nobody_answers
from cordboard.screenpop.hub import Hub, Limits
from cordboard.screenpop.sessions import csrf_of
from cordboard.screenpop.web import make_app

__all__ = ["desk", "peopled", "place"]

PASSWORD = "correct horse"
USERS = {"anna": "operator", "boris": "operator", "sveta": "supervisor", "root": "admin"}
DEADLINE = 60


class Clock:
    """Monotonic seconds that stand still until a test moves them."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Browser:
    """A logged-in browser: cookie, Origin and CSRF token as a page would send them."""

    def __init__(self, desk: Desk, opaque: str) -> None:
        self.desk = desk
        self.opaque = opaque
        self.headers = {
            "Cookie": f"cordboard_session={opaque}",
            "Origin": desk.origin,
            "X-CSRF-Token": csrf_of(opaque),
        }


class Socket:
    """One live stream."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    async def next(self) -> dict[str, Any]:
        async with asyncio.timeout(DEADLINE):
            message: dict[str, Any] = json.loads(await self.connection.recv())
            return message

    async def until(self, kind: str) -> dict[str, Any]:
        while (message := await self.next())["type"] != kind:
            pass
        return message

    async def send(self, message: Any) -> None:
        text = message if isinstance(message, str | bytes) else json.dumps(message)
        await self.connection.send(text)

    async def echo(self) -> None:
        """Returns when the server has handled everything that was sent before."""
        await self.send({"type": "ping"})
        await self.until("pong")

    async def closed(self) -> int | None:
        """The code with which the server closed, after whatever it still had to say."""
        async with asyncio.timeout(DEADLINE):
            await self.connection.wait_closed()
        return self.connection.close_code


HELLO = """
version: 1
name: hello
title: { en: Good day, ru: Добрый день }
languages: [en, ru]
steps:
  - id: menu
    menu:
      prompt: { en: Which, ru: Что }
      choices: { "1": { text: { en: one, ru: один }, goto: bye } }
    on: { noinput: person }
  - id: person
    route: { queue: support }
  - id: bye
    hangup: { en: Bye, ru: Пока }
"""


class Shelf:
    """A library with one script in it."""

    def __init__(self) -> None:
        self.hello = Script.parse(HELLO)
        self.scripts = {"hello": self.hello}
        self.faults: dict[str, list[str]] = {}

    def script(self, name: str, version: str | None = None) -> Script | None:
        return self.scripts.get(name)


class Desk:
    def __init__(self, store: Store, limits: Limits, settings: Settings) -> None:
        self.store = store
        self.clock = Clock()
        self.registry = CollectorRegistry()
        self.hub = Hub(self.registry, limits, self.clock)
        self.settings = settings
        self.submitted: list[ActionAsked | CustomerChanged | CustomerStale | RespondentTaken] = []
        self.busy = False
        self.library = Shelf()
        self.enquire: Enquire = nobody_answers
        self.tokens: dict[str, str] = {}
        self.users: dict[str, User] = {}
        self.port = 0

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def submit(self, fact: ActionAsked | CustomerChanged | CustomerStale | RespondentTaken) -> None:
        if self.busy:
            raise PeerError("the desk is too busy; try again in a moment")
        self.submitted.append(fact)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        app = make_app(
            self.settings,
            self.store,
            self.hub,
            self.submit,
            self.registry,
            self.clock,
            library=self.library,
            enquire=lambda request: self.enquire(request),
        )
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.port = runner.addresses[0][1]
        self.http = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
        try:
            yield
        finally:
            await self.http.close()
            await runner.cleanup()

    async def browser(self, name: str) -> Browser:
        return Browser(self, await self.store.open_session(self.users[name]))

    def headers(self, name: str | None) -> dict[str, str]:
        return {} if name is None else {"Authorization": f"Bearer {self.tokens[name]}"}

    async def ask(
        self, method: str, path: str, name: str | None = None, **more: Any
    ) -> tuple[int, Any, aiohttp.ClientResponse]:
        """Status, JSON (or text) and the response, asked with the user's token."""
        headers = {**self.headers(name), **more.pop("headers", {})}
        async with (
            asyncio.timeout(DEADLINE),
            self.http.request(
                method, self.origin + path, headers=headers, allow_redirects=False, **more
            ) as response,
        ):
            text = await response.text()
            is_json = response.content_type == "application/json"
            return response.status, json.loads(text) if is_json else text, response

    def dial(self, name: str, query: str = "", **more: Any) -> connect:
        headers = more.pop("headers", self.headers(name))
        return connect(
            f"ws://127.0.0.1:{self.port}/api/v1/stream{query}",
            additional_headers=headers,
            proxy=None,
            open_timeout=DEADLINE,
            close_timeout=1,
            ping_interval=None,
            **more,
        )

    @contextlib.asynccontextmanager
    async def stream(self, name: str, query: str = "", **more: Any) -> AsyncIterator[Socket]:
        async with self.dial(name, query, **more) as connection:
            yield Socket(connection)

    def metric(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(name, labels) or 0.0

    async def settled(self, condition: Callable[[], bool]) -> None:
        """Waits for the server to come to `condition`."""
        async with asyncio.timeout(DEADLINE):
            while not condition():
                await asyncio.sleep(0.005)


def settings(**http: Any) -> Settings:
    return Settings(
        pbx=[Pbx(secret_file=Path("/nowhere"))],
        http=Http(**http),
        crm=Crm(statuses=["new", "vip"], languages=["ru", "bg"], currency="RUB"),
    )


@dataclass(frozen=True)
class Place:
    """A database with the people of `USERS` in it, and their tokens."""

    url: str
    tokens: dict[str, str]


@pytest.fixture(scope="session")
def peopled(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Place]:
    path = tmp_path_factory.mktemp("peopled") / "cordboard.db"
    url = f"sqlite:///{shutil.copy(sqlite_template, path)}"

    async def fill() -> dict[str, str]:
        store = Store(url, hasher=CHEAP)
        await store.open()
        tokens = {}
        for name, role in USERS.items():
            tokens[name] = await store.issue_token(await store.add_user(name, role, PASSWORD))
        await store.close()
        return tokens

    return path, Place(url, asyncio.run(fill()))


@pytest.fixture
def place(peopled: tuple[Path, Place], tmp_path: Path) -> Place:
    path, made = peopled
    return Place(f"sqlite:///{shutil.copy(path, tmp_path / 'cordboard.db')}", made.tokens)


@contextlib.asynccontextmanager
async def open_desk(place: Place, limits: Limits | None = None, **http: Any) -> AsyncIterator[Desk]:
    chosen = settings(**http)
    store = Store(place.url, "RU", chosen.crm.statuses, chosen.crm.languages, hasher=CHEAP)
    await store.open()
    try:
        made = Desk(store, replace(limits or Limits(), closing=0.5), chosen)
        made.tokens = place.tokens
        made.users = {user.name: user for user in await store.users()}
        async with made.running():
            yield made
    finally:
        await store.close()


@pytest.fixture
async def desk(place: Place) -> AsyncIterator[Desk]:
    async with open_desk(place) as made:
        yield made
