"""`cordboard` as a process of its own, forked from one that has imported it: a server is there in a
fifth of the time and of the processor's work. What is left out is the start of Python alone."""

from __future__ import annotations

import ctypes
import functools
import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from multiprocessing.context import ForkServerContext
from pathlib import Path

from cordboard.sandbox.tether import _PR_SET_PDEATHSIG


@functools.cache
def _context() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["cordboard.app", "cordboard.cli", "holidays.countries"])
    return context


class Forked:
    """As much of `subprocess.Popen` as the tests need. It ends with whoever has forked it, which
    ends with us."""

    def __init__(self, words: Sequence[str], log: Path) -> None:
        place = (list(words), dict(os.environ), Path.cwd(), log)
        self._process = _context().Process(target=run, args=place, daemon=True)
        self._process.start()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        code = self.poll()
        if code is None:
            raise subprocess.TimeoutExpired("cordboard", timeout or 0)
        return code

    def send_signal(self, number: signal.Signals) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def run(words: Sequence[str], environment: Mapping[str, str], folder: Path, log: Path) -> None:
    """In the child: what the console script does."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    with log.open("ab") as out, Path(os.devnull).open("rb") as nothing:
        for opened, number in ((nothing, 0), (out, 1), (out, 2)):
            os.dup2(opened.fileno(), number)
    from cordboard.cli import main

    sys.argv = ["cordboard", *words]
    main()
