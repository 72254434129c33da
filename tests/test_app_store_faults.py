"""The store never loses a call: a database that is locked, stopped or full while calls go on, on
the real Asterisk with SIPp; and a restart of the server in any state of a call."""

from __future__ import annotations

import asyncio
import resource
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from pbx_fixtures import Heard
from postgres_fixtures import PostgresServer, postgres_url
from server_fixtures import Message, Server, Stream, state_of

from cordboard.config import load
from cordboard.crm_core.store import Store
from cordboard.desk.records import HANDLED
from cordboard.sandbox.pbx import SandboxPbx
from cordboard.sandbox.scenarios import Manner
from cordboard.sandbox.sip import Phones, PhoneSpec, call, dial

__all__ = ["postgres_url"]

pytestmark = [pytest.mark.pbx, pytest.mark.faults]

NUMBER = "79161234567"
ANNA = PhoneSpec("1001", (Manner(ring=0.3),))
BORIS = PhoneSpec("1002", (Manner(ring=0.3),))


def alarm(kind: str, message: Message) -> bool:
    return message["type"] == "alarm" and bool(message["alarm"]["kind"] == kind)


def is_over(kind: str, message: Message) -> bool:
    return message["type"] == "alarm-end" and bool(message["kind"] == kind)


@contextmanager
def locked(server: Server) -> Iterator[None]:
    """Another program keeps the SQLite file to itself."""
    other = sqlite3.connect(server.database.removeprefix("sqlite:///"), isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


@contextmanager
def no_room(server: Server) -> Iterator[None]:
    """No file of the server grows: neither database nor spool, nor its log."""
    limits = resource.prlimit(server.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (1, limits[1]))
    try:
        yield
    finally:
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, limits)


async def level(server: Server) -> None:
    """Returns when the database has everything."""
    async with asyncio.timeout(90):
        while await server.metric("cordboard_unsaved_records"):
            await asyncio.sleep(0.1)


async def ready(server: Server) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(f"{server.base}/readyz") as answer:
        return answer.status, await answer.text()


@asynccontextmanager
async def opened(server: Server) -> AsyncIterator[Store]:
    store = Store(load(server.config).database.url)
    await store.open()
    yield store
    await store.close()


async def assert_accounted(server: Server, outcomes: Counter[str | None]) -> None:
    """Each of the calls, and each stay in a queue, is there once, and over; so are the facts that
    come once in a call."""
    async with opened(server) as store:
        calls = await store.recent_calls(100)
        entries = [entry for each in calls for entry in await store.call_entries(each.id)]
        facts = {each.id: await store.call_facts(each.id) for each in calls}
    assert len(calls) == outcomes.total()
    assert all(each.state == "ended" and each.ended_at is not None for each in calls)
    assert Counter(entry.outcome for entry in entries) == outcomes
    assert all(entry.left_at is not None for entry in entries)
    for each in calls:
        kinds = Counter(fact.kind for fact in facts[each.id])
        assert [kinds[kind] for kind in ("offered", "queued", "queueleft", "cleared")] == [1] * 4
        assert facts[each.id][0].kind == "offered"
        # What the call took of its operator is known only after the wrap-up.
        told = [fact.kind for fact in facts[each.id] if fact.kind != HANDLED]
        assert told[-1] == "cleared"


async def assert_noted(server: Server, call_id: str) -> None:
    async with opened(server) as store:
        known = await store.call(call_id)
        assert known
        assert known.customer_id
        card = await store.card(known.customer_id)
    assert card
    assert [{"note": each.note, "result": each.result} for each in card.history] == [NOTE]


