"""Speech comes from programs of their own: bounded, in time, and fit for telephones."""

from __future__ import annotations

import asyncio
import io
import math
import os
import signal
import time
import wave
from array import array
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from speaking import install, tone

from cordboard.ivr import voices, waveform
from cordboard.ivr.voices import NoVoice, Voice, Voices, speak, speakable

ESPEAK = Voice("espeak-ng:bg")


def spectrum(samples: array[int], hertz: float, rate: int = 8000) -> float:
    """How strong one frequency is, of full scale."""
    angles = [2 * math.pi * hertz * at / rate for at in range(len(samples))]
    real = sum(sample * math.cos(angle) for sample, angle in zip(samples, angles, strict=True))
    imaginary = sum(sample * math.sin(angle) for sample, angle in zip(samples, angles, strict=True))
    return 2 * math.hypot(real, imaginary) / len(samples) / 32768


# ---- what telephones want -----------------------------------------------------------------------


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 24000, 44100])
def test_any_rate_becomes_eight_kilohertz_of_the_same_pitch(rate: int) -> None:
    made = waveform.telephone(tone(rate, 440.0, 0.5, loudness=0.3))
    with wave.open(io.BytesIO(made)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (8000, 1, 2)
        assert file.getnframes() == pytest.approx(0.6 * 8000, abs=60)  # and the silence behind
    samples, _ = waveform.read(made)
    spoken = samples[400:3600]
    assert spectrum(spoken, 440) == pytest.approx(waveform.LOUDNESS * math.sqrt(2), rel=0.05)
    assert max(spectrum(spoken, other) for other in (880, 1320, 3000)) < 0.001


def test_what_a_telephone_cannot_carry_does_not_come_back_as_a_hiss() -> None:
    low, high = (array("h", tone(24000, hertz, 0.5)[44:]) for hertz in (500.0, 7000.0))
    mixed = array("h", (one + other for one, other in zip(low, high, strict=True)))
    samples, _ = waveform.read(waveform.telephone(tone_file(mixed, 24000)))
    spoken = samples[400:3600]
    assert spectrum(spoken, 1000) < 0.001 * spectrum(spoken, 500)  # 8000 - 7000


def tone_file(samples: array[int], rate: int, channels: int = 1) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(channels)
        writer.setsampwidth(2)
        writer.setframerate(rate)
        writer.writeframes(samples.tobytes())
    return file.getvalue()


def test_silence_around_the_words_is_cut_and_two_channels_become_one() -> None:
    sound = array("h", tone(8000, 300.0, 0.2)[44:])
    still = array("h", bytes(2 * 8000))
    twice = array("h", (one for sample in still + sound + still for one in (sample, sample)))
    samples, _ = waveform.read(waveform.telephone(tone_file(twice, 8000, channels=2)))
    assert len(samples) / 8000 == pytest.approx(0.2 + waveform.LEAD + waveform.TAIL, abs=0.01)


def test_the_size_that_a_pipe_could_not_know_is_not_believed() -> None:
    made = bytearray(tone(22050, 440.0, 0.2))
    made[40:44] = (0x7FFFF000).to_bytes(4, "little")
    assert waveform.telephone(bytes(made)) == waveform.telephone(tone(22050, 440.0, 0.2))


@given(data=st.binary(max_size=200))
def test_rubbish_is_refused(data: bytes) -> None:
    for rubbish in (data, b"RIFF\0\0\0\0WAVE" + data, tone(8000, 400.0, 0.01)[:44] + b"\0" * 99):
        with pytest.raises(waveform.NoSpeech):
            waveform.telephone(rubbish)


# ---- programs -----------------------------------------------------------------------------------


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return folder


def test_the_best_voice_that_is_there_speaks(
    programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(programs))
    assert Voices({}).of("ru") is None
    install(programs, "espeak-ng")
    assert Voices({}).of("ru") == Voice("espeak-ng:ru")
    install(programs, "RHVoice-test")
    assert Voices({}).of("ru") == Voice("rhvoice:anna")
    assert Voices({}).of("bg") == Voice("espeak-ng:bg")
    assert Voices({"ru": "rhvoice:elena"}).of("ru") == Voice("rhvoice:elena")
    assert Voices({"ru": "piper:/srv/ru.onnx"}).of("ru") is None


async def test_the_text_goes_by_stdin_and_nothing_of_the_server_s_own_goes_along(
    programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CORDBOARD_DATABASE__URL", "postgresql://user:secret@db/x")
    seen = tmp_path / "seen"
    install(programs, "espeak-ng", f'{{ cat; echo "$@"; env; ps -eo args; }} >{seen}; cat "$tone"')
    await speak("Иван Петрович", "bg", ESPEAK, within=20)
    text, arguments, *rest = seen.read_text(encoding="utf-8").splitlines()
    assert text == "Иван Петрович"
    assert arguments == "-v bg --stdin --stdout"
    assert not [line for line in rest if "Петрович" in line or "secret" in line]


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo no data for this voice >&2; exit 1", "no data for this voice"),
        ("cat >/dev/null", "no WAV file"),
        ("kill -SEGV $$", "no WAV file"),
        ("head -c 100000 /dev/zero", "no WAV file"),
        ("sleep 60", "did not speak within 0.4 s"),
        ("yes", "within 0.4 s|Killed|MemoryError|no WAV file"),
    ],
)
async def test_a_program_that_fails_hangs_or_never_ends_is_a_fault_in_time(
    programs: Path, script: str, reason: str
) -> None:
    install(programs, "espeak-ng", script)
    started = time.monotonic()
    patience = 0.4 if "0.4" in reason else 20
    with pytest.raises(NoVoice, match=f"espeak-ng:bg .*({reason})"):
        await speak("Здравейте", "bg", ESPEAK, within=patience)
    assert time.monotonic() - started < 15


