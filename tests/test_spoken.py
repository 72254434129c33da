"""What scripts say is known before a call: where it stands, and who speaks it."""

from __future__ import annotations

from pathlib import Path

import pytest
from speaking import install, tone
from typed import typed

from cordboard import library, spoken
from cordboard.errors import UserError
from cordboard.ivr.speech import Sound, Value, Words
from cordboard.ivr.utterances import usual_utterances, utterances

BALANCE = """\
version: 1
name: balance
title: {en: Balance, bg: Сметка}
languages: [en, bg]
steps:
  - say:
      en: "Good day, {customer.name}! Your balance is {customer.balance|money}."
      bg: "Добър ден, {customer.name}! Имате {customer.balance|money}."
  - say: {sound: overture}
  - menu:
      prompt: {en: Press 1, bg: Натиснете едно}
      choices:
        "1": {goto: bye, text: {en: The end, bg: Край}}
  - id: bye
    hangup: {en: Goodbye, bg: {sound: dovizhdane}}
"""


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    folder = tmp_path / "scripts"
    folder.mkdir()
    (folder / "balance.yaml").write_text(BALANCE, encoding="utf-8")
    return folder


def test_all_that_callers_hear_is_told_with_its_line_and_nothing_else(scripts: Path) -> None:
    path = scripts / "balance.yaml"
    read = library.read(path)
    assert read.script is not None
    money = Value("money", "")
    lines = utterances(read.script, "balance.yaml", read.source)
    assert [(line.where, line.language, line.pieces) for line in lines] == [
        (
            "balance.yaml:6",
            "en",
            (Words("Good day,"), Words("! Your balance is"), money, Words(".")),
        ),
        ("balance.yaml:6", "bg", (Words("Добър ден,"), Words("! Имате"), money, Words("."))),
        ("balance.yaml:9", "en", (Sound("overture"),)),
        ("balance.yaml:9", "bg", (Sound("overture"),)),
        ("balance.yaml:11", "en", (Words("Press 1"),)),
        ("balance.yaml:11", "bg", (Words("Натиснете едно"),)),
        ("balance.yaml:15", "en", (Words("Goodbye"),)),
        ("balance.yaml:15", "bg", (Sound("dovizhdane"),)),
    ]


def test_what_is_said_where_a_script_says_nothing_is_known_too() -> None:
    lines = list(usual_utterances(["bg", "xx"]))
    assert {line.language for line in lines} == {"bg"}
    assert (Words("Не чух отговор."),) in [line.pieces for line in lines]
    assert any(Value("digits", "") in line.pieces for line in lines)


def test_a_script_that_cannot_be_read_keeps_its_prompts(scripts: Path) -> None:
    (scripts / "bad.yaml").write_text("steps: [", encoding="utf-8")
    with pytest.raises(UserError, match=r"bad\.yaml:1: "):
        spoken.lines_of(library.files(scripts))


def test_the_command_has_everything_spoken_once_and_tells_what_has_no_voice(
    scripts: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    config = tmp_path / "cordboard.toml"
    config.write_text(
        '[scripts]\npath = "scripts"\n[prompts]\nvoices = { bg = "piper:/none" }\n',
        encoding="utf-8",
    )
    install(programs, "espeak-ng")
    missing = typed("script", "prompts", "--config", config)
    assert missing.code == 1
    assert f"{scripts}/balance.yaml:6: no voice for bg: install piper-tts" in missing.lines[0]
    assert "usual: no voice for bg: install piper-tts" in missing.lines[-1]
    install(programs, "piper")
    said = typed("script", "prompts", "--config", config)
    assert (said.code, said.lines) == (0, [])
    about = [path.read_text(encoding="utf-8") for path in (tmp_path / "var/prompts").glob("*.txt")]
    english = sum(text.startswith("en espeak-ng:en-us\n") for text in about)
    bulgarian = sum(text.startswith("bg piper:/none\n") for text in about)
    assert english > 10
    told = f"{bulgarian} spoken, {english} there already, 0 removed\n"
    assert said.out == told


def test_a_recording_that_is_not_there_is_a_fault_of_the_script(
    scripts: Path, tmp_path: Path
) -> None:
    config = tmp_path / "cordboard.toml"
    config.write_text('[scripts]\npath = "scripts"\n', encoding="utf-8")
    said = typed("script", "check", "--config", config)
    assert said.code == 1
    told = [line.partition(" (what")[0] for line in said.lines]
    where = f"in {scripts}/sounds nor among Asterisk's own"
    assert f"{scripts}/balance.yaml:9: no sound overture {where}" in told
    assert f"{scripts}/balance.yaml:15: no sound dovizhdane {where}" in told
    (scripts / "sounds").mkdir()
    for name in ("overture", "dovizhdane"):
        (scripts / f"sounds/{name}.wav").write_bytes(tone(8000, 400.0, 0.1))
    assert not [line for line in typed("script", "check", "-c", config).lines if "sound" in line]
