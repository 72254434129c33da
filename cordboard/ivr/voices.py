"""Programs that speak: each text by a process of its own, which is bounded and ends in time.

They are separate programs because of their licences and because they may crash. The text goes in by
stdin, so that no other user of the machine reads it in a list of processes; behind the program
`waveform.py` makes its speech fit for telephones.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cordboard.errors import PeerError
from cordboard.ivr import numerals, waveform

LONGEST = 2000
"""Characters of one text, as of a script; some minutes. What is beyond is not spoken."""
_MEMORY_KB = 2_000_000  # of address space; piper's runtime takes one and a half
_BYTES = 16 * 2**20

# The limits hold for the program and for what stands behind it.
_BOUNDED = """\
ulimit -c 0; ulimit -v "$1"; ulimit -t "$2"; python="$3"; converter="$4"; shift 4
"$@" | exec "$python" -I -S "$converter"
"""


class NoVoice(PeerError):  # noqa: N818 - what the check says
    """A text was not spoken; the message says by which voice and why."""


@dataclass(frozen=True, slots=True)
class _Program:
    command: tuple[str, ...]  # {voice} stands for the voice; writes a WAV file to stdout
    package: str


_PROGRAMS = {
    "rhvoice": _Program(
        ("RHVoice-test", "-p", "{voice}", "-o", "/dev/stdout"), "rhvoice with rhvoice-russian"
    ),
    "espeak-ng": _Program(("espeak-ng", "-v", "{voice}", "--stdin", "--stdout"), "espeak-ng"),
    "piper": _Program(("piper", "-m", "{voice}", "-f", "-"), "piper-tts"),
}
_PREFERRED = {"ru": ("rhvoice:anna", "espeak-ng:ru"), "en": ("espeak-ng:en-us",)}
"""Voices that are taken where none is configured, the best first. Bulgarian has none but the last
resort of every language: espeak-ng, which calls its voices by the language."""


@dataclass(frozen=True, slots=True)
class Voice:
    """A program and the voice that it is asked for, as configured: rhvoice:anna."""

    name: str

    @property
    def _program(self) -> _Program:
        return _PROGRAMS[self.name.partition(":")[0]]

    @property
    def package(self) -> str:
        return self._program.package

    def command(self) -> list[str] | None:
        """What to run, or none where the program is not on PATH."""
        voice = self.name.partition(":")[2]
        program, *words = self._program.command
        path = shutil.which(program)
        return [path, *(word.format(voice=voice) for word in words)] if path else None


class Voices:
    """Which voice speaks which language. `configured` is the table of `[prompts] voices`."""

    def __init__(self, configured: Mapping[str, str]) -> None:
        self._configured = configured
        self._found: dict[str, Voice] = {}
        self._heard: dict[str, str | None] = {}

    def wanted(self, language: str) -> list[Voice]:
        """Those that may speak the language, the best first."""
        if language in self._configured:
            return [Voice(self._configured[language])]
        return [Voice(name) for name in _PREFERRED.get(language, (f"espeak-ng:{language}",))]

    def of(self, language: str) -> Voice | None:
        if language not in self._found:
            there = next((one for one in self.wanted(language) if one.command()), None)
            if there is None:
                return None
            self._found[language] = there
        return self._found[language]

    async def trouble(self, language: str) -> str | None:
        """Why the language is not spoken, and how to mend it; tried out once. A program that is
        there may still lack the data of its voice."""
        voice = self.of(language)
        if voice is None:
            packages = " or ".join(one.package for one in self.wanted(language))
            return f"no voice for {language}: install {packages}"
        if voice.name not in self._heard:
            try:
                await speak("1, 2", language, voice, within=20)
                self._heard[voice.name] = None
            except NoVoice as error:
                self._heard[voice.name] = f"no voice for {language}: {error}"
        return self._heard[voice.name]


def speakable(text: str, language: str) -> str:
    """What the program is given: figures as words, nothing that it would take for a command."""
    plain = "".join(char if char.isprintable() else " " for char in text[:LONGEST])
    for mark in ("[[", "]]", "<", ">"):  # phonemes of espeak-ng; SSML, which is not asked for
        plain = plain.replace(mark, " ")
    plain = plain.lstrip(" .,;:!?")  # of a text behind a value
    return numerals.readable(plain, language)[: 4 * LONGEST]


async def speak(
    text: str, language: str, voice: Voice, within: float, *, patiently: bool = False
) -> bytes:
    """A WAV file for telephones. Raises `NoVoice`, also when it takes more than `within` seconds.
    `patiently` leaves the processor to those who wait."""
    command = voice.command()
    if command is None:
        raise NoVoice(f"{voice.name} is not there: install {voice.package}")
    said = await asyncio.to_thread(speakable, text, language)
    nice = ["nice", "-n", "10"] if patiently else []
    starting = asyncio.ensure_future(
        asyncio.create_subprocess_exec(
            *nice,
            *("sh", "-c", _BOUNDED, "speak", str(_MEMORY_KB), str(int(within) + 1)),
            *(sys.executable, str(Path(waveform.__file__))),
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=_environment(),
            start_new_session=True,
        )
    )
    try:
        # Given up in the middle of its start, asyncio would kill the first process of them and wait
        # for pipes that the others hold open.
        process = await asyncio.shield(starting)
        async with asyncio.timeout(within):
            sound, complaint = await process.communicate(said.encode() + b"\n")
    except TimeoutError:
        raise NoVoice(f"{voice.name} did not speak within {within:g} s") from None
    finally:
        process = await starting
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    if process.returncode != 0 or not sound or len(sound) > _BYTES:
        lines = complaint.decode(errors="replace").split("\n")
        why = "; ".join(line.strip() for line in lines if line.strip())[:300]
        raise NoVoice(f"{voice.name} says nothing ({why or 'without a reason'})")
    return sound


def _environment() -> dict[str, str]:
    """No more than the programs need: the server's own holds secrets."""
    kept = ("PATH", "RHVOICE_DATA_PATH", "RHVOICE_CONFIG_PATH", "ESPEAK_DATA_PATH")
    found = {name: os.environ[name] for name in kept if name in os.environ}
    return {**found, "LC_ALL": "C.UTF-8"}