async def three_calls_while_away(server: Server, board: Stream, away: Any) -> str:
    """One that was talking before, one that comes and goes meanwhile, one that gives up; a note
    is written. The id of the first."""
    async with Phones(server.status, [ANNA]), server.stream("anna") as console:
        first = dial(server.status, NUMBER, "First", stay=5)
        talking = await console.call("talking")
        with away:
            async with Phones(server.status, [BORIS]):
                second = dial(server.status, "79160000002", "Second", stay=2)
                assert (await board.until(lambda m: alarm("spooling", m)))["alarm"]["count"] >= 1
                assert (await second.result).outcome == "completed"
            await call(server.status, "79160000003", "Third", stay=1)
            assert (await first.result).outcome == "completed"
            await console.until(lambda m: state_of(m, "anna") == "wrap-up")
            status, said = await ready(server)
            assert status == 503
            assert "records, which wait in the spool" in said
            body = {"action": "wrapup", "args": NOTE, "reason": ""}
            await server.api("POST", f"/calls/{talking['id']}/actions", body, by="anna")
            assert (await console.until(lambda m: m["type"] == "result"))["ok"]
    return str(talking["id"])


NOTE = {"note": "written meanwhile", "result": "order"}
OUTCOMES: Counter[str | None] = Counter({"connected": 2, "abandoned": 1})


async def test_with_sqlite_locked_calls_go_on_and_all_is_written_once_when_it_is_free(
    server: Server,
) -> None:
    await server.customer(NUMBER, status="regular", language="ru")
    async with server.stream("maria") as board:
        first = await three_calls_while_away(server, board, locked(server))
        await board.until(lambda m: is_over("spooling", m))
        await level(server)
    assert (await ready(server))[0] == 200
    await assert_accounted(server, OUTCOMES)
    await assert_noted(server, first)


async def test_what_waits_outlives_a_kill_9_of_the_server(server: Server) -> None:
    async with Phones(server.status, [ANNA]), server.stream("maria") as board:
        with locked(server):
            caller = dial(server.status, NUMBER, "Unlucky", stay=2)
            await board.until(lambda m: m["type"] == "call-end" or alarm("spooling", m))
            await caller.result
            await board.until(lambda m: m["type"] == "call" and m["call"]["state"] == "ended")
            server.kill()
            spool = Path(server.database.removeprefix("sqlite:///")).with_suffix(".spool")
            assert spool.stat().st_size > 0
    await server.start()
    await level(server)
    assert spool.stat().st_size == 0
    await assert_accounted(server, Counter({"connected": 1}))


@pytest.mark.postgres
async def test_with_postgresql_stopped_callers_are_served_as_unknown_and_cards_say_so(
    tmp_path: Path,
    pbx: SandboxPbx,
    sandbox: dict[str, Any],
    postgres_server: PostgresServer,
    postgres_url: str,
) -> None:
    pbx.cli("queue reset stats")
    server = Server(tmp_path, sandbox, database=postgres_url)
    await server.prepare()
    await server.start()

    @contextmanager
    def stopped() -> Iterator[None]:
        postgres_server.stop()
        try:
            yield
        finally:
            postgres_server.start()

    try:
        for number in (NUMBER, "79160000002"):
            await server.customer(number, status="regular", language="ru")
        async with server.stream("maria") as board:
            first = await three_calls_while_away(server, board, stopped())
            await board.until(lambda m: is_over("spooling", m))
            await level(server)
        pops = {pop["call"]["from"]: pop for pop in board.of("screenpop")}
        assert not pops[f"+{NUMBER}"]["lookup_failed"]
        unknown = pops["+79160000002"]
        assert (unknown["lookup_failed"], unknown["customer"]) == (True, None)
        await assert_accounted(server, OUTCOMES)
        await assert_noted(server, first)
    finally:
        server.stop()


@pytest.mark.postgres
async def test_when_postgresql_is_back_the_card_of_a_call_that_lives_has_its_customer(
    tmp_path: Path,
    pbx: SandboxPbx,
    sandbox: dict[str, Any],
    postgres_server: PostgresServer,
    postgres_url: str,
) -> None:
    server = Server(tmp_path, sandbox, database=postgres_url)
    await server.prepare()
    await server.start()
    try:
        await server.customer(NUMBER, status="regular", language="ru")
        async with Phones(server.status, [ANNA]), server.stream("anna") as console:
            postgres_server.stop()
            try:
                caller = dial(server.status, NUMBER, "Caller", stay=40)
                pop = await console.pop()
                assert (pop["lookup_failed"], pop["customer"]) == (True, None)
            finally:
                postgres_server.start()
            again = await console.until(lambda m: m["type"] == "screenpop" and m["customer"])
            assert (again["id"], again["lookup_failed"]) == (pop["id"], False)
            await caller.hang_up()
    finally:
        server.stop()


