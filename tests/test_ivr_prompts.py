"""What a script says reaches the PBX as files: kept where they are a script's, and not for long
where they are somebody's own; and a call never waits for a voice."""

from __future__ import annotations

import asyncio
import os
import stat
import time
from pathlib import Path

import pytest
from speaking import install, tone
from structlog.testing import capture_logs

from cordboard.config import Prompts as PromptsSettings
from cordboard.errors import UserError
from cordboard.ivr import prompts as module
from cordboard.ivr.prompts import Prompts
from cordboard.ivr.speech import Sound, Value, Words
from cordboard.ivr.utterances import Line

HELLO = Line("scripts/menu.yaml:3", "bg", (Words("Здравейте!"),))


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the tests' speaking programs lie; espeak-ng is there, and counts what it speaks."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    install(folder, "espeak-ng", f'cat >>{tmp_path}/spoken; cat "$tone"')
    return folder


def spoken(tmp_path: Path) -> list[str]:
    heard = tmp_path / "spoken"
    return heard.read_text(encoding="utf-8").splitlines() if heard.exists() else []


def made(tmp_path: Path, **settings: object) -> Prompts:
    prompts = Prompts(
        PromptsSettings(
            **{
                "path": tmp_path / "prompts",
                "personal": tmp_path / "own",
                "voices": {"ru": "espeak-ng:ru"},
                "deadline_ms": 5000,
                **settings,
            }
        ),
        "RUB",
        tmp_path / "sounds",
    )
    prompts.open()
    return prompts


def recorded(tmp_path: Path, name: str, rate: int = 8000) -> Path:
    path = tmp_path / "sounds" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(tone(rate, 400.0, 0.1))
    return path


# ---- for calls ----------------------------------------------------------------------------------


async def test_texts_recordings_and_values_are_played_in_order(
    programs: Path, tmp_path: Path
) -> None:
    prompts = made(tmp_path)
    await prompts.prepare([HELLO])
    recorded(tmp_path, "bg/nps/welcome.wav")
    recorded(tmp_path, "beep2.wav")
    pieces = [*HELLO.pieces, Sound("nps/welcome"), Sound("beep2"), Sound("digits/1"), Words(" . ")]
    first, *rest = await prompts.sounds(pieces, "bg")
    assert Path(f"{first}.wav").parent == tmp_path / "prompts"
    assert rest == [f"{tmp_path}/sounds/bg/nps/welcome", f"{tmp_path}/sounds/beep2", "digits/1"]
    assert await prompts.sounds([Value("number", "121")], "ru") == [
        "digits/hundred",
        "digits/20",
        "digits/1",
    ]


async def test_a_script_s_text_is_spoken_once_and_for_all_servers(
    programs: Path, tmp_path: Path
) -> None:
    one, other = made(tmp_path), made(tmp_path, personal=tmp_path / "other")
    assert (await one.prepare([HELLO, HELLO])).spoken == 1
    done = await other.prepare([HELLO])
    assert (done.spoken, done.kept, done.faults) == (0, 1, [])
    assert await one.sounds(HELLO.pieces, "bg") == await other.sounds(HELLO.pieces, "bg")
    assert spoken(tmp_path) == ["Здравейте!"]
    (about,) = (tmp_path / "prompts").glob("*.txt")
    assert about.read_text(encoding="utf-8") == "bg espeak-ng:bg\nЗдравейте!\n"


async def test_a_name_is_spoken_while_the_caller_waits_and_once(
    programs: Path, tmp_path: Path
) -> None:
    prompts = made(tmp_path)
    name = [Words("Георги Стоянов")]
    first, second = await asyncio.gather(*(prompts.sounds(name, "bg") for _ in range(2)))
    assert first == second == await prompts.sounds(name, "bg")
    assert spoken(tmp_path) == ["Георги Стоянов"]
    assert prompts.counters.spoken == 1
    path = Path(f"{first[0]}.wav")
    assert path.parent == tmp_path / "own"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o750


async def test_where_a_name_lies_cannot_be_worked_out_from_it_and_a_start_forgets_it(
    programs: Path, tmp_path: Path
) -> None:
    name = [Words("Георги Стоянов")]
    prompts = made(tmp_path)
    (before,) = await prompts.sounds(name, "bg")
    again = made(tmp_path)
    assert not list((tmp_path / "own").iterdir())
    assert await again.sounds(name, "bg") != [before]


