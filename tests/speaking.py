"""A program of the tests that speaks: a tone, at once, and without a voice."""

from __future__ import annotations

import io
import math
import wave
from array import array
from pathlib import Path


def tone(rate: int, hertz: float, seconds: float, loudness: float = 0.4) -> bytes:
    """A WAV file."""
    samples = array(
        "h",
        (
            round(32767 * loudness * math.sin(2 * math.pi * hertz * at / rate))
            for at in range(round(rate * seconds))
        ),
    )
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(rate)
        writer.writeframes(samples.tobytes())
    return file.getvalue()


def install(
    folder: Path, program: str, script: str = 'cat >/dev/null; cat "$tone"', to: str = "&1"
) -> None:
    """A shell script called `program`; `$tone` is a WAV file that it may write."""
    sound = folder / "tone.wav"
    if not sound.exists():
        sound.write_bytes(tone(16000, 500.0, 0.3))
    path = folder / program
    path.write_text(f"#!/bin/sh\ntone={sound}\n{{ {script}; }} >{to}\n", encoding="utf-8")
    path.chmod(0o755)
