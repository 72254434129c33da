"""A running server has spoken what its scripts say, and gives it to the PBX."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from server_fixtures import PATIENCE, Server, served
from speaking import install

from cordboard.sandbox.pbx import SandboxPbx

pytestmark = [pytest.mark.pbx]
SCRIPT = """\
version: 1
name: bye
languages: [bg]
steps:
  - say: "{said}"
  - hangup:
"""


async def test_a_script_is_spoken_at_the_start_and_when_it_changes(
    tmp_path: Path, pbx: SandboxPbx, sandbox: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    programs, scripts, prompts = (tmp_path / name for name in ("bin", "scripts", "prompts"))
    for folder in (programs, scripts):
        folder.mkdir()
    install(programs, "espeak-ng")
    monkeypatch.setenv("PATH", f"{programs}:/usr/sbin:/usr/bin:/bin")
    monkeypatch.setenv("CORDBOARD_SCRIPTS__PATH", str(scripts))
    monkeypatch.setenv("CORDBOARD_PROMPTS__PATH", str(prompts))
    script = scripts / "bye.yaml"
    script.write_text(SCRIPT.format(said="Довиждане"), encoding="utf-8")

    async def spoken(text: str) -> str:
        for _ in range(round(PATIENCE / 0.05)):
            for about in prompts.glob("*.txt"):
                if about.read_text(encoding="utf-8") == f"bg espeak-ng:bg\n{text}\n":
                    return about.with_suffix(".wav").name
            await asyncio.sleep(0.05)
        raise AssertionError(f"nobody said {text}")

    async with served(server := Server(tmp_path, sandbox), pbx):
        name = await spoken("Довиждане")
        async with (
            aiohttp.ClientSession() as http,
            http.get(f"{server.base}/prompts/{name}") as answer,
        ):
            assert (answer.status, (await answer.read())[:4]) == (200, b"RIFF")
        script.write_text(SCRIPT.format(said="Лека нощ"), encoding="utf-8")
        await spoken("Лека нощ")
        await spoken("Не чух отговор.")  # what the house says everywhere
