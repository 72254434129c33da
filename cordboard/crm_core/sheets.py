"""Rows for other programs: CSV and XLSX. Pure.

A text that a spreadsheet would take for a formula is written as a text: what callers say and what
cards hold is not to run on a supervisor's machine.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import xlsxwriter

Cell = str | int | float | datetime | None

_FORMULA = ("=", "+", "-", "@")
CHARACTERS_AT_MOST = 32_767
"""Of one cell of a spreadsheet."""


def csv_of(header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> bytes:
    """UTF-8 with its mark, which Excel needs to see; times in ISO 8601."""
    out = io.StringIO()
    # In quotes, for where lists are separated by semicolons Excel would cut a text at them.
    writer = csv.writer(out, lineterminator="\r\n", quoting=csv.QUOTE_NONNUMERIC)
    writer.writerow([_plain(name) for name in header])
    for row in rows:
        writer.writerow([_plain(cell) for cell in row])
    return b"\xef\xbb\xbf" + out.getvalue().encode()


def xlsx_of(title: str, header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> bytes:
    """One sheet, whose first line stays in sight. Times are those of the given zone."""
    out = io.BytesIO()
    options = {
        "in_memory": True,
        "constant_memory": True,
        "strings_to_formulas": False,
        "strings_to_numbers": False,
        "strings_to_urls": False,
        "remove_timezone": True,
        "default_date_format": "yyyy-mm-dd hh:mm:ss",
    }
    with xlsxwriter.Workbook(out, options) as book:
        sheet = book.add_worksheet(title[:31])
        bold = book.add_format({"bold": True})
        sheet.freeze_panes(1, 0)
        for column, name in enumerate(header):
            sheet.write_string(0, column, name, bold)
            sheet.set_column(column, column, max(10, min(len(name) + 2, 40)))
        for number, row in enumerate(rows, 1):
            for column, cell in enumerate(row):
                _write(sheet, number, column, cell)
    return out.getvalue()


def _write(sheet: Any, row: int, column: int, cell: Cell) -> None:
    if cell is None:
        return
    if isinstance(cell, datetime):
        sheet.write_datetime(row, column, cell)
    elif isinstance(cell, int | float):
        sheet.write_number(row, column, cell)
    else:
        sheet.write_string(row, column, _clean(cell)[:CHARACTERS_AT_MOST])


def _plain(cell: Cell) -> str | int | float:
    if cell is None:
        return ""
    if isinstance(cell, datetime):
        return cell.isoformat(timespec="seconds")
    if isinstance(cell, str):
        text = _clean(cell)
        return f"'{text}" if text.lstrip().startswith(_FORMULA) else text
    return cell


def _clean(text: str) -> str:
    """Without what no XML can hold."""
    return "".join(char for char in text if char >= " " or char in "\t\n\r")
