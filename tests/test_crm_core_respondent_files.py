"""People in files as spreadsheets save them."""

from __future__ import annotations

import contextlib
import tempfile
import time
import zipfile
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import Workbook

from cordboard.crm_core.model import Attribute
from cordboard.crm_core.respondent_files import UNPACKED_AT_MOST, people_in
from cordboard.crm_core.respondents import Person
from cordboard.errors import UserError


def read(path: Path, content: bytes | str, encoding: str = "utf-8") -> tuple[list[Person], Any]:
    path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
    faults: list[tuple[int, str]] = []
    people = list(people_in(path, lambda line, reason: faults.append((line, reason))))
    return people, faults


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1251", "utf-16"])
@pytest.mark.parametrize("delimiter", [";", ",", "\t"])
def test_titles_in_any_encoding_and_with_any_separator_say_what_a_column_is(
    tmp_path: Path, encoding: str, delimiter: str
) -> None:
    rows = ["Имя|Телефон|Язык|Город|Last purchase", "Пётр|8 903 111-00-01|RU|Омск|12.5"]
    text = "\r\n".join(rows).replace("|", delimiter)
    (person,), faults = read(tmp_path / "a.csv", text, encoding)
    attributes: dict[str, Attribute] = {"Город": "Омск", "Last_purchase": 12.5}
    assert person == Person(2, "Пётр", ("8 903 111-00-01",), "ru", attributes)
    assert faults == []


def test_a_row_that_cannot_be_read_is_told_with_its_line_and_the_others_come(
    tmp_path: Path,
) -> None:
    text = (
        "phone;note\n"
        "+79031110001;one\n"
        "\n"
        '+79031110002;"two\nlines"\n'
        "+79031110003;three;four\n"
        f"+79031110004;{'x' * 201}\n"
        "+79031110005;=1+1\n"
        '+79031110006;"a" b\n'
    )
    people, faults = read(tmp_path / "a.csv", text)
    assert [(each.line, each.attributes.get("note")) for each in people] == [
        (2, "one"),
        (4, "two lines"),
        (8, "=1+1"),
    ]
    assert [line for line, _ in faults] == [6, 7, 9]
    assert faults[0][1] == "row: has 3 cells under 2 titles"
    assert "quotation mark" in faults[2][1]


def test_several_numbers_in_a_cell_or_in_columns_are_all_of_one_person(tmp_path: Path) -> None:
    text = 'name;phone;mobile\nIvan;+79031110001, +79031110002;="+79031110003"\n'
    (person,), faults = read(tmp_path / "a.csv", text)
    assert len(person.phones) == 3
    assert faults == []


@pytest.mark.parametrize("text", ["", "name;city\nIvan;Омск\n", "+79031110001\n"])
def test_a_file_without_a_column_of_numbers_is_refused_in_words(tmp_path: Path, text: str) -> None:
    with pytest.raises(UserError, match="no column for the telephone number"):
        read(tmp_path / "a.csv", text)


def test_a_workbook_is_read_like_any_other(tmp_path: Path) -> None:
    book = Workbook()
    sheet: Any = book.active
    sheet.append(["name", "phone", "since", "at", "balance", "vip", None])
    day, moment = date(2026, 3, 1), datetime(2026, 3, 1, 12, 30)  # noqa: DTZ001 - a cell has none
    sheet.append(["Пётр", 79031110001.0, day, moment, 12.5, True, None])
    sheet.append([None] * 7)
    sheet.append(["Ivan", "+79031110002"])
    path = tmp_path / "people.xlsx"
    book.save(path)
    faults: list[tuple[int, str]] = []
    first, second = people_in(path, lambda line, reason: faults.append((line, reason)))
    assert first.phones == ("79031110001",)
    assert first.attributes == {
        "since": "2026-03-01",
        "at": "2026-03-01 12:30:00",
        "balance": 12.5,
        "vip": True,
    }
    assert (second.line, second.name) == (4, "Ivan")
    assert faults == []


def test_a_cell_far_away_costs_no_time(tmp_path: Path) -> None:
    book = Workbook()
    sheet: Any = book.active
    sheet.append(["name", "phone"])
    sheet.append(["Ivan", "+79031110002"])
    sheet["XFD100000"] = "x"
    path = tmp_path / "far.xlsx"
    book.save(path)
    began = time.perf_counter()
    (one,) = people_in(path, lambda line, reason: None)
    assert one.name == "Ivan"
    assert time.perf_counter() - began < 20


def test_a_bomb_and_a_broken_workbook_are_refused(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.xlsx"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("xl/workbook.xml", b"0" * (UNPACKED_AT_MOST + 1))
    with pytest.raises(UserError, match="too large"):
        list(people_in(bomb, lambda line, reason: None))
    with pytest.raises(UserError, match="no XLSX file"):
        read(tmp_path / "broken.xlsx", b"PK\x03\x04nonsense")


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.csv"
        path.write_bytes(b"phone;x\n" + content)
        try:
            people = list(people_in(path, lambda line, reason: None))
        except UserError:
            return
        assert all(person.line > 1 for person in people)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_spoilt_workbook_is_read_or_refused(data: st.DataObject) -> None:
    book = Workbook()
    sheet: Any = book.active
    for row in (["phone", "name"], ["+79031110001", "Ivan"]):
        sheet.append(row)
    with tempfile.TemporaryDirectory() as folder:
        good, path = Path(folder) / "good.xlsx", Path(folder) / "a.xlsx"
        book.save(good)
        with zipfile.ZipFile(good) as packed:
            parts = {name: packed.read(name) for name in packed.namelist()}
        spoilt = data.draw(st.sampled_from(sorted(parts)))
        cut = data.draw(st.integers(0, len(parts[spoilt])))
        parts[spoilt] = parts[spoilt][:cut] + data.draw(st.binary(max_size=20))
        with zipfile.ZipFile(path, "w") as packed:
            for name, content in parts.items():
                packed.writestr(name, content)
        with contextlib.suppress(UserError):
            list(people_in(path, lambda line, reason: None))
