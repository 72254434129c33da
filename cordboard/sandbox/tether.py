"""Programs that must not outlive the one who started them.

`tethered(command)` gives the command line of a small wrapper that asks the kernel for SIGKILL
when its parent ends, however it ends, and then becomes the command itself. The kernel ties this
to the *thread* that started the child: start tethered children from a thread that lives as long
as the process does, in practice the main one.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Sequence

_PR_SET_PDEATHSIG = 1


def tethered(command: Sequence[str]) -> list[str]:
    """The same command, tied to the life of the calling thread."""
    # -S and -I keep the wrapper's start near 10 ms: it needs nothing but the standard library.
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), *command]


def main() -> None:
    parent, command = int(sys.argv[1]), sys.argv[2:]
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:  # it died before the kernel was asked
        sys.exit(1)
    for ignored in (signal.SIGPIPE, signal.SIGXFSZ):  # by Python, and inherited over exec
        signal.signal(ignored, signal.SIG_DFL)
    os.execvp(command[0], command)  # noqa: S606


if __name__ == "__main__":
    main()
