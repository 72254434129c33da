"""`cordboard script import`: a questionnaire out of a spreadsheet becomes a script."""

from __future__ import annotations

import re
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cordboard.errors import UserError

if TYPE_CHECKING:
    from cordboard.ivr.questionnaire import Fault
    from cordboard.ivr.worksheets import Form

BYTES_AT_MOST = 10_000_000
UNPACKED_AT_MOST = 200_000_000
"""A small .xlsx can hold more than there is memory for."""
ENDINGS = (".xlsx", ".xlsm", ".xls", ".csv", ".md")

_ROW = re.compile(r"\[row : (\d+)\]\s*")


def import_form(
    file: Annotated[Path, typer.Argument(help="The XLSForm: .xlsx, .xls or .csv.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The script, such as scripts/nps.yaml; else stdout."),
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", help="Of the script; else that of the file.")
    ] = None,
    language: Annotated[
        str | None,
        typer.Option("--language", "-l", help="Of labels that do not say theirs, such as en."),
    ] = None,
    leave_out: Annotated[
        bool, typer.Option("--leave-out", help="Leave out what no telephone can ask.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Write over a script.")] = False,
) -> None:
    """Make a script of an XLSForm. Says everything that is wrong with it, by sheet and row."""
    from cordboard.ivr.questionnaire import FormError
    from cordboard.ivr.xlsform import imported

    form, faults, notes = read(file)
    called = name or _name(output.stem if output else form.settings.get("form_id") or file.stem)
    try:
        found = imported(form, called, language, leave_out)
    except FormError as error:
        rows = {each[:2] for each in error.faults}
        all_of_them = error.faults + [each for each in faults if each[:2] not in rows]
        raise UserError(_told(file, all_of_them)) from None
    if faults:
        raise UserError(_told(file, faults))
    for words in (*found.notes, *notes):
        typer.echo(f"{file}: {words}", err=True)
    if output is None:
        sys.stdout.write(found.text)
        return
    try:
        with output.open("w" if force else "x", encoding="utf-8") as written:
            written.write(found.text)
    except FileExistsError:
        raise UserError(f"{output}: is there; give --force to write over it") from None
    except OSError as error:
        raise UserError(f"{output}: {error.strerror}") from error
    typer.echo(f"{output}: {len(found.script.asked)} questions", err=True)


def read(file: Path) -> tuple[Form, list[Fault], list[str]]:
    """The form, what pyxform says is wrong with it (it stops at the first), and what it warns of.
    Raises `UserError` where it is no spreadsheet."""
    from pyxform.errors import PyXFormError
    from pyxform.xls2json_backends import get_xlsform
    from pyxform.xls2xform import convert

    from cordboard.ivr.worksheets import Form

    if file.suffix.lower() not in ENDINGS:
        raise UserError(f"{file}: is no spreadsheet; an XLSForm is one of {', '.join(ENDINGS)}")
    data = _bytes(file)
    kind = file.suffix.lower()
    try:
        sheets = get_xlsform(data, kind)
    # Of a broken file the readers raise whatever they stumble on; what they say of it helps nobody.
    except Exception as error:
        words = f"{file}: cannot be read as {kind}; open it and save it as .xlsx anew"
        raise UserError(words) from error
    if not sheets.survey:
        raise UserError(f"{file}: has no sheet called survey with rows in it")
    form = Form.of(sheets.survey, sheets.choices or [], sheets.settings or [])
    warnings: list[str] = []
    try:
        convert(data, warnings, form_name="form", file_type=kind)
    except PyXFormError as error:
        return form, [_fault(str(error))], []
    return form, [], [" ".join(each.split()) for each in warnings]


def _bytes(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            data = opened.read(BYTES_AT_MOST + 1)
            if len(data) > BYTES_AT_MOST:
                raise UserError(f"{file}: has more than {BYTES_AT_MOST} bytes")
            if zipfile.is_zipfile(opened):
                with zipfile.ZipFile(opened) as packed:
                    size = sum(each.file_size for each in packed.infolist())
                if size > UNPACKED_AT_MOST:
                    raise UserError(f"{file}: holds more than {UNPACKED_AT_MOST} bytes unpacked")
    except (OSError, zipfile.BadZipFile) as error:
        raise UserError(f"{file}: {getattr(error, 'strerror', None) or error}") from error
    return data


def _fault(words: str) -> Fault:
    row = _ROW.search(words)
    return "survey", int(row[1]) if row else 1, " ".join(_ROW.sub("", words).split())


def _told(file: Path, faults: list[Fault]) -> str:
    return "\n".join(
        f"{file}: {sheet}, {'line' if sheet == 'script' else 'row'} {row}: {words}"
        for sheet, row, words in faults
    )


def _name(text: str) -> str:
    """What a script may be called, from what a file is."""
    plain = re.sub(r"[^a-z0-9_-]+", "-", text.lower()).strip("-_")
    return (plain if plain[:1].isalpha() else f"form-{plain}".rstrip("-"))[:40]
