"""The rule file on disk: read at the start, and again whenever it was changed.

A change takes effect when it is good. One that is not leaves the last good rules in force, and is
told of until it is mended.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import structlog

from cordboard.errors import UserError
from cordboard.queue.lint import House, faults
from cordboard.queue.policy import Policy

log = structlog.get_logger(__name__)

LOOK_EVERY = 1.0
"""Seconds between two looks at the file. It is read when two of them saw the same: an editor may
write it in parts."""

BYTES_AT_MOST = 4_000_000
"""Of a rule file: ten thousands of rules. To examine more takes longer than a caller waits."""

Stamp = tuple[int, int, int]
"""What tells one state of the file from another without reading it."""


def read(path: Path) -> tuple[Policy, str]:
    """The policy and its text. Raises `UserError` with every fault of the file, each with its
    line."""
    try:
        if (size := path.stat().st_size) > BYTES_AT_MOST:
            raise UserError(f"{path}: has {size} bytes, a rule file {BYTES_AT_MOST} at most")
        text = path.read_text(encoding="utf-8")
        return Policy.parse(text).prepare(), text
    except OSError as error:
        raise UserError(f"[routing] path {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 at byte {error.start}; save it as UTF-8") from error
    except ValueError as error:
        raise UserError("\n".join(f"{path}:{line}" for line in str(error).splitlines())) from None


class Rulebook:
    """`house` says what there is for rules to name, at the moment. `changed` is given each good
    policy that is another than the one before; `refused` the faults of one that is
    not good, and None when the file is good again."""

    def __init__(
        self,
        path: Path,
        house: Callable[[], House],
        changed: Callable[[Policy], None],
        refused: Callable[[list[str] | None], None],
    ) -> None:
        """Raises `UserError` where the file cannot be read, or is no policy."""
        self.path = path
        self._house = house
        self._changed = changed
        self._refused = refused
        self._read = self._seen = _stamp(path)
        self.policy, self.text = read(path)
        self._is_refused = False

    async def watch(self) -> None:
        """Looks at the file until it is cancelled."""
        for fault in await asyncio.to_thread(self._faults, self.policy, self.text, self._house()):
            log.warning("policy.fault", fault=fault)
        while True:
            await asyncio.sleep(LOOK_EVERY)
            stamp = await asyncio.to_thread(_stamp, self.path)
            settled, self._seen = stamp == self._seen, stamp
            if settled and stamp != self._read:
                self._read = stamp
                await self._take()

    async def _take(self) -> None:
        try:
            policy, text, found = await asyncio.to_thread(self._examine, self._house())
        except UserError as error:
            found = str(error).splitlines()
        if found:
            self._is_refused = True
            log.error("policy.refused", faults=found)
            self._refused(found)
            return
        if self._is_refused:
            self._is_refused = False
            log.info("policy.mended", policy=policy.fingerprint)
            self._refused(None)
        if policy.fingerprint != self.policy.fingerprint:
            self.policy, self.text = policy, text
            log.info("policy.changed", policy=policy.fingerprint, rules=len(policy.rule))
            self._changed(policy)

    def _examine(self, house: House) -> tuple[Policy, str, list[str]]:
        policy, text = read(self.path)
        return policy, text, self._faults(policy, text, house)

    def _faults(self, policy: Policy, text: str, house: House) -> list[str]:
        return [f"{self.path}:{fault}" for fault in faults(policy, text, house)]


def _stamp(path: Path) -> Stamp | None:
    """None where there is no file."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
