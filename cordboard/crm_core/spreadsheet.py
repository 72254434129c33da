"""Customer lists as people save them from spreadsheets: which encoding, which separator, which
column is which, and which rows cannot be read. Knows nothing of the database."""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from cordboard.crm_core.model import Attribute, Draft
from cordboard.crm_core.rules import Fault, FieldsError, tidy
from cordboard.errors import UserError

DELIMITERS = (";", "\t", ",")
_CHUNK = 1 << 20
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

_HEADERS = {
    "name": "name customer client company fullname имя имяклиента фио фиоклиента клиент название"
    " наименование контрагент компания организация име фирма",
    "phones": "phone phones telephone tel mobile number phonenumber телефон телефоны тел мобильный"
    " мобильныйтелефон номер номертелефона телефона телефони мобилен gsm",
    "kind": "kind type тип вид",
    "status": "status статус състояние",
    "language": "language lang язык език",
    "manager": "manager менеджер ответственный мениджър отговорник",
    "pin": "pin пин пинкод",
    "balance": "balance баланс остаток салдо",
    "segment": "segment сегмент",
    "tags": "tags tag теги метки тагове етикети",
    "do_not_disturb": "donotdisturb dnd donotcall небеспокоить незвонить небезпокой",
}
_FIELDS = {title: field for field, titles in _HEADERS.items() for title in titles.split()}

_KINDS = {
    "person": "person",
    "individual": "person",
    "физлицо": "person",
    "физическоелицо": "person",
    "физическолице": "person",
    "лице": "person",
    "organisation": "organisation",
    "organization": "organisation",
    "company": "organisation",
    "юрлицо": "organisation",
    "юридическоелицо": "organisation",
    "юридическолице": "organisation",
    "организация": "organisation",
    "компания": "organisation",
    "фирма": "organisation",
}
_YES = frozenset(["yes", "true", "1", "да", "y"])
_NO = frozenset(["no", "false", "0", "нет", "не", "n"])
_ATTRIBUTE = re.compile(r"(?:attribute|атрибут)\.(\w[\w.-]{0,63})", re.IGNORECASE)
_NUMBER = re.compile(r"-?(?:0|[1-9]\d{0,14})(?:\.\d{1,9})?")
_AMOUNT = re.compile(r"([+-]?)(\d{1,3}(?:[\s']\d{3})+|\d+)(?:[.,](\d+))?")


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the file. `number` is the line it begins on, counted from 1 as editors do;
    `given` are the columns whose cells are not empty."""

    number: int
    draft: Draft
    given: frozenset[str]


@dataclass(frozen=True, slots=True)
class Columns:
    """Which column holds what. `unused` are titles that mean nothing to us."""

    fields: tuple[str | None, ...]
    unused: tuple[str, ...]
    delimiter: str


def encoding_of(path: Path) -> str:
    """UTF-8 or UTF-16 by their marks; without one, UTF-8 where the whole file is that, else the
    Windows code page that spreadsheets in Russia and Bulgaria save. Raises `UserError`."""
    try:
        with path.open("rb") as file:
            start = file.read(1024)
            for mark, encoding in _BOMS:
                if start.startswith(mark):
                    return encoding
            if start[1::2].count(0) > len(start) // 8:
                return "utf-16-le"
            if start[::2].count(0) > len(start) // 8:
                return "utf-16-be"
            decoder = codecs.getincrementaldecoder("utf-8")()
            while start:
                decoder.decode(start)
                start = file.read(_CHUNK)
            decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return "cp1251"
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from error
    return "utf-8"


def columns_of(path: Path, encoding: str) -> Columns:
    """Reads the first line. Raises `UserError` where it does not name the columns we need."""
    with _open(path, encoding) as file:
        header = file.readline(65_536)
    best = max((_columns(header, delimiter) for delimiter in DELIMITERS), key=_recognised)
    missing = [field for field in ("name", "phones") if field not in best.fields]
    if missing:
        raise UserError(
            f"{path}:1: no column for {' and '.join(missing)}; the first line must name the"
            " columns, such as: name;phone;status;language;manager;balance"
        )
    return best


def read(
    path: Path,
    encoding: str,
    columns: Columns,
    minor_digits: int,
    on_fault: Callable[[int, str], None],
) -> Iterator[Line]:
    """The rows that could be read as drafts, one at a time; the others go to `on_fault` with the
    line they begin on and the reason. `minor_digits` are the currency's decimals."""
    with _open(path, encoding) as file:
        rows = csv.reader(file, delimiter=columns.delimiter, strict=True)
        try:
            next(rows, None)
        except csv.Error as error:
            raise UserError(f"{path}:1: {error}") from error
        while True:
            number = rows.line_num + 1
            try:
                cells = next(rows)
            except StopIteration:
                return
            except csv.Error as error:
                on_fault(number, f"{error}: look for a quotation mark that is not doubled")
                continue
            if not any(cell.strip() for cell in cells):
                continue
            try:
                yield _line(number, cells, columns.fields, minor_digits)
            except FieldsError as error:
                on_fault(number, str(error))


