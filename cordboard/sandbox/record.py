"""Recordings of raw AMI: what Asterisk sends while one known thing happens.

Each play is given on a PBX just started, so that names and counters are alike each time. The file
holds every byte from the banner on, untouched.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from cordboard.errors import UserError
from cordboard.sandbox.pbx import SandboxPbx
from cordboard.sandbox.plays import ABRUPT, LATE, PLAYS, RAW, Stage
from cordboard.sandbox.tap import AmiTap


async def record(name: str, out: Path) -> Path:
    """Give one play and write `out/NAME.ami`."""
    if name not in PLAYS:
        raise UserError(f"no play {name!r}: there are {', '.join(PLAYS)}")
    with tempfile.TemporaryDirectory(prefix="cordboard-record-") as folder:
        pbx = SandboxPbx(Path(folder), scenery=True)
        pbx.start(die_with_parent=True)
        status = pbx.status()
        link = AmiTap(status["ami_raw" if name in RAW else "ami"])
        stage = Stage(pbx, status, link)
        try:
            if name not in LATE:
                await link.open()
            await PLAYS[name](stage)
            if name not in ABRUPT:
                await stage.quiet()
        finally:
            await link.close()
            pbx.down()
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"{name}.ami"
    path.write_bytes(link.heard)
    return path
