"""Lists of people in the API: files, filters, and who is given to whom."""

from __future__ import annotations

import io
from typing import Any

import pytest
import screenpop_messages as say
from openpyxl import Workbook
from screenpop_server import *  # noqa: F403
from screenpop_server import Desk

from cordboard.crm_core.model import Draft
from cordboard.desk.facts import ActionAsked, RespondentTaken
from cordboard.screenpop.respondents import FILE_BYTES, XLSX


async def made(desk: Desk, name: str = "Prices", **more: Any) -> str:
    body = {"name": name, "script": "hello", **more}
    status, answer, _ = await desk.ask("POST", "/api/v1/lists", "sveta", json=body)
    assert status == 201, answer
    return str(answer["id"])


async def sent(desk: Desk, whose: str, data: bytes, kind: str = "text/csv") -> tuple[int, Any]:
    path, headers = f"/api/v1/lists/{whose}/people", {"Content-Type": kind}
    status, answer, _ = await desk.ask(
        "POST", path, "sveta", data=io.BytesIO(data), headers=headers
    )
    return status, answer


async def taken(desk: Desk, whose: str, by: str = "anna") -> Any:
    status, answer, _ = await desk.ask("POST", f"/api/v1/lists/{whose}/next", by)
    assert status == 200, answer
    return answer["respondent"]


async def test_a_list_says_what_is_wrong_with_it(desk: Desk) -> None:
    for body, field in (
        ({"name": "x", "script": "none"}, "script"),
        ({"name": " ", "script": "hello"}, "name"),
        ({"name": "x", "script": "hello", "language": "xx"}, "language"),
        ({"name": "x", "script": "hello", "tries": 0}, "tries"),
    ):
        status, answer, _ = await desk.ask("POST", "/api/v1/lists", "sveta", json=body)
        assert status == 422
        assert [fault["field"] for fault in answer["error"]["faults"]] == [field]


async def test_people_of_a_file_are_added_and_the_others_told(desk: Desk) -> None:
    whose = await made(desk)
    status, answer = await sent(desk, whose, "name;phone\nАнна;89031112233\nX;soon\n".encode())
    assert (status, answer["added"], answer["left_out"]) == (200, 1, 1)
    reason = "'soon' is not a telephone number"
    assert answer["reasons"] == [{"line": 3, "name": "X", "reason": reason}]
    book = Workbook()
    sheet: Any = book.active
    sheet.append(["phone", "city"])
    sheet.append([79031112244, "Омск"])
    packed = io.BytesIO()
    book.save(packed)
    assert (await sent(desk, whose, packed.getvalue(), XLSX))[1]["added"] == 1
    path = f"/api/v1/lists/{whose}/people?state=waiting&limit=1"
    _, page, _ = await desk.ask("GET", path, "sveta")
    assert [one["number"] for one in page["people"]] == ["+79031112233"]
    _, rest, _ = await desk.ask("GET", f"{path}&after={page['next']}", "sveta")
    assert (rest["people"][0]["attributes"], rest["next"]) == ({"city": "Омск"}, None)
    happy = f"/api/v1/lists/{whose}/people?state=happy"
    assert (await desk.ask("GET", happy, "sveta"))[0] == 422


