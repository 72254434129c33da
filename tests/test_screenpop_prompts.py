"""Prompts are given to PBXs alone, by names that lead nowhere else; and the real Asterisk plays
them, from the disk and by HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from ear import VOICE, listening
from prometheus_client import CollectorRegistry
from speaking import install, tone

from cordboard.config import Http, Pbx, Settings
from cordboard.config import Prompts as PromptsSettings
from cordboard.crm_core.store import Store
from cordboard.ivr import speech
from cordboard.ivr.prompts import Prompts
from cordboard.ivr.speech import Piece, Sound, Value, Words
from cordboard.ivr.utterances import Line
from cordboard.sandbox import packages, sip, stub
from cordboard.screenpop.hub import Hub
from cordboard.screenpop.web import make_app

NAME = "0123456789abcdef0123456789abcdef.wav"


@contextlib.asynccontextmanager
async def server(
    find: Callable[[str], Path | None], tmp_path: Path, *, proxies: tuple[str, ...] = ()
) -> AsyncIterator[str]:
    """The web application, on a free port."""
    settings = Settings(
        http=Http(trusted_proxies=list(proxies)),
        pbx=[Pbx(secret_file=Path("x"), host=host) for host in ("10.1.2.3",)],
    )
    registry = CollectorRegistry()
    store, hub = Store(f"sqlite:///{tmp_path}/db.sqlite", "RU"), Hub(registry)
    app = make_app(settings, store, hub, lambda _: None, registry, prompts=find)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/prompts"
    finally:
        await runner.cleanup()


@pytest.fixture
def prompts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Prompts:
    """Spoken by a tone."""
    folder = tmp_path / "bin"
    folder.mkdir()
    install(folder, "espeak-ng")
    monkeypatch.setenv("PATH", f"{folder}:/usr/sbin:/usr/bin:/bin")
    return made(tmp_path)


def made(tmp_path: Path, url: str = "") -> Prompts:
    voices = {"ru": "espeak-ng:ru"}
    settings = PromptsSettings(
        path=tmp_path / "prompts", personal=tmp_path / "own", url=url, voices=voices
    )
    prompts = Prompts(settings, "RUB", tmp_path / "sounds")
    prompts.open()
    return prompts


async def ask(url: str, **headers: str) -> tuple[int, bytes, Mapping[str, str]]:
    async with aiohttp.ClientSession() as http, http.get(url, headers=headers) as response:
        return response.status, await response.read(), response.headers


async def test_a_prompt_is_given_with_what_a_cache_needs(prompts: Prompts, tmp_path: Path) -> None:
    (tmp_path / "prompts" / NAME).write_bytes(tone(8000, 400.0, 0.1))
    async with server(prompts.file, tmp_path) as url:
        status, body, headers = await ask(f"{url}/{NAME}")
        assert (status, body) == (200, tone(8000, 400.0, 0.1))
        assert headers["Content-Type"] == "audio/wav"
        assert headers["Cache-Control"] == "private, max-age=3600"
        again = await ask(f"{url}/{NAME}", **{"If-None-Match": headers["ETag"]})
        assert again[:2] == (304, b"")


@pytest.mark.parametrize(
    "name",
    [
        *("1" * 32 + ".wav", NAME.upper(), "x" + NAME, f"{NAME}.txt", ".." + NAME),
        *("..%2f..%2fdb.sqlite", "%2e%2e/db.sqlite", "", f"{NAME}/", f"..%2fprompts%2f{NAME}"),
    ],
)
async def test_nothing_else_is_given_out(prompts: Prompts, tmp_path: Path, name: str) -> None:
    (tmp_path / "prompts" / NAME).write_bytes(b"RIFF")
    (tmp_path / "prompts" / f"{NAME}.txt").write_bytes(b"what is said")
    async with server(prompts.file, tmp_path) as url:
        status, body, _ = await ask(f"{url}/{name}")
    assert status == 404
    assert b"RIFF" not in body


@pytest.mark.parametrize(("address", "status"), [("10.1.2.3", 200), ("10.1.2.4", 403)])
async def test_only_the_configured_pbxs_get_them(
    prompts: Prompts, tmp_path: Path, address: str, status: int
) -> None:
    """Seen through a proxy, which tells for whom it asks."""
    (tmp_path / "prompts" / NAME).write_bytes(b"RIFF")
    told = {"X-Forwarded-For": address, "X-Forwarded-Proto": "https"}
    async with server(prompts.file, tmp_path, proxies=("127.0.0.1",)) as url:
        assert (await ask(f"{url}/{NAME}", **told))[0] == status


# ---- the real Asterisk --------------------------------------------------------------------------


@pytest.mark.pbx
@pytest.mark.parametrize("language", ["en", "ru"])
def test_every_sound_that_values_are_made_of_lies_in_asterisk_s_packages(language: str) -> None:
    folder = packages.tools().asterisk.data / "sounds"
    (voice,) = folder.glob(f"{language}_*_*_*")
    known = {found.relative_to(voice).with_suffix("").as_posix() for found in voice.rglob("*.*")}
    values = [Value("digits", "0123456789*#+abcdefghijklmnopqrstuvwxyz")]
    values += [Value("number", str(10**power * digit)) for power in range(13) for digit in (1, -7)]
    values += [Value("number", str(number)) for number in [*range(121), 1100, 0.5]]
    values += [Value("ordinal", str(number)) for number in [*range(1, 101), 1000, 10**6, 10**9]]
    values += [Value("money", str(minor)) for minor in (0, 1, -100, 200)]
    values += [Value("date", f"2026-{month:02}-01") for month in range(1, 13)]
    values += [Value("time", text) for text in ("00:00", "12:30", "13:01")]
    parts = speech.expand(values, language, "USD")
    used = {part.name for part in parts if isinstance(part, Sound)}
    assert used - known == set()
    assert len(used) > 50


@pytest.mark.pbx
async def test_asterisk_plays_prompts_from_the_disk_and_by_http(
    prompts: Prompts, sandbox: dict[str, Any], tmp_path: Path
) -> None:
    pieces: list[Piece] = [Words("Добрый день, "), Words("Иван Петрович"), Value("number", "121")]
    await prompts.prepare([Line("a.yaml:1", "ru", (pieces[0],))])
    replies: list[tuple[str, str]] = []
    done = asyncio.Event()
    asked: list[str] = []

    def find(name: str) -> Path | None:
        asked.append(name)
        return prompts.file(name)

    async with server(find, tmp_path) as url, listening() as ear:
        by_http = made(tmp_path, url)
        fetched = await by_http.sounds(pieces[:1], "ru")
        assert fetched[0].startswith("http://")
        names = [*await prompts.sounds(pieces, "ru"), *fetched, *fetched]

        async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await stub.environment(reader)
            lease = {"TIMEOUT(absolute)": 60}  # that of a route ends after five seconds
            await stub.set_variables(reader, writer, {"CHANNEL(language)": "ru", **lease})
            for line in ("ANSWER", *(f'STREAM FILE "{name}" ""' for name in names)):
                writer.write(f"{line}\n".encode())
                replies.append((line, (await reader.readline()).decode().strip()))
            done.set()

        async with stub.agi(sandbox, play):
            caller = sip.dial(sandbox, "79161234567", "Иван", ear=ear.port)
            async with asyncio.timeout(60):
                await done.wait()
            await caller.hang_up()
    assert len(replies) == 1 + 5 + 2
    for line, reply in replies[1:]:
        played = re.fullmatch(r"200 result=0 endpos=(\d+)", reply)
        assert played, (line, reply)
        assert int(played[1]) > 1500, (line, reply)
    assert len(ear.loud(level=VOICE)) > 4 * 0.3 * 50 * 0.8  # four tones of 0.3 s, in 20 ms packets
    assert len(asked) == 1, "Asterisk's media cache has it the second time"
    log = (Path(sandbox["config"]).parent / "log/messages").read_text()
    assert "does not exist" not in log
