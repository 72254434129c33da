"""Webhooks over real HTTP from a real store, on both databases: nothing is lost, the order in a
call holds, and what fails holds up nobody else."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from outside_system import OutsideSystem, hangs, late, outside_system, says, sends
from prometheus_client import CollectorRegistry
from signatures import verify
from store_fixtures import *  # noqa: F403

from cordboard import config, webhooks
from cordboard.crm_core.model import CallRecord, FactRecord
from cordboard.crm_core.store import Store
from cordboard.errors import PeerError, UserError
from cordboard.events import derived_id
from cordboard.webhooks import UNNOTED, Webhooks

KEY = b"a key of ours, long enough"
NOW = 1_790_000_000.25


class Hooks:
    """Webhooks that run, and a clock that a test may move."""

    def __init__(self, store: Store, *tables: config.Webhook) -> None:
        self.now = NOW
        self.registry = CollectorRegistry()
        self.told: list[tuple[int, str]] = []
        self.webhooks = Webhooks(
            tables,
            store,
            lambda: self.now,  # type: ignore[arg-type]
            self.registry,
            lambda count, names: self.told.append((count, names)),
        )
        self.task = asyncio.create_task(self.webhooks.run())

    async def stop(self) -> None:
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task  # raises what broke it

    async def fails_again(self) -> None:
        failed = self.metric("events_total", outcome="failed")
        await settled(lambda: self.metric("events_total", outcome="failed") > failed)

    async def killed(self) -> None:
        """Ends without another note in the store, as after kill -9."""
        for each in self.webhooks._webhooks:
            each._note = _nothing  # type: ignore[method-assign]
        await self.stop()

    def metric(self, name: str, **labels: str) -> float:
        found = self.registry.get_sample_value(
            f"cordboard_webhook_{name}", {"webhook": "erp", **labels}
        )
        return found or 0.0


async def _nothing(last: bool = False) -> None:
    pass


@pytest.fixture
async def system() -> AsyncIterator[OutsideSystem]:
    async with outside_system() as one:
        one.mood = says({})
        yield one


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "erp.secret"
    path.write_bytes(KEY)
    return path


def table(system: OutsideSystem, secret: Path, **more: Any) -> config.Webhook:
    values = {"name": "erp", "url": f"{system.base}/hook", "secret_file": secret}
    return config.Webhook.model_validate(values | more)


@asynccontextmanager
async def running(store: Store, *tables: config.Webhook) -> AsyncIterator[Hooks]:
    for one in tables:
        await store.mark(one.name)
    hooks = Hooks(store, *tables)
    try:
        yield hooks
    finally:
        await hooks.stop()


def call_id(number: int) -> str:
    return derived_id(int(NOW * 1000), "call", str(number))


def record(number: int) -> CallRecord:
    return CallRecord(
        call_id(number), "pbx", "b", f"17900000{number:02}.1", f"+7916000{number:04}", "", "8800",
        None, "sales", "anna", "in", "ended", "completed", "[]", NOW, NOW, NOW,
    )  # fmt: skip


def fact(call: int, step: int, kind: str = "held") -> FactRecord:
    data = {"by": f"PJSIP/{step}", "cause": "completed", "name": ""}
    return FactRecord(call_id(call), NOW + step, kind, json.dumps(data))


async def happen(store: Store, calls: Sequence[int], steps: Sequence[int]) -> int:
    """In each of these calls one fact after the other, all calls at the same time."""
    await store.write([record(number) for number in calls])
    for step in steps:
        await store.write([fact(number, step) for number in calls])
    return len(calls) * len(steps)


def ids(system: OutsideSystem) -> list[str]:
    return [heard.headers["webhook-id"] for heard in system.heard]


def steps(
    system: OutsideSystem, accepted: Callable[[int], bool] = lambda at: True
) -> dict[str, list[int]]:
    """What was sent of each call, in order."""
    found: dict[str, list[int]] = {}
    for at, heard in enumerate(system.heard):
        if accepted(at):
            said = json.loads(heard.body)
            found.setdefault(said["call"]["id"], []).append(int(said["data"]["channel"][6:]))
    return found


def in_order(sent: Sequence[int]) -> bool:
    """Repetitions of the one before are allowed, steps back are not."""
    return all(after >= before for before, after in itertools.pairwise(sent))


def first_in_order(sent: Sequence[int]) -> bool:
    """Over restarts, for who leaves out what he has had: by its id."""
    return list(dict.fromkeys(sent)) == sorted(set(sent))


async def settled(condition: Callable[[], bool], within: float = 60) -> None:
    async with asyncio.timeout(within):
        while not condition():
            await asyncio.sleep(0.01)


# What is sent


async def test_every_event_is_sent_once_signed_and_in_the_order_of_its_call(
    store: Store, system: OutsideSystem, secret: Path
) -> None:
    async with running(store, table(system, secret)) as hooks:
        total = await happen(store, range(10), range(10))
        await system.until(lambda: len(system.heard) >= total)
        await settled(lambda: hooks.metric("events_total", outcome="delivered") == total)
    assert len(set(ids(system))) == len(system.heard) == total
    assert all(sent == list(range(10)) for sent in steps(system).values())
    for heard in system.heard:
        assert (heard.method, heard.path) == ("POST", "/hook")
        assert verify(KEY, heard.headers, heard.body)
        assert not verify(b"some other key, long", heard.headers, heard.body)
        assert json.loads(heard.body)["id"] == heard.headers["webhook-id"]


async def test_the_call_is_told_with_its_numbers_or_without_their_middle(
    store: Store, system: OutsideSystem, secret: Path
) -> None:
    hidden = table(system, secret, name="masked", mask_numbers=True, events=["call.ended"])
    plain = table(system, secret, events=["call.ended"])
    async with running(store, plain, hidden):
        await store.write([record(1), fact(1, 1), fact(1, 2, "cleared"), fact(1, 3, "linkup")])
        await system.until(lambda: len(system.heard) == 2)
    said = [json.loads(heard.body) for heard in system.heard]
    assert {one["type"] for one in said} == {"call.ended"}
    assert {one["call"]["from"] for one in said} == {"+79160000001", "+791******01"}
    assert said[0]["id"] == said[1]["id"]


async def test_a_webhook_that_is_new_is_told_from_then_on(
    store: Store, system: OutsideSystem, secret: Path
) -> None:
    await happen(store, [1], [1, 2])
    async with running(store, table(system, secret)):
        await happen(store, [1], [3])
        await system.until(lambda: bool(system.heard))
    assert steps(system) == {call_id(1): [3]}


# What fails


async def test_a_call_whose_event_fails_waits_and_the_others_go_on(
    store: Store, system: OutsideSystem, secret: Path
) -> None:
    taken: set[int] = set()
    poison = True

    async def mood(request: web.Request) -> web.Response:
        said = json.loads(await request.read())
        if poison and said["call"]["id"] == call_id(1) and said["data"]["channel"] == "PJSIP/2":
            return web.Response(status=500)
        taken.add(len(system.heard) - 1)
        return web.Response(status=204)

    system.mood = mood
    async with running(store, table(system, secret)) as hooks:
        await happen(store, range(5), range(5))
        await settled(lambda: hooks.metric("events_total", outcome="delivered") == 22)
        assert steps(system, taken.__contains__)[call_id(1)] == [0, 1]
        # Also those that begin long after, while it is tried again and again.
        for _ in range(8):
            hooks.now += 700
            await hooks.fails_again()
        await happen(store, [7], range(3))
        await settled(lambda: hooks.metric("events_total", outcome="delivered") == 25)
        hooks.webhooks.tell()
        assert hooks.told[-1] == (1, "erp")
        assert hooks.metric("owed") == 3
        poison = False
        hooks.now += 700
        await settled(lambda: hooks.metric("events_total", outcome="delivered") == 28)
        hooks.webhooks.tell()
        assert hooks.told[-1] == (0, "")
        assert hooks.metric("owed") == 0
    assert all(in_order(sent) for sent in steps(system).values())
    assert steps(system, taken.__contains__)[call_id(1)] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("trouble", ["500", "redirect", "silence", "gone away"])
async def test_a_receiver_that_is_away_is_asked_seldom_and_has_everything_in_order_afterwards(
    store: Store, system: OutsideSystem, secret: Path, trouble: str
) -> None:
    system.mood = {
        "500": says({}, 500),
        "redirect": sends(b"", 307, Location="/elsewhere"),
        "silence": hangs,
        "gone away": says({}, 503),
    }[trouble]
    async with running(store, table(system, secret, timeout_seconds=0.1, connections=2)) as hooks:
        total = await happen(store, range(20), range(5))
        await settled(lambda: hooks.webhooks._webhooks[0].trouble)
        tried = len(system.heard)
        await asyncio.sleep(0.6)
        assert len(system.heard) <= tried + 2
        hooks.webhooks.tell()
        assert hooks.told[-1] == (1, "erp")
        system.mood = late(0.002, says({}))
        accepted = len(system.heard)
        async with asyncio.timeout(60):
            while hooks.metric("events_total", outcome="delivered") < total:
                hooks.now += 5
                await asyncio.sleep(0.02)
        hooks.webhooks.tell()
        assert hooks.told[-1] == (0, "")
        assert (hooks.metric("owed"), hooks.metric("behind_seconds")) == (0, 0)
    after = steps(system, lambda at: at >= accepted + 2)
    assert all(in_order(sent) for sent in steps(system).values())
    assert set(ids(system)) >= set(ids(system)[:tried])
    assert len(set(ids(system))) == total
    assert sum(map(len, after.values())) >= total - 2


async def test_what_cannot_be_delivered_is_given_up_after_its_time_and_what_follows_is_sent(
    store: Store, system: OutsideSystem, secret: Path
) -> None:
    async def mood(request: web.Request) -> web.Response:
        said = json.loads(await request.read())
        return web.Response(status=400 if said["data"]["channel"] == "PJSIP/0" else 200)

    system.mood = mood
    async with running(store, table(system, secret, retry_hours=1)) as hooks:
        await happen(store, [1], range(3))
        await settled(lambda: hooks.metric("events_total", outcome="failed") == 1)
        assert hooks.metric("events_total", outcome="delivered") == 0
        hooks.now += 3601
        await settled(lambda: hooks.metric("events_total", outcome="delivered") == 2)
        assert hooks.metric("events_total", outcome="given-up") == 1
        hooks.webhooks.tell()
        assert hooks.told[-1] == (1, "erp")
        hooks.now += 3601
        hooks.webhooks.tell()
        assert hooks.told[-1] == (0, "")


async def test_who_says_that_nobody_is_there_any_more_is_left_alone_until_the_url_is_another(
    store: Store, system: OutsideSystem, secret: Path
) -> None:
    system.mood = says({}, 410)
    async with running(store, table(system, secret, connections=1)) as hooks:
        total = await happen(store, [1, 2], range(3))
        await settled(lambda: hooks.webhooks._webhooks[0].trouble)
        await settled(lambda: hooks.told[-1:] == [(1, "erp")])
        async with asyncio.timeout(60):
            while (await store.mark("erp")).gone is None:  # a stop before that asks once more
                await asyncio.sleep(0.02)
    asked = len(system.heard)
    assert asked == 1
    async with running(store, table(system, secret)) as hooks:
        await settled(lambda: hooks.told[-1:] == [(1, "erp")])
        await asyncio.sleep(0.5)
    assert len(system.heard) == asked
    system.mood = says({})
    async with running(store, table(system, secret, url=f"{system.base}/new")) as hooks:
        hooks.now += 700
        await settled(lambda: hooks.metric("events_total", outcome="delivered") == total)
    assert {heard.path for heard in system.heard[1:]} == {"/new"}
    assert all(in_order(sent) for sent in steps(system).values())


async def test_a_receiver_that_is_slow_for_one_call_holds_up_no_other(
    store: Store, system: OutsideSystem, secret: Path
) -> None:
    async def mood(request: web.Request) -> web.StreamResponse:
        said = json.loads(await request.read())
        return await (hangs if said["call"]["id"] == call_id(1) else says({}))(request)

    system.mood = mood
    async with running(store, table(system, secret, connections=2)) as hooks:
        await happen(store, range(40), range(5))
        await settled(lambda: hooks.metric("events_total", outcome="delivered") == 195)
        assert hooks.metric("events_total", outcome="failed") == 0
        await hooks.killed()
    # What it held up from being noted is not sent again beyond the bound.
    before = Counter(ids(system))
    system.mood = says({})
    async with running(store, table(system, secret)) as hooks:
        await settled(lambda: hooks.metric("events_total", outcome="delivered") >= 5)
        await asyncio.sleep(0.5)
    again = Counter(ids(system)) - before
    assert sum(again.values()) <= UNNOTED + 5
    assert len(set(ids(system))) == 200


# Restarts


async def test_a_kill_at_any_moment_loses_nothing_and_repeats_no_more_than_was_in_flight(
    store: Store, system: OutsideSystem, secret: Path
) -> None:
    chance = random.Random(7)
    taken: list[str] = []

    async def mood(request: web.Request) -> web.Response:
        await asyncio.sleep(chance.random() * 0.01)
        if chance.random() < 0.1:
            return web.Response(status=503)
        taken.append(request.headers["webhook-id"])
        return web.Response()

    system.mood = mood
    one = table(system, secret)
    total = 0
    await store.mark("erp")
    kills = 6
    for turn in range(kills):
        hooks = Hooks(store, one)
        hooks.now += turn * 700
        total += await happen(store, range(turn * 5, turn * 5 + 8), range(turn * 10, turn * 10 + 6))
        await asyncio.sleep(chance.random() * 0.6)
        await hooks.killed()
    async with running(store, one) as hooks:
        async with asyncio.timeout(30):
            while len(set(taken)) < total:
                hooks.now += 60
                await asyncio.sleep(0.05)
    assert len(set(taken)) == total
    assert all(first_in_order(sent) for sent in steps(system).values())
    assert len(taken) - total <= kills * UNNOTED


async def test_an_orderly_stop_repeats_nothing(
    store: Store, system: OutsideSystem, secret: Path
) -> None:
    one = table(system, secret)
    async with running(store, one) as hooks:
        first = await happen(store, range(20), range(3))
        await settled(lambda: hooks.metric("events_total", outcome="delivered") == first)
    async with running(store, one) as hooks:
        more = await happen(store, range(20), range(3, 5))
        await settled(lambda: hooks.metric("events_total", outcome="delivered") == more)
        await asyncio.sleep(0.4)
    assert len(system.heard) == len(set(ids(system))) == first + more


async def test_while_the_store_is_away_no_more_is_sent_than_can_be_noted(
    store: Store, system: OutsideSystem, secret: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*args: Any) -> None:
        raise PeerError("away")

    monkeypatch.setattr(webhooks, "AWAY", 0.01)
    noting = store.note
    async with running(store, table(system, secret)) as hooks:
        monkeypatch.setattr(store, "note", away)
        total = await happen(store, range(50), range(4))
        await settled(lambda: len(system.heard) >= UNNOTED)
        await asyncio.sleep(0.3)
        assert len(system.heard) == UNNOTED
        monkeypatch.setattr(store, "note", noting)
        await settled(lambda: hooks.metric("events_total", outcome="delivered") == total)
    assert len(set(ids(system))) == len(system.heard) == total


async def test_an_event_whose_fact_was_erased_meanwhile_holds_up_nothing(
    store: Store, system: OutsideSystem, secret: Path
) -> None:
    system.mood = says({}, 500)
    async with running(store, table(system, secret)) as hooks:
        await happen(store, [1], range(2))
        await settled(lambda: hooks.metric("events_total", outcome="failed") == 1)
    from cordboard.crm_core.tables import call_fact

    await store.database.write(
        lambda connection: connection.execute(call_fact.delete().where(call_fact.c.at == NOW))
    )
    system.mood = says({})
    async with running(store, table(system, secret)) as hooks:
        hooks.now += 700
        await settled(lambda: hooks.metric("events_total", outcome="delivered") == 1)
    assert steps(system)[call_id(1)] == [0, 1]


# The configuration


@pytest.mark.parametrize("text", ["", "short", "whsec_***"])
def test_a_secret_that_cannot_be_used_is_told(tmp_path: Path, system_url: str, text: str) -> None:
    path = tmp_path / "bad.secret"
    path.write_text(text)
    one = config.Webhook(name="erp", url=system_url, secret_file=path)
    with pytest.raises(UserError, match="secret_file"):
        webhooks.keys_of(one)


@pytest.fixture
def system_url() -> str:
    return "https://erp.example/hook"


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"url": "https://erp.example/{number}"}, "placeholder"),
        ({"url": "file:///etc/passwd"}, "http"),
        ({"url": "http://169.254.169.254/"}, "link-local"),
        ({"events": ["call.dtmf"]}, "no event is called"),
        ({"retry_hours": 0}, "retry_hours"),
        ({"name": "a b"}, "name"),
    ],
)
def test_a_webhook_that_cannot_be_meant_is_refused(more: dict[str, Any], words: str) -> None:
    one = {"name": "erp", "url": "https://erp.example/hook", "secret_file": "x"} | more
    with pytest.raises(ValueError, match=words):
        config.Settings.model_validate({"webhook": [one]})
