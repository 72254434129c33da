"""Prompts as the PBX is told to play them: what is spoken when a script is deployed, what is spoken
while somebody waits, and what was recorded.

A text of a script is spoken once and kept. What is not among these is taken for somebody's own, a
name above all: it lies in a folder of its own, under a name that nobody can work out from it, and
not for long. A call never waits for a voice beyond the deadline: what is late is left out.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import os
import re
import secrets
import time
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path

import structlog

from cordboard.config import Settings
from cordboard.errors import UserError
from cordboard.ivr import speech, voices, waveform
from cordboard.ivr.speech import Piece, Sound, Value, Words
from cordboard.ivr.utterances import Line
from cordboard.ivr.voices import NoVoice, Voice, Voices
from cordboard.sections import Prompts as PromptsSettings
from cordboard.sections import shipped_scripts

log = structlog.get_logger(__name__)

NAME = re.compile(r"[0-9a-f]{32}\.wav")
"""What a prompt's file is called. Nothing else is given out."""
_RECORDING = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*(/[A-Za-z0-9_][A-Za-z0-9_-]*){0,4}")
_ASTERISK = ("digits/", "letters/", "silence/")
_FORMATS = ("wav", "gsm", "ulaw", "alaw", "sln", "g722")
_PATIENCE = 30.0  # seconds for one text at deploy time
_WAITING = 32  # texts that callers wait for; one more is left out
_PERSONAL = 500  # files
_PERSONAL_SECONDS = 24 * 3600.0
_CORE_SOUNDS = frozenset(
    Path(__file__).with_name("core_sounds.txt").read_text(encoding="utf-8").split()
)


@dataclass(slots=True)
class Counters:
    spoken: int = 0
    late: int = 0
    failed: int = 0


@dataclass(slots=True)
class Prepared:
    """What a deployment did: texts spoken anew, those that were there, and the faults."""

    spoken: int = 0
    kept: int = 0
    faults: list[str] = field(default_factory=list)


