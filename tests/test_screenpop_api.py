"""The HTTP API: what it does, for whom, and that it is what OpenAPI says."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import screenpop_messages as say
from openapi_spec_validator import validate
from screenpop_server import *  # noqa: F403
from screenpop_server import USERS, Desk

from cordboard.crm_core.model import AuditRecord, CallRecord, Draft, RefusalRecord
from cordboard.crm_core.store import Store
from cordboard.desk.facts import ActionAsked, CustomerChanged, CustomerStale
from cordboard.errors import PeerError
from cordboard.ivr.runs import Run
from cordboard.screenpop import schemas
from cordboard.screenpop.api import PERMITTED, ROUTES
from cordboard.screenpop.openapi import describe
from cordboard.screenpop.routes import PREFIX, Route

ANYONE = (None, *USERS)
BODIES: dict[str, Any] = {
    "/customers": {"name": "Иван"},
    "/customers/changed": {"phone": "+79161234567"},
    "/customers/{id}": {"name": "Пётр"},
    "/calls/{id}/actions": {"action": "hangup"},
    "/operators/{name}/actions": {"action": "pause", "reason": "lunch"},
    "/lists": {"name": "Another", "script": "hello"},
    "/lists/{id}/customers": {"statuses": ["vip"]},
    "/respondents/{id}/actions": {"action": "dial"},
    "/customers/{id}/refusals": {"script": "hello"},
    "/forms": {"script": "hello"},
    "/forms/{run}/entries": {"step": "menu", "text": "1", "version": 0},
    "/forms/{run}/end": {"outcome": "completed"},
}
QUERIES = {"/customers": "?text=Иван", "/surveys/{survey}/runs": "?question=mark"}
FORCED = [("operator", "pause"), ("operator", "unpause"), ("operator", "logout")]
BLANKS = ["", " ", "\u00a0\u2003", "\u200b\u2060", "\u202e"]


def record(number: int, operator: str | None, **more: Any) -> CallRecord:
    values: dict[str, Any] = {
        "id": say.call_id(number),
        "pbx": "pbx",
        "boot": "b",
        "linkedid": "1.1",
        "number": "+79161234567",
        "name": "",
        "dialled": "8800",
        "customer_id": None,
        "queue": "sales",
        "operator": operator,
        "direction": "in",
        "state": "ended",
        "cause": "completed",
        "why": "[]",
        "started_at": say.NOW + number,
        "answered_at": say.NOW + number + 1,
        "ended_at": say.NOW + number + 2,
    }
    return CallRecord(**values | more)


async def fill(desk: Desk) -> str:
    """A live call of Anna's, one of Boris's, remembered ones of both, a list, a customer; its
    id."""
    await desk.store.create_list("Prices", "hello", "sveta")
    desk.hub.publish(say.operators(*(say.operator(name) for name in ("anna", "boris"))))
    desk.hub.publish(say.queues(say.queue("sales", 2)))
    desk.hub.publish(say.call_message(1, "anna", "talking"))
    desk.hub.publish(say.call_message(2, "boris", "talking"))
    created = await desk.store.create_customer(Draft("Иван", phones=("+79161234567",)))
    await desk.store.write(
        [record(3, "anna", customer_id=created.customer.id), record(4, "boris"), record(5, None)]
    )
    run = Run.start(
        desk.library.hello, say.call_id(9), "form", say.NOW, operator="anna", language="en"
    )
    await desk.store.write([run.record])
    return created.customer.id


async def request(desk: Desk, route: Route, name: str | None, customer: str) -> tuple[int, Any]:
    ((whose, _), *_) = await desk.store.lists()
    keys = {"customers": customer, "lists": whose.id}
    key = keys.get(route.path.split("/")[1], say.call_id(1))
    hello = {"script": "hello", "survey": "hello", "question": "mark"}
    hello |= {"run": say.call_id(9), "refusal": say.call_id(9)}
    path = PREFIX + route.path.format(id=key, name=name or "anna", **hello)
    if route.method == "GET":
        path += QUERIES.get(route.path, "")
    if "{refusal}" in route.path:
        await desk.store.write([RefusalRecord(say.call_id(9), customer, "", None, say.NOW)])
    more: dict[str, Any] = {"json": BODIES[route.path]} if route.body else {}
    if route.path == "/lists" and route.body:
        more["json"] |= {"name": f"List of {name}"}
    if route.upload:
        more = {"data": b"phone\n+79031110001\n", "headers": {"Content-Type": route.upload[0]}}
    status, answer, _ = await desk.ask(route.method, path, name, **more)
    return status, answer


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
async def test_each_route_answers_each_role_as_its_row_says(desk: Desk, route: Route) -> None:
    customer = await fill(desk)
    desk.library.scripts["hello"] = desk.library.hello.model_copy(update={"form": True})
    for name in ANYONE:
        status, answer = await request(desk, route, name, customer)
        if name is None:
            assert (status, answer["error"]["code"]) == (401, "unauthorized")
        elif USERS[name] not in route.roles or (
            name == "boris" and any(part in route.path for part in ("/calls/{id}", "/forms/{run}"))
        ):
            assert (status, answer["error"]["code"]) == (403, "forbidden"), name
        elif route.path == "/operators/{name}/actions" and name in ("sveta", "root"):
            assert status == 404  # they have no desk
        elif route.upload or route.files:
            assert status in (200, 404)
        elif route.path == "/forms/{run}/entries" and status == 409:
            assert answer["error"]["code"] == "changed"  # somebody else was quicker
        elif route.answer is None:
            assert status == 400  # no WebSocket's handshake
        else:
            assert status == route.status, (name, answer)
            route.answer.model_validate(answer)


def test_every_route_is_documented_and_the_document_is_valid() -> None:
    document = describe(ROUTES)
    validate(document)
    documented = {
        (method.upper(), path) for path, item in document["paths"].items() for method in item
    }
    assert documented == {(route.method, PREFIX + route.path) for route in ROUTES}
    assert all(route.roles for route in ROUTES)
    names = [route.do.__name__ for route in ROUTES]
    assert len(names) == len(set(names))


def answers(row: Route, path: str) -> bool:
    """Whether this row's path may be read as `path`."""
    pattern = re.sub(r"{\w+}", "[^/]+", PREFIX + row.path)
    return re.fullmatch(pattern, path) is not None


