"""What the API tells of surveys: the figures of a period and the runs behind them, recordings, and
who is not to be asked. Exports: `test_screenpop_surveys_export`."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from screenpop_server import *  # noqa: F403
from screenpop_server import Desk, Place, settings
from store_fixtures import CHEAP

from cordboard import config
from cordboard.crm_core.model import AnswerRecord, AuditRecord, Draft, Record, RunRecord
from cordboard.crm_core.store import Store
from cordboard.errors import PeerError
from cordboard.events import derived_id
from cordboard.ivr.script import Script
from cordboard.screenpop import schemas
from cordboard.screenpop.hub import Limits
from cordboard.screenpop.surveys import ROUTES, SHOWN_AT_MOST, Results, RunsBehind, SurveyList

ZONE = ZoneInfo("Europe/Sofia")
ALL = "since=2026-10-01&until=2026-10-31"
SOUND = b"RIFF of a voice"

VISITS = Script.parse("""
version: 1
name: visits
title: { en: Visits, ru: Визиты }
languages: [en, ru]
survey: true
on: { noinput: bye, nomatch: bye }
steps:
  - id: score
    ask:
      kind: scale
      scale: 0-10
      question: score
      prompt: { en: How likely, ru: Насколько }
  - id: which
    ask:
      kind: choice
      question: which
      prompt: { en: Which, ru: Что }
      choices:
        "1": { value: shop, text: { en: the shop, ru: магазин } }
        "2": { value: web, text: { en: the site, ru: сайт } }
  - id: why
    record: { question: why, prompt: { en: Why, ru: Почему } }
  - id: bye
    hangup: { en: Bye, ru: Пока }
