"""`python -m bench.sampled FILE serve …`: the server, with a look every few milliseconds of CPU at
what it is doing. SIGUSR1 begins the count anew; at SIGUSR2 FILE has how often each part was met
since, as JSON.

The kernel's profiling timer counts the CPU of all threads, but Python answers it on the main one;
looks that came while a database thread worked find the main thread in its selector, and are told
apart as `waiting`.
"""

from __future__ import annotations

import json
import signal
import sys
from collections import Counter
from pathlib import Path
from types import FrameType

EVERY = 0.002
PARTS = {
    "cti/fastagi": "AGI",
    "cti/agi": "AGI",
    "cti/ami": "events",
    "cti/connection": "events",
    "cti/link": "events",
    "cti/calls": "events",
    "cti/facts": "events",
    "board": "rules",
    "desk": "rules",
    "queue/": "rules",
    "records": "rules",
    "core": "rules",
    "flight": "flight recorder",
    "pseudonyms": "flight recorder",
    "recorder": "flight recorder",
    "crm_core/": "store",
    "ledger": "store",
    "screenpop/": "pop and hub",
}
_seen: Counter[str] = Counter()


def part_of(frame: FrameType | None) -> str:
    """The part whose code is innermost. What the store does runs in greenlets of SQLAlchemy's,
    where our own frames cannot be seen."""
    inmost = frame.f_code.co_filename if frame else ""
    if inmost.endswith("selectors.py"):
        return "waiting"
    while frame is not None:
        name = frame.f_code.co_filename
        if "/sqlalchemy/" in name:
            return "store"
        if "/cordboard/" in name:
            inside = name.rpartition("/cordboard/")[2]
            for path, part in PARTS.items():
                if inside.startswith(path):
                    return part
            if frame.f_code.co_name in ("_route", "_ask"):
                return "AGI"
            if frame.f_code.co_name not in ("serve", "main"):
                return "rules" if inside in ("app.py", "inbox.py", "events.py") else "other"
        elif "/aiohttp/" in name:
            return "pop and hub"
        frame = frame.f_back
    return "event loop"


def _look(signum: int, frame: FrameType | None) -> None:
    _seen[part_of(frame)] += 1


def _write(path: Path) -> None:
    whole = path.with_suffix(".new")
    whole.write_text(json.dumps(_seen))
    whole.replace(path)  # whoever sees the file sees all of it


def main() -> None:
    path = Path(sys.argv.pop(1))
    signal.signal(signal.SIGPROF, _look)
    signal.signal(signal.SIGUSR1, lambda *_: _seen.clear())
    signal.signal(signal.SIGUSR2, lambda *_: _write(path))
    signal.siginterrupt(signal.SIGPROF, False)
    signal.setitimer(signal.ITIMER_PROF, EVERY, EVERY)
    from cordboard.cli import main as cordboard

    cordboard()


if __name__ == "__main__":
    main()