async def test_every_route_of_the_api_has_a_row(desk: Desk) -> None:
    document = (await desk.ask("GET", "/api/v1/openapi.json"))[1]
    assert document == describe(ROUTES)
    assert (await desk.ask("GET", "/api/v1/users", "root"))[0] == 404
    for route in ROUTES:
        path = PREFIX + re.sub(r"{\w+}", say.call_id(1), route.path)
        rows = {row.method for row in ROUTES if answers(row, path)}
        for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} - rows:
            status, answer, response = await desk.ask(method, path, "root")
            assert (status, answer["error"]["code"]) == (405, "method-not-allowed")
            assert set(response.headers["Allow"].split(",")) == rows


@pytest.mark.parametrize(("kind", "action"), PERMITTED)
@pytest.mark.parametrize("name", USERS)
@pytest.mark.parametrize("own", [True, False])
async def test_each_action_reaches_as_far_as_its_row_says(
    desk: Desk, kind: str, action: str, name: str, own: bool
) -> None:
    await fill(desk)
    other = "boris" if name == "anna" else "anna"
    if kind == "operator":
        desk.hub.publish(say.operators(say.operator(name)))
        target = name if own else other
        path = f"/api/v1/operators/{target}/actions"
    else:
        desk.hub.publish(say.call_message(7, name if own else other, "talking"))
        target = say.call_id(7)
        path = f"/api/v1/calls/{target}/actions"
    body: dict[str, Any] = {"action": action, "reason": "почему"}
    if action == "call":
        body["args"] = {"number": "+79031112233"}
    if action == "move":
        body["args"] = {"to": "head"}
    if action == "pause":
        body["args"] = {"pause": "lunch"}
    if action == "seen":
        body["args"] = {"id": say.call_id(5)}
    status, answer, _ = await desk.ask("POST", path, name, json=body)
    reach = PERMITTED[kind, action].get(USERS[name])  # type: ignore[call-overload]
    if reach == "any" or (own and reach == "own"):
        assert status == 202
        (asked,) = desk.submitted
        assert isinstance(asked, ActionAsked)
        assert (asked.id, asked.actor, asked.role) == (answer["id"], name, USERS[name])
        assert (asked.kind, asked.target, asked.action) == (kind, target, action)
        assert asked.reason == "почему"
    else:
        assert (status, answer["error"]["code"]) == (403, "forbidden")
        assert desk.submitted == []