""")


@pytest.fixture
async def desk(place: Place, tmp_path: Path) -> AsyncIterator[Desk]:
    """In Sofia, with a folder of recordings."""
    recordings = tmp_path / "recordings"
    recordings.mkdir()
    chosen = settings().model_copy(
        update={
            "desk": config.Desk(timezone="Europe/Sofia"),
            "scripts": config.Scripts(recordings=recordings),
        }
    )
    store = Store(place.url, "RU", chosen.crm.statuses, chosen.crm.languages, hasher=CHEAP)
    await store.open()
    made = Desk(store, Limits(closing=0.5), chosen)
    made.tokens = place.tokens
    made.library.scripts = {"visits": VISITS}
    try:
        async with made.running():
            yield made
    finally:
        await store.close()


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZONE).timestamp()


def run(name: str, began: str = "2026-10-12 10:00", **more: Any) -> RunRecord:
    start = at(began)
    values: dict[str, Any] = {
        "id": derived_id(int(start * 1000), name),
        "script": "visits",
        "version": VISITS.fingerprint,
        "channel": "phone",
        "call_id": derived_id(int(start * 1000), "call", name),
        "customer_id": None,
        "respondent_id": None,
        "number": "+359888123456",
        "operator": "anna",
        "queue": "sales",
        "status": "vip",
        "language": "en",
        "started_at": start,
        "ended_at": start + 60,
        "outcome": "completed",
        "step": "bye",
        "path": json.dumps([["score", "next", start], ["which", "1", start + 9]]),
    }
    return RunRecord(**values | more)


def answer(
    of: RunRecord, question: str, kind: str, value: str, file: str | None = None
) -> AnswerRecord:
    scale = "0-10" if kind == "scale" else None
    return AnswerRecord(of.id, question, question, kind, value, of.started_at + 5, file, scale)


def week() -> list[Record]:
    """Four people answered, one hung up at the first question, one had none."""
    people: list[tuple[str, str, str, dict[str, Any]]] = [
        ("a", "10", "shop", {}),
        ("b", "9", "web", {"operator": "boris"}),
        ("c", "3", "shop", {"status": "new", "language": "ru"}),
        ("d", "10", "web", {"status": None, "channel": "form", "queue": None}),
    ]
    found: list[Record] = []
    for name, mark, which, more in people:
        each = run(name, **more)
        found += [each, answer(each, "score", "scale", mark)]
        found.append(answer(each, "which", "choice", which))
    step = json.dumps([["score", "hangup", 1.0]])
    found.append(run("e", outcome="hung-up", step="score", path=step))
    found.append(run("f", outcome="refused", step="bye", path="[]"))
    return found


async def told(desk: Desk, what: str, query: str = ALL) -> Any:
    """An answer, which holds to its description."""
    path = f"/api/v1/surveys/visits/{what}?{query}"
    status, found, _ = await desk.ask("GET", path, "sveta")
    assert status == 200, found
    (Results if what == "results" else RunsBehind).model_validate(found)
    return found


async def test_each_figure_has_its_n_and_its_interval(desk: Desk) -> None:
    await desk.store.write(week())
    found = await told(desk, "results")
    assert (found["title"], found["runs"], found["complete"]) == ("Visits", 6, True)
    assert found["outcomes"] == {"completed": 4, "hung-up": 1, "refused": 1}
    assert (found["response"]["count"], found["response"]["n"]) == (4, 6)
    score, which, why = found["questions"]
    assert (score["question"], score["prompt"]) == ("score", "How likely")
    assert (score["asked"], score["answered"], score["left"]) == (5, 4, 1)
    assert (score["mean"], score["median"]) == (8.0, 9.5)
    assert (score["nps"]["high"], score["nps"]["low"], score["nps"]["n"]) == (3, 1, 4)
    assert score["nps"]["score"] == 50.0
    assert (score["csat"]["count"], score["csat"]["n"]) == (3, 4)
    low, high = score["csat"]["interval"]
    assert 0 < low < 0.75 < high < 1
    shares = {each["value"]: each["share"]["count"] for each in score["answers"]}
    assert shares == {"3": 1, "9": 1, "10": 2}
    assert [each["text"] for each in which["answers"]] == ["the shop", "the site"]
    assert (why["question"], why["answered"], why["nps"], why["mean"]) == ("why", 0, None, None)


async def test_texts_are_in_the_readers_language(desk: Desk) -> None:
    await desk.store.write(week())
    path = f"/api/v1/surveys/visits/results?{ALL}"
    language = {"Accept-Language": "ru"}
    _, found, _ = await desk.ask("GET", path, "sveta", headers=language)
    assert (found["title"], found["questions"][0]["prompt"]) == ("Визиты", "Насколько")
    assert found["questions"][1]["answers"][0]["text"] == "магазин"


@pytest.mark.parametrize(("answers", "is_small"), [(29, True), (30, False)])
async def test_a_figure_of_few_answers_is_marked(desk: Desk, answers: int, is_small: bool) -> None:
    found: list[Record] = []
    for number in range(answers):
        each = run(str(number))
        found += [each, answer(each, "score", "scale", "9")]
    await desk.store.write(found)
    table = await told(desk, "results", f"{ALL}&question=score&by=status")
    assert table["questions"][0]["small"] is is_small
    assert table["table"]["rows"][0]["small"] is is_small


async def test_money_is_told_in_whole_units_of_the_houses_currency(desk: Desk) -> None:
    first, second = run("a"), run("b")
    paid = [answer(first, "paid", "money", "1050"), answer(second, "paid", "money", "2051")]
    await desk.store.write([first, second, *paid])
    found = await told(desk, "results")
    total = next(each for each in found["questions"] if each["question"] == "paid")
    assert (found["currency"], total["kind"], total["mean"]) == ("RUB", "money", 15.505)
    assert [each["value"] for each in total["answers"]] == ["1050", "2051"]


BY = ("status", "operator", "queue", "channel", "language", "version", "?which")


@pytest.mark.parametrize("by", BY)
async def test_each_figure_is_the_count_of_the_runs_behind_it(desk: Desk, by: str) -> None:
    await desk.store.write(week())
    found = await told(desk, "results", f"{ALL}&question=score&by={by}")
    total, table = found["questions"][0], found["table"]
    assert (table["question"], table["by"]) == ("score", by)
    assert sum(row["runs"] for row in table["rows"]) == found["runs"]
    for each in total["answers"]:
        query = f"{ALL}&question=score&value={each['value']}"
        behind = await told(desk, "runs", query)
        assert behind["count"] == len(behind["runs"]) == each["share"]["count"]
        assert sum(row["answers"].get(each["value"], 0) for row in table["rows"]) == behind["count"]
        for row in table["rows"]:
            cell = await told(desk, "runs", f"{query}&by={by}&row={row['name']}")
            assert cell["count"] == row["answers"].get(each["value"], 0)
    whole = await told(desk, "runs", f"{ALL}&question=score")
    assert whole["count"] == total["answered"] == total["csat"]["n"] == total["nps"]["n"]


async def test_a_run_behind_a_figure_says_who_when_and_what(desk: Desk) -> None:
    await desk.store.write(week())
    (only,) = (await told(desk, "runs", f"{ALL}&question=score&value=3"))["runs"]
    expected = run("c")
    assert (only["id"], only["call"]) == (expected.id, expected.call_id)
    assert (only["at"], only["operator"]) == ("2026-10-12T07:00:00.000000Z", "anna")
    assert (only["status"], only["language"], only["outcome"]) == ("new", "ru", "completed")
    assert only["answers"] == [
        {"question": "score", "kind": "scale", "value": "3", "recorded": False},
        {"question": "which", "kind": "choice", "value": "shop", "recorded": False},
    ]


async def test_of_many_runs_the_last_are_shown_and_all_are_counted(desk: Desk) -> None:
    found: list[Record] = []
    for number in range(SHOWN_AT_MOST + 1):
        each = run(str(number), f"2026-10-12 {10 + number // 60}:{number % 60:02}")
        found += [each, answer(each, "score", "scale", "9")]
    await desk.store.write(found)
    behind = await told(desk, "runs", f"{ALL}&question=score&value=9")
    assert behind["count"] == SHOWN_AT_MOST + 1
    assert len(behind["runs"]) == SHOWN_AT_MOST
    assert behind["runs"][0]["at"] == "2026-10-12T10:20:00.000000Z"


async def test_a_period_is_of_whole_days_of_the_desk_both_counted(desk: Desk) -> None:
    """Also of that with 25 hours: on 25 October clocks go back in Sofia."""
    moments = ("2026-10-24 23:59", "2026-10-25 00:00", "2026-10-25 23:59", "2026-10-26 00:00")
    runs = [run(moment, moment) for moment in moments]
    await desk.store.write([*runs, *(answer(each, "score", "scale", "9") for each in runs)])

    async def within(query: str) -> list[str]:
        behind = await told(desk, "runs", f"{query}&question=score")
        assert (await told(desk, "results", query))["runs"] == behind["count"]
        ids = {each["id"] for each in behind["runs"]}
        return [moment for moment, each in zip(moments, runs, strict=True) if each.id in ids]

    assert await within("since=2026-10-25&until=2026-10-25") == [*moments[1:3]]
    assert await within("since=2026-10-24&until=2026-10-24") == [moments[0]]
    assert await within("since=2026-10-26&until=2026-10-26") == [moments[3]]
    assert await within("since=2026-10-25T12:00:00%2B02:00&until=2026-10-26") == [*moments[2:]]
    assert await within("since=20261025&until=20261025") == [*moments[1:3]]


async def test_without_a_period_the_last_thirty_days_count(desk: Desk) -> None:
    now = time.time()
    late = run("late", started_at=now - 60)
    early = run("early", started_at=now - 31 * 86_400)
    await desk.store.write([late, early, answer(late, "score", "scale", "9")])
    assert (await told(desk, "results", ""))["runs"] == 1


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("since=yesterday", "since"),
        ("until=2026-02-30", "until"),
        ("since=2026-10-02&until=2026-10-01", "since"),
        ("since=0001-01-01", "since"),
        ("until=9999-12-31", "until"),
        ("until=0001-01-01T00:00:00%2B23:59", "until"),
        ("since=2026-10-01T09:00&until=2026-10-01T09:00", "since"),
        ("by=number", "by"),
        ("by=?", "by"),
        ("limit=5", "limit"),
    ],
)
async def test_what_cannot_be_counted_is_refused_by_name(
    desk: Desk, query: str, field: str
) -> None:
    path = f"/api/v1/surveys/visits/results?{query}"
    status, found, _ = await desk.ask("GET", path, "sveta")
    assert (status, found["error"]["code"]) == (422, "invalid")
    assert field in json.dumps(found)


async def test_a_survey_that_there_is_not_is_not_found(desk: Desk) -> None:
    for what in ("results", "runs?question=score", "export"):
        status, _, _ = await desk.ask("GET", f"/api/v1/surveys/gone/{what}", "sveta")
        assert status == 404, what


async def test_surveys_are_listed_with_scripts_that_are_gone_but_had_answers(desk: Desk) -> None:
    now = time.time()
    gone = run("gone", script="gone", started_at=now - 60)
    await desk.store.write([gone, answer(gone, "score", "scale", "9")])
    _, found, _ = await desk.ask("GET", "/api/v1/surveys", "sveta")
    SurveyList.model_validate(found)
    assert found["surveys"] == [
        {"name": "gone", "title": "gone", "survey": False, "runs": 1},
        {"name": "visits", "title": "Visits", "survey": True, "runs": 0},
    ]


@pytest.mark.parametrize(
    "route", [each for each in ROUTES if "customers" not in each.path], ids=lambda each: each.path
)
async def test_operators_see_no_results(desk: Desk, route: Any) -> None:
    path = route.path.format(survey="visits", run=run("a").id, question="why")
    assert (await desk.ask(route.method, f"/api/v1{path}", "anna"))[0] == 403
    assert (await desk.ask(route.method, f"/api/v1{path}", None))[0] == 401


# Recordings


async def recorded(desk: Desk, file: str | None) -> str:
    """The path at which an answer whose file has this name would be had."""
    each = run("a")
    await desk.store.write([each, answer(each, "why", "recording", "", file)])
    return f"/api/v1/runs/{each.id}/answers/why/recording"


async def test_a_recorded_answer_is_listened_to(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "recordings/a.wav").write_bytes(SOUND)
    path = await recorded(desk, "a.wav")
    status, heard, response = await desk.ask("GET", path, "sveta")
    assert (status, heard.encode()) == (200, SOUND)
    assert response.headers["Content-Type"] == "audio/wav"
    assert "media-src 'self'" in response.headers["Content-Security-Policy"]
    part = {"Range": "bytes=0-3"}
    assert (await desk.ask("GET", path, "sveta", headers=part))[:2] == (206, "RIFF")
    (only,) = (await told(desk, "runs", f"{ALL}&question=why"))["runs"]
    assert [each["recorded"] for each in only["answers"]] == [True]


@pytest.mark.parametrize(
    "file",
    ["../secret.wav", "link.wav", "folder", "..", ".", "gone.wav", "", None, "{}/secret.wav"],
)
async def test_no_file_is_given_from_outside_the_folder(
    desk: Desk, tmp_path: Path, file: str | None
) -> None:
    (tmp_path / "secret.wav").write_bytes(SOUND)
    (tmp_path / "recordings/link.wav").symlink_to(tmp_path / "secret.wav")
    (tmp_path / "recordings/folder").mkdir()
    path = await recorded(desk, file and file.format(tmp_path))
    assert (await desk.ask("GET", path, "sveta"))[0] == 404
    assert await desk.store.audits() == []


@pytest.mark.parametrize(("run_id", "question"), [("x", "why"), ("%00", "why"), ("", "other")])
async def test_a_recording_that_there_is_not_is_not_found(
    desk: Desk, tmp_path: Path, run_id: str, question: str
) -> None:
    (tmp_path / "recordings/a.wav").write_bytes(SOUND)
    await recorded(desk, "a.wav")
    path = f"/api/v1/runs/{run_id or run('a').id}/answers/{question}/recording"
    assert (await desk.ask("GET", path, "sveta"))[0] == 404


# The audit


async def test_exports_and_listening_are_written_down(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "recordings/a.wav").write_bytes(SOUND)
    path = await recorded(desk, "a.wav")
    await desk.ask("GET", path, "sveta")
    await desk.ask("GET", f"/api/v1/surveys/visits/export?{ALL}&format=csv", "root")
    _, found, _ = await desk.ask("GET", "/api/v1/audit", "sveta")
    schemas.Audits.model_validate(found)
    export, listen = found["audits"]
    assert (listen["actor"], listen["kind"], listen["action"]) == ("sveta", "answer", "listen")
    assert listen["target"] == f"{run('a').id}/why"
    assert (export["actor"], export["kind"], export["action"]) == ("root", "survey", "export")
    assert export["target"] == "visits"
    assert export["after"]["format"] == "csv"
    assert export["after"]["since"] == "2026-10-01"


@pytest.mark.parametrize("what", ["listen", "export"])
async def test_nothing_leaves_that_could_not_be_written_down(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    (tmp_path / "recordings/a.wav").write_bytes(SOUND)
    path = await recorded(desk, "a.wav")
    if what == "export":
        path = "/api/v1/surveys/visits/export"
    tried: list[Record] = []

    async def away(written: list[Record]) -> None:
        tried.extend(written)
        raise PeerError("the database is away")

    monkeypatch.setattr(desk.store, "write", away)
    status, body, _ = await desk.ask("GET", path, "sveta")
    assert (status, body["error"]["code"]) == (503, "unavailable")
    (record,) = tried
    assert isinstance(record, AuditRecord)
    assert record.action == what


# Who is not to be asked


async def customer(desk: Desk, name: str, phone: str) -> str:
    return (await desk.store.create_customer(Draft(name, phones=(phone,)))).customer.id


async def test_an_operator_notes_who_is_not_to_be_asked_and_takes_it_back(desk: Desk) -> None:
    vera = await customer(desk, "Vera", "+79161234567")
    path = f"/api/v1/customers/{vera}/refusals"
    assert (await desk.ask("GET", path, "anna"))[1] == {"refusals": []}
    status, one, _ = await desk.ask("POST", path, "anna", json={"script": "visits"})
    assert (status, one["script"], one["number"]) == (201, "visits", "+79161234567")
    assert await desk.store.has_refused(vera, "", "visits")
    assert not await desk.store.has_refused(vera, "", "other")
    _, all_of_them, _ = await desk.ask("POST", path, "anna", json={})
    assert all_of_them["script"] is None
    assert await desk.store.has_refused(None, "+79161234567", "other")
    assert (await desk.ask("GET", path, "anna"))[1] == {"refusals": [one, all_of_them]}

    status, left, _ = await desk.ask("DELETE", f"{path}/{all_of_them['id']}", "anna")
    assert (status, left) == (200, {"refusals": [one]})
    assert not await desk.store.has_refused(vera, "", "other")


async def test_a_refusal_is_taken_back_only_where_it_stands(desk: Desk) -> None:
    """Else one mistaken number would have somebody asked again who does not want it."""
    vera = await customer(desk, "Vera", "+79161234567")
    ivan = await customer(desk, "Ivan", "+79167654321")
    _, hers, _ = await desk.ask("POST", f"/api/v1/customers/{vera}/refusals", "anna", json={})
    for which in (hers["id"], "x"):
        path = f"/api/v1/customers/{ivan}/refusals/{which}"
        assert (await desk.ask("DELETE", path, "anna"))[0] == 404
    assert await desk.store.has_refused(vera, "", "visits")


async def test_of_a_customer_that_there_is_not_nothing_is_noted(desk: Desk) -> None:
    path = f"/api/v1/customers/{run('a').id}/refusals"
    assert (await desk.ask("GET", path, "anna"))[0] == 404
    assert (await desk.ask("POST", path, "anna", json={}))[0] == 404
