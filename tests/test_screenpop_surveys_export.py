"""Answers as files, for supervisors: CSV, XLSX and XLSForm's shape."""

from __future__ import annotations

import csv
import io
import time
from dataclasses import replace
from typing import Any

import pytest
from openpyxl import load_workbook
from screenpop_server import *  # noqa: F403
from screenpop_server import Desk

from cordboard.crm_core.model import AnswerRecord, RunRecord
from cordboard.events import derived_id
from cordboard.ivr.script import Script

VISITS = Script.parse("""
version: 1
name: visits
languages: [en]
survey: true
on: { noinput: bye, nomatch: bye }
steps:
  - id: age
    ask: { kind: number, question: age, prompt: Age }
    column: About/Age
  - id: bmw
    ask: { kind: yes_no, question: brands_bmw, prompt: BMW }
    column: About/Brands/bmw
  - id: why
    ask: { kind: text, question: why, prompt: Why }
  - id: bye
    hangup: Bye
""")
FORMULA = '=HYPERLINK("http://example.org")'


@pytest.fixture
async def runs(desk: Desk) -> list[RunRecord]:
    """One of yesterday, and one of today in which somebody dictates a formula."""
    desk.library.scripts = {"visits": VISITS}
    now = time.time()
    first = RunRecord(
        id=derived_id(int(now * 1000), "first"),
        script="visits",
        version=VISITS.fingerprint,
        channel="form",
        call_id=None,
        customer_id=None,
        respondent_id=None,
        number="+79161234567",
        operator="anna",
        queue=None,
        status="vip",
        language="en",
        started_at=now - 86_400,
        ended_at=now - 86_300,
        outcome="completed",
        step="bye",
        path="[]",
    )
    second = replace(first, id=derived_id(int(now * 1000), "second"), started_at=now - 60)

    def answer(run: RunRecord, question: str, kind: str, value: str) -> AnswerRecord:
        return AnswerRecord(run.id, question, question, kind, value, run.started_at, None)

    await desk.store.write([
        first,
        second,
        answer(first, "age", "number", "-5"),
        answer(second, "age", "number", "42"),
        answer(second, "brands_bmw", "yes_no", "yes"),
        answer(second, "why", "text", FORMULA),
    ])  # fmt: skip
    return [first, second]


async def exported(desk: Desk, form: str) -> list[dict[str, Any]]:
    """The rows by their headings."""
    path = f"{desk.origin}/api/v1/surveys/visits/export?format={form}"
    async with desk.http.get(path, headers=desk.headers("sveta")) as response:
        assert response.status == 200
        body = await response.read()
        ending = "csv" if form == "csv" else "xlsx"
        assert response.headers["Content-Disposition"].endswith(f'.{ending}"')
    if form == "csv":
        assert body.startswith(b"\xef\xbb\xbf")
        return list(csv.DictReader(io.StringIO(body.decode("utf-8-sig"))))
    head, *rows = load_workbook(io.BytesIO(body)).active.iter_rows()
    assert not [cell for row in rows for cell in row if cell.data_type == "f"]
    names = [cell.value for cell in head]
    return [dict(zip(names, (cell.value for cell in row), strict=True)) for row in rows]


async def test_answers_leave_as_csv_without_a_formula(desk: Desk, runs: list[RunRecord]) -> None:
    first, second = await exported(desk, "csv")
    assert [first["run"], second["run"]] == [run.id for run in runs]
    assert (first["age"], second["age"]) == ("-5", "42")
    assert second["why"] == f"'{FORMULA}"


async def test_answers_leave_as_xlsx_with_numbers_as_numbers(
    desk: Desk, runs: list[RunRecord]
) -> None:
    first, second = await exported(desk, "xlsx")
    assert (first["age"], second["age"]) == (-5, 42)
    assert second["why"] == FORMULA
    assert first["why"] is None


async def test_answers_leave_in_the_shape_of_xlsform(desk: Desk, runs: list[RunRecord]) -> None:
    first, second = await exported(desk, "xlsform")
    assert (first["About/Age"], second["About/Age"]) == (-5, 42)
    assert (second["About/Brands"], second["About/Brands/bmw"]) == ("bmw", 1)
    assert (second["_uuid"], second["username"], second["_index"]) == (runs[1].id, "anna", 2)


async def test_a_script_that_is_gone_is_still_exported(desk: Desk, runs: list[RunRecord]) -> None:
    desk.library.scripts = {}
    _, second = await exported(desk, "xlsform")
    assert (second["age"], second["brands_bmw"]) == (42, "yes")


async def test_operators_take_no_answers_away(desk: Desk, runs: list[RunRecord]) -> None:
    status, _, _ = await desk.ask("GET", "/api/v1/surveys/visits/export", "anna")
    assert status == 403