@pytest.mark.parametrize("reason", BLANKS)
@pytest.mark.parametrize(("kind", "action"), [*FORCED, ("call", "move"), ("call", "hangup")])
async def test_what_is_done_to_others_needs_a_reason_that_can_be_read(
    desk: Desk, kind: str, action: str, reason: str
) -> None:
    await fill(desk)
    waiting = say.waiting("sales", 6)
    waiting["entries"][0]["callback"] = True
    desk.hub.publish(waiting)
    desk.hub.publish(say.call_message(6, None, "waiting"))
    target = "anna" if kind == "operator" else say.call_id(6)
    body: dict[str, Any] = {"action": action}
    if action == "move":
        body["args"] = {"to": "head"}
    path = f"/api/v1/{kind}s/{target}/actions"
    status, answer, _ = await desk.ask("POST", path, "sveta", json=body | {"reason": reason})
    assert (status, answer["error"]["code"]) == (422, "invalid")
    assert [fault["field"] for fault in answer["error"]["faults"]] == ["reason"]
    assert desk.submitted == []
    status, _, _ = await desk.ask("POST", path, "sveta", json=body | {"reason": "!"})
    assert status == 202


@pytest.mark.parametrize(("kind", "action"), [*FORCED, ("call", "hangup")])
async def test_ones_own_state_and_any_call_are_changed_without_a_reason(
    desk: Desk, kind: str, action: str
) -> None:
    await fill(desk)
    target, by = ("anna", "anna") if kind == "operator" else (say.call_id(1), "sveta")
    path = f"/api/v1/{kind}s/{target}/actions"
    assert (await desk.ask("POST", path, by, json={"action": action}))[0] == 202


def a_forced(number: int, actor: str, target: str, kind: str = "operator") -> AuditRecord:
    action = "pause" if kind == "operator" else "move"
    key, at = say.call_id(number), say.NOW + number
    done = ("supervisor", kind, action, target, "почему", '{"state": "ready"}', "{}")
    return AuditRecord(key, at, actor, *done)


async def test_the_audit_is_read_by_supervisors_newest_first_and_page_by_page(desk: Desk) -> None:
    await desk.store.add_user("olga", "operator", "correct horse", display_name="Ольга С.")
    rows = [a_forced(n, "sveta", "anna") for n in (1, 2)]
    rows += [a_forced(3, "sveta", say.call_id(9), "call"), a_forced(4, "root", "olga")]
    await desk.store.write(rows)

    async def read(query: str) -> tuple[list[str], str | None]:
        status, answer, _ = await desk.ask("GET", f"/api/v1/audit{query}", "sveta")
        assert status == 200
        schemas.Audits.model_validate(answer)
        return [row["id"] for row in answer["audits"]], answer["next"]

    one, two, three, four = (row.id for row in rows)
    assert await read("") == ([four, three, two, one], None)
    assert await read("?limit=2") == ([four, three], three)
    assert await read(f"?limit=2&after={three}") == ([two, one], None)
    assert await read("?who=Anna&limit=1") == ([two], two)
    assert await read(f"?who=anna&limit=1&after={two}") == ([one], None)
    assert await read("?who=root") == ([four], None)
    assert await read("?who=nobody") == ([], None)
    _, answer, _ = await desk.ask("GET", "/api/v1/audit", "root")
    last, moved = answer["audits"][:2]
    assert (last["actor"], last["target"], last["before"]) == ("root", "olga", {"state": "ready"})
    assert (last["target_name"], moved["target_name"]) == ("Ольга С.", None)
    for query in ("after=x", "limit=0", "limit=201", "who=%00", "since=1"):
        assert (await desk.ask("GET", f"/api/v1/audit?{query}", "sveta"))[0] == 422


