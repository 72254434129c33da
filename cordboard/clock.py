"""Our own clock: the time of day that never jumps while somebody is on the phone."""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog

log = structlog.get_logger(__name__)

STEP = 1.0
"""Seconds by which the machine's time of day must differ from ours to count as set anew."""


class Clock:
    """Calling it gives seconds since the epoch.

    It goes on from the machine's time of day at the start by the monotonic clock, so waits, talks
    and wrap-ups stay right when an administrator or a late NTP sets the machine's clock; the
    kernel disciplines both alike, so they differ by such steps alone. `follow`, called while no
    call lives, takes the machine's time over.
    """

    def __init__(
        self,
        wall: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._wall, self._steady = wall, steady
        self._offset = wall() - steady()
        self._said = 0.0

    def __call__(self) -> float:
        return self._offset + self._steady()

    def behind(self) -> float:
        """Seconds by which the machine's time of day is ahead of ours; small differences are 0."""
        ahead = self._wall() - self()
        return ahead if abs(ahead) >= STEP else 0.0

    def follow(self, quiet: bool) -> None:
        """Takes over a time of day that was set anew, if it is `quiet`; says so either way."""
        ahead = self.behind()
        if ahead and quiet:
            log.warning("clock.followed", seconds=round(ahead, 3))
            self._offset += ahead
        elif abs(ahead - self._said) >= STEP:
            log.warning("clock.stepped", seconds=round(ahead, 3), until="no call lives")
        self._said = 0.0 if quiet else ahead
