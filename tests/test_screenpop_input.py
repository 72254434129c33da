"""What comes in by the API, and is no good: refused in words, and it goes no further."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import screenpop_messages as say
from screenpop_server import *  # noqa: F403
from screenpop_server import Desk

from cordboard.screenpop import schemas
from cordboard.screenpop.api import ROUTES
from cordboard.screenpop.openapi import describe

JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"nonsense", 400),
        (b'{"name":"x"} x', 400),
        (b"\xff\xfe{", 400),
        ("\ufeff{}".encode(), 400),
        (b'{"name":"x","balance":NaN}', 400),
        (b'{"name":"x","balance":Infinity}', 400),
        (b'{"name":"x","balance":-Infinity}', 400),
        (b'{"name":"x","name":"y"}', 400),
        (b'{"name":"\\ud800"}', 400),
        (b'{"\\udfff":1}', 400),
        (b'{"name":"a\\u0000b"}', 400),
        (b'{"name":"x","balance":9007199254740993}', 400),
        (b'{"name":"x","balance":-9007199254740993}', 400),
        (b'{"name":"x","balance":' + b"9" * 5000 + b"}", 400),
        (b'{"name":"x","balance":1e999999999999999999999}', 400),
        (b'{"name":"x","balance":0.' + b"0" * 5000 + b"}", 400),
        (b"[" * 60_000, 400),
        (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, 400),
        (b'{"name":' + b"[" * 20 + b"]" * 20 + b"}", 400),
        (b"null", 422),
        (b"[]", 422),
        (b'"name"', 422),
        (b"{}", 422),
        (b'{"name":null}', 422),
        (b'{"name":7}', 422),
        (b'{"name":["x"]}', 422),
        (b'{"name":""}', 422),
        (b'{"name":" \\t\\n "}', 422),
        (b'{"name":"x","kind":"alien"}', 422),
        (b'{"name":"x","phones":"+79161234567"}', 422),
        (b'{"name":"x","phones":[79161234567]}', 422),
        (b'{"name":"x","phones":[null]}', 422),
        (b'{"name":"x","phones":["112"]}', 422),
        (b'{"name":"x","phones":{"0":"+79161234567"}}', 422),
        (b'{"name":"x","status":"king"}', 422),
        (b'{"name":"x","language":"xx"}', 422),
        (b'{"name":"x","manager":"nobody"}', 422),
        (b'{"name":"x","balance":"1"}', 422),
        (b'{"name":"x","balance":true}', 422),
        (b'{"name":"x","balance":0.001}', 422),
        (b'{"name":"x","balance":1e30}', 422),
        (b'{"name":"x","balance":1e-30}', 422),
        (b'{"name":"x","id":"1"}', 422),
        (b'{"name":"x","__proto__":{}}', 422),
        (json.dumps({"name": "x" * 201}).encode(), 422),
        (json.dumps({"name": "x", "phones": ["+79161234567"] * 1000}).encode(), 422),
        (b'{"name":"' + b"x" * 200_000 + b'"}', 413),
    ],
    ids=lambda value: repr(value[:40]) if isinstance(value, bytes) else None,
)
async def test_a_bad_body_is_refused_in_words(desk: Desk, body: bytes, status: int) -> None:
    given, answer, response = await desk.ask(
        "POST", "/api/v1/customers", "anna", data=body, headers=JSON
    )
    assert given == status
    schemas.Error.model_validate(answer)
    assert answer["error"]["message"]
    assert (status == 422) == bool(answer["error"]["faults"])
    assert str(status) in describe(ROUTES)["paths"]["/api/v1/customers"]["post"]["responses"]
    assert response.headers["Cache-Control"] == "no-store"
    assert desk.submitted == []
    assert await desk.store.find_customers(text="x") == []


async def test_all_faults_of_a_customer_are_told_at_once(desk: Desk) -> None:
    body = {
        "kind": "alien",
        "name": "",
        "phones": ["abc", "+79161234567", "112"],
        "status": "king",
        "language": 7,
        "manager": "nobody",
        "balance": "much",
        "hat": "red",
    }
    status, answer, _ = await desk.ask("POST", "/api/v1/customers", "anna", json=body)
    assert status == 422
    fields = {fault["field"] for fault in answer["error"]["faults"]}
    assert fields == {
        "kind", "name", "phones[0]", "phones[2]", "status", "language", "manager", "balance", "hat"
    }  # fmt: skip


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "application/json; charset=cp1251"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
    ],
)
async def test_a_body_that_is_not_plain_json_is_not_read(
    desk: Desk, headers: dict[str, str]
) -> None:
    data: Any = b'{"name":"x"}'
    status, answer, _ = await desk.ask(
        "POST", "/api/v1/customers", "anna", data=data, headers=headers
    )
    assert status in (400, 415)
    assert answer["error"]["code"] in ("unsupported-media-type", "bad-request")


@pytest.mark.parametrize(
    "query",
    ["", "?", "?limit=0", "?limit=101", "?limit=x", "?text=a&text=b", "?name=x", "?text=%00",
     "?phone=" + "1" * 101, "?text=" + "x" * 201],
)  # fmt: skip
async def test_a_bad_query_is_refused_in_words(desk: Desk, query: str) -> None:
    status, answer, _ = await desk.ask("GET", f"/api/v1/customers{query}", "anna")
    assert status == 422
    assert answer["error"]["faults"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"action": "dance"},
        {"action": None},
        {"action": ["hangup"]},
        {"action": "hangup", "args": {"now": True}},
        {"action": "hangup", "args": None},
        {"action": "hangup", "reason": 7},
        {"action": "hangup", "reason": "x" * 81},
        {"action": "hangup", "reason": "a\r\nAction: Logoff"},
        {"action": "hangup", "reason": "a\x00"},
        {"action": "pause"},
        {"action": "hangup", "target": "x"},
        {"action": "move", "args": {"to": "head"}, "reason": " "},
        {"action": "move", "args": {}, "reason": "x"},
    ],
)
async def test_a_bad_action_never_reaches_the_core(desk: Desk, body: dict[str, Any]) -> None:
    desk.hub.publish(say.call_message(1, "anna"))
    path = f"/api/v1/calls/{say.call_id(1)}/actions"
    status, answer, _ = await desk.ask("POST", path, "anna", json=body)
    assert status in (400, 422)
    schemas.Error.model_validate(answer)
    assert not re.search("pattern|Value error", str(answer))
    assert desk.submitted == []
