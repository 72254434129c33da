"""`cordboard` as somebody types it, but in this process: to start an interpreter and to import what
the command needs takes most of a second. Each command has a test that starts it for good, too."""

from __future__ import annotations

import io
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from cordboard.cli import main


@dataclass(frozen=True)
class Said:
    """The exit code, stdout, and stderr line by line."""

    code: int
    out: str
    lines: list[str]

    def only(self) -> str:
        assert len(self.lines) == 1, self.lines
        return self.lines[0]


def typed(*words: str | Path, data: bytes = b"", **environment: str) -> Said:
    """Runs the command to its end with `data` on stdin. What would be a traceback is raised."""
    out, wrong = io.BytesIO(), io.BytesIO()
    streams = {"stdin": io.BytesIO(data), "stdout": out, "stderr": wrong}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["cordboard", *map(str, words)])
        for name, stream in streams.items():
            text = io.TextIOWrapper(stream, "utf-8", newline="\n", write_through=True)
            patch.setattr(sys, name, text)
        for name, value in environment.items():
            patch.setenv(name, value)
        with pytest.raises(SystemExit) as end:
            main()
        lines = wrong.getvalue().decode().splitlines()
        return Said(int(end.value.code or 0), out.getvalue().decode(), lines)
