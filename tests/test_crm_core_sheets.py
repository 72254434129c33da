"""Rows for spreadsheets, which run nothing of what somebody else has written."""

from __future__ import annotations

import csv
import io

import pytest

from cordboard.crm_core.sheets import csv_of


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1+1", "@SUM(A1)", "\t=1", "\n=1", " =1"])
def test_no_text_begins_a_formula(text: str) -> None:
    (_, (cell,)) = csv.reader(io.StringIO(csv_of(["x"], [[text]]).decode("utf-8-sig"), newline=""))
    assert cell == f"'{text}"


def test_a_semicolon_does_not_cut_a_text_where_lists_are_separated_by_it() -> None:
    assert csv_of(["x", "n"], [["y;=1+1;z", 5], [None, 0.5]]).decode("utf-8-sig") == (
        '"x","n"\r\n"y;=1+1;z",5\r\n"",0.5\r\n'
    )