async def test_with_the_disk_full_calls_go_on_writes_are_refused_in_words_and_all_comes_back(
    server: Server,
) -> None:
    async with Phones(server.status, [ANNA]), server.stream("maria") as board:
        with no_room(server):
            caller = dial(server.status, NUMBER, "Caller", stay=3)
            await board.until(lambda m: alarm("disk-full", m))
            assert (await board.call("ended"))["cause"] == "completed"
            assert (await caller.result).outcome == "completed"
            assert await server.metric("cordboard_held_records") > 0
            headers = {"Authorization": f"Bearer {server.tokens['maria']}"}
            body = {"kind": "person", "name": "New", "phones": ["+79160000009"]}
            url = f"{server.base}/api/v1/customers"
            async with (
                aiohttp.ClientSession(headers=headers) as session,
                session.post(url, json=body) as answer,
            ):
                assert answer.status == 507
                assert "nothing was saved" in (await answer.json())["error"]["message"]
            talked = board.of("call")[-1]["call"]["id"]
            note = {"action": "wrapup", "args": {"note": "kept"}, "reason": ""}
            await server.api("POST", f"/calls/{talked}/actions", note)
            refused = await board.until(lambda m: m["type"] == "result")
            assert (refused["ok"], "nothing was saved" in refused["error"]) == (False, True)
        await board.until(lambda m: is_over("disk-full", m))
        await level(server)
    assert await server.metric("cordboard_lost_records") == 0
    await assert_accounted(server, Counter({"connected": 1}))
    await server.customer("79160000009")


async def test_a_wrap_up_outlives_a_restart_and_can_be_saved(server: Server) -> None:
    await server.customer(NUMBER, status="vip", language="ru")
    async with Phones(server.status, [ANNA]):
        async with server.stream("anna") as console:
            caller = dial(server.status, NUMBER, "Caller", stay=2)
            pop = await console.pop()
            await console.until(lambda m: state_of(m, "anna") == "wrap-up")
            await caller.result
        server.kill()
        await server.start()
        async with server.stream("anna") as console:
            snapshot = await server.recognised("anna")
            (again,) = snapshot["pops"]
            for key in ("id", "operator", "customer"):
                assert again[key] == pop[key]
            assert again["route"]["why"] == pop["route"]["why"]
            states = {each["name"]: each["state"] for each in snapshot["operators"]}
            assert states["anna"] == "wrap-up"
            body = {"action": "wrapup", "args": {"note": "late", "result": "order"}, "reason": ""}
            await server.api("POST", f"/calls/{pop['call']['id']}/actions", body, by="anna")
            ended = await console.until(lambda m: m["type"] == "screenpop-end")
            assert (ended["id"], ended["reason"]) == (pop["id"], "done")
    await server.restart()
    async with server.stream("anna") as console:
        assert console.messages[0]["pops"] == []


async def test_a_call_on_hold_keeps_its_id_and_its_card_over_a_restart(
    server: Server, pbx: SandboxPbx, ami: Heard
) -> None:
    await server.customer(NUMBER, status="vip", language="ru")
    holding = PhoneSpec("1001", (Manner(ring=0.3, hold=(0.5, 60)),))
    async with Phones(server.status, [holding]):
        async with server.stream("anna") as console:
            caller = dial(server.status, NUMBER, "Held", stay=60)
            pop = await console.pop()
            await console.until(lambda m: state_of(m, "anna") == "on-hold")
        server.kill()
        await server.start()
        async with server.stream("anna") as console:
            snapshot = console.messages[0]
            assert [each["id"] for each in snapshot["pops"]] == [pop["id"]]
            assert [each["id"] for each in snapshot["calls"]] == [pop["call"]["id"]]
            pbx.hang_up_all()
            await console.call("ended")
            await caller.result
    async with opened(server) as store:
        (kept,) = await store.recent_calls()
        assert (kept.state, kept.operator) == ("ended", "anna")
