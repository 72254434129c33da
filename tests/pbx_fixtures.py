"""A real Asterisk of the tests' own, with SIPp for phones and callers: one for each process of a
test run, gone when that process ends however it ends."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import functools
import re
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from cordboard.errors import CordboardError, UserError
from cordboard.sandbox.pbx import SandboxPbx
from cordboard.sandbox.tap import AmiTap

__all__ = [
    "Heard",
    "ami",
    "ami_raw",
    "brisk",
    "free_members",
    "pbx",
    "run_afresh",
    "sandbox",
    "shared_pbx",
]


@functools.cache
def shared_pbx() -> SandboxPbx:
    folder = tempfile.mkdtemp(prefix="cordboard-test-")
    started = SandboxPbx(Path(folder))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    atexit.register(started.down)
    started.start(die_with_parent=True)
    return started


def run_afresh(pbx: SandboxPbx) -> None:
    """Start it, if a test before has killed it, without what it would remember of that test: the
    phones that were registered, who had logged in to a queue."""
    if pbx.pid() is None:
        (pbx.directory / "state/db/astdb.sqlite3").unlink(missing_ok=True)
        pbx.start(die_with_parent=True)


def free_members(pbx: SandboxPbx) -> None:
    """The members of queues.conf alone, none of them paused: a caller of the next test would wait
    for ever for one who is still in his wrap-up."""
    queue = ""
    for line in pbx.cli("queue show").splitlines():
        member = re.search(r"(?:PJSIP|Local)/[^\s)]+", line)
        if line and not line.startswith(" "):
            queue = line.split()[0]
        elif member and "(dynamic)" in line:
            pbx.cli(f"queue remove member {member[0]} from {queue}")
        elif member and "(paused" in line:
            pbx.cli(f"queue unpause member {member[0]} queue {queue}")


@pytest.fixture
def pbx() -> Iterator[SandboxPbx]:
    """The process's Asterisk, running, without calls and without phones; for tests that talk to it
    as a process."""
    shared = shared_pbx()
    run_afresh(shared)
    yield shared
    if shared.pid() is not None:
        try:
            shared.hang_up_all()
            left = bool(re.search(r"Contact: +1\d{3}/", shared.cli("pjsip show contacts")))
            free_members(shared)
        except CordboardError:
            left = True  # shutting down, say
        if left:  # or a phone whose leave was lost, which the next test's queue would ring
            shared.kill()


@pytest.fixture
def sandbox(pbx: SandboxPbx) -> dict[str, Any]:
    """Its `status`, for phones, callers and connections."""
    return pbx.status()


@pytest.fixture
def brisk(pbx: SandboxPbx) -> Iterator[None]:
    """Queues that ring a phone again a second after its last call, not five, where the guard of
    the wrap-up is not what is tested."""
    path = pbx.directory / "etc/queues.conf"
    kept = path.read_text(encoding="utf-8")
    quick = "".join(f"\n[{queue}](+)\nwrapuptime = 1\n" for queue in pbx.status()["queues"])
    path.write_text(kept + quick, encoding="utf-8")
    pbx.cli("queue reload parameters")
    yield
    path.write_text(kept, encoding="utf-8")
    with contextlib.suppress(UserError):  # it may be gone
        pbx.cli("queue reload parameters")


class Heard(AmiTap):
    """An AMI connection that keeps what it hears, cut into messages."""

    def frames(self) -> list[dict[str, str]]:
        text = self.heard.decode(errors="replace").partition("\r\n")[2]
        found: list[dict[str, str]] = []
        for frame in text.split("\r\n\r\n"):
            found.append({})
            for line in frame.split("\r\n"):
                name, colon, value = line.partition(": ")
                if colon:
                    found[-1].setdefault(name, value)
        return found

    def events(self, *names: str) -> list[dict[str, str]]:
        return [frame for frame in self.frames() if frame.get("Event") in names]

    async def until_frame(self, seconds: float = 30, **fields: str) -> dict[str, str]:
        """Wait for a reply, or any other message, with these values."""
        for _ in range(round(seconds / 0.02)):
            for frame in self.frames():
                if fields.items() <= frame.items():
                    return frame
            await asyncio.sleep(0.02)
        raise AssertionError(f"nothing with {fields} in {seconds} s")

    async def until_event(self, name: str, seconds: float = 45, **fields: str) -> dict[str, str]:
        """Wait for an event with these values; fails the test after `seconds`."""
        for _ in range(round(seconds / 0.02)):
            for frame in self.events(name):
                if fields.items() <= frame.items():
                    return frame
            await asyncio.sleep(0.02)
        seen = [frame.get("Event", "") for frame in self.frames()]
        raise AssertionError(f"no {name} with {fields} in {seconds} s; heard: {', '.join(seen)}")


@pytest.fixture
async def ami(sandbox: dict[str, Any]) -> AsyncIterator[Heard]:
    """A connection with cordboard's own account and filters."""
    heard = Heard(sandbox["ami"])
    await heard.open()
    yield heard
    await heard.close()


@pytest.fixture
async def ami_raw(sandbox: dict[str, Any]) -> AsyncIterator[Heard]:
    """A connection that is spared nothing."""
    heard = Heard(sandbox["ami_raw"])
    await heard.open()
    yield heard
    await heard.close()
