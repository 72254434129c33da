"""The scripts on disk: good changes count, bad ones leave what was good in force."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cordboard.errors import UserError
from cordboard.ivr.lint import House
from cordboard.ivr.script import Script
from cordboard.ivr.source import Source
from cordboard.library import Library, files, read

GOOD = """
version: 1
name: {name}
languages: [en]
steps:
  - say: "{said}"
  - hangup:
"""


class Desk:
    def __init__(self, folder: Path) -> None:
        self.told: list[list[str] | None] = []
        self.library = Library(folder, House, self.told.append)

    def look(self) -> None:
        self.library.read()


def write(folder: Path, name: str, said: str = "Hello.", text: str | None = None) -> Path:
    path = folder / f"{name}.yaml"
    path.write_text(text or GOOD.format(name=name, said=said), encoding="utf-8")
    return path


def test_tests_beside_scripts_are_no_scripts(tmp_path: Path) -> None:
    write(tmp_path, "menu")
    (tmp_path / "menu.test.yaml").write_text("- name: x", encoding="utf-8")
    assert files(tmp_path) == [tmp_path / "menu.yaml"]


def test_a_folder_that_is_not_there_is_said_in_words(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"\[scripts\] path .*nowhere"):
        files(tmp_path / "nowhere")


def test_the_last_good_version_of_a_faulty_script_stays_in_force(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    path = write(tmp_path, "menu")
    desk.look()
    before = desk.library.scripts["menu"]
    path.write_text("version: 1\nname: menu\nlanguages: [en]\nsteps:\n  - sai: x\n")
    desk.look()
    assert desk.library.scripts["menu"] is before
    assert desk.told == [
        [f"{path}:5: {fault}"]
        for fault in [
            "sai: is no verb; did you mean say?; there are say, menu, ask, record, look_up, set,"
            " route, transfer, callback, call_api, goto, hangup"
        ]
    ]
    write(tmp_path, "menu", said="Mended.")
    desk.look()
    assert desk.told[-1] is None
    after = desk.library.scripts["menu"]
    assert after.fingerprint != before.fingerprint
    assert desk.library.script("menu", before.fingerprint) is before


def test_a_faulty_script_that_was_never_good_is_none(tmp_path: Path) -> None:
    write(tmp_path, "menu", text="- nonsense")
    desk = Desk(tmp_path)
    desk.look()
    assert desk.library.scripts == {}
    assert list(desk.library.faults) == ["menu"]


def test_a_script_that_is_taken_away_is_gone(tmp_path: Path) -> None:
    path = write(tmp_path, "menu")
    desk = Desk(tmp_path)
    desk.look()
    path.unlink()
    desk.look()
    assert desk.library.scripts == {}


def test_a_script_of_ten_megabytes_is_refused_unread(tmp_path: Path) -> None:
    path = write(tmp_path, "menu")
    os.truncate(path, 10_000_000)
    (fault,) = read(path).faults
    assert "10000000 bytes" in fault


def test_a_script_leads_only_to_scripts_that_are_there(tmp_path: Path) -> None:
    text = GOOD.format(name="menu", said="x").replace("hangup:", "route: { script: balanse }")
    write(tmp_path, "menu", text=text + "    on: { error: end }\n")
    write(tmp_path, "balance")
    desk = Desk(tmp_path)
    desk.look()
    ((fault,),) = desk.library.faults.values()
    assert fault.endswith("7: script: there is no balanse; did you mean balance?")


def test_a_script_that_breaks_a_rule_of_ours_costs_neither_the_others_nor_the_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, "menu")
    write(tmp_path, "worse", text="worse")
    good = Script.of

    def of(source: Source, name: str | None = None) -> Script:
        if source.data == "worse":
            raise KeyError("x")
        return good(source, name)

    monkeypatch.setattr(Script, "of", of)
    desk = Desk(tmp_path)
    desk.look()
    assert list(desk.library.scripts) == ["menu"]
    ((fault,),) = desk.library.faults.values()
    assert "worse.yaml: cannot be looked through (KeyError)" in fault
