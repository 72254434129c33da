"""Asterisk and SIPp, and programs that speak: those of the machine, or Debian's packages unpacked
into the user's cache.

Unpacked packages run through the loader and the libraries that came with them, so the machine may
be an older Debian than they are. Nothing is installed and no root is needed: apt works in a
private folder, and takes the mirror from the machine's own configuration.
"""

from __future__ import annotations

import fcntl
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from cordboard.errors import UserError

SUITE = "forky"  # Asterisk is in no Debian release between bullseye and this one


@dataclass(frozen=True)
class Bundle:
    """Packages that are fetched together. Raise `recipe` when a cache made before must not be used
    any more."""

    name: str
    packages: tuple[str, ...]
    recipe: int
    components: str = "main"
    drop: str = ""  # a pattern: of the folders that it finds only `keep` stays
    keep: str = ""


PBX = Bundle(
    "asterisk",
    (
        "asterisk",
        "asterisk-core-sounds-en-gsm",
        "asterisk-core-sounds-ru-gsm",  # for Bulgarian there is none: it falls back to English
        "asterisk-moh-opsound-gsm",
        "libfaketime",  # for a PBX whose clock is set while it runs
        "sip-tester",
    ),
    recipe=2,
)
SPEAKERS = Bundle(
    "speakers",
    ("espeak-ng", "rhvoice", "rhvoice-russian"),
    recipe=1,
    components="main non-free",  # of the voices, Anna's is free data under the LGPL
    drop="usr/share/RHVoice/voices/*",
    keep="anna",
)
_OLDEST = 20  # major version of an installed Asterisk that will do
_LOADERS = {
    "amd64": ("x86_64-linux-gnu", "ld-linux-x86-64.so.2"),
    "arm64": ("aarch64-linux-gnu", "ld-linux-aarch64.so.1"),
}
_FAKETIME = "faketime/libfaketimeMT.so.1"
_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_BY_HAND = "install the packages asterisk and sip-tester by hand, and the sandbox will use them"


@dataclass(frozen=True)
class Asterisk:
    """A PBX that can be started from here."""

    command: tuple[str, ...]
    modules: Path
    data: Path  # has sounds/, documentation/ and perhaps moh/
    version: str
    faketime: Path | None = None  # the library that fakes the time, where we have one

    @property
    def major(self) -> int:
        return int(self.version.split(".")[0])


@dataclass(frozen=True)
class Tools:
    asterisk: Asterisk
    sipp: tuple[str, ...]


def tools() -> Tools:
    """What the sandbox runs. Fetches about 95 MB the first time, and shows it on stderr.

    Raises UserError where neither installed programs nor Debian's packages can be had.
    """
    asterisk = _installed_asterisk()
    sipp = shutil.which("sipp")
    if asterisk is not None and sipp is not None:
        return Tools(asterisk, (sipp,))
    fetched = _unpacked(_fetch(PBX))
    return Tools(asterisk or fetched.asterisk, (sipp,) if sipp else fetched.sipp)


# ---- installed ------------------------------------------------------------------------------


def speakers(*, fetch: bool) -> Path | None:
    """A folder for PATH in which RHVoice speaks Russian and espeak-ng the other languages, or none
    where both are installed, or not fetched yet. To fetch is about 170 MB; raises UserError where
    they cannot be had."""
    if shutil.which("RHVoice-test") and shutil.which("espeak-ng"):
        return None
    if not fetch and not list(cache().glob(f"{SPEAKERS.name}-{SUITE}-*-{SPEAKERS.recipe}")):
        return None
    root = _fetch(SPEAKERS)
    triplet, loader = _LOADERS[_architecture()]
    libraries = root / "usr/lib" / triplet
    data = {
        "RHVOICE_DATA_PATH": root / "usr/share/RHVoice",
        "RHVOICE_CONFIG_PATH": root / "etc/RHVoice",
        "ESPEAK_DATA_PATH": libraries,
    }
    folder = root / "speakers"
    folder.mkdir(exist_ok=True)
    for program in ("RHVoice-test", "espeak-ng"):
        lines = [
            "#!/bin/sh",
            *(f"export {name}={shlex.quote(str(path))}" for name, path in data.items()),
            f"libraries={shlex.quote(str(libraries))}",
            f'exec "$libraries/{loader}" --library-path "$libraries:$libraries/pulseaudio"'
            f' {shlex.quote(str(root / "usr/bin" / program))} "$@"',
        ]
        part = folder / f".{program}.{os.getpid()}"
        part.write_text("\n".join([*lines, ""]), encoding="utf-8")
        part.chmod(0o755)
        part.replace(folder / program)
    return folder


