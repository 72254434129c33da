"""The scripts on disk: read at the start, and again whenever one was changed.

A change takes effect when it is good, for the calls that begin after it. Of a script that is not
good the last good version stays in force, and it is told of until it is mended.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import structlog

from cordboard.config import Settings
from cordboard.errors import UserError
from cordboard.ivr.lint import NOWHERE, House, findings
from cordboard.ivr.loops import handed_on
from cordboard.ivr.script import Script, ScriptError, source_of
from cordboard.ivr.source import BYTES_AT_MOST, Source

log = structlog.get_logger(__name__)

ENDING = ".yaml"
TESTS = ".test.yaml"
"""What a script's tests are called, beside it."""
LOOK_EVERY = 1.0
"""Seconds between two looks at the folder. A file is read when two of them saw the same."""
SCRIPTS_AT_MOST = 500

Stamp = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Read:
    """One file as it was read. Without a `script` it cannot be meant for calls, and `faults` say
    why, each with file, line and advice; `advice` is what might surprise."""

    path: Path
    script: Script | None
    source: Source | None
    faults: tuple[str, ...]
    advice: tuple[str, ...] = ()


def files(folder: Path | None) -> list[Path]:
    """The scripts in a folder. Raises `UserError` where it cannot be read."""
    if folder is None:
        return []
    try:
        found = sorted(path for path in folder.iterdir() if path.name.endswith(ENDING))
    except OSError as error:
        raise UserError(
            f"[scripts] path {folder}: {error.strerror}; name the folder with your scripts"
        ) from error
    scripts = [path for path in found if not path.name.endswith(TESTS)]
    if len(scripts) > SCRIPTS_AT_MOST:
        raise UserError(
            f"[scripts] path {folder}: has {len(scripts)} scripts, {SCRIPTS_AT_MOST}"
            " are taken at most"
        )
    return scripts


def read(path: Path, house: House = NOWHERE) -> Read:
    """One script, looked through."""
    try:
        if (size := path.stat().st_size) > BYTES_AT_MOST:
            fault = f"{path}: has {size} bytes, a script {BYTES_AT_MOST} at most"
            return Read(path, None, None, (fault,))
        source = source_of(path.read_text(encoding="utf-8"))
        script = Script.of(source, path.name.removesuffix(ENDING))
    except OSError as error:
        return Read(path, None, None, (f"{path}: {error.strerror}",))
    except UnicodeDecodeError as error:
        fault = f"{path}: not UTF-8 at byte {error.start}; save it as UTF-8"
        return Read(path, None, None, (fault,))
    except ScriptError as error:
        return Read(path, None, None, tuple(f"{path}:{n}: {words}" for n, words in error.faults))
    except Exception as error:  # one file is not worth the others, and no call
        return Read(path, None, None, (_broken(path, error),))
    return examined(Read(path, script, source, ()), house)


def _broken(path: Path, error: Exception) -> str:
    """A rule of our own is broken by a file that was not thought of."""
    log.error("scripts.broken", script=str(path), exc_info=error)
    return f"{path}: cannot be looked through ({type(error).__name__}); tell who makes cordboard"


def examined(found: Read, house: House) -> Read:
    """The same, held against what there is to name now."""
    if found.script is None or found.source is None:
        return found
    try:
        told = [
            (each.kind, f"{found.path}:{each.line}: {each.words}")
            for each in findings(found.script, found.source, house)
        ]
    except Exception as error:  # as in `read`
        return replace(found, faults=(_broken(found.path, error),))
    return replace(
        found,
        faults=tuple(words for kind, words in told if kind == "fault"),
        advice=tuple(words for kind, words in told if kind == "advice"),
    )


def together(found: Iterable[Read], house: House) -> list[Read]:
    """All of a folder, each of which may name the others."""
    known = list(found)
    names = [each.path.name.removesuffix(ENDING) for each in known]
    leads = {each.script.name: handed_on(each.script) for each in known if each.script}
    whole = replace(house, scripts=names, leads=leads)
    return [examined(each, whole) for each in known]


