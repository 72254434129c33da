"""Fetching, with a download that a test plays."""

from __future__ import annotations

import multiprocessing
import shutil
import subprocess
from pathlib import Path

import pytest

from cordboard.errors import UserError
from cordboard.sandbox import packages


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    if shutil.which("dpkg-deb") is None:
        pytest.fail("dpkg-deb is missing; type: sudo apt-get install dpkg", pytrace=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "cordboard"


def archive(part: Path) -> Path:
    """A Debian package with one file, as apt would leave it."""
    tree = part / "tree"
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "usr/share/asterisk").mkdir(parents=True)
    (tree / "DEBIAN/control").write_text(
        "Package: asterisk\nVersion: 1:22.9-1\nArchitecture: all\nMaintainer: x\nDescription: x\n"
    )
    path = part / "asterisk_1%3a22.9-1_all.deb"
    subprocess.run(["dpkg-deb", "--build", str(tree), str(path)], check=True, capture_output=True)
    return path


def play(monkeypatch: pytest.MonkeyPatch, calls: list[Path] | None = None) -> None:
    def download(part: Path, show: object, bundle: packages.Bundle) -> list[Path]:
        if calls is not None:
            calls.append(part)
        return [archive(part)]

    monkeypatch.setattr(packages, "_download", download)


def test_unpacks_once_and_records_versions(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Path] = []
    play(monkeypatch, calls)
    root = packages._fetch(packages.PBX)
    assert packages._fetch(packages.PBX) == root
    assert len(calls) == 1
    assert root.parent == cache
    assert (root / "usr/share/asterisk").is_dir()
    assert (root / "versions.txt").read_text() == "asterisk 1:22.9-1\n"
    assert packages._unpacked(root).asterisk.version == "22.9"
    assert sorted(path.name for path in cache.iterdir()) == [root.name, f"{root.name}.lock"]


def test_broken_off_midway_leaves_nothing_that_counts(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(part: Path, show: object, bundle: packages.Bundle) -> list[Path]:
        raise KeyboardInterrupt

    monkeypatch.setattr(packages, "_download", killed)
    with pytest.raises(KeyboardInterrupt):
        packages._fetch(packages.PBX)
    (cache / f"asterisk-{packages.SUITE}-amd64-{packages.PBX.recipe}.part-old/root").mkdir(
        parents=True
    )  # of a kill -9
    play(monkeypatch)
    assert packages._fetch(packages.PBX).is_dir()
    assert not list(cache.glob("*.part-*"))


def test_two_processes_at_once_fetch_once(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    play(monkeypatch)
    context = multiprocessing.get_context("fork")
    both = [context.Process(target=packages._fetch, args=(packages.PBX,)) for _ in range(3)]
    for one in both:
        one.start()
    for one in both:
        one.join(20)
    assert [one.exitcode for one in both] == [0, 0, 0]
    assert packages._fetch(packages.PBX).is_dir()


def test_no_apt_is_one_clear_line(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    with pytest.raises(UserError, match="install the packages asterisk and sip-tester"):
        packages.tools()


def test_not_debian_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "_os_release", lambda: {"ID": "other"})
    with pytest.raises(UserError, match="no Debian mirror"):
        packages._mirror()


def test_failed_download_is_one_clear_line(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "_mirror", lambda: "http://127.0.0.1:9/debian")
    with pytest.raises(UserError, match="asking Debian for its packages failed") as raised:
        packages._fetch(packages.PBX)
    assert "\n" not in str(raised.value)
    assert not list(cache.glob("*.part-*"))


def test_installed_programs_are_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "sipp"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    installed = packages.Asterisk(("/usr/sbin/asterisk",), tmp_path, tmp_path, "22.1.0")
    monkeypatch.setattr(packages, "_installed_asterisk", lambda: installed)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert packages.tools() == packages.Tools(installed, (str(program),))
    assert installed.major == 22


def test_speakers_are_started_with_their_own_data_and_one_russian_voice_is_kept(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The programs print what they were started with; the loader of the bundle is a shell."""

    def download(part: Path, show: object, bundle: packages.Bundle) -> list[Path]:
        path = archive(part)
        tree = part / "tree"
        for voice in ("anna", "bob"):
            (tree / "usr/share/RHVoice/voices" / voice).mkdir(parents=True)
        triplet, loader = packages._LOADERS[packages._architecture()]
        programs = tree / "usr/bin/RHVoice-test", tree / "usr/lib" / triplet / loader
        for program in programs:
            program.parent.mkdir(parents=True)
            program.write_text('#!/bin/sh\necho "$RHVOICE_DATA_PATH" "$@"\n')
            program.chmod(0o755)
        subprocess.run(["dpkg-deb", "--build", tree, path], check=True, capture_output=True)
        return [path]

    monkeypatch.setattr(packages, "_download", download)
    monkeypatch.setattr(shutil, "which", lambda name: None if "RHVoice" in name else f"/bin/{name}")
    assert packages.speakers(fetch=False) is None
    folder = packages.speakers(fetch=True)
    assert folder is not None
    root = folder.parent
    assert [path.name for path in (root / "usr/share/RHVoice/voices").iterdir()] == ["anna"]
    done = subprocess.run([folder / "RHVoice-test", "-p", "a b"], capture_output=True, text=True)
    data, *_, program, option, voice = done.stdout.strip().split(" ", 5)
    assert Path(data) == root / "usr/share/RHVoice"
    assert Path(program) == root / "usr/bin/RHVoice-test"
    assert (option, voice) == ("-p", "a b")
    assert packages.speakers(fetch=False) == folder


def test_installed_speakers_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    assert packages.speakers(fetch=True) is None