@pytest.mark.parametrize(
    ("by", "body", "pause"),
    [
        ("anna", {"args": {"pause": "lunch"}}, "lunch"),
        ("anna", {"reason": "lunch"}, "lunch"),
        ("anna", {}, "break"),
        ("anna", {"reason": "just so"}, None),
        ("anna", {"args": {"pause": "just so"}}, None),
        ("anna", {"args": {"pause": "forced"}}, None),
        ("anna", {"args": {"pause": "wrap-up"}}, None),
        ("sveta", {"args": {"pause": "lunch"}, "reason": "it is noon"}, "lunch"),
        ("sveta", {"reason": "team talk"}, "forced"),
        ("sveta", {"args": {"pause": "missed"}}, None),
    ],
)
async def test_a_pause_has_a_reason_of_the_list(
    desk: Desk, by: str, body: dict[str, Any], pause: str | None
) -> None:
    await fill(desk)
    path = "/api/v1/operators/anna/actions"
    status, answer, _ = await desk.ask("POST", path, by, json={"action": "pause", **body})
    if pause is None:
        assert status == 422
        assert [fault["field"] for fault in answer["error"]["faults"]] == ["args.pause"]
        assert desk.submitted == []
    else:
        (asked,) = desk.submitted
        assert isinstance(asked, ActionAsked)
        assert asked.args == {"pause": pause}


@pytest.mark.parametrize(
    ("phone", "fits"),
    [
        ("PJSIP/1007", True),
        (None, True),
        ("PJSIP/1007,1", False),
        ("Local/1007@from-trunk", False),
        ("PJSIP/1007) & System(reboot", False),
        ("PJSIP/1007\r\nAction: Logoff", False),
        ("PJSIP/1007\n", False),
        ("", False),
    ],
)
async def test_a_phone_to_log_in_at_is_one_that_may_be(
    desk: Desk, phone: str | None, fits: bool
) -> None:
    await fill(desk)
    body = {"action": "login", "args": {"phone": phone}}
    status, _, _ = await desk.ask("POST", "/api/v1/operators/anna/actions", "anna", json=body)
    assert status == (202 if fits else 422)
    assert len(desk.submitted) == fits


async def test_a_call_is_an_operators_own_while_a_pop_of_theirs_shows_it(desk: Desk) -> None:
    desk.hub.publish(say.call_message(1))
    path = f"/api/v1/calls/{say.call_id(1)}"
    assert (await desk.ask("GET", path, "anna"))[0] == 403
    desk.hub.publish(say.pop(1, "anna", 1))
    assert (await desk.ask("GET", path, "anna"))[0] == 200
    assert (await desk.ask("GET", path, "boris"))[0] == 403
    desk.hub.publish(say.pop_end(1))
    assert (await desk.ask("GET", path, "anna"))[0] == 403


async def test_a_wrapup_carries_note_result_and_customer(desk: Desk) -> None:
    await desk.store.write([record(3, "anna")])
    args = {"note": "Две строки\nи 😀", "result": "resolved", "customer": say.call_id(9)}
    path = f"/api/v1/calls/{say.call_id(3)}/actions"
    status, _, _ = await desk.ask("POST", path, "anna", json={"action": "wrapup", "args": args})
    assert status == 202
    (asked,) = desk.submitted
    assert isinstance(asked, ActionAsked)
    assert asked.args == args | {"first": False}


async def test_all_faults_of_a_wrapup_are_told(desk: Desk) -> None:
    desk.hub.publish(say.call_message(1, "anna"))
    path = f"/api/v1/calls/{say.call_id(1)}/actions"
    for args, fields in (
        ({"result": "happy", "customer": "me"}, {"args.result", "args.customer"}),
        ({"note": "x" * 10_001, "mood": 1}, {"args.note", "args.mood"}),
        ([], {"args"}),
    ):
        body = {"action": "wrapup", "args": args}
        status, answer, _ = await desk.ask("POST", path, "anna", json=body)
        assert status == 422
        assert {fault["field"] for fault in answer["error"]["faults"]} == fields


async def test_a_busy_core_is_told_and_may_be_asked_again(desk: Desk) -> None:
    desk.hub.publish(say.call_message(1, "anna"))
    desk.busy = True
    path = f"/api/v1/calls/{say.call_id(1)}/actions"
    status, answer, response = await desk.ask("POST", path, "anna", json={"action": "hangup"})
    assert (status, answer["error"]["code"]) == (503, "busy")
    assert response.headers["Retry-After"] == "1"
    # A customer that has been saved is no failure: saving it again would make a second one.
    assert (await desk.ask("POST", "/api/v1/customers", "anna", json={"name": "Иван"}))[0] == 201