async def test_a_file_that_cannot_be_taken_is_refused_in_words(desk: Desk) -> None:
    whose = await made(desk)
    assert (await sent(desk, whose, b"name\nX\n"))[1]["error"]["faults"][0]["field"] == "file"
    assert (await sent(desk, whose, b"{}", "application/json"))[0] == 415
    assert (await sent(desk, say.call_id(7), b"phone\n"))[0] == 404
    rows = b"phone\n" + b"+79031112233\n" * (200 * 1024 // 13)
    assert (await sent(desk, whose, rows))[1]["added"] == 1  # more than other bodies may have
    assert (await sent(desk, whose, b"x" * (FILE_BYTES + 1)))[0] == 413
    await desk.ask("POST", f"/api/v1/lists/{whose}/close", "sveta")
    assert (await sent(desk, whose, b"phone\n+79031112244\n"))[0] == 422
    _, listed, _ = await desk.ask("GET", "/api/v1/lists", "anna")
    assert listed["lists"] == []


async def test_customers_come_by_a_filter(desk: Desk) -> None:
    whose = await made(desk)
    await desk.store.create_customer(Draft("VIP", phones=("+79031112233",), status="vip"))
    path = f"/api/v1/lists/{whose}/customers"
    body = {"statuses": ["vip"], "before": "2026-01-01T00:00:00+03:00"}
    _, answer, _ = await desk.ask("POST", path, "sveta", json=body)
    assert answer == {"added": 1, "known": 0, "left_out": 0, "reasons": []}
    status, answer, _ = await desk.ask("POST", path, "sveta", json={"before": "yesterday"})
    assert (status, answer["error"]["faults"][0]["field"]) == (422, "before")


async def test_who_is_given_to_an_operator_is_told_to_the_desk_once(desk: Desk) -> None:
    whose = await made(desk)
    ours = (await desk.store.create_customer(Draft("Иван", phones=("+79031112233",)))).customer
    await sent(desk, whose, b"phone\n+79031112233\n+79031112244\n")
    first = await taken(desk, whose)
    assert (first["number"], first["customer"]["id"]) == ("+79031112233", ours.id)
    assert (await taken(desk, whose, "boris"))["number"] == "+79031112244"
    (told, other) = desk.submitted
    assert isinstance(told, RespondentTaken)
    assert (told.operator, told.respondent.id, told.whose.id) == ("anna", first["id"], whose)
    assert isinstance(other, RespondentTaken)
    desk.hub.publish({"type": "respondent", "respondent": first})
    assert (await taken(desk, whose))["id"] == first["id"]
    assert len(desk.submitted) == 2
    assert await taken(desk, whose, "sveta") is None


async def test_a_busy_core_is_told_and_gives_the_same_person_again(desk: Desk) -> None:
    whose = await made(desk)
    await sent(desk, whose, b"phone\n+79031112233\n+79031112244\n")
    desk.busy = True
    status, answer, _ = await desk.ask("POST", f"/api/v1/lists/{whose}/next", "anna")
    assert (status, answer["error"]["code"]) == (503, "busy")
    desk.busy = False
    assert (await taken(desk, whose))["number"] == "+79031112233"


async def act(desk: Desk, body: Any) -> tuple[int, Any]:
    path = f"/api/v1/respondents/{say.call_id(1)}/actions"
    status, answer, _ = await desk.ask("POST", path, "anna", json=body)
    return status, answer


async def test_what_an_operator_says_of_a_person_reaches_the_desk_as_it_was_said(
    desk: Desk,
) -> None:
    args = {"result": "callback", "at": "2026-11-24T10:00:00+02:00", "mine": True, "note": "so"}
    far = {"action": "result", "args": args | {"at": "2126-11-24T10:00:00+02:00"}}
    assert (await act(desk, far))[0] == 422
    for body, field in (
        ({"action": "result", "args": {"result": "callback"}}, "args.at"),
        ({"action": "result", "args": args | {"result": "done"}}, "args.at"),
        ({"action": "result", "args": args | {"at": "2020-01-01T00:00:00Z"}}, "args.at"),
        ({"action": "result", "args": {"result": "happy"}}, "args.result"),
        ({"action": "result", "args": {"result": "done", "run": "-" * 36}}, "args.run"),
        ({"action": "result", "args": {"result": "done", "run": say.call_id(9)}}, "args.run"),
        ({"action": "sing"}, "action"),
    ):
        status, answer = await act(desk, body)
        assert (status, answer["error"]["faults"][0]["field"]) == (422, field)
    never = {"result": "refused", "never": True}
    status, answer = await act(desk, {"action": "result", "args": never})
    assert status == 202
    (asked,) = desk.submitted
    assert isinstance(asked, ActionAsked)
    assert (asked.id, asked.kind, asked.actor) == (answer["id"], "respondent", "anna")
    assert (asked.args["result"], asked.args["never"], asked.args["at"]) == ("refused", True, None)
    path = "/api/v1/respondents/x/actions"
    assert (await desk.ask("POST", path, "anna", json={"action": "dial"}))[0] == 404


@pytest.mark.parametrize("name", ["anna", None])
async def test_lists_are_a_supervisors_page(desk: Desk, name: str | None) -> None:
    status, _, _ = await desk.ask("GET", "/lists", name)
    assert status in (303, 403)
