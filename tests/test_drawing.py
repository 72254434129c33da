"""`cordboard script draw`: a script as a picture or as text, with what callers did."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from xml.etree import ElementTree

import pytest
from store_fixtures import *  # noqa: F403

from cordboard.crm_core.model import RunRecord
from cordboard.crm_core.store import Store
from cordboard.drawing import draw
from cordboard.errors import UserError
from cordboard.events import derived_id

SCRIPT = """
version: 1
name: hello
title: { en: Good day, ru: Добрый день }
languages: [en, ru]
steps:
  - id: ask
    menu: { prompt: { en: Which, ru: Что }, choices: { "1": bye, "2": ask } }
    on: { noinput: bye }
  - id: bye
    hangup: { en: Bye, ru: Пока }
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "hello.yaml"
    path.write_text(SCRIPT, encoding="utf-8")
    return path


def drawn(capsys: pytest.CaptureFixture[str], script: Path, **wish: object) -> str:
    wishes = {"form": "svg", "language": None, "output": None, "config": None, "days": 7} | wish
    draw(script, **wishes)  # type: ignore[arg-type]
    return capsys.readouterr().out


def test_a_picture_stands_by_itself(capsys: pytest.CaptureFixture[str], script: Path) -> None:
    svg = drawn(capsys, script, language="ru")
    root = ElementTree.fromstring(svg)
    space = "{http://www.w3.org/2000/svg}"
    style = root.findtext(f"{space}style") or ""
    assert ".flow-line" in style
    assert "var(" not in style  # many a program that shows pictures knows no variables
    text = " ".join(root.itertext())
    assert "Добрый день" in text
    assert "Что" in text
    assert "нет ввода" in text


def test_mermaids_text_goes_into_a_file(
    capsys: pytest.CaptureFixture[str], script: Path, tmp_path: Path
) -> None:
    out = tmp_path / "hello.mmd"
    assert drawn(capsys, script, form="mermaid", output=out) == ""
    text = out.read_text(encoding="utf-8")
    assert text.startswith('---\ntitle: "Good day"\n---\nflowchart TD\n')
    assert '-->|"no input, no match"|' in text


def test_what_cannot_be_drawn_is_said_with_its_line(
    capsys: pytest.CaptureFixture[str], script: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=r"speaks no bg; it has en, ru"):
        drawn(capsys, script, language="bg")
    with pytest.raises(UserError, match=r"none.yaml: No such file"):
        drawn(capsys, tmp_path / "none.yaml")
    script.write_text(SCRIPT.replace('"2": ask', '"2": asks'), encoding="utf-8")
    with pytest.raises(UserError, match=r"hello.yaml:8: .*did you mean ask\?"):
        drawn(capsys, script)


async def test_with_a_configuration_the_picture_has_the_figures_of_its_store(
    capsys: pytest.CaptureFixture[str], script: Path, tmp_path: Path, sqlite_url: str
) -> None:
    store = Store(sqlite_url)
    await store.open()
    began = time.time() - 86_400 * 2
    path = [["ask", "2", began + 3], ["ask", "1", began + 5], ["bye", "end", began + 6]]
    values = dict.fromkeys(("call_id", "customer_id", "respondent_id", "operator", "queue"))
    await store.write(
        [
            RunRecord(
                id=derived_id(int(began * 1000), "a"), script="hello", version="old",
                channel="phone", number="+79161234567", status=None, language="en",
                started_at=began, ended_at=began + 6, outcome="completed", step="bye",
                path=json.dumps(path), **values,
            )
        ]
    )  # fmt: skip
    await store.close()
    config = tmp_path / "cordboard.toml"
    config.write_text(f'[database]\nurl = "{sqlite_url}"\n', encoding="utf-8")
    svg = await in_a_thread(capsys, script, config, 7)
    assert "50 % · 1" in svg
    assert "Runs in the last 7 days: 1, of them 1 of older versions of the script." in svg
    assert "Runs in the last 24 hours: 0" in await in_a_thread(capsys, script, config, 1)


async def in_a_thread(
    capsys: pytest.CaptureFixture[str], script: Path, config: Path, days: int
) -> str:
    """The command has a loop of its own."""
    return await asyncio.to_thread(drawn, capsys, script, config=config, days=days)