async def test_a_customer_is_created_and_open_cards_hear_of_it(desk: Desk) -> None:
    body = {
        "kind": "organisation",
        "name": " ООО  «Ромашка» <script> ",
        "phones": ["8 (916) 123-45-67", "+359 2 812 3456", "89161234567"],
        "status": "vip",
        "language": "bg",
        "manager": "sveta",
        "balance": -1234.56,
        "segment": "wholesale",
        "tags": ["press", "debt-dispute"],
        "do_not_disturb": True,
        "attributes": {"tariff": "gold", "open_cases": 2, "discount": 7.5, "sla": False},
    }
    status, answer, _ = await desk.ask("POST", "/api/v1/customers", "anna", json=body)
    assert status == 201
    customer_id, duplicates = answer.pop("id"), answer.pop("duplicates")
    assert answer == {
        "segment": None,
        "tags": [],
        "do_not_disturb": False,
        "attributes": {},
        **body,
        "name": "ООО «Ромашка» <script>",
        "phones": ["+79161234567", "+35928123456"],
        "manager": {"name": "sveta", "display_name": "sveta"},
        "currency": "RUB",
    }
    assert duplicates == []
    (changed,) = desk.submitted
    assert isinstance(changed, CustomerChanged)
    assert changed.card.customer.id == customer_id

    body["name"] = "Сын"
    _, second, _ = await desk.ask("POST", "/api/v1/customers", "anna", json=body)
    assert [other["id"] for other in second["duplicates"]] == [customer_id]


@pytest.mark.parametrize("balance", [0, 1, -1, 0.1, 0.07, 1234567890.12, 19.99, None])
async def test_a_balance_comes_back_to_the_cent(desk: Desk, balance: float | None) -> None:
    body = {"name": "Иван", "balance": balance}
    status, answer, _ = await desk.ask("POST", "/api/v1/customers", "anna", json=body)
    assert (status, answer["balance"]) == (201, balance)


async def test_customers_are_found_by_number_and_by_name(desk: Desk) -> None:
    customer = await fill(desk)
    for query in (
        "phone=%2B79161234567",
        "phone=+79161234567",
        "phone=89161234567",
        "text=иВАН",
        "phone=89161234567&text=ив&limit=1",
    ):
        status, answer, _ = await desk.ask("GET", f"/api/v1/customers?{query}", "anna")
        assert (status, [each["id"] for each in answer["customers"]]) == (200, [customer]), query
    for query in ("phone=112", "text=Пётр", "text=%25", "phone=%F0%9F%98%80"):
        status, answer, _ = await desk.ask("GET", f"/api/v1/customers?{query}", "anna")
        assert (status, answer) == (200, {"customers": []}), query


async def test_a_customer_is_changed_in_what_is_sent_alone(desk: Desk) -> None:
    customer = await fill(desk)
    path = f"/api/v1/customers/{customer}"
    before = (await desk.ask("GET", path, "anna"))[1]
    change = {"balance": 10.5, "language": "ru", "phones": ["+359 2 812 3456"]}
    status, after, _ = await desk.ask("PATCH", path, "anna", json=change)
    assert (status, after) == (200, {**before, **change, "phones": ["+35928123456"]})
    change = {"tags": ["press"], "attributes": {"sla": True}, "do_not_disturb": True}
    before, (status, after, _) = after, await desk.ask("PATCH", path, "anna", json=change)
    assert (status, after) == (200, {**before, **change})
    status, refused, _ = await desk.ask(
        "PATCH", path, "anna", json={"attributes": {"a b": 1, "long": "x" * 201, "huge": 1e16}}
    )
    told = [fault["field"] for fault in refused["error"]["faults"]]
    assert (status, told) == (422, ["attributes.a b", "attributes.long", "attributes.huge"])
    _, after, _ = await desk.ask("PATCH", path, "anna", json={"balance": None, "language": None})
    assert (after["balance"], after["language"]) == (None, None)
    assert (await desk.ask("GET", path, "anna"))[1] == after
    assert len(desk.submitted) == 3


async def test_a_customers_contacts_are_listed(desk: Desk) -> None:
    customer = await fill(desk)
    await desk.store.save_wrapup(say.call_id(3), "anna", customer, "<b>", "resolved", say.NOW)
    path = f"/api/v1/customers/{customer}/interactions"
    status, answer, _ = await desk.ask("GET", path, "anna")
    assert status == 200
    assert [(each["operator"], each["note"]) for each in answer["interactions"]] == [
        ("anna", "<b>")
    ]
    schemas.Interactions.model_validate(answer)