async def test_of_names_only_the_latest_are_kept_and_none_for_long(
    programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PERSONAL", 2)
    prompts = made(tmp_path)
    for name in ("Анна", "Борис", "Анна", "Вера"):
        await prompts.sounds([Words(name)], "bg")
    assert spoken(tmp_path) == ["Анна", "Борис", "Вера"]
    assert len(list((tmp_path / "own").iterdir())) == 2
    await prompts.sounds([Words("Анна")], "bg")
    assert spoken(tmp_path) == ["Анна", "Борис", "Вера"]
    monkeypatch.setattr(module, "_PERSONAL_SECONDS", 0.0)
    await prompts.sounds([Words("Георги")], "bg")
    assert not list((tmp_path / "own").iterdir())


async def test_what_is_late_is_left_out_and_counted_and_there_the_next_time(
    programs: Path, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    os.mkfifo(go)
    install(programs, "espeak-ng", f'cat >/dev/null; read x <{go}; cat "$tone"')
    prompts = made(tmp_path, deadline_ms=100)
    pieces = [Sound("digits/1"), Words("Георги"), Sound("digits/2")]
    started = time.monotonic()
    with capture_logs() as logs:
        assert await prompts.sounds(pieces, "bg") == ["digits/1", "digits/2"]
        assert await prompts.sounds(pieces, "bg") == ["digits/1", "digits/2"]
    assert time.monotonic() - started < 2
    assert (prompts.counters.late, len(logs)) == (2, 1)
    assert "Георги" not in repr(logs)
    await asyncio.to_thread(go.write_text, "\n")
    for _ in range(500):
        if prompts.counters.spoken:
            break
        await asyncio.sleep(0.01)
    assert len(await prompts.sounds(pieces, "bg")) == 3
    await prompts.close()


async def test_a_voice_that_fails_or_is_not_there_leaves_its_part_out_and_is_logged_once(
    programs: Path, tmp_path: Path
) -> None:
    install(programs, "espeak-ng", "exit 1")
    prompts = made(tmp_path, voices={"en": "piper:/none.onnx"})
    with capture_logs() as logs:
        for name in ("Анна", "Борис"):
            assert await prompts.sounds([Sound("beep"), Words(name)], "bg") == ["beep"]
            assert await prompts.sounds([Words(name), Sound("beep")], "en") == ["beep"]
    assert prompts.counters.failed == 4
    assert [entry["reason"] for entry in logs] == ["not spoken", "no voice"]
    assert "Анна" not in repr(logs)


async def test_more_texts_than_can_be_spoken_are_left_out_at_once(
    programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_WAITING", 1)
    install(programs, "espeak-ng", "cat >/dev/null; sleep 60")
    prompts = made(tmp_path, deadline_ms=50)
    pieces = [Words("Анна"), Words("Борис"), Sound("beep")]
    assert await prompts.sounds(pieces, "bg") == ["beep"]
    assert prompts.counters.late == 2
    await prompts.close()


async def test_a_pbx_on_another_machine_is_told_where_to_fetch_all_of_it(
    programs: Path, tmp_path: Path
) -> None:
    recording = recorded(tmp_path, "welcome.wav")
    prompts = made(tmp_path, url="https://desk.example.com/prompts/")
    await prompts.prepare([HELLO])
    pieces = [*HELLO.pieces, Words("Георги"), Sound("welcome"), Sound("digits/1")]
    *urls, digit = await prompts.sounds(pieces, "bg")
    assert digit == "digits/1"
    files = [prompts.file(url.removeprefix("https://desk.example.com/prompts/")) for url in urls]
    assert [file and file.parent.name for file in files] == ["prompts", "own", "prompts"]
    assert files[1] is not None
    assert stat.S_IMODE(files[1].stat().st_mode) == 0o600
    assert files[2] is not None
    assert files[2].read_bytes() == recording.read_bytes()
    recording.write_bytes(tone(8000, 900.0, 0.2))  # recorded anew, it has another address
    (anew,) = await prompts.sounds([Sound("welcome")], "bg")
    assert anew != urls[2]


@pytest.mark.parametrize("name", ["../../etc/passwd", "a&b", "x,y", "/etc/hosts", "", "a//b"])
async def test_a_sound_s_name_leads_nowhere_else(programs: Path, tmp_path: Path, name: str) -> None:
    prompts = made(tmp_path)
    assert await prompts.sounds([Sound(name), Sound("beep")], "bg") == ["beep"]
    assert prompts.file(name) is None
    assert prompts.file(f"../{'0' * 32}.wav") is None


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "prompts").write_text("")
    with pytest.raises(UserError, match=r"\[prompts\] path .*: File exists; name a folder"):
        made(tmp_path)


# ---- for deployments ----------------------------------------------------------------------------


async def test_what_keys_and_currencies_need_is_spoken_with_the_script(
    programs: Path, tmp_path: Path
) -> None:
    prompts = made(tmp_path)
    lines = [
        Line("a.yaml:1", "bg", (Value("digits", ""),)),
        Line("a.yaml:2", "en", (Value("money", ""), Value("number", ""))),
    ]
    assert (await prompts.prepare(lines)).spoken == 13 + 4
    assert sorted(spoken(tmp_path))[:4] == ["kopeck", "kopecks", "ruble", "rubles"]
    assert len(await prompts.sounds([Value("digits", "0012*")], "bg")) == 5
    assert not list((tmp_path / "own").iterdir())


async def test_what_no_script_says_any_more_goes_but_not_at_once(
    programs: Path, tmp_path: Path
) -> None:
    prompts = made(tmp_path)
    other = Line("scripts/menu.yaml:9", "bg", (Words("Довиждане"),))
    await prompts.prepare([HELLO, other])
    now = time.time()
    assert prompts.prune([HELLO], now) == 0  # a call may still be in the version before
    assert prompts.prune([HELLO], now + 2 * 86400) == 1
    assert len(list((tmp_path / "prompts").iterdir())) == 2
    assert (await prompts.prepare([HELLO])).kept == 1


async def test_prompts_that_came_with_the_scripts_need_no_voice(
    programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await made(tmp_path).prepare([HELLO])
    monkeypatch.setenv("PATH", str(tmp_path))
    prompts = made(tmp_path)
    assert await prompts.missing([HELLO]) == []
    assert (await prompts.prepare([HELLO])).kept == 1
    assert len(await prompts.sounds(HELLO.pieces, "bg")) == 1


async def test_a_missing_voice_is_one_clear_line_for_each_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    prompts = made(tmp_path, voices={})
    lines = [
        Line("scripts/nps.yaml:12", "bg", (Words("Здравейте"), Words("!"), Words("Довиждане"))),
        Line("scripts/nps.yaml:14", "en", (Value("number", ""), Sound("beep"), Words(", "))),
        Line("scripts/nps.yaml:15", "en", (Value("money", ""),)),
    ]
    assert await prompts.missing(lines) == [
        "scripts/nps.yaml:12: no voice for bg: install espeak-ng, or give a sound file",
        "scripts/nps.yaml:15: money needs a voice, and no voice for en: install espeak-ng",
    ]
    done = await prompts.prepare(lines)
    assert done.faults[0] == "scripts/nps.yaml:12: no voice for bg: install espeak-ng"


async def test_recordings_that_asterisk_would_not_play_are_found_out(
    programs: Path, tmp_path: Path
) -> None:
    recorded(tmp_path, "good.wav")
    recorded(tmp_path, "studio.wav", rate=44100)
    recorded(tmp_path, "notes.wav").write_text("not sound")
    recorded(tmp_path, "old.gsm")
    names = ("good", "studio", "notes", "old", "goood", "vm-goodby", "custom/ours", "digits/7")
    lines = [Line(f"a.yaml:{at}", "en", (Sound(name),)) for at, name in enumerate(names)]
    folder = tmp_path / "sounds"
    assert await made(tmp_path).missing(lines) == [
        f"a.yaml:1: {folder}/studio.wav: 44100 Hz, 1 channel; Asterisk plays 8000 Hz, one channel,"
        " 16 bits: sox studio.wav -r 8000 -c 1 -b 16 new.wav",
        f"a.yaml:2: {folder}/notes.wav: no WAV file",
        f"a.yaml:4: no sound goood in {folder} nor among Asterisk's own; did you mean good?"
        " (what else lies on the PBX is called custom/…)",
        f"a.yaml:5: no sound vm-goodby in {folder} nor among Asterisk's own; did you mean"
        " vm-goodbye? (what else lies on the PBX is called custom/…)",
    ]
    (by_http,) = await made(tmp_path, url="http://desk/prompts").missing([lines[3]])
    assert by_http == f"a.yaml:3: {folder}/old.gsm: a PBX that plays it by HTTP wants a .wav file"