class Prompts:
    """`recordings` is the folder of the scripts' own sounds: <language>/<name>.wav, or <name>.wav
    for all languages. `open` before anything else."""

    def __init__(self, settings: PromptsSettings, currency: str, recordings: Path) -> None:
        self.counters = Counters()
        self._settings = settings
        self._currency = currency
        self._recordings = recordings
        self._static, self._own = settings.path.absolute(), settings.personal.absolute()
        self._voices = Voices(settings.voices)
        self._key = secrets.token_bytes(32)
        self._personal: OrderedDict[str, float] = OrderedDict()
        self._speaking: dict[str, asyncio.Task[bool]] = {}
        self._processes = asyncio.Semaphore(max(2, (os.cpu_count() or 2) // 2))
        self._complained: set[str] = set()
        self._warm: set[str] = set()

    def open(self) -> None:
        """Forgets what was spoken for callers before. Raises `UserError`."""
        self.settle()
        for path in self._own.glob("*.wav"):
            path.unlink(missing_ok=True)

    def settle(self) -> None:
        """Makes the folders. Raises `UserError`."""
        for key, folder in (("path", self._static), ("personal", self._own)):
            try:
                folder.mkdir(parents=True, exist_ok=True)
                if folder is self._own:
                    folder.chmod(0o700 if self._settings.url else 0o750)
            except OSError as error:
                raise UserError(
                    f"[prompts] {key} {folder}: {error.strerror}; name a folder that the server"
                    " may write to"
                ) from error

    async def warm_up(self, languages: Iterable[str]) -> None:
        """Loads what says values in words, which takes half a second, before a caller needs it."""
        for language in set(languages) - self._warm:
            await asyncio.to_thread(voices.speakable, "1", language)
            self._warm.add(language)

    async def close(self) -> None:
        tasks = list(self._speaking.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # ---- for calls --------------------------------------------------------------------------

    async def sounds(self, pieces: Iterable[Piece], language: str) -> list[str]:
        """What STREAM FILE or Playback() is given, in order. What no voice speaks within the
        deadline is left out."""
        pieces = list(pieces)
        if any(isinstance(piece, Value) for piece in pieces):
            await self.warm_up([language])
        parts = self._expand(pieces, language)
        files = [self._recorded(part, language) for part in parts]
        waits: dict[str, asyncio.Task[bool]] = {}
        for at, part in enumerate(parts):
            if isinstance(part, Words):
                files[at], task = self._voiced(part.text, language)
                if task is not None:
                    waits[files[at] or ""] = task
        if waits:
            await asyncio.wait(waits.values(), timeout=self._settings.deadline_ms / 1000)
            for file, task in waits.items():
                if not task.done():
                    self.counters.late += 1
                    self._complain("late", language=language)
                if not task.done() or task.cancelled() or not task.result():
                    files = [None if each == file else each for each in files]
        return [each for each in files if each is not None]

    def file(self, name: str) -> Path | None:
        """The prompt that is called so, for a PBX that asks by HTTP."""
        if not NAME.fullmatch(name):
            return None
        paths = (self._static / name, self._own / name)
        return next((path for path in paths if path.is_file()), None)

    # ---- for deployments --------------------------------------------------------------------

    async def prepare(self, lines: Iterable[Line]) -> Prepared:
        """Speaks what the scripts say and is not there yet, one text after the other."""
        done = Prepared()
        for language, text, where in self._texts(lines):
            voice = self._voices.of(language)
            kept = self._kept(text, [voice] if voice else self._voices.wanted(language))
            if kept is not None:
                os.utime(kept)  # still needed
                done.kept += 1
                continue
            if voice is None:
                done.faults.append(f"{where}: {await self._voices.trouble(language)}")
                continue
            try:
                sound = await voices.speak(text, language, voice, _PATIENCE, patiently=True)
                path = self._static / self._name(text, voice)
                _write(path, sound, 0o644)
                about = f"{language} {voice.name}\n{text}\n"
                _write(path.with_suffix(".txt"), about.encode(), 0o644)
            except NoVoice as error:
                done.faults.append(f"{where}: {error}")
            except OSError as error:
                done.faults.append(f"{self._static}: {error.strerror}")
            else:
                done.spoken += 1
        done.faults = list(dict.fromkeys(done.faults))
        return done

    def prune(self, lines: Iterable[Line], now: float, unused_days: float = 1.0) -> int:
        """Removes what none of the scripts says any more, and no deployment touched of late: a
        call may still be in the version before. Returns how many prompts went."""
        needed = {
            self._name(text, voice)
            for language, text, _ in self._texts(lines)
            for voice in self._voices.wanted(language)
        }
        gone = 0
        for path in self._static.glob("*.wav"):
            old = path.stat().st_mtime < now - unused_days * 86400
            if NAME.fullmatch(path.name) and path.name not in needed and old:
                path.unlink(missing_ok=True)
                path.with_suffix(".txt").unlink(missing_ok=True)
                gone += 1
        return gone

    async def missing(self, lines: Iterable[Line]) -> list[str]:
        """What would be left out of a call: one line for each place, language and reason."""
        faults: list[str] = []
        for line in lines:
            faults += self.unplayable([line])
            for piece in line.pieces:
                if isinstance(piece, Sound) or not await self._is_mute(piece, line.language):
                    continue
                why = await self._voices.trouble(line.language)
                if isinstance(piece, Value):
                    faults.append(f"{line.where}: {piece.kind} needs a voice, and {why}")
                else:
                    faults.append(f"{line.where}: {why}, or give a sound file")
        return list(dict.fromkeys(faults))

    def unplayable(self, lines: Iterable[Line]) -> list[str]:
        """Of these, the recordings that are not there, or that Asterisk would not play."""
        faults = [
            f"{line.where}: {fault}"
            for line in lines
            for piece in line.pieces
            if isinstance(piece, Sound)
            if (fault := self._recording_fault(piece.name, line.language))
        ]
        return list(dict.fromkeys(faults))

    # ---- voices -----------------------------------------------------------------------------

    def _expand(self, pieces: Iterable[Piece], language: str) -> Sequence[Sound | Words]:
        return speech.expand(pieces, language, self._currency, self._settings.recorded)

    def _texts(self, lines: Iterable[Line]) -> list[tuple[str, str, str]]:
        """Language, text and where it stands first, of all that can be spoken beforehand."""
        found: dict[tuple[str, str], str] = {}
        for line in lines:
            for piece in line.pieces:
                if isinstance(piece, Words):
                    texts = [piece.text] if speech.is_spoken(piece.text) else []
                elif isinstance(piece, Value):
                    kinds = (piece.kind, line.language, self._currency, self._settings.recorded)
                    texts = speech.stock(*kinds)
                else:
                    continue
                for text in texts:
                    found.setdefault((line.language, text), line.where)
        return [(language, text, where) for (language, text), where in found.items()]

    async def _is_mute(self, piece: Words | Value, language: str) -> bool:
        if isinstance(piece, Value):
            if not speech.needs_voice(piece.kind, language, self._settings.recorded):
                return False
        elif not speech.is_spoken(piece.text) or self._kept(
            piece.text, self._voices.wanted(language)
        ):
            return False
        return await self._voices.trouble(language) is not None

    @staticmethod
    def _name(text: str, voice: Voice) -> str:
        told = f"{waveform.VERSION}\0{voice.name}\0{_plain(text)}"
        return f"{hashlib.sha256(told.encode()).hexdigest()[:32]}.wav"

    def _kept(self, text: str, by: Iterable[Voice]) -> Path | None:
        """The file of a text that was spoken at a deployment, be it that its voice is gone."""
        paths = (self._static / self._name(text, voice) for voice in by)
        return next((path for path in paths if path.exists()), None)

    def _voiced(self, text: str, language: str) -> tuple[str | None, asyncio.Task[bool] | None]:
        """The prompt's place, and the task that speaks it where it is not there yet."""
        kept = self._kept(text, self._voices.wanted(language))
        if kept is not None:
            return self._place(kept), None
        voice = self._voices.of(language)
        if voice is None:
            self.counters.failed += 1
            self._complain("no voice", language=language)
            return None, None
        told = f"{voice.name}\0{_plain(text)}".encode()
        name = f"{hmac.digest(self._key, told, 'sha256').hex()[:32]}.wav"
        path = self._own / name
        if name in self._personal and path.exists():
            self._personal.move_to_end(name)
            return self._place(path), None
        task = self._speaking.get(name)
        if task is None:
            if len(self._speaking) >= _WAITING:
                self.counters.late += 1
                self._complain("too many texts at one time", language=language)
                return None, None
            task = asyncio.create_task(self._speak(path, text, language, voice))
            self._speaking[name] = task
            task.add_done_callback(lambda _: self._speaking.pop(name, None))
        return self._place(path), task

    async def _speak(self, path: Path, text: str, language: str, voice: Voice) -> bool:
        try:
            async with self._processes:
                within = max(2.0, self._settings.deadline_ms / 500)
                sound = await voices.speak(text, language, voice, within)
            _write(path, sound, 0o600 if self._settings.url else 0o640)
        except (NoVoice, OSError) as error:
            self.counters.failed += 1
            why = error.strerror if isinstance(error, OSError) else str(error)
            self._complain("not spoken", language=language, voice=voice.name, error=why)
            return False
        self.counters.spoken += 1
        self._remember(path.name)
        return True

    def _remember(self, name: str) -> None:
        now = time.monotonic()
        self._personal[name] = now
        while self._personal:
            oldest, at = next(iter(self._personal.items()))
            if len(self._personal) <= _PERSONAL and now - at < _PERSONAL_SECONDS:
                break
            del self._personal[oldest]
            (self._own / oldest).unlink(missing_ok=True)

    def _complain(self, what: str, **known: str | None) -> None:
        """Once for each reason: a voice that is gone would fill the log. The text is somebody's."""
        if repr((what, known)) not in self._complained:
            self._complained.add(repr((what, known)))
            log.warning("part of a prompt was left out", reason=what, **known)

    def _place(self, path: Path) -> str:
        if self._settings.url:
            return f"{self._settings.url.rstrip('/')}/{path.name}"
        return str(path.with_suffix(""))

    # ---- recordings -------------------------------------------------------------------------

    def _recorded(self, part: Sound | Words, language: str) -> str | None:
        if isinstance(part, Words):
            return None
        # What values are made of is many at a time, and not looked for.
        path = None if part.name.startswith(_ASTERISK) else self._recording(part.name, language)
        if path is None:
            return part.name if _RECORDING.fullmatch(part.name) else None
        if not self._settings.url:
            return str(path.with_suffix("").absolute())
        try:
            return self._place(self._published(path))
        except OSError as error:
            self.counters.failed += 1
            self._complain("a recording cannot be read", file=path.name, error=error.strerror)
            return None

    def _recording(self, name: str, language: str) -> Path | None:
        if not _RECORDING.fullmatch(name):
            return None
        paths = (
            folder / f"{name}.{ending}"
            for folder in (self._recordings / language, self._recordings)
            for ending in _FORMATS
        )
        return next((path for path in paths if path.is_file()), None)

    def _published(self, path: Path) -> Path:
        """The recording under a name by which it is given out, for as long as it is the same."""
        seen = path.stat()
        told = f"{path}\0{seen.st_mtime_ns}\0{seen.st_size}"
        copy = self._static / f"{hashlib.sha256(told.encode()).hexdigest()[:32]}.wav"
        if not copy.exists():
            _write(copy, path.read_bytes(), 0o644)
        return copy

    def _recording_fault(self, name: str, language: str) -> str | None:
        path = self._recording(name, language)
        if path is None:
            if name in _CORE_SOUNDS or name.startswith("custom/"):
                return None
            known = sorted(
                found.relative_to(self._recordings).with_suffix("").as_posix()
                for found in self._recordings.rglob("*.*")
            )
            near = get_close_matches(name, [*known, *_CORE_SOUNDS], 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            return (
                f"no sound {name} in {self._recordings} nor among Asterisk's own{hint}"
                " (what else lies on the PBX is called custom/…)"
            )
        if path.suffix != ".wav":
            if self._settings.url:
                return f"{path}: a PBX that plays it by HTTP wants a .wav file"
            return None
        return waveform_fault(path)


def prompts_of(settings: Settings) -> Prompts:
    folder = settings.scripts.path or shipped_scripts()
    return Prompts(settings.prompts, settings.crm.currency, folder / "sounds")


def waveform_fault(path: Path) -> str | None:
    """Why Asterisk would not play this WAV file: it opens it, and is silent."""
    try:
        with path.open("rb") as file:
            head = file.read(4096)
        kind = waveform.kind(head)
    except OSError as error:
        return f"{path}: {error.strerror}"
    except waveform.NoSpeech as error:
        return f"{path}: {error}"
    if kind == (waveform.RATE, 1):
        return None
    rate, channels = kind
    return (
        f"{path}: {rate} Hz, {channels} channel{'s'[: channels - 1]}; Asterisk plays 8000 Hz, one"
        f" channel, 16 bits: sox {path.name} -r 8000 -c 1 -b 16 new.wav"
    )


def _plain(text: str) -> str:
    return " ".join(text.split())


def _write(path: Path, data: bytes, mode: int) -> None:
    """All of it or nothing: another process may be about to read it."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        part.touch(mode=0o600)
        part.write_bytes(data)
        part.chmod(mode)
        part.replace(path)
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