def house_of(
    settings: Settings,
    calendars: Collection[str] | None,
    queues: Collection[str] | None,
    logins: Collection[str] | None,
) -> House:
    """What there is for scripts to name. Nothing of a kind: it is not known yet."""
    crm, scripts = settings.crm, settings.scripts
    return House(
        queues=queues or None,
        operators=logins or None,
        statuses=crm.statuses,
        languages=crm.languages,
        segments=crm.segments,
        calendars=calendars,
        secrets=scripts.secrets,
        allow=scripts.allow,
    )


class Library:
    """The scripts of a folder; with None there are none. `house` says what there is for scripts to
    name, at the moment; `refused` is told the faults of all scripts that are not good, and None
    when there are none any more."""

    def __init__(
        self,
        folder: Path | None,
        house: Callable[[], House],
        refused: Callable[[list[str] | None], None],
    ) -> None:
        self.folder = folder
        self.scripts: dict[str, Script] = {}
        """Those in force, by name."""
        self.faults: dict[str, tuple[str, ...]] = {}
        """Of the scripts whose file is not good, by name."""
        self._house = house
        self._refused = refused
        self._stamps: dict[Path, Stamp] = {}
        self._seen: dict[Path, Stamp] = {}
        self._older: dict[tuple[str, str], Script] = {}

    def script(self, name: str, version: str | None = None) -> Script | None:
        """The script of this name, and of this fingerprint where it was in force since the
        start."""
        current = self.scripts.get(name)
        if version is None or (current is not None and current.fingerprint == version):
            return current
        return self._older.get((name, version))

    def read(self) -> None:
        """Reads all. What is not good is told of; nothing is raised, for calls must be served."""
        self._seen = _stamps(self.folder)
        self._take(self._examined(self._house()))

    async def watch(self) -> None:
        """Looks at the folder until it is cancelled."""
        while True:
            await asyncio.sleep(LOOK_EVERY)
            stamps = await asyncio.to_thread(_stamps, self.folder)
            settled, self._seen = stamps == self._seen, stamps
            if settled and stamps != self._stamps:
                self._take(await asyncio.to_thread(self._examined, self._house()))

    def _examined(self, house: House) -> list[Read] | str:
        """What is wrong with the folder, where it cannot be read."""
        self._stamps = dict(self._seen)
        try:
            paths = files(self.folder)
        except UserError as error:
            return str(error)
        return together((read(path) for path in paths), house)

    def _take(self, found: list[Read] | str) -> None:
        had, had_faults = dict(self.scripts), dict(self.faults)
        if isinstance(found, str):
            self.faults = {"": (found,)}
        else:
            names = {each.path.name.removesuffix(ENDING): each for each in found}
            self.faults = {name: each.faults for name, each in names.items() if each.faults}
            good = {
                name: each.script
                for name, each in names.items()
                if each.script is not None and not each.faults
            }
            kept = {name: had[name] for name in self.faults if name in had}
            self.scripts = {**kept, **good}
        self._older |= {(name, each.fingerprint): each for name, each in had.items()}
        if self.faults != had_faults:
            told = [fault for faults in self.faults.values() for fault in faults]
            if told:
                log.error("scripts.refused", faults=told)
            else:
                log.info("scripts.mended")
            self._refused(told or None)
        if self.scripts != had:
            log.info("scripts.changed", scripts=sorted(self.scripts))


def _stamps(folder: Path | None) -> dict[Path, Stamp]:
    """What tells one state of the scripts from another without reading them."""
    found: dict[Path, Stamp] = {}
    if folder is None:
        return found
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.endswith(ENDING) and not entry.name.endswith(TESTS):
                    stat = entry.stat()
                    found[Path(entry.path)] = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
    except OSError:
        return {}
    return found
