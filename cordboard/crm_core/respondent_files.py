"""People who are to be called, from a file as it is saved by a spreadsheet program: CSV in any of
its forms, or XLSX. The columns that mean nothing to us are what is known of each."""

from __future__ import annotations

import csv
import re
import zipfile
import zlib
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from datetime import date, datetime
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError

from cordboard.crm_core.model import Attribute
from cordboard.crm_core.respondents import Person
from cordboard.crm_core.rules import ATTRIBUTES_AT_MOST, TEXT_AT_MOST, tidy
from cordboard.crm_core.spreadsheet import DELIMITERS, attribute_of, encoding_of, field_of
from cordboard.errors import UserError

UNPACKED_AT_MOST = 64 * 2**20
"""Bytes that an XLSX file may have when it is unpacked: a bomb is made of the others."""

_ZIP = b"PK\x03\x04"
_NAME = re.compile(r"[^\w.-]+")
_KNOWN = ("name", "phones", "language")

_UNREADABLE = (
    *(zipfile.BadZipFile, zlib.error, ParseError, OSError),
    *(KeyError, ValueError, TypeError, AttributeError, IndexError, EOFError, NotImplementedError),
)
"""What openpyxl and those below it raise for what somebody else wrote."""

OnFault = Callable[[int, str], None]
Row = tuple[int, Sequence[str]]


def people_in(path: Path, on_fault: OnFault) -> Iterator[Person]:
    """The people of a file, one at a time; a row that cannot be read goes to `on_fault` with its
    line and the reason. Raises `UserError` for a file that cannot be read at all."""
    with path.open("rb") as file:
        packed = file.read(4) == _ZIP
    with closing(_sheet(path) if packed else _csv(path, on_fault)) as rows:
        fields = _fields(path, next(rows, (1, ()))[1])
        for line, cells in rows:
            if not any(cells):
                continue
            person, fault = _person(line, cells, fields)
            if fault is not None:
                on_fault(line, fault)
            else:
                yield person


def _fields(path: Path, titles: Sequence[str]) -> list[str]:
    """`name`, `phones`, `language`, else what the attribute is called."""
    fields = []
    for title in titles:
        field = field_of(tidy(title)) or ""
        if field not in _KNOWN:
            name = field.partition("attribute.")[2] or tidy(title)
            field = f".{_NAME.sub('_', name).strip('_.-')[:64]}"
        fields.append(field)
    if "phones" not in fields:
        raise UserError(
            f"{path.name}:1: no column for the telephone number; the first line must name the"
            " columns, such as: name;phone;language;city"
        )
    if len(fields) - len(_KNOWN) > ATTRIBUTES_AT_MOST:
        raise UserError(f"{path.name}:1: at most {ATTRIBUTES_AT_MOST} columns besides fit")
    return fields


def _person(line: int, cells: Sequence[str], fields: Sequence[str]) -> tuple[Person, str | None]:
    """With what is wrong with the row."""
    fault = None
    if any(cells[len(fields) :]):
        fault = f"row: has {len(cells)} cells under {len(fields)} titles"
    if any("\0" in cell or "\ufffd" in cell for cell in cells):
        fault = "row: holds bytes that are not text in the file's encoding"
    known: dict[str, str] = {}
    phones: list[str] = []
    attributes: dict[str, Attribute] = {}
    for field, cell in zip(fields, cells, strict=False):
        if field == "phones":
            phones += [part for part in re.split(r"[;,|\n]", cell) if part.strip()]
        elif field in _KNOWN:
            known.setdefault(field, cell)
        elif cell and field != ".":
            text = tidy(cell)
            if len(text) > TEXT_AT_MOST:
                fault = f"{field[1:]}: at most {TEXT_AT_MOST} characters fit"
            attributes.setdefault(field[1:], attribute_of(text))
    language = known.get("language", "").casefold() or None
    return Person(line, known.get("name", ""), tuple(phones), language, attributes), fault


def _csv(path: Path, on_fault: OnFault) -> Generator[Row]:
    encoding = encoding_of(path)
    with path.open(encoding=encoding, errors="replace", newline="") as file:
        header = file.readline(65_536).removeprefix("\ufeff")
        delimiter = max(DELIMITERS, key=lambda each: _recognised(header, each))
        file.seek(0)
        rows = csv.reader(file, delimiter=delimiter, strict=True)
        while True:
            line = rows.line_num + 1
            try:
                cells = next(rows)
            except StopIteration:
                return
            except csv.Error as error:
                if line == 1:
                    raise UserError(f"{path.name}:1: {error}") from error
                on_fault(line, f"{error}: look for a quotation mark that is not doubled")
                continue
            yield line, [cell.strip().removeprefix("\ufeff") for cell in cells]


def _recognised(header: str, delimiter: str) -> tuple[int, int]:
    try:
        titles = next(csv.reader([header], delimiter=delimiter), [])
    except csv.Error:
        return 0, 0
    return sum(field_of(tidy(title)) is not None for title in titles), len(titles)


def _sheet(path: Path) -> Generator[Row]:
    """The sheet that was looked at last when the file was saved; of formulas what came of them."""
    from openpyxl import load_workbook  # few processes ever need it

    try:
        with path.open("rb") as file:  # by its name openpyxl would judge it
            with zipfile.ZipFile(file) as packed:
                if sum(each.file_size for each in packed.infolist()) > UNPACKED_AT_MOST:
                    raise UserError(f"{path.name}: is too large when it is unpacked")
            book = load_workbook(file, read_only=True, data_only=True, keep_links=False)
            with closing(book):
                sheet: Any = book.active
                # A cell far away makes every row as wide as the way to it, and all rows between.
                widest = 2 * (ATTRIBUTES_AT_MOST + len(_KNOWN))
                rows: Iterable[Sequence[Any]] = (
                    sheet.iter_rows(values_only=True, max_col=widest) if sheet else ()
                )
                for line, cells in enumerate(rows, 1):
                    if cells.count(None) == len(cells):
                        continue
                    texts = [_text(cell) for cell in cells]
                    while texts and not texts[-1]:
                        texts.pop()
                    yield line, texts
    except _UNREADABLE as error:
        raise UserError(f"{path.name}: is no XLSX file that can be read: {error}") from error


def _text(cell: Any) -> str:
    """A cell as somebody would have written it: a number of the spreadsheet is no `7.9e10`."""
    if cell is None:
        return ""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    if isinstance(cell, datetime) and (cell.hour, cell.minute, cell.second) == (0, 0, 0):
        return cell.date().isoformat()
    if isinstance(cell, datetime | date):
        return cell.isoformat(" ") if isinstance(cell, datetime) else cell.isoformat()
    return str(cell).strip()