async def test_a_program_that_is_given_up_is_killed_with_its_children(
    programs: Path, tmp_path: Path
) -> None:
    alive = tmp_path / "alive"
    os.mkfifo(alive)
    install(programs, "espeak-ng", f"sh -c 'exec 3>{alive}; sleep 300' & wait")
    task = asyncio.create_task(speak("Здравейте", "bg", ESPEAK, within=30))
    reader = await asyncio.to_thread(alive.open, "rb")  # until the child has it open
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with reader:
        assert await asyncio.to_thread(reader.read) == b""  # its last writer is gone


async def test_a_program_that_is_given_up_while_it_starts_is_killed(
    programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(programs, "espeak-ng", "sleep 300 & wait")
    start, started = asyncio.create_subprocess_exec, []

    async def starts(*command: Any, **how: Any) -> Any:
        asyncio.get_running_loop().call_soon(task.cancel)
        started.append(await start(*command, **how))
        return started[0]

    monkeypatch.setattr(asyncio, "create_subprocess_exec", starts)
    task = asyncio.create_task(speak("Здравейте", "bg", ESPEAK, within=30))
    with pytest.raises(asyncio.CancelledError):
        await task
    assert started[0].returncode == -signal.SIGKILL


async def test_the_memory_of_a_program_is_bounded(programs: Path) -> None:
    install(programs, "espeak-ng", "ulimit -v; exit 1", to="&2")
    with pytest.raises(NoVoice, match=r"2000000"):
        await speak("Здравейте", "bg", ESPEAK, within=20)


def test_what_a_program_would_take_for_a_command_of_its_own_is_not_in_the_text() -> None:
    assert "[[" not in speakable("[[ a'nna ]] <voice name='x'>", "en")
    assert speakable("one\x1b[2J\ntwo\x00", "en") == "one [2J two"
    assert speakable("Баланс: 22 рубля", "ru") == "Баланс: двадцать два рубля"
    assert len(speakable("a" * 10**6, "en")) == voices.LONGEST


async def test_a_language_without_a_voice_is_told_with_what_to_install(
    programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(programs))
    assert await Voices({}).trouble("bg") == "no voice for bg: install espeak-ng"
    missing = await Voices({}).trouble("ru")
    assert missing == "no voice for ru: install rhvoice with rhvoice-russian or espeak-ng"


async def test_a_program_without_the_data_of_its_voice_is_found_out(programs: Path) -> None:
    install(programs, "RHVoice-test", "echo No language resources are available >&2; exit 0")
    told = await Voices({}).trouble("ru")
    assert told is not None
    assert told.startswith("no voice for ru: rhvoice:anna says nothing (No language resources")


@pytest.mark.skipif(not ESPEAK.command(), reason="espeak-ng is not installed")
@pytest.mark.parametrize(
    ("language", "text"), [("bg", "Здравейте"), ("ru", "Добрый день"), ("en", "Good day")]
)
async def test_espeak_speaks_the_three_languages(language: str, text: str) -> None:
    sound = await speak(text, language, Voice(f"espeak-ng:{language}"), within=20)
    with wave.open(io.BytesIO(sound)) as file:
        assert 0.4 < file.getnframes() / 8000 < 3
