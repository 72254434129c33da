"""What is told of a call afterwards: in order, and not more to anybody than is theirs to know."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import screenpop_messages as say
from screenpop_server import *  # noqa: F403
from screenpop_server import Desk
from store_fixtures import *  # noqa: F403
from test_screenpop_api import record
from typed import typed

from cordboard.crm_core.model import Card, Customer, FactRecord, Manager, Record
from cordboard.crm_core.store import Store
from cordboard.desk.records import decided_record
from cordboard.events import CallId, OperatorName
from cordboard.queue.policy import Policy
from cordboard.queue.routing import Approach, Caller, Seat, Situation, weigh
from cordboard.screenpop.story import decisions, timeline
from cordboard.screenpop.views import moment

CALL, AT = say.call_id(7), say.NOW
MOBILE = "+359888110002"
POLICY = Policy.parse(
    """
default_queue = "support"
[[rule]]
name = "first"
action = "queue"
first = { who = "manager", seconds = 20 }
"""
)


def story() -> list[Record]:
    """A call of Anna's, for which Maria was rung first."""
    customer = Customer(
        "c", "person", "V", ("+79161234567",), "vip", "ru", Manager("maria", "Maria", MOBILE),
        None, 0, 0,
    )  # fmt: skip

    def seat(_: OperatorName) -> Seat:
        return Seat("PJSIP/1002", True)

    at = datetime.fromtimestamp(AT, UTC)
    caller = Caller("+79161234567", "RU", Card(customer, ()))
    decision, inputs = weigh(POLICY, Situation(caller, Approach("100"), at, lambda _: None, seat))
    assert decision.personal
    assert decision.personal.mobile == MOBILE

    def fact(after: float, kind: str, **data: Any) -> FactRecord:
        return FactRecord(CALL, AT + after, kind, json.dumps(data))

    rung = f"Local/{MOBILE}@cordboard-mobile-00000001;1"
    return [
        record(7, "anna"),
        fact(0.329, "offered", number="+79161234567"),
        decided_record(CallId(CALL), AT + 0.320, decision, inputs),
        fact(1, "delivered", peer=rung),
        fact(21, "undelivered", peer=rung, cause="no-answer"),
    ]


async def test_an_operator_is_not_told_the_managers_mobile_and_a_supervisor_is(desk: Desk) -> None:
    await desk.store.write(story())
    for part in ("explanation", "timeline"):
        path = f"/api/v1/calls/{CALL}/{part}"
        _, mine, _ = await desk.ask("GET", path, "anna")
        _, theirs, _ = await desk.ask("GET", path, "sveta")
        assert MOBILE.lstrip("+") in json.dumps(theirs), part
        assert "88811" not in json.dumps(mine), part
        hidden = json.dumps(theirs).replace(MOBILE, "+**********02")
        assert json.loads(hidden) == mine
        assert "+79161234567" in json.dumps(mine)


def test_what_befell_a_call_is_told_in_the_order_of_its_times() -> None:
    """What was decided 9 ms before the call was seen was stored after it."""
    at_once = [FactRecord(CALL, AT + 21, kind, "{}") for kind in ("queueleft", "abandoned")]
    facts = [fact for fact in story() if isinstance(fact, FactRecord)]
    events = timeline([*at_once, *facts], ())
    assert [event["event"] for event in events] == [
        *("decided", "offered", "delivered", "queueleft", "abandoned", "undelivered")
    ]
    late = replace(facts[1], at=AT + 5)
    assert [each["at"] for each in decisions([late, facts[1]], {})] == [
        moment(AT + 0.320), moment(AT + 5),
    ]  # fmt: skip


def test_whoever_has_the_machine_is_told_it_at_the_shell(tmp_path: Path, sqlite_url: str) -> None:
    asyncio.run(fill(sqlite_url))
    (tmp_path / "cordboard.toml").write_text(f'[database]\nurl = "{sqlite_url}"\n')
    said = typed("explain", "--config", tmp_path / "cordboard.toml", CALL)
    assert said.code == 0, said.lines
    assert f"for 20 s at PJSIP/1002 and {MOBILE}" in said.out
    assert f"manager.mobile = {MOBILE}" in said.out


async def fill(url: str) -> None:
    store = Store(url)
    await store.open()
    await store.write(story())
    await store.close()