def _open(path: Path, encoding: str) -> TextIO:
    # What the encoding does not know becomes U+FFFD, a fault of its row and not of the file.
    return path.open(encoding=encoding, errors="replace", newline="")


def _columns(header: str, delimiter: str) -> Columns:
    titles = next(csv.reader([header.removeprefix("\ufeff")], delimiter=delimiter), [])
    found = [field_of(tidy(title)) for title in titles]
    fields: list[str | None] = []
    for field in found:
        # A second column of numbers adds numbers; of anything else the first one counts.
        fields.append(None if field != "phones" and field in fields else field)
    unused = [tidy(title) for title, field in zip(titles, fields, strict=True) if field is None]
    return Columns(tuple(fields), tuple(title for title in unused if title), delimiter)


def field_of(title: str) -> str | None:
    """A field of the draft, `attribute.NAME`, or nothing that we know."""
    if attribute := _ATTRIBUTE.fullmatch(title):
        return f"attribute.{attribute[1]}"
    return _FIELDS.get(re.sub(r"[\W\d_]+", "", title.casefold()))


def _recognised(columns: Columns) -> int:
    return sum(field is not None for field in columns.fields)


def _line(number: int, cells: list[str], fields: tuple[str | None, ...], minor_digits: int) -> Line:
    faults: list[Fault] = []
    if any(cell.strip() for cell in cells[len(fields) :]):
        faults.append(("row", f"has {len(cells)} cells under {len(fields)} titles"))
    if any("\0" in cell or "\ufffd" in cell for cell in cells):
        faults.append(("row", "holds bytes that are not text in the file's encoding"))
    values: dict[str, str] = {}
    phones: list[str] = []
    for field, cell in zip(fields, cells, strict=False):
        text = cell.strip()
        if field == "phones":
            phones.extend(part for part in re.split(r"[;,|\n]", text) if part.strip())
        elif field is not None and text:
            values[field] = text
    if not phones:
        faults.append(("phones", "must not be empty"))
    balance = None
    if "balance" in values:
        balance = _minor(values["balance"], minor_digits)
        if balance is None:
            faults.append(("balance", f"{values['balance'][:40]!r} is not an amount"))
    disturb = values.get("do_not_disturb", "no").casefold()
    if disturb not in _YES | _NO:
        faults.append(("do_not_disturb", f"{disturb[:40]!r} is neither yes nor no"))
    if faults:
        raise FieldsError(faults)
    attributes = {
        field.partition(".")[2]: attribute_of(text)
        for field, text in values.items()
        if field.startswith("attribute.")
    }
    kind = values.get("kind", "").casefold()
    draft = Draft(
        name=values.get("name", ""),
        kind=_KINDS.get(re.sub(r"[\W_]+", "", kind), kind) if kind else "person",
        phones=tuple(phones),
        status=values.get("status", "").casefold() or None,
        language=values.get("language", "").casefold() or None,
        manager=values.get("manager"),
        balance_minor=balance,
        segment=values.get("segment"),
        tags=tuple(re.split(r"[;,|\n]", values.get("tags", ""))),
        do_not_disturb=disturb in _YES,
        attributes=attributes,
        pin=values.get("pin"),
    )
    return Line(number, draft, frozenset(values) | ({"attributes"} if attributes else set()))


def attribute_of(text: str) -> Attribute:
    """A number and true or false are what they look like; 007 is no number, but somebody's name
    for a thing."""
    if _NUMBER.fullmatch(text):
        return float(text) if "." in text else int(text)
    return {"true": True, "false": False}.get(text.casefold(), text)


def _minor(written: str, digits: int) -> int | None:
    """An amount in minor units: `-1 234,50` is -123450. None for anything but plain decimals,
    such as 1e15, or for more decimals than the currency has."""
    found = _AMOUNT.fullmatch(written.replace("\u00a0", " ").replace("\u202f", " "))
    if found is None:
        return None
    sign, whole, decimals = found[1], re.sub(r"\D", "", found[2]), found[3] or ""
    decimals = decimals.rstrip("0").ljust(digits, "0")
    if len(decimals) > digits or len(whole) > 15:
        return None
    return int(f"{sign}{whole}{decimals}")