async def test_calls_are_the_live_ones_and_then_the_last(desk: Desk) -> None:
    await fill(desk)

    async def listed(name: str, query: str = "") -> list[str]:
        answer = (await desk.ask("GET", f"/api/v1/calls{query}", name))[1]
        schemas.Calls.model_validate(answer)
        return [call["id"] for call in answer["calls"]]

    ids = [say.call_id(number) for number in range(6)]
    assert await listed("anna") == [ids[1], ids[3]]
    assert await listed("boris") == [ids[2], ids[4]]
    assert await listed("sveta") == [ids[1], ids[2], ids[5], ids[4], ids[3]]
    assert await listed("sveta", "?recent=1") == [ids[1], ids[2], ids[5]]
    assert await listed("sveta", "?recent=0") == [ids[1], ids[2]]


async def test_a_call_is_the_live_one_and_else_the_remembered(desk: Desk) -> None:
    customer = await fill(desk)
    live = (await desk.ask("GET", f"/api/v1/calls/{say.call_id(1)}", "anna"))[1]
    assert live == say.call(1, "anna", "talking")
    over = (await desk.ask("GET", f"/api/v1/calls/{say.call_id(3)}", "anna"))[1]
    assert (over["state"], over["customer"]["id"]) == ("ended", customer)
    assert over["ended_at"] > over["answered_at"] > over["started_at"]
    assert list(live) == list(over)


async def test_presence_is_for_everyone(desk: Desk) -> None:
    await fill(desk)
    for name in USERS:
        assert (await desk.ask("GET", "/api/v1/queues", name))[1] == {
            "queues": [say.queue("sales", 2)]
        }
        operators = (await desk.ask("GET", "/api/v1/operators", name))[1]["operators"]
        assert [each["name"] for each in operators] == ["anna", "boris"]
        assert (await desk.ask("GET", "/api/v1/me", name))[1]["role"] == USERS[name]


@pytest.mark.parametrize(
    "key",
    ["x", "1", "..", "%2e%2e%2f", "%00", "%2f", "'", "9" * 400, "%F0%9F%98%80", say.call_id(77)],
)
async def test_an_id_that_is_nobodys_is_not_found(desk: Desk, key: str) -> None:
    for path in ("customers/{}", "customers/{}/interactions", "calls/{}"):
        status, answer, _ = await desk.ask("GET", "/api/v1/" + path.format(key), "root")
        if key != "..":
            assert (status, answer["error"]["code"]) == (404, "not-found"), path
    for path, body in (("calls/{}/actions", "hangup"), ("operators/{}/actions", "pause")):
        path = "/api/v1/" + path.format(key)
        assert (await desk.ask("POST", path, "root", json={"action": body}))[0] in (404, 405)
    assert desk.submitted == []


async def test_another_system_says_that_somebody_changed(desk: Desk) -> None:
    path = "/api/v1/customers/changed"
    for body, said in (
        ({"phone": "8 (916) 123-45-67"}, ("+79161234567", None)),
        ({"customer": say.call_id(9)}, (None, say.call_id(9))),
    ):
        status, answer, _ = await desk.ask("POST", path, "root", json=body)
        assert (status, answer) == (202, {"phone": said[0], "customer": said[1]})
        assert desk.submitted.pop() == CustomerStale(*said)
    for wrong in ({}, {"phone": "112"}, {"customer": "me"}, {"phone": "x", "customer": "y"}):
        assert (await desk.ask("POST", path, "root", json=wrong))[0] == 422
    desk.busy = True
    assert (await desk.ask("POST", path, "root", json={"phone": "+79161234567"}))[0] == 503


async def test_names_of_operators_are_compared_as_they_log_in(desk: Desk) -> None:
    desk.hub.publish(say.operators(say.operator("anna")))
    path = "/api/v1/operators/ANNA/actions"
    assert (await desk.ask("POST", path, "anna", json={"action": "pause"}))[0] == 202
    (asked,) = desk.submitted
    assert isinstance(asked, ActionAsked)
    assert asked.target == "anna"


async def test_a_database_that_is_away_is_said_and_not_explained(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(self: Store, token: str) -> None:
        raise PeerError("the database is away: password authentication failed for user x")

    monkeypatch.setattr(Store, "token_user", away)
    status, answer, response = await desk.ask("GET", "/api/v1/me", "anna")
    assert (status, answer["error"]["code"]) == (503, "unavailable")
    assert response.headers["Retry-After"]
    assert "password" not in json.dumps(answer)