def _version(command: tuple[str, ...]) -> str:
    told = _run([*command, "-V"], "ask Asterisk for its version")
    found = re.search(r"(\d+\.[\d.]*\d)", told)
    if found is None:
        raise UserError(f"{' '.join(command)} -V does not tell a version: {told.strip()}")
    return found[1]


def _installed_asterisk() -> Asterisk | None:
    program = shutil.which("asterisk", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        return None
    modules = [
        folder
        for pattern in ("lib/*/asterisk/modules", "lib*/asterisk/modules")
        for top in ("/usr", "/usr/local")
        for folder in Path(top).glob(pattern)
        if (folder / "app_queue.so").exists() and (folder / "chan_pjsip.so").exists()
    ]
    data = [
        folder
        for folder in (Path("/usr/share/asterisk"), Path("/var/lib/asterisk"))
        if (folder / "sounds").is_dir() and (folder / "documentation").is_dir()
    ]
    if not modules or not data:
        return None
    faketime = next((p for p in Path("/usr/lib").glob(f"*/{_FAKETIME}")), None)
    found = Asterisk((program,), modules[0], data[0], _version((program,)), faketime)
    return found if found.major >= _OLDEST else None


# ---- fetched --------------------------------------------------------------------------------


class _Show(Protocol):
    def __call__(self, what: str, percent: float) -> None: ...


def cache() -> Path:
    """The user's own folder for what takes long to come by, and which all sandboxes share."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cordboard"


def _place(bundle: Bundle) -> Path:
    return cache() / f"{bundle.name}-{SUITE}-{_architecture()}-{bundle.recipe}"


def _fetch(bundle: Bundle) -> Path:
    """The folder with the unpacked packages, made now if it is not there yet."""
    base, final = cache(), _place(bundle)
    if final.is_dir():
        return final
    base.mkdir(parents=True, exist_ok=True)
    with (base / f"{final.name}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another process may be at it: wait, then use its work
        if final.is_dir():
            return final
        for leftover in base.glob(f"{final.name}.part-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        with (
            tempfile.TemporaryDirectory(prefix=f"{final.name}.part-", dir=base) as part,
            _progress() as show,
        ):
            archives = _download(Path(part), show, bundle)
            root = Path(part, "root")
            root.mkdir()
            for done, archive in enumerate(archives, 1):
                _run(["dpkg-deb", "--extract", str(archive), str(root)], f"unpack {archive.name}")
                show("unpacking", 100 * done / len(archives))
            for path in root.glob(bundle.drop) if bundle.drop else ():
                if path.name != bundle.keep:
                    shutil.rmtree(path)
            (root / "versions.txt").write_text("".join(_named(path) for path in archives))
            root.rename(final)
    return final


def _architecture() -> str:
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise UserError(f"no apt on this machine, so no Asterisk can be fetched: {_BY_HAND}")
    told = _run(["dpkg", "--print-architecture"], "ask dpkg for the architecture").strip()
    if told not in _LOADERS:
        raise UserError(
            f"the sandbox knows amd64 and arm64, and this machine is {told}: {_BY_HAND}"
        )
    return told


def _mirror() -> str:
    """The Debian mirror this machine is set up with."""
    told = _run(
        ["apt-get", "indextargets", "--format", "$(RELEASE) $(COMPONENT) $(SITE)"],
        "ask apt for its mirror",
    )
    release = _os_release()
    if release.get("ID") == "debian":
        sites = [line.split(" ", 2) for line in told.splitlines() if line.count(" ") == 2]
        codename = release.get("VERSION_CODENAME", "")
        names = {codename, "stable", "testing", "unstable", "sid"}
        for suite, component, site in sites:
            if suite in names and component == "main":
                return site
    raise UserError(f"apt on this machine knows no Debian mirror: {_BY_HAND}")


def _os_release() -> dict[str, str]:
    lines = Path("/etc/os-release").read_text(encoding="utf-8").splitlines()
    pairs = (line.partition("=") for line in lines if "=" in line)
    return {key: value.strip("\"'") for key, _, value in pairs}


def _download(part: Path, show: _Show, bundle: Bundle) -> list[Path]:
    """The archives of the bundle and all they need, by an apt that knows only `part`."""
    for folder in ("state/lists/partial", "cache/archives/partial", "parts", "log"):
        (part / folder).mkdir(parents=True)
    (part / "state/status").touch()  # nothing counts as installed: every library is wanted
    signed = f"[signed-by={_KEYRING}] " if _KEYRING.exists() else ""
    (part / "sources.list").write_text(f"deb {signed}{_mirror()} {SUITE} {bundle.components}\n")
    settings = {
        "Dir::State": part / "state",
        "Dir::State::status": part / "state/status",
        "Dir::Cache": part / "cache",
        "Dir::Log": part / "log",
        "Dir::Etc::sourcelist": part / "sources.list",
        "Dir::Etc::sourceparts": part / "parts",
        "APT::Install-Recommends": "false",
        "APT::Sandbox::User": "root",  # apt's own user could not write here
        "Acquire::Languages": "none",
        "Acquire::Retries": "3",
    }
    conf = part / "apt.conf"
    conf.write_text("".join(f'{key} "{value}";\n' for key, value in settings.items()))
    _apt(conf, ["update"], "asking Debian for its packages", show)
    wanted = ["install", "--download-only", *bundle.packages]
    _apt(conf, wanted, f"fetching {bundle.packages[0]} and what it needs", show)
    archives = sorted((part / "cache/archives").glob("*.deb"))
    if not archives:
        raise UserError(f"apt fetched nothing: {_BY_HAND}")
    return archives


def _apt(conf: Path, words: list[str], what: str, show: _Show) -> None:
    """Run apt-get and follow its status lines: `dlstatus:<n>:<percent>:<words>`."""
    show(what, 0)
    reading, writing = os.pipe()
    with tempfile.TemporaryFile("w+") as complaints, os.fdopen(reading) as status:
        with subprocess.Popen(  # noqa: S603
            ["apt-get", "-q", "-y", "-o", f"APT::Status-Fd={writing}", *words],  # noqa: S607
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=complaints,
            pass_fds=[writing],
            env={**os.environ, "APT_CONFIG": str(conf), "LC_ALL": "C.UTF-8"},
        ) as apt:
            os.close(writing)
            for line in status:
                fields = line.split(":")
                if fields[0] == "dlstatus" and len(fields) > 2:
                    show(what, float(fields[2]))
        complaints.seek(0)
        # A mirror that does not answer is only a warning to `apt-get update`.
        wrong = [line for line in complaints if line.startswith(("E:", "W: Failed", "Err:"))]
    if apt.returncode != 0 or wrong:
        why = wrong[0].strip() if wrong else f"apt-get ended with {apt.returncode}"
        raise UserError(f"{what} failed ({why}): mend the network or apt, or {_BY_HAND}")
    show(what, 100)


def _run(command: list[str], what: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode != 0:
        raise UserError(f"could not {what}: {done.stderr.strip()}: {_BY_HAND}")
    return done.stdout


def _named(archive: Path) -> str:
    name, version, _ = urllib.parse.unquote(archive.name).split("_")
    return f"{name} {version}\n"


def _unpacked(root: Path) -> Tools:
    triplet, loader = _LOADERS[_architecture()]
    libraries = root / "usr/lib" / triplet
    start = (str(libraries / loader), "--library-path", str(libraries))
    asterisk = (*start, str(root / "usr/sbin/asterisk"))
    versions = dict(line.split(" ", 1) for line in (root / "versions.txt").read_text().splitlines())
    found = re.search(r"(?:\d+:)?(\d+\.[\d.]*\d)", versions["asterisk"])
    return Tools(
        Asterisk(
            asterisk,
            libraries / "asterisk/modules",
            root / "usr/share/asterisk",
            found[1] if found else _version(asterisk),
            libraries / _FAKETIME,
        ),
        (*start, str(root / "usr/bin/sipp")),
    )


@contextmanager
def _progress() -> Iterator[_Show]:
    """A bar on a terminal, plain lines elsewhere; on stderr either way."""
    if not sys.stderr.isatty():
        said: set[str] = set()

        def say(what: str, percent: float) -> None:
            if what not in said:
                said.add(what)
                print(f"{what} ...", file=sys.stderr, flush=True)

        yield say
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as bars:
        tasks: dict[str, TaskID] = {}

        def draw(what: str, percent: float) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=100)
            bars.update(tasks[what], completed=percent)

        yield draw
