"""`cordboard script import`: spreadsheets become scripts, or it is said why not."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from openpyxl import Workbook

from cordboard import questionnaires
from cordboard.errors import UserError
from cordboard.ivr.script import Script
from cordboard.questionnaires import import_form

SURVEY = [
    ["type", "name", "label::English (en)", "label::Български (bg)", "required"],
    ["select_one mark", "Mark", "Your mark?", "Оценка?", "yes"],
    [],
    ["integer", "visits", "How many visits?", "Колко посещения?", "no"],
]
CHOICES = [
    ["list_name", "name", "label::English (en)", "label::Български (bg)"],
    ["mark", 1, "Good", "Добре"],
    ["mark", 2, "Bad", "Зле"],
]


def spreadsheet(path: Path, survey: list[list[str]]) -> Path:
    book = Workbook()
    for name, rows in {"survey": survey, "choices": CHOICES}.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    del book["Sheet"]
    book.save(path)
    return path


def test_a_spreadsheet_becomes_a_script_that_can_be_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, output = spreadsheet(tmp_path / "Our Form.xlsx", SURVEY), tmp_path / "visits.yaml"
    import_form(file, output)
    script = Script.parse(output.read_text(encoding="utf-8"), "visits")
    assert script.languages == ["en", "bg"]
    assert list(script.asked) == ["mark", "visits"]
    assert "2 questions" in capsys.readouterr().err
    import_form(file)
    assert Script.parse(capsys.readouterr().out, "our-form").languages == ["en", "bg"]


def test_no_script_is_written_over_unasked(tmp_path: Path) -> None:
    file, output = spreadsheet(tmp_path / "a.xlsx", SURVEY), tmp_path / "a.yaml"
    output.write_text("mine", encoding="utf-8")
    with pytest.raises(UserError, match="give --force"):
        import_form(file, output)
    assert output.read_text(encoding="utf-8") == "mine"
    import_form(file, output, force=True)
    assert "visits" in output.read_text(encoding="utf-8")


def test_faults_are_told_with_the_rows_that_the_spreadsheet_shows(tmp_path: Path) -> None:
    rows = [*SURVEY[:3], ["photo", "p", "Picture", "Снимка", ""], ["text", "", "Why", "Защо", ""]]
    with pytest.raises(UserError) as caught:
        import_form(spreadsheet(tmp_path / "a.xlsx", rows))
    first, second = str(caught.value).splitlines()
    assert first.startswith(f"{tmp_path / 'a.xlsx'}: survey, row 4: type: photo is a picture")
    assert "survey, row 5: name: is empty" in second


def test_what_only_pyxform_knows_to_be_wrong_is_told_too(tmp_path: Path) -> None:
    rows = [*SURVEY, ["integer", "a b", "How many?", "Колко?", ""]]
    with pytest.raises(UserError, match=r"survey, row 5: .*name"):
        import_form(spreadsheet(tmp_path / "a.xlsx", rows))


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("a.docx", b"", "is no spreadsheet"),
        ("a.xlsx", b"not packed at all", "cannot be read as .xlsx"),
        ("a.xls", b"\xd0\xcf\x11\xe0 broken", "cannot be read as .xls"),
        ("a.csv", b"a;b\n1;2\n", "cannot be read as .csv"),
        ("a.csv", b'"settings",,\n,"form_id","form_title"\n,"a","b"\n', "no sheet called survey"),
    ],
)
def test_a_file_that_is_no_form_is_one_clear_line(
    tmp_path: Path, name: str, data: bytes, words: str
) -> None:
    file = tmp_path / name
    file.write_bytes(data)
    with pytest.raises(UserError) as caught:
        import_form(file)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_small_file_does_not_unpack_into_all_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(questionnaires, "UNPACKED_AT_MOST", 1_000_000)
    file = tmp_path / "bomb.xlsx"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("xl/worksheets/sheet1.xml", b" " * 2_000_000)
    with pytest.raises(UserError, match="unpacked"):
        import_form(file)
