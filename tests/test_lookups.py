"""Outside systems asked over real HTTP: what they are sent, what becomes of rubbish and silence,
and that nobody waits longer than the deadline."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from outside_system import (
    GOOD,
    Mood,
    OutsideSystem,
    cuts,
    floods,
    hangs,
    late,
    outside_system,
    says,
    sends,
    trickles,
)
from prometheus_client import CollectorRegistry

from cordboard.config import ConfigError, Settings, load
from cordboard.crm_core.model import Card, Customer, User
from cordboard.desk.commands import FindCustomer
from cordboard.desk.facts import CustomerFound
from cordboard.errors import PeerError, UserError
from cordboard.events import Linkedid, PbxName
from cordboard.lookups import Lookups, Own
from cordboard.outbound import Resolver

NUMBER = "+79161234567"
DEADLINE = 0.3
OVER = 0.15
"""Seconds by which the machine may be late."""
OWN = Card(Customer("c1", "person", "Иван", (NUMBER,), "regular", "ru", None, None, 0, 0), ())
SVETA = User("u1", "sveta", "Света", "supervisor", None, "+79031110002", None, True)
MAP = {"status": "customer.class", "name": "customer.name", "balance": "customer.balance"}


class Desk:
    """Lookups over a store that a test plays."""

    def __init__(self, *tables: dict[str, Any], patient: bool = False) -> None:
        """`patient`: the deadline is so long that a busy machine does not miss it."""
        deadline = 4000 if patient else round(DEADLINE * 1000)
        tables = tuple({"deadline_ms": deadline} | one for one in tables)
        self.registry = CollectorRegistry()
        self.resting: list[tuple[int, str]] = []
        self.card: Card | None = OWN
        self.store_says: Exception | float | None = None
        self.lookups = Lookups(
            Settings.model_validate(
                {"lookup": list(tables), "desk": {"lookup_deadline_ms": deadline}}
            ),
            self._find,
            self.registry,
            lambda count, names: self.resting.append((count, names)),
        )
        self.lookups.employ([SVETA])

    async def _find(self, command: FindCustomer, number: str) -> Own:
        if isinstance(self.store_says, Exception):
            raise self.store_says
        if self.store_says:
            await asyncio.sleep(self.store_says)
        return self.card, None if command.since is None else 3

    async def found(self, number: str = NUMBER, again: bool = False) -> CustomerFound:
        command = FindCustomer(PbxName("pbx"), Linkedid("1.1"), number, again=again)
        return await self.lookups.found(command)

    async def timed(self, **more: Any) -> tuple[CustomerFound, float]:
        began = time.monotonic()
        found = await self.found(**more)
        return found, time.monotonic() - began

    def outcomes(self, name: str = "erp") -> dict[str, int]:
        metrics = [m for m in self.registry.collect() if m.name == "cordboard_lookups"]
        return {
            sample.labels["outcome"]: int(sample.value)
            for metric in metrics
            for sample in metric.samples
            if sample.name.endswith("_total") and sample.labels["lookup"] == name
        }


def table(system: OutsideSystem, **more: Any) -> dict[str, Any]:
    url = f"{system.base}/api?phone={{number}}"
    return {
        "name": "erp",
        "url": url,
        "map": MAP,
        "values": {"status": {"GOLD": "vip"}},
        "cache_seconds": 0,
    } | more


@asynccontextmanager
async def opened(*tables: dict[str, Any], patient: bool = True) -> AsyncIterator[Desk]:
    desk = Desk(*tables, patient=patient)
    try:
        yield desk
    finally:
        await desk.lookups.close()


@pytest.fixture
async def system() -> AsyncIterator[OutsideSystem]:
    async with outside_system() as one:
        yield one


# What is asked, and what comes of it


async def test_the_number_is_sent_in_e164_with_the_headers_of_the_secret_file(
    system: OutsideSystem, tmp_path: Path
) -> None:
    secret = tmp_path / "erp.secret"
    secret.write_text("# ours\nAuthorization: Bearer s3cret\n\nX-Tenant: 7\n")
    async with opened(table(system, secret_file=secret)) as desk:
        found = await desk.found("8 (916) 123-45-67")
    (report,) = found.reports
    assert (report.source, report.status, report.name) == ("erp", "vip", "Мария")
    assert (found.card, found.failed, found.failures) == (OWN, False, ())
    (asked,) = system.heard
    assert (asked.method, asked.path) == ("GET", "/api?phone=%2B79161234567")
    assert (asked.headers["Authorization"], asked.headers["X-Tenant"]) == ("Bearer s3cret", "7")
    assert asked.headers["Accept-Encoding"] == "identity"


async def test_a_post_sends_the_number_and_our_customer_as_json(system: OutsideSystem) -> None:
    body = {"query": {"phone": "{number}", "id": "{customer}"}}
    asking = table(system, url=f"{system.base}/find", method="POST", body=body)
    async with opened(asking) as desk:
        assert (await desk.found()).reports
        desk.card = None  # then there is no customer to ask for
        found = await desk.found(again=True)
    assert (found.reports, found.failures) == ((), ())
    (asked,) = system.heard
    assert asked.headers["Content-Type"] == "application/json"
    assert json.loads(asked.body) == {"query": {"phone": NUMBER, "id": "c1"}}


@pytest.mark.parametrize(
    "mood", [sends(b"", 404), sends(b"{}", 404), sends(b"", 204), sends(b""), says({}), says([])]
)
async def test_who_is_not_known_there_is_no_failure(system: OutsideSystem, mood: Mood) -> None:
    system.mood = mood
    async with opened(table(system)) as desk:
        found = await desk.found()
        assert desk.outcomes() == {"unknown": 1}
    assert (found.reports, found.failures, found.card) == ((), (), OWN)


@pytest.mark.parametrize("number", ["", "anonymous", "112", "+7916\r\nX: y", "x" * 500, "\0"])
async def test_what_is_no_number_is_asked_of_nobody(system: OutsideSystem, number: str) -> None:
    async with opened(table(system)) as desk:
        found = await desk.found(number)
    assert (found.e164, found.card, found.reports) == (None, None, ())
    assert system.heard == []


async def test_line_ends_in_a_number_never_reach_the_wire(system: OutsideSystem) -> None:
    async with opened(table(system)) as desk:
        await desk.found("7916\r\n1234567\r\n")
    (asked,) = system.heard
    assert asked.path == "/api?phone=%2B79161234567"


# Rubbish and silence

BAD: dict[str, tuple[Mood, str]] = {
    "silence": (hangs, "slow"),
    "late": (late(DEADLINE * 3, says(GOOD)), "slow"),
    "a trickle": (trickles, "slow"),
    "500": (sends(b"{}", 500), "status"),
    "503": (says(GOOD, 503), "status"),
    "403": (says(GOOD, 403), "status"),
    "a redirect": (sends(b"", 302, Location="http://169.254.169.254/"), "redirect"),
    "a lasting redirect": (sends(b"", 308, Location="/other"), "redirect"),
    "HTML": (sends(b"<html>hello</html>", 200, Content_Type="text/html"), "not-json"),
    "cut JSON": (sends(b'{"customer": {"class"'), "not-json"),
    "no UTF-8": (sends(b'{"customer": "\xff"}'), "not-json"),
    "NaN": (sends(b'{"customer": {"balance": NaN}}'), "not-json"),
    "a tower": (sends(b"[" * 60_000), "not-json"),
    "twice the same": (sends(b'{"customer": 1, "customer": 2}'), "not-json"),
    "another type": (says({"customer": {"class": 5}}), "wrong-type"),
    "another shape": (says({"customer": "GOLD"}), "wrong-type"),
    "a status of theirs": (says({"customer": {"class": "PLATINUM"}}), "unknown-value"),
    "64 KiB and more": (sends(b" " * 65_537), "too-large"),
    "a flood": (floods, "too-large"),
    "a packed body": (sends(b"\x1f\x8b" + b"x" * 20, 200, Content_Encoding="gzip"), "encoded"),
    "half a body": (cuts, "unreachable"),
}


@pytest.mark.parametrize(("mood", "kind"), BAD.values(), ids=BAD)
async def test_rubbish_is_the_failure_of_that_lookup_and_the_rest_is_there_in_time(
    system: OutsideSystem, mood: Mood, kind: str
) -> None:
    system.mood = mood
    async with outside_system() as other:
        good = table(other, name="crm")
        async with opened(table(system), good, patient=False) as desk:
            found, seconds = await desk.timed()
            await system.until(lambda: bool(system.heard))
            assert seconds < DEADLINE + OVER
            assert (found.card, found.failed) == (OWN, False)
            assert [report.source for report in found.reports] == ["crm"]
            assert found.failures == ("erp",)
            async with asyncio.timeout(2):
                while not desk.outcomes():
                    await asyncio.sleep(0.01)
            assert desk.outcomes() == {kind: 1}


async def test_a_system_that_is_not_there_fails_at_once(system: OutsideSystem) -> None:
    async with outside_system() as gone:
        dead = table(gone)
    async with opened(dead, patient=False) as desk:
        found, seconds = await desk.timed()
        assert desk.outcomes() == {"unreachable": 1}
    assert (found.failures, found.card) == (("erp",), OWN)
    assert seconds < DEADLINE + OVER


async def test_a_connection_that_nobody_accepts_costs_the_deadline_and_no_more() -> None:
    server = await asyncio.start_server(lambda r, w: w.close(), "127.0.0.1", 0, backlog=1)
    port = server.sockets[0].getsockname()[1]
    server.get_loop().remove_reader(server.sockets[0].fileno())  # as a frozen process
    fillers = [asyncio.create_task(asyncio.open_connection("127.0.0.1", port)) for _ in range(4)]
    await asyncio.sleep(0)
    asking = {"name": "erp", "url": f"http://127.0.0.1:{port}/{{number}}", "map": MAP}
    async with opened(asking, patient=False) as desk:
        found, seconds = await desk.timed()
    for filler in fillers:
        filler.cancel()
    for done in await asyncio.gather(*fillers, return_exceptions=True):
        if isinstance(done, tuple):
            done[1].transport.abort()
    server.close()
    assert (found.failures, found.card) == (("erp",), OWN)
    assert seconds < DEADLINE + OVER


@pytest.mark.parametrize("trouble", [PeerError("away"), 30.0])
async def test_without_our_store_what_is_said_outside_counts(
    system: OutsideSystem, trouble: Exception | float
) -> None:
    async with opened(table(system), patient=False) as desk:
        desk.store_says = trouble
        found, seconds = await desk.timed()
    assert (found.failed, found.card) == (True, None)
    assert [report.status for report in found.reports] == ["vip"]
    assert seconds < DEADLINE + OVER


async def test_a_lookup_by_our_customer_fails_when_our_store_does(system: OutsideSystem) -> None:
    by_customer = table(system, url=f"{system.base}/c/{{customer}}")
    async with opened(by_customer) as desk:
        desk.store_says = PeerError("away")
        found = await desk.found()
    assert (found.failed, found.failures, system.heard) == (True, ("erp",), [])


async def test_two_systems_are_asked_at_the_same_time(system: OutsideSystem) -> None:
    system.mood = late(DEADLINE * 0.6, says(GOOD))
    async with outside_system() as other:
        other.mood = late(DEADLINE * 0.6, says(GOOD))
        async with opened(table(system), table(other, name="crm"), patient=False) as desk:
            found, seconds = await desk.timed()
    assert [(report.source, report.rank) for report in found.reports] == [("erp", 0), ("crm", 1)]
    assert seconds < DEADLINE + OVER


# In measure


async def test_one_question_for_a_number_is_open_at_a_time(system: OutsideSystem) -> None:
    system.mood = late(0.1, says(GOOD))
    async with opened(table(system)) as desk:
        found = await asyncio.gather(*(desk.found() for _ in range(20)))
        assert all(each.reports for each in found)
        assert len(system.heard) == 1
        await desk.found("+79160000001")
    assert len(system.heard) == 2


async def test_more_questions_than_connections_are_given_up_at_once(system: OutsideSystem) -> None:
    system.mood = hangs
    limits = {"failures": 1000, "seconds": 30}
    async with opened(table(system, connections=3, breaker=limits), patient=False) as desk:
        numbers = [f"+7916000{n:04}" for n in range(50)]
        began = time.monotonic()
        found = await asyncio.gather(*(desk.found(number) for number in numbers))
        assert time.monotonic() - began < DEADLINE + OVER
        assert all(each.failures == ("erp",) for each in found)
        assert system.most_open <= 3
        assert desk.outcomes()["busy"] == 47


async def test_an_answer_is_kept_for_its_time_and_until_somebody_says_that_it_changed(
    system: OutsideSystem,
) -> None:
    async with opened(table(system, cache_seconds=60)) as desk:
        await desk.found()
        system.mood = says({"customer": {"class": "new"}})
        assert (await desk.found()).reports[0].status == "vip"
        assert desk.outcomes() == {"known": 1, "cached": 1}
        assert (await desk.found(again=True)).reports[0].status == "new"
        system.mood = says({"customer": {"class": "regular"}})
        desk.lookups.forget(NUMBER, None)
        assert (await desk.found()).reports[0].status == "regular"


async def test_an_answer_that_was_on_its_way_when_it_changed_is_not_kept(
    system: OutsideSystem,
) -> None:
    system.mood = late(0.1, says({"customer": {"class": "new"}}))
    async with opened(table(system, cache_seconds=60)) as desk:
        asking = asyncio.create_task(desk.found())
        await system.until(lambda: bool(system.heard))
        desk.lookups.forget(NUMBER, None)
        system.mood = says(GOOD)
        assert (await desk.found(again=True)).reports[0].status == "vip"
        assert (await asking).reports[0].status == "new"
        assert (await desk.found()).reports[0].status == "vip"


async def test_a_system_that_fails_is_left_alone_and_one_question_finds_it_back(
    system: OutsideSystem,
) -> None:
    system.mood = sends(b"", 500)
    limits = {"failures": 3, "seconds": 0.2}
    async with opened(table(system, breaker=limits)) as desk:
        for _ in range(5):
            await desk.found()
        assert len(system.heard) == 3
        assert desk.outcomes() == {"status": 3, "resting": 2}
        assert desk.resting == [(1, "erp")]
        assert desk.registry.get_sample_value("cordboard_lookup_resting", {"lookup": "erp"}) == 1
        system.mood = says(GOOD)
        async with asyncio.timeout(5):
            while not (await desk.found()).reports:
                await asyncio.sleep(0.02)
        assert len(system.heard) == 4
        assert desk.resting == [(1, "erp"), (0, "")]
        assert (await desk.found()).reports


async def test_the_faults_of_one_customers_data_do_not_leave_the_others_without(
    system: OutsideSystem,
) -> None:
    system.mood = says({"customer": {"class": "PLATINUM"}})
    async with opened(table(system, breaker={"failures": 2, "seconds": 30})) as desk:
        for _ in range(5):
            assert (await desk.found()).failures == ("erp",)
        assert desk.outcomes() == {"unknown-value": 5}
        assert desk.resting == []


# Where it is asked


@pytest.mark.parametrize("address", ["127.0.0.1", "10.1.2.3", "169.254.169.254"])
async def test_a_name_that_leads_where_it_must_not_is_not_followed(
    system: OutsideSystem, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    # Rebinding: what the name leads to is looked at when the connection is made.
    monkeypatch.setattr("cordboard.outbound._addresses", lambda *_: [(2, address)])
    asking = table(system, url=f"http://erp.example:{system.port}/{{number}}")
    async with opened(asking) as desk:
        found = await desk.found()
        assert desk.outcomes() == {"unreachable": 1}
    assert (found.failures, system.heard) == (("erp",), [])
    allowed = asking | {"allow_private": True}
    if address == "127.0.0.1":
        async with opened(allowed) as desk:
            assert (await desk.found()).reports
    else:
        resolver = Resolver(private=True)
        if address == "169.254.169.254":
            with pytest.raises(OSError, match="link-local"):
                await resolver.resolve("erp.example", 80)
        await resolver.close()


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
async def test_an_address_that_the_administrator_wrote_down_is_meant(
    system: OutsideSystem, host: str
) -> None:
    async with opened(table(system, url=f"http://{host}:{system.port}/{{number}}")) as desk:
        assert (await desk.found()).reports


async def test_cookies_are_not_kept(system: OutsideSystem) -> None:
    system.mood = sends(json.dumps(GOOD).encode(), 200, Set_Cookie="a=b")
    async with opened(table(system)) as desk:
        await desk.found()
        await desk.found()
    assert not any("Cookie" in asked.headers for asked in system.heard)


# The configuration


@pytest.mark.parametrize(
    "text",
    [
        "Authorization Bearer x",
        "Bad Name: x",
        "X: a\x01b",
        ": x",
        "Ключ: x",
        "",
        "\n\n",
    ],
)
def test_a_secret_file_that_has_no_headers_is_told(tmp_path: Path, text: str) -> None:
    secret = tmp_path / "erp.secret"
    secret.write_text(text)
    with pytest.raises(UserError, match="secret_file"):
        Desk({"name": "erp", "url": "http://h/{number}", "map": MAP, "secret_file": secret})


def test_all_faults_of_a_lookup_are_told_with_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "cordboard.toml"
    path.write_text(
        "[[lookup]]\n"
        'name = "erp"\n'
        'url = "ftp://erp.example/{number}"\n'
        'map = { status = "a" }\n'
        "[[lookup]]\n"
        'name = "Crm"\n'
        'url = "https://crm.example/"\n'
        "deadline_ms = 5\n"
        "map = {}\n"
        "breaker = { failures = 0 }\n"
    )
    with pytest.raises(ConfigError) as caught:
        load(path)
    said = "\n".join(caught.value.faults)
    for line, words in (
        (3, "must begin with http"),
        (6, "lookup.1.name"),
        (8, "lookup.1.deadline_ms"),
        (9, "names no field"),
        (5, "lookup.1.breaker.failures"),
    ):
        assert any(f":{line}: " in one and words in one for one in caught.value.faults), said


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"url": "https://erp.example/"}, "neither url nor body"),
        ({"body": {"a": "{number}"}}, "POST"),
        ({"method": "POST", "body": {"a": "{phone}"}}, "phone"),
        ({"map": {"status": "a..b"}}, "status"),
        ({"map": {"statuses": "a"}}, "statuses"),
        ({"map": {"attributes": {"open-cases": "a"}}}, "attributes"),
        ({"method": "DELETE"}, "method"),
    ],
)
def test_a_lookup_that_cannot_be_meant_is_refused(more: dict[str, Any], words: str) -> None:
    one = {"name": "erp", "url": "https://erp.example/{number}", "map": MAP} | more
    with pytest.raises(ValueError, match=words):
        Settings.model_validate({"lookup": [one]})


def test_two_lookups_of_one_name_are_refused() -> None:
    one = {"name": "erp", "url": "https://erp.example/{number}", "map": MAP}
    with pytest.raises(ValueError, match="erp"):
        Settings.model_validate({"lookup": [one, one]})
